//! The cluster that a run delivers to, and a look at it before anything is sent.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use k2m_handler::config::{ConfigError, Region, SecretSource};
use k2m_handler::kafka::{Process, Surroundings as _, iam};
use k2m_handler::secret::{self, Secret, SecretError, Shape};
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use thiserror::Error;

use crate::args::{Authentication, BrokerArgs};

/// How long the cluster may take to say something about the topic.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// How long to wait for other brokers once one has failed for a reason that is certain.
const CERTAIN_LIMIT: Duration = Duration::from_secs(2);
/// How long a single question may take.
const QUESTION_LIMIT: Duration = Duration::from_millis(500);
/// Kafka's default for a topic. The embedded broker has no limit of its own, and can't be asked for one.
const MAX_MESSAGE_BYTES: u32 = 1_048_588;
/// Events of librdkafka that are taken after each question.
const EVENTS_AT_ONCE: usize = 100;
/// Words of librdkafka that are kept.
const WORDS_KEPT: usize = 50;

/// Why a cluster can't be used.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The file of `--ca-file`.
    #[error("failed to read {path}, the file of --ca-file: {source}; name a file of PEM certificates that can be read")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The file of `--ca-file` has no certificate.
    #[error(
        "{path}, the file of --ca-file, has no certificate; it must be PEM, with a line `-----BEGIN CERTIFICATE-----`"
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A way of authentication without what it shows.
    #[error(
        "--authentication {way} needs a secret: give a file with {shape} with --secret-file, or the ARN of such a secret with --secret"
    )]
    NoSecret {
        /// The way.
        way: &'static str,
        /// What the secret holds.
        shape: Shape,
    },
    /// A secret that nothing would show.
    #[error(
        "{option} takes nothing with --authentication {way}; add --authentication mutual-tls or scram, or leave it out"
    )]
    UnusedSecret {
        /// The option that names it.
        option: &'static str,
        /// The way.
        way: &'static str,
    },
    /// `--secret` names something else.
    #[error("`{value}` can't be the secret of --secret: it takes {expected}")]
    SecretArn {
        /// As it was given.
        value: String,
        /// What it takes.
        expected: String,
    },
    /// The secret can't be used.
    #[error("failed to read what --authentication {way} shows: {source}")]
    Secret {
        /// The way.
        way: &'static str,
        /// Why.
        source: SecretError,
    },
    /// A region that nothing is signed for.
    #[error("--cluster-region takes nothing with --authentication {way}; add --authentication iam, or leave it out")]
    UnusedRegion {
        /// The way.
        way: &'static str,
    },
    /// No region for a token.
    #[error(
        "--authentication iam signs a token for the cluster's region; name it with --cluster-region, or in AWS_REGION"
    )]
    NoRegion,
    /// The region is none.
    #[error(transparent)]
    Region(ConfigError),
    /// librdkafka refuses the settings.
    #[error("librdkafka refuses the settings for {servers}: {source}")]
    Settings {
        /// The brokers.
        servers: String,
        /// Its word.
        source: Box<KafkaError>,
    },
    /// No answer that could be used.
    #[error("failed to reach Kafka at {servers}: {}{}", trouble.told(*way), cause(.words))]
    Unreachable {
        /// The brokers.
        servers: String,
        /// What it looks like.
        trouble: Trouble,
        /// How the brokers were spoken to.
        way: Authentication,
        /// librdkafka's own words.
        words: String,
    },
    /// The topic is not there.
    #[error(
        "topic {topic} does not exist at {servers}; create it (kafka-topics.sh --create --topic {topic} --partitions N) \
         or name another with {option}"
    )]
    NoTopic {
        /// The topic.
        topic: String,
        /// The option that names it.
        option: &'static str,
        /// The brokers.
        servers: String,
    },
    /// The cluster refuses to talk about the topic.
    #[error("Kafka at {servers} refuses topic {topic}: {source}")]
    Topic {
        /// The topic.
        topic: String,
        /// The brokers.
        servers: String,
        /// Kafka's word.
        source: RDKafkaErrorCode,
    },
    /// A question about the topic, asked later.
    #[error("failed to {what} at {servers}: {source}")]
    Question {
        /// What was tried.
        what: String,
        /// The brokers.
        servers: String,
        /// librdkafka's word.
        source: Box<KafkaError>,
    },
    /// A part of k2m itself ended unexpectedly.
    #[error("a part of k2m ended unexpectedly: {0}; this is a bug, please report it")]
    Internal(String),
}

