//! The least that a function for Lambda can be: what the benchmark compares the handler's start with.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::de::IgnoredAny;

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let function = service_fn(async |_: LambdaEvent<IgnoredAny>| Ok::<(), Error>(()));
    runtime.block_on(lambda_runtime::run(function))
}
