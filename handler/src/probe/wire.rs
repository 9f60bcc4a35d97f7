//! One request and its answer over a connection, in the newest version that both sides know.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse, DescribeConfigsRequest,
    DescribeConfigsResponse, FetchRequest, FetchResponse, InitProducerIdRequest, InitProducerIdResponse,
    ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
    RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
    SaslHandshakeResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, StrBytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::words::{Found, Trouble};

/// How long one request may take.
const ANSWER: Duration = Duration::from_secs(3);

/// Bytes of the largest answer that is read: metadata of thousands of partitions is far smaller.
const LARGEST: usize = 16 << 20;

/// How long to wait for more of what isn't Kafka's, to show how it begins.
const MORE: Duration = Duration::from_millis(200);

/// A request with its answer.
pub(super) trait Api: Encodable + Message + HeaderVersion {
    /// Its number in the protocol.
    const KEY: ApiKey;
    /// Its name.
    const NAME: &'static str;
    /// The newest version that the probe speaks, where that isn't the newest that there is.
    const NEWEST: i16;
    /// What answers it.
    type Answer: Decodable + HeaderVersion;
}

macro_rules! api {
    ($($key:ident: $request:ty => $answer:ty, $newest:expr;)*) => {$(
        impl Api for $request {
            const KEY: ApiKey = ApiKey::$key;
            const NAME: &'static str = stringify!($key);
            const NEWEST: i16 = $newest;
            type Answer = $answer;
        }
    )*};
}

api! {
    ApiVersions: ApiVersionsRequest => ApiVersionsResponse, 3;
    SaslHandshake: SaslHandshakeRequest => SaslHandshakeResponse, 1;
    SaslAuthenticate: SaslAuthenticateRequest => SaslAuthenticateResponse, 2;
    Metadata: MetadataRequest => MetadataResponse, 12;
    DescribeConfigs: DescribeConfigsRequest => DescribeConfigsResponse, 4;
    InitProducerId: InitProducerIdRequest => InitProducerIdResponse, 4;
    CreateTopics: CreateTopicsRequest => CreateTopicsResponse, 7;
    // The versions after these name topics by their ids.
    Produce: ProduceRequest => ProduceResponse, 11;
    Fetch: FetchRequest => FetchResponse, 12;
    ListOffsets: ListOffsetsRequest => ListOffsetsResponse, 7;
}

/// What a connection has to be able to do.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection to a broker.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    client_id: StrBytes,
    /// The number of the last request.
    last: i32,
    /// The versions that the broker takes, by the number of the request; empty until it was asked.
    versions: BTreeMap<i16, (i16, i16)>,
    /// Whether every request so far was answered: behind one that wasn't, no answer can be told from a late one.
    alive: bool,
    /// When the probe has to be done.
    end: Instant,
}

impl Wire {
    pub(super) fn new(stream: impl Stream + 'static, client_id: &str, end: Instant) -> Self {
        Self {
            stream: Box::new(stream),
            client_id: StrBytes::from_string(client_id.to_owned()),
            last: 0,
            versions: BTreeMap::new(),
            alive: true,
            end,
        }
    }

    /// Whether more can be asked.
    pub(super) fn is_alive(&self) -> bool {
        self.alive
    }

