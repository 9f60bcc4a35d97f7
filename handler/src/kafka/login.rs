//! Who the function says it is: makes a token whenever librdkafka asks for one, from the surroundings as they are then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rdkafka::client::OAuthToken;

use crate::config::Region;
use crate::kafka::iam::{TokenError, credentials, token};

/// What a token is made from beside the region.
pub trait Surroundings: Send + Sync {
    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// The wall clock.
    fn now(&self) -> SystemTime;
}

/// The process itself.
#[derive(Debug, Clone, Copy)]
pub struct Process;

impl Surroundings for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Logs one producer in to a cluster with IAM access control.
pub(super) struct Login {
    region: Region,
    surroundings: Arc<dyn Surroundings>,
    /// When the newest token ends.
    expires: Mutex<Option<SystemTime>>,
}

impl Login {
    pub(super) fn new(region: Region, surroundings: Arc<dyn Surroundings>) -> Self {
        Self {
            region,
            surroundings,
            expires: Mutex::new(None),
        }
    }

    /// A new token, as librdkafka takes it.
    pub(super) fn token(&self) -> Result<OAuthToken, TokenError> {
        let credentials = credentials(|name| self.surroundings.variable(name))?;
        let token = token(credentials, &self.region, self.surroundings.now())?;
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.expires);
        let lifetime = token.expires.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(OAuthToken {
            token: token.value,
            // For librdkafka's own notes: the brokers take the identity from the signature.
            principal_name: "k2m".to_owned(),
            lifetime_ms: i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX),
        })
    }

    /// Whether the newest token has ended. While the function runs librdkafka asks for the next one at 80 % of the lifetime: only
    /// a frozen sandbox sleeps through that.
    pub(super) fn has_expired(&self) -> bool {
        let expires = *self.expires.lock().unwrap_or_else(PoisonError::into_inner);
        expires.is_some_and(|expires| expires <= self.surroundings.now())
    }
}
