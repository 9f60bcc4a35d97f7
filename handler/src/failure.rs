//! Why records were not acknowledged: librdkafka's error in, a class and plain words with the next step out. Pure.

use rdkafka::types::RDKafkaErrorCode as Code;

/// What can be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// May pass when tried again.
    Retryable,
    /// This record can never be accepted; the ones around it can.
    Poison,
    /// Nothing can be accepted until somebody mends the set-up.
    Fatal,
}

/// Why the first record that failed did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What can be done about it.
    pub class: Class,
    /// In our words, with the next step.
    pub reason: String,
    /// In librdkafka's words; empty where the failure is our own finding.
    pub librdkafka: String,
}

impl Failure {
    /// A failure that librdkafka reported; `detail` is its own text, where it gave one.
    pub fn from_kafka(code: Code, detail: Option<&str>, topic: &str) -> Self {
        let (class, reason) = explain(code, detail.unwrap_or_default(), topic);
        let name = code.to_string();
        let librdkafka = match detail {
            Some(detail) if !detail.is_empty() => format!("{name}: {detail}"),
            _ => name,
        };
        Self {
            class,
            reason,
            librdkafka,
        }
    }

    /// The same failure of a single record, said of that record; `bytes`: what it takes as a message; `timestamp_millis`: since the Unix epoch.
    #[must_use]
    pub fn of_one_record(mut self, code: Code, bytes: usize, timestamp_millis: i64, topic: &str) -> Self {
        if code == Code::InvalidTimestamp {
            self.reason = format!(
                "topic {topic:?} refuses a record for its timestamp, {timestamp_millis} ms since 1970: take another (K2M_TIMESTAMP), or raise the topic's \
                 message.timestamp.before.max.ms (where it is too old) or message.timestamp.after.max.ms (where it lies ahead)"
            );
        }
        if is_for_size(code) {
            self.reason = format!(
                "a record takes {bytes} bytes as a message and topic {topic:?} refuses it, sent alone, for its size: raise the topic's max.message.bytes"
            );
        }
        self
    }

    /// The dead-letter topic took a record no better than the topic did, for the reason `own`. It stays a poison, which must not take others with
    /// it to the failure destination, unless the dead-letter topic may take it when tried again.
    #[must_use]
    pub fn not_diverted(self, own: &Self) -> Self {
        Self {
            class: match self.class {
                Class::Retryable => Class::Retryable,
                Class::Poison | Class::Fatal => Class::Poison,
            },
            reason: format!(
                "{}. Nor can the record go to the dead-letter topic: {}",
                own.reason, self.reason
            ),
            ..self
        }
    }

    /// A part of the function itself broke.
    pub fn internal(words: &str) -> Self {
        Self {
            class: Class::Retryable,
            reason: format!("a part of the function ended unexpectedly: {words}; this is a bug, please report it"),
            librdkafka: String::new(),
        }
    }

    /// A record whose data can't be read.
    pub fn unreadable(reason: String) -> Self {
        Self {
            class: Class::Poison,
            reason,
            librdkafka: String::new(),
        }
    }

    /// The function can't say who it is; `reason`: why, with the next step.
    pub fn no_token(reason: &str) -> Self {
        Self {
            class: Class::Fatal,
            reason: format!("no IAM token can be made: {reason}"),
            librdkafka: String::new(),
        }
    }

    /// There is no secret to show; `reason`: why, with the next step.
    pub fn no_secret(reason: &str, may_pass: bool) -> Self {
        Self {
            class: if may_pass { Class::Retryable } else { Class::Fatal },
            reason: reason.to_owned(),
            librdkafka: String::new(),
        }
    }

    /// TLS can't be spoken; `reason`: why, with the next step.
    pub fn no_tls(reason: &str) -> Self {
        Self {
            class: Class::Fatal,
            reason: reason.to_owned(),
            librdkafka: String::new(),
        }
    }

