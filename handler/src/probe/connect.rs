//! The way to one broker: its addresses, a connection to one of them, TLS, and the first words of Kafka's protocol, each step timed and told
//! from the others.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_openssl::SslStream;

use super::certificate::{self, Shown};
use super::report::{Broker, Failure, Step, Tcp, Timed, Tls};
use super::sasl::{self, Identity};
use super::sniff;
use super::wire::{Wire, seconds};
use super::words::{Found, Method, Place, Trouble, explain};

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
    /// For TLS; the error where the certificates can't be used.
    pub(super) connector: Option<Result<SslConnector, Trouble>>,
    /// For SASL.
    pub(super) identity: Option<Identity>,
    /// The name that brokers see.
    pub(super) client_id: String,
    /// When the probe has to be done.
    pub(super) end: Instant,
}

impl Means {
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

/// Reaches a broker, as far as it goes. The connection is there where nothing failed.
pub(super) async fn reach(address: &str, bootstrap: bool, means: &Means) -> (Broker, Option<Wire>) {
    let mut broker = Broker {
        address: address.to_owned(),
        bootstrap,
        ..Broker::default()
    };
    match go(&mut broker, means).await {
        Ok(wire) => (broker, Some(wire)),
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

async fn go(broker: &mut Broker, means: &Means) -> Result<Wire, (Step, Trouble)> {
    let at = |step: Step| move |trouble: Trouble| (step, trouble);
    let addresses = resolve(broker, means).await.map_err(at(Step::Dns))?;
    let (stream, peer) = connect(broker, &addresses, means).await.map_err(at(Step::Tcp))?;
    let mut wire = match &means.connector {
        None => Wire::new(stream, &means.client_id, means.end),
        Some(connector) => {
            let stream = encrypt(broker, connector.as_ref(), stream, peer, means);
            let stream = stream.await.map_err(at(Step::Tls))?;
            Wire::new(stream, &means.client_id, means.end)
        }
    };
    let start = Instant::now();
    let greeted = wire.greet().await;
    broker.api_versions = Some(Timed {
        ok: greeted.is_ok(),
        milliseconds: start.elapsed().into(),
    });
    if let Err(trouble) = greeted {
        let trouble = if means.connector.is_none() {
            sniff::better(trouble, peer, means.end).await
        } else {
            trouble
        };
        return Err((Step::ApiVersions, trouble));
    }
    if let Some(identity) = &means.identity {
        let (said, proven) = sasl::prove(&mut wire, identity).await;
        broker.sasl = Some(said);
        proven.map_err(at(Step::Sasl))?;
    }
    Ok(wire)
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
    let attempts: Vec<_> = addresses
        .iter()
        .map(|address| {
            let address = *address;
            tokio::spawn(async move {
                let start = Instant::now();
                let connected = timeout_at(until, TcpStream::connect(address)).await;
                (start.elapsed(), connected)
            })
        })
        .collect();
    let mut first: Option<TcpStream> = None;
    let mut peer = None;
    let mut troubles = Vec::new();
    for (address, attempt) in addresses.iter().zip(attempts) {
        let (elapsed, connected) = attempt.await.map_err(|error| Trouble::System(error.to_string()))?;
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
    let prepared = prepare(connector.map_err(Clone::clone), host, Arc::clone(&shown), stream);
    let made = match (prepared, means.until(TLS)) {
        (Err(trouble), _) | (_, Err(trouble)) => Err(trouble),
        (Ok(mut stream), Ok(until)) => {
            let shaken = timeout_at(until, std::pin::Pin::new(&mut stream).connect()).await;
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

fn prepare(
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
    if said.contains("alert") && (said.contains("certificate") || said.contains("unknown ca")) {
        Trouble::ClientCertificate(said)
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

/// The connector for brokers that the system's authorities vouch for, or those of a file.
pub(super) fn connector(ca_file: Option<&std::path::Path>) -> Result<SslConnector, Trouble> {
    let failed = |error: openssl::error::ErrorStack| Trouble::Certificates(certificate::said(&error));
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(failed)?;
    if let Some(file) = ca_file {
        // One that is empty would leave the system's.
        let text =
            std::fs::read(file).map_err(|error| Trouble::Certificates(format!("{}: {error}", file.display())))?;
        let authorities = openssl::x509::X509::stack_from_pem(&text).map_err(failed)?;
        if authorities.is_empty() {
            let none = format!("{}: there is no certificate in it", file.display());
            return Err(Trouble::Certificates(none));
        }
        let mut store = openssl::x509::store::X509StoreBuilder::new().map_err(failed)?;
        for authority in authorities {
            store.add_cert(authority).map_err(failed)?;
        }
        builder.set_cert_store(store.build());
    } else {
        let found = openssl_probe::probe();
        builder
            .load_verify_locations(
                found.cert_file.as_deref(),
                found.cert_dir.first().map(std::path::PathBuf::as_path),
            )
            .map_err(failed)?;
    }
    Ok(builder.build())
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
