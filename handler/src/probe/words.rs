//! What a failed step means: a step and its trouble in, plain words and the next step out. Pure.

use kafka_protocol::ResponseError as Code;

use super::report::{Failure, Step};
use crate::secret::Told;

/// What can go wrong at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// What a secret holds can't be had; its reader's own words.
    Secret(Told),
    /// DNS knows no such name.
    NoSuchName(String),
    /// Nobody could be asked for the name.
    NoNameServer(String),
    /// Nothing listens.
    Refused(String),
    /// There is no way to the address.
    NoRoute(String),
    /// Nothing came back within the seconds given to the step.
    Silent(u64),
    /// The connection was closed without a word.
    Closed(String),
    /// The port speaks another protocol.
    Speaks(Found),
    /// The certificates of the function can't be used.
    Certificates(String),
    /// The broker's certificate is not trusted.
    Untrusted(Fault, String),
    /// The broker ended the connection because of the certificate that it was shown, or wasn't; when that ended, where it has.
    ClientCertificate(String, Option<String>),
    /// The TLS handshake failed otherwise.
    Tls(String),
    /// The port wants SASL, which the function doesn't speak; what it offers.
    WantsSasl(Vec<String>),
    /// The port doesn't take this mechanism; what it offers.
    Mechanism(Vec<String>),
    /// The port takes no SASL at all.
    NoSasl,
    /// The function can't say who it is.
    Token(String),
    /// The broker doesn't believe who the function is; its words.
    Identity(String),
    /// The broker can't show that it knows the password itself.
    Stranger(String),
    /// The broker's part of the proof can't be used, and why.
    Challenge(String),
    /// A broker's answer with an error code, and its own words where it has some.
    Code(Code, Option<String>),
    /// The broker takes no version of the request that the probe knows.
    NoVersion(&'static str),
    /// An answer that isn't one.
    Unreadable(String),
    /// Something that the system refused.
    System(String),
    /// These partitions have no leader.
    Leaderless(Vec<i32>),
    /// A topic that the function is not told to write to.
    NotOwn,
    /// A topic that was created just now, and that not every broker shows with all of its leaders.
    NotYet,
    /// No broker could be asked, and none has a failure of its own.
    Nobody,
    /// What was written is not what is read.
    Lost(String),
    /// The probe's own time ran out before this step.
    OutOfTime,
}

impl Trouble {
    /// The same, with when the function's own certificate ended, where it has.
    pub(super) fn with_end(self, ended: Option<&String>) -> Self {
        match self {
            Self::ClientCertificate(said, _) => Self::ClientCertificate(said, ended.cloned()),
            other => other,
        }
    }
}

/// What a port speaks instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Kafka without encryption.
    Kafka,
    /// TLS.
    Tls,
    /// HTTP.
    Http,
    /// Something that begins so.
    Other(String),
}

/// What is wrong with a broker's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No authority that the function trusts has signed it.
    Authority {
        /// Who has.
        issuer: String,
    },
    /// It has ended.
    Expired {
        /// Whose certificate: the broker's own, or one in its chain.
        subject: String,
        /// When, RFC 3339.
        date: String,
    },
    /// It has not begun.
    NotYetValid {
        /// Whose certificate.
        subject: String,
    },
    /// It is for other hosts.
    Host {
        /// For these.
        hosts: Vec<String>,
    },
    /// Something else.
    Other,
}

/// How the function proves itself, as far as the words depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// `plaintext`
    Plaintext,
    /// `tls`
    Tls,
    /// `mutual_tls`
    MutualTls,
    /// `scram`
    Scram,
    /// `iam`
    Iam,
}

impl Method {
    /// As `K2M_AUTHENTICATION` has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Tls => "tls",
            Self::MutualTls => "mutual_tls",
            Self::Scram => "scram",
            Self::Iam => "iam",
        }
    }

    /// The mechanism of SASL, where it takes one.
    pub(super) fn mechanism(self) -> Option<&'static str> {
        match self {
            Self::Plaintext | Self::Tls | Self::MutualTls => None,
            Self::Scram => Some("SCRAM-SHA-512"),
            Self::Iam => Some("OAUTHBEARER"),
        }
    }

    /// MSK's port for it.
    fn port(self) -> u16 {
        match self {
            Self::Plaintext => 9092,
            Self::Tls | Self::MutualTls => 9094,
            Self::Scram => 9096,
            Self::Iam => 9098,
        }
    }
}

