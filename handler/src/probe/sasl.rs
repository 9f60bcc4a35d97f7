//! Proving who the function is, over SASL.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use openssl::hash::MessageDigest;
use tokio::time::Instant;

use super::report::Sasl;
use super::scram::{Scram, ScramError};
use super::wire::{Wire, refused};
use super::words::{Trouble, short};

/// The most mechanisms that are told of what a port offers: Kafka knows half as many.
const OFFERED_MAX: usize = 10;

/// What the function proves itself with.
pub(super) enum Identity {
    /// A signed token; the error where none can be made.
    Token(Result<String, Trouble>),
    /// A user with a password.
    Password {
        /// The user.
        username: String,
        /// The user's password.
        password: String,
    },
}

impl Identity {
    fn mechanism(&self) -> &'static str {
        match self {
            Self::Token(_) => "OAUTHBEARER",
            Self::Password { .. } => "SCRAM-SHA-512",
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
        Identity::Token(token) => show(wire, token.as_ref().map_err(Clone::clone)?, said).await,
        Identity::Password { username, password } => calculate(wire, username, password, said).await,
    }
}

/// Shows a token.
async fn show(wire: &mut Wire, token: &str, said: &mut Sasl) -> Result<(), Trouble> {
    let message = format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}");
    let answer = authenticate(wire, message, said).await?;
    if answer.is_empty() {
        return Ok(());
    }
    // A refusal comes as a question first, which is to be answered with this.
    match authenticate(wire, "\u{1}".to_owned(), said).await {
        Err(Trouble::Identity(more)) if !more.is_empty() => Err(Trouble::Identity(more)),
        _ => Err(Trouble::Identity(answer)),
    }
}

/// Shows that the password is known, without showing it, and sees that the broker knows it too.
async fn calculate(wire: &mut Wire, username: &str, password: &str, said: &mut Sasl) -> Result<(), Trouble> {
    let mut nonce = [0; 24];
    openssl::rand::rand_bytes(&mut nonce).map_err(|error| Trouble::System(error.to_string()))?;
    let exchange = Scram::new(MessageDigest::sha512(), username, &STANDARD.encode(nonce));
    let challenge = authenticate(wire, exchange.first(), said).await?;
    let last = exchange
        .answer(password, &challenge)
        .map_err(|error| not_proven(&error))?;
    let verdict = authenticate(wire, last.message.clone(), said).await?;
    last.check(&verdict).map_err(|error| not_proven(&error))
}

/// What it means that an exchange could not go on.
fn not_proven(error: &ScramError) -> Trouble {
    let said = error.to_string();
    match error {
        ScramError::Stranger => Trouble::Stranger(said),
        ScramError::Message(_) | ScramError::Rounds(_) => Trouble::Challenge(said),
        ScramError::OpenSsl(_) => Trouble::System(said),
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
    let names = answer.mechanisms.iter().take(OFFERED_MAX);
    let offered = names.map(|name| short(name.as_str())).collect();
    Ok((offered, refused(answer.error_code, None)))
}

/// Sends one message of the mechanism, and returns the broker's.
async fn authenticate(wire: &mut Wire, message: String, said: &mut Sasl) -> Result<String, Trouble> {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into());
    let answer = wire.ask(&request).await?;
    match refused(answer.error_code, answer.error_message.as_ref()) {
        Ok(()) => {
            let lifetime = Some(answer.session_lifetime_ms).filter(|lifetime| *lifetime > 0);
            said.session_lifetime_milliseconds = lifetime.or(said.session_lifetime_milliseconds);
            Ok(String::from_utf8_lossy(&answer.auth_bytes).into_owned())
        }
        Err(Trouble::Code(Code::SaslAuthenticationFailed, said)) => Err(Trouble::Identity(said.unwrap_or_default())),
        Err(trouble) => Err(trouble),
    }
}
