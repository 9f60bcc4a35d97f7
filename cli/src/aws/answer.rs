//! What an SDK call came back with, sorted: found, absent, not allowed, not signed in, not reached, or refused for another reason.

use std::error::Error;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;

use crate::facts::{Fact, Unreadable};

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The service says that there is no such thing.
    Absent,
    /// An IAM action is not allowed.
    Denied { action: String, message: String },
    /// The credentials are wrong, expired, or can't be had.
    Credentials(String),
    /// Nothing answered.
    Unreachable(String),
    /// All else, throttling after the SDK's own retries included.
    Refused(String),
}

/// What an SDK call came back with.
pub(super) type Answer<T> = Result<T, Trouble>;

impl From<Trouble> for Unreadable {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Denied { action, message } => Self {
                missing_action: Some(action),
                message,
            },
            Trouble::Credentials(message) | Trouble::Unreachable(message) | Trouble::Refused(message) => Self {
                missing_action: None,
                message,
            },
            Trouble::Absent => Self {
                missing_action: None,
                message: "it is not there".to_owned(),
            },
        }
    }
}

/// An answer as a fact.
pub(super) fn fact<T>(answer: Answer<T>) -> Fact<T> {
    match answer {
        Ok(value) => Fact::Found { value },
        Err(Trouble::Absent) => Fact::Absent,
        Err(trouble) => Fact::Unreadable(trouble.into()),
    }
}

/// Codes by which services refuse a caller without the right.
const DENIED: [&str; 8] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "Forbidden",
    "ForbiddenException",
    "NotAuthorized",
    "UnauthorizedException",
    "UnauthorizedOperation",
];

/// Codes by which services refuse the credentials themselves.
const BAD_CREDENTIALS: [&str; 15] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotSignedUp",
    "OptInRequired",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

/// Sorts the error of a call that needs `action`; `absent` are the codes by which the service says that there is no such thing.
pub(super) fn trouble<E>(error: &SdkError<E>, action: &str, absent: &[&str]) -> Trouble
where
    E: Error + ProvideErrorMetadata + 'static,
{
    match error {
        SdkError::ServiceError(context) => {
            let metadata = context.err().meta();
            let code = metadata.code().unwrap_or_default();
            // Some services put the words where the SDK doesn't look for them; then the code alone has to do.
            let words = metadata.message().unwrap_or_default();
            let message = match (code, words) {
                ("", "") => format!("{action} answered {}", context.raw().status()),
                ("", words) => words.to_owned(),
                (code, "") => code.to_owned(),
                (code, words) => format!("{code}: {words}"),
            };
            if absent.contains(&code) {
                Trouble::Absent
            } else if let Some(named) = denied_action(words) {
                Trouble::Denied {
                    action: named.to_owned(),
                    message,
                }
            } else if DENIED.contains(&code) {
                Trouble::Denied {
                    action: action.to_owned(),
                    message,
                }
            } else if BAD_CREDENTIALS.contains(&code) {
                Trouble::Credentials(message)
            } else {
                Trouble::Refused(match metadata.request_id() {
                    Some(id) if code.is_empty() => format!("{message} (request {id})"),
                    _ => message,
                })
            }
        }
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            Trouble::Unreachable(format!("no answer to {action}: {}", chain(error)))
        }
        SdkError::TimeoutError(_) => Trouble::Unreachable(format!("no answer to {action} in time: {}", chain(error))),
        other => Trouble::Refused(format!("{action}: {}", chain(other))),
    }
}

/// The action that a refusal names: `… is not authorized to perform: kafka:ListNodes on resource …`.
fn denied_action(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let action = rest.split([' ', ',', ';']).next()?.trim_end_matches('.');
    action.contains(':').then_some(action)
}

/// An error with its causes, each once: outer layers often repeat the inner one's words.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_action_is_read_from_the_refusal() {
        for (message, action) in [
            (
                "User: arn:aws:iam::123456789012:user/u is not authorized to perform: kafka:DescribeClusterV2 on resource: arn:x",
                Some("kafka:DescribeClusterV2"),
            ),
            (
                "You are not authorized to perform this operation. User: u is not authorized to perform: ec2:DescribeSubnets because no policy",
                Some("ec2:DescribeSubnets"),
            ),
            (
                "User: u is not authorized to perform: sts:AssumeRole.",
                Some("sts:AssumeRole"),
            ),
            ("You are not authorized to perform this operation.", None),
            ("not authorized to perform: something", None),
            ("", None),
        ] {
            assert_eq!(denied_action(message), action, "{message}");
        }
    }

    #[test]
    fn only_absence_says_absent() {
        assert_eq!(fact::<()>(Err(Trouble::Absent)), Fact::Absent);
        let denied = fact::<()>(Err(Trouble::Denied {
            action: "a:B".to_owned(),
            message: "no".to_owned(),
        }));
        assert_eq!(denied.unreadable().unwrap().missing_action.as_deref(), Some("a:B"));
        for trouble in [Trouble::Credentials, Trouble::Unreachable, Trouble::Refused] {
            let fact = fact::<()>(Err(trouble("why".to_owned())));
            let why = fact.unreadable().unwrap();
            assert_eq!((why.missing_action.as_deref(), why.message.as_str()), (None, "why"));
        }
    }
}
