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

use super::words::{Found, Trouble, short};

/// How long one request may take.
const ANSWER: Duration = Duration::from_secs(3);

/// Bytes of the largest answer that is read: metadata of thousands of partitions is far smaller.
const LARGEST: usize = 4 << 20;

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
    /// Where its answer's first array is.
    const FIRST: &'static [First];
    /// What answers it.
    type Answer: Decodable + HeaderVersion;
}

/// The first array of an answer, from a version on.
pub(super) struct First {
    /// The version.
    from: i16,
    /// The bytes in front of it, all of them of a fixed size.
    at: usize,
    /// Whether its count is a varint, one more than there are elements, in place of four bytes.
    compact: bool,
    /// The fewest bytes that an element takes.
    least: usize,
}

/// An array with a count of four bytes.
const fn wide(from: i16, at: usize, least: usize) -> First {
    First {
        from,
        at,
        compact: false,
        least,
    }
}

/// An array with a count of one to five bytes.
const fn compact(from: i16, at: usize, least: usize) -> First {
    First {
        from,
        at,
        compact: true,
        least,
    }
}

macro_rules! api {
    ($($key:ident: $request:ty => $answer:ty, $newest:expr, $first:expr;)*) => {$(
        impl Api for $request {
            const KEY: ApiKey = ApiKey::$key;
            const NAME: &'static str = stringify!($key);
            const NEWEST: i16 = $newest;
            const FIRST: &'static [First] = &$first;
            type Answer = $answer;
        }
    )*};
}

