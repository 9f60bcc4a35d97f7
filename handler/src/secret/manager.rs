//! AWS Secrets Manager, of which the function needs one call: `GetSecretValue`, a signed POST.

use std::time::Duration;

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_openssl::client::legacy::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::Told;
use crate::config::Region;
use crate::kafka::Surroundings;
use crate::kafka::iam::{TokenError, credentials};
use crate::kafka::tls::{TlsError, Trust};

/// The service's name in signatures and in the names of its endpoints.
const SERVICE: &str = "secretsmanager";

/// Where the SDKs look for another endpoint, the more special one first.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"];

/// How long a connection may take: where there is no route nothing ever comes.
const CONNECT: Duration = Duration::from_secs(2);

/// How long all of it may take.
const ALL: Duration = Duration::from_secs(4);

/// Bytes of the largest answer that is read: a secret has 64 KiB at the most.
const ANSWER_MAX: usize = 1 << 20;

/// What to do where the function may not read a secret.
const ALLOW: &str = "allow its role secretsmanager:GetSecretValue on it, and kms:Decrypt on the key that encrypts it";

/// What to do about a secret that is not there.
const CREATE: &str = "correct its ARN, or create it";

/// What to do about a secret that holds bytes.
const AS_TEXT: &str = "store it as text, which is JSON";

/// Why Secrets Manager did not give a secret, with the next step.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// The function has no credentials to sign with.
    #[error("the secret {arn} can't be asked for: {source}")]
    NoCredentials {
        /// The secret.
        arn: String,
        /// Which part of them is missing.
        source: TokenError,
    },
    /// The request could not be made.
    #[error("the secret {arn} can't be asked for: {reason}")]
    Request {
        /// The secret.
        arn: String,
        /// Why.
        reason: String,
    },
    /// No certificate authorities to know Secrets Manager by.
    #[error("the secret {arn} can't be asked for: {source}")]
    Tls {
        /// The secret.
        arn: String,
        /// Why.
        source: TlsError,
    },
    /// No answer.
    #[error("Secrets Manager can't be reached at {host} ({reason}): {}", way(endpoint))]
    Unreachable {
        /// Where it was looked for.
        host: String,
        /// What happened.
        reason: String,
        /// The name of the interface endpoint's service.
        endpoint: String,
    },
    /// The function may not read it.
    #[error("the function may not read the secret {arn}: {}; AWS says: {said}", ALLOW)]
    Denied {
        /// The secret.
        arn: String,
        /// AWS's own words.
        said: String,
    },
    /// There is none of this name.
    #[error("there is no secret {arn}: {}; AWS says: {said}", CREATE)]
    NotFound {
        /// The secret.
        arn: String,
        /// AWS's own words.
        said: String,
    },
    /// Any other refusal.
    #[error("Secrets Manager refused to give the secret {arn}: {code}: {said}")]
    Refused {
        /// The secret.
        arn: String,
        /// The kind of error in AWS's words.
        code: String,
        /// AWS's own words.
        said: String,
    },
    /// It holds bytes.
    #[error("the secret {arn} is binary: {}", AS_TEXT)]
    Binary {
        /// The secret.
        arn: String,
    },
    /// The answer is none of Secrets Manager's.
    #[error(
        "what answers at {host} is not Secrets Manager (status {status}): {}",
        check_endpoints()
    )]
    Strange {
        /// Who answered.
        host: String,
        /// The HTTP status.
        status: u16,
    },
}

