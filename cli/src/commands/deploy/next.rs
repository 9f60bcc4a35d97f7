//! The command that follows a deployment.

use crate::settings::{ENVIRONMENT_FLAG, Kafka, PipelineSettings, Settings, Source};
use crate::shell::Command;

/// The command that looks at these very pipelines.
pub(in crate::commands) fn doctor(settings: &Settings) -> String {
    let doctor = Command::new("k2m doctor");
    let command = match settings.pipelines.as_slice() {
        [pipeline] => of_one(doctor, settings, pipeline),
        // The stack knows them all.
        _ => doctor
            .option("--stack", &settings.stack.value)
            .option("--region", &settings.home.region),
    };
    let command = match &settings.environment {
        Some(environment) => command
            .file(&environment.path)
            .option(ENVIRONMENT_FLAG, &environment.name),
        None => command,
    };
    match &settings.profile {
        Some(profile) => command.option("--profile", profile).to_string(),
        None => command.to_string(),
    }
}

/// With what the function is told by nobody else.
fn of_one(command: Command, settings: &Settings, pipeline: &PipelineSettings) -> Command {
    let mut command = command.option("--stream", &pipeline.stream.value.to_string());
    command = match &settings.kafka {
        Kafka::Cluster(cluster) => command.option("--cluster", cluster.value.as_str()),
        Kafka::BootstrapServers(servers) => command.option("--bootstrap-servers", &servers.value.to_string()),
    };
    if let Some(blocks) = &settings.broker_cidrs {
        let blocks: Vec<String> = blocks.value.iter().map(ToString::to_string).collect();
        command = command.option("--broker-cidrs", &blocks.join(","));
    }
    // Only of a cluster of MSK the ports tell that functions are meant to be in no VPC.
    if settings.servers().is_some() && settings.public_access.value {
        command = command.option("--public-access", "true");
    }
    if let Some(vpc) = &settings.vpc {
        command = command.option("--vpc", &vpc.value);
    }
    for (flag, setting) in [("--topic", &pipeline.topic), ("--stack", &settings.stack)] {
        if setting.source != Source::Default {
            command = command.option(flag, &setting.value);
        }
    }
    if let Some(topic) = &pipeline.dead_letter_topic {
        command = command.option("--on-poison", pipeline.on_poison.value.name());
        if topic.source != Source::Default {
            command = command.option("--dead-letter-topic", &topic.value);
        }
    }
    command
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
        // What begins like an option is a value all the same.
        let dashed = next(&[&servers[..], &["--topic=-t"]].concat());
        assert!(dashed.ends_with(" --topic=-t"), "{dashed}");
        let profile = next(&[&servers[..], &["--profile", "a profile; $(x)"]].concat());
        assert!(profile.ends_with(" --profile 'a profile; $(x)'"), "{profile}");
        let of_msk = next(&["--cluster", cluster, "--public-access", "true"]);
        assert!(of_msk.ends_with(cluster), "{of_msk}");
    }
}
