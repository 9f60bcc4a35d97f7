//! What is otherwise with a function that k2m did not deploy: what it speaks to, and the commands that mend it where no deployment of k2m's would.

use serde_json::json;

use super::authentication::way_of;
use super::{Case, Outcome, Server};
use crate::facts::{Fact, Foreign, Said};
use crate::plan::private::is_port;
use crate::settings::{Authentication, Source};
use crate::shell::Command;

/// Why what is of k2m's stack or handler can't be judged.
pub(super) const FOREIGN: &str = "k2m did not deploy this function";

impl<'a> Case<'a> {
    /// What is known of the function where k2m did not deploy it.
    pub(super) fn foreign(&self) -> Option<&'a Foreign> {
        self.seen.foreign.as_ref()
    }

    /// What is skipped of such a function.
    pub(super) fn not_foreign(&self, why: &str) -> Result<(), Outcome> {
        match self.foreign() {
            Some(_) => Err(Outcome::skip(format!("{FOREIGN}{why}"))),
            None => Ok(()),
        }
    }

    /// What says which servers the function begins with: the variable of k2m's, else where it was found.
    pub(super) fn told_by(&self) -> String {
        match self.foreign().and_then(|foreign| foreign.servers.found()) {
            Some(said) => said.by.to_string(),
            None => "K2M_BOOTSTRAP_SERVERS".to_owned(),
        }
    }

    /// How such a function speaks to the brokers, as far as its servers say: by the list of the cluster that has one, else by MSK's ports.
    pub(super) fn way_by_port(&self) -> Option<&'static str> {
        let cluster = self.facts.cluster.found().filter(|_| self.settings.cluster().is_some());
        let servers = self.servers();
        let mut ways = servers.iter().map(|server| {
            let listed = cluster.and_then(|cluster| way_of(cluster, server));
            let by_port = Authentication::of_port(server.port).map(Authentication::name);
            listed.or(by_port.filter(|_| cluster.is_some()))
        });
        let first = ways.next()??;
        ways.all(|way| way == Some(first)).then_some(first)
    }

    /// Ports that such a function speaks to: those of its servers, else the one that all of the cluster's lists inside its VPC have.
    pub(super) fn ports_of_cluster(&self) -> Vec<u16> {
        let Some(cluster) = self.facts.cluster.found() else {
            return Vec::new();
        };
        let lists = cluster.bootstrap_brokers.iter();
        let inside = lists.filter(|(name, _)| matches!(name.as_str(), "" | "Tls" | "SaslScram" | "SaslIam"));
        let servers = inside.flat_map(|(_, list)| list.split(','));
        let mut ports: Vec<u16> = servers
            .filter_map(|server| server.rsplit_once(':')?.1.parse().ok())
            .filter(|port| !is_port(*port))
            .collect();
        ports.sort_unstable();
        ports.dedup();
        if ports.len() == 1 { ports } else { Vec::new() }
    }

    /// What isn't known of such a function: its topic, where nobody names it.
    pub(super) fn no_topic(&self) -> Option<Outcome> {
        let foreign = self.foreign()?;
        let named = self.pipeline.topic.source != Source::Default;
        let (why, missing_action) = match &foreign.topic {
            _ if named => return None,
            Fact::Found { .. } => return None,
            Fact::Unreadable(why) => (why.message.as_str(), why.missing_action.clone()),
            Fact::Absent => ("no variable of it and no constant in its code names one", None),
        };
        Some(Outcome::Unknown {
            why: format!("which topic the function writes to is not known: {why}; name it with --topic"),
            missing_action,
        })
    }

    /// The command that gives the function or its mapping another value of a setting, as it is named in k2m.yaml; nothing where there is no such command.
    pub(super) fn direct(&self, name: &str, value: &str) -> Option<String> {
        let region = &self.settings.home.region;
        let of_function = |option: &str| {
            let command = Command::new("aws lambda update-function-configuration");
            let command = command.option("--function-name", self.foreign()?.name());
            Some(command.option(option, value).option("--region", region).to_string())
        };
        let uuid = self.seen.mapping.found().map(|mapping| mapping.uuid.as_str());
        let of_mapping = |change: &dyn Fn(Command) -> Command| {
            let command = Command::new("aws lambda update-event-source-mapping").option("--uuid", uuid?);
            Some(change(command).option("--region", region).to_string())
        };
        let option = |option: &str| of_mapping(&|command| command.option(option, value));
        let switch = |on: &str, off: &str| of_mapping(&|command| command.flag(if value == "true" { on } else { off }));
        match name {
            "timeout" => of_function("--timeout"),
            "memory" => of_function("--memory-size"),
            "batch_size" => option("--batch-size"),
            "batching_window" => option("--maximum-batching-window-in-seconds"),
            "parallelization_factor" => option("--parallelization-factor"),
            "retries" => option("--maximum-retry-attempts"),
            "maximum_record_age" => option("--maximum-record-age-in-seconds"),
            "tumbling_window" => option("--tumbling-window-in-seconds"),
            "bisect" => switch(
                "--bisect-batch-on-function-error",
                "--no-bisect-batch-on-function-error",
            ),
            "enabled" => switch("--enabled", "--no-enabled"),
            "partial_failures" => {
                let types: &[&str] = if value == "true" {
                    &["ReportBatchItemFailures"]
                } else {
                    &[]
                };
                of_mapping(&|command| command.option("--function-response-types", &json!(types).to_string()))
            }
            "failure_destination" => {
                let destination = json!({"OnFailure": {"Destination": value}});
                of_mapping(&|command| command.option("--destination-config", &destination.to_string()))
            }
            _ => None,
        }
    }

    /// The step that gives the function or its mapping another value of a setting, and the words that make it last.
    pub(super) fn setting_of_foreign(&self, foreign: &Foreign, name: &str, value: &str) -> [String; 2] {
        match self.direct(name, value) {
            Some(command) => [command, lasting(foreign)],
            None => [
                format!(
                    "{name} has to be {value}: change it {}, and deploy that",
                    foreign.home()
                ),
                format!("{FOREIGN}, so `k2m deploy` would make another one beside it"),
            ],
        }
    }

    /// What stands in the place of a deployment.
    pub(super) fn redeploy(&self, foreign: &Foreign, more: &[(&str, &str)]) -> String {
        let direct: Vec<String> = more
            .iter()
            .filter_map(|(flag, value)| self.direct(&flag.trim_start_matches("--").replace('-', "_"), value))
            .collect();
        match direct.as_slice() {
            [command] if more.len() == 1 => command.clone(),
            _ => format!("mend it {}, and deploy that: {FOREIGN}", foreign.home()),
        }
    }
}

