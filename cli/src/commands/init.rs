//! `k2m init`: asks for a stream, a cluster and a topic, with what it found in AWS as choices, and writes k2m.yaml.

mod ask;
pub(super) mod write;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::{CommandError, chosen, file, output, signals, unless_stopped};
use crate::args::{InitArgs, SettingsArgs};
use crate::arn::{Arn, Kind};
use crate::aws::{Aws, Candidate, default_region};
use crate::exit::Exit;
use crate::facts::{Fact, Unreadable};
use crate::report::{Reporter, printable};
use crate::settings::parse::topic as parse_topic;
use crate::settings::{Environment, File, Kafka, Servers, Source, Sources, resolve};
use ask::{Item, Question, Terminal};
use write::{Written, render};

/// Why no file was written.
#[derive(Debug, Error)]
pub enum InitError {
    /// Nobody can be asked.
    #[error("no {what}, and nobody to ask: standard input or error is no terminal; give --{what} {value}{otherwise}")]
    NoTerminal {
        /// `stream`, `cluster` or `topic`.
        what: &'static str,
        /// What the flag takes.
        value: &'static str,
        /// What else helps.
        otherwise: &'static str,
    },
    /// `--yes` takes no guess.
    #[error(
        "there is more than one {what} in {region}, and --yes does not choose: give --{what} ARN, one of{}",
        list(candidates)
    )]
    Ambiguous {
        /// `stream` or `cluster`.
        what: &'static str,
        /// Where it was looked for.
        region: String,
        /// What there is.
        candidates: Vec<Candidate>,
    },
    /// There is nothing to choose from.
    #[error(
        "there is no {what} in {region}: create one, name another region with --region, or give --{what} ARN{}",
        or_servers(what)
    )]
    Nothing {
        /// `stream` or `cluster`.
        what: &'static str,
        /// Where it was looked for.
        region: String,
    },
    /// What there is can't be seen.
    #[error(
        "the {what}s of {region} can't be listed: {}; allow it, or give --{what} ARN",
        because(why)
    )]
    Blind {
        /// `stream` or `cluster`.
        what: &'static str,
        /// Where it was looked for.
        region: String,
        /// Why.
        why: Unreadable,
    },
    /// Nobody says where to look.
    #[error(
        "no region to look for a {what} in: give --region (or K2M_REGION, AWS_REGION, a region in the profile), or --{what} ARN"
    )]
    NoRegion {
        /// `stream` or `cluster`.
        what: &'static str,
    },
    /// A file lists pipelines, which can't be asked for one by one.
    #[error(
        "{path} lists pipelines, and `k2m init` writes settings for all of them alike: add a pipeline to the list by hand, or write another file with --config FILE"
    )]
    Listed {
        /// The file.
        path: PathBuf,
    },
    /// A file is there, and nobody says that it may be overwritten.
    #[error(
        "{path} is there already, and nobody to ask: standard input or error is no terminal; --yes overwrites it and keeps its settings, --config FILE writes another"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The user said no.
    #[error("{path} stays as it was; --config FILE writes another")]
    Declined {
        /// The file.
        path: PathBuf,
    },
    /// The terminal.
    #[error("failed to ask at the terminal: {0}; give --stream ARN, --cluster ARN and --yes to be asked nothing")]
    Ask(io::Error),
    /// Ctrl-C or SIGTERM.
    #[error("stopped: nothing was written")]
    Interrupted,
    /// The file can't be written.
    #[error("failed to write {path}: {source}; nothing was changed")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

impl InitError {
    /// The exit code that it ends with.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Listed { .. }
            | Self::NoTerminal { .. }
            | Self::Ambiguous { .. }
            | Self::NoRegion { .. }
            | Self::Exists { .. } => Exit::Usage,
            Self::Nothing { .. } | Self::Declined { .. } => Exit::Failed,
            Self::Blind { .. } => Exit::CouldNotTell,
            Self::Ask(_) | Self::Write { .. } => Exit::Io,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}

fn list(candidates: &[Candidate]) -> String {
    /// More would not fit on a screen.
    const MOST: usize = 15;
    let mut lines: String = candidates
        .iter()
        .take(MOST)
        .flat_map(|one| ["\n  ".to_owned(), line(one)])
        .collect();
    if let Some(more) = candidates.len().checked_sub(MOST).filter(|more| *more > 0) {
        lines.extend(["\n  and ", &more.to_string(), " more"]);
    }
    lines
}

