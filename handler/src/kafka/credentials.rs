//! What a connection to the brokers needs beside the configuration, out of secrets: read once a sandbox, and again when the brokers refuse it.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::config::{Authentication, Config};
use crate::kafka::login::Surroundings;
use crate::secret::{self, Secret, SecretError, Shape};

/// What was read out of secrets. Empty where the configuration names none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// What is shown to the brokers.
    pub(crate) secret: Option<Secret>,
    /// The authority to trust, PEM.
    pub(crate) ca: Option<String>,
}

impl Credentials {
    /// Reads the secrets that the configuration names.
    pub(crate) async fn read(config: &Config, surroundings: &dyn Surroundings) -> Result<Self, SecretError> {
        let secret = match &config.authentication {
            Authentication::Scram(source) => Some(secret::read(source, Shape::Scram, surroundings).await?),
            Authentication::MutualTls(source) => Some(secret::read(source, Shape::Certificate, surroundings).await?),
            Authentication::Plaintext | Authentication::Tls | Authentication::Iam(_) => None,
        };
        let ca = match &config.ca_secret {
            Some(source) => Some(secret::read_authority(source, surroundings).await?),
            None => None,
        };
        Ok(Self { secret, ca })
    }
}

/// Keeps what was read for as long as the sandbox lives.
pub(super) struct Vault {
    config: Arc<Config>,
    held: Mutex<Option<Held>>,
}

struct Held {
    credentials: Arc<Credentials>,
    /// Whether it was read since the newest invocation began.
    fresh: bool,
}

impl Vault {
    pub(super) fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            held: Mutex::new(None),
        }
    }

    /// Whether there is anything to read.
    pub(super) fn has_secrets(&self) -> bool {
        self.config.authentication.secret().is_some() || self.config.ca_secret.is_some()
    }

    /// An invocation begins.
    pub(super) async fn begin(&self) {
        if let Some(held) = &mut *self.held.lock().await {
            held.fresh = false;
        }
    }

    /// What was read before, else reads it.
    pub(super) async fn credentials(&self, surroundings: &dyn Surroundings) -> Result<Arc<Credentials>, SecretError> {
        let mut held = self.held.lock().await;
        if let Some(held) = &*held {
            return Ok(Arc::clone(&held.credentials));
        }
        let credentials = Arc::new(Credentials::read(&self.config, surroundings).await?);
        *held = Some(Held {
            credentials: Arc::clone(&credentials),
            fresh: true,
        });
        Ok(credentials)
    }

    /// Reads again what the brokers refused. Whether another try may go better: what is kept now is another, or was from before this
    /// invocation.
    pub(super) async fn renew(&self, surroundings: &dyn Surroundings) -> Result<bool, SecretError> {
        let mut held = self.held.lock().await;
        let credentials = Arc::new(Credentials::read(&self.config, surroundings).await?);
        let promising = held
            .as_ref()
            .is_none_or(|held| !held.fresh || held.credentials != credentials);
        *held = Some(Held {
            credentials,
            fresh: true,
        });
        Ok(promising)
    }
}
