//! The token by which MSK's IAM access control knows the function: a presigned URL that is shown to the brokers and never
//! called. Pure: credentials, region and time in, token out.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::Region;

/// How long a token is good for: what AWS's own signers ask for, and the most that the brokers take.
const LIFETIME: Duration = Duration::from_mins(15);

/// The service that the signature is for.
const SERVICE: &str = "kafka-cluster";

/// Who made the token, for the brokers' logs.
const USER_AGENT: &str = concat!("k2m%2F", env!("CARGO_PKG_VERSION"));

/// A token, and when it ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The signed URL in base64 for URLs, without padding. A secret while it lasts: whoever shows it is taken for the function.
    pub value: String,
    /// When it ends.
    pub expires: SystemTime,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Why there is no token. The text goes to librdkafka, and from there to the log: it names no secret.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A variable with a part of the credentials isn't set.
    #[error(
        "{0} is not set: Lambda sets it from the function's role; give the function one, or set credentials where it runs"
    )]
    NoCredentials(&'static str),
    /// The signer refused its input.
    #[error("the token can't be signed: {0}")]
    Signing(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl TokenError {
    fn signing(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Signing(error.into())
    }
}

/// The credentials in the variables that Lambda sets from the function's role.
///
/// # Errors
/// The key's id or its secret is missing or empty. Lambda always gives a session token; long-lived keys have none.
pub fn credentials(variable: impl Fn(&str) -> Option<String>) -> Result<Credentials, TokenError> {
    let get = |name| variable(name).filter(|value| !value.is_empty());
    let need = |name| get(name).ok_or(TokenError::NoCredentials(name));
    Ok(Credentials::new(
        need("AWS_ACCESS_KEY_ID")?,
        need("AWS_SECRET_ACCESS_KEY")?,
        get("AWS_SESSION_TOKEN"),
        None,
        "environment",
    ))
}

/// A token for a cluster in `region`, signed at `now`.
///
/// # Errors
/// The signer refuses its input, which a checked [`Region`] doesn't give it.
pub fn token(credentials: Credentials, region: &Region, now: SystemTime) -> Result<Token, TokenError> {
    let host = format!("kafka.{}.{}", region.as_str(), region.dns_suffix());
    let url = format!("https://{host}/?Action=kafka-cluster%3AConnect");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFETIME);
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region.as_str())
        .name(SERVICE)
        .time(now)
        .settings(settings)
        .build()
        .map_err(TokenError::signing)?
        .into();
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]));
    let signed = sign(request.map_err(TokenError::signing)?, &parameters).map_err(TokenError::signing)?;
    let mut request = http::Request::get(&url).body(()).map_err(TokenError::signing)?;
    signed.into_parts().0.apply_to_request_http1x(&mut request);
    // The brokers take the agent's name out before they check the signature.
    let url = format!("{}&User-Agent={USER_AGENT}", request.uri());
    // The signature's time has whole seconds.
    let signed_at = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(Token {
        value: URL_SAFE_NO_PAD.encode(url),
        expires: UNIX_EPOCH + Duration::from_secs(signed_at) + LIFETIME,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_credentials_are_named() {
        for (set, missing) in [
            (vec![], "AWS_ACCESS_KEY_ID"),
            (vec!["AWS_ACCESS_KEY_ID"], "AWS_SECRET_ACCESS_KEY"),
            (vec!["AWS_SECRET_ACCESS_KEY"], "AWS_ACCESS_KEY_ID"),
        ] {
            let error = credentials(|name| set.contains(&name).then(|| "value".to_owned())).expect_err(missing);
            assert!(
                error.to_string().starts_with(&format!("{missing} is not set: ")),
                "{error}"
            );
        }
        let empty = credentials(|_| Some(String::new())).expect_err("an empty value is none");
        assert!(
            matches!(empty, TokenError::NoCredentials("AWS_ACCESS_KEY_ID")),
            "{empty}"
        );
    }

    #[test]
    fn nothing_that_can_be_printed_holds_a_secret() {
        let credentials = credentials(|name| Some(format!("value of {name}"))).expect("all are set");
        let said = format!("{credentials:?}");
        let region = Region::new("cluster", "eu-central-1").expect("a region");
        let token = token(
            credentials,
            &region,
            UNIX_EPOCH + Duration::from_millis(1_700_000_000_999),
        )
        .expect("a token");
        assert_eq!(token.expires, UNIX_EPOCH + Duration::from_secs(1_700_000_900));
        let said = said + &format!("{token:?}");
        for secret in ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", &token.value] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}