fn cause(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!("\n  librdkafka: {words}")
    }
}

/// What a failure to reach the brokers looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The name has no address.
    NotResolved,
    /// Nothing listens.
    Refused,
    /// Packets get no answer.
    NoAnswer,
    /// The certificate is not trusted.
    Certificate,
    /// A port without TLS was spoken to with it.
    TlsToPlaintext,
    /// A TLS port was spoken to without it.
    PlaintextToTls,
    /// Something listens that does not speak Kafka.
    NotKafka,
    /// The broker wants more than the chosen authentication gives.
    Authentication,
    /// The broker wants a client's certificate, or another one.
    ClientCertificate,
    /// The broker refuses the user or the password; with IAM, the token.
    Password,
    /// No token could be signed.
    Token,
    /// The port takes another way of authentication.
    Mechanism,
    /// None of these.
    Other,
}

impl Trouble {
    /// In words, with the next step.
    const fn told(self, way: Authentication) -> &'static str {
        if matches!(way, Authentication::Iam)
            && let Some(words) = self.told_of_iam()
        {
            return words;
        }
        match self {
            Self::NotResolved => {
                "the host's name is not known; check its spelling, and that this machine's DNS knows it"
            }
            Self::Refused => {
                "nothing listens there (connection refused); check host and port, and that the broker runs"
            }
            Self::NoAnswer => "no answer; check the route to it and the firewalls or security groups between",
            Self::Certificate => {
                "the broker's certificate is not trusted; give the authority that signed it with --ca-file, \
                 and use the host name that the certificate has"
            }
            Self::TlsToPlaintext => {
                "the port does not speak TLS; use --authentication plaintext, or the TLS port (on MSK: 9094)"
            }
            Self::PlaintextToTls => {
                "the port hangs up on plaintext, as one does that speaks TLS; use --authentication tls \
                 (and --ca-file for a private authority), or the plaintext port (on MSK: 9092)"
            }
            Self::NotKafka => "what listens there does not speak Kafka's protocol; check host and port",
            Self::Authentication => {
                "the broker ends the connection, as one does that wants authentication; use --authentication scram with --secret-file, or a port \
                 that needs none"
            }
            Self::ClientCertificate => {
                "the broker wants a client's certificate, or another one; use --authentication mutual-tls, with a certificate of an authority that the broker \
                 trusts in --secret-file"
            }
            Self::Password => "the broker refuses the user or the password; check the secret",
            Self::Mechanism => {
                "the port takes another way of authentication; use the port for SASL/SCRAM-SHA-512 (on MSK: 9096), or another --authentication"
            }
            Self::Token => {
                "no token could be signed; give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN with keys of a session"
            }
            Self::Other => "no usable answer; check host, port and --authentication",
        }
    }

    /// What is another matter with IAM: there is neither a user nor a secret.
    const fn told_of_iam(self) -> Option<&'static str> {
        match self {
            // MSK hangs up on a token that it refuses.
            Self::Password | Self::Authentication => Some(
                "the broker refuses the token; allow kafka-cluster:Connect on the cluster to the owner of the keys, check that the keys have not expired, and name \
                 the cluster's own region with --cluster-region",
            ),
            Self::Mechanism => Some(
                "the port takes another way of authentication; use the port for IAM (on MSK: 9098), or another --authentication",
            ),
            Self::TlsToPlaintext => {
                Some("the port does not speak TLS; use the port for IAM (on MSK: 9098), or --authentication plaintext")
            }
            Self::ClientCertificate => Some(
                "the broker wants a client's certificate; use the port for IAM (on MSK: 9098), or --authentication mutual-tls",
            ),
            _ => None,
        }
    }
}

