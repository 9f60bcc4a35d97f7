//! TLS as the function speaks it: whom it trusts, and what it shows. The same choice for librdkafka and for all else that connects.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::{HandshakeError, SslConnector, SslConnectorBuilder, SslMethod};
use openssl::x509::X509VerifyResult;
use openssl::x509::store::X509StoreBuilder;

use crate::config::Config;
use crate::kafka::credentials::Credentials;
use crate::secret::{Secret, ShapeError, certificates, key};

/// Whom to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The authorities of this PEM text.
    Pem(String),
    /// Those of this PEM file, or of this folder.
    Path(PathBuf),
}

/// Why TLS can't be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The system has no certificate authorities where anybody would look.
    #[error(
        "no certificate authorities were found in SSL_CERT_FILE, SSL_CERT_DIR, /etc/pki/tls/certs/ca-bundle.crt, /etc/ssl/certs/ca-certificates.crt, \
         nor where other systems keep them: name a PEM file of them in K2M_CA_FILE or SSL_CERT_FILE"
    )]
    NoAuthorities,
    /// The authorities can't be read.
    #[error("the certificate authorities in {path} can't be read: {source}")]
    Authorities {
        /// The file, or the secret.
        path: String,
        /// OpenSSL's reason.
        source: ErrorStack,
    },
    /// The certificate to show can't be used.
    #[error("the certificate to show can't be used: {0}")]
    Certificate(#[from] ShapeError),
    /// OpenSSL refuses something else.
    #[error("TLS can't be set up: {0}")]
    OpenSsl(#[from] ErrorStack),
}

impl Trust {
    /// The authority of the secret `ca`, where there is one, else that of the configuration's file, else the system's.
    pub(crate) fn choose(config: &Config, ca: Option<&str>) -> Result<Self, TlsError> {
        match (ca, &config.ca_file) {
            (Some(pem), _) => Ok(Self::Pem(pem.to_owned())),
            (None, Some(file)) => Ok(Self::Path(file.clone())),
            (None, None) => Self::system(),
        }
    }

    /// The system's authorities, as `SSL_CERT_FILE` or `SSL_CERT_DIR` names them, or where systems keep them. Costs a few looks at files:
    /// nothing is read.
    pub(crate) fn system() -> Result<Self, TlsError> {
        let found = openssl_probe::probe();
        let mut folders = found.cert_dir.into_iter().filter(|folder| !is_empty(folder));
        let found = found.cert_file.or_else(|| folders.next());
        found.map(Self::Path).ok_or(TlsError::NoAuthorities)
    }

    /// What makes TLS connections that trust these alone.
    pub(crate) fn connector(&self) -> Result<SslConnectorBuilder, TlsError> {
        let unreadable = |path: &dyn std::fmt::Display| {
            let path = path.to_string();
            |source| TlsError::Authorities { path, source }
        };
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        let mut store = X509StoreBuilder::new()?;
        if let Self::Pem(pem) = self {
            for authority in certificates(pem)? {
                store.add_cert(authority)?;
            }
        }
        // In place of the one that the builder begins with, which has the system's.
        builder.set_cert_store(store.build());
        if let Self::Path(path) = self {
            // The crate `openssl` panics at such a name.
            if path.to_str().is_none_or(|name| name.contains('\0')) {
                return Err(unreadable(&path.display())(ErrorStack::get()));
            }
            let (file, folder) = if path.is_dir() {
                (None, Some(path.as_path()))
            } else {
                (Some(path.as_path()), None)
            };
            builder
                .load_verify_locations(file, folder)
                .map_err(unreadable(&path.display()))?;
        }
        Ok(builder)
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

/// What makes TLS connections to the brokers: trusts what the configuration says, or the authority `ca`, PEM, that a secret holds; shows
/// the certificate of `secret`, where it holds one. Host names are checked.
///
/// # Errors
/// The authorities or the certificate can't be read.
pub(crate) fn connector(
    config: &Config,
    secret: Option<&Secret>,
    ca: Option<&str>,
) -> Result<SslConnectorBuilder, TlsError> {
    let mut builder = Trust::choose(config, ca)?.connector()?;
    if let Some(Secret::Certificate {
        chain,
        private_key,
        password,
    }) = secret
    {
        let mut chain = certificates(chain)?.into_iter();
        let own = chain.next().ok_or(ShapeError::NoCertificate)?;
        builder.set_certificate(&own)?;
        for authority in chain {
            builder.add_extra_chain_cert(authority)?;
        }
        let key = key(private_key, password.as_deref())?;
        builder.set_private_key(&key)?;
        builder.check_private_key()?;
    }
    Ok(builder)
}

/// Why this broker's certificate is not trusted, in OpenSSL's words, such as `certificate has expired`; none where it is, or where no
/// handshake comes about. Blocks, for as long as `time_out` for each step.
///
/// # Errors
/// The authorities or the certificate can't be read.
pub(crate) fn objection(
    config: &Config,
    credentials: &Credentials,
    server: &str,
    time_out: Duration,
) -> Result<Option<&'static str>, TlsError> {
    let connector = connector(config, credentials.secret.as_ref(), credentials.ca.as_deref())?.build();
    let Some((host, stream)) = connect(server, time_out) else {
        return Ok(None);
    };
    match connector.connect(host, stream) {
        Err(HandshakeError::Failure(failed)) => {
            let result = failed.ssl().verify_result();
            Ok((result != X509VerifyResult::OK).then(|| result.error_string()))
        }
        Ok(_) | Err(HandshakeError::SetupFailure(_) | HandshakeError::WouldBlock(_)) => Ok(None),
    }
}

/// The host's name as certificates name it, and a connection to it.
fn connect(server: &str, time_out: Duration) -> Option<(&str, TcpStream)> {
    let (host, _) = server.rsplit_once(':')?;
    let addresses = server.to_socket_addrs().ok()?;
    let stream = addresses
        .into_iter()
        .find_map(|address| TcpStream::connect_timeout(&address, time_out).ok())?;
    stream.set_read_timeout(Some(time_out)).ok()?;
    stream.set_write_timeout(Some(time_out)).ok()?;
    Some((host.trim_matches(['[', ']']), stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &[(&str, &str)]) -> Config {
        let good = [("K2M_BOOTSTRAP_SERVERS", "b-1:9094"), ("K2M_TOPIC", "t")];
        let all = good.iter().chain(more);
        Config::from_env(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
            .expect("a good configuration")
    }

    #[test]
    fn a_secret_s_authority_goes_before_a_file_s_and_that_before_the_system_s() {
        let file = config(&[("K2M_CA_FILE", "/ca.pem")]);
        let choose = |config: &Config, ca| Trust::choose(config, ca).expect("somebody to trust");
        assert_eq!(choose(&file, None), Trust::Path("/ca.pem".into()));
        assert_eq!(choose(&file, Some("pem")), Trust::Pem("pem".to_owned()));
    }

    #[test]
    fn a_file_of_authorities_that_is_missing_is_named() {
        let missing = config(&[("K2M_CA_FILE", "/no/such/ca.pem")]);
        let error = connector(&missing, None, None).err().expect("there is no such file");
        let text = error.to_string();
        assert!(
            text.starts_with("the certificate authorities in /no/such/ca.pem can't be read: "),
            "{text}"
        );
    }
}