    /// librdkafka can't begin with these settings.
    pub fn refused_settings(error: &impl ToString) -> Self {
        Self {
            class: Class::Fatal,
            reason: "librdkafka refuses the settings: check K2M_AUTHENTICATION, K2M_CA_FILE and what the secret holds"
                .into(),
            librdkafka: error.to_string(),
        }
    }

    /// Whether the brokers refused what the function shows them, or it trusts none of theirs: what a secret that is read again may mend.
    pub fn refuses_identity(&self) -> bool {
        let says = |words: &str| self.librdkafka.contains(words);
        // What IAM access control says is about rights and numbers.
        let by_password = says("SASL authentication error") && !says("Access denied") && !says("Too many connects");
        by_password || self.is_about_certificates()
    }

    /// Whether a certificate was refused, by the brokers or by us.
    pub fn is_about_certificates(&self) -> bool {
        refuses_certificate(&self.librdkafka) || self.librdkafka.contains("certificate verify failed")
    }

    /// The same failure, with what a closer look found: why the certificate of a broker is not trusted, in OpenSSL's words, and when our own
    /// ended.
    #[must_use]
    pub fn about_certificates(mut self, objection: Option<(&str, &str)>, ended: Option<&str>) -> Self {
        if let Some((server, why)) = objection {
            self.reason = untrusted_words(server, why);
            self.librdkafka = format!("{}; OpenSSL: {why}", self.librdkafka);
        } else if let Some(ended) = ended {
            self.reason = format!(
                "the brokers refused the function's certificate, which ended on {ended}: put a new one into the secret"
            );
        }
        self
    }

    /// The function's time ran out; `last` is the newest error that librdkafka reported while waiting, `progressed`: whether anything was
    /// acknowledged before.
    pub fn deadline(last: Option<&Failure>, progressed: bool) -> Self {
        let begin = "the function's time ran out before the brokers acknowledged";
        match last {
            Some(last) => Self {
                class: last.class,
                reason: format!("{begin}. {}", last.reason),
                librdkafka: last.librdkafka.clone(),
            },
            None if progressed => Self {
                class: Class::Retryable,
                reason: format!(
                    "{begin} all, and no error was reported: raise the function's time-out, or send fewer records a batch"
                ),
                librdkafka: String::new(),
            },
            None => Self {
                class: Class::Retryable,
                reason: format!(
                    "{begin} anything, and no error was reported: a broker hangs or is overloaded, something drops its packets, or the function's \
                     time-out is too short to connect"
                ),
                librdkafka: String::new(),
            },
        }
    }
}

/// How much an error of the client says of its cause, to keep the one that says most.
pub fn weight(code: Code, detail: &str) -> u8 {
    match code {
        Code::AllBrokersDown => 0,
        _ if unreachable_words(detail) == unreachable_words("") && code == Code::BrokerTransportFailure => 1,
        _ => 2,
    }
}

/// Whether a code says that a request was too large.
pub fn is_for_size(code: Code) -> bool {
    matches!(
        code,
        Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge
    )
}

