//! The command that follows a deployment.

use crate::settings::{ENVIRONMENT_FLAG, Kafka, Settings, Source};
use crate::shell::Command;

/// The command that looks at these very pipelines.
pub(in crate::commands) fn doctor(settings: &Settings) -> String {
    let mut whose = Command::new("");
    if let Some(environment) = &settings.environment {
        whose = whose
            .file(&environment.path)
            .option(ENVIRONMENT_FLAG, &environment.name);
    }
    if let Some(profile) = &settings.profile {
        whose = whose.option("--profile", profile);
    }
    let [pipeline] = settings.pipelines.as_slice() else {
        // The stack knows them all.
        return format!(
            "k2m doctor --stack {} --region {}{whose}",
            settings.stack.value, settings.home.region
        );
    };
    let mut command = format!("k2m doctor --stream {}", pipeline.stream.value);
    match &settings.kafka {
        Kafka::Cluster(cluster) => command.extend([" --cluster ", cluster.value.as_str()]),
        Kafka::BootstrapServers(servers) => command.extend([" --bootstrap-servers ", &servers.value.to_string()]),
    }
    if let Some(blocks) = &settings.broker_cidrs {
        let blocks: Vec<String> = blocks.value.iter().map(ToString::to_string).collect();
        command.extend([" --broker-cidrs ", &blocks.join(",")]);
    }
    // Only of a cluster of MSK the ports tell that functions are meant to be in no VPC.
    if settings.servers().is_some() && settings.public_access.value {
        command.push_str(" --public-access true");
    }
    if let Some(vpc) = &settings.vpc {
        command.extend([" --vpc ", &vpc.value]);
    }
    for (flag, setting) in [("--topic", &pipeline.topic), ("--stack", &settings.stack)] {
        if setting.source != Source::Default {
            command.extend([" ", flag, " ", &setting.value]);
        }
    }
    if let Some(topic) = &pipeline.dead_letter_topic {
        command.extend([" --on-poison ", pipeline.on_poison.value.name()]);
        if topic.source != Source::Default {
            command.extend([" --dead-letter-topic ", &topic.value]);
        }
    }
    command + &whose.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command as Subcommand};
    use crate::settings::{Sources, resolve};

    #[test]
    fn the_next_step_says_again_what_the_function_is_told_by_nobody_else() {
        let next = |more: &[&str]| {
            let stream = [
                "k2m",
                "plan",
                "--stream",
                "arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
            ];
            let cli = Cli::try_parse_from(stream.iter().chain(more)).unwrap();
            let Subcommand::Plan(args) = cli.command else {
                panic!("{:?}", cli.command)
            };
            let sources = Sources {
                flags: &args.plan.settings,
                environment: &BTreeMap::new(),
                file: None,
            };
            doctor(&resolve(sources).unwrap().0)
        };
        let looks = "k2m doctor --stream arn:aws:kinesis:eu-west-1:123456789012:stream/orders --bootstrap-servers 203.0.113.9:9092";
        let servers = ["--bootstrap-servers", "203.0.113.9:9092"];
        assert_eq!(next(&servers), looks);
        assert_eq!(
            next(&[&servers[..], &["--public-access", "true"]].concat()),
            format!("{looks} --public-access true")
        );
        let cluster = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3";
        let of_msk = next(&["--cluster", cluster, "--public-access", "true"]);
        assert!(of_msk.ends_with(cluster), "{of_msk}");
    }
}
