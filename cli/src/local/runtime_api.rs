//! A Lambda Runtime API on this machine, for one process. The process asks for the next invocation, and posts its response
//! or its error.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::event::names;
use crate::clock::{self, Clock};

const PREFIX: &str = "/2018-06-01/runtime/";

/// What the process says about an invocation.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// The function's answer.
    Response(Bytes),
    /// The function failed.
    Error(FunctionError),
}

/// A failure in the process's own words.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionError {
    /// Such as `Runtime.ExitError`.
    pub error_type: String,
    /// What happened.
    pub error_message: String,
}

/// An invocation that was put up for the process.
#[derive(Debug)]
pub struct Invocation {
    /// Resolves when the process has taken it: the time-out runs from here.
    pub taken: oneshot::Receiver<()>,
    /// Resolves when the process has replied.
    pub reply: oneshot::Receiver<Reply>,
}

struct Offer {
    request_id: String,
    event: Bytes,
    time_left: i64,
    taken: oneshot::Sender<()>,
    reply: oneshot::Sender<Reply>,
}

struct Shared {
    offers: tokio::sync::Mutex<mpsc::Receiver<Offer>>,
    current: Mutex<Option<(String, oneshot::Sender<Reply>)>>,
    init_error: watch::Sender<Option<FunctionError>>,
    /// Whether the process waits for an invocation, and so has nothing to do.
    idle: watch::Sender<bool>,
    clock: Clock,
}

/// The API; it ends when this is dropped.
#[derive(Debug)]
pub struct RuntimeApi {
    address: SocketAddr,
    offers: mpsc::Sender<Offer>,
    init_error: watch::Receiver<Option<FunctionError>>,
    idle: watch::Receiver<bool>,
    server: AbortHandle,
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl RuntimeApi {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(clock: Clock) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (offers, receiver) = mpsc::channel(1);
        let (init_error_sender, init_error) = watch::channel(None);
        let (idle_sender, idle) = watch::channel(false);
        let shared = Arc::new(Shared {
            offers: tokio::sync::Mutex::new(receiver),
            current: Mutex::new(None),
            init_error: init_error_sender,
            idle: idle_sender,
            clock,
        });
        let server = tokio::spawn(serve(listener, shared)).abort_handle();
        Ok(Self {
            address,
            offers,
            init_error,
            idle,
            server,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts up an invocation. Its deadline is told as so many milliseconds from when it is taken.
    pub async fn offer(&self, request_id: &str, event: Bytes, time_left: i64) -> Invocation {
        let (taken_sender, taken) = oneshot::channel();
        let (reply_sender, reply) = oneshot::channel();
        let offer = Offer {
            request_id: request_id.to_owned(),
            event,
            time_left,
            taken: taken_sender,
            reply: reply_sender,
        };
        // The receiver lives as long as the server, which ends with `self`; if it has died, the channels inside say so.
        let _ = self.offers.send(offer).await;
        Invocation { taken, reply }
    }

    /// Resolves when the process says that it can't start; never otherwise.
    pub async fn init_error(&self) -> FunctionError {
        let mut receiver = self.init_error.clone();
        match receiver.wait_for(Option::is_some).await.map(|error| error.clone()) {
            Ok(Some(error)) => error,
            _ => std::future::pending().await,
        }
    }

    /// Resolves when the process waits for an invocation.
    pub async fn idle(&self) {
        // An error means that the server is gone, and with it the process.
        let _ = self.idle.clone().wait_for(|idle| *idle).await;
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with the set, so that nothing outlives the API.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, Arc::clone(&shared)))),
                // Out of descriptors: give others the chance to close some.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Best effort: only latency depends on it.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(request, &shared).await) }
    });
    // A process that was killed breaks its connection; the sandbox sees it exit.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method(), parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(shared).await,
        (&Method::POST, ["invocation", id, "response"]) => match body(request).await {
            Ok(body) => reply(shared, id, Reply::Response(body)),
            Err(refusal) => refusal,
        },
        (&Method::POST, ["invocation", id, "error"]) => match body(request).await {
            Ok(body) => reply(shared, id, Reply::Error(function_error(&body))),
            Err(refusal) => refusal,
        },
        (&Method::POST, ["init", "error"]) => match body(request).await {
            Ok(body) => {
                shared.init_error.send_replace(Some(function_error(&body)));
                accepted()
            }
            Err(refusal) => refusal,
        },
        _ => refuse(StatusCode::NOT_FOUND, "InvalidPath", "no such path in the Runtime API"),
    }
}

/// Marks the process as idle for as long as it lives, also when the connection breaks while it waits.
struct Idle<'a>(&'a watch::Sender<bool>);