/// Where and as whom a step was tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The broker, `host:port`; absent where the step is none's own.
    pub(super) broker: Option<&'a str>,
    /// The topic, where the step is about one.
    pub(super) topic: Option<&'a str>,
    /// How the function proves itself.
    pub(super) method: Method,
}

impl Place<'_> {
    fn server(&self) -> &str {
        self.broker.unwrap_or("the broker")
    }

    fn host(&self) -> &str {
        self.server().rsplit_once(':').map_or(self.server(), |(host, _)| host)
    }

    fn port(&self) -> &str {
        self.server().rsplit_once(':').map_or("", |(_, port)| port)
    }

    fn topic(&self) -> &str {
        self.topic.unwrap_or_default()
    }
}

/// A failure in words.
pub(super) fn explain(step: Step, trouble: &Trouble, place: &Place<'_>) -> Failure {
    let (reason, next) = match step {
        Step::Secret => secret(trouble),
        Step::Dns => dns(trouble, place),
        Step::Tcp => tcp(trouble, place),
        Step::Tls => tls(trouble, place),
        Step::ApiVersions => first_words(trouble, place),
        Step::Sasl => sasl(trouble, place),
        Step::Metadata => metadata(trouble, place),
        Step::CreateTopic => create_topic(trouble, place),
        Step::Topic => topic(trouble, place),
        Step::Write | Step::Canary => write(trouble, place),
        Step::IdempotentWrite => idempotent_write(trouble, place),
    };
    Failure {
        step,
        broker: place.broker.map(str::to_owned),
        topic: place.topic.map(str::to_owned),
        reason,
        next,
        detail: short(&detail(trouble)),
    }
}

/// The most characters that are told of what others said: a broker may say as much as it likes.
const SAID: usize = 500;

/// What others said, and no more of it than anybody reads.
pub(super) fn short(said: &str) -> String {
    match said.char_indices().nth(SAID) {
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said.to_owned(),
    }
}

/// What others said.
fn detail(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Secret(Told { said, .. })
        | Trouble::NoSuchName(said)
        | Trouble::NoNameServer(said)
        | Trouble::Refused(said)
        | Trouble::NoRoute(said)
        | Trouble::Closed(said)
        | Trouble::Untrusted(_, said)
        | Trouble::ClientCertificate(said, _)
        | Trouble::Tls(said)
        | Trouble::Identity(said)
        | Trouble::Stranger(said)
        | Trouble::Challenge(said)
        | Trouble::Unreadable(said)
        | Trouble::System(said)
        | Trouble::Speaks(Found::Other(said)) => said.clone(),
        Trouble::Code(code, said) => match said {
            Some(said) if !said.is_empty() => format!("{code:?}: {said}"),
            _ => format!("{code:?}"),
        },
        _ => String::new(),
    }
}

type Words = (String, String);

fn words(reason: impl Into<String>, next: impl Into<String>) -> Words {
    (reason.into(), next.into())
}

fn secret(trouble: &Trouble) -> Words {
    match trouble {
        Trouble::Secret(told) => words(&*told.reason, &*told.next),
        other => anywhere(other, "reading the secret", "Secrets Manager"),
    }
}

fn dns(trouble: &Trouble, place: &Place<'_>) -> Words {
    let host = place.host();
    let reach = "switch on DNS resolution in the function's VPC (enableDnsSupport); DNS servers of its own DHCP options have to be reachable from \
                 the function's subnets";
    match trouble {
        Trouble::NoSuchName(_) => words(
            format!("the name {host} has no address: DNS knows no such name"),
            "correct the name; one that only another network knows, such as a private hosted zone, has to be made known in the function's VPC",
        ),
        Trouble::NoNameServer(_) => words(
            format!("the name {host} could not be looked up: no DNS server gave an answer"),
            reach,
        ),
        Trouble::Silent(seconds) => words(
            format!("the name {host} could not be looked up: DNS did not answer within {seconds} s"),
            reach,
        ),
        other => anywhere(other, "looking up the name", host),
    }
}

