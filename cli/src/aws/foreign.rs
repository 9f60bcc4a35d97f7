//! A function that was named by itself: whose it is, which streams it reads, and what its variables and its code say of where it writes to.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::ByteStream;
use aws_sdk_lambda::types::EventSourceMappingConfiguration;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use super::answer::{Answer, Trouble, chain, fact, trouble};
use crate::facts::deployed::STACK_TAG;
use crate::facts::{Fact, Foreign, Origin, Said};
use crate::sample::hints::{self, Found};
use crate::sample::package::{Module, modules};

const NOT_FOUND: &[&str] = &["ResourceNotFoundException"];
/// Lambda takes no larger package; a larger one is none.
const MOST_BYTES: usize = 50 << 20;
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// What was found of a function that was named.
#[derive(Debug, Clone)]
pub struct Named {
    /// What the facts have of it.
    pub foreign: Foreign,
    /// The stack of k2m that it is of, where it is of one.
    pub k2m_stack: Option<String>,
    /// Its event source mappings that read Kinesis.
    pub reads: Fact<Vec<Reading>>,
}

/// An event source mapping of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Its UUID.
    pub uuid: String,
    /// The ARN of the stream that it reads.
    pub stream: String,
    /// The ARN of the consumer by which it does, where there is one.
    pub consumer: Option<String>,
    /// The ARN that is told of what is given up.
    pub destination: Option<String>,
}

/// What Lambda says of a function, as far as it matters here.
struct Described {
    tags: BTreeMap<String, String>,
    variables: Result<BTreeMap<String, String>, String>,
    handler: Option<String>,
    /// The address of its package, or why there is none.
    code: Answer<String>,
}

/// Looks at a function by its name or ARN. `endpoint` is that of another AWS than AWS's own, where one is set.
pub(super) async fn look(client: &Client, name: &str, endpoint: Option<&str>) -> Answer<Named> {
    let (described, reads) = tokio::join!(describe(client, name), reads(client, name));
    let Described {
        tags,
        variables,
        handler,
        code,
    } = described?;
    let of = |found: Found, by: &dyn Fn(String) -> Origin| match found {
        Found::One(hint) => Some(Fact::Found {
            value: Said {
                value: hint.value,
                by: by(hint.name),
            },
        }),
        Found::Several(names) => Some(unreadable(&format!("{} say different things", names.join(" and ")))),
        Found::Nothing => None,
    };
    let (servers, topic) = match &variables {
        Ok(variables) => (
            of(hints::servers(variables), &Origin::Variable),
            of(hints::topic(variables), &Origin::Variable),
        ),
        Err(why) => (Some(unreadable(why)), Some(unreadable(why))),
    };
    let package = if servers.is_some() && topic.is_some() {
        Ok(Vec::new())
    } else {
        package(code, handler.as_deref(), endpoint).await
    };
    let in_code = |find: fn(&BTreeMap<String, String>) -> Found| match &package {
        Ok(modules) => {
            let mut found = modules.iter().filter_map(|module| {
                of(find(&module.constants), &|name| Origin::Constant {
                    file: module.file.clone(),
                    name,
                })
            });
            found.next().unwrap_or(Fact::Absent)
        }
        Err(trouble) => fact(Err(trouble.clone())),
    };
    let servers = servers.unwrap_or_else(|| in_code(hints::servers));
    let topic = topic.unwrap_or_else(|| in_code(hints::topic));
    Ok(Named {
        k2m_stack: tags.get(STACK_TAG).cloned(),
        foreign: Foreign {
            function: name.to_owned(),
            stack: tags.get("aws:cloudformation:stack-name").cloned(),
            servers,
            topic,
        },
        reads: fact(reads),
    })
}

fn unreadable<T>(message: &str) -> Fact<T> {
    fact(Err(Trouble::Refused(message.to_owned())))
}

