//! Flags, environment and k2m.yaml become settings. Pure. What is overridden is not looked at; a file must still be well-formed as a whole.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::LazyLock;

use ipnet::Ipv4Net;
use k2m_handler::payload::{Split, Timestamp};
use thiserror::Error;

use super::parse::{IamArn, Position, Target};
use super::table::{self, Declared, Preset, Row};
use super::{
    Access, Authentication, ChosenEnvironment, Entry, File, FileError, FilePipeline, Home, Kafka, Listed, OnPoison,
    Payload, PipelineSettings, Setting, Settings, Source, StartingPosition, closest, default_dead_letter_topic, parse,
};
use crate::args::SettingsArgs;
use crate::arn::{Arn, PlaceError, SecretArn, fit};
use crate::exit::Exit;
use crate::facts::deployed::default_stack_name;
use crate::facts::stream_name;
use crate::shown::shown;

/// Variables of the environment that begin with `K2M_`.
pub type Environment = BTreeMap<String, String>;

/// All that settings come from, the strongest first.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The command line.
    pub flags: &'a SettingsArgs,
    /// The environment.
    pub environment: &'a Environment,
    /// k2m.yaml, where there is one.
    pub file: Option<&'a File>,
}

/// A stream that is chosen, with its part of k2m.yaml where it has one.
type Chosen<'a> = (Setting<Arn>, Option<&'a FilePipeline>);

/// What one pipeline's settings come from: what is said for all, and what is said for it alone.
#[derive(Debug, Clone, Copy)]
struct Of<'a> {
    all: Sources<'a>,
    /// Its part of k2m.yaml, which counts more than what the file says for all.
    part: Option<&'a FilePipeline>,
    /// What its stack says, which counts where nobody chose.
    deployed: Option<&'a Deployed>,
}

/// What a stack says of a pipeline, as it would be said with flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Deployed {
    topic: Option<String>,
    dead_letter_topic: Option<String>,
    consumer: Option<String>,
}

/// What a function that k2m did not make says of its ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionEnds {
    /// By the ARN of each stream that it reads, that of the consumer by which it does, where there is one.
    pub streams: BTreeMap<String, Option<String>>,
    /// The topic that it writes to, where that is known.
    pub topic: Option<String>,
    /// The ARN of the cluster, where what is known of the function already says it.
    pub cluster: Option<String>,
    /// The servers of a Kafka that is not MSK, likewise.
    pub bootstrap_servers: Option<String>,
}

/// A stack to look for, where no more is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenStack {
    /// Its name.
    pub name: Setting<String>,
    /// Its region, where one is said; else the SDK's own rules decide.
    pub region: Option<String>,
    /// Its account, where the cluster says one, or else a stream; else that of the credentials.
    pub account: Option<String>,
    /// The cluster's region, where a cluster is named: a part of what belongs to the stack may be there. With servers in its place, the stack's own.
    pub cluster_region: Option<String>,
    /// The credentials.
    pub access: Access,
    /// ARN of the role whose rights CloudFormation works with, where one is named.
    pub cloudformation_role: Option<String>,
    /// The bucket that is not k2m's own, where one is named.
    pub artifact_bucket: Option<String>,
    /// The environment of k2m.yaml that was chosen.
    pub environment: Option<ChosenEnvironment>,
}

/// What a stack of k2m says of its pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackOutputs {
    /// Its name.
    pub stack: String,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
}