fn tcp(trouble: &Trouble, place: &Place<'_>) -> Words {
    let (server, port) = (place.server(), place.port());
    match trouble {
        Trouble::Refused(_) => words(
            format!("{server} refuses connections: its machine is there, and nothing listens on port {port}"),
            format!(
                "check the port (MSK's for `{}` is {}), and that the broker is up",
                place.method.name(),
                place.method.port()
            ),
        ),
        Trouble::Silent(seconds) => words(
            format!("{server} does not answer within {seconds} s: something on the way drops the packets"),
            format!(
                "a security group, a network ACL or a route does: TCP port {port} has to be open out of the function's security group, into the \
                 brokers', and through both network ACLs with the way back (ports 1024-65535); each side's route table needs the other"
            ),
        ),
        Trouble::NoRoute(_) => words(
            format!("there is no route to {server}"),
            "give the function's subnets a route to the brokers' network: peering, a transit gateway, a VPN, or for a public address a NAT gateway",
        ),
        other => anywhere(other, "connecting", server),
    }
}

fn tls(trouble: &Trouble, place: &Place<'_>) -> Words {
    let (server, method) = (place.server(), place.method);
    match trouble {
        Trouble::Silent(seconds) => words(
            format!(
                "{server} accepts connections and does not answer a TLS greeting within {seconds} s: the broker hangs, or the port speaks \
                 something else"
            ),
            "check the port, and the broker's state: a restart, an overload, a load balancer with nothing behind it",
        ),
        Trouble::Closed(_) => words(
            format!(
                "{server} closed the connection at the TLS greeting: it speaks something else, or the broker is about to stop"
            ),
            right_port(method),
        ),
        Trouble::Speaks(found) => speaks(found, place),
        Trouble::Certificates(said) => words(
            format!("TLS can't be begun: {said}"),
            "correct K2M_CA_FILE or K2M_CA_SECRET_ARN, or leave both out to trust the system's authorities",
        ),
        Trouble::Untrusted(fault, _) => certificate(fault, place),
        Trouble::ClientCertificate(_, Some(ended)) => words(
            format!("{server} refused the function's certificate, which ended on {ended}"),
            "put a new certificate into the secret",
        ),
        Trouble::ClientCertificate(_, None) if method == Method::MutualTls => words(
            format!("{server} refused the function's certificate"),
            "put one into the secret that an authority of the cluster's has signed: MSK's are the private CAs that the cluster names",
        ),
        Trouble::ClientCertificate(..) => words(
            format!(
                "{server} wants a certificate of the function, and `{}` shows none",
                method.name()
            ),
            "use `mutual_tls` with a certificate in a secret, or another port",
        ),
        Trouble::Tls(said) if said.contains("unsupported protocol") || said.contains("protocol version") => words(
            format!("{server} and the function have no version of TLS in common: the function speaks 1.2 and 1.3"),
            "let the brokers speak TLS 1.2 or later (ssl.enabled.protocols)",
        ),
        other => anywhere(other, "the TLS handshake", server),
    }
}

/// What is wrong with the certificate that a broker shows.
fn certificate(fault: &Fault, place: &Place<'_>) -> Words {
    let (server, host) = (place.server(), place.host());
    match fault {
        Fault::Authority { issuer } => words(
            format!("the certificate of {server} is signed by {issuer}, which the function does not trust"),
            "give that authority's certificate in K2M_CA_FILE or K2M_CA_SECRET_ARN; MSK's own are signed by an authority that every system trusts",
        ),
        Fault::Expired { subject, date } => words(
            format!("the certificate of {server} has expired: {subject} was good until {date}"),
            "renew the broker's certificate",
        ),
        Fault::NotYetValid { subject } => words(
            format!("the certificate of {server} is not good yet: {subject} begins later than now"),
            "check the clocks, here and where it was signed",
        ),
        Fault::Host { hosts } => words(
            format!(
                "the certificate of {server} is not for {host}: it is for {}",
                list(hosts, "no host")
            ),
            format!(
                "give the brokers by a name that the certificate is for, or give the broker a certificate for {host}"
            ),
        ),
        Fault::Other => words(
            format!("the certificate of {server} is not good"),
            "give the broker a certificate that the function can trust",
        ),
    }
}

