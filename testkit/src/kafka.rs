//! Apache Kafka itself: one broker or three, each a process of its own, in `KRaft` combined mode.
//!
//! A broker is named by its id, from 1, as Kafka's own answers name it. Settings follow what MSK sets by default where
//! that matters to a producer, and are otherwise those of a small, quick cluster.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::{Metadata, MetadataTopic};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::ports::PortBlock;
use crate::process::Watched;
use crate::tls::{ClientCertificate, ClientIdentity, ServerCertificate, TlsFiles};
use crate::wait::block_on;
use crate::{Error, Proxy, Result, ground, wait_until};

const DENY: &str = include_str!("../python/deny.py");
const SET_SCRAM_PASSWORD: &str = include_str!("../python/set_scram_password.py");
/// The name of the cluster in base64, as Kafka wants an id of 16 bytes.
const CLUSTER_ID: &str = "azJtLXRlc3QtY2x1c3Rlcg";
/// A broker starts in 3 seconds; three of them on a busy machine with two cores need longer.
const START_BOUND: Duration = Duration::from_secs(90);
const STOP_BOUND: Duration = Duration::from_secs(30);
const TOPIC_BOUND: Duration = Duration::from_secs(30);
/// How long one question to a broker may take before its process is looked at and it is asked again.
const ASK_BOUND: Duration = Duration::from_secs(1);
/// Another process can take a port between our look and the broker's; then other ports are tried.
const START_ATTEMPTS: usize = 3;
/// Small, and quick to start rather than quick in the long run.
const JVM: [&str; 5] = [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.net.preferIPv4Stack=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
];

/// The releases of Kafka that tests run on; MSK offers both majors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KafkaVersion {
    /// The last major release with `ZooKeeper` in it (used here without).
    V3,
    /// The current major release.
    #[default]
    V4,
}

impl KafkaVersion {
    /// Every version.
    pub const ALL: [Self; 2] = [Self::V3, Self::V4];

    /// The release, such as `4.1.0`.
    pub fn number(self) -> &'static str {
        match self {
            Self::V3 => "3.9.1",
            Self::V4 => "4.1.0",
        }
    }
}

/// What a cluster is to be like; one plaintext broker of the current release unless said otherwise.
#[derive(Debug, Clone)]
pub struct KafkaClusterBuilder {
    version: KafkaVersion,
    brokers: u8,
    tls: bool,
    mutual_tls: bool,
    server_certificate: ServerCertificate,
    scram_users: Vec<(String, String)>,
    iam_region: Option<String>,
    proxied: bool,
    settings: Vec<(String, String)>,
}

impl KafkaClusterBuilder {
    /// Runs this release.
    #[must_use]
    pub fn version(mut self, version: KafkaVersion) -> Self {
        self.version = version;
        self
    }

    /// Starts this many brokers: 1 or 3.
    #[must_use]
    pub fn brokers(mut self, brokers: u8) -> Self {
        self.brokers = brokers;
        self
    }

    /// Adds a TLS listener to each broker, with a certificate of an authority made for this cluster.
    #[must_use]
    pub fn tls(mut self, on: bool) -> Self {
        self.tls = on;
        self
    }

    /// Adds a TLS listener to each broker that takes only clients with a certificate of the cluster's authority: see
    /// [`KafkaCluster::client_certificate`].
    #[must_use]
    pub fn mutual_tls(mut self, on: bool) -> Self {
        self.mutual_tls = on;
        self
    }

    /// Adds a listener to each broker that takes these users by their passwords: TLS and SASL/SCRAM-SHA-512.
    #[must_use]
    pub fn scram(mut self, users: &[(&str, &str)]) -> Self {
        self.scram_users = users
            .iter()
            .map(|(user, password)| ((*user).to_owned(), (*password).to_owned()))
            .collect();
        self
    }

    /// Has every TLS listener show this certificate.
    #[must_use]
    pub fn server_certificate(mut self, certificate: ServerCertificate) -> Self {
        self.server_certificate = certificate;
        self
    }

    /// Adds a listener to each broker that takes tokens as MSK's IAM access control does in this region: TLS and SASL/OAUTHBEARER.
    /// A token's parts and time are checked; its signature can't be.
    #[must_use]
    pub fn iam(mut self, region: impl Into<String>) -> Self {
        self.iam_region = Some(region.into());
        self
    }

    /// Adds a plaintext listener to each broker that is reached through a [`Proxy`].
    #[must_use]
    pub fn proxied(mut self, on: bool) -> Self {
        self.proxied = on;
        self
    }

    /// Adds Kafka's own authorizer, which allows everything for which there is no rule.
    #[must_use]
    pub fn authorizer(self) -> Self {
        self.broker_setting(
            "authorizer.class.name",
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        )
        .broker_setting("allow.everyone.if.no.acl.found", "true")
    }

