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

    /// An invocation begins. Doesn't wait: what is being read right now is fresh.
    pub(super) fn begin(&self) {
        if let Ok(mut held) = self.held.try_lock()
            && let Some(held) = &mut *held
        {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::kafka::Process;

    fn put(path: &Path, password: &str) {
        let secret = serde_json::json!({"username": "alice", "password": password});
        std::fs::write(path, secret.to_string()).expect("a file");
    }

    fn vault(path: &Path) -> Vault {
        let pairs = [
            ("K2M_BOOTSTRAP_SERVERS", "b-1:9096"),
            ("K2M_TOPIC", "t"),
            ("K2M_AUTHENTICATION", "scram"),
            ("K2M_SECRET_FILE", path.to_str().expect("UTF-8")),
        ];
        let config = Config::from_env(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Vault::new(Arc::new(config.expect("a good configuration")))
    }

    #[tokio::test]
    async fn a_secret_is_read_once_and_another_try_is_made_where_it_may_be_another() {
        let path = std::env::temp_dir().join(format!("k2m-vault-{}.json", std::process::id()));
        put(&path, "first");
        let vault = vault(&path);
        assert!(vault.has_secrets());
        let first = vault.credentials(&Process).await.expect("it is there");
        put(&path, "second");
        assert!(Arc::ptr_eq(
            &first,
            &vault.credentials(&Process).await.expect("it is kept")
        ));
        assert!(vault.renew(&Process).await.expect("it is there"), "it has changed");
        let second = vault.credentials(&Process).await.expect("it is kept");
        assert_ne!(first, second);
        assert!(
            !vault.renew(&Process).await.expect("it is there"),
            "read just now, and the same"
        );
        vault.begin();
        assert!(
            vault.renew(&Process).await.expect("it is there"),
            "from before this invocation"
        );
        std::fs::remove_file(&path).expect("it is there");
        let gone = vault.renew(&Process).await.expect_err("there is none");
        assert!(!gone.to_string().contains("second"), "{gone}");
        assert_eq!(second, vault.credentials(&Process).await.expect("it is kept"));
    }
}
