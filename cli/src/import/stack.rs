//! What all pipelines of an import have in common: where records go, the functions' network, and what a stack has once for all. Pure.

use std::collections::BTreeSet;

use super::kafka::{self, Said};
use super::notes::Notes;
use super::part::Part;
use super::resolve::Gap;
use super::{Carried, From, ImportError, Project};
use crate::arn::{Arn, Kind};
use crate::settings::{Servers, check};
use crate::shell::{Command, quoted};
use crate::shown::shown;

/// Settings that all pipelines have in common.
pub(super) fn of_stack(
    project: &Project,
    parts: &[Part<'_>],
    notes: &mut Notes<'_>,
) -> Result<Vec<Carried>, ImportError> {
    let Some(first) = parts.first() else {
        return Ok(Vec::new());
    };
    let mut settings = Vec::new();
    let is_msk = destination(project, parts, notes, &mut settings)?;
    subnets(parts, notes, &mut settings)?;
    group(parts, is_msk, notes, &mut settings)?;
    beside_the_template(parts, notes, &mut settings)?;
    let flags = &project.given.flags;
    let needs_secret = settings
        .iter()
        .find(|carried| carried.setting == "authentication")
        .is_some_and(|carried| matches!(carried.value.as_str(), "scram" | "mutual_tls"));
    if needs_secret && !flags.contains_key("secret") && !flags.contains_key("authentication") {
        match &first.kafka.secret {
            Said::One(secret, from) => settings.push(Carried {
                setting: "secret",
                value: secret.clone(),
                from: from.clone(),
            }),
            // Where MSK knows it, k2m finds it.
            _ if is_msk && settings.iter().any(|carried| carried.value == "scram") => {}
            _ => {
                let why = (
                    "the brokers want one, and no variable of the function names it".to_owned(),
                    "give --secret ARN, a secret in Secrets Manager".to_owned(),
                );
                notes.open(first.mapping, "secret", why, first.mapping.line, true);
            }
        }
    }
    if parts.len() > 1 && !flags.contains_key("stack") {
        let named = project.given.sam.stack.clone().map(|name| format!("k2m-{name}"));
        let named = named.filter(|name| check("stack", name).is_ok());
        let of_cluster = settings.iter().find(|carried| carried.setting == "cluster");
        let of_cluster =
            of_cluster.and_then(|carried| Some(Arn::parse(Kind::Cluster, &carried.value).ok()?.name().to_owned()));
        let of_flag = flags
            .get("cluster")
            .and_then(|arn| Some(Arn::parse(Kind::Cluster, arn).ok()?.name().to_owned()));
        let (value, from) = match named {
            Some(name) => (name, "stack_name in samconfig.toml"),
            None => (
                format!("k2m-{}", of_flag.or(of_cluster).unwrap_or_else(|| "kafka".to_owned())),
                "several pipelines need a name for their stack",
            ),
        };
        settings.push(Carried {
            setting: "stack",
            value,
            from: From::Follows(from.to_owned()),
        });
    }
    Ok(settings)
}

/// Where records go, and how the brokers are spoken to. Says whether that is MSK.
#[expect(
    clippy::too_many_lines,
    reason = "one step after another, each on what those before found"
)]
fn destination(
    project: &Project,
    parts: &[Part<'_>],
    notes: &mut Notes<'_>,
    settings: &mut Vec<Carried>,
) -> Result<bool, ImportError> {
    let flags = &project.given.flags;
    let said: Vec<(&Part<'_>, &str)> = parts
        .iter()
        .filter_map(|part| match (&part.kafka.cluster, &part.kafka.servers) {
            (Said::One(value, _), _) | (_, Said::One(value, _)) => Some((part, value.as_str())),
            _ => None,
        })
        .collect();
    let by_flag = flags.contains_key("cluster") || flags.contains_key("bootstrap_servers");
    let different: BTreeSet<&str> = said.iter().map(|(_, value)| *value).collect();
    if different.len() > 1 && !by_flag {
        return Err(ImportError::TwoKafkas {
            mappings: said.iter().map(|(part, _)| part.mapping.id.clone()).collect(),
        });
    }
    let Some(part) = said.first().map(|(part, _)| *part).or_else(|| parts.first()) else {
        return Ok(true);
    };
    let kafka = part.kafka;
    let line = part.mapping.line;
    let servers = match &kafka.servers {
        Said::One(servers, _) => Servers::parse(servers).ok(),
        _ => None,
    };
    let of_msk = servers.as_ref().is_some_and(kafka::is_msk);
    let mut is_msk = !flags.contains_key("bootstrap_servers");
    if !by_flag {
        match (&kafka.cluster, &kafka.servers, &servers) {
            (Said::One(cluster, from), ..) => settings.push(Carried {
                setting: "cluster",
                value: cluster.clone(),
                from: from.clone(),
            }),
            (_, Said::One(_, from), Some(parsed)) if !of_msk => {
                is_msk = false;
                settings.push(Carried {
                    setting: "bootstrap_servers",
                    value: parsed.to_string(),
                    from: from.clone(),
                });
            }
            (_, Said::One(_, from), Some(parsed)) => {
                let first = parsed
                    .iter()
                    .next()
                    .map(|server| server.host.clone())
                    .unwrap_or_default();
                let (name, region) = kafka::msk(&first).unwrap_or((None, ""));
                let mut command = Command::new("aws kafka list-clusters-v2").option("--region", region);
                if let Some(name) = name {
                    command = command.option("--cluster-name-filter", name);
                }
                let command = command
                    .option("--query", "ClusterInfoList[].ClusterArn")
                    .option("--output", "text");
                let why = (
                    format!(
                        "{from} names brokers of MSK ({}), and k2m goes by their cluster's ARN",
                        shown(&first)
                    ),
                    format!("give --cluster ARN, as this prints it: {command}"),
                );
                notes.open(part.mapping, "cluster", why, line, true);
            }
            (Said::Several(names), ..) | (_, Said::Several(names), _) => {
                let why = (
                    format!("{names} say different things"),
                    "give --cluster ARN, or --bootstrap-servers HOST:PORT of a Kafka that is not MSK".to_owned(),
                );
                notes.open(part.mapping, "cluster", why, line, true);
            }
            _ => {
                let why = (
                    "neither a variable of the function nor a constant in config.py or its code says where it writes to".to_owned(),
                    "give --cluster ARN, or --bootstrap-servers HOST:PORT of a Kafka that is not MSK".to_owned(),
                );
                notes.open(part.mapping, "cluster", why, line, true);
            }
        }
    }
    if !flags.contains_key("authentication") {
        // With a cluster that a flag names, what a port means is MSK's own table too.
        let by_port = servers
            .as_ref()
            .filter(|_| is_msk && kafka.authentication.is_none())
            .and_then(kafka::by_port)
            .map(|(way, port)| (way, format!("port {port}")));
        match kafka.authentication.clone().or(by_port) {
            Some((way, by)) => settings.push(Carried {
                setting: "authentication",
                value: way.name().to_owned(),
                from: From::Follows(by),
            }),
            None if is_msk => {}
            None => {
                let why = (
                    "the code does not say how it speaks to the brokers, and nothing of AWS tells it of a Kafka that is not MSK".to_owned(),
                    "give --authentication plaintext, tls, scram or mutual-tls".to_owned(),
                );
                notes.open(part.mapping, "authentication", why, line, true);
            }
        }
    }
    let outside = part
        .mapping
        .function
        .as_ref()
        .is_some_and(|function| function.properties.get("VpcConfig").is_none());
    if outside && !flags.contains_key("public_access") {
        if !is_msk || servers.as_ref().is_some_and(kafka::is_public) {
            settings.push(Carried {
                setting: "public_access",
                value: "true".to_owned(),
                from: From::Follows("the function is in no VPC".to_owned()),
            });
        } else {
            notes.changed(
                part.mapping,
                "network",
                ("in no VPC", "in the brokers' VPC, or one that leads there"),
                "only so can the function reach them, where the cluster has no public access; --public-access keeps it outside",
                line,
            );
        }
    }
    Ok(is_msk)
}

fn subnets(parts: &[Part<'_>], notes: &mut Notes<'_>, settings: &mut Vec<Carried>) -> Result<(), ImportError> {
    let Some(first) = parts
        .first()
        .filter(|first| !first.flag("subnets") && !first.flag("vpc"))
    else {
        return Ok(());
    };
    let mut found: Option<(BTreeSet<String>, Vec<String>, usize)> = None;
    for part in parts {
        match part.in_vpc("SubnetIds") {
            Ok(Some((ids, line))) => {
                let set: BTreeSet<String> = ids.iter().cloned().collect();
                match &found {
                    Some((known, ..)) if *known != set => {
                        let why = "its functions are in different subnets, and a stack's are in the same: k2m chooses among those of the VPC; --subnets names them";
                        notes.left(Some(part.mapping), "SubnetIds", why.to_owned(), line);
                        return Ok(());
                    }
                    Some(_) => {}
                    None => {
                        part.fits("subnets", &ids.join(","), line)?;
                        found = Some((set, ids, line));
                    }
                }
            }
            Ok(None) => {}
            Err(gap) => notes.gap(part.mapping, "subnets", &gap, false),
        }
    }
    if let Some((_, ids, line)) = found {
        settings.push(Carried {
            setting: "subnets",
            value: ids.join(","),
            from: first.from(line),
        });
    }
    Ok(())
}

/// The functions' security group: of MSK's clusters the stack's own is better, of others nobody but the group's owner knows what it is let in to.
fn group(
    parts: &[Part<'_>],
    is_msk: bool,
    notes: &mut Notes<'_>,
    settings: &mut Vec<Carried>,
) -> Result<(), ImportError> {
    for part in parts.iter().filter(|part| !part.flag("security_group")) {
        let (ids, line) = match part.in_vpc("SecurityGroupIds") {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            // That it isn't known harms nothing where k2m makes its own.
            Err(gap) if is_msk => (vec![format!("a group that is not known ({})", gap.what)], gap.line),
            Err(gap) => {
                notes.gap(part.mapping, "security_group", &gap, false);
                continue;
            }
        };
        let listed = ids.join(", ");
        if is_msk {
            let keep = match ids.as_slice() {
                [one] if one.starts_with("sg-") => format!("; --security-group {} keeps it", quoted(one)),
                _ => String::new(),
            };
            let why = format!(
                "its rules are for the very port of the brokers, and go with the stack; the usual 9092-9093 misses the ports of TLS, SCRAM and IAM (9094, 9096, \
                 9098), and 9093 is none of MSK's{keep}"
            );
            notes.changed(
                part.mapping,
                "security_group",
                (&listed, "one of the stack's own"),
                &why,
                line,
            );
        } else if let [one] = ids.as_slice() {
            part.fits("security_group", one, line)?;
            let known = settings.iter().find(|carried| carried.setting == "security_group");
            if known.is_none() {
                settings.push(Carried {
                    setting: "security_group",
                    value: one.clone(),
                    from: part.from(line),
                });
            }
        } else {
            let why = "k2m's functions have one group: the stack's own, or that of --security-group";
            notes.left(
                Some(part.mapping),
                &format!("SecurityGroupIds {listed}"),
                why.to_owned(),
                line,
            );
        }
    }
    Ok(())
}

/// What a stack has once for all: tags, the boundary of its roles, the processor. Functions that say nothing of it have no say.
fn beside_the_template(
    parts: &[Part<'_>],
    notes: &mut Notes<'_>,
    settings: &mut Vec<Carried>,
) -> Result<(), ImportError> {
    type Said = fn(&Part<'_>, &mut Notes<'_>) -> Result<Option<(String, usize)>, Gap>;
    let all: [(&'static str, &str, Said); 3] = [
        ("tags", "Tags", |part, notes| Ok(part.tags(notes))),
        ("permissions_boundary", "PermissionsBoundary", |part, _| part.boundary()),
        ("architecture", "Architectures", |part, _| part.architecture()),
    ];
    for (setting, property, said) in all {
        let mut found: Option<Carried> = None;
        let mut different = false;
        for part in parts.iter().filter(|part| !part.flag(setting)) {
            let (value, line) = match said(part, notes) {
                Ok(Some(said)) => said,
                Ok(None) => continue,
                Err(gap) => {
                    notes.gap(part.mapping, setting, &gap, false);
                    continue;
                }
            };
            part.fits(setting, &value, line)?;
            match &found {
                Some(first) if first.value != value => {
                    let why = format!(
                        "its functions say different things, and a stack has one {setting} for all: --{} says it",
                        setting.replace('_', "-")
                    );
                    notes.left(Some(part.mapping), property, why, line);
                    different = true;
                }
                Some(_) => {}
                None => {
                    found = Some(Carried {
                        setting,
                        value,
                        from: part.from(line),
                    });
                }
            }
        }
        settings.extend(found.filter(|_| !different));
    }
    Ok(())
}
