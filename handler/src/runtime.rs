//! Wiring: the environment, the Lambda Runtime API and the producer, for as long as the sandbox lives.

use std::process::ExitCode;
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use lambda_runtime::tower::Layer;
use lambda_runtime::{Diagnostic, LambdaEvent, LambdaInvocation, Service, service_fn};
use lambda_runtime_api_client::{body::Body, build_request};
use serde::Serialize;
use serde::de::IgnoredAny;
use tokio::sync::Mutex;

use crate::batch::Response;
use crate::config::{Config, ConfigError, LogLevel, SizeJudge};
use crate::invocation::{Call, InvocationError, due, handle};
use crate::kafka::KafkaProducer;
use crate::{note, probe};

/// A promise of the function that is broken on purpose, so that the tests can show that they would notice. Nothing that a user can
/// set reaches it: only a program that calls [`main_with`] can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Answers success without waiting for acknowledgements.
    NoWait,
    /// Names the highest failed sequence number instead of the lowest.
    HighestFailed,
    /// Sends on what is queued behind a refused record.
    NoPurge,
    /// Lets retries store records twice.
    NotIdempotent,
    /// Answers success when the time has run out.
    SuccessOnDeadline,
    /// Names a poison that stands first in a batch of more than one, instead of having the batch halved.
    NoBisect,
    /// Purges what is queued behind a refused record half a second after the refusal.
    LatePurge,
    /// Takes what was under way when a connection failed for acknowledged.
    ConnectionErrorIsSuccess,
    /// Sends a partition that knows nothing of the producer more than one record at once.
    NoFirstContact,
    /// Doesn't say what of a batch it sends again though the brokers may have it.
    Uncounted,
}

impl Flaw {
    /// All flaws, with the name by which a test chooses one.
    pub const ALL: [(&'static str, Self); 10] = [
        ("no-wait", Self::NoWait),
        ("highest-failed", Self::HighestFailed),
        ("no-purge", Self::NoPurge),
        ("not-idempotent", Self::NotIdempotent),
        ("success-on-deadline", Self::SuccessOnDeadline),
        ("no-bisect", Self::NoBisect),
        ("late-purge", Self::LatePurge),
        ("connection-error-is-success", Self::ConnectionErrorIsSuccess),
        ("no-first-contact", Self::NoFirstContact),
        ("uncounted", Self::Uncounted),
    ];
}

/// Serves the Lambda Runtime API until it goes away. Reads the environment; see [`crate::config`].
pub fn main() -> ExitCode {
    start(SizeJudge::Brokers, None)
}

/// [`main`] in front of brokers that take records of any size: the function judges that itself.
pub fn main_with_embedded_brokers() -> ExitCode {
    start(SizeJudge::Function, None)
}

/// [`main`] with a promise broken: for tests of the tests.
pub fn main_with(flaw: Flaw) -> ExitCode {
    start(SizeJudge::Brokers, Some(flaw))
}

fn start(size_judge: SizeJudge, flaw: Option<Flaw>) -> ExitCode {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        note::start(LogLevel::Info);
        tracing::error!(
            "AWS_LAMBDA_RUNTIME_API is not set: this program is started by AWS Lambda; to try it here, use `k2m run`"
        );
        return ExitCode::FAILURE;
    }
    // One thread serves: an event source mapping sends a sandbox one batch at a time.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            note::start(LogLevel::Info);
            tracing::error!(%error, "could not start");
            return ExitCode::FAILURE;
        }
    };
    let config = Config::from_env(std::env::vars_os().filter_map(|(name, value)| {
        // A value that isn't UTF-8 is shown with its broken bytes replaced, and refused by the check of its name.
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    }));
    note::start(config.as_ref().map_or(LogLevel::Info, |config| config.log));
    let served = match config {
        Ok(config) => runtime.block_on(serve(Config { size_judge, ..config }, flaw)),
        Err(error) => {
            tracing::error!(%error, "the configuration can't be used");
            runtime.block_on(report_init_error(&error))
        }
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped");
            ExitCode::FAILURE
        }
    }
}

/// What asking for the first event takes at the most, on a processor of its own.
const HEAD_START: Duration = Duration::from_millis(1);

async fn serve(config: Config, flaw: Option<Flaw>) -> Result<(), lambda_runtime::Error> {
    let (margin, time_out) = (config.deadline_margin, config.time_out);
    let own = config.clone();
    let producer = Arc::new(Mutex::new(KafkaProducer::new(config, flaw)));
    tokio::spawn({
        let producer = Arc::clone(&producer);
        async move {
            // The first request for an event goes out before: both need the processor.
            tokio::time::sleep(HEAD_START).await;
            producer.lock().await.warm_up();
        }
    });
    let payload = Arc::new(Payload::default());
    let function = service_fn(async |event: LambdaEvent<IgnoredAny>| {
        let call = Call {
            request_id: &event.context.request_id,
            due: due(event.context.deadline, margin, time_out),
        };
        let payload = payload.take();
        if probe::is_asked(&payload) {
            let answer = probe::answer(&payload, call.request_id, &own, call.due).await?;
            return Ok(Answered::Asked(answer));
        }
        let mut producer = producer.lock().await;
        handle(&payload, call, &mut *producer, flaw).await.map(Answered::Batch)
    });
    let runtime = lambda_runtime::Runtime::new(function);
    runtime.layer(SetAside(Arc::clone(&payload))).run().await
}

/// What an invocation is answered with.
#[derive(Serialize)]
#[serde(untagged)]
enum Answered {
    /// For a batch of records.
    Batch(Response),
    /// For what was asked of k2m itself: how the way to the brokers is, or topics.
    Asked(probe::Told),
}

/// The payload of the invocation under way. The runtime's own way to the function parses it once more and copies it, which takes as long as
/// reading the records out of it: it is set aside before, and the function fetches it here.
#[derive(Default)]
struct Payload(std::sync::Mutex<Bytes>);

impl Payload {
    fn put(&self, payload: Bytes) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = payload;
    }

    fn take(&self) -> Bytes {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The layer of the runtime that sets payloads aside.
struct SetAside(Arc<Payload>);

impl<S> Layer<S> for SetAside {
    type Service = SettingAside<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SettingAside {
            inner,
            payload: Arc::clone(&self.0),
        }
    }
}

/// What [`SetAside`] makes of the runtime's service.
struct SettingAside<S> {
    inner: S,
    payload: Arc<Payload>,
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for SettingAside<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> Self::Future {
        self.payload
            .put(std::mem::replace(&mut invocation.body, Bytes::from_static(b"null")));
        self.inner.call(invocation)
    }
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        Self {
            error_type: error.kind().into(),
            error_message: error.to_string(),
        }
    }
}

/// Tells Lambda why the sandbox can't start, so that the cause stands in the mapping's result, and fails.
async fn report_init_error(error: &ConfigError) -> Result<(), lambda_runtime::Error> {
    let body = serde_json::json!({"errorType": "K2m.Configuration", "errorMessage": error.to_string()});
    let request = build_request()
        .method("POST")
        .uri("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", "K2m.Configuration")
        .body(Body::from(body.to_string()))?;
    lambda_runtime_api_client::PooledClient::builder()
        .build()
        .call(request)
        .await?;
    Err(error.to_string().into())
}