/// What librdkafka's words mean. The order matters: a later pattern may be in the same text as an earlier, more telling one.
fn judge(words: &str) -> Trouble {
    let says = |text: &str| words.contains(text);
    // A response size is the first four bytes of what came: a TLS alert or handshake record begins 15 03 or 16 03.
    let sizes = words
        .split("Invalid response size ")
        .skip(1)
        .filter_map(|rest| rest.split(' ').next()?.parse::<i32>().ok());
    let is_tls = |size: i32| matches!(size >> 16, 0x1503 | 0x1603);
    // A broker answers the first request; a TLS port that is sent one in plaintext hangs up, and librdkafka does not always say so.
    let hangs_up = says("Disconnected") && says("in state APIVERSION_QUERY") && !says("ssl://");
    if sizes.clone().any(is_tls) || hangs_up || says("connecting to a SSL listener?") {
        // A disconnect can mean much; with a size that is none it is certain that something else listens.
        if sizes.clone().any(|size| !is_tls(size)) {
            Trouble::NotKafka
        } else {
            Trouble::PlaintextToTls
        }
    } else if says("alert bad certificate") || says("alert certificate") || says("alert unknown ca") {
        Trouble::ClientCertificate
    } else if says("acquire SASL OAUTHBEARER token") {
        Trouble::Token
    } else if says("mechanism handshake failed") {
        Trouble::Mechanism
    } else if says("SASL authentication error") {
        Trouble::Password
    } else if sizes.count() > 0 {
        Trouble::NotKafka
    } else if says("could not be verified") || says("certificate verify failed") {
        Trouble::Certificate
    } else if says("connecting to a PLAINTEXT broker listener?")
        || says("wrong version number")
        || says("packet length too long")
    {
        Trouble::TlsToPlaintext
    } else if says("Failed to resolve") {
        Trouble::NotResolved
    } else if says("Connection refused") {
        Trouble::Refused
    } else if says("in state CONNECT") || says("No route to host") || says("Network is unreachable") {
        Trouble::NoAnswer
    } else if says("ApiVersionRequest failed") || says("in state APIVERSION_QUERY") || says("broker version is < 0.10")
    {
        Trouble::NotKafka
    } else if says("SASL authentication") || says("client SSL authentication might be required") {
        Trouble::Authentication
    } else {
        Trouble::Other
    }
}

/// How a cluster is reached.
#[derive(Clone, Debug)]
pub struct Connection {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// With or without TLS.
    pub authentication: Authentication,
    /// Where what is shown to the brokers is kept; the handler reads it there itself.
    pub secret: Option<SecretSource>,
    /// What is shown to the brokers.
    pub identity: Option<Secret>,
    /// Authorities to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// The cluster's region, where it is spoken to over IAM.
    pub region: Option<Region>,
    /// The topic's limit, in bytes, where the cluster can't be asked for it.
    pub max_message_bytes: Option<u32>,
}

impl Connection {
    /// The cluster that the command line names, if it names one.
    pub async fn from_args(args: &BrokerArgs) -> Result<Option<Self>, BrokerError> {
        let Some(bootstrap_servers) = args.bootstrap_servers.clone() else {
            return Ok(None);
        };
        let implied = if args.ca_file.is_some() {
            Authentication::Tls
        } else {
            Authentication::Plaintext
        };
        let authentication = args.authentication.unwrap_or(implied);
        let secret = secret(args, authentication)?;
        let named = args.cluster_region.as_deref();
        let region = match (authentication, named) {
            (Authentication::Iam, named) => Some(region(named)?),
            (_, None) => None,
            (way, Some(_)) => return Err(BrokerError::UnusedRegion { way: way.option() }),
        };
        let identity = match (&secret, authentication.shape()) {
            (Some(source), Some(shape)) => {
                let read = secret::read(source, shape, &Process).await;
                Some(read.map_err(|source| BrokerError::Secret {
                    way: authentication.option(),
                    source,
                })?)
            }
            _ => None,
        };
        // The handler's process may run elsewhere one day, but shares this folder now: an absolute path suits both.
        let ca_file = args.ca_file.as_deref().map(certificates).transpose()?;
        Ok(Some(Self {
            bootstrap_servers,
            authentication,
            secret,
            identity,
            ca_file,
            region,
            max_message_bytes: None,
        }))
    }

    /// An embedded cluster's.
    pub(super) fn plaintext(bootstrap_servers: String) -> Self {
        let authentication = Authentication::Plaintext;
        Self {
            bootstrap_servers,
            authentication,
            secret: None,
            identity: None,
            ca_file: None,
            region: None,
            max_message_bytes: Some(MAX_MESSAGE_BYTES),
        }
    }

    /// Whether it is an embedded cluster, whose brokers take records of any size.
    pub fn is_embedded(&self) -> bool {
        self.max_message_bytes.is_some()
    }