api! {
    ApiVersions: ApiVersionsRequest => ApiVersionsResponse, 3, [wide(0, 2, 6), compact(3, 2, 7)];
    SaslHandshake: SaslHandshakeRequest => SaslHandshakeResponse, 1, [wide(0, 2, 2)];
    SaslAuthenticate: SaslAuthenticateRequest => SaslAuthenticateResponse, 2, [];
    Metadata: MetadataRequest => MetadataResponse, 12, [wide(0, 0, 10), wide(3, 4, 10), compact(9, 4, 11)];
    DescribeConfigs: DescribeConfigsRequest => DescribeConfigsResponse, 4, [wide(0, 4, 11), compact(4, 4, 7)];
    InitProducerId: InitProducerIdRequest => InitProducerIdResponse, 4, [];
    CreateTopics: CreateTopicsRequest => CreateTopicsResponse, 7, [wide(2, 4, 4), compact(5, 4, 6)];
    // The versions after these name topics by their ids.
    Produce: ProduceRequest => ProduceResponse, 11, [wide(0, 0, 6), compact(9, 0, 3)];
    Fetch: FetchRequest => FetchResponse, 12, [wide(1, 4, 6), wide(7, 10, 6), compact(12, 10, 3)];
    ListOffsets: ListOffsetsRequest => ListOffsetsResponse, 7, [wide(0, 0, 6), wide(2, 4, 6), compact(6, 4, 3)];
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
        let answer = understand::<ApiVersionsRequest>(&mut body, if unknown { 0 } else { newest })?;
        if !unknown {
            refused(answer.error_code, None)?;
        }
        let known = answer.api_keys.into_iter();
        self.versions = known
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        if self.versions.is_empty() {
            let mut body = self.exchange(&request, 0).await?;
            let answer = understand::<ApiVersionsRequest>(&mut body, 0)?;
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
        understand::<A>(&mut body, version)
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

/// Decodes an answer, once its first array can be as long as it says: the decoder makes room for so many before it reads any.
fn understand<A: Api>(body: &mut Bytes, version: i16) -> Result<A::Answer, Trouble> {
    if let Some(first) = A::FIRST.iter().rev().find(|first| first.from <= version) {
        holds(first, body)?;
    }
    decode(body, version)
}

/// Whether a body can hold as many elements as its first array says.
fn holds(first: &First, body: &[u8]) -> Result<(), Trouble> {
    let cut_off = || Trouble::Unreadable("the answer ends where an array should begin".to_owned());
    let rest = body.get(first.at..).ok_or_else(cut_off)?;
    let (count, size) = if first.compact {
        varint(rest).map(|(count, size)| (count.saturating_sub(1), size))
    } else {
        // A negative one says that there is no array.
        rest.first_chunk()
            .map(|count| (u32::try_from(i32::from_be_bytes(*count)).unwrap_or_default(), 4))
    }
    .ok_or_else(cut_off)?;
    let room = rest.len() - size;
    let elements = usize::try_from(count).unwrap_or(usize::MAX);
    if elements <= room / first.least {
        Ok(())
    } else {
        Err(Trouble::Unreadable(format!(
            "the answer says that an array of {count} begins, and {room} bytes follow"
        )))
    }
}

/// An unsigned number in pieces of seven bits, and how many bytes it took; as the decoder has it, which stops after five.
fn varint(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    // Without an end after five bytes: the decoder takes it as it is.
    (bytes.len() >= 5).then_some((value, 5))
}

fn decode<T: Decodable>(body: &mut Bytes, version: i16) -> Result<T, Trouble> {
    T::decode(body, version).map_err(|error| Trouble::Unreadable(error.to_string()))
}

/// An error where an answer has an error code.
pub(super) fn refused(code: i16, message: Option<&StrBytes>) -> Result<(), Trouble> {
    match Code::try_from_code(code) {
        None => Ok(()),
        Some(code) => Err(Trouble::Code(code, message.map(|text| short(text.as_str())))),
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
    fn an_array_that_claims_more_than_there_is_gets_no_room() {
        let claims = |body: &[u8], version| {
            let answered = understand::<ApiVersionsRequest>(&mut Bytes::copy_from_slice(body), version);
            matches!(answered, Err(Trouble::Unreadable(_)))
        };
        for (body, version) in [
            (b"\0\0\x7f\xff\xff\xff".as_slice(), 0),
            (b"\0\0\0\0\0\x02\0\x03\0\0\0\x0c", 0),
            (b"\0\0\xff\xff\xff\xff\x0f", 3),
            (b"\0\0\xff\xff\xff\xff\xff", 3),
            (b"\0\0\x03\0\x03\0\0\0\x0c\0\0\0\0\0\0", 3),
            (b"\0\0", 3),
            (b"", 0),
        ] {
            assert!(claims(body, version), "{body:?}");
        }
        assert!(!claims(b"\0\0\0\0\0\x01\0\x03\0\0\0\x0c", 0));
        assert!(!claims(b"\0\0\x02\0\x03\0\0\0\x0c\0\0\0\0\0\0", 3));
    }

    /// The answer's first array says that it has as many elements as can be said, in every version that is ever read.
    fn is_guarded<A: Api>() {
        for version in A::VERSIONS.min..=A::NEWEST {
            let Some(first) = A::FIRST.iter().rev().find(|first| first.from <= version) else {
                panic!("{} {version}", A::NAME)
            };
            let count: &[u8] = if first.compact {
                b"\xff\xff\xff\xff\x0f"
            } else {
                b"\x7f\xff\xff\xff"
            };
            let body = [&vec![0; first.at], count, &[0; 64]].concat();
            let Err(Trouble::Unreadable(said)) = understand::<A>(&mut body.into(), version) else {
                panic!("{} {version}", A::NAME)
            };
            assert!(said.contains("says that an array of"), "{} {version}: {said}", A::NAME);
        }
    }

    #[test]
    fn the_first_array_of_every_answer_is_looked_at() {
        is_guarded::<ApiVersionsRequest>();
        is_guarded::<SaslHandshakeRequest>();
        is_guarded::<MetadataRequest>();
        is_guarded::<DescribeConfigsRequest>();
        is_guarded::<CreateTopicsRequest>();
        is_guarded::<ProduceRequest>();
        is_guarded::<FetchRequest>();
        is_guarded::<ListOffsetsRequest>();
    }

    #[test]
    fn times_are_told_in_whole_seconds() {
        for (millis, told) in [(0, 1), (1_400, 1), (1_600, 2), (3_000, 3)] {
            assert_eq!(seconds(Duration::from_millis(millis)), told);
        }
    }
}