/// Why the settings can't be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A value that can't be.
    #[error("{}invalid value `{}` for {setting}: {reason}", place.as_deref().unwrap_or_default(), shown(value))]
    Invalid {
        /// Where in k2m.yaml, ending in `: `.
        place: Option<String>,
        /// The flag, the variable or the name in k2m.yaml.
        setting: String,
        /// As it was given.
        value: String,
        /// What is wrong with it, and what to give.
        reason: String,
    },
    /// Nobody chose, and there is no default.
    #[error("{}{}", missing(rows), unchosen(environments))]
    Missing {
        /// What has to be chosen.
        rows: Vec<Row>,
        /// Environments of the file, of which none is chosen.
        environments: Vec<String>,
    },
    /// No stack, and no stream to name it after.
    #[error(
        "no stack: give --stack NAME (or K2M_STACK, or `stack` in k2m.yaml), or --stream ARN of the pipeline whose stack it is{}",
        unchosen(environments)
    )]
    NoStack {
        /// Environments of the file, of which none is chosen.
        environments: Vec<String>,
    },
    /// An environment that the file doesn't have.
    #[error("{}", no_environment(setting, name, path, known))]
    NoEnvironment {
        /// Who names it.
        setting: String,
        /// Its name.
        name: String,
        /// The file.
        path: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// An environment without a file to have it.
    #[error(
        "{setting} names the environment {}, and {path} is not there to say what it is: name the file with --config, or leave it out",
        shown(name)
    )]
    NoFileOfEnvironment {
        /// Who names it.
        setting: String,
        /// Its name.
        name: String,
        /// Where the file was looked for.
        path: String,
    },
    /// No stack that could say what the settings don't.
    #[error(
        "no stack {stack} of k2m is in {region}, so it doesn't say which stream and which cluster it joins: give --stream ARN and --cluster ARN (or \
         --bootstrap-servers), or another --stack or --region"
    )]
    StackAbsent {
        /// Its name.
        stack: String,
        /// Where it was looked for.
        region: String,
    },
    /// A stack of the name that k2m didn't make.
    #[error(
        "the stack {stack} in {region} was not made by k2m (it lacks the tag `k2m:stack`), so there is nothing of a pipeline in it: name the pipeline's own with --stack; \
         for a function that k2m did not deploy there is --function NAME --cluster ARN"
    )]
    StackOfOther {
        /// Its name.
        stack: String,
        /// Where it is.
        region: String,
    },
    /// k2m.yaml can't be read.
    #[error(
        "failed to read the settings in {path}: {source}; name another file with --config, or write one with `k2m init`"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// k2m.yaml holds something else.
    #[error(transparent)]
    File(#[from] FileError),
    /// A cluster of MSK and a Kafka that is not, with the same strength.
    #[error(
        "{cluster} names a cluster of MSK, and {servers} the servers of a Kafka that is not: records go to one of them; leave one out"
    )]
    TwoKafkas {
        /// Who names the cluster.
        cluster: String,
        /// Who names the servers.
        servers: String,
    },
    /// Blocks of brokers that MSK knows better.
    #[error(
        "{setting} is given, but where the brokers of a cluster of MSK are, MSK says: give --bootstrap-servers with it, or leave it out"
    )]
    UnusedBlocks {
        /// Who gives them.
        setting: String,
    },
    /// The stream and the cluster don't fit together.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A region that is not the stream's.
    #[error("{setting} says {given}, but the stream's ARN says {arn}: leave it out, or name a stream of {given}")]
    Region {
        /// Who says it.
        setting: String,
        /// What is said.
        given: String,
        /// The stream's.
        arn: String,
    },
    /// Streams that no single stack can be beside.
    #[error(
        "{setting} names a stream in {there}, another one is in {here}, and a stack is in one place: give it another stack, with settings of its own"
    )]
    Apart {
        /// Who names it.
        setting: String,
        /// Its region and account.
        there: String,
        /// Those of the first stream.
        here: String,
    },
    /// A stream with two pipelines.
    #[error("{setting} names {stream}, which {other} names too: a stream has one pipeline; leave one of them")]
    StreamTwice {
        /// Who names it.
        setting: String,
        /// The stream.
        stream: String,
        /// Who named it before.
        other: Source,
    },
    /// Several streams, and no name for their stack.
    #[error(
        "there are {count} streams and no name for their stack, which can't be named after one of them: give --stack NAME (or K2M_STACK, or `stack` in \
         k2m.yaml), such as `{proposed}`"
    )]
    NoStackName {
        /// How many.
        count: usize,
        /// A name that would do.
        proposed: String,
    },
    /// One topic for several streams that nobody gave it to one by one.
    #[error(
        "{setting} is given for all of {count} streams, and one stream has one topic: leave it out, so that each topic has its stream's name, or give each \
         pipeline its `topic` under `pipelines` in k2m.yaml"
    )]
    TopicOfAll {
        /// Who gives it.
        setting: String,
        /// How many streams.
        count: usize,
    },
    /// A run that is told several pipelines.
    #[error(
        "{path} lists {} pipelines, and a run is of one: choose it with --stream ARN or --topic NAME; there {}{}",
        known.len(),
        if known.len() == 1 { "is" } else { "are" },
        list(known)
    )]
    WhichPipeline {
        /// The file.
        path: String,
        /// Topic and stream of each.
        known: Vec<String>,
    },
    /// A destination that is elsewhere.
    #[error(
        "{setting} names {arn}, which is in {there}; the stack is in {here}, and {what} only there: name one of there"
    )]
    Elsewhere {
        /// Who names it.
        setting: String,
        /// The destination.
        arn: String,
        /// Its region and account.
        there: String,
        /// The stream's.
        here: String,
        /// What happens only where the stream is.
        what: &'static str,
    },
    /// A role or a policy of another account.
    #[error(
        "{setting} names {arn}, but the stack is in the account {account} (partition {partition}): name one of that account"
    )]
    OtherAccount {
        /// Who names it.
        setting: String,
        /// The role or the policy.
        arn: String,
        /// The stack's account.
        account: String,
        /// The stack's partition.
        partition: String,
    },
    /// A consumer of another stream.
    #[error(
        "{setting} names {consumer}, which is no consumer of the stream {stream}: give one of its own; with several streams each pipeline has its own, under `pipelines` \
         in k2m.yaml"
    )]
    ConsumerOfOther {
        /// Who names it.
        setting: String,
        /// The consumer.
        consumer: String,
        /// The stream.
        stream: String,
    },
    /// `AT_TIMESTAMP` without its time.
    #[error(
        "{setting} is AT_TIMESTAMP, but no time is given: add --starting-timestamp, such as 2026-01-02T03:04:05Z (or K2M_STARTING_TIMESTAMP, or `starting_timestamp` in k2m.yaml)"
    )]
    NoTimestamp {
        /// Who says so.
        setting: String,
    },
    /// A time that has not come.
    #[error(
        "the starting timestamp {time} of the stream {stream} is in the future, and no event source mapping begins there: give a time that has come, or --starting-position LATEST for what is put \
         from now on"
    )]
    FutureTimestamp {
        /// The time as it was given.
        time: String,
        /// The stream's name.
        stream: String,
    },
    /// A time without `AT_TIMESTAMP`.
    #[error(
        "{setting} is given, but the starting position is {position}: give --starting-position AT_TIMESTAMP with it, or leave it out"
    )]
    UnusedTimestamp {
        /// Who gives it.
        setting: String,
        /// What the position is.
        position: &'static str,
    },
    /// A secret that nothing shows.
    #[error(
        "{setting} is given, but authentication is {way}, which shows no secret: give --authentication scram or mutual_tls with it, or leave it out"
    )]
    UnusedSecret {
        /// Who gives it.
        setting: String,
        /// The way.
        way: &'static str,
    },
    /// A dead-letter topic that nothing goes to.
    #[error(
        "{setting} is given, but on_poison is block, so that nothing goes there: give --on-poison divert with it, or leave it out"
    )]
    UnusedDeadLetterTopic {
        /// Who gives it.
        setting: String,
    },
    /// A dead-letter topic that is the topic.
    #[error("{setting} names {topic}, the topic itself, which can't take what it refuses: name another")]
    DeadLetterTopicIsTopic {
        /// Who names it.
        setting: String,
        /// The topic.
        topic: String,
    },
    /// A dead-letter topic whose default name can't be.
    #[error(
        "the dead-letter topic can't be {name}: {reason}; name one with --dead-letter-topic (or `dead_letter_topic` in k2m.yaml)"
    )]
    DeadLetterTopicName {
        /// The default name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A dead-letter topic that the map names too.
    #[error(
        "the dead-letter topic {topic} is in topic_map ({by}) too, for `{}`: what a topic can't take would come back to it; name another with --dead-letter-topic",
        shown(text)
    )]
    DeadLetterTopicIsMapped {
        /// The topic.
        topic: String,
        /// Who gives the map.
        by: Source,
        /// The text that the map gives it for.
        text: String,
    },
    /// One of the pointer to a topic and the map of topics, without the other.
    #[error("{setting} is given, but {} is not, and they go together: add {} (or `{}` in k2m.yaml), or leave both out", missing.name, missing.flag(), missing.name)]
    HalfOfTopicChoice {
        /// Who gives it.
        setting: String,
        /// The other.
        missing: Box<Row>,
    },
    /// The time of log events, where there are none.
    #[error(
        "{setting} is event, the time of a log event of CloudWatch Logs, but decode is {decode}: add cloudwatch_logs to decode, or choose arrival or a JSON pointer"
    )]
    NoEvents {
        /// Who says so.
        setting: String,
        /// How data is taken apart.
        decode: String,
    },
    /// A run that is told no topic.
    #[error("no topic: give --topic NAME, or --config FILE with `topic` or `stream` in it")]
    NoTopic,
}

impl SettingsError {
    /// Whether it says that no stream is chosen.
    pub fn lacks_stream(&self) -> bool {
        matches!(self, Self::Missing { rows, .. } if rows.iter().any(|row| row.name == table::STREAM.row.name))
    }