impl<'a> Idle<'a> {
    fn new(idle: &'a watch::Sender<bool>) -> Self {
        idle.send_replace(true);
        Self(idle)
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

async fn next(shared: &Shared) -> Response<Full<Bytes>> {
    let offer = {
        let _idle = Idle::new(&shared.idle);
        shared.offers.lock().await.recv().await
    };
    let Some(offer) = offer else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "Stopped", "no invocation will come");
    };
    let deadline = shared.clock.now().saturating_add(offer.time_left);
    let trace = format!(
        "Root=1-{:08x}-{:024x};Parent={:016x};Sampled=0",
        shared.clock.now() / 1000,
        clock::random(),
        clock::random()
    );
    let mut response = Response::new(Full::new(offer.event));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("Lambda-Runtime-Deadline-Ms", HeaderValue::from(deadline));
    headers.insert(
        "Lambda-Runtime-Invoked-Function-Arn",
        HeaderValue::from_static(names::FUNCTION_ARN),
    );
    for (name, value) in [
        ("Lambda-Runtime-Aws-Request-Id", &offer.request_id),
        ("Lambda-Runtime-Trace-Id", &trace),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    *shared.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((offer.request_id, offer.reply));
    // Nobody may be interested any more; the reply will then find nobody either.
    let _ = offer.taken.send(());
    response
}

fn reply(shared: &Shared, id: &str, reply: Reply) -> Response<Full<Bytes>> {
    let mut current = shared.current.lock().unwrap_or_else(PoisonError::into_inner);
    match current.take_if(|(request_id, _)| request_id == id) {
        Some((_, sender)) => {
            // The sandbox gave up waiting: its time-out has run out already.
            let _ = sender.send(reply);
            accepted()
        }
        None => refuse(
            StatusCode::BAD_REQUEST,
            "InvalidRequestID",
            "no invocation of this id is in work",
        ),
    }
}

async fn body(request: Request<Incoming>) -> Result<Bytes, Response<Full<Bytes>>> {
    let body = request.into_body().collect().await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, "InvalidRequest", &error.to_string()))
}

fn function_error(body: &[u8]) -> FunctionError {
    serde_json::from_slice(body).unwrap_or_else(|_| FunctionError {
        error_type: "Unknown".to_owned(),
        error_message: String::from_utf8_lossy(body).into_owned(),
    })
}

fn accepted() -> Response<Full<Bytes>> {
    answer(StatusCode::ACCEPTED, r#"{"status":"OK"}"#.to_owned())
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    answer(
        status,
        serde_json::json!({"errorType": kind, "errorMessage": message}).to_string(),
    )
}

fn answer(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::client::conn::http1::SendRequest;

    async fn connect(api: &RuntimeApi) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(api.address()).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        sender
    }

    async fn call(
        client: &mut SendRequest<Full<Bytes>>,
        method: Method,
        path: &str,
        body: &str,
    ) -> (u16, hyper::HeaderMap, String) {
        let request = Request::builder()
            .method(method)
            .uri(format!("{PREFIX}{path}"))
            .header("host", "127.0.0.1")
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        client.ready().await.unwrap();
        let (head, body) = client.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            head.status.as_u16(),
            head.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    async fn api() -> (RuntimeApi, Clock) {
        let clock = Clock::start();
        (RuntimeApi::start(clock).await.unwrap(), clock)
    }

    #[tokio::test]
    async fn an_invocation_goes_to_the_process_and_its_response_comes_back() {
        let (api, clock) = api().await;
        let mut client = connect(&api).await;
        let invocation = api.offer("id-1", Bytes::from_static(b"{}"), 60_000).await;
        let (status, headers, event) = call(&mut client, Method::GET, "invocation/next", "").await;
        assert_eq!((status, event.as_str()), (200, "{}"));
        assert_eq!(headers["lambda-runtime-aws-request-id"], "id-1");
        assert_eq!(headers["lambda-runtime-invoked-function-arn"], names::FUNCTION_ARN);
        assert!(
            headers["lambda-runtime-trace-id"]
                .to_str()
                .unwrap()
                .starts_with("Root=1-")
        );
        let deadline: i64 = headers["lambda-runtime-deadline-ms"].to_str().unwrap().parse().unwrap();
        assert!((0..=60_000).contains(&(deadline - clock.now())), "{deadline}");
        invocation.taken.await.unwrap();
        assert_eq!(
            call(&mut client, Method::POST, "invocation/other/response", "null")
                .await
                .0,
            400
        );
        assert_eq!(
            call(&mut client, Method::POST, "invocation/id-1/response", "null")
                .await
                .0,
            202
        );
        assert_eq!(
            invocation.reply.await.unwrap(),
            Reply::Response(Bytes::from_static(b"null"))
        );
        assert_eq!(
            call(&mut client, Method::POST, "invocation/id-1/response", "null")
                .await
                .0,
            400,
            "only once"
        );
    }

    #[tokio::test]
    async fn errors_keep_their_words() {
        let (api, _) = api().await;
        let mut client = connect(&api).await;
        let invocation = api.offer("id-1", Bytes::new(), 60_000).await;
        call(&mut client, Method::GET, "invocation/next", "").await;
        let body = r#"{"errorType":"Poison","errorMessage":"too large","stackTrace":[]}"#;
        assert_eq!(
            call(&mut client, Method::POST, "invocation/id-1/error", body).await.0,
            202
        );
        let expected = FunctionError {
            error_type: "Poison".to_owned(),
            error_message: "too large".to_owned(),
        };
        assert_eq!(invocation.reply.await.unwrap(), Reply::Error(expected));
        assert_eq!(call(&mut client, Method::POST, "init/error", "no JSON").await.0, 202);
        assert_eq!(api.init_error().await.error_message, "no JSON");
        assert_eq!(call(&mut client, Method::GET, "elsewhere", "").await.0, 404);
    }

    #[tokio::test]
    async fn a_process_is_idle_while_it_waits() {
        let (api, _) = api().await;
        let mut client = connect(&api).await;
        let asking = tokio::spawn(async move {
            call(&mut client, Method::GET, "invocation/next", "").await;
            client
        });
        api.idle().await;
        let invocation = api.offer("id-1", Bytes::new(), 60_000).await;
        invocation.taken.await.unwrap();
        assert!(!*api.idle.borrow());
        drop(asking.await.unwrap());
    }
}