fn because(why: &Unreadable) -> String {
    match &why.missing_action {
        Some(action) if !why.message.contains(action.as_str()) => format!("{} ({action} is not allowed)", why.message),
        _ => why.message.clone(),
    }
}

/// A candidate with what helps to choose. AWS's words don't steer the terminal.
fn line(candidate: &Candidate) -> String {
    described(&candidate.id, candidate)
}

/// A candidate among others of its kind, whose ARNs all begin alike: a whole one wraps on a narrow terminal.
fn choice(candidate: &Candidate) -> String {
    described(candidate.id.rsplit(':').next().unwrap_or_default(), candidate)
}

fn described(name: &str, candidate: &Candidate) -> String {
    let text = if candidate.hints.is_empty() {
        name.to_owned()
    } else {
        format!("{name}  ({})", candidate.hints.join(", "))
    };
    printable(&text).replace(['\n', '\t'], " ")
}

/// Runs the command.
pub async fn run(args: InitArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let mut signals = signals()?;
    // What it was is put back in the end, however that comes.
    let terminal = if args.yes { None } else { Terminal::found() };
    let mut asking = Asking {
        path: chosen::path(&args.settings),
        environment: chosen::environment(),
        args,
        terminal: terminal.as_ref(),
        aws: None,
    };
    let done = match unless_stopped(&mut signals, asking.work(reporter)).await {
        Err(CommandError::Interrupted) => Err(InitError::Interrupted.into()),
        done => done,
    };
    drop(terminal);
    output(reporter.result(&done?))?;
    Ok(Exit::Fine)
}

/// What is known while it asks.
struct Asking<'a> {
    path: PathBuf,
    environment: Environment,
    args: InitArgs,
    terminal: Option<&'a Terminal>,
    aws: Option<Aws>,
}

