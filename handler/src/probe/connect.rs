//! The way to one broker: its addresses, a connection to one of them, TLS, and the first words of Kafka's protocol, each step timed and told
//! from the others.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use openssl::ssl::{SslConnector, SslVerifyMode};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};
use tokio_openssl::SslStream;

use super::certificate::Shown;
use super::report::{Broker, Failure, Step, Tcp, Timed, Tls};
use super::sasl::{self, Identity};
use super::sniff;
use super::wire::{Wire, refuses_certificate, seconds};
use super::words::{Fault, Found, Method, Place, Trouble, explain};
use crate::config::{Authentication, Config};
use crate::kafka::credentials::Credentials;
use crate::kafka::{Process, Surroundings as _, iam, tls};
use crate::secret::Secret;

/// How long DNS may take.
const DNS: Duration = Duration::from_secs(2);

/// How long a connection may take.
const TCP: Duration = Duration::from_secs(3);

/// How long a TLS handshake may take.
const TLS: Duration = Duration::from_secs(3);

/// What every broker is reached with.
pub(super) struct Means {
    /// How the function proves itself.
    pub(super) method: Method,
    /// The function's configuration.
    pub(super) config: Config,
    /// Made once, beside finding and connecting to the brokers: secrets may have to be read.
    pub(super) prepared: OnceCell<Prepared>,
    /// When the probe has to be done.
    pub(super) end: Instant,
}

/// What is shown to the brokers.
pub(super) struct Prepared {
    /// For TLS; the error where it can't be spoken.
    pub(super) connector: Option<Result<SslConnector, Trouble>>,
    /// For SASL.
    pub(super) identity: Option<Identity>,
    /// When the function's own certificate ended, where it has.
    pub(super) ended: Option<String>,
    /// Why what a secret holds can't be had: then the way ends at TLS.
    pub(super) secret: Option<Trouble>,
}

impl Means {
    pub(super) fn new(method: Method, config: Config, end: Instant) -> Self {
        Self {
            method,
            config,
            prepared: OnceCell::new(),
            end,
        }
    }

    /// What is shown to the brokers, prepared by whoever comes first.
    pub(super) async fn prepared(&self) -> &Prepared {
        self.prepared.get_or_init(|| prepare(&self.config, self.end)).await
    }

    /// When a step that begins now has to be done.
    fn until(&self, limit: Duration) -> Result<Instant, Trouble> {
        let now = Instant::now();
        if now < self.end {
            Ok(self.end.min(now + limit))
        } else {
            Err(Trouble::OutOfTime)
        }
    }
}

