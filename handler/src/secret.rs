//! Secrets that the function shows to the brokers: read out of Secrets Manager, or for a trial out of a file, and never shown to anybody
//! else. What is said of a secret names its fields, never their values.

mod manager;

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use serde_json::{Map, Value};

use crate::config::SecretSource;
use crate::kafka::Surroundings;

pub use manager::{ManagerError, interface_endpoint};

/// What a secret holds, in the shapes that AWS gives them for MSK.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// `{"username": …, "password": …}`, as MSK itself wants it.
    Scram {
        /// The user.
        username: String,
        /// The user's password.
        password: String,
    },
    /// `{"certificate": …, "privateKey": …, "privateKeyPassword": …}`, as event source mappings for MSK take it.
    Certificate {
        /// The client's certificate and those it rests on, PEM.
        chain: String,
        /// The certificate's private key, PEM.
        private_key: String,
        /// What opens the private key, where it is encrypted.
        password: Option<String>,
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Scram { .. } => "Scram",
            Self::Certificate { .. } => "Certificate",
        };
        f.debug_struct(name).finish_non_exhaustive()
    }
}

/// Which of the shapes a secret should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A user and a password.
    Scram,
    /// A certificate and its key.
    Certificate,
    /// The certificate of an authority.
    Authority,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scram => r#"{"username": "…", "password": "…"}"#,
            Self::Certificate => {
                r#"{"certificate": "PEM chain", "privateKey": "PEM", "privateKeyPassword": "… (where the key is encrypted)"}"#
            }
            Self::Authority => r#"{"certificate": "PEM"}, or the PEM text itself"#,
        })
    }
}

/// What is wrong with a secret's text. Never holds any of it.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum ShapeError {
    /// No JSON object.
    #[error("it is no JSON object")]
    NoObject,
    /// A field isn't there, is empty, or is no text.
    #[error("its field {0} is missing, empty or no text")]
    Missing(&'static str),
    /// What should be one or more certificates isn't.
    #[error("its field certificate holds no certificate in PEM")]
    NoCertificate,
    /// The key is none, or is encrypted with another password.
    #[error("its field privateKey holds no private key in PEM that can be read: {0}")]
    NoKey(&'static str),
    /// The key is another certificate's.
    #[error(
        "its privateKey does not belong to its certificate: the client's own certificate stands first, those it rests on behind it"
    )]
    OtherKey,
}

/// Why there is no secret. The text tells the next step.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("the secret's file {} can't be read: {source}; correct its path, or its rights", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is there, and is not what it should be.
    #[error("the secret {name} can't be used: {reason}; it should be {shape}")]
    Shape {
        /// The ARN or the file.
        name: String,
        /// What is wrong.
        reason: ShapeError,
        /// What it should be.
        shape: Shape,
    },
    /// Secrets Manager did not give it.
    #[error(transparent)]
    Manager(#[from] ManagerError),
}

/// An error in its parts: what happened, what to do, and what others said of it, which may be nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// What happened.
    pub(crate) reason: String,
    /// What to do.
    pub(crate) next: String,
    /// What AWS or the system said.
    pub(crate) said: String,
}

impl Told {
    fn new(reason: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            next: next.into(),
            said: String::new(),
        }
    }

    fn saying(mut self, said: &str) -> Self {
        said.clone_into(&mut self.said);
        self
    }
}

impl SecretError {
    /// The error in its parts.
    pub(crate) fn told(&self) -> Told {
        match self {
            Self::File { path, source } => Told::new(
                format!("the secret's file {} can't be read: {source}", path.display()),
                "correct its path, or its rights",
            ),
            Self::Shape { name, reason, shape } => Told::new(
                format!("the secret {name} can't be used: {reason}"),
                format!("let it hold {shape}"),
            ),
            Self::Manager(error) => error.told(),
        }
    }

    /// Whether it may pass when tried again.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Manager(error) if error.may_pass())
    }
}

impl Secret {
    /// Takes a user and a password out of a secret's text.
    ///
    /// # Errors
    /// It has another shape.
    pub fn scram(text: &str) -> Result<Self, ShapeError> {
        let object = object(text)?;
        Ok(Self::Scram {
            username: field(&object, "username")?,
            password: field(&object, "password")?,
        })
    }