    /// Asks which requests the broker takes, and keeps what it says.
    pub(super) async fn greet(&mut self) -> Result<(), Trouble> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("k2m"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let newest = ApiVersionsRequest::NEWEST;
        let mut body = self.exchange(&request, newest).await?;
        // A broker that doesn't know this version answers in the oldest one, and says so in the first two bytes.
        let unknown = body.get(..2) == Some(&Code::UnsupportedVersion.code().to_be_bytes());
        let answer = decode::<ApiVersionsResponse>(&mut body, if unknown { 0 } else { newest })?;
        if !unknown {
            refused(answer.error_code, None)?;
        }
        let known = answer.api_keys.into_iter();
        self.versions = known
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        if self.versions.is_empty() {
            let mut body = self.exchange(&request, 0).await?;
            let answer = decode::<ApiVersionsResponse>(&mut body, 0)?;
            refused(answer.error_code, None)?;
            let known = answer.api_keys.into_iter();
            self.versions = known
                .map(|api| (api.api_key, (api.min_version, api.max_version)))
                .collect();
        }
        Ok(())
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask<A: Api>(&mut self, request: &A) -> Result<A::Answer, Trouble> {
        let version = self.version::<A>().ok_or(Trouble::NoVersion(A::NAME))?;
        let mut body = self.exchange(request, version).await?;
        decode::<A::Answer>(&mut body, version)
    }

    /// The version of a request that both sides know best.
    pub(super) fn version<A: Api>(&self) -> Option<i16> {
        let (oldest, newest) = self.versions.get(&(A::KEY as i16))?;
        let best = A::NEWEST.min(A::VERSIONS.max).min(*newest);
        (best >= A::VERSIONS.min.max(*oldest)).then_some(best)
    }

    /// Sends a request in a version, and returns the answer's body.
    async fn exchange<A: Api>(&mut self, request: &A, version: i16) -> Result<Bytes, Trouble> {
        self.last += 1;
        let mut body = BytesMut::new();
        let encoded = RequestHeader::default()
            .with_request_api_key(A::KEY as i16)
            .with_request_api_version(version)
            .with_correlation_id(self.last)
            .with_client_id(Some(self.client_id.clone()))
            .encode(&mut body, A::header_version(version))
            .and_then(|()| request.encode(&mut body, version));
        encoded.map_err(|error| Trouble::System(error.to_string()))?;
        self.send(body, A::Answer::header_version(version)).await
    }

    /// Sends what was encoded, and returns the answer's body; the same code for every request, and so but once in the binary.
    async fn send(&mut self, request: BytesMut, header_version: i16) -> Result<Bytes, Trouble> {
        let length = u32::try_from(request.len()).map_err(|error| Trouble::System(error.to_string()))?;
        let now = Instant::now();
        if now >= self.end {
            return Err(Trouble::OutOfTime);
        }
        let until = self.end.min(now + ANSWER);
        self.alive = false;
        let stream = &mut self.stream;
        let exchanged = timeout_at(until, async {
            // In one piece: TLS makes a record of each.
            let frame = [&length.to_be_bytes()[..], &request].concat();
            stream.write_all(&frame).await.map_err(|error| broken(&error))?;
            stream.flush().await.map_err(|error| broken(&error))?;
            read_frame(stream).await
        });
        let mut body = exchanged.await.map_err(|_| Trouble::Silent(seconds(until - now)))??;
        let header = decode::<ResponseHeader>(&mut body, header_version)?;
        if header.correlation_id == self.last {
            self.alive = true;
            Ok(body)
        } else {
            Err(Trouble::Unreadable(format!(
                "the answer is to request {}, and request {} was sent",
                header.correlation_id, self.last
            )))
        }
    }
}

/// Whole seconds, at least one.
pub(super) fn seconds(duration: Duration) -> u64 {
    u64::try_from((duration.as_millis() + 500) / 1000)
        .unwrap_or(u64::MAX)
        .max(1)
}

/// Reads one answer: its length, then so many bytes.
async fn read_frame(stream: &mut (impl AsyncRead + Unpin + ?Sized)) -> Result<Bytes, Trouble> {
    let mut length = [0; 4];
    let mut read = 0;
    while read < length.len() {
        match stream.read(&mut length[read..]).await {
            Ok(0) if read == 0 => return Err(Trouble::Closed(String::new())),
            // Less than a length, and then the end: some protocol's short word.
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) => return Err(broken(&error)),
        }
    }
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if read < length.len() || bytes > LARGEST {
        let mut begin = length[..read].to_vec();
        let mut more = [0; 60];
        if let Ok(Ok(count)) = timeout(MORE, stream.read(&mut more)).await {
            begin.extend_from_slice(&more[..count]);
        }
        return Err(Trouble::Speaks(recognize(&begin)));
    }
    let mut body = BytesMut::zeroed(bytes);
    stream.read_exact(&mut body).await.map_err(|error| broken(&error))?;
    Ok(body.freeze())
}

