//! A certificate authority and a server certificate for one cluster's TLS listeners.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::{Error, Result};

/// The files that a TLS listener and its clients need.
#[derive(Debug)]
pub(crate) struct TlsFiles {
    /// The authority's certificate, PEM: what a client trusts.
    pub(crate) ca: PathBuf,
    /// The server's private key and certificate chain in one PEM file: what a broker calls a PEM key store.
    pub(crate) keystore: PathBuf,
}

impl TlsFiles {
    /// Makes them in `folder`, valid for `localhost` and 127.0.0.1.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.distinguished_name.push(DnType::CommonName, "k2m test authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate()?;
        let ca_certificate = ca.self_signed(&ca_key)?;

        let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        server.distinguished_name.push(DnType::CommonName, "localhost");
        let server_key = KeyPair::generate()?;
        let server_certificate = server.signed_by(&server_key, &Issuer::from_params(&ca, &ca_key))?;

        let files = Self {
            ca: folder.join("ca.pem"),
            keystore: folder.join("server.pem"),
        };
        let chain = [
            server_key.serialize_pem(),
            server_certificate.pem(),
            ca_certificate.pem(),
        ]
        .concat();
        write(&files.ca, &ca_certificate.pem())?;
        write(&files.keystore, &chain)?;
        Ok(files)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))
}
