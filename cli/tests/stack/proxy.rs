//! A proxy between `k2m` and the emulator of AWS, which holds a call back, refuses it, or changes what was answered. One request a connection.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest that a test waits for what takes a moment.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A call to AWS, as far as its request says.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// As the signature names it, such as `kafka`.
    pub(crate) service: String,
    /// As the signature names it.
    pub(crate) region: String,
    /// Such as `CreateChangeSet`; method and path where the service has no names in its requests.
    pub(crate) operation: String,
    /// What it asks for: path and body.
    pub(crate) subject: String,
}

/// A call that was answered, and when.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) call: Call,
    /// When all of the request was there.
    pub(crate) begun: Instant,
    /// Before the first byte of the answer was given.
    pub(crate) ended: Instant,
}

impl Call {
    /// Whether it is this operation: its name, or the beginning of method and path.
    pub(crate) fn is(&self, service: &str, operation: &str) -> bool {
        self.service == service && self.operation.starts_with(operation)
    }
}

/// What becomes of a call.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// AWS answers it.
    Pass,
    /// It waits until all is released, and then AWS answers it.
    Hold,
    /// AWS answers it, and the answer is given so long after the request.
    Late(Duration),
    /// An error of this code, with these words, in the form that the service gives errors.
    Refuse(&'static str, String),
    /// AWS answers it, with the first text replaced by the second.
    Change(&'static str, &'static str),
    /// The same where the first text is in it.
    Mask(&'static str, &'static str),
}

/// Refuses a call as IAM does. `action` is IAM's name for it.
pub(crate) fn denied(call: &Call, action: &str) -> Verdict {
    let code = match call.service.as_str() {
        "ec2" => "UnauthorizedOperation",
        "kinesis" | "kafka" | "lambda" | "logs" | "secretsmanager" | "sqs" => "AccessDeniedException",
        "sns" => "AuthorizationError",
        _ => "AccessDenied",
    };
    let words = format!("User: arn:aws:iam::123456789012:user/ops is not authorized to perform: {action}");
    Verdict::Refuse(code, words)
}

/// Refuses a call as every service does whose caller's session is over.
pub(crate) fn expired(call: &Call) -> Verdict {
    let code = match call.service.as_str() {
        "ec2" => "RequestExpired",
        "kinesis" | "kafka" | "lambda" => "ExpiredTokenException",
        _ => "ExpiredToken",
    };
    Verdict::Refuse(code, "The security token included in the request is expired".to_owned())
}

/// Refuses a call as a service does that is asked too often.
pub(crate) fn throttled(call: &Call) -> Verdict {
    let code = match call.service.as_str() {
        "ec2" => "RequestLimitExceeded",
        "kinesis" => "LimitExceededException",
        "kafka" | "lambda" => "TooManyRequestsException",
        "logs" | "secretsmanager" => "ThrottlingException",
        _ => "Throttling",
    };
    Verdict::Refuse(code, "Rate exceeded".to_owned())
}

/// A started proxy. What it holds back is dropped with it.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    /// Where the emulator is.
    to: String,
    decide: Box<dyn Fn(&Call) -> Verdict + Send + Sync>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    answered: Vec<Answered>,
    held: usize,
    released: bool,
    closed: bool,
}

impl Proxy {
    /// A proxy to this endpoint.
    pub(crate) fn start(endpoint: &str, decide: impl Fn(&Call) -> Verdict + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            to: endpoint.trim_start_matches("http://").to_owned(),
            decide: Box::new(decide),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let every = Arc::clone(&shared);
        let accept = move || {
            for client in listener.incoming() {
                if every.state().closed {
                    break;
                }
                let one = Arc::clone(&every);
                // A connection that breaks is the test's own doing: `k2m` was stopped.
                std::thread::spawn(move || client.and_then(|client| one.serve(client)));
            }
        };
        Self {
            address,
            shared,
            listener: Some(std::thread::spawn(accept)),
        }
    }

    /// Where it listens, as `AWS_ENDPOINT_URL` wants it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was answered until now, and forgets it.
    pub(crate) fn take_answered(&self) -> Vec<Answered> {
        std::mem::take(&mut self.shared.state().answered)
    }

    /// How many calls were held back until now.
    pub(crate) fn held(&self) -> usize {
        self.shared.state().held
    }

    /// Passes on what is held back, and holds nothing back any more.
    pub(crate) fn release(&self) {
        self.shared.state().released = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_all();
        // The listener looks when somebody comes.
        drop(TcpStream::connect(self.address));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let Some(request) = Request::read(&mut client)? else {
            return Ok(());
        };
        let (call, begun) = (request.call(), Instant::now());
        let answer = match (self.decide)(&call) {
            Verdict::Pass => self.ask(&request)?,
            Verdict::Hold => {
                if !self.hold() || is_gone(&client)? {
                    return Ok(());
                }
                self.ask(&request)?
            }
            Verdict::Late(time) => {
                let answer = self.ask(&request)?;
                self.late(begun + time);
                answer
            }
            Verdict::Refuse(code, words) => error(&call.service, code, &words),
            Verdict::Change(from, to) => {
                let answer = self.ask(&request)?;
                let text = String::from_utf8_lossy(&answer);
                assert!(text.contains(from), "`{from}` is not in {text}");
                changed(&answer, from, to)
            }
            Verdict::Mask(from, to) => changed(&self.ask(&request)?, from, to),
        };
        let ended = Instant::now();
        self.state().answered.push(Answered { call, begun, ended });
        client.write_all(&answer)
    }

    /// Whether the call is to be passed on in the end.
    fn hold(&self) -> bool {
        let mut state = self.state();
        if !state.released {
            state.held += 1;
        }
        let state = self
            .changed
            .wait_while(state, |state| !state.released && !state.closed)
            .unwrap();
        !state.closed
    }

