//! Proving who the function is, over SASL.

use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::report::Sasl;
use super::wire::{Wire, refused};
use super::words::Trouble;

/// What the function proves itself with.
pub(super) enum Identity {
    /// A signed token; the error where none can be made.
    Token(Result<String, Trouble>),
}

impl Identity {
    fn mechanism(&self) -> &'static str {
        match self {
            Self::Token(_) => "OAUTHBEARER",
        }
    }
}

/// Proves it to a broker that was greeted, and says how that went.
pub(super) async fn prove(wire: &mut Wire, identity: &Identity) -> (Sasl, Result<(), Trouble>) {
    let start = Instant::now();
    let mut said = Sasl {
        ok: false,
        milliseconds: start.elapsed().into(),
        mechanism: identity.mechanism().to_owned(),
        offered: Vec::new(),
        session_lifetime_milliseconds: None,
    };
    let proven = exchange(wire, identity, &mut said).await;
    said.ok = proven.is_ok();
    said.milliseconds = start.elapsed().into();
    (said, proven)
}

async fn exchange(wire: &mut Wire, identity: &Identity, said: &mut Sasl) -> Result<(), Trouble> {
    let (offered, accepted) = handshake(wire, identity.mechanism()).await?;
    said.offered.clone_from(&offered);
    match accepted {
        Ok(()) => {}
        Err(Trouble::Code(Code::UnsupportedSaslMechanism, _)) => return Err(Trouble::Mechanism(offered)),
        Err(Trouble::Code(Code::IllegalSaslState, _)) => return Err(Trouble::NoSasl),
        Err(trouble) => return Err(trouble),
    }
    match identity {
        Identity::Token(token) => {
            let token = token.as_ref().map_err(Clone::clone)?;
            let answer = authenticate(
                wire,
                format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}").into_bytes(),
                said,
            )
            .await?;
            if !answer.is_empty() {
                // A refusal comes as a question first, which is to be answered with this.
                let words = String::from_utf8_lossy(&answer).into_owned();
                return match authenticate(wire, vec![1], said).await {
                    Err(Trouble::Identity(more)) if !more.is_empty() => Err(Trouble::Identity(more)),
                    _ => Err(Trouble::Identity(words)),
                };
            }
            Ok(())
        }
    }
}

/// Asks for a mechanism: what the port offers, and whether it takes this one.
pub(super) async fn handshake(
    wire: &mut Wire,
    mechanism: &'static str,
) -> Result<(Vec<String>, Result<(), Trouble>), Trouble> {
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    let answer = wire.ask(&request).await.map_err(|trouble| match trouble {
        // A port without SASL need not know the request.
        Trouble::NoVersion(_) => Trouble::NoSasl,
        other => other,
    })?;
    let offered = answer.mechanisms.iter().map(|name| name.as_str().to_owned()).collect();
    Ok((offered, refused(answer.error_code, None)))
}

/// Sends one message of the mechanism, and returns the broker's.
async fn authenticate(wire: &mut Wire, message: Vec<u8>, said: &mut Sasl) -> Result<Vec<u8>, Trouble> {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into());
    let answer = wire.ask(&request).await?;
    match refused(answer.error_code, answer.error_message.as_ref()) {
        Ok(()) => {
            let lifetime = Some(answer.session_lifetime_ms).filter(|lifetime| *lifetime > 0);
            said.session_lifetime_milliseconds = lifetime.or(said.session_lifetime_milliseconds);
            Ok(answer.auth_bytes.to_vec())
        }
        Err(Trouble::Code(Code::SaslAuthenticationFailed, said)) => Err(Trouble::Identity(said.unwrap_or_default())),
        Err(trouble) => Err(trouble),
    }
}