impl ManagerError {
    /// Whether it may pass when tried again.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Strange { status, .. } => *status >= 500,
            Self::Refused { code, .. } => code.contains("Throttling") || code.contains("InternalService"),
            _ => false,
        }
    }

    /// What happened, and apart from it what to do and what AWS said.
    pub(super) fn told(&self) -> Told {
        let not_asked = |arn: &str, reason: &str| format!("the secret {arn} can't be asked for: {reason}");
        match self {
            Self::NoCredentials { arn, source } => match source {
                TokenError::NoCredentials(variable) => Told::new(
                    not_asked(
                        arn,
                        &format!("{variable} is not set: Lambda sets it from the function's role"),
                    ),
                    "give the function a role, or set credentials where it runs",
                ),
                TokenError::Signing(_) => Told::new(not_asked(arn, &source.to_string()), "check the function's role"),
            },
            Self::Request { arn, reason } => Told::new(
                not_asked(arn, reason),
                format!("correct its ARN, and {}", check_endpoints()),
            ),
            Self::Tls { arn, source } => Told::new(
                match source {
                    TlsError::NoAuthorities => not_asked(arn, "no certificate authorities were found on the system"),
                    other => not_asked(arn, &other.to_string()),
                },
                "let SSL_CERT_FILE name a PEM file with the certificate authorities of the system",
            ),
            Self::Unreachable { host, reason, endpoint } => {
                Told::new(format!("Secrets Manager can't be reached at {host}"), way(endpoint)).saying(reason)
            }
            Self::Denied { arn, said } => {
                Told::new(format!("the function may not read the secret {arn}"), ALLOW).saying(said)
            }
            Self::NotFound { arn, said } => Told::new(format!("there is no secret {arn}"), CREATE).saying(said),
            Self::Refused { arn, code, said } => Told::new(
                format!("Secrets Manager refused to give the secret {arn}: {code}"),
                refusal(code, self.may_pass()),
            )
            .saying(said),
            Self::Binary { arn } => Told::new(format!("the secret {arn} is binary"), AS_TEXT),
            Self::Strange { host, status } => Told::new(
                format!("what answers at {host} is not Secrets Manager (status {status})"),
                check_endpoints(),
            ),
        }
    }
}

/// How to make a way to Secrets Manager.
fn way(endpoint: &str) -> String {
    format!(
        "give the function's subnets a NAT gateway or an interface endpoint {endpoint}, and let the function's security group out to port 443"
    )
}

/// What to look at where something else answers.
fn check_endpoints() -> String {
    format!("check {}", ENDPOINTS.join(" and "))
}

/// What to do about a refusal of this kind.
fn refusal(code: &str, passes: bool) -> &'static str {
    match code {
        "DecryptionFailure" => {
            "see that the key that encrypts the secret is enabled, and that the function's role may use it"
        }
        "InvalidRequestException" => "see that the secret is not about to be deleted, and has a value",
        _ if passes => "this may pass: ask again",
        _ => "look at the secret in Secrets Manager: what AWS says names the cause",
    }
}

/// The text of a secret.
pub(super) async fn secret_string(
    arn: &str,
    region: Option<Region>,
    surroundings: &dyn Surroundings,
) -> Result<String, ManagerError> {
    let failed = |reason: String| ManagerError::Request {
        arn: arn.to_owned(),
        reason,
    };
    let region = region.ok_or_else(|| failed("its ARN names no region".to_owned()))?;
    let url = endpoint(&region, |name| surroundings.variable(name));
    let request = request(arn, &region, &url, surroundings)?;
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let unreachable = |reason: String| ManagerError::Unreachable {
        host: host.clone(),
        reason,
        endpoint: interface_endpoint(&region),
    };
    let tls = |source: TlsError| ManagerError::Tls {
        arn: arn.to_owned(),
        source,
    };
    let trust = Trust::system().map_err(tls)?;
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT));
    let https = HttpsConnector::with_connector(http, trust.connector().map_err(tls)?);
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build(https.map_err(|error| tls(TlsError::from(error)))?);
    let ask = async {
        let answer = client
            .request(request)
            .await
            .map_err(|error| unreachable(causes(&error)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        let body = body.map_err(|error| unreachable(error.to_string()))?.to_bytes();
        Ok((status, body))
    };
    let late = |_| unreachable(format!("no answer in {} seconds", ALL.as_secs()));
    let (status, body) = tokio::time::timeout(ALL, ask).await.map_err(late)??;
    understand(arn, &host, status, &body)
}

/// Where the secrets of a region are asked for.
fn endpoint(region: &Region, variable: impl Fn(&str) -> Option<String>) -> String {
    let given = ENDPOINTS
        .into_iter()
        .find_map(|name| variable(name).filter(|url| !url.is_empty()));
    match given {
        Some(url) => format!("{}/", url.trim_end_matches('/')),
        None => format!("https://{SERVICE}.{}.{}/", region.as_str(), region.dns_suffix()),
    }
}

/// The name of the service that an interface endpoint in a VPC is made for, to reach Secrets Manager without a way to the internet.
pub fn interface_endpoint(region: &Region) -> String {
    let region = region.as_str();
    let prefix = if region.starts_with("cn-") { "cn." } else { "" };
    format!("{prefix}com.amazonaws.{region}.{SERVICE}")
}

/// The signed request.
fn request(
    arn: &str,
    region: &Region,
    url: &str,
    surroundings: &dyn Surroundings,
) -> Result<Request<Full<Bytes>>, ManagerError> {
    let failed = |reason: &dyn std::error::Error| ManagerError::Request {
        arn: arn.to_owned(),
        reason: format!("{reason}: {}", check_endpoints()),
    };
    let credentials =
        credentials(|name| surroundings.variable(name)).map_err(|source| ManagerError::NoCredentials {
            arn: arn.to_owned(),
            source,
        })?;
    let body = serde_json::json!({"SecretId": arn}).to_string();
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "secretsmanager.GetSecretValue"),
    ];
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region.as_str())
        .name(SERVICE)
        .time(surroundings.now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let signable = SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()));
    let signed = sign(signable.map_err(|error| failed(&error))?, &parameters).map_err(|error| failed(&error))?;
    let mut request = Request::post(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut request = request
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| failed(&error))?;
    signed.into_parts().0.apply_to_request_http1x(&mut request);
    Ok(request)
}