    /// librdkafka's settings for it.
    pub fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "k2m");
        match self.authentication {
            Authentication::Plaintext => config.set("security.protocol", "plaintext"),
            Authentication::Tls | Authentication::MutualTls => config.set("security.protocol", "ssl"),
            Authentication::Scram => config
                .set("security.protocol", "sasl_ssl")
                .set("sasl.mechanisms", "SCRAM-SHA-512"),
            // The token comes from the client's context: see `Words`.
            Authentication::Iam => config
                .set("security.protocol", "sasl_ssl")
                .set("sasl.mechanisms", "OAUTHBEARER"),
        };
        match &self.identity {
            Some(Secret::Scram { username, password }) => {
                config.set("sasl.username", username).set("sasl.password", password);
            }
            Some(Secret::Certificate {
                chain,
                private_key,
                password,
            }) => {
                config.set("ssl.certificate.pem", chain).set("ssl.key.pem", private_key);
                if let Some(password) = password {
                    config.set("ssl.key.password", password);
                }
            }
            None => {}
        }
        if let Some(file) = self.trusted() {
            config.set("ssl.ca.location", file.to_string_lossy());
        }
        config
    }

    /// The file of authorities, where TLS is spoken.
    fn trusted(&self) -> Option<&Path> {
        let file = self.ca_file.as_deref();
        file.filter(|_| self.authentication != Authentication::Plaintext)
    }

    /// The handler's variables for it.
    pub fn environment(&self, topic: &str) -> Vec<(String, String)> {
        let mut variables = vec![
            ("K2M_BOOTSTRAP_SERVERS".to_owned(), self.bootstrap_servers.clone()),
            ("K2M_TOPIC".to_owned(), topic.to_owned()),
            ("K2M_AUTHENTICATION".to_owned(), self.authentication.name().to_owned()),
        ];
        variables.extend(self.secret.as_ref().map(|secret| match secret {
            SecretSource::Arn(arn) => ("K2M_SECRET_ARN".to_owned(), arn.clone()),
            SecretSource::File(path) => ("K2M_SECRET_FILE".to_owned(), path.to_string_lossy().into_owned()),
        }));
        if let Some(file) = self.trusted() {
            variables.push(("K2M_CA_FILE".to_owned(), file.to_string_lossy().into_owned()));
        }
        if let Some(region) = &self.region {
            variables.push(("K2M_CLUSTER_REGION".to_owned(), region.as_str().to_owned()));
        }
        if let Some(limit) = self.max_message_bytes {
            variables.push(("K2M_MAX_MESSAGE_BYTES".to_owned(), limit.to_string()));
        }
        variables
    }

    /// Asks the cluster for the topic of `--topic`, without creating it. Returns its number of partitions.
    pub async fn check(&self, topic: &str) -> Result<usize, BrokerError> {
        self.check_of(topic, "--topic").await
    }

    /// Asks the cluster for the topic of `--dead-letter-topic`, without creating it. Returns its number of partitions.
    pub async fn check_dead_letter(&self, topic: &str) -> Result<usize, BrokerError> {
        self.check_of(topic, "--dead-letter-topic").await
    }

    /// Asks the cluster for a topic of `--topic-map`, without creating it. Returns its number of partitions.
    pub async fn check_mapped(&self, topic: &str) -> Result<usize, BrokerError> {
        self.check_of(topic, "--topic-map").await
    }

    async fn check_of(&self, topic: &str, option: &'static str) -> Result<usize, BrokerError> {
        let (connection, topic) = (self.clone(), topic.to_owned());
        let check = tokio::task::spawn_blocking(move || connection.ask(&topic, option));
        check
            .await
            .unwrap_or_else(|error| Err(BrokerError::Internal(error.to_string())))
    }

    fn ask(&self, topic: &str, option: &'static str) -> Result<usize, BrokerError> {
        let words = Words {
            said: Arc::default(),
            region: self.region.clone(),
        };
        let consumer: BaseConsumer<Words> = self
            .client_config()
            // A connection that is closed, as by a port that wants TLS, is told on this level only.
            .set_log_level(RDKafkaLogLevel::Info)
            .set("allow.auto.create.topics", "false")
            .set("socket.connection.setup.timeout.ms", "5000")
            .create_with_context(words.clone())
            .map_err(|source| BrokerError::Settings {
                servers: self.bootstrap_servers.clone(),
                source: Box::new(source),
            })?;
        let end = Instant::now() + TIME_LIMIT;
        let mut certain_since = None;
        loop {
            let metadata = consumer.fetch_metadata(Some(topic), QUESTION_LIMIT);
            // The words come through the consumer's queue, one a poll: `None` means a word as well as an empty queue.
            for _ in 0..EVENTS_AT_ONCE {
                consumer.poll(Duration::ZERO);
            }
            if let Ok(metadata) = metadata {
                let found = metadata.topics().iter().find(|found| found.name() == topic);
                let error = found.map_or(Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), |found| {
                    found.error()
                });
                return match error.map(RDKafkaErrorCode::from) {
                    None => Ok(found.map_or(0, |found| found.partitions().len())),
                    Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                        Err(BrokerError::NoTopic {
                            topic: topic.to_owned(),
                            option,
                            servers: self.bootstrap_servers.clone(),
                        })
                    }
                    Some(source) => Err(BrokerError::Topic {
                        topic: topic.to_owned(),
                        servers: self.bootstrap_servers.clone(),
                        source,
                    }),
                };
            }
            // Waiting mends none of what can be told for certain; another of the brokers may still answer, so wait a little.
            let told = judge(&words.telling());
            if certain_since.is_none() && !matches!(told, Trouble::Other | Trouble::NoAnswer) {
                certain_since = Some(Instant::now());
            }
            let certain = certain_since.is_some_and(|since| since.elapsed() >= CERTAIN_LIMIT);
            if words.all_down() || certain || Instant::now() >= end {
                let words = words.telling();
                let trouble = judge(&words);
                return Err(BrokerError::Unreachable {
                    servers: self.bootstrap_servers.clone(),
                    trouble,
                    way: self.authentication,
                    words,
                });
            }
        }
    }
}