/// The function with its package and tags; without the right to these, what is left.
async fn describe(client: &Client, name: &str) -> Answer<Described> {
    let answer = client.get_function().function_name(name).send().await;
    let (configuration, tags, code) = match answer.map_err(|error| trouble(&error, "lambda:GetFunction", NOT_FOUND)) {
        Ok(found) => {
            let location = found.code.and_then(|code| code.location);
            let code = location
                .ok_or_else(|| Trouble::Refused("it is a container image, which is not looked into".to_owned()));
            let configuration = found
                .configuration
                .and_then(|all| Some((all.environment, all.handler?)));
            let (environment, handler) = configuration.unzip();
            ((environment.flatten(), handler), found.tags.unwrap_or_default(), code)
        }
        Err(denied @ Trouble::Denied { .. }) => {
            let found = client.get_function_configuration().function_name(name).send().await;
            let found = found.map_err(|error| trouble(&error, "lambda:GetFunctionConfiguration", NOT_FOUND))?;
            ((found.environment, found.handler), HashMap::new(), Err(denied))
        }
        Err(trouble) => return Err(trouble),
    };
    let (environment, handler) = configuration;
    let variables = match environment {
        None => Ok(BTreeMap::new()),
        Some(environment) => match environment.error.and_then(|error| error.message) {
            Some(why) => Err(format!("its variables can't be read: {why}")),
            None => Ok(environment.variables.unwrap_or_default().into_iter().collect()),
        },
    };
    Ok(Described {
        tags: tags.into_iter().collect(),
        variables,
        handler,
        code,
    })
}

/// Its mappings that read Kinesis, in the order of the streams' ARNs.
async fn reads(client: &Client, name: &str) -> Answer<Vec<Reading>> {
    let items = client
        .list_event_source_mappings()
        .function_name(name)
        .into_paginator()
        .items()
        .send();
    let found: Vec<EventSourceMappingConfiguration> = items
        .try_collect()
        .await
        .map_err(|error| trouble(&error, "lambda:ListEventSourceMappings", NOT_FOUND))?;
    let mut reads: Vec<Reading> = found
        .into_iter()
        .filter_map(|mapping| {
            let source = mapping.event_source_arn?;
            let stream = source.split("/consumer/").next()?.to_owned();
            let kinesis = source.split(':').nth(2) == Some("kinesis");
            kinesis.then(|| Reading {
                uuid: mapping.uuid.unwrap_or_default(),
                consumer: Some(source).filter(|source| *source != stream),
                stream,
                destination: mapping.destination_config.and_then(|all| all.on_failure?.destination),
            })
        })
        .collect();
    reads.sort_by(|one, other| one.stream.cmp(&other.stream));
    Ok(reads)
}

/// The modules of the function's package that may say something.
async fn package(code: Answer<String>, handler: Option<&str>, endpoint: Option<&str>) -> Answer<Vec<Module>> {
    let wrong = |why: String| Trouble::Refused(format!("its code can't be read: {why}"));
    let zip = tokio::time::timeout(DOWNLOAD_TIMEOUT, download(&code?, endpoint)).await;
    let zip = zip
        .map_err(|_| wrong("it did not come in time".to_owned()))?
        .map_err(wrong)?;
    modules(&zip, handler).map_err(wrong)
}

/// What is at the address that Lambda gives for a package. The address is a secret for as long as it holds, and no error names it.
async fn download(address: &str, endpoint: Option<&str>) -> Result<Vec<u8>, String> {
    let own = endpoint
        .and_then(|endpoint| endpoint.split_once("://"))
        .map(|(scheme, _)| scheme);
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
    if scheme != "https" && Some(scheme) != own {
        return Err("Lambda gives an address for it that is not of https".to_owned());
    }
    let connector = Connector::builder()
        .proxy_config(ProxyConfig::from_env())
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build();
    let request = HttpRequest::get(address).map_err(|_| "Lambda gives an address for it that is none".to_owned())?;
    let failed = |words: String| {
        if words.contains(address) || words.contains("X-Amz-") {
            "its address does not answer".to_owned()
        } else {
            words
        }
    };
    let answer = connector.call(request).await.map_err(|error| failed(chain(&error)))?;
    if !answer.status().is_success() {
        return Err(format!("its address answers {}", answer.status().as_u16()));
    }
    let mut body = ByteStream::new(answer.into_body());
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| failed(chain(&error)))?;
        if bytes.len() + part.len() > MOST_BYTES {
            return Err(format!("it has more than {} MB", MOST_BYTES >> 20));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}