/// One of several things that are done side by side.
pub(super) type Beside<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Does all of it side by side, and gives what each came to, in their order. They are few: each time one of them can go on, all are looked at.
pub(super) async fn side_by_side<T>(mut work: Vec<Beside<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = work.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (work, done) in work.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(value) = work.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Reaches a broker, as far as it goes. The connection is there where nothing failed.
pub(super) async fn reach(address: &str, bootstrap: bool, means: &Means) -> (Broker, Option<Wire>) {
    let mut broker = Broker {
        address: address.to_owned(),
        bootstrap,
        ..Broker::default()
    };
    match go(&mut broker, means).await {
        Ok(wire) => (broker, wire),
        Err((step, trouble)) => {
            broker.failure = Some(failure(step, &trouble, address, means.method));
            (broker, None)
        }
    }
}

fn failure(step: Step, trouble: &Trouble, address: &str, method: Method) -> Failure {
    let place = Place {
        broker: Some(address),
        topic: None,
        method,
    };
    explain(step, trouble, &place)
}

/// Goes the way; ends without a connection and without a trouble where a secret is missing that is needed from there on.
async fn go(broker: &mut Broker, means: &Means) -> Result<Option<Wire>, (Step, Trouble)> {
    let at = |step: Step| move |trouble: Trouble| (step, trouble);
    let addresses = resolve(broker, means).await.map_err(at(Step::Dns))?;
    let (stream, peer) = connect(broker, &addresses, means).await.map_err(at(Step::Tcp))?;
    let prepared = means.prepared().await;
    let client_id = &means.config.client_id;
    let mut wire = match &prepared.connector {
        None => Wire::new(stream, client_id, means.end),
        Some(connector) => {
            let stream = encrypt(broker, connector.as_ref(), stream, peer, means).await;
            match stream {
                Ok(stream) => Wire::new(stream, client_id, means.end),
                Err(trouble) if prepared.secret.is_some() && follows(&trouble, &means.config) => return Ok(None),
                Err(trouble) => return Err((Step::Tls, trouble.with_end(prepared.ended.as_ref()))),
            }
        }
    };
    if prepared.secret.is_some() {
        return Ok(None);
    }
    let start = Instant::now();
    let greeted = wire.greet().await;
    broker.api_versions = Some(Timed {
        ok: greeted.is_ok(),
        milliseconds: start.elapsed().into(),
    });
    if let Err(trouble) = greeted {
        let trouble = if prepared.connector.is_none() {
            sniff::better(trouble, peer, means.end).await
        } else {
            // Since TLS 1.3 a broker says what it thinks of our certificate only after the handshake.
            trouble.with_end(prepared.ended.as_ref())
        };
        return Err((Step::ApiVersions, trouble));
    }
    if let Some(identity) = &prepared.identity {
        let (said, proven) = sasl::prove(&mut wire, identity).await;
        broker.sasl = Some(said);
        proven.map_err(at(Step::Sasl))?;
    }
    Ok(Some(wire))
}

/// Whether a failure of TLS is but what comes of a secret that can't be had: the secret's own failure is told, and names what to mend.
fn follows(trouble: &Trouble, config: &Config) -> bool {
    let no_certificate = matches!(config.authentication, Authentication::MutualTls(_));
    match trouble {
        Trouble::Untrusted(Fault::Authority { .. }, _) => config.ca_secret.is_some(),
        Trouble::ClientCertificate(..) => no_certificate,
        // What some servers say to a client that shows no certificate.
        Trouble::Tls(said) => no_certificate && said.contains("handshake failure"),
        // Where the system has no authorities either.
        Trouble::Certificates(_) => no_certificate || config.ca_secret.is_some(),
        _ => false,
    }
}

/// Reads the secrets, and makes of them what is shown to the brokers.
async fn prepare(config: &Config, end: Instant) -> Prepared {
    let mut prepared = Prepared {
        connector: None,
        identity: None,
        ended: None,
        secret: None,
    };
    let start = Instant::now();
    let credentials = match timeout_at(end, Credentials::read(config, &Process)).await {
        Ok(Ok(credentials)) => credentials,
        Ok(Err(error)) => {
            prepared.secret = Some(Trouble::Secret(error.told()));
            Credentials::default()
        }
        Err(_) => {
            prepared.secret = Some(Trouble::Silent(seconds(start.elapsed())));
            Credentials::default()
        }
    };
    if config.authentication.is_encrypted() {
        let made = tls::connector(config, credentials.secret.as_ref(), credentials.ca.as_deref());
        let made = made.map(openssl::ssl::SslConnectorBuilder::build);
        prepared.connector = Some(made.map_err(|error| Trouble::Certificates(error.to_string())));
    }
    prepared.ended = credentials
        .secret
        .as_ref()
        .and_then(|secret| secret.ended(Process.now()));
    prepared.identity = match (&config.authentication, credentials.secret) {
        (Authentication::Iam(region), _) => {
            let keys = iam::credentials(|name| Process.variable(name));
            let token = keys.and_then(|keys| iam::token(keys, region, Process.now()));
            let token = token.map(|token| token.value);
            Some(Identity::Token(
                token.map_err(|error| Trouble::Token(error.to_string())),
            ))
        }
        (Authentication::Scram(_), Some(Secret::Scram { username, password })) => {
            Some(Identity::Password { username, password })
        }
        _ => None,
    };
    prepared
}

/// A `host:port` in its parts; an IPv6 address loses its brackets.
pub(super) fn split(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    (host, port.parse().unwrap_or_default())
}

async fn resolve(broker: &mut Broker, means: &Means) -> Result<Vec<SocketAddr>, Trouble> {
    let until = means.until(DNS)?;
    let start = Instant::now();
    let looked_up = timeout_at(until, lookup_host(split(&broker.address))).await;
    let elapsed = start.elapsed();
    let found = match looked_up {
        Err(_) => Err(Trouble::Silent(seconds(elapsed))),
        Ok(Err(error)) => Err(not_found(error.to_string())),
        Ok(Ok(found)) => {
            let found: Vec<SocketAddr> = found.collect();
            if found.is_empty() {
                Err(Trouble::NoSuchName(String::new()))
            } else {
                Ok(found)
            }
        }
    };
    broker.dns = Some(Timed {
        ok: found.is_ok(),
        milliseconds: elapsed.into(),
    });
    let found = found?;
    broker.addresses = found.iter().map(|address| address.ip().to_string()).collect();
    Ok(found)
}

/// The system's words for a name that has no address; the text is all there is.
fn not_found(said: String) -> Trouble {
    let said = said
        .strip_prefix("failed to lookup address information: ")
        .map(str::to_owned)
        .unwrap_or(said);
    if said.contains("Temporary failure") || said.contains("Try again") {
        Trouble::NoNameServer(said)
    } else {
        Trouble::NoSuchName(said)
    }
}

/// Connects to all addresses side by side; the first of them, in DNS' order, that can be connected to is used.
async fn connect(
    broker: &mut Broker,
    addresses: &[SocketAddr],
    means: &Means,
) -> Result<(TcpStream, SocketAddr), Trouble> {
    let until = means.until(TCP)?;
    let attempts = addresses.iter().map(|address| -> Beside<'_, _> {
        Box::pin(async move {
            let start = Instant::now();
            let connected = timeout_at(until, TcpStream::connect(*address)).await;
            (start.elapsed(), connected)
        })
    });
    let attempts = side_by_side(attempts.collect()).await;
    let mut first: Option<TcpStream> = None;
    let mut peer = None;
    let mut troubles = Vec::new();
    for (address, (elapsed, connected)) in addresses.iter().zip(attempts) {
        let connected = match connected {
            Err(_) => Err(Trouble::Silent(seconds(elapsed))),
            Ok(Err(error)) => Err(not_connected(&error)),
            Ok(Ok(stream)) => Ok(stream),
        };
        broker.tcp.push(Tcp {
            address: address.to_string(),
            ok: connected.is_ok(),
            milliseconds: elapsed.into(),
        });
        match connected {
            Ok(stream) if first.is_none() => {
                // Only latency depends on it.
                let _ = stream.set_nodelay(true);
                first = Some(stream);
                peer = Some(*address);
            }
            Ok(_) => {}
            Err(trouble) => troubles.push(trouble),
        }
    }
    match (first, peer) {
        (Some(stream), Some(peer)) => Ok((stream, peer)),
        _ => Err(telling(troubles)),
    }
}