impl Authentication {
    /// As in `K2M_AUTHENTICATION`.
    const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Tls => "tls",
            Self::MutualTls => "mutual_tls",
            Self::Scram => "scram",
            Self::Iam => "iam",
        }
    }

    /// As on the command line.
    const fn option(self) -> &'static str {
        match self {
            Self::MutualTls => "mutual-tls",
            Self::Plaintext | Self::Tls | Self::Scram | Self::Iam => self.name(),
        }
    }

    /// What its secret holds.
    const fn shape(self) -> Option<Shape> {
        match self {
            Self::MutualTls => Some(Shape::Certificate),
            Self::Scram => Some(Shape::Scram),
            Self::Plaintext | Self::Tls | Self::Iam => None,
        }
    }
}

/// The cluster's region, as the command line or the environment names it.
fn region(named: Option<&str>) -> Result<Region, BrokerError> {
    let environment = || Process.variable("AWS_REGION").filter(|named| !named.is_empty());
    let (whose, named) = match named {
        Some(named) => ("--cluster-region", named.to_owned()),
        None => ("AWS_REGION", environment().ok_or(BrokerError::NoRegion)?),
    };
    Region::new(whose, &named).map_err(BrokerError::Region)
}

/// Where the secret is that the command line names, which must fit the way of authentication.
fn secret(args: &BrokerArgs, way: Authentication) -> Result<Option<SecretSource>, BrokerError> {
    let (option, source) = match (&args.secret_file, &args.secret) {
        (Some(file), _) => {
            // The handler's process reads it too.
            let path = std::path::absolute(file).map_err(|source| BrokerError::Secret {
                way: way.option(),
                source: SecretError::File {
                    path: file.clone(),
                    source,
                },
            })?;
            ("--secret-file", Some(SecretSource::File(path)))
        }
        (None, Some(arn)) => {
            let source = SecretSource::arn("--secret", arn).map_err(|_| BrokerError::SecretArn {
                value: arn.clone(),
                expected: SecretSource::EXPECTED.to_owned(),
            })?;
            ("--secret", Some(source))
        }
        (None, None) => ("", None),
    };
    match (source, way.shape()) {
        (None, Some(shape)) => Err(BrokerError::NoSecret {
            way: way.option(),
            shape,
        }),
        (Some(_), None) => Err(BrokerError::UnusedSecret {
            option,
            way: way.option(),
        }),
        (source, _) => Ok(source),
    }
}