    /// The exit code that it ends with.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Read { .. } => Exit::NoFile,
            // Nothing is deployed.
            Self::StackAbsent { .. } | Self::StackOfOther { .. } => Exit::Failed,
            _ => Exit::Usage,
        }
    }
}

fn missing(rows: &[Row]) -> String {
    let each = |of: &dyn Fn(&Row) -> String, between: &str| rows.iter().map(of).collect::<Vec<_>>().join(between);
    let cluster = rows.iter().any(|row| row.name == table::CLUSTER.row.name);
    format!(
        "no {}: give {}, set {}, or write {} in k2m.yaml; `k2m init` asks for what is missing{}",
        each(&|row| row.name.to_owned(), " and no "),
        each(&|row| format!("{} ARN", row.flag()), " and "),
        each(&Row::variable, " and "),
        each(&|row| format!("`{}: ARN`", row.name), " and "),
        if cluster {
            "; a Kafka that is not MSK is named with --bootstrap-servers HOST:PORT in place of a cluster"
        } else {
            ""
        },
    )
}

/// That one of these environments may say what is missing, for the end of a sentence.
fn unchosen(environments: &[String]) -> String {
    match environments {
        [] => String::new(),
        names => format!(
            "; the file has environments, which may say it: choose one with --env {}",
            names.join(" or ")
        ),
    }
}

fn no_environment(setting: &str, name: &str, path: &str, known: &[String]) -> String {
    let shown = shown(name);
    if known.is_empty() {
        return format!(
            "{setting} names the environment {shown}, but {path} has none: leave it out, or write `environments` there (docs/settings.md)"
        );
    }
    let meant = match closest(name, known.iter().map(String::as_str)) {
        Some(close) => format!("; did you mean {close}?"),
        None => String::new(),
    };
    format!(
        "{setting} names the environment {shown}, which {path} doesn't have: it has {}{meant}",
        known.join(", ")
    )
}

fn list(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| text + "\n  " + line)
}

/// The text of a setting, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Given {
    text: String,
    source: Source,
    column: usize,
}

/// How an error names a setting: by what the user wrote.
fn named(row: &Row, source: &Source) -> String {
    match source {
        Source::Flag(name) | Source::Environment(name) => name.clone(),
        Source::File(_) => format!("{source}: {}", row.name),
        Source::Default => row.name.to_owned(),
    }
}

impl<'a> Of<'a> {
    /// The strongest text for a setting.
    fn given(&self, row: &Row) -> Option<Given> {
        let flag = |text: String| {
            Some(Given {
                text,
                source: Source::Flag(row.flag()),
                column: 0,
            })
        };
        let Sources {
            flags,
            environment,
            file,
        } = self.all;
        if let Some(text) = (row.flag_value)(flags) {
            return flag(text.into_owned());
        }
        let variable = row.variable();
        // A variable that is empty is how some shells leave one out.
        if let Some(text) = environment.get(&variable).filter(|text| !text.is_empty()) {
            return Some(Given {
                text: text.clone(),
                source: Source::Environment(variable),
                column: 0,
            });
        }
        if let Some((file, (entry, environment))) = file.and_then(|file| Some((file, self.entry(file, row)?))) {
            return Some(in_file(file, entry, environment));
        }
        if let Some(text) = self.deployed.and_then(|deployed| deployed.of(row)) {
            return flag(text.to_owned());
        }
        match row.default {
            Preset::Is(text) => Some(Given {
                text: text.to_owned(),
                source: Source::Default,
                column: 0,
            }),
            Preset::Follows(_) | Preset::Required => None,
        }
    }

    /// What k2m.yaml says: for this pipeline, else for all; and the environment that says it.
    fn entry(&self, file: &'a File, row: &Row) -> Option<(&'a Entry, Option<&'a str>)> {
        let own = self.part.and_then(|part| part.entries.get(row.name));
        own.map(|entry| (entry, file.listed().1))
            .or_else(|| file.entry(row.name))
    }

    /// The value of a setting, where anybody chose or there is a default.
    fn find<T>(&self, declared: &Declared<T>) -> Result<Option<Setting<T>>, SettingsError> {
        let Some(Given { text, source, column }) = self.given(&declared.row) else {
            return Ok(None);
        };
        match (declared.parse)(&text) {
            Ok(value) => Ok(Some(Setting { value, source })),
            Err(reason) => {
                let (place, setting) = match &source {
                    Source::File(place) => {
                        let place = format!("{}:{}:{column}: ", place.path, place.line);
                        (Some(place), declared.row.name.to_owned())
                    }
                    other => (None, named(&declared.row, other)),
                };
                Err(SettingsError::Invalid {
                    place,
                    setting,
                    value: text,
                    reason,
                })
            }
        }
    }

    /// The value of a setting that has to have one.
    fn need<T>(&self, declared: &Declared<T>) -> Result<Setting<T>, SettingsError> {
        self.find(declared)?.ok_or_else(|| self.all.missing(vec![declared.row]))
    }

    fn consumer(&self, stream: &Arn) -> Result<Option<Setting<String>>, SettingsError> {
        let consumer = self.find(&table::CONSUMER)?;
        match consumer {
            Some(consumer) if consumer.value.split("/consumer/").next() != Some(stream.as_str()) => {
                Err(SettingsError::ConsumerOfOther {
                    setting: named(&table::CONSUMER.row, &consumer.source),
                    consumer: consumer.value,
                    stream: stream.to_string(),
                })
            }
            consumer => Ok(consumer),
        }
    }

    fn starting_position(&self) -> Result<Setting<StartingPosition>, SettingsError> {
        let position = self.need(&table::STARTING_POSITION)?;
        let timestamp = self.find(&table::STARTING_TIMESTAMP)?;
        let value = match (position.value, timestamp) {
            (Position::AtTimestamp, Some(timestamp)) => StartingPosition::AtTimestamp(timestamp.value),
            (Position::AtTimestamp, None) => {
                return Err(SettingsError::NoTimestamp {
                    setting: named(&table::STARTING_POSITION.row, &position.source),
                });
            }
            (other, timestamp) => {
                let value = match other {
                    Position::Latest => StartingPosition::Latest,
                    Position::TrimHorizon | Position::AtTimestamp => StartingPosition::TrimHorizon,
                };
                // A stronger position takes the place of a weaker one with all that belongs to it.
                let kept = timestamp.filter(|timestamp| strength(&timestamp.source) >= strength(&position.source));
                if let Some(timestamp) = kept {
                    return Err(SettingsError::UnusedTimestamp {
                        setting: named(&table::STARTING_TIMESTAMP.row, &timestamp.source),
                        position: value.word(),
                    });
                }
                value
            }
        };
        Ok(Setting {
            value,
            source: position.source,
        })
    }

