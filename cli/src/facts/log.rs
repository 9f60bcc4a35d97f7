//! What lines of a log are known to mean trouble: words of librdkafka, kafka-python, Lambda and the handler.

/// Words in a log, and what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The words as they stand in the line.
    pub words: &'static str,
    /// What they mean, in a sentence without a full stop.
    pub means: &'static str,
    /// The checks that look closer, the likeliest first.
    pub leads_to: &'static [&'static str],
}

const fn says(words: &'static str, means: &'static str, leads_to: &'static [&'static str]) -> Signature {
    Signature { words, means, leads_to }
}

/// What a function that can't even begin says of its code.
const NO_START: &str =
    "Lambda can't start the function's code: it is for another architecture or runtime, or is not all there";
/// What Lambda says of a function that used more than it has.
const NO_MEMORY: &str = "Lambda ended the function since its memory was used up";
/// What is told where a certificate of the function's is not liked.
const OWN_CERTIFICATE: &str = "the brokers refused the function's certificate, or want one and were shown none";
/// What is told where a broker's certificate is not liked.
const THEIR_CERTIFICATE: &str = "the function does not trust the broker's certificate";
/// What is told where nothing of a broker comes back.
const UNREACHABLE: &str =
    "the brokers can't be reached: something on the way drops or refuses the packets, or they are down";
/// What is told of a port that speaks another way.
const OTHER_WAY: &str = "the port that the function connects to belongs to another way of authentication";
/// What is told of an identity that the brokers don't take.
const NOT_LET_IN: &str = "the brokers refused the user, the password or the token that the function showed";
/// What is told of a record larger than the topic takes.
const TOO_LARGE: &str = "the topic refused a record for its size (max.message.bytes)";
/// What is told of a secret that can't be had.
const NO_SECRET: &str = "the function can't have its secret";
/// What is told of a name without an address.
const NO_NAME: &str = "a broker's name could not be resolved from where the function runs";
/// What is told of a function that may not write.
const NO_RIGHT: &str = "the brokers let the function in, and don't let it write";
/// What is told of a topic that isn't there.
const NO_TOPIC: &str = "the topic is not in the cluster, and nothing made it";
/// What is told of Lambda's own key for the function's variables, or the stream's.
const NO_KEY: &str = "Lambda may not use the KMS key that encrypts the stream or the function's variables, or the key is switched off or gone";
/// What is told where Lambda has no room for another invocation.
const NO_ROOM: &str = "Lambda had no room for another invocation, or took no more requests";
/// What is told of interfaces that a function in a VPC needs.
const NO_INTERFACE: &str = "Lambda can't make or use the function's network interfaces";

