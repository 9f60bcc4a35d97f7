//! Where a function writes to, and how it speaks to the brokers: out of its variables, the constants of its code, and what its code calls. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use super::From;
use super::found::{Function, Mapping};
use super::resolve::Scope;
use crate::arn::{Arn, Kind, SecretArn};
use crate::sample::config::constants;
use crate::sample::hints::{self, Found};
use crate::sample::package;
use crate::settings::{Authentication, Servers};
use crate::shown::shown;

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Kafka {
    /// Servers as `HOST:PORT[,…]`.
    pub(super) servers: Said,
    /// The topic.
    pub(super) topic: Said,
    /// The ARN of a cluster of MSK.
    pub(super) cluster: Said,
    /// How the brokers are spoken to.
    pub(super) authentication: Option<(Authentication, String)>,
    /// The ARN of a secret in Secrets Manager.
    pub(super) secret: Said,
    /// Variables that say something of these.
    pub(super) used: Vec<String>,
    /// Whether its code sends, and never waits for what it sent.
    pub(super) no_flush: Option<String>,
    /// Whether its code answers which records failed; none where no code could be read.
    pub(super) answers_failures: Option<bool>,
}

/// One thing, and where it is said; or why it isn't known.
#[derive(Debug, Default)]
pub(super) enum Said {
    /// This.
    One(String, From),
    /// Several different things, by these names.
    Several(String),
    /// Nothing.
    #[default]
    Nothing,
}