    /// Blocks of brokers, unless a cluster of MSK that a stronger source names has taken the servers' place.
    fn blocks(&self, kafka: &Kafka) -> Result<Option<Setting<Vec<Ipv4Net>>>, SettingsError> {
        let blocks = self.find(&table::BROKER_CIDRS)?;
        let Kafka::Cluster(cluster) = kafka else {
            return Ok(blocks);
        };
        match blocks.filter(|blocks| strength(&blocks.source) >= strength(&cluster.source)) {
            None => Ok(None),
            Some(blocks) => Err(SettingsError::UnusedBlocks {
                setting: named(&table::BROKER_CIDRS.row, &blocks.source),
            }),
        }
    }

    /// The secret, unless the way of authentication shows none, or a stronger source has chosen another way than the one that the secret is for.
    fn secret(
        &self,
        authentication: Option<&Setting<Authentication>>,
    ) -> Result<Option<Setting<SecretArn>>, SettingsError> {
        let (Some(chosen), Some(way)) = (self.find(&table::SECRET)?, authentication) else {
            return self.find(&table::SECRET);
        };
        // A stronger way takes the place of a weaker one with all that belongs to it.
        let outdone = strength(&chosen.source) < strength(&way.source);
        if outdone {
            let same = self
                .way_beside(&chosen.source)
                .is_none_or(|beside| beside == Ok(way.value));
            return Ok(Some(chosen).filter(|_| way.value.needs_secret() && same));
        }
        if way.value.needs_secret() {
            return Ok(Some(chosen));
        }
        Err(SettingsError::UnusedSecret {
            setting: named(&table::SECRET.row, &chosen.source),
            way: way.value.name(),
        })
    }

    /// The way of authentication that this source, which is no flag, or a weaker one chooses.
    fn way_beside(&self, source: &Source) -> Option<Result<Authentication, String>> {
        let row = &table::AUTHENTICATION.row;
        let read = |text: &str| (table::AUTHENTICATION.parse)(text);
        // What an environment says is stronger than what stands outside of it.
        if let Source::File(line) = source
            && line.environment.is_none()
        {
            let entry = self.all.file.and_then(|file| file.entries.get(row.name));
            return entry.map(|entry| read(&entry.text));
        }
        let (no_flags, no_environment) = (SettingsArgs::default(), Environment::new());
        let hears = matches!(source, Source::Environment(_));
        let sources = Sources {
            flags: &no_flags,
            environment: if hears { self.all.environment } else { &no_environment },
            file: self.all.file,
        };
        let given = Of { all: sources, ..*self }.given(row);
        given.map(|given| read(&given.text))
    }

    /// The dead-letter topic, where poison goes there.
    fn dead_letter_topic(
        &self,
        on_poison: &Setting<OnPoison>,
        topic: &Setting<String>,
        payload: &Payload,
    ) -> Result<Option<Setting<String>>, SettingsError> {
        let row = &table::DEAD_LETTER_TOPIC.row;
        if on_poison.value == OnPoison::Block {
            // Who blocks takes away what is deployed.
            let own = Of {
                deployed: None,
                ..*self
            };
            let chosen = own.find(&table::DEAD_LETTER_TOPIC)?;
            // A stronger `block` takes the place of a weaker `divert` with all that belongs to it.
            let kept = chosen.filter(|chosen| strength(&chosen.source) >= strength(&on_poison.source));
            return match kept {
                None => Ok(None),
                Some(chosen) => Err(SettingsError::UnusedDeadLetterTopic {
                    setting: named(row, &chosen.source),
                }),
            };
        }
        let chosen = self.find(&table::DEAD_LETTER_TOPIC)?;
        let by_default = || {
            let name = default_dead_letter_topic(&topic.value);
            parse::topic(&name)
                .map(default)
                .map_err(|reason| SettingsError::DeadLetterTopicName { name, reason })
        };
        let chosen = chosen.map_or_else(by_default, Ok)?;
        if chosen.value == topic.value {
            return Err(SettingsError::DeadLetterTopicIsTopic {
                setting: named(row, &chosen.source),
                topic: chosen.value,
            });
        }
        if let Some(map) = &payload.topic_map
            && let Some(text) = payload.texts_of(&chosen.value).first()
        {
            return Err(SettingsError::DeadLetterTopicIsMapped {
                text: (*text).to_owned(),
                by: map.source.clone(),
                topic: chosen.value,
            });
        }
        Ok(Some(chosen))
    }

    /// What data is taken for, and what messages are made of.
    pub(super) fn payload(&self) -> Result<Payload, SettingsError> {
        let payload = Payload {
            decode: self.need(&table::DECODE)?,
            key: self.need(&table::KEY)?,
            topic_pointer: self.find(&table::TOPIC_POINTER)?,
            topic_map: self.find(&table::TOPIC_MAP)?,
            value: self.need(&table::VALUE)?,
            timestamp: self.need(&table::TIMESTAMP)?,
            headers: self.need(&table::HEADERS)?,
            compression: self.need(&table::COMPRESSION)?,
            strict_order: self.need(&table::STRICT_ORDER)?,
        };
        let (pointer, map) = (&table::TOPIC_POINTER.row, &table::TOPIC_MAP.row);
        let half = match (&payload.topic_pointer, &payload.topic_map) {
            (Some(given), None) => Some((pointer, &given.source, map)),
            (None, Some(given)) => Some((map, &given.source, pointer)),
            (Some(_), Some(_)) | (None, None) => None,
        };
        if let Some((row, source, missing)) = half {
            return Err(SettingsError::HalfOfTopicChoice {
                setting: named(row, source),
                missing: Box::new(*missing),
            });
        }
        let events = payload.decode.value.choice.split == Split::CloudwatchLogs;
        if payload.timestamp.value.choice == Timestamp::Event && !events {
            return Err(SettingsError::NoEvents {
                setting: named(&table::TIMESTAMP.row, &payload.timestamp.source),
                decode: payload.decode.value.text,
            });
        }
        Ok(payload)
    }

    /// A destination, which must be where the stack is.
    fn target(
        &self,
        declared: &Declared<Target>,
        home: &Home,
        what: &'static str,
    ) -> Result<Option<Setting<String>>, SettingsError> {
        let Some(Setting { value, source }) = self.find(declared)? else {
            return Ok(None);
        };
        // A bucket's ARN says neither region nor account.
        let elsewhere = |of: &str, home: &str| !of.is_empty() && of != home;
        let fits = value.partition == home.partition
            && !elsewhere(&value.region, &home.region)
            && !elsewhere(&value.account, &home.account);
        if !fits {
            return Err(SettingsError::Elsewhere {
                setting: named(&declared.row, &source),
                arn: value.text,
                there: place(&value.region, &value.account),
                here: place(&home.region, &home.account),
                what,
            });
        }
        Ok(Some(Setting {
            value: value.text,
            source,
        }))
    }