/// What an answer says.
fn understand(arn: &str, host: &str, status: StatusCode, body: &[u8]) -> Result<String, ManagerError> {
    /// What is read of an answer, a good or a bad one.
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "SecretString")]
        text: Option<String>,
        #[serde(rename = "SecretBinary")]
        bytes: Option<serde::de::IgnoredAny>,
        #[serde(rename = "__type")]
        code: Option<String>,
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let strange = || ManagerError::Strange {
        host: host.to_owned(),
        status: status.as_u16(),
    };
    let arn = arn.to_owned();
    // What the parser says may hold part of the answer.
    let answer: Answer = serde_json::from_slice(body).map_err(|_| strange())?;
    if status.is_success() {
        return match (answer.text, answer.bytes) {
            (Some(text), _) => Ok(text),
            (None, Some(_)) => Err(ManagerError::Binary { arn }),
            (None, None) => Err(strange()),
        };
    }
    let code = answer.code.ok_or_else(strange)?;
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    let said = answer.message.unwrap_or_default();
    Err(match code.as_str() {
        "AccessDeniedException" => ManagerError::Denied { arn, said },
        "ResourceNotFoundException" => ManagerError::NotFound { arn, said },
        _ => ManagerError::Refused { arn, code, said },
    })
}

/// An error and what it rests on, each once.
fn causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        source = cause.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_orders-Ab12Cd";

    /// Signs the same request with AWS's own SDK for Python.
    const REFERENCE: &str = r#"
import datetime, json, sys
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