/// Checks a file of certificates; returns its absolute path.
fn certificates(path: &Path) -> Result<PathBuf, BrokerError> {
    let failed = |source| BrokerError::CaFile {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read(path).map_err(failed)?;
    let marker = b"-----BEGIN ";
    if !text.windows(marker.len()).any(|window| window == marker) {
        return Err(BrokerError::NoCertificate { path: path.to_owned() });
    }
    std::path::absolute(path).map_err(failed)
}

/// Collects what librdkafka says of its own accord, and makes the tokens that it asks for.
#[derive(Clone, Debug, Default)]
struct Words {
    said: Arc<Mutex<Said>>,
    /// The cluster's, where tokens are asked for.
    region: Option<Region>,
}

#[derive(Debug, Default)]
struct Said {
    lines: Vec<String>,
    all_down: bool,
}

impl Words {
    fn add(&self, line: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        // The log and the error callback tell the same, and each attempt again; only the times at the end differ.
        let core = |line: &str| line.split(" (after ").next().unwrap_or_default().to_owned();
        let new = core(line);
        let known = |known: &String| core(known).contains(&new) || new.contains(&core(known));
        if said.lines.len() < WORDS_KEPT && !said.lines.iter().any(known) {
            said.lines.push(line.to_owned());
        }
    }

    fn all_down(&self) -> bool {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).all_down
    }

    fn telling(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = said.lines.clone();
        lines.truncate(3);
        lines.join("\n  librdkafka: ")
    }
}

impl ClientContext for Words {
    // librdkafka asks only where the mechanism is OAUTHBEARER.
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let region = self.region.as_ref().ok_or("no region was given")?;
        let credentials = iam::credentials(|name| Process.variable(name))?;
        let token = iam::token(credentials, region, Process.now())?;
        let lifetime = token.expires.duration_since(UNIX_EPOCH)?;
        Ok(OAuthToken {
            token: token.value,
            principal_name: "k2m".to_owned(),
            lifetime_ms: i64::try_from(lifetime.as_millis())?,
        })
    }

    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, message: &str) {
        // `[thrd:…]: ` says which of librdkafka's threads speaks, which helps nobody here.
        let message = message
            .split_once("]: ")
            .filter(|_| message.starts_with("[thrd:"))
            .map_or(message, |(_, rest)| rest);
        if !message.contains("brokers are down") {
            self.add(message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.said.lock().unwrap_or_else(PoisonError::into_inner).all_down = true;
        } else {
            self.add(reason);
        }
    }
}