    /// A role or a policy, which must be of the stack's account; AWS's own policies are of each.
    fn of_account(&self, declared: &Declared<IamArn>, home: &Home) -> Result<Option<Setting<String>>, SettingsError> {
        let Some(Setting { value, source }) = self.find(declared)? else {
            return Ok(None);
        };
        let fits = value.partition == home.partition && (value.account == home.account || value.account == "aws");
        if !fits {
            return Err(SettingsError::OtherAccount {
                setting: named(&declared.row, &source),
                arn: value.text,
                account: home.account.clone(),
                partition: home.partition.clone(),
            });
        }
        Ok(Some(Setting {
            value: value.text,
            source,
        }))
    }

    /// The credentials, and the region where `--region` and its like say one. It must be the stream's, where there is a stream.
    fn access(&self, stream: Option<&Home>) -> Result<Access, SettingsError> {
        let region = self.find(&table::REGION)?;
        if let (Some(region), Some(stream)) = (&region, stream)
            && region.value != stream.region
        {
            return Err(SettingsError::Region {
                setting: named(&table::REGION.row, &region.source),
                given: region.value.clone(),
                arn: stream.region.clone(),
            });
        }
        Ok(Access {
            profile: self.find(&table::PROFILE)?.map(|profile| profile.value),
            region: region.map(|region| region.value),
        })
    }
}

impl<'a> Sources<'a> {
    /// What is said for all pipelines.
    const fn all(self) -> Of<'a> {
        Of {
            all: self,
            part: None,
            deployed: None,
        }
    }

    /// The ARN of the stream, where it is chosen already. Of several the first.
    pub fn stream(&self) -> Result<Option<Setting<Arn>>, SettingsError> {
        Ok(self.streams()?.into_iter().map(|(stream, _)| stream).next())
    }

    /// The ARNs of all streams that are chosen already.
    pub fn all_streams(&self) -> Result<Vec<Arn>, SettingsError> {
        Ok(self.streams()?.into_iter().map(|(stream, _)| stream.value).collect())
    }

    /// Where records go, where that is chosen already. A stronger source takes the place of a weaker one that names the other.
    pub fn kafka(&self) -> Result<Option<Kafka>, SettingsError> {
        let all = self.all();
        let (cluster, servers) = (&table::CLUSTER, &table::BOOTSTRAP_SERVERS);
        let by_servers = match (all.given(&cluster.row), all.given(&servers.row)) {
            (Some(one), Some(other)) if strength(&one.source) == strength(&other.source) => {
                return Err(SettingsError::TwoKafkas {
                    cluster: named(&cluster.row, &one.source),
                    servers: named(&servers.row, &other.source),
                });
            }
            (Some(one), Some(other)) => strength(&other.source) > strength(&one.source),
            (_, other) => other.is_some(),
        };
        if by_servers {
            Ok(all.find(servers)?.map(Kafka::BootstrapServers))
        } else {
            Ok(all.find(cluster)?.map(Kafka::Cluster))
        }
    }

    /// The name of the topic, where it is chosen already.
    pub fn topic(&self) -> Result<Option<Setting<String>>, SettingsError> {
        self.all().find(&table::TOPIC)
    }

    /// The profile and the region to look for a stream and a cluster with, where nothing has to be chosen yet.
    pub fn looking(&self) -> Result<Access, SettingsError> {
        let home = self.stream()?.map(|stream| Home::of(&stream.value));
        self.all().access(home.as_ref())
    }

    /// The pipelines of k2m.yaml.
    fn parts(&self) -> &'a [FilePipeline] {
        self.file.map_or(&[], |file| file.listed().0)
    }

    /// The environment of the file that is chosen.
    fn environment_of_file(&self) -> Option<ChosenEnvironment> {
        self.file.and_then(|file| {
            Some(ChosenEnvironment {
                name: file.overlay()?.name.clone(),
                path: file.path.clone(),
            })
        })
    }

    /// What has to be chosen, and the environments that may say it.
    fn missing(&self, rows: Vec<Row>) -> SettingsError {
        SettingsError::Missing {
            rows,
            environments: self.unchosen(),
        }
    }

    /// The environments of the file, where none of them is chosen.
    fn unchosen(&self) -> Vec<String> {
        let file = self.file.filter(|file| file.overlay().is_none());
        let environments = file.into_iter().flat_map(|file| &file.environments);
        environments.map(|environment| environment.name.clone()).collect()
    }

    /// Each stream that is chosen, with its part of k2m.yaml where it has one. A flag or a variable chooses among the file's pipelines, and may name
    /// others.
    fn streams(&self) -> Result<Vec<Chosen<'a>>, SettingsError> {
        let of_part = |part: &'a FilePipeline| {
            let of = Of {
                part: Some(part),
                ..Sources {
                    flags: &NO_FLAGS,
                    environment: &NO_ENVIRONMENT,
                    ..*self
                }
                .all()
            };
            let Setting { value, source } = of.need(&table::STREAM)?;
            let each = value.into_iter().map(move |value| {
                let source = source.clone();
                (Setting { value, source }, Some(part))
            });
            Ok::<_, SettingsError>(each)
        };
        let mut listed = Vec::new();
        for part in self.parts() {
            for (stream, part) in of_part(part)? {
                let before = listed
                    .iter()
                    .find(|(one, _): &&(Setting<Arn>, _)| one.value == stream.value);
                if let Some((before, _)) = before {
                    return Err(SettingsError::StreamTwice {
                        setting: named(&table::STREAM.row, &stream.source),
                        stream: stream.value.to_string(),
                        other: before.source.clone(),
                    });
                }
                listed.push((stream, part));
            }
        }
        let Some(Setting { value, source }) = self.all().find(&table::STREAM)? else {
            return Ok(listed);
        };
        let chosen = value.into_iter().map(|value| {
            let part = listed.iter().find(|(one, _)| one.value == value);
            let part = part.and_then(|(_, part)| *part);
            let source = source.clone();
            (Setting { value, source }, part)
        });
        Ok(chosen.collect())
    }
}

/// Nothing is said.
static NO_FLAGS: LazyLock<SettingsArgs> = LazyLock::new(SettingsArgs::default);
static NO_ENVIRONMENT: Environment = Environment::new();

fn place(region: &str, account: &str) -> String {
    format!("{region} of account {account}")
}

const fn strength(source: &Source) -> u8 {
    match source {
        Source::Default => 0,
        Source::File(line) if line.environment.is_none() => 1,
        Source::File(_) => 2,
        Source::Environment(_) => 3,
        Source::Flag(_) => 4,
    }
}