    /// Sets a line of every broker's `server.properties`, overriding what this crate would set.
    #[must_use]
    pub fn broker_setting(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// Starts the cluster and waits until each broker answers and a topic could be created.
    pub fn start(self) -> Result<KafkaCluster> {
        if ![1, 3].contains(&self.brokers) {
            return Err(Error::Usage(format!(
                "{} brokers were asked for: 1 and 3 are possible",
                self.brokers
            )));
        }
        let libs = ground::kafka_libs(self.version)?;
        let mut class_path = libs.join("*").into_os_string();
        if self.iam_region.is_some() {
            class_path.push(":");
            class_path.push(ground::iam_validator(self.version, &libs)?);
        }
        let locks = ground::folder().join("ports");
        for _ in 1..START_ATTEMPTS {
            match self.start_on(PortBlock::take(&locks)?, &class_path) {
                Err(error) if is_port_clash(&error) => {}
                started => return started,
            }
        }
        self.start_on(PortBlock::take(&locks)?, &class_path)
    }

    fn start_on(&self, ports: PortBlock, class_path: &OsStr) -> Result<KafkaCluster> {
        let folder = tempfile::Builder::new()
            .prefix("k2m-kafka-")
            .tempdir()
            .map_err(Error::io("create a temporary folder"))?;
        let iam = self.iam_region.is_some();
        let scram = !self.scram_users.is_empty();
        let tls = (self.tls || self.mutual_tls || scram || iam)
            .then(|| TlsFiles::create(folder.path(), self.server_certificate))
            .transpose()?;
        let mut free = ports.ports().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut next = || {
            free.next()
                .ok_or_else(|| Error::Usage("a block of ports is too small".to_owned()))
        };
        let mut listeners = Vec::new();
        for _ in 0..self.brokers {
            listeners.push(Listeners {
                plaintext: next()?,
                controller: next()?,
                tls: self.tls.then(&mut next).transpose()?,
                mutual_tls: self.mutual_tls.then(&mut next).transpose()?,
                scram: scram.then(&mut next).transpose()?,
                iam: iam.then(&mut next).transpose()?,
                behind_proxy: self.proxied.then(&mut next).transpose()?,
                proxy: self.proxied.then(&mut next).transpose()?,
            });
        }
        let proxy = self.proxied.then(Proxy::new);
        let mut brokers = Vec::new();
        for (id, own) in (1..).zip(&listeners) {
            if let (Some(proxy), Some(front), Some(behind)) = (&proxy, own.proxy, own.behind_proxy) {
                let listener = TcpListener::bind(front).map_err(Error::io(format!("listen on {front}")))?;
                proxy.serve(listener, behind)?;
            }
            let home = folder.path().join(format!("broker-{id}"));
            std::fs::create_dir(&home).map_err(Error::io(format!("create {}", home.display())))?;
            let broker = Broker {
                id,
                home,
                listeners: own.clone(),
                process: Mutex::new(Process::Down),
            };
            let properties = self.properties(&broker, &listeners, tls.as_ref());
            let path = broker.properties_file();
            std::fs::write(&path, properties).map_err(Error::io(format!("write {}", path.display())))?;
            brokers.push(broker);
        }
        let cluster = KafkaCluster {
            brokers,
            proxy,
            tls,
            class_path: class_path.to_owned(),
            folder,
            _ports: ports,
        };
        cluster.format(&self.scram_users)?;
        for broker in &cluster.brokers {
            cluster.launch(broker)?;
        }
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    /// The text of one broker's `server.properties`.
    fn properties(&self, broker: &Broker, all: &[Listeners], tls: Option<&TlsFiles>) -> String {
        let replication = self.brokers.to_string();
        let min_isr = if self.brokers == 3 { "2" } else { "1" };
        let own = &broker.listeners;
        let client_listeners = [
            ("PLAINTEXT", Some(own.plaintext), Some(own.plaintext)),
            ("SSL", own.tls, own.tls),
            ("MUTUAL", own.mutual_tls, own.mutual_tls),
            ("SCRAM", own.scram, own.scram),
            ("IAM", own.iam, own.iam),
            ("PROXIED", own.behind_proxy, own.proxy),
        ];
        let mut listening = vec![format!("CONTROLLER://{}", own.controller)];
        let mut advertised = Vec::new();
        for (name, bound, reached) in client_listeners {
            listening.extend(bound.map(|address| format!("{name}://{address}")));
            advertised.extend(reached.map(|address| format!("{name}://{address}")));
        }
        let voters: Vec<String> = (1..)
            .zip(all)
            .map(|(id, listeners)| format!("{id}@{}", listeners.controller))
            .collect();
        let mut lines = BTreeMap::from(
            [
                ("process.roles", "broker,controller"),
                ("node.id", &broker.id.to_string()),
                ("controller.quorum.voters", &voters.join(",")),
                ("controller.listener.names", "CONTROLLER"),
                ("listeners", &listening.join(",")),
                ("advertised.listeners", &advertised.join(",")),
                ("inter.broker.listener.name", "PLAINTEXT"),
                (
                    "listener.security.protocol.map",
                    "CONTROLLER:PLAINTEXT,IAM:SASL_SSL,MUTUAL:SSL,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,SCRAM:SASL_SSL,SSL:SSL",
                ),
                ("log.dirs", &broker.home.join("data").to_string_lossy()),
                // As MSK sets them.
                ("auto.create.topics.enable", "false"),
                ("default.replication.factor", &replication),
                ("min.insync.replicas", min_isr),
                ("offsets.topic.replication.factor", &replication),
                ("transaction.state.log.replication.factor", &replication),
                ("transaction.state.log.min.isr", min_isr),
                // A broker that was killed is noticed in three seconds instead of nine.
                ("broker.session.timeout.ms", "3000"),
                ("broker.heartbeat.interval.ms", "300"),
                // Small and quick.
                ("offsets.topic.num.partitions", "3"),
                ("transaction.state.log.num.partitions", "3"),
                ("group.initial.rebalance.delay.ms", "0"),
                ("num.network.threads", "2"),
                ("num.io.threads", "4"),
                ("log.cleaner.dedupe.buffer.size", "8388608"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        if let Some(tls) = tls {
            lines.insert("ssl.keystore.type".to_owned(), "PEM".to_owned());
            lines.insert(
                "ssl.keystore.location".to_owned(),
                tls.keystore.to_string_lossy().into_owned(),
            );
        }
        if let Some(tls) = tls.filter(|_| self.mutual_tls) {
            let of_listener = [
                ("ssl.client.auth", "required"),
                ("ssl.truststore.type", "PEM"),
                ("ssl.truststore.location", &tls.ca.to_string_lossy()),
            ];
            lines.extend(of_listener.map(|(key, value)| (format!("listener.name.mutual.{key}"), value.to_owned())));
        }
        if !self.scram_users.is_empty() {
            let of_listener = [
                ("sasl.enabled.mechanisms", "SCRAM-SHA-512"),
                (
                    "scram-sha-512.sasl.jaas.config",
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;",
                ),
            ];
            lines.extend(of_listener.map(|(key, value)| (format!("listener.name.scram.{key}"), value.to_owned())));
        }
        if let Some(region) = &self.iam_region {
            let of_listener = [
                ("sasl.enabled.mechanisms", "OAUTHBEARER"),
                (
                    "oauthbearer.sasl.server.callback.handler.class",
                    "k2m.testkit.IamValidator",
                ),
                (
                    "oauthbearer.sasl.jaas.config",
                    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
                ),
            ];
            lines.extend(of_listener.map(|(key, value)| (format!("listener.name.iam.{key}"), value.to_owned())));
            lines.insert("k2m.iam.region".to_owned(), region.clone());
        }
        lines.extend(self.settings.iter().cloned());
        lines.iter().fold(String::new(), |mut text, (key, value)| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{key}={value}");
            text
        })
    }
}

/// A right that can be taken from everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied<'a> {
    /// Learning of this topic, or of all (`*`).
    Describe(&'a str),
    /// Learning of its settings.
    DescribeConfigs(&'a str),
    /// Reading it.
    Read(&'a str),
    /// Writing to it.
    Write(&'a str),
    /// Creating it.
    Create(&'a str),
    /// Writing idempotently; who may write to some topic by a rule of its own may do so all the same.
    IdempotentWrite,
}

impl Denied<'_> {
    /// The rules, as the script has them.
    fn rules(&self) -> Vec<String> {
        let cluster = |operation: &str| format!("broker:kafka-cluster:{operation}");
        match self {
            Self::Describe(topic) => vec![format!("topic:{topic}:DESCRIBE")],
            Self::DescribeConfigs(topic) => vec![format!("topic:{topic}:DESCRIBE_CONFIGS")],
            Self::Read(topic) => vec![format!("topic:{topic}:READ")],
            Self::Write(topic) => vec![format!("topic:{topic}:WRITE")],
            // Who may create topics in the cluster may create each.
            Self::Create(topic) => vec![format!("topic:{topic}:CREATE"), cluster("CREATE")],
            // Who may write to any topic may write idempotently, and Kafka asks about one of this name for those whom no rule is about.
            Self::IdempotentWrite => vec![cluster("IDEMPOTENT_WRITE"), "topic:hardcode:WRITE".to_owned()],
        }
    }
}

/// Whether a broker ended because another process had taken its port.
fn is_port_clash(error: &Error) -> bool {
    match error {
        Error::BrokerExited { log, .. } => log.contains("Address already in use"),
        Error::Io { source, .. } => source.kind() == std::io::ErrorKind::AddrInUse,
        _ => false,
    }
}

/// Where one broker is reached.
#[derive(Debug, Clone)]
struct Listeners {
    plaintext: SocketAddr,
    controller: SocketAddr,
    tls: Option<SocketAddr>,
    mutual_tls: Option<SocketAddr>,
    scram: Option<SocketAddr>,
    iam: Option<SocketAddr>,
    behind_proxy: Option<SocketAddr>,
    proxy: Option<SocketAddr>,
}

#[derive(Debug)]
struct Broker {
    id: i32,
    home: PathBuf,
    listeners: Listeners,
    process: Mutex<Process>,
}

#[derive(Debug)]
enum Process {
    Down,
    Running(Watched),
    Paused(Watched),
}

impl Broker {
    fn properties_file(&self) -> PathBuf {
        self.home.join("server.properties")
    }

    fn log_file(&self) -> PathBuf {
        self.home.join("broker.log")
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_running(&self) -> bool {
        matches!(*self.process(), Process::Running(_))
    }

    /// An error with the end of the log if the process ended by itself.
    fn check_alive(&self) -> Result<()> {
        if let Process::Running(process) = &mut *self.process()
            && let Some(status) = process.ended()?
        {
            let log = std::fs::read(self.log_file()).unwrap_or_default();
            return Err(Error::BrokerExited {
                id: self.id,
                status: status.to_string(),
                log: ground::tail(&log, 40),
            });
        }
        Ok(())
    }
}

/// A running cluster. Dropping it kills its brokers and removes their data; so does the death of the test's process.
#[derive(Debug)]
pub struct KafkaCluster {
    // Brokers go before the folder that holds their data.
    brokers: Vec<Broker>,
    proxy: Option<Proxy>,
    tls: Option<TlsFiles>,
    class_path: OsString,
    folder: TempDir,
    _ports: PortBlock,
}

impl KafkaCluster {
    /// One plaintext broker of the current release, to be changed by the builder's methods.
    pub fn builder() -> KafkaClusterBuilder {
        KafkaClusterBuilder {
            version: KafkaVersion::default(),
            brokers: 1,
            tls: false,
            mutual_tls: false,
            server_certificate: ServerCertificate::default(),
            scram_users: Vec::new(),
            iam_region: None,
            proxied: false,
            settings: Vec::new(),
        }
    }

    /// The plaintext listeners as `host:port,…`.
    pub fn bootstrap_servers(&self) -> String {
        join(self.brokers.iter().map(|broker| broker.listeners.plaintext))
    }

    /// The TLS listeners as `host:port,…`; an error if the cluster was built without.
    pub fn tls_bootstrap_servers(&self) -> Result<String> {
        self.listeners("TLS listener: build it with `.tls(true)`", |broker| {
            broker.listeners.tls
        })
    }

    /// The TLS listeners that want a client's certificate as `host:port,…`; an error if the cluster was built without.
    pub fn mutual_tls_bootstrap_servers(&self) -> Result<String> {
        self.listeners("mutual TLS listener: build it with `.mutual_tls(true)`", |broker| {
            broker.listeners.mutual_tls
        })
    }

    /// The listeners that want a user and a password as `host:port,…`, with TLS; an error if the cluster was built without.
    pub fn scram_bootstrap_servers(&self) -> Result<String> {
        self.listeners("SCRAM listener: build it with `.scram(USERS)`", |broker| {
            broker.listeners.scram
        })
    }

    /// The listeners that take IAM tokens as `host:port,…`, with TLS; an error if the cluster was built without.
    pub fn iam_bootstrap_servers(&self) -> Result<String> {
        self.listeners("IAM listener: build it with `.iam(REGION)`", |broker| {
            broker.listeners.iam
        })
    }

    fn listeners(&self, wanted: &str, address: impl Fn(&Broker) -> Option<SocketAddr>) -> Result<String> {
        let found: Option<Vec<SocketAddr>> = self.brokers.iter().map(address).collect();
        let found = found.ok_or_else(|| Error::Usage(format!("the cluster has no {wanted}")))?;
        Ok(join(found.into_iter()))
    }

    /// The proxy's ports as `host:port,…`; an error if the cluster was built without a proxy.
    pub fn proxied_bootstrap_servers(&self) -> Result<String> {
        self.proxy()?;
        Ok(join(self.brokers.iter().filter_map(|broker| broker.listeners.proxy)))
    }

    /// The PEM file of the authority that TLS clients trust; an error if the cluster was built without TLS.
    pub fn ca_file(&self) -> Result<&Path> {
        Ok(self.tls()?.ca.as_path())
    }

    /// A certificate for a client of the mutual TLS listeners, made anew by each call; an error if the cluster was built without TLS.
    pub fn client_certificate(&self, identity: ClientIdentity) -> Result<ClientCertificate> {
        self.tls()?.client(identity)
    }

    fn tls(&self) -> Result<&TlsFiles> {
        let tls = self.tls.as_ref();
        tls.ok_or_else(|| Error::Usage("the cluster has no TLS listener: build it with `.tls(true)`".to_owned()))
    }

    /// The controls of the proxy; an error if the cluster was built without.
    pub fn proxy(&self) -> Result<&Proxy> {
        let proxy = self.proxy.as_ref();
        proxy.ok_or_else(|| Error::Usage("the cluster has no proxy: build it with `.proxied(true)`".to_owned()))
    }

    /// The brokers' ids, from 1.
    pub fn broker_ids(&self) -> impl Iterator<Item = i32> {
        self.brokers.iter().map(|broker| broker.id)
    }

    /// The process id of a broker; none while it is down.
    pub fn pid(&self, id: i32) -> Result<Option<u32>> {
        Ok(match &*self.broker(id)?.process() {
            Process::Down => None,
            Process::Running(process) | Process::Paused(process) => Some(process.pid()),
        })
    }

    /// The file that a broker's log goes to.
    pub fn log_file(&self, id: i32) -> Result<PathBuf> {
        Ok(self.broker(id)?.log_file())
    }

    /// Ends a broker in good order (SIGTERM: it hands its partitions over first) and waits for its end.
    pub fn stop(&self, id: i32) -> Result<()> {
        self.end(id, Signal::TERM)
    }

    /// Kills a broker (SIGKILL) and waits for its end.
    pub fn kill(&self, id: i32) -> Result<()> {
        self.end(id, Signal::KILL)
    }

    /// Starts a broker that is down, with the data it had, and waits until it leads and follows again.
    ///
    /// While fewer than half of the brokers run no broker can become ready: then it does not wait, and the start of a
    /// later one waits for all.
    pub fn start_broker(&self, id: i32) -> Result<()> {
        let broker = self.broker(id)?;
        if !matches!(*broker.process(), Process::Down) {
            return Err(Error::Usage(format!(
                "broker {id} is not down: stop or kill it before starting it"
            )));
        }
        self.launch(broker)?;
        if 2 * self.running().count() > self.brokers.len() {
            self.wait_until_ready()?;
        }
        Ok(())
    }

    /// Stops a broker in good order and starts it again.
    pub fn restart(&self, id: i32) -> Result<()> {
        self.stop(id)?;
        self.start_broker(id)
    }

    /// Halts a broker (SIGSTOP): its connections stay open, and nothing answers.
    pub fn pause(&self, id: i32) -> Result<()> {
        let mut process = self.broker(id)?.process();
        match std::mem::replace(&mut *process, Process::Down) {
            Process::Running(running) => {
                let signalled = running.signal(Signal::STOP);
                *process = Process::Paused(running);
                signalled
            }
            other => {
                *process = other;
                Err(Error::Usage(format!("broker {id} is not running: it can't be paused")))
            }
        }
    }

    /// Lets a paused broker go on (SIGCONT).
    pub fn resume(&self, id: i32) -> Result<()> {
        let mut process = self.broker(id)?.process();
        match std::mem::replace(&mut *process, Process::Down) {
            Process::Paused(paused) => {
                let signalled = paused.signal(Signal::CONT);
                *process = Process::Running(paused);
                signalled
            }
            other => {
                *process = other;
                Err(Error::Usage(format!("broker {id} is not paused: it can't be resumed")))
            }
        }
    }

    /// Creates a topic with these settings (such as `max.message.bytes`) and waits until every running broker names a
    /// leader for each partition.
    pub fn create_topic(&self, name: &str, partitions: i32, replication: i32, settings: &[(&str, &str)]) -> Result<()> {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let doing = format!("create topic {name}");
        create(&admin(&self.running_addresses())?, &topic, false).map_err(|reason| Error::Refused { doing, reason })?;
        for broker in self.running() {
            let client = client(&broker.listeners.plaintext.to_string())?;
            wait_until(&format!("broker {} knows topic {name}", broker.id), TOPIC_BOUND, || {
                broker.check_alive()?;
                let metadata = topic_metadata(&client, name)?;
                let topic = described(&metadata, name)?;
                let led = topic
                    .partitions()
                    .iter()
                    .filter(|partition| partition.leader() >= 0)
                    .count();
                Ok(i32::try_from(led).is_ok_and(|led| led == partitions))
            })?;
        }
        Ok(())
    }

    /// Replaces the settings of a topic by these and waits until its leaders go by them.
    pub fn set_topic(&self, name: &str, settings: &[(&str, &str)]) -> Result<()> {
        let doing = || format!("set {settings:?} of topic {name}");
        let refused = |reason: String| Error::Refused { doing: doing(), reason };
        let admin = admin(&self.running_addresses())?;
        let options = AdminOptions::new().request_timeout(Some(TOPIC_BOUND));
        let mut wanted = AlterConfig::new(ResourceSpecifier::Topic(name));
        for (key, value) in settings {
            wanted = wanted.set(key, value);
        }
        let answers = block_on(admin.alter_configs([&wanted], &options)).map_err(|error| refused(error.to_string()))?;
        if let Some((_, code)) = answers.into_iter().find_map(std::result::Result::err) {
            return Err(refused(code.to_string()));
        }
        wait_until(&doing(), TOPIC_BOUND, || {
            let asked = [&ResourceSpecifier::Topic(name)];
            let answers =
                block_on(admin.describe_configs(asked, &options)).map_err(|error| refused(error.to_string()))?;
            let topic = answers.into_iter().find_map(std::result::Result::ok);
            let holds = |(key, value): &(&str, &str)| {
                let entry = topic.as_ref().and_then(|topic| topic.get(key));
                entry.and_then(|entry| entry.value.as_deref()) == Some(*value)
            };
            Ok(settings.iter().all(holds))
        })
    }

    /// Deletes a topic, and waits until each broker has forgotten it.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        let doing = || format!("delete topic {name}");
        let refused = |reason: String| Error::Refused { doing: doing(), reason };
        let admin = admin(&self.running_addresses())?;
        let options = AdminOptions::new().request_timeout(Some(TOPIC_BOUND));
        let answers = block_on(admin.delete_topics(&[name], &options)).map_err(|error| refused(error.to_string()))?;
        if let Some((_, code)) = answers.into_iter().find_map(std::result::Result::err) {
            return Err(refused(code.to_string()));
        }
        for broker in self.running() {
            let client = client(&broker.listeners.plaintext.to_string())?;
            wait_until(&doing(), TOPIC_BOUND, || {
                let known = all_metadata(&client)?;
                Ok(known.topics().iter().all(|topic| topic.name() != name))
            })?;
        }
        Ok(())
    }

    /// The end offset of each partition of a topic, by partition number.
    pub fn end_offsets(&self, topic: &str) -> Result<Vec<i64>> {
        let client = client(&self.running_addresses())?;
        let metadata = topic_metadata(&client, topic)?;
        let partitions = described(&metadata, topic)?.partitions().iter();
        let mut numbers: Vec<i32> = partitions.map(rdkafka::metadata::MetadataPartition::id).collect();
        numbers.sort_unstable();
        let end = |number: i32| {
            let doing = format!("read the end offset of {topic}/{number}");
            client
                .fetch_watermarks(topic, number, ASK_BOUND)
                .map(|(_, end)| end)
                .map_err(Error::client(doing))
        };
        numbers.into_iter().map(end).collect()
    }

    /// The id of the broker that leads a partition; an error while there is none.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<i32> {
        let client = client(&self.running_addresses())?;
        let metadata = topic_metadata(&client, topic)?;
        let found = described(&metadata, topic)?
            .partitions()
            .iter()
            .find(|found| found.id() == partition);
        found
            .map(rdkafka::metadata::MetadataPartition::leader)
            .filter(|leader| *leader >= 0)
            .ok_or_else(|| Error::Refused {
                doing: format!("find the leader of {topic}/{partition}"),
                reason: "there is none now".to_owned(),
            })
    }

    /// Takes the right to write from everybody, idempotently too; the cluster needs [`KafkaClusterBuilder::authorizer`].
    pub fn deny_writes(&self) -> Result<()> {
        self.deny(&[Denied::Write("*"), Denied::IdempotentWrite])
    }

    /// Takes these rights from everybody; the cluster needs [`KafkaClusterBuilder::authorizer`]. A broker goes by it soon after.
    pub fn deny(&self, rights: &[Denied<'_>]) -> Result<()> {
        let mut command = Command::new(ground::python()?);
        command.args(["-c", DENY, &self.bootstrap_servers()]);
        command.args(rights.iter().flat_map(Denied::rules));
        ground::run(&mut command).map(drop)
    }

    /// Gives back all that [`KafkaCluster::deny`] took.
    pub fn allow_all(&self) -> Result<()> {
        let mut command = Command::new(ground::python()?);
        command.args(["-c", DENY, &self.bootstrap_servers()]);
        ground::run(&mut command).map(drop)
    }

    /// Gives a user of the SCRAM listeners another password, or makes the user, and waits until each broker takes it. Connections that are
    /// open stay so, as with any Kafka.
    pub fn set_scram_password(&self, user: &str, password: &str) -> Result<()> {
        let file = self.folder.path().join("scram-password");
        std::fs::write(&file, password).map_err(Error::io(format!("write {}", file.display())))?;
        let mut command = Command::new(ground::python()?);
        command
            .args(["-c", SET_SCRAM_PASSWORD, &self.bootstrap_servers()])
            .arg(self.scram_bootstrap_servers()?)
            .arg(self.ca_file()?)
            .args([user])
            .arg(&file);
        ground::run(&mut command).map(drop)
    }

    /// Waits until every replica of every partition is in sync; all brokers must run.
    pub fn wait_until_in_sync(&self) -> Result<()> {
        let client = client(&self.running_addresses())?;
        wait_until("every replica is in sync", START_BOUND, || {
            let metadata = all_metadata(&client)?;
            let mut partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
            Ok(partitions
                .all(|partition| partition.leader() >= 0 && partition.isr().len() == partition.replicas().len()))
        })
    }

    fn broker(&self, id: i32) -> Result<&Broker> {
        let found = self.brokers.iter().find(|broker| broker.id == id);
        found.ok_or_else(|| Error::Usage(format!("there is no broker {id}: ids are 1 to {}", self.brokers.len())))
    }

    fn running(&self) -> impl Iterator<Item = &Broker> {
        self.brokers.iter().filter(|broker| broker.is_running())
    }

    fn running_addresses(&self) -> String {
        join(self.running().map(|broker| broker.listeners.plaintext))
    }

    /// Writes each broker's empty storage, all at once: most of the time goes into starting Java.
    fn format(&self, scram_users: &[(String, String)]) -> Result<()> {
        let users: Vec<String> = scram_users
            .iter()
            .map(|(user, password)| format!("SCRAM-SHA-512=[name={user},password={password}]"))
            .collect();
        let mut formatting = Vec::new();
        for broker in &self.brokers {
            let properties = broker.properties_file();
            let words = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]
                .map(OsStr::new)
                .into_iter();
            let mut words: Vec<&OsStr> = words.chain([properties.as_os_str()]).collect();
            for user in &users {
                words.extend([OsStr::new("--add-scram"), OsStr::new(user)]);
            }
            let log = open_log(broker)?;
            let command = java(&self.class_path, &words);
            formatting.push((broker, Watched::spawn(&command, &log, self.folder.path())?));
        }
        for (broker, mut process) in formatting {
            process.wait(START_BOUND)?;
            let status = process
                .ended()?
                .map_or_else(|| "still running".to_owned(), |status| status.to_string());
            if !broker.home.join("data/meta.properties").is_file() {
                let log = std::fs::read(broker.log_file()).unwrap_or_default();
                let command = format!("format the storage of broker {}", broker.id);
                return Err(Error::Command {
                    command,
                    status,
                    output: ground::tail(&log, 20),
                });
            }
        }
        Ok(())
    }

    fn launch(&self, broker: &Broker) -> Result<()> {
        let properties = broker.properties_file();
        let words = [OsStr::new("kafka.Kafka"), properties.as_os_str()];
        let command = java(&self.class_path, &words);
        let process = Watched::spawn(&command, &open_log(broker)?, self.folder.path())?;
        *broker.process() = Process::Running(process);
        Ok(())
    }

    fn end(&self, id: i32, signal: Signal) -> Result<()> {
        let mut state = self.broker(id)?.process();
        match std::mem::replace(&mut *state, Process::Down) {
            Process::Down => Err(Error::Usage(format!("broker {id} is down already"))),
            Process::Running(mut process) | Process::Paused(mut process) => {
                process.signal(signal)?;
                // A paused process takes its end only once it goes on.
                process.signal(Signal::CONT)?;
                if process.wait(STOP_BOUND)? {
                    return Ok(());
                }
                // Dropping it kills it.
                Err(Error::NotInTime {
                    what: format!("broker {id} ends after a signal"),
                    waited: STOP_BOUND,
                    last: "; it was killed".to_owned(),
                })
            }
        }
    }

    /// Waits until each running broker sees all of them, partitions have leaders, and a topic could be created.
    fn wait_until_ready(&self) -> Result<()> {
        let running: Vec<&Broker> = self.running().collect();
        let ids: Vec<i32> = running.iter().map(|broker| broker.id).collect();
        for broker in &running {
            let client = client(&broker.listeners.plaintext.to_string())?;
            wait_until(&format!("broker {} is ready", broker.id), START_BOUND, || {
                for any in &running {
                    any.check_alive()?;
                }
                let metadata = all_metadata(&client)?;
                let seen = |id: &i32| metadata.brokers().iter().any(|broker| broker.id() == *id);
                let mut partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
                // A partition whose last in-sync replica is down can't have a leader and isn't waited for.
                let waits = partitions
                    .any(|partition| partition.leader() < 0 && partition.isr().iter().any(|id| ids.contains(id)));
                Ok(ids.iter().all(seen) && !waits)
            })?;
        }
        let admin = admin(&self.running_addresses())?;
        let replication = i32::try_from(running.len()).unwrap_or(1);
        let trial = NewTopic::new("k2m-testkit-trial", 1, TopicReplication::Fixed(replication));
        wait_until("a topic could be created", START_BOUND, || {
            let doing = "try to create a topic".to_owned();
            create(&admin, &trial, true).map_err(|reason| Error::Refused { doing, reason })?;
            Ok(true)
        })
    }
}

/// The command line of a Java class of Kafka's.
fn java<'a>(class_path: &'a OsStr, words: &[&'a OsStr]) -> Vec<&'a OsStr> {
    let mut command = vec![OsStr::new("java")];
    command.extend(JVM.map(OsStr::new));
    command.extend([OsStr::new("-cp"), class_path]);
    command.extend(words);
    command
}

fn open_log(broker: &Broker) -> Result<File> {
    let path = broker.log_file();
    File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(Error::io(format!("open {}", path.display())))
}

fn join(addresses: impl Iterator<Item = SocketAddr>) -> String {
    addresses
        .map(|address| address.to_string())
        .collect::<Vec<_>>()
        .join(",")
}

fn config(bootstrap_servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap_servers);
    // A broker that is still starting should be found as soon as it listens.
    config
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "100");
    config
}

/// A client that asks the given brokers and no others, while it is new.
fn client(bootstrap_servers: &str) -> Result<BaseConsumer> {
    config(bootstrap_servers)
        .create()
        .map_err(Error::client("make a Kafka client"))
}

fn admin(bootstrap_servers: &str) -> Result<AdminClient<DefaultClientContext>> {
    config(bootstrap_servers)
        .create()
        .map_err(Error::client("make an admin client"))
}

/// Creates a topic, or asks whether it could be; the error is the reason in the broker's or client's words.
fn create(
    admin: &AdminClient<DefaultClientContext>,
    topic: &NewTopic<'_>,
    validate_only: bool,
) -> std::result::Result<(), String> {
    let options = AdminOptions::new()
        .request_timeout(Some(TOPIC_BOUND))
        .operation_timeout(Some(TOPIC_BOUND))
        .validate_only(validate_only);
    let results = block_on(admin.create_topics([topic], &options)).map_err(|error| error.to_string())?;
    results
        .into_iter()
        .find_map(std::result::Result::err)
        .map_or(Ok(()), |(_, code)| Err(code.to_string()))
}

fn all_metadata(client: &BaseConsumer) -> Result<Metadata> {
    client
        .fetch_metadata(None, ASK_BOUND)
        .map_err(Error::client("read the cluster's metadata"))
}

fn topic_metadata(client: &BaseConsumer, topic: &str) -> Result<Metadata> {
    client
        .fetch_metadata(Some(topic), ASK_BOUND)
        .map_err(Error::client(format!("read the metadata of topic {topic}")))
}

/// What metadata says about a topic; an error if the broker does not know it.
fn described<'a>(metadata: &'a Metadata, topic: &str) -> Result<&'a MetadataTopic> {
    let doing = || format!("look at topic {topic}");
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let found = found.ok_or_else(|| Error::Refused {
        doing: doing(),
        reason: "the answer does not name it".to_owned(),
    })?;
    match found.error() {
        None => Ok(found),
        Some(code) => Err(Error::Refused {
            doing: doing(),
            reason: rdkafka::types::RDKafkaErrorCode::from(code).to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_taken_by_someone_else_is_told_from_other_failures() {
        let libs = ground::kafka_libs(KafkaVersion::default()).expect("the jars are there");
        let class_path = libs.join("*").into_os_string();
        let folder = tempfile::tempdir().expect("a temp dir");
        let ports = PortBlock::take(folder.path()).expect("a block");
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, ports.ports().start)).expect("the port is free");
        let error = KafkaCluster::builder()
            .start_on(ports, &class_path)
            .expect_err("the broker's port is taken");
        assert!(is_port_clash(&error), "{error}");

        let ports = PortBlock::take(folder.path()).expect("a block");
        let wrong = KafkaCluster::builder().broker_setting("num.io.threads", "none");
        let error = wrong
            .start_on(ports, &class_path)
            .expect_err("the setting is no number");
        assert!(
            !is_port_clash(&error) && error.to_string().contains("num.io.threads"),
            "{error}"
        );
    }

    #[test]
    fn wrong_use_is_explained() {
        let error = KafkaCluster::builder()
            .brokers(2)
            .start()
            .expect_err("2 is not offered");
        assert_eq!(error.to_string(), "2 brokers were asked for: 1 and 3 are possible");
    }
}
