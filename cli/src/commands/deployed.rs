//! The stack whose pipelines are watched, and which of them: by the stack's own word, so that its name and its region are enough.

use thiserror::Error;

use super::CommandError;
use super::chosen::{chosen_stack, named_streams};
use crate::args::StackArgs;
use crate::arn::PlaceError;
use crate::aws::{Aws, default_region};
use crate::deploy::DeployError;
use crate::deploy::port::{Fault, FaultKind};
use crate::exit::Exit;
use crate::facts::{Fact, Stack, StackPipeline, Unreadable};
use crate::settings::ChosenStack;
use crate::shell::{Command, quoted};

/// Why a stack's pipelines can't be watched.
#[derive(Debug, Error)]
pub enum DeployedError {
    /// It isn't there.
    #[error(
        "nothing is deployed: there is no stack {stack} in {region}; `k2m deploy` makes it, or name another with --stack or --region"
    )]
    Absent {
        /// The stack.
        stack: String,
        /// Where it was looked for.
        region: String,
    },
    /// Another tool made it.
    #[error(
        "the stack {stack} in {region} is not k2m's: it has no tag k2m:stack; name another with --stack or --region"
    )]
    Foreign {
        /// The stack.
        stack: String,
        /// Its region.
        region: String,
    },
    /// It never came to be, or is not yet.
    #[error(
        "the stack {stack} in {region} is {status} and has no pipeline: {}",
        from_here(status, doctor)
    )]
    NoPipelines {
        /// The stack.
        stack: String,
        /// Its region.
        region: String,
        /// Its status.
        status: String,
        /// The command that says more.
        doctor: String,
    },
    /// A stream that no pipeline of it reads.
    #[error("no pipeline of the stack {stack} reads {stream}: those that it has read {}", known.join(", "))]
    NoSuchStream {
        /// The stack.
        stack: String,
        /// The stream's ARN.
        stream: String,
        /// Those that are read.
        known: Vec<String>,
    },
    /// AWS doesn't say how it is.
    #[error("the stack {stack} in {region} could not be read: {}", told(why))]
    Unread {
        /// The stack.
        stack: String,
        /// Its region.
        region: String,
        /// Why not.
        why: Unreadable,
    },
    /// A function that the stack has is gone, and with it what says where it logs.
    #[error("the function of {name} is gone, and nothing says where it logged: `{doctor}` says how to mend that")]
    NoFunction {
        /// The pipeline.
        name: String,
        /// The command that says more.
        doctor: String,
    },
    /// Nothing is logged.
    #[error(
        "there is no log group {group} in {region}, so the function of {name} logs nothing, and may not make it itself; make it with\n  {make}"
    )]
    NoLogGroup {
        /// The pipeline.
        name: String,
        /// The group.
        group: String,
        /// Its region.
        region: String,
        /// The command that makes it.
        make: String,
    },
    /// CloudWatch Logs doesn't give the lines.
    #[error("the log of {name} ({group}) could not be read: {fault}")]
    Lines {
        /// The pipeline.
        name: String,
        /// The group.
        group: String,
        /// Why not.
        fault: Fault,
    },
}

/// What to do about a stack that has no pipeline, by its status.
fn from_here(status: &str, doctor: &str) -> String {
    match status {
        "DELETE_IN_PROGRESS" => "it is being deleted, which takes some minutes".to_owned(),
        "DELETE_FAILED" => format!("`k2m destroy` deletes the rest of it, and `{doctor}` says what is wrong"),
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" => {
            format!("it was never made whole. `k2m deploy` replaces it, and `{doctor}` says what is wrong")
        }
        "REVIEW_IN_PROGRESS" => "nothing of it was made yet; `k2m deploy` makes it".to_owned(),
        status if status.ends_with("_IN_PROGRESS") => "CloudFormation works on it, so ask again in a minute".to_owned(),
        _ => format!("`{doctor}` says what is wrong"),
    }
}

fn told(why: &Unreadable) -> Fault {
    Fault::from(why)
}