arn, region, url, token = sys.argv[1:]
now = datetime.datetime(2023, 11, 14, 22, 13, 20)
botocore.auth.get_current_datetime = lambda *_: now
headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "secretsmanager.GetSecretValue"}
request = AWSRequest("POST", url, headers=headers, data=json.dumps({"SecretId": arn}, separators=(",", ":")))
key = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
botocore.auth.SigV4Auth(key, "secretsmanager", region).add_auth(request)
print(request.headers["Authorization"])
"#;

    const TOKEN: &str = "IQoJb3JpZ2luX2VjE+session/token=";

    /// A function's surroundings at a time that never changes.
    struct Then;

    impl Surroundings for Then {
        fn variable(&self, name: &str) -> Option<String> {
            let value = match name {
                "AWS_ACCESS_KEY_ID" => "AKIDEXAMPLE",
                "AWS_SECRET_ACCESS_KEY" => "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                "AWS_SESSION_TOKEN" => TOKEN,
                _ => return None,
            };
            Some(value.to_owned())
        }

        fn now(&self) -> SystemTime {
            UNIX_EPOCH + Duration::from_secs(1_700_000_000)
        }
    }

    #[test]
    fn the_signature_is_that_of_aws_s_own_sdk() {
        for (arn, region) in [
            (ARN, "eu-central-1"),
            (
                "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:AmazonMSK_a/b-Ab12Cd",
                "cn-north-1",
            ),
        ] {
            let at = Region::new("", region).expect("a region");
            let url = endpoint(&at, |_| None);
            let request = request(arn, &at, &url, &Then).expect("a request");
            let python = k2m_testkit::ground::python().expect("Python");
            let output = std::process::Command::new(python)
                .args(["-c", REFERENCE, arn, region, &url, TOKEN])
                .output()
                .expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            let reference = String::from_utf8(output.stdout).expect("UTF-8");
            assert_eq!(request.headers()["authorization"], reference.trim());
            assert_eq!(request.headers()["x-amz-security-token"], TOKEN);
        }
    }

    #[test]
    fn each_partition_has_its_endpoints() {
        for (region, url, service) in [
            (
                "eu-central-1",
                "https://secretsmanager.eu-central-1.amazonaws.com/",
                "com.amazonaws.eu-central-1.secretsmanager",
            ),
            (
                "cn-north-1",
                "https://secretsmanager.cn-north-1.amazonaws.com.cn/",
                "cn.com.amazonaws.cn-north-1.secretsmanager",
            ),
            (
                "us-gov-west-1",
                "https://secretsmanager.us-gov-west-1.amazonaws.com/",
                "com.amazonaws.us-gov-west-1.secretsmanager",
            ),
        ] {
            let region = Region::new("", region).expect("a region");
            assert_eq!(endpoint(&region, |_| None), url);
            assert_eq!(interface_endpoint(&region), service);
        }
    }

    #[test]
    fn the_more_special_endpoint_is_asked_first() {
        let region = Region::new("", "eu-central-1").expect("a region");
        let of = |set: &[(&str, &str)]| {
            endpoint(&region, |name| {
                let found = set.iter().find(|(it, _)| *it == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let general = (ENDPOINTS[1], "http://127.0.0.1:4566");
        assert_eq!(of(&[general]), "http://127.0.0.1:4566/");
        assert_eq!(of(&[general, (ENDPOINTS[0], "http://other:1/")]), "http://other:1/");
        assert_eq!(of(&[general, (ENDPOINTS[0], "")]), "http://127.0.0.1:4566/");
    }

    #[test]
    fn what_an_answer_says() {
        let rows = [
            (200, r#"{"Name": "n", "SecretString": "the text", "VersionStages": []}"#),
            (200, r#"{"Name": "n", "SecretBinary": "AAEC"}"#),
            (200, r#"{"hello": "world"}"#),
            (404, "<html>no such page</html>"),
            (
                400,
                r#"{"__type": "AccessDeniedException", "Message": "User: r is not authorized to perform: secretsmanager:GetSecretValue"}"#,
            ),
            (
                400,
                r#"{"__type": "com.amazonaws.secretsmanager#ResourceNotFoundException", "message": "Secrets Manager can't find the specified secret."}"#,
            ),
            (
                400,
                r#"{"__type": "DecryptionFailure", "Message": "the key is disabled"}"#,
            ),
            (400, r#"{"__type": "ThrottlingException"}"#),
            (503, r#"{"oops": true}"#),
        ];
        let said: Vec<String> = rows
            .iter()
            .map(|(status, body)| {
                let status = StatusCode::from_u16(*status).expect("a status");
                match understand(ARN, "host", status, body.as_bytes()) {
                    Ok(text) => text,
                    Err(error) => format!("{} {error}", if error.may_pass() { "may pass:" } else { "stays:" }),
                }
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn what_happened_and_what_to_do_are_told_apart() {
        let arn = || ARN.to_owned();
        let said = || "AWS's words; with a semicolon".to_owned();
        let refused = |code: &str| ManagerError::Refused {
            arn: arn(),
            code: code.to_owned(),
            said: said(),
        };
        let rows = [
            ManagerError::NoCredentials {
                arn: arn(),
                source: TokenError::NoCredentials("AWS_ACCESS_KEY_ID"),
            },
            ManagerError::Request {
                arn: arn(),
                reason: "its ARN names no region".to_owned(),
            },
            ManagerError::Tls {
                arn: arn(),
                source: TlsError::NoAuthorities,
            },
            ManagerError::Unreachable {
                host: "host".to_owned(),
                reason: "no answer in 4 seconds".to_owned(),
                endpoint: "com.amazonaws.eu-central-1.secretsmanager".to_owned(),
            },
            ManagerError::Denied {
                arn: arn(),
                said: said(),
            },
            ManagerError::NotFound {
                arn: arn(),
                said: said(),
            },
            refused("DecryptionFailure"),
            refused("InvalidRequestException"),
            refused("ThrottlingException"),
            refused("SomethingNew"),
            ManagerError::Binary { arn: arn() },
            ManagerError::Strange {
                host: "host".to_owned(),
                status: 200,
            },
        ];
        let told: Vec<String> = rows
            .iter()
            .map(|error| {
                let Told { reason, next, said } = error.told();
                format!("{reason}\n    next: {next}\n    said: {said}")
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
