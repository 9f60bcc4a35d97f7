//! SCRAM (RFC 5802) from the client's side: shows that the password is known without showing it. Pure: messages in, messages out.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::memcmp;
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sign::Signer;

/// The rounds that Kafka's brokers may ask for. Fewer would make the proof a cheap means to guess the password by; more would only take time.
const ROUNDS: RangeInclusive<usize> = 4_096..=16_384;

/// What `n,,`, the beginning of the first message, is in base64: no channel binding.
const NO_BINDING: &str = "biws";

/// Why an exchange can't go on. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScramError {
    /// The broker's message isn't one.
    #[error("the broker's SCRAM message can't be used: {0}")]
    Message(&'static str),
    /// The broker asks for so many rounds.
    #[error(
        "the broker asks for {0} rounds of SCRAM, and Kafka's brokers for 4096 to 16384: no proof of the password was sent"
    )]
    Rounds(usize),
    /// The broker doesn't know the password.
    #[error("the broker's own proof of the password is wrong")]
    Stranger,
    /// OpenSSL refuses.
    #[error("SCRAM can't be calculated: {0}")]
    OpenSsl(#[from] ErrorStack),
}

/// An exchange.
pub(super) struct Scram {
    digest: MessageDigest,
    nonce: String,
    /// The first message without its beginning.
    bare: String,
}

/// The client's last message, and what the broker's has to be.
pub(super) struct Last {
    /// What is sent.
    pub(super) message: String,
    signature: Vec<u8>,
}

impl Scram {
    /// Begins; `nonce`: random text without a comma.
    pub(super) fn new(digest: MessageDigest, username: &str, nonce: &str) -> Self {
        let name = username.replace('=', "=3D").replace(',', "=2C");
        Self {
            digest,
            nonce: nonce.to_owned(),
            bare: format!("n={name},r={nonce}"),
        }
    }

    /// The client's first message.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// The client's last message, which answers the broker's first.
    pub(super) fn answer(&self, password: &str, challenge: &str) -> Result<Last, ScramError> {
        let field = |name: &str, missing| {
            let found = challenge.split(',').find_map(|part| part.strip_prefix(name));
            found.ok_or(ScramError::Message(missing))
        };
        let nonce = field("r=", "it has no nonce")?;
        match nonce.strip_prefix(&self.nonce) {
            None => return Err(ScramError::Message("its nonce does not begin with ours")),
            // Without a part of the broker's own, an answer of before could be shown again.
            Some("") => return Err(ScramError::Message("its nonce adds nothing to ours")),
            Some(_) => {}
        }
        let salt = STANDARD.decode(field("s=", "it has no salt")?);
        let salt = salt.map_err(|_| ScramError::Message("its salt is no base64"))?;
        let rounds = field("i=", "it has no number of rounds")?.parse();
        let rounds = rounds.map_err(|_| ScramError::Message("its number of rounds is none"))?;
        if !ROUNDS.contains(&rounds) {
            return Err(ScramError::Rounds(rounds));
        }
        let mut salted = vec![0; self.digest.size()];
        pbkdf2_hmac(password.as_bytes(), &salt, rounds, self.digest, &mut salted)?;
        let client_key = self.hmac(&salted, b"Client Key")?;
        let stored_key = hash(self.digest, &client_key)?;
        let without_proof = format!("c={NO_BINDING},r={nonce}");
        let all = format!("{},{challenge},{without_proof}", self.bare);
        let client_signature = self.hmac(&stored_key, all.as_bytes())?;
        let proof: Vec<u8> = client_key.iter().zip(&client_signature).map(|(a, b)| a ^ b).collect();
        let server_key = self.hmac(&salted, b"Server Key")?;
        Ok(Last {
            message: format!("{without_proof},p={}", STANDARD.encode(proof)),
            signature: self.hmac(&server_key, all.as_bytes())?,
        })
    }

    fn hmac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let key = PKey::hmac(key)?;
        Signer::new(self.digest, &key)?.sign_oneshot_to_vec(data)
    }
}

impl Last {
    /// Sees by the broker's last message that it knows the password too.
    pub(super) fn check(&self, verdict: &str) -> Result<(), ScramError> {
        let signature = verdict.split(',').find_map(|part| part.strip_prefix("v="));
        let signature = signature.ok_or(ScramError::Message("it has no signature"))?;
        let signature = STANDARD.decode(signature).unwrap_or_default();
        if signature.len() == self.signature.len() && memcmp::eq(&signature, &self.signature) {
            Ok(())
        } else {
            Err(ScramError::Stranger)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_example_of_rfc_7677() {
        let exchange = Scram::new(MessageDigest::sha256(), "user", NONCE);
        assert_eq!(exchange.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let last = exchange.answer("pencil", CHALLENGE).expect("a good challenge");
        assert_eq!(
            last.message,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let stranger = last.check("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(matches!(stranger, Err(ScramError::Stranger)));
        last.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
            .expect("the broker knows the password");
        assert!(last.check("e=other-error").is_err());
    }

    #[test]
    fn what_can_t_be_a_challenge_is_refused() {
        let exchange = Scram::new(MessageDigest::sha512(), "a=b,c", NONCE);
        assert_eq!(exchange.first(), "n,,n=a=3Db=2Cc,r=rOprNGfwEbeRWgbNEkqO");
        for (bad, why) in [
            ("", "no nonce"),
            ("r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "begin with ours"),
            ("r=rOprNGfwEbeRWgbNEkq,s=AAAA,i=4096", "begin with ours"),
            ("r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096", "adds nothing to ours"),
            ("r=rOprNGfwEbeRWgbNEkqOx,i=4096", "no salt"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=%,i=4096", "no base64"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA", "no number of rounds"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=many", "is none"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=-4096", "is none"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=99999999999999999999", "is none"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1", "asks for 1 rounds"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4095", "brokers for 4096 to 16384"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=16385", "asks for 16385 rounds"),
        ] {
            let Err(error) = exchange.answer("p", bad) else {
                panic!("{bad:?} is taken")
            };
            assert!(error.to_string().contains(why), "{bad:?}: {error}");
        }
        for rounds in [4_096, 16_384] {
            let good = format!("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i={rounds}");
            assert!(exchange.answer("p", &good).is_ok(), "{good}");
        }
    }
}
