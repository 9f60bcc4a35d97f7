//! Wiring: the environment, the Lambda Runtime API and the producer, for as long as the sandbox lives.

use std::process::ExitCode;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use lambda_runtime_api_client::{body::Body, build_request};
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use crate::batch::Naming;
use crate::config::{Config, ConfigError, LogLevel};
use crate::invocation::{Call, InvocationError, due, handle};
use crate::kafka::KafkaProducer;
use crate::note;

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
}

impl Flaw {
    /// All flaws, with the name by which a test chooses one.
    pub const ALL: [(&'static str, Self); 5] = [
        ("no-wait", Self::NoWait),
        ("highest-failed", Self::HighestFailed),
        ("no-purge", Self::NoPurge),
        ("not-idempotent", Self::NotIdempotent),
        ("success-on-deadline", Self::SuccessOnDeadline),
    ];
}

/// Serves the Lambda Runtime API until it goes away. Reads the environment; see [`crate::config`].
pub fn main() -> ExitCode {
    main_with(None)
}

/// [`main`] with a promise broken: for tests of the tests.
pub fn main_with(flaw: Option<Flaw>) -> ExitCode {
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
        Ok(config) => runtime.block_on(serve(config, flaw)),
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

async fn serve(config: Config, flaw: Option<Flaw>) -> Result<(), lambda_runtime::Error> {
    let margin = config.deadline_margin;
    let naming = if flaw == Some(Flaw::HighestFailed) {
        Naming::Highest
    } else {
        Naming::Lowest
    };
    let mut producer = KafkaProducer::new(config, flaw);
    producer.warm_up().await;
    let producer = Mutex::new(producer);
    let function = service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let call = Call {
            request_id: &event.context.request_id,
            due: due(event.context.deadline, margin),
        };
        let mut producer = producer.lock().await;
        handle(event.payload.get(), call, &mut *producer, naming).await
    });
    lambda_runtime::Runtime::new(function).run().await
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        tracing::error!(%error, "the invocation answers with an error");
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