impl DeployedError {
    /// The exit code that it ends with.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Absent { .. } | Self::NoPipelines { .. } | Self::NoFunction { .. } | Self::NoLogGroup { .. } => {
                Exit::Failed
            }
            Self::Foreign { .. } | Self::NoSuchStream { .. } => Exit::Usage,
            Self::Unread { .. } | Self::Lines { .. } => Exit::CouldNotTell,
        }
    }
}

/// A stack of k2m, and those of its pipelines that are meant.
#[derive(Debug)]
pub(super) struct Deployed {
    pub(super) aws: Aws,
    pub(super) region: String,
    pub(super) stack: Stack,
    pub(super) pipelines: Vec<StackPipeline>,
}

/// Looks for the stack.
pub(super) async fn deployed(args: &StackArgs) -> Result<Deployed, CommandError> {
    let settings = args.settings();
    let ChosenStack {
        name,
        region,
        account,
        access,
        ..
    } = chosen_stack(&settings)?;
    let streams = named_streams(&settings)?;
    let profile = access.profile.as_deref();
    let region = match region {
        Some(region) => region,
        None => default_region(profile).await?.ok_or(DeployError::NoRegion)?,
    };
    let aws = Aws::connect(profile, &region).await?;
    // Credentials that are refused are told as such, and a stack of the same name in another account is another stack.
    let (caller, _) = aws.caller(&region).await?;
    if let Some(arn) = account.filter(|account| *account != caller) {
        return Err(PlaceError::Caller { caller, arn }.into());
    }
    let stack = name.value;
    let found = match aws.stack(&region, &stack).await {
        Fact::Found { value } => value,
        Fact::Absent => return Err(DeployedError::Absent { stack, region }.into()),
        Fact::Unreadable(why) => return Err(DeployedError::Unread { stack, region, why }.into()),
    };
    let pipelines = meant(
        &found,
        &region,
        streams
            .as_deref()
            .map(|streams| streams.iter().map(ToString::to_string).collect()),
    )?;
    Ok(Deployed {
        aws,
        region,
        stack: found,
        pipelines,
    })
}

/// The command that says what is wrong with a stack.
pub(super) fn doctor(stack: &str, region: &str) -> String {
    let command = Command::new("k2m doctor").option("--stack", stack);
    command.option("--region", region).to_string()
}

/// The pipelines that are meant: of these streams, in the stack's order; all of them where none are named.
fn meant(stack: &Stack, region: &str, streams: Option<Vec<String>>) -> Result<Vec<StackPipeline>, DeployedError> {
    let (name, region) = (stack.name.clone(), region.to_owned());
    if !stack.made_by_k2m {
        return Err(DeployedError::Foreign { stack: name, region });
    }
    let all = StackPipeline::of(stack);
    if all.is_empty() {
        return Err(DeployedError::NoPipelines {
            doctor: doctor(&name, &region),
            stack: name,
            region,
            status: stack.status.clone(),
        });
    }
    let Some(streams) = streams else { return Ok(all) };
    if let Some(stream) = streams
        .iter()
        .find(|stream| all.iter().all(|one| one.stream.as_str() != stream.as_str()))
    {
        return Err(DeployedError::NoSuchStream {
            stack: name,
            stream: stream.clone(),
            known: all.iter().map(|one| one.stream.to_string()).collect(),
        });
    }
    let is_meant = |one: &StackPipeline| streams.iter().any(|stream| one.stream.as_str() == stream.as_str());
    Ok(all.into_iter().filter(is_meant).collect())
}