fn first_words(trouble: &Trouble, place: &Place<'_>) -> Words {
    let (server, method) = (place.server(), place.method);
    match trouble {
        Trouble::Silent(seconds) => words(
            format!(
                "{server} accepts connections and does not answer Kafka's first request within {seconds} s: the broker hangs, or the port speaks \
                 something else"
            ),
            "check the port, and the broker's state: a restart, an overload, a load balancer with nothing behind it",
        ),
        Trouble::Closed(_) => words(
            format!(
                "{server} closed the connection at Kafka's first request: it speaks something else, or the broker is about to stop"
            ),
            right_port(method),
        ),
        Trouble::Speaks(found) => speaks(found, place),
        Trouble::ClientCertificate(..) => tls(trouble, place),
        Trouble::Unreadable(_) => words(
            format!("{server} answers Kafka's first request with something else: it is no broker's port"),
            right_port(method),
        ),
        other => anywhere(other, "Kafka's first request", server),
    }
}

/// What to do about a port that speaks otherwise than the function.
fn speaks(found: &Found, place: &Place<'_>) -> Words {
    let (server, method) = (place.server(), place.method);
    match found {
        Found::Kafka => words(
            format!(
                "{server} speaks Kafka in plaintext, and the function TLS (K2M_AUTHENTICATION is `{}`)",
                method.name()
            ),
            format!(
                "use the cluster's port for `{0}` (MSK: {1}), or `plaintext`",
                method.name(),
                method.port()
            ),
        ),
        Found::Tls => words(
            format!("{server} speaks TLS, and the function plaintext (K2M_AUTHENTICATION is `plaintext`)"),
            "use `tls` or the authentication that belongs to this port, or the plaintext port (MSK: 9092)",
        ),
        Found::Http => words(
            format!("{server} speaks HTTP: it is no broker's port"),
            right_port(method),
        ),
        Found::Other(_) => words(
            format!("{server} speaks neither Kafka nor TLS: it is no broker's port"),
            right_port(method),
        ),
    }
}

fn right_port(method: Method) -> String {
    format!(
        "check host and port: MSK's port for `{}` is {}",
        method.name(),
        method.port()
    )
}

fn sasl(trouble: &Trouble, place: &Place<'_>) -> Words {
    let (server, method) = (place.server(), place.method);
    let mechanism = method.mechanism().unwrap_or_default();
    match trouble {
        Trouble::Mechanism(offered) => words(
            format!(
                "{server} does not take {mechanism}: it offers {}",
                list(offered, "nothing")
            ),
            format!(
                "use the cluster's port for `{}` (MSK: {}), or the authentication that belongs to this one",
                method.name(),
                method.port()
            ),
        ),
        Trouble::NoSasl => words(
            format!("{server} takes no SASL: it knows its clients otherwise, or not at all"),
            format!(
                "use the cluster's port for `{}` (MSK: {}), or `tls`",
                method.name(),
                method.port()
            ),
        ),
        Trouble::Token(said) => {
            // The maker's own words end with the next step.
            let (reason, next) = said.rsplit_once("; ").unwrap_or((said, "give the function a role"));
            words(format!("the function can't say who it is: {reason}"), next)
        }
        Trouble::Identity(said) => identity(said, place),
        Trouble::Stranger(_) => words(
            format!("{server} is not the cluster that it should be: it does not know the password"),
            "check host and port, and who answers there: something may pose as the broker; the password itself was not sent",
        ),
        Trouble::Challenge(_) => words(
            format!("{server} does not authenticate as Kafka's brokers do: its part of {mechanism} can't be used"),
            "check host and port, and who answers there: the detail says what is wrong with it; the password itself was not sent",
        ),
        Trouble::Closed(_) => words(
            format!("{server} closed the connection in the middle of the authentication"),
            "the brokers' logs say why; a broker that is about to stop does so too",
        ),
        other => anywhere(other, "the authentication", server),
    }
}