impl Asking<'_> {
    async fn work(&mut self, reporter: &Reporter) -> Result<Written, CommandError> {
        let file = chosen::read(&self.path)?;
        if file.as_ref().is_some_and(|file| !file.pipelines.is_empty()) {
            let path = self.path.clone();
            return Err(InitError::Listed { path }.into());
        }
        if file.is_some() {
            self.may_overwrite().await?;
        }
        let file = file.as_ref();
        let stream = self.arn(Kind::Stream, file, None, reporter).await?;
        let kafka = self.kafka(file, &stream, reporter).await?;
        let streams = self.streams(file, stream)?;
        let topic = match streams.as_slice() {
            [stream] => Some(self.topic(file, stream, &kafka, reporter).await?),
            // Each stream has its own.
            _ => self.args.settings.topic.clone(),
        };
        let flags = SettingsArgs {
            stream: streams.iter().map(ToString::to_string).collect(),
            topic,
            ..kafka.flags(&self.args.settings)
        };
        // What the file will say must be right, before it says it; the environment is not part of it.
        resolve(Sources {
            flags: &flags,
            environment: &Environment::new(),
            file,
        })?;
        let (text, settings) = render(&flags, file).map_err(|error| self.not_written(io::Error::other(error)))?;
        file::replace(&self.path, &text).map_err(|error| self.not_written(error))?;
        Ok(Written::new(&self.path, chosen::DEFAULT_FILE, settings))
    }

    fn not_written(&self, source: io::Error) -> InitError {
        InitError::Write {
            path: self.path.clone(),
            source,
        }
    }

    async fn may_overwrite(&self) -> Result<(), InitError> {
        let path = self.path.clone();
        if self.args.yes {
            return Ok(());
        }
        let Some(terminal) = self.terminal else {
            return Err(InitError::Exists { path });
        };
        let shown = printable(&path.to_string_lossy()).into_owned();
        let question = format!("{shown} is there: change it? Its other settings stay, its comments don't");
        if terminal.confirm(question).await? {
            Ok(())
        } else {
            Err(InitError::Declined { path })
        }
    }

    /// The stream or the cluster: what a flag or a variable says, what the user chooses, or with `--yes` what there is no choice about.
    async fn arn(
        &mut self,
        kind: Kind,
        file: Option<&File>,
        stream: Option<&Arn>,
        reporter: &Reporter,
    ) -> Result<Arn, CommandError> {
        let flags = self.args.settings.clone();
        let environment = self.environment.clone();
        let sources = Sources {
            flags: &flags,
            environment: &environment,
            file,
        };
        let (what, known) = match kind {
            Kind::Stream => ("stream", sources.stream()?),
            Kind::Cluster => match sources.kafka()? {
                Some(Kafka::Cluster(cluster)) => ("cluster", Some(cluster)),
                Some(Kafka::BootstrapServers(_)) | None => ("cluster", None),
            },
        };
        let proposed = match known {
            Some(known) if self.args.yes || !matches!(known.source, Source::File { .. }) => return Ok(known.value),
            known => known.map(|known| known.value),
        };
        if !self.args.yes && self.terminal.is_none() {
            return Err(InitError::NoTerminal {
                what,
                value: "ARN",
                otherwise: match kind {
                    Kind::Stream => ", or --yes to take the only one there is",
                    Kind::Cluster => {
                        ", or --yes to take the only one there is, or --bootstrap-servers HOST:PORT for a Kafka that is not MSK"
                    }
                },
            }
            .into());
        }
        let access = sources.looking()?;
        let near = stream.or(proposed.as_ref()).map(|arn| arn.region.clone());
        let region = match near.or(access.region) {
            Some(region) => region,
            None => default_region(access.profile.as_deref())
                .await?
                .ok_or(InitError::NoRegion { what })?,
        };
        reporter.note(&format!("looking for {what}s in {region} …"));
        let aws = self.connect(access.profile.as_deref(), &region).await?;
        let found = match kind {
            Kind::Stream => aws.streams(&region).await?,
            Kind::Cluster => aws.clusters(&region).await?,
        };
        let candidates = match found {
            Fact::Found { value } => value,
            Fact::Absent => Vec::new(),
            Fact::Unreadable(why) if self.args.yes => return Err(InitError::Blind { what, region, why }.into()),
            Fact::Unreadable(unreadable) => {
                reporter.note(&format!(
                    "the {what}s of {region} can't be listed: {}",
                    because(&unreadable)
                ));
                Vec::new()
            }
        };
        // What k2m could not take as an answer is no choice.
        let candidates: Vec<(Arn, Candidate)> = candidates
            .into_iter()
            .filter_map(|candidate| Some((Arn::parse(kind, &candidate.id).ok()?, candidate)))
            .collect();
        let Some(terminal) = self.terminal else {
            return Ok(only(what, region, candidates)?);
        };
        if candidates.is_empty() {
            reporter.note(&format!("no {what} to choose from in {region}"));
        }
        let items = candidates.iter().map(|(arn, candidate)| Item {
            answer: arn.to_string(),
            shown: choice(candidate),
        });
        let answer = terminal
            .choose(Question {
                prompt: format!("{} (type to filter)", capitalized(what)),
                items: items.collect(),
                other: format!("another {what}, by its ARN"),
                other_prompt: format!("ARN of the {what}"),
                proposed: proposed.map(|arn| arn.to_string()),
                check: match kind {
                    Kind::Stream => |text| {
                        Arn::parse(Kind::Stream, text)
                            .map(drop)
                            .map_err(|error| error.to_string())
                    },
                    Kind::Cluster => |text| {
                        Arn::parse(Kind::Cluster, text)
                            .map(drop)
                            .map_err(|error| error.to_string())
                    },
                },
            })
            .await?;
        // It was checked as it was typed.
        Arn::parse(kind, &answer).map_err(|error| InitError::Ask(io::Error::other(error)).into())
    }

    /// Where records go: servers that somebody named, else a cluster.
    async fn kafka(&mut self, file: Option<&File>, stream: &Arn, reporter: &Reporter) -> Result<Chosen, CommandError> {
        let sources = Sources {
            flags: &self.args.settings,
            environment: &self.environment,
            file,
        };
        if let Some(Kafka::BootstrapServers(servers)) = sources.kafka()? {
            return Ok(Chosen::Servers(servers.value));
        }
        let cluster = self.arn(Kind::Cluster, file, Some(stream), reporter).await?;
        Ok(Chosen::Cluster(cluster))
    }

    /// The stream that was chosen, or all where several were said.
    fn streams(&self, file: Option<&File>, stream: Arn) -> Result<Vec<Arn>, CommandError> {
        let sources = Sources {
            flags: &self.args.settings,
            environment: &self.environment,
            file,
        };
        let said = sources.all_streams()?;
        Ok(if said.contains(&stream) { said } else { vec![stream] })
    }

    /// The topic: what a flag or a variable says, or what the user chooses; k2m.yaml's or the stream's name by default.
    async fn topic(
        &mut self,
        file: Option<&File>,
        stream: &Arn,
        kafka: &Chosen,
        reporter: &Reporter,
    ) -> Result<String, CommandError> {
        let flags = self.args.settings.clone();
        let environment = self.environment.clone();
        let sources = Sources {
            flags: &flags,
            environment: &environment,
            file,
        };
        let known = sources.topic()?;
        let proposed = match known {
            Some(known) if self.args.yes || !matches!(known.source, Source::File { .. }) => return Ok(known.value),
            Some(known) => known.value,
            None => stream.name().to_owned(),
        };
        let Some(terminal) = self.terminal else {
            if self.args.yes {
                return Ok(proposed);
            }
            return Err(InitError::NoTerminal {
                what: "topic",
                value: "NAME",
                otherwise: ", or --yes to take the stream's name",
            }
            .into());
        };
        let profile = sources.looking()?.profile;
        // The topics are a help, no more: a name can be given without seeing them.
        let topics = match kafka {
            // Nothing of AWS tells of them.
            Chosen::Servers(_) => Ok(Fact::Absent),
            Chosen::Cluster(cluster) => match self.connect(profile.as_deref(), &cluster.region).await {
                Ok(aws) => aws.topics(&cluster.region, cluster.as_str()).await,
                Err(error) => Err(error),
            },
        };
        let topics = match topics {
            Ok(Fact::Found { value }) => value,
            Ok(Fact::Absent) => Vec::new(),
            Ok(Fact::Unreadable(unreadable)) => {
                reporter.note(&format!(
                    "the cluster's topics can't be listed: {}",
                    because(&unreadable)
                ));
                Vec::new()
            }
            Err(error) => {
                reporter.note(&format!("the cluster's topics can't be listed: {error}"));
                Vec::new()
            }
        };
        let topics = topics.iter().filter(|topic| parse_topic(&topic.id).is_ok());
        let answer = terminal
            .choose(Question {
                prompt: "Topic (type to filter)".to_owned(),
                items: topics
                    .map(|topic| Item {
                        answer: topic.id.clone(),
                        shown: choice(topic),
                    })
                    .collect(),
                other: "another topic, by its name".to_owned(),
                other_prompt: "Name of the topic".to_owned(),
                proposed: Some(proposed),
                check: |text| parse_topic(text).map(drop),
            })
            .await?;
        Ok(answer)
    }

    /// A way to AWS, found once.
    async fn connect(&mut self, profile: Option<&str>, region: &str) -> Result<&Aws, crate::aws::LookError> {
        let aws = match self.aws.take() {
            Some(aws) => aws,
            None => Aws::connect(profile, region).await?,
        };
        Ok(self.aws.insert(aws))
    }
}