/// Why the lines of a log group could not be read, and what to do.
pub(super) fn unread_lines(name: &str, group: &str, region: &str, fault: Fault) -> DeployedError {
    let (name, group) = (name.to_owned(), group.to_owned());
    match fault.kind {
        FaultKind::Absent => DeployedError::NoLogGroup {
            make: Command::new("aws logs create-log-group")
                .option("--log-group-name", &group)
                .option("--region", region)
                .to_string(),
            name,
            group: quoted(&group),
            region: region.to_owned(),
        },
        _ => DeployedError::Lines { name, group, fault },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn arn(name: &str) -> String {
        format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{name}")
    }

    fn stack(streams: &[&str]) -> Stack {
        let outputs = streams.iter().map(|name| (format!("{name}Stream"), arn(name)));
        Stack {
            name: "k2m-all".to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
            made_by_k2m: true,
            resources: BTreeMap::new(),
            outputs: outputs.collect(),
            parameters: BTreeMap::new(),
            tags: BTreeMap::new(),
            protected: false,
            template: None,
            template_unreadable: None,
        }
    }

    #[test]
    fn the_pipelines_are_the_stack_s_or_those_that_are_named() {
        let two = stack(&["orders", "clicks"]);
        let names = |streams: Option<&[&str]>| {
            let streams = streams.map(|names| names.iter().map(|name| arn(name)).collect());
            let meant = meant(&two, "eu-west-1", streams).map_err(|error| error.to_string())?;
            Ok(meant
                .iter()
                .map(|one| one.name().to_owned())
                .collect::<Vec<_>>()
                .join(" "))
        };
        assert_eq!(names(None), Ok::<_, String>("clicks orders".to_owned()));
        assert_eq!(names(Some(&["orders"])), Ok("orders".to_owned()));
        let error = names(Some(&["orders", "views"])).unwrap_err();
        assert_eq!(
            error,
            format!(
                "no pipeline of the stack k2m-all reads {}: those that it has read {}, {}",
                arn("views"),
                arn("clicks"),
                arn("orders")
            )
        );
    }

    #[test]
    fn a_stack_without_pipelines_is_told_by_its_status() {
        let mut told = String::new();
        for status in [
            "REVIEW_IN_PROGRESS",
            "CREATE_IN_PROGRESS",
            "CREATE_FAILED",
            "ROLLBACK_IN_PROGRESS",
            "ROLLBACK_COMPLETE",
            "ROLLBACK_FAILED",
            "UPDATE_COMPLETE",
            "DELETE_IN_PROGRESS",
            "DELETE_FAILED",
        ] {
            let mut none = stack(&[]);
            none.status = status.to_owned();
            let error = meant(&none, "eu-west-1", None).unwrap_err();
            assert_eq!(error.exit(), Exit::Failed);
            told.extend([error.to_string(), "\n".to_owned()]);
        }
        insta::assert_snapshot!(told);
    }

    #[test]
    fn what_is_in_the_way_is_said_with_the_next_step_and_an_exit_code() {
        let fault = |kind, message: &str| Fault {
            kind,
            message: message.to_owned(),
        };
        let mut foreign = stack(&["orders"]);
        foreign.made_by_k2m = false;
        let mut broken = stack(&[]);
        broken.status = "ROLLBACK_COMPLETE".to_owned();
        let denied = FaultKind::Denied("logs:FilterLogEvents".to_owned());
        let errors = [
            DeployedError::Absent {
                stack: "k2m-orders".to_owned(),
                region: "eu-west-1".to_owned(),
            },
            meant(&foreign, "eu-west-1", None).unwrap_err(),
            meant(&broken, "eu-west-1", None).unwrap_err(),
            DeployedError::Unread {
                stack: "k2m-orders".to_owned(),
                region: "eu-west-1".to_owned(),
                why: Unreadable {
                    missing_action: Some("cloudformation:DescribeStacks".to_owned()),
                    message: "AccessDenied: no".to_owned(),
                },
            },
            DeployedError::NoFunction {
                name: "orders".to_owned(),
                doctor: doctor("k2m-orders", "eu-west-1"),
            },
            unread_lines(
                "orders",
                "/k2m/orders",
                "eu-west-1",
                fault(FaultKind::Absent, "it is not there"),
            ),
            unread_lines("orders", "/k2m/orders", "eu-west-1", fault(denied, "AccessDenied: no")),
            unread_lines(
                "orders",
                "/k2m/orders",
                "eu-west-1",
                fault(FaultKind::Passing, "Throttling: slow"),
            ),
        ];
        let told: Vec<String> = errors
            .iter()
            .map(|error| format!("{}: {error}", error.exit().code()))
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
