//! A function that was named by itself, in place of a stack: the settings and the facts that follow from it.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::chosen::{chosen_function, looking};
use super::{CommandError, look};
use crate::args::SettingsArgs;
use crate::aws::{Aws, Named, NamedFunction, default_region};
use crate::deploy::DeployError;
use crate::exit::Exit;
use crate::facts::deployed::function_name;
use crate::facts::{Fact, Facts, Foreign, PipelineFacts, Server, Unreadable};
use crate::settings::{Access, FunctionEnds, Settings};
use crate::shell::quoted;

/// Why a function that was named can't be looked at.
#[derive(Debug, Error)]
pub enum FunctionError {
    /// It is the name of none.
    #[error(
        "invalid value `{}` for --function: give its name, or all of its ARN, as `aws lambda list-functions` shows them",
        given.escape_debug()
    )]
    Name {
        /// As it was given.
        given: String,
    },
    /// It isn't there.
    #[error(
        "there is no function {} in {region}: `aws lambda list-functions --region {region}` shows what is there; name its region with --region, or give its ARN",
        quoted(function)
    )]
    Absent {
        /// As it was given.
        function: String,
        /// Where it was looked for.
        region: String,
    },
    /// A stack of k2m has it.
    #[error(
        "{} is of the stack {stack}, which k2m made, and is judged with it: k2m doctor --stack {} --region {region}",
        quoted(function),
        quoted(stack)
    )]
    OfStack {
        /// As it was given.
        function: String,
        /// The stack.
        stack: String,
        /// Its region.
        region: String,
    },
    /// It reads no stream, and nobody names the one that it should.
    #[error(
        "no event source mapping lets {} read a Kinesis stream, so nothing says which one it is for: give --stream ARN, and the function is judged as far as it goes",
        quoted(function)
    )]
    NoStream {
        /// As it was given.
        function: String,
    },
    /// Whether it is there, or what it reads, AWS does not say.
    #[error("{what} could not be read: {}{}", why.message, allow(why))]
    Unread {
        /// What.
        what: String,
        /// Why not.
        why: Unreadable,
    },
    /// It is in another region than the stream.
    #[error(
        "the function {} is in {region}, and the settings are of {stream}: a mapping reads streams of its function's region alone; give a --stream and a --region of there",
        quoted(function)
    )]
    Elsewhere {
        /// As it was given.
        function: String,
        /// Its region.
        region: String,
        /// The stream's, or that of `--region`.
        stream: String,
    },
    /// The facts of the file are of another function, or of none.
    #[error("the facts are {}, and --function names {}: give the facts of this one, as `k2m inspect --function` takes them", of(facts.as_deref()), quoted(function))]
    OtherFacts {
        /// The function that they are of.
        facts: Option<String>,
        /// As it was given.
        function: String,
    },
}

fn allow(why: &Unreadable) -> String {
    let action = why.missing_action.as_ref();
    action
        .map(|action| format!("\nallow {action} to these credentials, then look again"))
        .unwrap_or_default()
}

fn of(function: Option<&str>) -> String {
    function.map_or_else(
        || "of a stack of k2m".to_owned(),
        |function| format!("of the function {}", quoted(function)),
    )
}

impl FunctionError {
    /// The exit code that it ends with.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Unread { .. } => Exit::CouldNotTell,
            Self::Name { .. }
            | Self::Absent { .. }
            | Self::OfStack { .. }
            | Self::NoStream { .. }
            | Self::Elsewhere { .. }
            | Self::OtherFacts { .. } => Exit::Usage,
        }
    }
}

/// A function, and the settings that follow from it.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) settings: Settings,
    pub(super) access: Access,
    named: Named,
}

impl Chosen {
    /// Looks at AWS.
    pub(super) async fn look(&self, aws: &Aws) -> Result<Facts, CommandError> {
        let reads = match &self.named.reads {
            Fact::Found { value } => Fact::Found {
                value: value
                    .iter()
                    .map(|reading| (reading.stream.clone(), reading.uuid.clone()))
                    .collect(),
            },
            Fact::Absent => Fact::Absent,
            Fact::Unreadable(why) => Fact::Unreadable(why.clone()),
        };
        let function = NamedFunction {
            foreign: self.named.foreign.clone(),
            mappings: reads,
        };
        let streams: BTreeSet<&str> = self
            .settings
            .pipelines
            .iter()
            .map(|one| one.stream.value.as_str())
            .collect();
        let reads = self.named.reads.found().into_iter().flatten();
        let told = reads.filter(|reading| streams.contains(reading.stream.as_str()));
        let told = told.filter_map(|reading| reading.destination.clone());
        look::look_at(aws, &self.settings, function, told).await
    }
}