/// What a file says.
fn in_file(file: &File, entry: &Entry, environment: Option<&str>) -> Given {
    Given {
        text: entry.text.clone(),
        source: Source::File(Box::new(crate::settings::FileLine {
            path: file.path.clone(),
            line: entry.line,
            environment: environment.map(str::to_owned),
        })),
        column: entry.column,
    }
}

/// The file as it counts in the environment that a flag or a variable names, where one does.
pub fn in_environment(
    flags: &SettingsArgs,
    environment: &Environment,
    file: Option<File>,
    path: &str,
) -> Result<Option<File>, SettingsError> {
    let variable = environment.get(ENVIRONMENT_VARIABLE).filter(|name| !name.is_empty());
    let (setting, name) = match (&flags.env, variable) {
        (Some(name), _) => (ENVIRONMENT_FLAG, name),
        (None, Some(name)) => (ENVIRONMENT_VARIABLE, name),
        (None, None) => return Ok(file),
    };
    let Some(file) = file else {
        return Err(SettingsError::NoFileOfEnvironment {
            setting: setting.to_owned(),
            name: name.clone(),
            path: path.to_owned(),
        });
    };
    file.choose(name)
        .map(Some)
        .map_err(|file| SettingsError::NoEnvironment {
            setting: setting.to_owned(),
            name: name.clone(),
            known: file.environments.into_iter().map(|one| one.name).collect(),
            path: file.path,
        })
}

/// What chooses an environment of k2m.yaml.
pub(crate) const ENVIRONMENT_FLAG: &str = "--env";
const ENVIRONMENT_VARIABLE: &str = "K2M_ENV";

fn default<T>(value: T) -> Setting<T> {
    Setting {
        value,
        source: Source::Default,
    }
}

/// Resolves the settings of a stack.
pub fn resolve(sources: Sources<'_>) -> Result<(Settings, Access), SettingsError> {
    of_stack(sources, &|_| None, true)
}

/// Resolves the settings of a stack whose pipelines may be deployed already.
fn of_stack<'a>(
    sources: Sources<'a>,
    deployed: &dyn Fn(&Arn) -> Option<&'a Deployed>,
    one_topic: bool,
) -> Result<(Settings, Access), SettingsError> {
    let all = sources.all();
    let chosen = sources.streams()?;
    let kafka = sources.kafka();
    let rows: Vec<Row> = table::TABLE
        .iter()
        .filter(|row| row.default == Preset::Required && all.given(row).is_none())
        .filter(|row| row.name != table::STREAM.row.name || chosen.is_empty())
        .filter(|row| row.name != table::CLUSTER.row.name || matches!(kafka, Ok(None)))
        .copied()
        .collect();
    let [(first, _), others @ ..] = chosen.as_slice() else {
        return Err(sources.missing(rows));
    };
    if !rows.is_empty() {
        return Err(sources.missing(rows));
    }
    let home = Home::of(&first.value);
    if let Some((apart, _)) = others.iter().find(|(stream, _)| Home::of(&stream.value) != home) {
        let there = &apart.value;
        return Err(SettingsError::Apart {
            setting: named(&table::STREAM.row, &apart.source),
            there: place(&there.region, &there.account),
            here: place(&home.region, &home.account),
        });
    }
    let kafka = kafka?.ok_or_else(|| sources.missing(vec![table::CLUSTER.row]))?;
    let home = match &kafka {
        Kafka::Cluster(cluster) => {
            fit(&first.value, &cluster.value)?;
            Home::joining(&first.value, &cluster.value)
        }
        // The function is beside the stream in any case, and nobody says of another account.
        Kafka::BootstrapServers(_) => home,
    };
    let access = all.access(Some(&home))?;
    let stack = match all.find(&table::STACK)? {
        Some(stack) => stack,
        None if others.is_empty() => default(default_stack_name(first.value.name())),
        None => {
            return Err(SettingsError::NoStackName {
                count: chosen.len(),
                proposed: default_stack_name(like(Some(&kafka))),
            });
        }
    };
    let pipelines = chosen.iter().map(|(stream, part)| {
        let of = Of {
            all: sources,
            part: *part,
            deployed: deployed(&stream.value),
        };
        of.pipeline(stream.clone(), &home)
    });
    let pipelines = pipelines.collect::<Result<Vec<PipelineSettings>, SettingsError>>()?;
    if one_topic {
        one_topic_each(&pipelines)?;
    }
    let in_file = sources.file.into_iter().flat_map(|file| {
        let name = table::STREAM.row.name;
        let parts = file.listed().0.iter().filter_map(|part| part.entries.get(name));
        parts.chain(file.entry(name).map(|(entry, _)| entry))
    });
    let in_file: Vec<Arn> = in_file
        .filter_map(|entry| (table::STREAM.parse)(&entry.text).ok())
        .flatten()
        .collect();
    let left_out = in_file.iter().cloned();
    let left_out = left_out.filter(|stream| chosen.iter().all(|(one, _)| one.value != *stream));
    let authentication = all.find(&table::AUTHENTICATION)?;
    let settings = Settings {
        profile: access.profile.clone(),
        environment: sources.environment_of_file(),
        left_out: left_out.collect(),
        listed: sources.file.filter(|_| !in_file.is_empty()).map(|file| Listed {
            path: file.path.clone(),
            streams: in_file.clone(),
        }),
        secret: all.secret(authentication.as_ref())?,
        ca_secret: all.find(&table::CA_SECRET)?,
        authentication,
        all_broker_ports: all.need(&table::ALL_BROKER_PORTS)?,
        subnets: all.find(&table::SUBNETS)?,
        vpc: all.find(&table::VPC)?,
        peering: all.find(&table::PEERING)?,
        security_group: all.find(&table::SECURITY_GROUP)?,
        public_access: all.need(&table::PUBLIC_ACCESS)?,
        private_connectivity: all.find(&table::PRIVATE_CONNECTIVITY)?,
        secrets_endpoint: all.find(&table::SECRETS_ENDPOINT)?,
        broker_cidrs: all.blocks(&kafka)?,
        tags: all.find(&table::TAGS)?,
        termination_protection: all.find(&table::TERMINATION_PROTECTION)?,
        permissions_boundary: all.of_account(&table::PERMISSIONS_BOUNDARY, &home)?,
        cloudformation_role: all.of_account(&table::CLOUDFORMATION_ROLE, &home)?,
        artifact_bucket: all.find(&table::ARTIFACT_BUCKET)?,
        architecture: all.find(&table::ARCHITECTURE)?,
        home,
        kafka,
        stack,
        pipelines,
    };
    Ok((settings, access))
}