/// Every signature that is known. A line counts for the first that it holds, so that what says more stands before what says less.
pub const SIGNATURES: &[Signature] = &[
    // Lambda, of code that can't begin.
    says(
        "exec format error",
        "the function's binary is for another architecture",
        &["K2M-L08"],
    ),
    says(
        "version `GLIBC_",
        "the function's binary needs a newer C library than its runtime has",
        &["K2M-L08"],
    ),
    says("Runtime.InvalidEntrypoint", NO_START, &["K2M-L08"]),
    says("Runtime.ImportModuleError", NO_START, &["K2M-L08"]),
    says("Runtime.HandlerNotFound", NO_START, &["K2M-L08"]),
    says("Runtime.OutOfMemory", NO_MEMORY, &["K2M-L04"]),
    says("signal: killed", NO_MEMORY, &["K2M-L04"]),
    // The handler, of what it is told.
    says(
        "the configuration can't be used",
        "a variable of the function holds what it can't, and the handler does not start",
        &["K2M-P01", "K2M-L05"],
    ),
    says(
        "K2m.Configuration",
        "a variable of the function holds what it can't, and the handler does not start",
        &["K2M-P01", "K2M-L05"],
    ),
    says(
        "Runtime exited with error",
        "the function ended before it answered",
        &["K2M-P01", "K2M-L08"],
    ),
    says(
        "Runtime.ExitError",
        "the function ended before it answered",
        &["K2M-P01", "K2M-L08"],
    ),
    // Lambda, of time, interfaces, keys and room.
    says(
        "Sandbox.Timedout",
        "Lambda ended the function when its time was over, whatever it was waiting for",
        &["K2M-L03", "K2M-N02", "K2M-T01", "K2M-L06"],
    ),
    says(
        "Task timed out after",
        "Lambda ended the function when its time was over, whatever it was waiting for",
        &["K2M-L03", "K2M-N02", "K2M-T01", "K2M-L06"],
    ),
    says(
        "EC2ThrottledException",
        "Lambda asks EC2 for network interfaces more often than EC2 answers",
        &["K2M-L02"],
    ),
    says(
        "EC2AccessDeniedException",
        "the function's role may not have network interfaces made",
        &["K2M-L02"],
    ),
    says("EC2UnexpectedException", NO_INTERFACE, &["K2M-L02"]),
    says(
        "ENILimitReached",
        "the account has no room for more network interfaces in this VPC",
        &["K2M-L02"],
    ),
    says(
        "EniLimitExceeded",
        "the account has no room for more network interfaces in this VPC",
        &["K2M-L02"],
    ),
    says(
        "SubnetIPAddressLimitReached",
        "a subnet of the function has no free address left",
        &["K2M-L02", "K2M-N02"],
    ),
    says(
        "SubnetOutOfIPAddresses",
        "a subnet of the function has no free address left",
        &["K2M-L02", "K2M-N02"],
    ),
    says(
        "InvalidSubnet",
        "a subnet of the function is gone",
        &["K2M-L02", "K2M-N02"],
    ),
    says(
        "InvalidSecurityGroup",
        "a security group of the function is gone",
        &["K2M-L02", "K2M-N02"],
    ),
    says("KMSAccessDenied", NO_KEY, &["K2M-E05", "K2M-L02"]),
    says("KMSDisabled", NO_KEY, &["K2M-E05", "K2M-L02"]),
    says("KMSInvalidState", NO_KEY, &["K2M-E05", "K2M-L02"]),
    says("KMSNotFound", NO_KEY, &["K2M-E05", "K2M-L02"]),
    says(
        "ReservedFunctionConcurrent",
        "the concurrency that is reserved for the function is 0, or all in use",
        &["K2M-L07"],
    ),
    says("TooManyRequestsException", NO_ROOM, &["K2M-L07"]),
    says("Rate Exceeded", NO_ROOM, &["K2M-L07"]),
    says("Rate exceeded", NO_ROOM, &["K2M-L07"]),
    says(
        "ProvisionedThroughputExceeded",
        "reads of the stream were refused: too many readers, or too much data for its shards",
        &["K2M-E09"],
    ),
    // The handler, of poison. What was diverted is where it should be.
    says(
        "went to the dead-letter topic",
        "records that the topic can't take went to the dead-letter topic, as `on_poison: divert` has it",
        &["K2M-T03"],
    ),
    says(
        "for its size: raise the topic's max.message.bytes",
        TOO_LARGE,
        &["K2M-T03", "K2M-D02"],
    ),
    says(
        "a record for its timestamp",
        "the topic refused a record for its timestamp",
        &["K2M-T02", "K2M-D02"],
    ),
    says(
        "a record as invalid: a compacted topic needs keys",
        "the topic refused a record as invalid: a compacted topic needs keys",
        &["K2M-T02", "K2M-D02"],
    ),
    says(
        " can't be sent: ",
        "a record's data is not what the payload's settings (`decode`, `key`, `timestamp`) are for",
        &["K2M-T02", "K2M-D02"],
    ),
    says(
        "it stands first in its batch, which is to be halved",
        "a record that can never be delivered keeps its shard waiting until it is given up",
        &["K2M-D02", "K2M-T02"],
    ),
    says(
        "the event is not a batch of Kinesis records",
        "the function was invoked with something else than records: by another hand, or by a k2m that asks what this handler is too old for",
        &["K2M-L10"],
    ),
    says(
        "Connect the function to a Kinesis data stream",
        "the function was invoked by another service than Kinesis",
        &["K2M-E02"],
    ),
    // The handler, of what it shows the brokers.
    says(
        "Secrets Manager can't be reached at",
        "the function can't reach Secrets Manager: no endpoint and no way out leads there",
        &["K2M-A05", "K2M-N07", "K2M-P02"],
    ),
    says(
        "the function may not read the secret",
        NO_SECRET,
        &["K2M-A05", "K2M-N07", "K2M-P02"],
    ),
    says("there is no secret", NO_SECRET, &["K2M-A05", "K2M-N07", "K2M-P02"]),
    says(
        "Secrets Manager refused to give the secret",
        NO_SECRET,
        &["K2M-A05", "K2M-N07", "K2M-P02"],
    ),
    says("is not Secrets Manager", NO_SECRET, &["K2M-A05", "K2M-N07", "K2M-P02"]),
    says("is binary: store it as text", NO_SECRET, &["K2M-P02"]),
    says("can't be asked for: ", NO_SECRET, &["K2M-P02"]),
    says(
        "can't be used: it",
        "the function's secret holds something else than it should",
        &["K2M-P02"],
    ),
    says(
        "no IAM token can be made",
        "the function has no credentials to sign an IAM token with",
        &["K2M-P02"],
    ),
    says(
        "no certificate authorities were found",
        THEIR_CERTIFICATE,
        &["K2M-A06", "K2M-P01"],
    ),
    says(
        "TLS can't be set up",
        "the function can't speak TLS with what it was given",
        &["K2M-P01", "K2M-P02"],
    ),
    says(
        "librdkafka refuses the settings",
        "the client can't begin with the function's variables or its secret",
        &["K2M-P02", "K2M-L05"],
    ),
    says(
        "max.message.bytes can't be asked for",
        "the function may not read the topic's settings, and guesses the largest request",
        &["K2M-P03"],
    ),
    says(
        "a part of the function ended unexpectedly",
        "the handler broke, which is a bug: an update may mend it",
        &["K2M-L10"],
    ),
    says(
        "user handler panicked",
        "the handler broke, which is a bug: an update may mend it",
        &["K2M-L10"],
    ),
    // librdkafka, of who is let in.
    says(
        "Too many connects",
        "the brokers took no more new IAM connections for a while",
        &["K2M-L07"],
    ),
    says(
        "]: Access denied",
        "the cluster's IAM access control refused the function's role",
        &["K2M-P02", "K2M-P03"],
    ),
    says(
        "Failed to acquire SASL OAUTHBEARER token",
        "the function has no credentials to sign an IAM token with",
        &["K2M-P02"],
    ),
    says(
        "mechanism handshake failed",
        OTHER_WAY,
        &["K2M-A02", "K2M-A01", "K2M-P02"],
    ),
    says(
        "Broker: Unsupported SASL mechanism",
        OTHER_WAY,
        &["K2M-A02", "K2M-A01", "K2M-P02"],
    ),
    says(
        "Broker: Request not valid in current SASL state",
        OTHER_WAY,
        &["K2M-A02", "K2M-A01", "K2M-P02"],
    ),
    says(
        "SASL authentication error",
        NOT_LET_IN,
        &["K2M-P02", "K2M-A05", "K2M-A01"],
    ),
    says(
        "Broker: SASL Authentication failed",
        NOT_LET_IN,
        &["K2M-P02", "K2M-A05", "K2M-A01"],
    ),
    says(
        "Local: Authentication failure",
        NOT_LET_IN,
        &["K2M-P02", "K2M-A05", "K2M-A01"],
    ),
    // librdkafka, of TLS and of what is spoken.
    says(
        "broker certificate could not be verified",
        THEIR_CERTIFICATE,
        &["K2M-A06", "K2M-P01"],
    ),
    says("certificate verify failed", THEIR_CERTIFICATE, &["K2M-A06", "K2M-P01"]),
    says(
        "alert bad certificate",
        OWN_CERTIFICATE,
        &["K2M-A06", "K2M-P01", "K2M-A01"],
    ),
    says("alert certificate", OWN_CERTIFICATE, &["K2M-A06", "K2M-P01", "K2M-A01"]),
    says("alert unknown ca", OWN_CERTIFICATE, &["K2M-P01", "K2M-A01"]),
    says(
        "client SSL authentication might be required",
        OWN_CERTIFICATE,
        &["K2M-P01", "K2M-A01"],
    ),
    says(
        "connecting to a SSL listener",
        "the function speaks plaintext and the port TLS",
        &["K2M-A02", "K2M-P01"],
    ),
    says(
        "connecting to a PLAINTEXT broker listener",
        "the function speaks TLS and the port plaintext",
        &["K2M-A02", "K2M-P01"],
    ),
    says(
        "verify that security.protocol is correctly configured",
        OTHER_WAY,
        &["K2M-A02", "K2M-P01"],
    ),
    says(
        "SSL handshake failed",
        "the TLS handshake with a broker failed",
        &["K2M-A02", "K2M-P01"],
    ),
    says(
        "Local: SSL error",
        "the TLS handshake with a broker failed",
        &["K2M-A02", "K2M-P01"],
    ),
    // librdkafka, of the way.
    says("Failed to resolve '", NO_NAME, &["K2M-N06", "K2M-P01", "K2M-A02"]),
    says(
        "Local: Host resolution failure",
        NO_NAME,
        &["K2M-N06", "K2M-P01", "K2M-A02"],
    ),
    says(
        "Connection setup timed out in state CONNECT",
        "no broker answered: a security group, a network ACL or a route drops the packets",
        &["K2M-N02", "K2M-P01"],
    ),
    says(
        "Connection setup timed out in state",
        "a broker took the connection and did not go on with it",
        &["K2M-P01", "K2M-A02"],
    ),
    says(
        "Connection refused",
        "nothing listens where the function looks for a broker",
        &["K2M-A02", "K2M-N01", "K2M-P01"],
    ),
    // librdkafka, of the topic.
    says(
        "Broker: Topic authorization failed",
        NO_RIGHT,
        &["K2M-A03", "K2M-A07", "K2M-P03"],
    ),
    says(
        "Broker: Cluster authorization failed",
        NO_RIGHT,
        &["K2M-A03", "K2M-A07", "K2M-P03"],
    ),
    says(
        "Broker: Transactional Id authorization failed",
        NO_RIGHT,
        &["K2M-A03", "K2M-A07", "K2M-P03"],
    ),
    says("Broker: Unknown topic or partition", NO_TOPIC, &["K2M-T01", "K2M-P03"]),
    says("Local: Unknown topic", NO_TOPIC, &["K2M-T01", "K2M-P03"]),
    says("Local: Unknown partition", NO_TOPIC, &["K2M-T01", "K2M-P03"]),
    says(
        "Broker: Message size too large",
        TOO_LARGE,
        &["K2M-T06", "K2M-T03", "K2M-D02"],
    ),
    says(
        "Broker: Message batch larger than configured",
        TOO_LARGE,
        &["K2M-T03", "K2M-D02"],
    ),
    says("Broker: Invalid message size", TOO_LARGE, &["K2M-T03", "K2M-D02"]),
    says(
        "in-sync replicas",
        "too few replicas of a partition are in sync (min.insync.replicas): a broker is down or behind",
        &["K2M-T05", "K2M-N01", "K2M-P03"],
    ),
    says(
        "Broker: Leader not available",
        "a partition had no leader for longer than the function waits",
        &["K2M-P03", "K2M-N01"],
    ),
    says(
        "Broker: Message format on broker",
        "the topic keeps an old message format, without headers",
        &["K2M-T01"],
    ),
    says(
        "Broker: API version not supported",
        "the brokers are too old for what the handler asks of them",
        &["K2M-N01", "K2M-A02"],
    ),
    // librdkafka, of what may be either.
    says(
        "Local: Message timed out",
        UNREACHABLE,
        &["K2M-N02", "K2M-P01", "K2M-T01"],
    ),
    says("Local: Timed out", UNREACHABLE, &["K2M-N02", "K2M-P01", "K2M-T01"]),
    says(
        "Broker: Request timed out",
        "the brokers took the records and did not store them in time",
        &["K2M-N01", "K2M-P03"],
    ),
    says(
        "Local: Broker transport failure",
        UNREACHABLE,
        &["K2M-N02", "K2M-P01", "K2M-N01"],
    ),
    says(
        "Local: All broker connections are down",
        UNREACHABLE,
        &["K2M-N02", "K2M-P01", "K2M-N01"],
    ),
    // kafka-python, and what Python says beside it.
    says(
        "Failed to update metadata after",
        "kafka-python never got an answer about the topic: the brokers can't be reached, or the topic is missing",
        &["K2M-N02", "K2M-T01", "K2M-A02"],
    ),
    says(
        "Failed to allocate memory within",
        "kafka-python could not send as fast as it was given records",
        &["K2M-N02", "K2M-L04"],
    ),
    says("KafkaTimeoutError", UNREACHABLE, &["K2M-N02", "K2M-T01", "K2M-A02"]),
    says("NoBrokersAvailable", UNREACHABLE, &["K2M-N02", "K2M-A02", "K2M-A01"]),
    says(
        "Unable to bootstrap from",
        UNREACHABLE,
        &["K2M-N02", "K2M-A02", "K2M-A01"],
    ),
    says("DNS lookup failed for", NO_NAME, &["K2M-P01", "K2M-A02"]),
    says(
        "UnrecognizedBrokerVersion",
        "what answers at the brokers' port does not speak as the function does",
        &["K2M-A02", "K2M-A01"],
    ),
    says(
        "TopicAuthorizationFailedError",
        NO_RIGHT,
        &["K2M-A03", "K2M-A07", "K2M-P03"],
    ),
    says(
        "ClusterAuthorizationFailedError",
        NO_RIGHT,
        &["K2M-A03", "K2M-A07", "K2M-P03"],
    ),
    says(
        "TransactionalIdAuthorizationFailedError",
        NO_RIGHT,
        &["K2M-A03", "K2M-A07", "K2M-P03"],
    ),
    says(
        "SaslAuthenticationFailedError",
        NOT_LET_IN,
        &["K2M-P02", "K2M-A05", "K2M-A01"],
    ),
    says(
        "AuthenticationFailedError",
        NOT_LET_IN,
        &["K2M-P02", "K2M-A05", "K2M-A01"],
    ),
    says("UnsupportedSaslMechanism", OTHER_WAY, &["K2M-A02", "K2M-A01"]),
    says("IllegalSaslState", OTHER_WAY, &["K2M-A02", "K2M-A01"]),
    says("UnknownTopicOrPartitionError", NO_TOPIC, &["K2M-T01"]),
    says(
        "MessageSizeTooLargeError",
        TOO_LARGE,
        &["K2M-T06", "K2M-T03", "K2M-D02"],
    ),
    says("RecordListTooLargeError", TOO_LARGE, &["K2M-T06", "K2M-T03", "K2M-D02"]),
    says(
        "NotEnoughReplicas",
        "too few replicas of a partition are in sync (min.insync.replicas): a broker is down or behind",
        &["K2M-T05", "K2M-N01"],
    ),
    says("KafkaConnectionError", UNREACHABLE, &["K2M-N02", "K2M-A02", "K2M-N01"]),
    says("NodeNotReadyError", UNREACHABLE, &["K2M-N02", "K2M-A02", "K2M-N01"]),
    says("RequestTimedOutError", UNREACHABLE, &["K2M-N02", "K2M-N01"]),
    says(
        "WRONG_VERSION_NUMBER",
        "the function speaks TLS and the port plaintext",
        &["K2M-A02"],
    ),
    // The handler, where nobody said more.
    says(
        "the function's time ran out before the brokers acknowledged",
        "the handler's time was over before the brokers had answered, and no error says why",
        &["K2M-L03", "K2M-L06", "K2M-P01"],
    ),
];

/// Levels of a line in JSON at which nothing is wrong, as the handler and as Python's formatter write them. What was tried again with success holds
/// words of the first try.
const QUIET: [&str; 6] = [
    r#""level":"INFO""#,
    r#""level":"DEBUG""#,
    r#""level":"TRACE""#,
    r#""level": "INFO""#,
    r#""level": "DEBUG""#,
    r#""level": "TRACE""#,
];

/// Lines of what k2m itself asked the handler: the answer was given to who asked, and no record was waiting for it.
const ANSWERS: [&str; 2] = [r#""message":"probe""#, r#""message":"topic""#];

/// The first signature that a line holds; none where the line says of itself that nothing is wrong.
pub fn seen_in(line: &str) -> Option<&'static Signature> {
    if line.starts_with('{') && QUIET.iter().chain(&ANSWERS).any(|words| line.contains(words)) {
        return None;
    }
    SIGNATURES.iter().find(|signature| line.contains(signature.words))
}

/// The signature of a sighting, by its words; none of those that another k2m knows.
pub fn known_as(words: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|signature| signature.words == words)
}
