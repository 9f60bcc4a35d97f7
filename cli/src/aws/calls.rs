//! Each try of a call to AWS as an event, for whoever listens: what it is, and what it came to. Neither a key nor what was sent or answered is in it.

use std::fmt;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tracing::Level;

use crate::clock::Clock;

/// The target of the events.
pub const CALLS: &str = "k2m::calls";

/// The same client, which tells.
pub(super) fn told(client: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(Telling(client))
}

#[derive(Debug)]
struct Telling<T>(T);

impl HttpClient for Telling<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Telling(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for Telling<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if !tracing::enabled!(target: CALLS, Level::INFO) {
            return self.0.call(request);
        }
        let call = Call::of(&request);
        let clock = Clock::start();
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            let came_to = match &answer {
                Ok(answer) => answer.status().as_u16().to_string(),
                Err(error) if error.is_timeout() => "no answer in time".to_owned(),
                Err(_) => "no answer".to_owned(),
            };
            tracing::info!(target: CALLS, "aws: {call}: {came_to} in {} ms", clock.elapsed().as_millis());
            answer
        })
    }
}

/// What is called.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    service: String,
    operation: String,
    region: Option<String>,
    /// Which try it is, and how many there are at most; where it is not the first.
    again: Option<(u32, u32)>,
}

impl Call {
    fn of(request: &HttpRequest) -> Self {
        let headers = request.headers();
        let (address, _) = request.uri().split_once('?').unwrap_or((request.uri(), ""));
        let address = address.split_once("://").map_or(address, |(_, rest)| rest);
        let (host, path) = address.split_once('/').unwrap_or((address, ""));
        // `AWS4-HMAC-SHA256 Credential=KEY/DAY/REGION/SERVICE/aws4_request, …`; the key's id is left alone.
        let scope = headers
            .get("authorization")
            .and_then(|value| value.split_once("Credential="));
        let mut scope = scope.map_or("", |(_, rest)| rest).split('/').skip(2);
        let (region, service) = (scope.next(), scope.next());
        // By the protocol: in a header, as the first word of a form, or by method and path.
        let target = headers.get("x-amz-target").and_then(|target| target.rsplit_once('.'));
        let form = request.body().bytes().and_then(|body| body.strip_prefix(b"Action="));
        let operation = if let Some((_, operation)) = target {
            operation.to_owned()
        } else if let Some(form) = form {
            let word = form.iter().copied().take_while(u8::is_ascii_alphanumeric);
            word.map(char::from).collect()
        } else if let Some((_, operation)) = path.rsplit_once("/operation/") {
            operation.to_owned()
        } else {
            format!("{} /{path}", request.method())
        };
        Self {
            service: service.unwrap_or(host).to_owned(),
            operation,
            region: region.map(str::to_owned),
            again: headers.get("amz-sdk-request").and_then(again),
        }
    }
}

/// `attempt=2; max=5`
fn again(said: &str) -> Option<(u32, u32)> {
    let number = |name: &str| said.split("; ").find_map(|part| part.strip_prefix(name)?.parse().ok());
    let attempt = number("attempt=")?;
    (attempt > 1).then_some((attempt, number("max=").unwrap_or(attempt)))
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.service, self.operation)?;
        if let Some(region) = &self.region {
            write!(f, " in {region}")?;
        }
        if let Some((attempt, most)) = self.again {
            write!(f, " (try {attempt} of {most})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::SdkBody;

    use super::*;

    const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260302/eu-west-1/SERVICE/aws4_request, SignedHeaders=host, Signature=5ec4e7";

    fn said(method: &str, uri: &str, headers: &[(&'static str, &str)], body: &str) -> String {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method).unwrap();
        request.set_uri(uri.to_owned()).unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, (*value).to_owned());
        }
        Call::of(&request).to_string()
    }

    #[test]
    fn a_call_is_told_by_its_protocol_and_without_a_secret() {
        let signed = |service: &str| SIGNED.replace("SERVICE", service);
        let (kinesis, cloudformation) = (signed("kinesis"), signed("cloudformation"));
        let (lambda, metrics) = (signed("lambda"), signed("monitoring"));
        let rows = [
            (
                said(
                    "POST",
                    "https://kinesis.eu-west-1.amazonaws.com/",
                    &[
                        ("authorization", &kinesis),
                        ("x-amz-target", "Kinesis_20131202.DescribeStreamSummary"),
                        ("amz-sdk-request", "attempt=1; max=5"),
                    ],
                    r#"{"StreamName": "hush"}"#,
                ),
                "kinesis DescribeStreamSummary in eu-west-1",
            ),
            (
                said(
                    "POST",
                    "https://cloudformation.eu-west-1.amazonaws.com/",
                    &[
                        ("authorization", &cloudformation),
                        ("amz-sdk-request", "attempt=3; max=5"),
                    ],
                    "Action=DescribeStacks&Version=2010-05-15&StackName=hush",
                ),
                "cloudformation DescribeStacks in eu-west-1 (try 3 of 5)",
            ),
            (
                said(
                    "GET",
                    "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/orders?Qualifier=hush",
                    &[("authorization", &lambda)],
                    "",
                ),
                "lambda GET /2015-03-31/functions/orders in eu-west-1",
            ),
            (
                said(
                    "POST",
                    "https://monitoring.eu-west-1.amazonaws.com/service/GraniteServiceVersion20100801/operation/GetMetricData",
                    &[("authorization", &metrics)],
                    "hush",
                ),
                "monitoring GetMetricData in eu-west-1",
            ),
            (
                said(
                    "GET",
                    "http://169.254.169.254/latest/meta-data/",
                    &[("x-token", "hush")],
                    "",
                ),
                "169.254.169.254 GET /latest/meta-data/",
            ),
        ];
        for (said, expected) in rows {
            assert_eq!(said, expected);
            assert!(
                !["hush", "AKID", "5ec4e7"].iter().any(|secret| said.contains(secret)),
                "{said}"
            );
        }
    }
}
