//! Tokens for MSK's IAM access control, made by AWS's own signer for Python: what k2m's are compared with.

use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, ground};

const SCRIPT: &str = include_str!("../python/iam_token.py");

/// What a token is made from.
#[derive(Debug, Clone, Serialize)]
pub struct TokenRequest {
    /// The cluster's region; its partition must be one that AWS publishes.
    pub region: String,
    /// The key's id.
    pub access_key_id: String,
    /// The key's secret.
    pub secret_access_key: String,
    /// What temporary credentials have besides.
    pub session_token: Option<String>,
    /// The time of signing, in seconds since the Unix epoch.
    pub seconds: u64,
}

/// A token of AWS's signer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceToken {
    /// The signed URL in base64 for URLs, without padding.
    pub token: String,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_millis: u64,
}

/// One token for each request, in the same order.
pub fn reference_tokens(requests: &[TokenRequest]) -> Result<Vec<ReferenceToken>> {
    let report = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        |source| Error::Report { source, text }
    };
    let requests = serde_json::to_string(requests).map_err(report(b""))?;
    let mut command = Command::new(ground::python()?);
    command.arg(ground::script("iam_token.py", SCRIPT)?).arg(requests);
    let printed = ground::run(&mut command)?;
    serde_json::from_slice(&printed).map_err(report(&printed))
}