    /// Waits until then, or until the proxy ends.
    fn late(&self, until: Instant) {
        let mut state = self.state();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || state.closed {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// The emulator's answer, whole.
    fn ask(&self, request: &Request) -> io::Result<Vec<u8>> {
        let mut emulator = TcpStream::connect(&self.to)?;
        emulator.set_read_timeout(Some(PATIENCE))?;
        emulator.write_all(&request.closing())?;
        let mut answer = Vec::new();
        emulator.read_to_end(&mut answer)?;
        Ok(closing(&answer))
    }
}

/// Whether nobody waits for the answer any more.
fn is_gone(client: &TcpStream) -> io::Result<bool> {
    client.set_nonblocking(true)?;
    let gone = matches!(client.peek(&mut [0]), Ok(0));
    client.set_nonblocking(false)?;
    Ok(gone)
}

/// A request as it came.
struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    /// Nothing where the connection ends before there is one.
    fn read(client: &mut TcpStream) -> io::Result<Option<Self>> {
        client.set_read_timeout(Some(PATIENCE))?;
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = find(&bytes, b"\r\n\r\n") {
                break end + 4;
            }
            if !more(client, &mut bytes)? {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut body = bytes.split_off(end);
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        while body.len() < length {
            if !more(client, &mut body)? {
                return Ok(None);
            }
        }
        Ok(Some(Self { head, body }))
    }

    /// The request with a wish for a connection of its own.
    fn closing(&self) -> Vec<u8> {
        let lines = self.head.trim_end().split("\r\n");
        let kept = lines.filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let head = kept.collect::<Vec<_>>().join("\r\n") + "\r\nConnection: close\r\n\r\n";
        [head.as_bytes(), &self.body].concat()
    }

    fn call(&self) -> Call {
        // …Credential=KEY/DATE/REGION/SERVICE/aws4_request…
        let signed = header(&self.head, "authorization").unwrap_or_default();
        let named = |place| signed.split('/').nth(place).unwrap_or_default().to_owned();
        let body = String::from_utf8_lossy(&self.body);
        let form = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
        // …Kinesis_20131202.DescribeStreamSummary
        let target = header(&self.head, "x-amz-target").and_then(|target| target.rsplit('.').next());
        let line: Vec<&str> = self.head.split(' ').take(2).collect();
        // …/service/GraniteServiceVersion20100801/operation/GetMetricData
        let path = line.get(1).copied().unwrap_or_default();
        let form = form.or_else(|| Some(path.split_once("/operation/")?.1));
        Call {
            service: named(3),
            region: named(2),
            subject: format!("{} {body}", line.get(1).copied().unwrap_or_default()),
            operation: form.or(target).map_or_else(|| line.join(" "), str::to_owned),
        }
    }
}

fn more(from: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut piece = [0; 16 * 1024];
    let read = from.read(&mut piece)?;
    bytes.extend(&piece[..read]);
    Ok(read > 0)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim())
}

/// The answer with the word that no other comes on its connection.
fn closing(answer: &[u8]) -> Vec<u8> {
    let line = find(answer, b"\r\n").map_or(0, |end| end + 2);
    [&answer[..line], b"Connection: close\r\n", &answer[line..]].concat()
}

fn changed(answer: &[u8], from: &str, to: &str) -> Vec<u8> {
    let end = find(answer, b"\r\n\r\n").unwrap() + 4;
    let body = String::from_utf8(answer[end..].to_vec()).unwrap();
    let body = body.replace(from, to);
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length:");
    let kept: Vec<&str> = head.trim_end().split("\r\n").filter(|line| !length(line)).collect();
    let head = format!("{}\r\nContent-Length: {}\r\n\r\n", kept.join("\r\n"), body.len());
    (head + &body).into_bytes()
}

fn error(service: &str, code: &str, words: &str) -> Vec<u8> {
    if service == "monitoring" {
        return cbor_error(code, words);
    }
    let (status, kind) = match service {
        "sqs" | "logs" | "secretsmanager" => ("400 Bad Request", "application/json"),
        "kafka" | "lambda" if code == "TooManyRequestsException" => ("429 Too Many Requests", "application/json"),
        "kinesis" | "lambda" if code != "AccessDeniedException" => ("400 Bad Request", "application/json"),
        "kinesis" | "kafka" | "lambda" => ("403 Forbidden", "application/json"),
        "ec2" if code == "RequestLimitExceeded" => ("503 Service Unavailable", "text/xml"),
        _ if code == "Throttling" => ("400 Bad Request", "text/xml"),
        _ => ("403 Forbidden", "text/xml"),
    };
    let inner = format!("<Error><Code>{code}</Code><Message>{words}</Message></Error>");
    let body = match service {
        "kinesis" | "kafka" | "lambda" | "sqs" | "logs" | "secretsmanager" => {
            serde_json::json!({"__type": code, "message": words}).to_string()
        }
        "ec2" => format!("<Response><Errors>{inner}</Errors><RequestID>0</RequestID></Response>"),
        "s3" => inner,
        _ => format!("<ErrorResponse>{inner}<RequestId>0</RequestId></ErrorResponse>"),
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nx-amzn-errortype: {code}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// An error of a service that speaks CBOR.
fn cbor_error(code: &str, words: &str) -> Vec<u8> {
    let text = |text: &str| {
        [
            &[0x79][..],
            &u16::try_from(text.len()).unwrap().to_be_bytes(),
            text.as_bytes(),
        ]
        .concat()
    };
    let mut body = vec![0xa2];
    for part in ["__type", code, "message", words] {
        body.extend(text(part));
    }
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/cbor\r\nsmithy-protocol: rpc-v2-cbor\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}