/// What a stack of several streams may be named after.
fn like(kafka: Option<&Kafka>) -> &str {
    match kafka {
        Some(Kafka::Cluster(cluster)) => cluster.value.name(),
        Some(Kafka::BootstrapServers(_)) => "kafka",
        None => "streams",
    }
}

/// Refuses a topic that was said once for several streams.
fn one_topic_each(pipelines: &[PipelineSettings]) -> Result<(), SettingsError> {
    let said = pipelines.iter().map(|pipeline| &pipeline.topic.source);
    let twice = said.clone().enumerate().find(|(index, source)| {
        **source != Source::Default && said.clone().take(*index).any(|before| before == *source)
    });
    match twice {
        Some((_, source)) => Err(SettingsError::TopicOfAll {
            setting: named(&table::TOPIC.row, source),
            count: said.filter(|other| *other == source).count(),
        }),
        None => Ok(()),
    }
}

impl Of<'_> {
    /// Resolves the settings of one pipeline.
    fn pipeline(&self, stream: Setting<Arn>, home: &Home) -> Result<PipelineSettings, SettingsError> {
        let topic = self.find(&table::TOPIC)?;
        let topic = topic.unwrap_or_else(|| default(stream.value.name().to_owned()));
        // What can only be one thing is refused where it says another.
        self.need(&table::TUMBLING_WINDOW)?;
        self.need(&table::PARTIAL_FAILURES)?;
        let on_poison = self.need(&table::ON_POISON)?;
        let payload = self.payload()?;
        Ok(PipelineSettings {
            dead_letter_topic: self.dead_letter_topic(&on_poison, &topic, &payload)?,
            payload,
            on_poison,
            topic,
            create_topic: self.find(&table::CREATE_TOPIC)?,
            topic_partitions: self.find(&table::TOPIC_PARTITIONS)?,
            topic_replication_factor: self.find(&table::TOPIC_REPLICATION_FACTOR)?,
            consumer: self.consumer(&stream.value)?,
            starting_position: self.starting_position()?,
            batch_size: self.need(&table::BATCH_SIZE)?,
            batching_window: self.need(&table::BATCHING_WINDOW)?,
            parallelization_factor: self.need(&table::PARALLELIZATION_FACTOR)?,
            retries: self.need(&table::RETRIES)?,
            maximum_record_age: self.find(&table::MAXIMUM_RECORD_AGE)?,
            bisect: self.need(&table::BISECT)?,
            enabled: self.need(&table::ENABLED)?,
            failure_email: self.find(&table::FAILURE_EMAIL)?,
            failure_destination: self.target(&table::FAILURE_DESTINATION, home, "what failed is sent")?,
            alarm_topic: self.target(&table::ALARM_TOPIC, home, "its alarms are told")?,
            memory: self.need(&table::MEMORY)?,
            timeout: self.need(&table::TIMEOUT)?,
            log_retention: self.need(&table::LOG_RETENTION)?,
            stream,
        })
    }

    /// Resolves what of a pipeline's settings holds on this machine too.
    fn local(&self, topic: Setting<String>) -> Result<LocalSettings, SettingsError> {
        let (on_poison, payload) = (self.need(&table::ON_POISON)?, self.payload()?);
        Ok(LocalSettings {
            dead_letter_topic: self.dead_letter_topic(&on_poison, &topic, &payload)?,
            topic,
            payload,
            on_poison,
            batch_size: self.need(&table::BATCH_SIZE)?,
            batching_window: self.need(&table::BATCHING_WINDOW)?,
            parallelization_factor: self.need(&table::PARALLELIZATION_FACTOR)?,
            retries: self.need(&table::RETRIES)?,
            maximum_record_age: self.find(&table::MAXIMUM_RECORD_AGE)?,
            bisect: self.need(&table::BISECT)?,
            timeout: self.need(&table::TIMEOUT)?,
        })
    }
}

/// What of a pipeline's settings holds on this machine too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSettings {
    /// The topic; the stream's name, where only that is given.
    pub topic: Setting<String>,
    /// What data is taken for, and what messages are made of.
    pub payload: Payload,
    /// What becomes of a record that the topic can never take.
    pub on_poison: Setting<OnPoison>,
    /// Where it goes with [`OnPoison::Divert`]; always given with that, and only with that.
    pub dead_letter_topic: Option<Setting<String>>,
    /// Most records in one invocation, 1-10000.
    pub batch_size: Setting<u32>,
    /// Seconds that a batch may take to fill, 0-300.
    pub batching_window: Setting<u32>,
    /// Batches of one shard in work at the same time, 1-10.
    pub parallelization_factor: Setting<u32>,
    /// Retries of a failed batch, -1 (without end) to 10000.
    pub retries: Setting<i32>,
    /// Oldest record that is still sent, in seconds: -1 (any age) or 60-604800.
    pub maximum_record_age: Option<Setting<i32>>,
    /// Whether a batch is split in two when the function fails.
    pub bisect: Setting<bool>,
    /// Seconds an invocation may take, 1-900.
    pub timeout: Setting<u32>,
}

/// Resolves what of a pipeline's settings holds on this machine too. Nothing of AWS has to be named; of several pipelines one is chosen, by its
/// stream or its topic.
pub fn resolve_local(sources: Sources<'_>) -> Result<LocalSettings, SettingsError> {
    let of_stream = |stream: &Setting<Arn>| default(stream.value.name().to_owned());
    let said = sources.topic()?.filter(|topic| matches!(topic.source, Source::Flag(_)));
    if sources.parts().is_empty() {
        let topic = match sources.topic()? {
            Some(topic) => topic,
            None => of_stream(&sources.stream()?.ok_or(SettingsError::NoTopic)?),
        };
        return sources.all().local(topic);
    }
    // What the file says, before any flag chooses among it.
    let listed = Sources {
        flags: &NO_FLAGS,
        ..sources
    };
    let mut known = Vec::new();
    for (stream, part) in listed.streams()? {
        let of = Of { part, ..listed.all() };
        let topic = of.find(&table::TOPIC)?.unwrap_or_else(|| of_stream(&stream));
        known.push((stream, part, topic));
    }
    let streams = if sources.flags.stream.is_empty() {
        Vec::new()
    } else {
        sources.all_streams()?
    };
    let by_stream = |stream: &Arn| streams.is_empty() || streams.contains(stream);
    let mut fitting: Vec<_> = known.iter().filter(|(stream, ..)| by_stream(&stream.value)).collect();
    if let (Some(said), true) = (&said, fitting.len() > 1) {
        fitting.retain(|(.., topic)| topic.value == said.value);
    }
    let [(_, part, topic)] = fitting.as_slice() else {
        let known = known
            .iter()
            .map(|(stream, _, topic)| format!("{} of {}", topic.value, stream.value));
        return Err(SettingsError::WhichPipeline {
            path: sources.file.map_or_else(String::new, |file| file.path.clone()),
            known: known.collect(),
        });
    };
    let of = Of {
        part: *part,
        ..sources.all()
    };
    of.local(said.unwrap_or_else(|| topic.clone()))
}