/// The trouble that says most where several addresses have one each: a refusal comes from the machine itself, while there often is no route for the
/// other family of addresses.
fn telling(troubles: Vec<Trouble>) -> Trouble {
    let weight = |trouble: &Trouble| match trouble {
        Trouble::Silent(_) => 3,
        Trouble::Refused(_) => 2,
        Trouble::NoRoute(_) => 1,
        _ => 0,
    };
    troubles.into_iter().max_by_key(weight).unwrap_or(Trouble::OutOfTime)
}

fn not_connected(error: &std::io::Error) -> Trouble {
    let said = error.to_string();
    match error.kind() {
        ErrorKind::ConnectionRefused => Trouble::Refused(said),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
            Trouble::NoRoute(said)
        }
        // The system's own time is longer than ours unless somebody set it shorter.
        ErrorKind::TimedOut => Trouble::Silent(seconds(TCP)),
        _ => Trouble::System(said),
    }
}

/// Makes the TLS handshake. What the broker shows is kept, whether it is trusted or not.
async fn encrypt(
    broker: &mut Broker,
    connector: Result<&SslConnector, &Trouble>,
    stream: TcpStream,
    peer: SocketAddr,
    means: &Means,
) -> Result<SslStream<TcpStream>, Trouble> {
    let start = Instant::now();
    let shown = Arc::new(Mutex::new(Shown::default()));
    let (host, _) = split(&broker.address);
    let prepared = greeting(connector.map_err(Clone::clone), host, Arc::clone(&shown), stream);
    let made = match (prepared, means.until(TLS)) {
        (Err(trouble), _) | (_, Err(trouble)) => Err(trouble),
        (Ok(mut stream), Ok(until)) => {
            let shaken = timeout_at(until, Pin::new(&mut stream).connect()).await;
            match shaken {
                Ok(Ok(())) => Ok(stream),
                Ok(Err(error)) => Err(not_encrypted(&error)),
                Err(_) => Err(Trouble::Silent(seconds(start.elapsed()))),
            }
        }
    };
    let elapsed = start.elapsed();
    let shown = std::mem::take(&mut *shown.lock().unwrap_or_else(PoisonError::into_inner));
    broker.tls = Some(Tls {
        ok: made.is_ok(),
        milliseconds: elapsed.into(),
        protocol: made.as_ref().ok().map(|stream| stream.ssl().version_str().to_owned()),
        certificate: shown.certificate,
    });
    match (made, shown.fault) {
        (Ok(stream), _) => Ok(stream),
        (Err(_), Some((fault, said))) => Err(Trouble::Untrusted(fault, said)),
        (Err(trouble), None) => Err(sniff::better(trouble, peer, means.end).await),
    }
}