/// The class of a code, our words for it, and the next step.
fn explain(code: Code, detail: &str, topic: &str) -> (Class, String) {
    use Class::{Fatal, Poison, Retryable};
    let (class, words) = match code {
        code if is_for_size(code) => (
            Poison,
            format!("topic {topic:?} refused a batch for its size: raise the topic's max.message.bytes, or tell it in K2M_MAX_MESSAGE_BYTES"),
        ),
        Code::InvalidTimestamp => (
            Poison,
            format!(
                "topic {topic:?} refused a record for its timestamp: take another (K2M_TIMESTAMP), or raise message.timestamp.before.max.ms or message.timestamp.after.max.ms"
            ),
        ),
        Code::InvalidRecord => (
            Poison,
            format!("topic {topic:?} refused a record as invalid: a compacted topic needs keys"),
        ),
        Code::InvalidDifferentRecord => (
            Retryable,
            format!("topic {topic:?} refused another record of the same request"),
        ),
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => (
            Fatal,
            format!(
                "topic {topic:?} is not in this cluster: create it, or correct the topic's name (MSK creates none by itself)"
            ),
        ),
        Code::InvalidTopic => (Fatal, format!("{topic:?} is no name for a topic: correct it")),
        Code::TopicAuthorizationFailed => (
            Fatal,
            format!("the function may not write to topic {topic:?}: allow it DescribeTopic and WriteData on the topic"),
        ),
        Code::ClusterAuthorizationFailed => (
            Fatal,
            "the function may not write idempotently: allow it WriteDataIdempotently on the cluster".into(),
        ),
        Code::Authentication | Code::SaslAuthenticationFailed => {
            let (class, words) = refused_words(detail);
            (class, words.into())
        }
        Code::Resolve => (
            Retryable,
            "a broker's name could not be resolved: check the bootstrap servers and the VPC's DNS".into(),
        ),
        Code::UnsupportedSASLMechanism | Code::IllegalSASLState | Code::SecurityDisabled => (
            Fatal,
            "this port does not take this way of authentication: correct K2M_AUTHENTICATION, or the port".into(),
        ),
        Code::SSL | Code::BrokerTransportFailure | Code::AllBrokersDown => {
            let (class, words) = unreachable_words(detail);
            (class, words.into())
        }
        Code::UnsupportedForMessageFormat | Code::UnsupportedCompressionType => (
            Fatal,
            format!(
                "topic {topic:?} keeps an old message format that has no headers, or its brokers don't know the compression: raise its message.format.version, \
                 or take another K2M_COMPRESSION"
            ),
        ),
        Code::UnsupportedVersion | Code::UnsupportedFeature | Code::InvalidRequiredAcks | Code::InvalidArgument | Code::InvalidConfig => (
            Fatal,
            "the brokers or the client can't do what k2m asks of them: idempotent writes need Apache Kafka 0.11 or later".into(),
        ),
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => (
            Retryable,
            "too few replicas are in sync (min.insync.replicas): a broker is down or behind; wait, or mend it".into(),
        ),
        Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut => (
            Retryable,
            "the brokers did not answer in time: they are down, overloaded or unreachable".into(),
        ),
        Code::LeaderNotAvailable | Code::NotLeaderForPartition => (
            Retryable,
            "a partition has no leader yet: it moves to another broker; this passes".into(),
        ),
        Code::PurgeQueue | Code::PurgeInflight => (
            Retryable,
            "not sent, since a record before it failed: order is kept".into(),
        ),
        Code::Fatal
        | Code::GaplessGuarantee
        | Code::Inconsistent
        | Code::OutOfOrderSequenceNumber
        | Code::UnknownProducerId
        | Code::InvalidProducerEpoch
        | Code::InvalidProducerIdMapping => (Retryable, "the producer can't go on and is made anew".into()),
        _ => (
            Retryable,
            "the brokers or the client refused the records for now; they are sent again".into(),
        ),
    };
    (class, words)
}

/// What a refused or missing identity means, by librdkafka's own text.
fn refused_words(detail: &str) -> (Class, &'static str) {
    if detail.contains("Too many connects") {
        (
            Class::Retryable,
            "the brokers take no more new IAM connections for now: this passes; fewer functions at once, or larger brokers, avoid it",
        )
    } else if detail.contains("Access denied") {
        (
            Class::Fatal,
            "the cluster's IAM access control refused the function: allow its role kafka-cluster:Connect and \
             kafka-cluster:WriteDataIdempotently on the cluster, kafka-cluster:DescribeTopic and kafka-cluster:WriteData on the topic; \
             check that K2M_CLUSTER_REGION is the cluster's region",
        )
    } else if detail.contains("Failed to acquire SASL OAUTHBEARER token") {
        (
            Class::Fatal,
            "the function has no credentials to sign an IAM token with: give it a role",
        )
    } else if detail.contains("mechanism handshake failed") {
        (
            Class::Fatal,
            "this port does not take this way of authentication: use the port that belongs to it, or the authentication that belongs to the port",
        )
    } else if detail.contains("invalid credentials") {
        (
            Class::Fatal,
            "the brokers refused the user or the password: check that the secret holds the password of now and is associated with the cluster",
        )
    } else {
        (
            Class::Fatal,
            "the brokers refused the function's identity: check K2M_AUTHENTICATION and what it needs",
        )
    }
}