impl ConsumerContext for Words {}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    fn plaintext(address: impl std::fmt::Display) -> Connection {
        Connection::plaintext(address.to_string())
    }

    #[test]
    fn one_row_per_word_of_librdkafka() {
        for (words, trouble) in [
            (
                "Failed to resolve 'no.such:9092': Name or service not known",
                Trouble::NotResolved,
            ),
            (
                "Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
                Trouble::Refused,
            ),
            (
                "Connection setup timed out in state CONNECT (after 5000ms in state CONNECT)",
                Trouble::NoAnswer,
            ),
            (
                "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified",
                Trouble::Certificate,
            ),
            (
                "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener? (after 1ms)",
                Trouble::TlsToPlaintext,
            ),
            (
                "Disconnected: requesting ApiVersion: might be caused by incorrect security.protocol configuration (connecting to a SSL listener?) or broker version is < 0.10",
                Trouble::PlaintextToTls,
            ),
            (
                "Receive failed: Invalid response size 352518912 (0..100000000): increase receive.message.max.bytes",
                Trouble::PlaintextToTls,
            ),
            (
                "Receive failed: Invalid response size 1213486160 (0..100000000): increase receive.message.max.bytes",
                Trouble::NotKafka,
            ),
            (
                "h:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 0ms in state APIVERSION_QUERY)",
                Trouble::PlaintextToTls,
            ),
            (
                "ssl://h:1/bootstrap: Disconnected: SSL connection closed by peer (after 0ms in state APIVERSION_QUERY)",
                Trouble::NotKafka,
            ),
            (
                "ApiVersionRequest failed: Local: Timed out: probably due to broker version < 0.10",
                Trouble::NotKafka,
            ),
            (
                "Disconnected: verify that security.protocol is correctly configured, broker might require SASL authentication",
                Trouble::Authentication,
            ),
            (
                "ssl://h:1/bootstrap: Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42 (after 2ms in state APIVERSION_QUERY)",
                Trouble::ClientCertificate,
            ),
            (
                "SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after 314ms in state AUTH_REQ)",
                Trouble::Password,
            ),
            (
                "SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: OAUTHBEARER",
                Trouble::Mechanism,
            ),
            (
                "Failed to acquire SASL OAUTHBEARER token: AWS_ACCESS_KEY_ID is not set",
                Trouble::Token,
            ),
            ("", Trouble::Other),
        ] {
            assert_eq!(judge(words), trouble, "{words}");
        }
    }

    #[test]
    fn with_iam_no_word_is_of_passwords() {
        for trouble in [
            Trouble::Password,
            Trouble::Authentication,
            Trouble::Mechanism,
            Trouble::TlsToPlaintext,
            Trouble::ClientCertificate,
        ] {
            let told = trouble.told(Authentication::Iam);
            assert!(!told.contains("password") && !told.contains("secret"), "{told}");
            assert!(!told.contains("909") || told.contains("9098"), "{told}");
        }
        assert!(Trouble::Password.told(Authentication::Scram).contains("password"));
    }

    #[tokio::test]
    async fn where_nothing_listens_is_said_soon() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let start = Instant::now();
        let error = plaintext(free).check("t").await.unwrap_err();
        assert!(
            matches!(
                error,
                BrokerError::Unreachable {
                    trouble: Trouble::Refused,
                    ..
                }
            ),
            "{error}"
        );
        assert!(start.elapsed() < TIME_LIMIT, "a refused connection needs no waiting");
    }

    /// Answers every connection with the same bytes, like a server of another protocol.
    fn stranger(answer: &'static [u8]) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(answer);
            }
        });
        address
    }

    #[tokio::test]
    async fn a_web_server_is_no_broker() {
        let error = plaintext(stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
            .check("t")
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                BrokerError::Unreachable {
                    trouble: Trouble::NotKafka,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_tls_port_is_told_by_its_alert_or_by_its_hanging_up() {
        // A whole alert is shorter than the head of a Kafka response; some servers say nothing at all.
        let alerts: [&[u8]; 3] = [
            b"\x15\x03\x03\x00\x02\x02\x50",
            b"\x15\x03\x03\x00\x02\x02\x50\x00\x00",
            b"",
        ];
        for alert in alerts {
            let error = plaintext(stranger(alert)).check("t").await.unwrap_err();
            let told = matches!(
                error,
                BrokerError::Unreachable {
                    trouble: Trouble::PlaintextToTls,
                    ..
                }
            );
            assert!(told, "{alert:?}: {error}");
        }
    }

    #[tokio::test]
    async fn tls_to_a_plaintext_port_is_told() {
        let mut connection = plaintext(stranger(b""));
        connection.authentication = Authentication::Tls;
        let error = connection.check("t").await.unwrap_err();
        assert!(
            matches!(
                error,
                BrokerError::Unreachable {
                    trouble: Trouble::TlsToPlaintext,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_secret_goes_with_the_ways_that_show_one() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd";
        let args = |authentication, secret_file: Option<&str>, secret: Option<&str>| BrokerArgs {
            bootstrap_servers: Some("h:9096".to_owned()),
            authentication,
            secret_file: secret_file.map(PathBuf::from),
            secret: secret.map(str::to_owned),
            cluster_region: matches!(authentication, Some(Authentication::Iam | Authentication::Plaintext))
                .then(|| "nowhere".to_owned()),
            ca_file: None,
        };
        let mut said = Vec::new();
        for (way, file, secret) in [
            (Some(Authentication::Scram), None, None),
            (Some(Authentication::MutualTls), None, None),
            (None, Some("/secret.json"), None),
            (Some(Authentication::Tls), None, Some(arn)),
            (Some(Authentication::Scram), None, Some("AmazonMSK_orders")),
            (Some(Authentication::Scram), Some("/no/such/secret.json"), None),
            (Some(Authentication::Iam), Some("/secret.json"), None),
            (Some(Authentication::Iam), None, None),
            (Some(Authentication::Plaintext), None, None),
        ] {
            let error = Connection::from_args(&args(way, file, secret)).await.unwrap_err();
            said.push(error.to_string());
        }
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn the_ca_file_is_looked_into() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(matches!(certificates(&path), Err(BrokerError::CaFile { .. })));
        std::fs::write(&path, "nothing of the kind").unwrap();
        assert!(matches!(certificates(&path), Err(BrokerError::NoCertificate { .. })));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n").unwrap();
        assert_eq!(certificates(&path).unwrap(), path);
    }
}