/// Looks at the function, and resolves the settings with what it says.
pub(super) async fn choose(args: &SettingsArgs, function: &str) -> Result<Chosen, CommandError> {
    let own_region = region_of(function)?;
    let access = looking(args)?;
    let said = access.region.clone();
    let profile = access.profile.as_deref();
    let region = match (own_region, said) {
        (Some(own), Some(said)) if own != said => {
            return Err(elsewhere(function, own, &said).into());
        }
        (Some(own), _) => own.to_owned(),
        (None, Some(said)) => said,
        (None, None) => default_region(profile).await?.ok_or(DeployError::NoRegion)?,
    };
    let aws = Aws::connect(profile, &region).await?;
    let named = match aws.named(&region, function).await {
        Fact::Found { value } => value,
        Fact::Absent => {
            let function = function.to_owned();
            return Err(FunctionError::Absent { function, region }.into());
        }
        Fact::Unreadable(why) => {
            // Without credentials each call would say the same in its own words.
            aws.caller(&region).await?;
            let what = format!("the function {}", quoted(function));
            return Err(FunctionError::Unread { what, why }.into());
        }
    };
    if let Some(stack) = named.k2m_stack {
        let function = function.to_owned();
        return Err(FunctionError::OfStack {
            function,
            stack,
            region,
        }
        .into());
    }
    let reads = named.reads.found().into_iter().flatten();
    let ends = FunctionEnds {
        streams: reads
            .map(|reading| (reading.stream.clone(), reading.consumer.clone()))
            .collect(),
        ..ends(&named.foreign)
    };
    let (settings, access) = match chosen_function(args, &ends) {
        Err(CommandError::Settings(missing)) if ends.streams.is_empty() && missing.lacks_stream() => {
            let function = function.to_owned();
            return Err(match &named.reads {
                Fact::Unreadable(why) => FunctionError::Unread {
                    what: format!("which streams {} reads", quoted(&function)),
                    why: why.clone(),
                },
                Fact::Found { .. } | Fact::Absent => FunctionError::NoStream { function },
            }
            .into());
        }
        chosen => chosen?,
    };
    if settings.home.region != region {
        return Err(elsewhere(function, &region, &settings.home.region).into());
    }
    Ok(Chosen {
        settings,
        access,
        named,
    })
}

/// The settings of facts that were taken of a function; nothing where they are of a stack's pipelines.
pub(super) fn of_facts(
    args: &SettingsArgs,
    function: Option<&str>,
    facts: &Facts,
) -> Result<Option<(Settings, Access)>, CommandError> {
    let foreign = facts.pipelines.values().find_map(|pipeline| pipeline.foreign.as_ref());
    if let Some(function) = function {
        region_of(function)?;
        let same = |foreign: &&Foreign| foreign.function == function || foreign.name() == function_name(function);
        if !foreign.as_ref().is_some_and(same) {
            return Err(FunctionError::OtherFacts {
                facts: foreign.map(|foreign| foreign.function.clone()),
                function: function.to_owned(),
            }
            .into());
        }
    }
    let Some(foreign) = foreign else { return Ok(None) };
    let servers: Vec<String> = facts.servers.iter().map(Server::text).collect();
    let consumer = |seen: &PipelineFacts| Some(seen.consumer.as_ref()?.found()?.arn.clone());
    let streams: BTreeMap<String, Option<String>> = facts
        .pipelines
        .iter()
        .map(|(stream, seen)| (stream.clone(), consumer(seen)))
        .collect();
    let ends = FunctionEnds {
        streams,
        cluster: facts.cluster.found().map(|cluster| cluster.arn.clone()),
        bootstrap_servers: Some(servers.join(",")).filter(|servers| !servers.is_empty()),
        ..ends(foreign)
    };
    chosen_function(args, &ends).map(Some)
}

fn ends(foreign: &Foreign) -> FunctionEnds {
    FunctionEnds {
        topic: foreign.topic.found().map(|said| said.value.clone()),
        ..FunctionEnds::default()
    }
}

fn elsewhere(function: &str, region: &str, stream: &str) -> FunctionError {
    FunctionError::Elsewhere {
        function: function.to_owned(),
        region: region.to_owned(),
        stream: stream.to_owned(),
    }
}

/// The region that an ARN of a function says, where it is one; refuses what is neither that nor a name, each with or without a version or an alias.
fn region_of(function: &str) -> Result<Option<&str>, FunctionError> {
    let word = |word: &str, most: usize| {
        (1..=most).contains(&word.len()) && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_$".contains(c))
    };
    let parts: Vec<&str> = function.split(':').collect();
    let (region, rest) = match parts.as_slice() {
        ["arn", partition, "lambda", region, account, "function", rest @ ..]
            if partition.starts_with("aws")
                && word(region, 32)
                && account.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            (Some(*region), rest)
        }
        rest => (None, rest),
    };
    match rest {
        [name] if word(name, 64) => Ok(region),
        [name, qualifier] if word(name, 64) && word(qualifier, 128) => Ok(region),
        _ => Err(FunctionError::Name {
            given: function.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_or_refused() {
        let arn = "arn:aws-cn:lambda:cn-north-1:123456789012:function:orders";
        for (given, wanted) in [
            ("orders", Some((None, "orders"))),
            ("orders:live", Some((None, "orders"))),
            ("orders:$LATEST", Some((None, "orders"))),
            (arn, Some((Some("cn-north-1"), "orders"))),
            (&format!("{arn}:7"), Some((Some("cn-north-1"), "orders"))),
            ("", None),
            ("--force", Some((None, "--force"))),
            ("two words", None),
            ("arn:aws:sns:eu-west-1:123456789012:orders", None),
            ("arn:aws:lambda:eu-west-1:123456789012:function", None),
            ("arn:aws:lambda:eu-west-1:123456789012:layer:x:1", None),
            ("orders:live:too", None),
            ("orders;rm", None),
            (&"x".repeat(65), None),
        ] {
            let region = region_of(given);
            let found = region.ok().map(|region| (region, function_name(given)));
            assert_eq!(found, wanted, "{given}");
        }
    }
}