/// Whether the brokers' alert says that they want another certificate of us. Java sends the same one where none was shown.
fn refuses_certificate(detail: &str) -> bool {
    ["alert bad certificate", "alert certificate", "alert unknown ca"]
        .iter()
        .any(|words| detail.contains(words))
}

/// Why a broker's certificate is not trusted; `why` in OpenSSL's words.
fn untrusted_words(server: &str, why: &str) -> String {
    if why.contains("expired") {
        format!("the certificate of the broker at {server} has ended: renew it on the broker")
    } else if why.contains("not yet valid") {
        format!(
            "the certificate of the broker at {server} is not valid yet: check the broker's clock and when the certificate begins"
        )
    } else if why.contains("mismatch") {
        format!(
            "the certificate of the broker at {server} is for another host: name the brokers as their certificates do, in the bootstrap servers and in \
             advertised.listeners, or renew the certificates"
        )
    } else {
        format!(
            "the certificate of the broker at {server} is not trusted ({why}): give its certificate authority in K2M_CA_FILE or K2M_CA_SECRET_ARN"
        )
    }
}

/// What a lost or refused connection means, by librdkafka's own text. Only what no broker that restarts can cause is fatal.
fn unreachable_words(detail: &str) -> (Class, &'static str) {
    if detail.contains("connecting to a PLAINTEXT broker listener") {
        (
            Class::Retryable,
            "the function speaks TLS and this port plaintext: use `plaintext`, or the TLS port",
        )
    } else if detail.contains("certificate verify failed") || detail.contains("certificate could not be verified") {
        (
            Class::Fatal,
            "the broker's certificate is not trusted: give its certificate authority in K2M_CA_FILE or K2M_CA_SECRET_ARN",
        )
    } else if refuses_certificate(detail) {
        (
            Class::Fatal,
            "the brokers refused the function's certificate, or want one and were shown none: use mutual_tls with a certificate of an authority that the \
             cluster trusts",
        )
    } else if detail.contains("incorrect security.protocol") || detail.contains("connecting to a SSL listener") {
        (
            Class::Retryable,
            "the brokers closed the connection: this port speaks TLS and the function plaintext; use `tls`, or the plaintext port",
        )
    } else if detail.contains("Connection refused") {
        (
            Class::Retryable,
            "nothing listens at the brokers' address: check host and port, and that the brokers are up",
        )
    } else if detail.contains("timed out in state CONNECT") {
        (
            Class::Retryable,
            "the brokers could not be reached: a security group, a network ACL or a route drops the packets",
        )
    } else if detail.contains("SSL handshake failed") {
        (
            Class::Retryable,
            "the TLS handshake failed: check that the port speaks TLS and that the broker's certificate is trusted",
        )
    } else {
        (
            Class::Retryable,
            "the connection to the brokers was lost or could not be made",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poison_that_can_t_be_diverted_takes_no_other_record_with_it() {
        let own = Failure::unreadable("the data is not base64".into());
        for (code, class) in [
            (Code::UnknownTopicOrPartition, Class::Poison),
            (Code::TopicAuthorizationFailed, Class::Poison),
            (Code::MessageSizeTooLarge, Class::Poison),
            (Code::NotEnoughReplicas, Class::Retryable),
        ] {
            let failure = Failure::from_kafka(code, None, "orders-dead-letter").not_diverted(&own);
            assert_eq!(failure.class, class, "{code:?}");
            let told = "the data is not base64. Nor can the record go to the dead-letter topic: ";
            assert!(failure.reason.starts_with(told), "{}", failure.reason);
        }
    }

    #[test]
    fn a_closer_look_says_why_a_certificate_was_refused() {
        let untrusted = "SSL handshake failed: certificate verify failed: broker certificate could not be verified";
        let refused = "Receive failed: ssl/tls alert certificate unknown: SSL alert number 46";
        let rows = [
            (untrusted, Some("certificate has expired"), None),
            (untrusted, Some("certificate is not yet valid"), None),
            (untrusted, Some("hostname mismatch"), None),
            (untrusted, Some("IP address mismatch"), None),
            (untrusted, Some("self-signed certificate in certificate chain"), None),
            (untrusted, None, None),
            (refused, None, Some("Jan  1 00:00:00 2020 GMT")),
            (refused, None, None),
        ];
        let said: Vec<String> = rows
            .iter()
            .map(|(detail, objection, ended)| {
                let failure = Failure::from_kafka(Code::SSL, Some(detail), "orders");
                assert!(
                    failure.is_about_certificates() && failure.class == Class::Fatal,
                    "{failure:?}"
                );
                let objection = objection.map(|why| ("b-1:9094", why));
                failure.about_certificates(objection, *ended).reason
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn one_line_per_code() {
        let rows = [
            (Code::MessageSizeTooLarge, ""),
            (Code::InvalidRecord, ""),
            (Code::InvalidDifferentRecord, ""),
            (Code::InvalidTimestamp, ""),
            (Code::UnknownTopicOrPartition, ""),
            (Code::TopicAuthorizationFailed, ""),
            (Code::ClusterAuthorizationFailed, ""),
            (Code::Authentication, "SASL authentication error"),
            (Code::Authentication, "SASL authentication error: [0b1c]: Access denied"),
            (
                Code::Authentication,
                "SASL authentication error: [0b1c]: Too many connects",
            ),
            (
                Code::Authentication,
                "Failed to acquire SASL OAUTHBEARER token: AWS_ACCESS_KEY_ID is not set",
            ),
            (
                Code::Authentication,
                "SASL OAUTHBEARER mechanism handshake failed: Broker: Unsupported SASL mechanism",
            ),
            (
                Code::Authentication,
                "SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism",
            ),
            (
                Code::Authentication,
                "SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512",
            ),
            (
                Code::BrokerTransportFailure,
                "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42",
            ),
            (
                Code::BrokerTransportFailure,
                "Receive failed: error:0A000416:SSL routines::ssl/tls alert certificate unknown: SSL alert number 46",
            ),
            (
                Code::SSL,
                "SSL handshake failed: error:0A000418:SSL routines::tlsv1 alert unknown ca: SSL alert number 48",
            ),
            (
                Code::SSL,
                "SSL handshake failed: error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116",
            ),
            (Code::Resolve, "Failed to resolve 'b-1:9092'"),
            (Code::SSL, "SSL handshake failed: certificate verify failed"),
            (
                Code::SSL,
                "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?",
            ),
            (
                Code::BrokerTransportFailure,
                "Connect to ipv4#127.0.0.1:1 failed: Connection refused",
            ),
            (
                Code::BrokerTransportFailure,
                "Connection setup timed out in state CONNECT",
            ),
            (
                Code::BrokerTransportFailure,
                "Disconnected: verify that security.protocol is correctly configured, broker might require SSL (incorrect security.protocol)",
            ),
            (Code::AllBrokersDown, ""),
            (Code::NotEnoughReplicas, ""),
            (Code::MessageTimedOut, ""),
            (Code::NotLeaderForPartition, ""),
            (Code::PurgeQueue, ""),
            (Code::Fatal, ""),
            (Code::InvalidProducerEpoch, ""),
            (Code::MessageBatchTooLarge, ""),
            (Code::UnsupportedSASLMechanism, ""),
            (Code::UnsupportedForMessageFormat, ""),
            (Code::UnsupportedVersion, ""),
            (Code::OutOfOrderSequenceNumber, ""),
            (Code::KafkaStorageError, ""),
        ];
        let said: Vec<String> = rows
            .iter()
            .map(|(code, detail)| {
                let failure = Failure::from_kafka(*code, Some(detail), "orders");
                format!("{:?} | {} | {}", failure.class, failure.librdkafka, failure.reason)
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}