fn greeting(
    connector: Result<&SslConnector, Trouble>,
    host: &str,
    shown: Arc<Mutex<Shown>>,
    stream: TcpStream,
) -> Result<SslStream<TcpStream>, Trouble> {
    let failed = |error: openssl::error::ErrorStack| Trouble::Certificates(error.to_string());
    let mut configuration = connector?.configure().map_err(failed)?;
    configuration.set_verify_callback(SslVerifyMode::PEER, move |good, context| {
        shown.lock().unwrap_or_else(PoisonError::into_inner).look(good, context);
        good
    });
    let ssl = configuration.into_ssl(host).map_err(failed)?;
    SslStream::new(ssl, stream).map_err(failed)
}

/// Why a handshake failed, as OpenSSL has it.
fn not_encrypted(error: &openssl::ssl::Error) -> Trouble {
    if let Some(error) = error.io_error() {
        return Trouble::Closed(error.to_string());
    }
    let Some(stack) = error.ssl_error() else {
        // The end of the stream, without an error.
        return Trouble::Closed(error.to_string());
    };
    let said: Vec<&str> = stack
        .errors()
        .iter()
        .filter_map(openssl::error::Error::reason)
        .collect();
    let said = said.join(", ");
    if refuses_certificate(&said) {
        Trouble::ClientCertificate(said, None)
    } else if said.contains("wrong version number")
        || said.contains("packet length too long")
        || said.contains("http request")
    {
        Trouble::Speaks(Found::Other(said))
    } else if said.contains("unexpected eof") {
        Trouble::Closed(said)
    } else {
        Trouble::Tls(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_split_at_its_last_colon() {
        for (address, host, port) in [
            ("b-1.example.com:9094", "b-1.example.com", 9094),
            ("[::1]:9092", "::1", 9092),
            ("127.0.0.1:1", "127.0.0.1", 1),
        ] {
            assert_eq!(split(address), (host, port), "{address}");
        }
    }

    #[test]
    fn what_comes_of_a_missing_secret_is_told_from_failures_of_their_own() {
        const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_orders-Ab12Cd";
        let config = |pairs: &[(&str, &str)]| {
            let all = [("K2M_BOOTSTRAP_SERVERS", "b-1:9094"), ("K2M_TOPIC", "t")];
            let all = all.iter().chain(pairs);
            Config::from_env(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).expect("good")
        };
        let ca = config(&[("K2M_AUTHENTICATION", "tls"), ("K2M_CA_SECRET_ARN", ARN)]);
        let own = config(&[("K2M_AUTHENTICATION", "mutual_tls"), ("K2M_SECRET_ARN", ARN)]);
        let user = config(&[("K2M_AUTHENTICATION", "scram"), ("K2M_SECRET_ARN", ARN)]);
        let unsigned = Fault::Authority { issuer: String::new() };
        let past = Fault::Expired {
            subject: String::new(),
            date: String::new(),
        };
        let untrusted = |fault| Trouble::Untrusted(fault, String::new());
        let refused = Trouble::ClientCertificate(String::new(), None);
        for (trouble, expected) in [
            (untrusted(unsigned), [true, false, false]),
            (untrusted(past), [false; 3]),
            (refused, [false, true, false]),
            (
                Trouble::Tls("sslv3 alert handshake failure".to_owned()),
                [false, true, false],
            ),
            (Trouble::Closed(String::new()), [false; 3]),
            (Trouble::Silent(3), [false; 3]),
        ] {
            let seen = [&ca, &own, &user].map(|config| follows(&trouble, config));
            assert_eq!(seen, expected, "{trouble:?}");
        }
    }

    #[test]
    fn of_several_troubles_the_most_telling_is_told() {
        let refused = || Trouble::Refused(String::new());
        let no_route = || Trouble::NoRoute(String::new());
        assert_eq!(telling(vec![no_route(), refused()]), refused());
        assert_eq!(
            telling(vec![refused(), Trouble::Silent(3), no_route()]),
            Trouble::Silent(3)
        );
        assert_eq!(telling(vec![]), Trouble::OutOfTime);
    }

    #[test]
    fn a_missing_name_is_told_from_a_missing_name_server() {
        let said = |words: &str| not_found(format!("failed to lookup address information: {words}"));
        assert_eq!(
            said("Name or service not known"),
            Trouble::NoSuchName("Name or service not known".to_owned())
        );
        assert_eq!(
            said("Temporary failure in name resolution"),
            Trouble::NoNameServer("Temporary failure in name resolution".to_owned())
        );
    }
}
