//! A certificate authority for one cluster: what its TLS listeners show, and what its clients show there.

use std::fmt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use crate::{Error, Result};

/// What is wrong with the certificate that the brokers show, if anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServerCertificate {
    /// Nothing: it is for `localhost` and 127.0.0.1.
    #[default]
    Valid,
    /// It ended years ago.
    Expired,
    /// It is for another host.
    WrongHost,
}

/// What is wrong with a client's certificate, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientIdentity {
    /// Nothing: an authority that the brokers trust has signed it.
    Trusted,
    /// It ended years ago.
    Expired,
    /// An authority that the brokers don't know has signed it.
    UnknownAuthority,
}

/// A client's certificate and its key, PEM.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate, and the authority's behind it.
    pub chain: String,
    /// The private key, PKCS #8.
    pub private_key: String,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

/// Files for a TLS server that is no broker, for `localhost` and 127.0.0.1, and for those who trust it.
#[derive(Debug, Clone)]
pub struct ServerFiles {
    /// The authority's certificate, PEM.
    pub ca: PathBuf,
    /// The server's private key and certificate chain in one PEM file.
    pub keystore: PathBuf,
}

impl ServerFiles {
    /// Makes `ca.pem` and `server.pem` in `folder`.
    pub fn create(folder: &Path) -> Result<Self> {
        let files = TlsFiles::create(folder, ServerCertificate::Valid)?;
        Ok(Self {
            ca: files.ca,
            keystore: files.keystore,
        })
    }
}

/// An authority, and the files that a TLS listener and its clients need.
pub(crate) struct TlsFiles {
    /// The authority's certificate, PEM: what a client trusts.
    pub(crate) ca: PathBuf,
    /// The server's private key and certificate chain in one PEM file: what a broker calls a PEM key store.
    pub(crate) keystore: PathBuf,
    authority: Authority,
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles").field("ca", &self.ca).finish_non_exhaustive()
    }
}

impl TlsFiles {
    /// Makes them in `folder`.
    pub(crate) fn create(folder: &Path, server: ServerCertificate) -> Result<Self> {
        let authority = Authority::new("k2m test authority")?;
        let hosts = match server {
            ServerCertificate::Valid | ServerCertificate::Expired => {
                vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
            }
            ServerCertificate::WrongHost => vec!["elsewhere.example.com".to_owned()],
        };
        let name = hosts[0].clone();
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name.push(DnType::CommonName, name);
        let (key, chain) = authority.sign(params, server == ServerCertificate::Expired)?;
        let files = Self {
            ca: folder.join("ca.pem"),
            keystore: folder.join("server.pem"),
            authority,
        };
        write(&files.ca, &files.authority.certificate)?;
        write(&files.keystore, &(key + &chain))?;
        Ok(files)
    }

    /// A certificate for a client.
    pub(crate) fn client(&self, identity: ClientIdentity) -> Result<ClientCertificate> {
        let unknown;
        let authority = match identity {
            ClientIdentity::Trusted | ClientIdentity::Expired => &self.authority,
            ClientIdentity::UnknownAuthority => {
                unknown = Authority::new("an authority that nobody knows")?;
                &unknown
            }
        };
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "k2m test client");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (private_key, chain) = authority.sign(params, identity == ClientIdentity::Expired)?;
        Ok(ClientCertificate { chain, private_key })
    }
}

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// A new private key, and the certificate for it with the authority's behind it, both PEM.
    fn sign(&self, mut params: CertificateParams, expired: bool) -> Result<(String, String)> {
        if expired {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((key.serialize_pem(), certificate.pem() + &self.certificate))
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))
}