/// What isn't known of such a function: its servers.
pub(super) fn no_servers(foreign: &Foreign) -> Outcome {
    let next = "which servers it begins with is not known";
    match &foreign.servers {
        Fact::Unreadable(why) => Outcome::Unknown {
            why: format!("{next}: {}", why.message),
            missing_action: why.missing_action.clone(),
        },
        Fact::Absent | Fact::Found { .. } => Outcome::Unknown {
            why: format!("{next}: no variable of it and no constant in its code is a list of HOST:PORT"),
            missing_action: None,
        },
    }
}

/// Where else a change has to be made.
pub(super) fn lasting(foreign: &Foreign) -> String {
    match &foreign.stack {
        Some(stack) => {
            format!("change it in the template of the stack {stack} too, or its next deployment takes it back")
        }
        None => "change it where the function is deployed from too, or its next deployment takes it back".to_owned(),
    }
}

/// What has to be done so that the function speaks to these servers. Its variables are replaced whole and nobody here knows the others, so no command does
/// that.
pub(super) fn speak_to(foreign: &Foreign, servers: &[Server<'_>], way: &str) -> Vec<String> {
    let texts: Vec<&str> = servers.iter().map(|server| server.text).collect();
    let what = if texts.is_empty() {
        format!("the cluster's brokers for {way}")
    } else {
        texts.join(",")
    };
    let place = match foreign.servers.found() {
        Some(Said { by, .. }) => format!("make {by} say"),
        None => "have the function speak to".to_owned(),
    };
    vec![
        format!("{place} {what}, with a client that speaks {way}"),
        format!(
            "then deploy it as it was deployed: its settings are kept {}",
            foreign.home()
        ),
    ]
}