impl Deployed {
    fn of(&self, row: &Row) -> Option<&str> {
        if row.name == table::TOPIC.row.name {
            self.topic.as_deref()
        } else if row.name == table::DEAD_LETTER_TOPIC.row.name {
            self.dead_letter_topic.as_deref()
        } else if row.name == table::ON_POISON.row.name && self.dead_letter_topic.is_some() {
            Some(OnPoison::Divert.name())
        } else if row.name == table::CONSUMER.row.name {
            self.consumer.as_deref()
        } else {
            None
        }
    }
}

/// Resolves the settings of pipelines that are deployed: streams, cluster and topics are those of their stack where nothing else names them.
pub fn resolve_deployed(sources: Sources<'_>, stack: &StackOutputs) -> Result<(Settings, Access), SettingsError> {
    let output = |name: &str| stack.outputs.get(name).cloned();
    // A pipeline's outputs begin with its id.
    let ids = stack
        .outputs
        .iter()
        .filter_map(|(name, stream)| Some((name.strip_suffix("Stream")?, stream)));
    let known: BTreeMap<&str, Deployed> = ids
        .clone()
        .map(|(id, stream)| {
            let deployed = Deployed {
                // Where it is the stream's name nobody has to say it.
                topic: output(&format!("{id}Topic")).filter(|topic| topic != stream_name(stream)),
                dead_letter_topic: output(&format!("{id}DeadLetterTopic")),
                consumer: None,
            };
            (stream.as_str(), deployed)
        })
        .collect();
    let mut flags = sources.flags.clone();
    let all = sources.all();
    if all.given(&table::STACK.row).is_none() {
        flags.stack = Some(stack.stack.clone());
    }
    if all.given(&table::CLUSTER.row).is_none() && all.given(&table::BOOTSTRAP_SERVERS.row).is_none() {
        flags.cluster = output("Cluster");
        flags.bootstrap_servers = output("BootstrapServers");
        if all.given(&table::BROKER_CIDRS.row).is_none() {
            flags.broker_cidrs = output("BrokerCidrs");
        }
    }
    let said = all.given(&table::PUBLIC_ACCESS.row);
    // What is true of the Kafka that it was deployed for says nothing about another.
    let same = match sources.kafka()? {
        None => true,
        Some(Kafka::Cluster(cluster)) => stack
            .outputs
            .get("Cluster")
            .is_some_and(|arn| arn == cluster.value.as_str()),
        Some(Kafka::BootstrapServers(_)) => stack.outputs.contains_key("BootstrapServers"),
    };
    if same && said.is_none_or(|given| given.source == Source::Default) {
        flags.public_access = output("PublicAccess");
    }
    if sources.streams()?.is_empty() {
        flags.stream = ids.map(|(_, stream)| stream.clone()).collect();
    }
    let sources = Sources {
        flags: &flags,
        ..sources
    };
    of_stack(sources, &|stream| known.get(stream.as_str()), true)
}

/// Resolves the settings of pipelines that a function has which k2m did not make: streams, consumers and topic are its own where nothing else names them.
/// It may well write all that it reads into one topic.
pub fn resolve_function(sources: Sources<'_>, ends: &FunctionEnds) -> Result<(Settings, Access), SettingsError> {
    let known: BTreeMap<&str, Deployed> = ends
        .streams
        .iter()
        .map(|(stream, consumer)| {
            let deployed = Deployed {
                topic: ends.topic.clone(),
                consumer: consumer.clone(),
                ..Deployed::default()
            };
            (stream.as_str(), deployed)
        })
        .collect();
    // A stream that it doesn't read yet would be written to the same topic.
    let other = Deployed {
        topic: ends.topic.clone(),
        ..Deployed::default()
    };
    let mut flags = sources.flags.clone();
    let all = sources.all();
    if all.given(&table::CLUSTER.row).is_none() && all.given(&table::BOOTSTRAP_SERVERS.row).is_none() {
        flags.cluster.clone_from(&ends.cluster);
        flags.bootstrap_servers.clone_from(&ends.bootstrap_servers);
    }
    if sources.streams()?.is_empty() {
        flags.stream = ends.streams.keys().cloned().collect();
    }
    if all.given(&table::STACK.row).is_none() && flags.stream.len() > 1 {
        // None is looked for, but a name has to be there.
        flags.stack = flags
            .stream
            .first()
            .map(|stream| default_stack_name(stream_name(stream)));
    }
    let sources = Sources {
        flags: &flags,
        ..sources
    };
    of_stack(
        sources,
        &|stream| Some(known.get(stream.as_str()).unwrap_or(&other)),
        false,
    )
}

/// Resolves which stack is meant, for commands that need no more than that. A stream is not needed where the stack is named.
pub fn resolve_stack(sources: Sources<'_>) -> Result<ChosenStack, SettingsError> {
    let streams = sources.streams()?;
    let home = streams.first().map(|(stream, _)| Home::of(&stream.value));
    let all = sources.all();
    let access = all.access(home.as_ref())?;
    let name = match (all.find(&table::STACK)?, streams.as_slice()) {
        (Some(name), _) => name,
        (None, [(stream, _)]) => default(default_stack_name(stream.value.name())),
        (None, []) => {
            return Err(SettingsError::NoStack {
                environments: sources.unchosen(),
            });
        }
        (None, many) => {
            return Err(SettingsError::NoStackName {
                count: many.len(),
                proposed: default_stack_name(like(sources.kafka()?.as_ref())),
            });
        }
    };
    let kafka = sources.kafka()?;
    let cluster = match &kafka {
        Some(Kafka::Cluster(cluster)) => Some(&cluster.value),
        Some(Kafka::BootstrapServers(_)) | None => None,
    };
    let (region, account) = home.map(|home| (home.region, home.account)).unzip();
    let region = region.or_else(|| access.region.clone());
    // Of which account it is, only AWS knows here.
    let role = all.find(&table::CLOUDFORMATION_ROLE)?;
    Ok(ChosenStack {
        name,
        cloudformation_role: role.map(|role| role.value.text),
        artifact_bucket: all.find(&table::ARTIFACT_BUCKET)?.map(|bucket| bucket.value),
        environment: sources.environment_of_file(),
        account: cluster.map(|cluster| cluster.account.clone()).or(account),
        cluster_region: match &kafka {
            Some(Kafka::Cluster(cluster)) => Some(cluster.value.region.clone()),
            // Nothing of the stack's is anywhere else.
            Some(Kafka::BootstrapServers(_)) => region.clone(),
            None => None,
        },
        region,
        access,
    })
}