/// Why a broker does not believe who the function is.
fn identity(said: &str, place: &Place<'_>) -> Words {
    let server = place.server();
    match place.method {
        Method::Iam if said.contains("Too many connects") => words(
            format!("{server} takes no more new IAM connections for now"),
            "it passes; fewer functions at once, or larger brokers, avoid it",
        ),
        Method::Iam => words(
            format!("the cluster's IAM access control refused the function at {server}"),
            "allow its role kafka-cluster:Connect on the cluster, and check that K2M_CLUSTER_REGION is the cluster's region",
        ),
        Method::Scram => words(
            format!("{server} refused the user or the password"),
            "see that the secret holds the password of now, and that it is associated with the cluster (MSK: its name begins with AmazonMSK_, and \
             its key is a customer's own)",
        ),
        Method::Plaintext | Method::Tls | Method::MutualTls => words(
            format!("{server} refused the function's identity"),
            "check K2M_AUTHENTICATION and what it needs",
        ),
    }
}

fn metadata(trouble: &Trouble, place: &Place<'_>) -> Words {
    let server = place.server();
    match trouble {
        Trouble::WantsSasl(offered) => words(
            format!(
                "{server} wants its clients to authenticate with {}, and `{}` does not",
                list(offered, "SASL"),
                place.method.name()
            ),
            format!(
                "use the authentication that belongs to this port, or the port for `{}` (MSK: {})",
                place.method.name(),
                place.method.port()
            ),
        ),
        Trouble::Closed(_) => words(
            format!("{server} closed the connection when it was asked for the cluster's brokers"),
            "the brokers' logs say why; a broker that is about to stop does so too",
        ),
        Trouble::Nobody => words(
            "no broker could be asked for the cluster's brokers, and none says why",
            "ask again; where it stays so it is a bug of k2m: please report it",
        ),
        other => anywhere(other, "the question for the cluster's brokers", server),
    }
}

fn create_topic(trouble: &Trouble, place: &Place<'_>) -> Words {
    let topic = place.topic();
    match trouble {
        Trouble::Code(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed, _) => words(
            format!("the function may not create topic {topic:?}"),
            "allow it kafka-cluster:CreateTopic on the topic (Kafka's own rules: Create), or create the topic otherwise",
        ),
        Trouble::Code(Code::InvalidTopicException, _) => {
            words(format!("{topic:?} is no name for a topic"), "correct it in K2M_TOPIC")
        }
        Trouble::Code(code, said) => words(
            format!(
                "topic {topic:?} could not be created: {}",
                said.clone().unwrap_or_else(|| format!("{code:?}"))
            ),
            match code {
                Code::InvalidConfig | Code::PolicyViolation => "ask for settings that the cluster takes",
                code if code.is_retriable() => "this may pass: ask again",
                _ => "ask for partitions and a replication factor that the cluster can give",
            },
        ),
        Trouble::Nobody => words(
            format!(
                "no broker could be asked any more to create topic {topic:?}: the connections that were made are gone"
            ),
            "ask again",
        ),
        Trouble::NotOwn => words(
            format!("topic {topic:?} is none that the function writes to, and so it does not create it"),
            "name a topic of its K2M_TOPIC, K2M_TOPIC_MAP or K2M_DEAD_LETTER_TOPIC",
        ),
        other => anywhere(other, "creating the topic", place.server()),
    }
}