    /// Takes a certificate and its key out of a secret's text, and sees that both belong together.
    ///
    /// # Errors
    /// It has another shape, or one of the two can't be used.
    pub fn certificate(text: &str) -> Result<Self, ShapeError> {
        let object = object(text)?;
        let (chain, private_key) = (field(&object, "certificate")?, field(&object, "privateKey")?);
        let password = match object.get("privateKeyPassword") {
            None | Some(Value::Null) => None,
            Some(_) => Some(field(&object, "privateKeyPassword")?),
        };
        let certificates = certificates(&chain)?;
        let own = certificates.first().ok_or(ShapeError::NoCertificate)?;
        let key = key(&private_key, password.as_deref()).map_err(|_| {
            ShapeError::NoKey(match password {
                Some(_) => "does privateKeyPassword open it?",
                None => "if it is encrypted, privateKeyPassword is missing",
            })
        })?;
        if !own.public_key().is_ok_and(|public| public.public_eq(&key)) {
            return Err(ShapeError::OtherKey);
        }
        Ok(Self::Certificate {
            chain,
            private_key,
            password,
        })
    }

    /// When the client's own certificate ended, where it had at `now`: in words, such as `Jan  1 00:00:00 2020 GMT`.
    pub(crate) fn ended(&self, now: SystemTime) -> Option<String> {
        let Self::Certificate { chain, .. } = self else {
            return None;
        };
        let own = certificates(chain).ok()?.into_iter().next()?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        let now = Asn1Time::from_unix(i64::try_from(now).ok()?).ok()?;
        (own.not_after() < now).then(|| own.not_after().to_string())
    }
}

/// Takes an authority's certificate, PEM, out of a secret's text.
///
/// # Errors
/// It has another shape.
pub fn authority(text: &str) -> Result<String, ShapeError> {
    let pem = if text.trim_start().starts_with("-----BEGIN") {
        text.to_owned()
    } else {
        field(&object(text)?, "certificate")?
    };
    if certificates(&pem)?.is_empty() {
        return Err(ShapeError::NoCertificate);
    }
    Ok(pem)
}

/// The certificates of a PEM text, in its order.
pub(crate) fn certificates(pem: &str) -> Result<Vec<X509>, ShapeError> {
    X509::stack_from_pem(pem.as_bytes()).map_err(|_| ShapeError::NoCertificate)
}

/// A private key out of PEM.
pub(crate) fn key(pem: &str, password: Option<&str>) -> Result<PKey<Private>, ErrorStack> {
    // Without a callback OpenSSL would ask at the terminal.
    PKey::private_key_from_pem_callback(pem.as_bytes(), |buffer| {
        let password = password.unwrap_or_default().as_bytes();
        let length = password.len().min(buffer.len());
        buffer[..length].copy_from_slice(&password[..length]);
        Ok(length)
    })
}

fn object(text: &str) -> Result<Map<String, Value>, ShapeError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        // What the parser says may hold part of the text.
        _ => Err(ShapeError::NoObject),
    }
}

fn field(object: &Map<String, Value>, name: &'static str) -> Result<String, ShapeError> {
    let text = object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or(ShapeError::Missing(name))
}

/// Reads what a client shows: a user with a password, or a certificate with its key.
///
/// # Errors
/// It can't be read, or has another shape.
pub async fn read(source: &SecretSource, shape: Shape, surroundings: &dyn Surroundings) -> Result<Secret, SecretError> {
    let text = text(source, surroundings).await?;
    let secret = match shape {
        Shape::Scram => Secret::scram(&text),
        Shape::Certificate | Shape::Authority => Secret::certificate(&text),
    };
    secret.map_err(|reason| wrong_shape(source, reason, shape))
}

/// Reads the certificate of the authority to trust, PEM.
///
/// # Errors
/// It can't be read, or has another shape.
pub async fn read_authority(source: &SecretSource, surroundings: &dyn Surroundings) -> Result<String, SecretError> {
    let text = text(source, surroundings).await?;
    authority(&text).map_err(|reason| wrong_shape(source, reason, Shape::Authority))
}

fn wrong_shape(source: &SecretSource, reason: ShapeError, shape: Shape) -> SecretError {
    let name = match source {
        SecretSource::Arn(arn) => arn.clone(),
        SecretSource::File(path) => path.display().to_string(),
    };
    SecretError::Shape { name, reason, shape }
}

/// What is kept there.
async fn text(source: &SecretSource, surroundings: &dyn Surroundings) -> Result<String, SecretError> {
    match source {
        SecretSource::Arn(arn) => Ok(manager::secret_string(arn, source.region(), surroundings).await?),
        SecretSource::File(path) => std::fs::read_to_string(path).map_err(|source| SecretError::File {
            path: path.clone(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests;
