//! What a port speaks, found out on connections of its own after the function's words were not understood.

use std::net::SocketAddr;
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_openssl::SslStream;

use super::wire::recognize;
use super::words::{Found, Trouble};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(1);

/// The oldest question in Kafka's protocol, whole: which requests do you take? Its number, 0x6b326d, comes back in the answer.
const KAFKA: &[u8] = b"\0\0\0\x0d\0\x12\0\0\0\x6b\x32\x6d\0\x03k2m";

/// What a web server answers.
const HTTP: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// The trouble, or a better one that says what the port speaks instead.
pub(super) async fn better(trouble: Trouble, peer: SocketAddr, end: Instant) -> Trouble {
    match &trouble {
        Trouble::Silent(_)
        | Trouble::Closed(_)
        | Trouble::Tls(_)
        | Trouble::Unreadable(_)
        | Trouble::Speaks(Found::Other(_)) => {}
        _ => return trouble,
    }
    let until = |now: Instant| end.min(now + ATTEMPT);
    let mut other = None;
    for question in [KAFKA, HTTP] {
        match timeout_at(until(Instant::now()), ask(peer, question)).await {
            Ok(Some(Found::Other(said))) => other = other.or(Some(Found::Other(said))),
            Ok(Some(found)) => return Trouble::Speaks(found),
            Ok(None) | Err(_) => {}
        }
    }
    if matches!(timeout_at(until(Instant::now()), speaks_tls(peer)).await, Ok(true)) {
        return match trouble {
            // It was TLS that failed: the trouble says more.
            Trouble::Tls(_) => trouble,
            _ => Trouble::Speaks(Found::Tls),
        };
    }
    other.map_or(trouble, Trouble::Speaks)
}

/// What the answer to a question looks like.
async fn ask(peer: SocketAddr, question: &[u8]) -> Option<Found> {
    let mut stream = TcpStream::connect(peer).await.ok()?;
    stream.write_all(question).await.ok()?;
    let mut begin = [0; 64];
    let mut read = 0;
    // Enough to know Kafka's answer by.
    while read < 8 {
        match stream.read(&mut begin[read..]).await {
            Ok(0) | Err(_) => break,
            Ok(count) => read += count,
        }
    }
    match &begin[..read] {
        [] => None,
        [0, _, _, _, 0, 0x6b, 0x32, 0x6d, ..] => Some(Found::Kafka),
        begin => Some(recognize(begin)),
    }
}

/// Whether a TLS greeting is answered in TLS, be it with a refusal.
async fn speaks_tls(peer: SocketAddr) -> bool {
    let greet = async || {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).ok()?;
        // Nothing is sent over it: who it is does not matter.
        builder.set_verify(SslVerifyMode::NONE);
        let configuration = builder.build().configure().ok()?.verify_hostname(false);
        let ssl = configuration.into_ssl("localhost").ok()?;
        let stream = TcpStream::connect(peer).await.ok()?;
        let mut stream = SslStream::new(ssl, stream).ok()?;
        match std::pin::Pin::new(&mut stream).connect().await {
            Ok(()) => Some(true),
            Err(error) => {
                let stack = error.ssl_error()?;
                Some(
                    stack
                        .errors()
                        .iter()
                        .any(|error| error.reason().is_some_and(|it| it.contains("alert"))),
                )
            }
        }
    };
    greet().await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Reads something from each connection, and answers with the same bytes.
    fn stranger(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
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
    async fn the_port_s_own_words_say_what_it_speaks() {
        for (answer, found) in [
            (
                b"\0\0\0\x0a\0\x6b\x32\x6d\0\0\0\0\0\0".as_slice(),
                Trouble::Speaks(Found::Kafka),
            ),
            (
                b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(),
                Trouble::Speaks(Found::Http),
            ),
            (b"\x15\x03\x03\0\x02\x02\x50".as_slice(), Trouble::Speaks(Found::Tls)),
            (
                b"220 ready\r\n".as_slice(),
                Trouble::Speaks(Found::Other("its first words are \"220 ready\"".to_owned())),
            ),
            (b"".as_slice(), Trouble::Closed(String::new())),
        ] {
            let end = Instant::now() + Duration::from_mins(1);
            let told = better(Trouble::Closed(String::new()), stranger(answer), end).await;
            assert_eq!(told, found, "{answer:?}");
        }
    }
}