fn topic(trouble: &Trouble, place: &Place<'_>) -> Words {
    let topic = place.topic();
    match trouble {
        Trouble::Code(Code::TopicAuthorizationFailed, _) => words(
            format!("the function may not see topic {topic:?}: it is there or not, and the function is not told"),
            "allow it kafka-cluster:DescribeTopic on the topic (Kafka's own rules: Describe)",
        ),
        Trouble::Code(Code::UnknownTopicOrPartition | Code::UnknownTopicId, _) => words(
            format!("topic {topic:?} is not in this cluster"),
            "create it (MSK creates none by itself), or correct its name",
        ),
        Trouble::Code(Code::InvalidTopicException, _) => {
            words(format!("{topic:?} is no name for a topic"), "correct it in K2M_TOPIC")
        }
        Trouble::Leaderless(partitions) => words(
            format!(
                "topic {topic:?} has no leader for partition {}: nothing can be written there",
                partitions.iter().map(i32::to_string).collect::<Vec<_>>().join(", ")
            ),
            "the brokers that hold its replicas are down: start them, or wait for them",
        ),
        Trouble::NotYet => words(
            format!("topic {topic:?} is created, and not every broker shows it with a leader for each partition yet"),
            "ask again: what was created is found then",
        ),
        other => anywhere(other, "looking at the topic", place.server()),
    }
}

fn write(trouble: &Trouble, place: &Place<'_>) -> Words {
    let topic = place.topic();
    match trouble {
        Trouble::Code(Code::TopicAuthorizationFailed, _) => words(
            format!("the function may not write to topic {topic:?}"),
            "allow it kafka-cluster:WriteData on the topic (Kafka's own rules: Write)",
        ),
        Trouble::Code(Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend, _) => words(
            format!("topic {topic:?} takes nothing: too few of its replicas are in sync (min.insync.replicas)"),
            "a broker is down or behind: wait, or mend it",
        ),
        Trouble::Lost(said) => words(
            format!("what was written to topic {topic:?} is not what is read from it: {said}"),
            "look into the topic with another client",
        ),
        other => anywhere(other, "writing", place.server()),
    }
}

fn idempotent_write(trouble: &Trouble, place: &Place<'_>) -> Words {
    match trouble {
        Trouble::Code(Code::ClusterAuthorizationFailed, _) => words(
            "the function may not write idempotently, as it does so that a retry stores no record twice",
            "allow it kafka-cluster:WriteDataIdempotently on the cluster (Kafka's own rules: IdempotentWrite)",
        ),
        other => anywhere(other, "asking for a producer's id", place.server()),
    }
}

/// What may happen at any step; `doing`: what, as a noun or a gerund.
fn anywhere(trouble: &Trouble, doing: &str, server: &str) -> Words {
    match trouble {
        Trouble::Silent(seconds) => words(
            format!("{server} was reached, and did not answer within {seconds} s: {doing} got no reply"),
            "the broker hangs or is overloaded: look at its state and its load",
        ),
        Trouble::OutOfTime => words(
            format!("the probe's time ran out before {doing}: the steps before it were slow"),
            "look at the steps' times; a longer time-out of the function gives up to 9 s",
        ),
        Trouble::Closed(_) => words(
            format!("{server} closed the connection: {doing} got no reply"),
            "a broker that is about to stop does so; ask again, and look at the broker's log",
        ),
        Trouble::NoVersion(request) => words(
            format!("{server} takes no version of the request {request} that k2m knows"),
            "k2m needs Apache Kafka 1.0 or later",
        ),
        Trouble::Unreadable(_) => words(
            format!("{server} answered with something that can't be read: {doing} came to nothing"),
            "this may be a bug of k2m: please report it with the detail",
        ),
        Trouble::Code(code, said) => words(
            format!(
                "{server} refused: {doing} came to nothing: {}",
                said.clone().unwrap_or_else(|| format!("{code:?}"))
            ),
            if code.is_retriable() {
                "this may pass: ask again"
            } else {
                "the broker's log says more"
            },
        ),
        Trouble::Tls(said) | Trouble::System(said) => {
            words(format!("{doing} failed at {server}: {said}"), "check host and port")
        }
        other => words(format!("{doing} failed at {server}: {other:?}"), "check host and port"),
    }
}

