use std::time::{Duration, UNIX_EPOCH};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

/// A certificate that signs itself, and its key.
fn certificate() -> (String, KeyPair) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["client".to_owned()]).expect("a name");
    params.not_before = date_time_ymd(2019, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 1);
    (params.self_signed(&key).expect("a certificate").pem(), key)
}

fn json(fields: &[(&str, &str)]) -> String {
    let object: Map<String, Value> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).into()))
        .collect();
    Value::Object(object).to_string()
}

#[test]
fn a_user_and_a_password() {
    let secret = Secret::scram(r#"{"username": "alice", "password": "to \"escape\"", "engine": "kafka"}"#);
    let expected = Secret::Scram {
        username: "alice".into(),
        password: "to \"escape\"".into(),
    };
    assert_eq!(secret, Ok(expected));
    for (text, error) in [
        ("hunter2", ShapeError::NoObject),
        (r#"["alice", "hunter2"]"#, ShapeError::NoObject),
        (r#"{"alice": "hunter2"}"#, ShapeError::Missing("username")),
        (
            r#"{"username": "alice", "password": ""}"#,
            ShapeError::Missing("password"),
        ),
        (
            r#"{"username": "alice", "password": 2}"#,
            ShapeError::Missing("password"),
        ),
    ] {
        assert_eq!(Secret::scram(text), Err(error), "{text}");
    }
}

#[test]
fn a_certificate_and_its_key() {
    let (chain, key) = certificate();
    let pem = key.serialize_pem();
    let plain = Secret::certificate(&json(&[("certificate", &chain), ("privateKey", &pem)]));
    assert!(
        matches!(plain, Ok(Secret::Certificate { password: None, .. })),
        "{plain:?}"
    );

    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let encrypted = super::key(&pem, None)
        .and_then(|key| key.private_key_to_pem_pkcs8_passphrase(cipher, b"opener"))
        .expect("an encrypted key");
    let encrypted = String::from_utf8(encrypted).expect("PEM is text");
    let open = |password: Option<&str>| {
        let mut fields = vec![("certificate", chain.as_str()), ("privateKey", encrypted.as_str())];
        fields.extend(password.map(|password| ("privateKeyPassword", password)));
        Secret::certificate(&json(&fields))
    };
    assert!(matches!(
        open(Some("opener")),
        Ok(Secret::Certificate { password: Some(_), .. })
    ));
    assert_eq!(
        open(Some("other")),
        Err(ShapeError::NoKey("does privateKeyPassword open it?"))
    );
    assert_eq!(
        open(None),
        Err(ShapeError::NoKey("if it is encrypted, privateKeyPassword is missing"))
    );

    let (_, other) = certificate();
    for (fields, error) in [
        (vec![("certificate", chain.as_str())], ShapeError::Missing("privateKey")),
        (
            vec![("certificate", "none"), ("privateKey", &pem)],
            ShapeError::NoCertificate,
        ),
        (
            vec![("certificate", &chain), ("privateKey", &other.serialize_pem())],
            ShapeError::OtherKey,
        ),
    ] {
        assert_eq!(Secret::certificate(&json(&fields)), Err(error));
    }
}

#[test]
fn an_authority_as_a_field_or_as_it_is() {
    let (pem, _) = certificate();
    assert_eq!(authority(&pem), Ok(pem.clone()));
    assert_eq!(authority(&json(&[("certificate", &pem)])), Ok(pem));
    assert_eq!(authority("{}"), Err(ShapeError::Missing("certificate")));
    assert_eq!(authority("-----BEGIN nothing"), Err(ShapeError::NoCertificate));
}

#[test]
fn the_end_of_a_certificate_is_told_once_it_has_come() {
    let (chain, key) = certificate();
    let secret = Secret::certificate(&json(&[("certificate", &chain), ("privateKey", &key.serialize_pem())]))
        .expect("both belong together");
    let at = |seconds| secret.ended(UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!(at(1_570_000_000), None);
    assert_eq!(at(1_600_000_000).as_deref(), Some("Jan  1 00:00:00 2020 GMT"));
}

#[test]
fn nothing_that_can_be_printed_holds_a_secret() {
    let (chain, key) = certificate();
    let pem = key.serialize_pem();
    let scram = Secret::scram(r#"{"username": "alice", "password": "hunter2"}"#).expect("a good secret");
    let certificate =
        Secret::certificate(&json(&[("certificate", &chain), ("privateKey", &pem)])).expect("a good secret");
    assert_eq!(format!("{scram:?} {certificate:?}"), "Scram { .. } Certificate { .. }");
}

#[tokio::test]
async fn a_file_that_does_not_do_is_named_and_none_of_it_is_told() {
    struct Nothing;
    impl Surroundings for Nothing {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }
        fn now(&self) -> SystemTime {
            UNIX_EPOCH
        }
    }
    let folder = std::env::temp_dir().join(format!("k2m-secret-{}", std::process::id()));
    std::fs::write(&folder, r#"{"user": "alice", "password": "hunter2"}"#).expect("a file");
    let source = SecretSource::File(folder.clone());
    let error = read(&source, Shape::Scram, &Nothing)
        .await
        .expect_err("a field is missing");
    std::fs::remove_file(&folder).expect("it is there");
    let text = error.to_string();
    assert_eq!(
        text,
        format!(
            "the secret {} can't be used: its field username is missing, empty or no text; it should be {{\"username\": \"…\", \"password\": \"…\"}}",
            folder.display()
        )
    );
    let told = error.told();
    assert_eq!(told.next, r#"let it hold {"username": "…", "password": "…"}"#);
    assert!(told.reason.ends_with("is missing, empty or no text"), "{told:?}");
    let gone = read(&source, Shape::Scram, &Nothing).await.expect_err("there is none");
    assert!(
        gone.to_string().ends_with("; correct its path, or its rights"),
        "{gone}"
    );
    assert_eq!(gone.told().next, "correct its path, or its rights");
}