/// Where records go.
enum Chosen {
    Cluster(Arn),
    Servers(Servers),
}

impl Chosen {
    /// The flags with this among them, in place of whatever they said of it.
    fn flags(&self, flags: &SettingsArgs) -> SettingsArgs {
        let (cluster, bootstrap_servers) = match self {
            Self::Cluster(cluster) => (Some(cluster.to_string()), None),
            Self::Servers(servers) => (None, Some(servers.to_string())),
        };
        SettingsArgs {
            cluster,
            bootstrap_servers,
            ..flags.clone()
        }
    }
}

/// The other way to say where records go.
fn or_servers(what: &str) -> &'static str {
    match what {
        "cluster" => ", or --bootstrap-servers HOST:PORT for a Kafka that is not MSK",
        _ => "",
    }
}

/// The only candidate.
fn only(what: &'static str, region: String, mut candidates: Vec<(Arn, Candidate)>) -> Result<Arn, InitError> {
    match (candidates.pop(), candidates.is_empty()) {
        (None, _) => Err(InitError::Nothing { what, region }),
        (Some((arn, _)), true) => Ok(arn),
        (Some(last), false) => {
            candidates.push(last);
            Err(InitError::Ambiguous {
                what,
                region,
                candidates: candidates.into_iter().map(|(_, candidate)| candidate).collect(),
            })
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect()
}

#[cfg(test)]
mod tests;