/// What a connection that fails means.
fn broken(error: &Error) -> Trouble {
    let inner = error.get_ref().map(ToString::to_string).unwrap_or_default();
    if refuses_certificate(&inner) {
        return Trouble::ClientCertificate(inner, None);
    }
    match error.kind() {
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => Trouble::Closed(error.to_string()),
        _ => Trouble::System(error.to_string()),
    }
}

/// Whether an alert says that the broker wants another certificate of the function, or one at all.
pub(super) fn refuses_certificate(said: &str) -> bool {
    ["alert bad certificate", "alert certificate", "alert unknown ca"]
        .iter()
        .any(|words| said.contains(words))
}

/// What protocol these bytes begin.
pub(super) fn recognize(begin: &[u8]) -> Found {
    match begin {
        // A handshake record or an alert.
        [0x15 | 0x16, 0x03, ..] => Found::Tls,
        [b'H', b'T', b'T', b'P', ..] => Found::Http,
        other => {
            let text: String = String::from_utf8_lossy(&other[..other.len().min(40)])
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            Found::Other(format!("its first words are {:?}", text.trim()))
        }
    }
}

fn decode<T: Decodable>(body: &mut Bytes, version: i16) -> Result<T, Trouble> {
    T::decode(body, version).map_err(|error| Trouble::Unreadable(error.to_string()))
}

/// An error where an answer has an error code.
pub(super) fn refused(code: i16, message: Option<&StrBytes>) -> Result<(), Trouble> {
    match Code::try_from_code(code) {
        None => Ok(()),
        Some(code) => Err(Trouble::Code(code, message.map(|text| text.as_str().to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_are_known_by_their_first_bytes() {
        for (begin, found) in [
            (b"\x15\x03\x03\x00\x02\x02\x50".as_slice(), Found::Tls),
            (b"\x16\x03\x01\x02\x00".as_slice(), Found::Tls),
            (b"HTTP/1.1 400 Bad Request\r\n".as_slice(), Found::Http),
            (
                b"SSH-2.0-OpenSSH_9.6\r\n".as_slice(),
                Found::Other("its first words are \"SSH-2.0-OpenSSH_9.6\"".to_owned()),
            ),
            (b"".as_slice(), Found::Other("its first words are \"\"".to_owned())),
        ] {
            assert_eq!(recognize(begin), found, "{begin:?}");
        }
    }

    async fn read(bytes: &[u8]) -> Result<Bytes, Trouble> {
        let mut stream = bytes;
        read_frame(&mut stream).await
    }

    #[tokio::test]
    async fn an_answer_is_read_whole_or_named() {
        assert_eq!(read(b"\0\0\0\x02ab").await, Ok(Bytes::from_static(b"ab")));
        assert_eq!(read(b"").await, Err(Trouble::Closed(String::new())));
        assert_eq!(
            read(b"\x15\x03\x03\0\x02\x02\x50").await,
            Err(Trouble::Speaks(Found::Tls))
        );
        assert_eq!(read(b"HTTP/1.1 400").await, Err(Trouble::Speaks(Found::Http)));
        assert!(matches!(read(b"\0\0\0\x09ab").await, Err(Trouble::Closed(_))));
        assert!(matches!(read(b"\x02\x01").await, Err(Trouble::Speaks(Found::Other(_)))));
    }

    #[test]
    fn times_are_told_in_whole_seconds() {
        for (millis, told) in [(0, 1), (1_400, 1), (1_600, 2), (3_000, 3)] {
            assert_eq!(seconds(Duration::from_millis(millis)), told);
        }
    }
}