impl Said {
    pub(super) const fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

/// A file of code.
struct Module {
    file: String,
    text: String,
}

/// Files that may say something, relative to the template's folder.
pub(super) fn files(scope: &Scope, mapping: &Mapping) -> Vec<String> {
    let Some(function) = &mapping.function else {
        return vec!["config.py".to_owned()];
    };
    let folder = folder(scope, function);
    let names = package::files(handler(scope, function).as_deref());
    let within = names.iter().map(|name| match &folder {
        Some(folder) => format!("{folder}/{name}"),
        None => name.clone(),
    });
    let mut all: Vec<String> = within.collect();
    if folder.is_some() {
        all.push("config.py".to_owned());
    }
    all
}

/// The folder of the function's code, where it is one beside the template.
fn folder(scope: &Scope, function: &Function) -> Option<String> {
    let property = if function.serverless { "CodeUri" } else { "Code" };
    let uri = scope.text(function.properties.get(property)?).ok()??;
    let uri = uri.trim_end_matches('/');
    let local = !uri.is_empty()
        && !uri.contains("://")
        && !uri.starts_with('/')
        && Path::new(uri).extension().is_none_or(|ending| ending != "zip");
    local
        .then(|| uri.strip_prefix("./").unwrap_or(uri).to_owned())
        .filter(|uri| uri != ".")
}

fn handler(scope: &Scope, function: &Function) -> Option<String> {
    scope.text(function.properties.get("Handler")?).ok()?
}

/// The code that a template itself holds.
fn inline(scope: &Scope, function: &Function) -> Option<String> {
    let properties = &function.properties;
    let code = properties
        .get("InlineCode")
        .or_else(|| properties.get("Code")?.get("ZipFile"))?;
    scope.text(code).ok()?
}

/// Looks at a mapping's function; `template` is the file's name, `texts` the files that are there.
pub(super) fn look(scope: &Scope, mapping: &Mapping, template: &str, texts: &BTreeMap<String, String>) -> Kafka {
    let variables = mapping
        .function
        .as_ref()
        .map(|function| variables(scope, function))
        .unwrap_or_default();
    let mut modules: Vec<Module> = mapping
        .function
        .as_ref()
        .and_then(|function| inline(scope, function))
        .map(|text| Module {
            file: template.to_owned(),
            text,
        })
        .into_iter()
        .collect();
    modules.extend(files(scope, mapping).into_iter().filter_map(|file| {
        let text = texts.get(&file)?.clone();
        Some(Module { file, text })
    }));
    let mut used = Vec::new();
    let mut find = |of: fn(&BTreeMap<String, String>) -> Found| -> Said {
        let (in_variables, names) = said(of(&variables), |name| From::Variable {
            file: template.to_owned(),
            name,
        });
        used.extend(names);
        if !in_variables.is_nothing() {
            return in_variables;
        }
        let in_modules = modules.iter().map(|module| {
            said(of(&constants(&module.text)), |name| From::Constant {
                file: module.file.clone(),
                name,
            })
            .0
        });
        in_modules
            .into_iter()
            .find(|said| !said.is_nothing())
            .unwrap_or_default()
    };
    let (servers, topic) = (find(hints::servers), find(hints::topic));
    let by_arn = |fits: &dyn Fn(&str) -> bool| {
        let mut found = variables.iter().filter(|(_, text)| fits(text));
        match (found.next(), found.next()) {
            (Some((name, text)), Some((other, second))) if text != second => {
                Said::Several(format!("{name} and {other}"))
            }
            (Some((name, text)), _) => Said::One(
                text.clone(),
                From::Variable {
                    file: template.to_owned(),
                    name: name.clone(),
                },
            ),
            (None, _) => Said::Nothing,
        }
    };
    let cluster = by_arn(&|text| Arn::parse(Kind::Cluster, text).is_ok());
    let secret = by_arn(&|text| SecretArn::parse(text).is_ok());
    for said in [&cluster, &secret] {
        if let Said::One(_, From::Variable { name, .. }) = said {
            used.push(name.clone());
        }
    }
    let code: Vec<&Module> = modules
        .iter()
        .filter(|module| !module.file.ends_with("config.py"))
        .collect();
    Kafka {
        authentication: authentication(&variables, &modules, &servers),
        no_flush: code
            .iter()
            .find(|module| never_waits(&module.text))
            .map(|module| module.file.clone()),
        answers_failures: (!code.is_empty())
            .then(|| code.iter().any(|module| module.text.contains("batchItemFailures"))),
        servers,
        topic,
        cluster,
        secret,
        used,
    }
}

/// What was found, and the names that say it.
fn said(found: Found, from: impl Fn(String) -> From) -> (Said, Vec<String>) {
    match found {
        Found::One(hint) => (Said::One(hint.value, from(hint.name.clone())), vec![hint.name]),
        Found::Several(names) => (Said::Several(shown(&names.join(" and "))), names),
        Found::Nothing => (Said::Nothing, Vec::new()),
    }
}

/// The function's variables, as far as they are known.
fn variables(scope: &Scope, function: &Function) -> BTreeMap<String, String> {
    let Some(environment) = function.properties.get("Environment") else {
        return BTreeMap::new();
    };
    let variables = scope.within(environment, &["Variables"]).ok().flatten();
    let entries = variables.iter().flat_map(|variables| variables.entries());
    entries
        .filter_map(|(name, value)| Some((name.clone(), scope.text(value).ok()??)))
        .collect()
}

/// Whether code of kafka-python or confluent-kafka sends and ends without waiting: what is on its way then is lost when the sandbox is frozen.
fn never_waits(text: &str) -> bool {
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .collect();
    let code = code.join("\n");
    let sends = code.contains("Producer(") && (code.contains(".send(") || code.contains(".produce("));
    let waits = [".flush(", ").get(", "future.get(", ".close(", "await "];
    sends && !waits.iter().any(|wait| code.contains(wait))
}

/// How the brokers are spoken to, and what says so.
fn authentication(
    variables: &BTreeMap<String, String>,
    modules: &[Module],
    servers: &Said,
) -> Option<(Authentication, String)> {
    let words: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .chain(
            modules
                .iter()
                .map(|module| (module.file.as_str(), module.text.as_str())),
        )
        .collect();
    let who = |marks: &[&str]| {
        let found = words
            .iter()
            .find(|(_, text)| marks.iter().any(|mark| text.contains(mark)));
        found.map(|(name, _)| shown(name))
    };
    if let Some(name) = who(&["AWS_MSK_IAM", "MSKAuthTokenProvider", "OAUTHBEARER"]) {
        return Some((Authentication::Iam, name));
    }
    if let Some(name) = who(&["SCRAM-SHA-512"]) {
        return Some((Authentication::Scram, name));
    }
    // Ways that k2m has not.
    if who(&["SCRAM-SHA-256", "SASL_PLAINTEXT", "GSSAPI"]).is_some() {
        return None;
    }
    let Said::One(list, from) = servers else { return None };
    let servers = Servers::parse(list).ok()?;
    if let Some(name) = who(&["ssl_certfile", "ssl.certificate.location", "ssl.keystore"]) {
        return Some((Authentication::MutualTls, name));
    }
    if is_msk(&servers) {
        return by_port(&servers).map(|(way, port)| (way, format!("port {port} of {from}")));
    }
    if let Some(name) = who(&["'SSL'", "\"SSL\"", "ssl_cafile", "ssl.ca.location"]) {
        return Some((Authentication::Tls, name));
    }
    // A client that is told of no security has none.
    let silent = modules.iter().find(|module| module.text.contains("Producer("));
    let silent = silent.filter(|_| who(&["security_protocol", "security.protocol", "sasl"]).is_none());
    silent.map(|module| (Authentication::Plaintext, module.file.clone()))
}

/// What speaks to the one port that these brokers of MSK have, and the port.
pub(super) fn by_port(servers: &Servers) -> Option<(Authentication, u16)> {
    let ports: Vec<u16> = servers.ports().into_iter().collect();
    let [port] = ports.as_slice() else { return None };
    Some((Authentication::of_port(*port)?, *port))
}

/// Whether these are brokers of MSK, by their names.
pub(super) fn is_msk(servers: &Servers) -> bool {
    servers.iter().all(|server| msk(&server.host).is_some())
}

/// Whether brokers of MSK are reached over the internet.
pub(super) fn is_public(servers: &Servers) -> bool {
    servers.iter().all(|server| {
        server
            .host
            .split('.')
            .next()
            .is_some_and(|first| first.ends_with("-public"))
    }) || servers.ports().iter().all(|port| matches!(port, 9194 | 9196 | 9198))
}

/// The cluster's name where a broker's tells it, and its region.
pub(super) fn msk(host: &str) -> Option<(Option<&str>, &str)> {
    let parts: Vec<&str> = host.split('.').collect();
    let parts = parts.strip_suffix(&["cn"]).unwrap_or(&parts);
    match parts {
        [_, name, _, _, "kafka", region, "amazonaws", "com"] => Some((Some(name), region)),
        [.., "kafka" | "kafka-serverless", region, "amazonaws", "com"] => Some((None, region)),
        _ => None,
    }
}