/// Names, separated by commas.
fn list(names: &[String], none: &str) -> String {
    if names.is_empty() {
        none.to_owned()
    } else {
        short(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "as they said it";

    fn said() -> String {
        WORDS.to_owned()
    }

    fn rows() -> Vec<(Step, Trouble, Method)> {
        [way(), cluster()].concat()
    }

    fn fault(fault: Fault) -> Trouble {
        Trouble::Untrusted(fault, said())
    }

    /// Up to a broker's TLS.
    fn way() -> Vec<(Step, Trouble, Method)> {
        use Method::{Iam, MutualTls, Scram, Tls};
        vec![
            (
                Step::Secret,
                Trouble::Secret(Told {
                    reason: "it can't be read".to_owned(),
                    next: "give a right; then ask again".to_owned(),
                    said: said(),
                }),
                Scram,
            ),
            (Step::Secret, Trouble::Silent(4), Scram),
            (Step::Dns, Trouble::NoSuchName(said()), Tls),
            (Step::Dns, Trouble::NoNameServer(said()), Tls),
            (Step::Dns, Trouble::Silent(2), Tls),
            (Step::Tcp, Trouble::Refused(said()), Iam),
            (Step::Tcp, Trouble::Silent(3), Iam),
            (Step::Tcp, Trouble::NoRoute(said()), Iam),
            (Step::Tcp, Trouble::System(said()), Iam),
            (Step::Tls, Trouble::OutOfTime, Tls),
            (Step::Tls, Trouble::Silent(3), Tls),
            (Step::Tls, Trouble::Closed(said()), Tls),
            (Step::Tls, Trouble::Speaks(Found::Kafka), Tls),
            (Step::Tls, Trouble::Speaks(Found::Http), Tls),
            (Step::Tls, Trouble::Speaks(Found::Other(said())), Iam),
            (Step::Tls, Trouble::Certificates(said()), Tls),
            (
                Step::Tls,
                fault(Fault::Authority {
                    issuer: "CN=an authority".to_owned(),
                }),
                Tls,
            ),
            (
                Step::Tls,
                fault(Fault::Expired {
                    subject: "CN=b-1".to_owned(),
                    date: "2020-01-01T00:00:00Z".to_owned(),
                }),
                Tls,
            ),
            (
                Step::Tls,
                fault(Fault::NotYetValid {
                    subject: "CN=b-1".to_owned(),
                }),
                Tls,
            ),
            (
                Step::Tls,
                fault(Fault::Host {
                    hosts: vec!["b-2.example.com".to_owned()],
                }),
                Tls,
            ),
            (Step::Tls, fault(Fault::Host { hosts: vec![] }), Tls),
            (Step::Tls, fault(Fault::Other), Tls),
            (Step::Tls, Trouble::ClientCertificate(said(), None), Tls),
            (Step::Tls, Trouble::ClientCertificate(said(), None), MutualTls),
            (
                Step::ApiVersions,
                Trouble::ClientCertificate(said(), Some("2020-01-01T00:00:00Z".to_owned())),
                MutualTls,
            ),
            (Step::Tls, Trouble::Tls("unsupported protocol".to_owned()), Tls),
            (Step::Tls, Trouble::Tls(said()), Tls),
        ]
    }

    /// From a broker's first words on.
    fn cluster() -> Vec<(Step, Trouble, Method)> {
        use Method::{Iam, Plaintext, Scram, Tls};
        let code = |code| Trouble::Code(code, None);
        let both = || vec!["SCRAM-SHA-512".to_owned(), "OAUTHBEARER".to_owned()];
        vec![
            (Step::ApiVersions, Trouble::Silent(3), Plaintext),
            (Step::ApiVersions, Trouble::Closed(said()), Plaintext),
            (Step::ApiVersions, Trouble::Speaks(Found::Tls), Plaintext),
            (Step::ApiVersions, Trouble::Unreadable(said()), Tls),
            (Step::ApiVersions, Trouble::ClientCertificate(said(), None), Tls),
            (Step::Sasl, Trouble::Mechanism(both()), Iam),
            (Step::Sasl, Trouble::NoSasl, Iam),
            (Step::Sasl, Trouble::Token(said()), Iam),
            (Step::Sasl, Trouble::Identity("[0b1c]: Access denied".to_owned()), Iam),
            (
                Step::Sasl,
                Trouble::Identity("[0b1c]: Too many connects".to_owned()),
                Iam,
            ),
            (Step::Sasl, Trouble::Identity("invalid credentials".to_owned()), Scram),
            (Step::Sasl, Trouble::Mechanism(vec!["OAUTHBEARER".to_owned()]), Scram),
            (Step::Sasl, Trouble::Stranger(said()), Scram),
            (Step::Sasl, Trouble::Challenge(said()), Scram),
            (Step::Sasl, Trouble::Closed(said()), Iam),
            (Step::Sasl, Trouble::Silent(3), Iam),
            (Step::Metadata, Trouble::WantsSasl(both()), Tls),
            (Step::Metadata, Trouble::WantsSasl(vec![]), Tls),
            (Step::Metadata, Trouble::Closed(said()), Tls),
            (Step::Metadata, Trouble::NoVersion("Metadata"), Tls),
            (Step::Metadata, Trouble::Silent(3), Tls),
            (Step::Metadata, Trouble::Nobody, Tls),
            (Step::CreateTopic, code(Code::TopicAuthorizationFailed), Iam),
            (
                Step::CreateTopic,
                Trouble::Code(Code::InvalidReplicationFactor, Some("only 1 broker".to_owned())),
                Iam,
            ),
            (Step::Topic, code(Code::TopicAuthorizationFailed), Iam),
            (Step::Topic, code(Code::UnknownTopicOrPartition), Iam),
            (Step::Topic, code(Code::InvalidTopicException), Iam),
            (Step::Topic, Trouble::Leaderless(vec![0, 2]), Iam),
            (Step::Topic, Trouble::NotYet, Iam),
            (Step::CreateTopic, Trouble::NotOwn, Iam),
            (Step::CreateTopic, Trouble::Nobody, Iam),
            (Step::CreateTopic, code(Code::InvalidTopicException), Iam),
            (Step::CreateTopic, code(Code::PolicyViolation), Iam),
            (Step::CreateTopic, code(Code::NotController), Iam),
            (Step::Topic, code(Code::LeaderNotAvailable), Iam),
            (Step::Write, code(Code::TopicAuthorizationFailed), Iam),
            (Step::Write, Trouble::Silent(3), Iam),
            (Step::IdempotentWrite, code(Code::ClusterAuthorizationFailed), Iam),
            (Step::Canary, code(Code::NotEnoughReplicas), Iam),
            (Step::Canary, Trouble::Lost(said()), Iam),
        ]
    }

    #[test]
    fn one_line_per_step_and_trouble() {
        let lines: Vec<String> = rows()
            .iter()
            .map(|(step, trouble, method)| {
                let place = Place {
                    broker: Some("b-1:9094"),
                    topic: Some("orders"),
                    method: *method,
                };
                let failure = explain(*step, trouble, &place);
                format!(
                    "{} {trouble:?}\n    {}\n    next: {}\n    detail: {}",
                    step.words(),
                    failure.reason,
                    failure.next,
                    failure.detail
                )
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn what_others_said_is_cut_off() {
        assert_eq!(short("é"), "é");
        assert_eq!(short(&"é".repeat(500)), "é".repeat(500));
        assert_eq!(short(&"é".repeat(501)), format!("{}…", "é".repeat(500)));
        let place = Place {
            broker: Some("b-1:9094"),
            topic: None,
            method: Method::Scram,
        };
        let names = vec!["a name".to_owned(); 1_000_000];
        for (step, trouble) in [
            (Step::Sasl, Trouble::Identity("x".repeat(1 << 20))),
            (Step::Sasl, Trouble::Mechanism(names.clone())),
            (Step::Metadata, Trouble::WantsSasl(names)),
        ] {
            let failure = explain(step, &trouble, &place);
            assert!(
                failure.reason.len() < 1_000 && failure.detail.len() < 1_000,
                "{failure:?}"
            );
        }
    }

    #[test]
    fn no_failure_says_no_more_than_that_time_ran_out() {
        for (step, trouble, method) in rows() {
            let place = Place {
                broker: Some("b-1:9094"),
                topic: Some("orders"),
                method,
            };
            let failure = explain(step, &trouble, &place);
            assert!(!failure.reason.contains("timed out"), "{}", failure.reason);
            assert!(!failure.next.is_empty(), "{}", failure.reason);
        }
    }
}
