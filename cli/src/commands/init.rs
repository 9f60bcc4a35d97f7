//! `k2m init`: asks for what neither flags nor AWS answer, shows what follows, and writes k2m.yaml.

mod ask;
mod profiles;
mod world;
pub(super) mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde_yaml::Mapping;
use thiserror::Error;

use super::{CommandError, chosen, file, folded, output, signals, unless_stopped};
use crate::args::{InitArgs, SettingsArgs};
use crate::arn::{Arn, Kind};
use crate::aws::Candidate;
use crate::exit::Exit;
use crate::facts::{Fact, Facts, Unreadable};
use crate::init::questions::{Choice, Known, Question, Said, Sets, Typed, first, next, sized};
use crate::init::rewrite::RewriteError;
use crate::picture::Scene;
use crate::plan::size::Load;
use crate::plan::{self, Plan, PlanError};
use crate::report::{Reporter, printable};
use crate::settings::parse::topic as parse_topic;
use crate::settings::{
    Access, ENVIRONMENT_VARIABLE, Environment, File, Kafka, PipelineSettings, Settings, SettingsError, Source, Sources,
    TABLE, resolve,
};
use ask::{Ask, Terminal};
use world::{Reality, World};
use write::{Answers, Checked, FoundOut, NotWritten, Written, capitalized, entry, text};

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
    /// A file lists pipelines, and a setting of one is given with no pipeline to give it to.
    #[error(
        "{path} lists pipelines, and {flag} is of one pipeline: give --stream ARN of one that is not in the list, and it is added; what is in the list is changed by hand"
    )]
    Listed {
        /// The file.
        path: PathBuf,
        /// The flag.
        flag: String,
    },
    /// The list has a pipeline of this stream.
    #[error(
        "{path} lists a pipeline of {stream} already: change it by hand, give --stream ARN of another, or write another file with --config FILE"
    )]
    ListedAlready {
        /// The file.
        path: PathBuf,
        /// The stream's ARN.
        stream: String,
    },
    /// The file can't be changed in place.
    #[error("{path} can't be changed in place: {reason}; change it by hand, or write another file with --config FILE")]
    InPlace {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: RewriteError,
    },
    /// An environment of the file, which is not asked for.
    #[error(
        "--env names an environment, and `k2m init` writes what counts in each: leave it out, and write `environments` into the file by hand (docs/settings.md)"
    )]
    Environment,
    /// A file is there, and nobody says that it may be overwritten.
    #[error(
        "{path} is there already, and nobody to ask: standard input or error is no terminal; --yes changes it and keeps the rest of it, --config FILE writes another"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The user said no.
    #[error("{}", declined(path, *is_there))]
    Declined {
        /// The file.
        path: PathBuf,
        /// Whether it is there.
        is_there: bool,
    },
    /// What is named isn't there, and nobody could say that it is to be written all the same.
    #[error("{refused}; {}", untouched(path, *is_there))]
    Absent {
        /// The file.
        path: PathBuf,
        /// Whether it is there.
        is_there: bool,
        /// What isn't there.
        refused: Box<PlanError>,
    },
    /// The terminal.
    #[error("failed to ask at the terminal: {0}; give --stream ARN, --cluster ARN and --yes to be asked nothing")]
    Ask(io::Error),
    /// Ctrl-C or SIGTERM.
    #[error("stopped: nothing was written")]
    Interrupted,
    /// The file is not what was read.
    #[error("{path} was changed by somebody else meanwhile, and nothing was written; run `k2m init` again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file can't be written.
    #[error(
        "failed to write {path}: {source}, and nothing was changed; name a place with --config that is there and can be written to, with room"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

impl InitError {
    /// The exit code that it ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Absent { refused, .. } => refused.exit(),
            Self::Listed { .. }
            | Self::ListedAlready { .. }
            | Self::Environment
            | Self::NoTerminal { .. }
            | Self::Ambiguous { .. }
            | Self::NoRegion { .. }
            | Self::Exists { .. } => Exit::Usage,
            Self::Nothing { .. } | Self::Declined { .. } | Self::InPlace { .. } => Exit::Failed,
            Self::Blind { .. } => Exit::CouldNotTell,
            Self::Ask(_) | Self::Write { .. } | Self::Changed { .. } => Exit::Io,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}

/// What became of the file.
fn untouched(path: &Path, is_there: bool) -> String {
    if is_there {
        format!("{} stays as it was", path.display())
    } else {
        "nothing was written".to_owned()
    }
}

fn declined(path: &Path, is_there: bool) -> String {
    let untouched = untouched(path, is_there);
    if is_there {
        format!("{untouched}; --config FILE writes another")
    } else {
        format!("{untouched}; `k2m init` asks again")
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
        asker: terminal.as_ref(),
        world: Reality::default(),
        old: None,
        answers: Answers::new(),
        reasons: BTreeMap::new(),
    };
    let done = match unless_stopped(&mut signals, Box::pin(asking.work(reporter))).await {
        Err(CommandError::Interrupted) => Err(InitError::Interrupted.into()),
        done => done,
    };
    reporter.finish();
    drop(terminal);
    let (written, exit) = done?;
    output(reporter.result(&written))?;
    Ok(exit)
}

/// What is known while it asks.
struct Asking<'a, A, W> {
    path: PathBuf,
    environment: Environment,
    args: InitArgs,
    /// Somebody, unless everything is to be taken.
    asker: Option<&'a A>,
    world: W,
    /// The file that is there.
    old: Option<Old>,
    /// What flags and answers say, which is what will be written.
    answers: Answers,
    /// Why, where a number needs a reason.
    reasons: BTreeMap<&'static str, String>,
}

/// The file that is there.
struct Old {
    text: String,
    file: File,
}

/// What AWS says, and what follows.
type Seen = Result<(Facts, Result<Plan, PlanError>), String>;

impl<A: Ask, W: World> Asking<'_, A, W> {
    async fn work(&mut self, reporter: &Reporter) -> Result<(Written, Exit), CommandError> {
        if self.args.settings.env.is_some() {
            return Err(InitError::Environment.into());
        }
        let chosen = self.environment.get(ENVIRONMENT_VARIABLE);
        if let Some(name) = chosen.filter(|name| !name.is_empty()) {
            reporter.note(&format!(
                "warning: {ENVIRONMENT_VARIABLE} names the environment {name}, which counts nothing here: what is written counts in each; write `environments` into \
                 the file by hand (docs/settings.md)"
            ));
        }
        self.old = self.read()?;
        if self.old.is_some() && !self.args.yes && self.asker.is_none() {
            let path = self.path.clone();
            return Err(InitError::Exists { path }.into());
        }
        // Before anybody answers for nothing.
        file::can_replace(&self.path).map_err(|error| self.not_written(error))?;
        self.take_flags()?;
        self.ends(reporter).await?;
        let (text, settings, seen) = self.rest(reporter).await?;
        // Who is asked decides; without, what comes next on a command line goes on only from a plan.
        let exit = match &seen {
            Ok((_, Err(refused))) if self.asker.is_none() => refused.exit(),
            Err(_) if self.asker.is_none() => Exit::CouldNotTell,
            _ => Exit::Fine,
        };
        let is_there = self.old.is_some();
        let checked = match seen {
            Ok((facts, Ok(plan))) => {
                output(reporter.picture(&Scene::of_plan(&plan, &facts)))?;
                output(reporter.told(&FoundOut(&plan), folded))?;
                Checked::Planned(Box::new(plan))
            }
            Ok((facts, Err(refused))) => {
                if let Some(scene) = Scene::of_error(&refused, &settings, &facts) {
                    output(reporter.picture(&scene))?;
                }
                if self.asker.is_none() && matches!(refused, PlanError::Absent { .. }) {
                    return Err(InitError::Absent {
                        path: self.path.clone(),
                        is_there,
                        refused: Box::new(refused),
                    }
                    .into());
                }
                let why = format!("With these settings there is no plan yet: {refused}");
                reporter.note_laid_out(&why, folded);
                Checked::Refused(refused.to_string())
            }
            Err(why) => {
                let told = format!("The settings are well-formed, but what follows from them is not checked: {why}");
                reporter.note_laid_out(&told, folded);
                Checked::Unseen(why)
            }
        };
        if let Some(asker) = self.asker {
            let path = printable(&self.path.to_string_lossy()).into_owned();
            let prompt = match &self.old {
                Some(_) => format!("Write these settings into {path}? The rest of it stays as it is"),
                None => format!("Write these settings to {path}?"),
            };
            if !asker.confirm(&prompt, true).await? {
                let path = self.path.clone();
                return Err(InitError::Declined { path, is_there }.into());
            }
        }
        self.is_unchanged()?;
        let settings: Option<Mapping> = serde_yaml::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| self.not_written(io::Error::other(error)))?;
        file::replace(&self.path, &text).map_err(|error| self.not_written(error))?;
        let written = Written::new(&self.path, settings.unwrap_or_default(), checked);
        Ok((written, exit))
    }

    /// The file, if it is there.
    fn read(&self) -> Result<Option<Old>, CommandError> {
        let Some(file) = chosen::read(&self.path)? else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(&self.path).map_err(|source| SettingsError::Read {
            path: self.path.clone(),
            source,
        })?;
        Ok(Some(Old { text, file }))
    }

    /// Whether the file is still what was read: somebody may have changed it while questions were open.
    fn is_unchanged(&self) -> Result<(), InitError> {
        let now = std::fs::read_to_string(&self.path).ok();
        if now.as_deref() == self.old.as_ref().map(|old| old.text.as_str()) {
            return Ok(());
        }
        let path = self.path.clone();
        Err(InitError::Changed { path })
    }

    /// Takes over what flags say, as far as it can be.
    fn take_flags(&mut self) -> Result<(), CommandError> {
        for row in TABLE {
            let Some(value) = (row.flag_value)(&self.args.settings) else {
                continue;
            };
            (row.check)(&value).map_err(|reason| SettingsError::Invalid {
                place: None,
                setting: row.flag(),
                value: value.clone().into_owned(),
                reason,
            })?;
            self.answers.insert(row.name, Some(value.into_owned()));
        }
        if self.listed().is_empty() {
            return Ok(());
        }
        let path = self.path.clone();
        let stream = self.answers.get("stream").cloned().flatten();
        if let Some(stream) = stream {
            if self.listed().contains(&stream) {
                return Err(InitError::ListedAlready { path, stream }.into());
            }
        } else if self.asker.is_none()
            && let Some(row) = TABLE
                .iter()
                .find(|row| !row.of_stack() && self.answers.contains_key(row.name))
        {
            let flag = row.flag();
            return Err(InitError::Listed { path, flag }.into());
        }
        Ok(())
    }

    /// Streams of the pipelines that the file lists.
    fn listed(&self) -> Vec<String> {
        let pipelines = self.old.iter().flat_map(|old| &old.file.pipelines);
        let streams = pipelines.filter_map(|pipeline| pipeline.entries.get("stream"));
        streams.map(|entry| entry.text.clone()).collect()
    }

    /// The file without its pipelines, which say nothing of another one.
    fn base(&self) -> Option<File> {
        let mut file = self.old.as_ref()?.file.clone();
        file.pipelines.clear();
        Some(file)
    }

    /// The text that would be written, and the settings that it says.
    fn draft(&self) -> Result<(String, Settings), CommandError> {
        let broken = |error: NotWritten| match error {
            NotWritten::InPlace(reason) => InitError::InPlace {
                path: self.path.clone(),
                reason,
            },
            NotWritten::Value(error) => self.not_written(io::Error::other(error)),
        };
        let listed = !self.listed().is_empty();
        let (mut whole, mut pipeline) = (self.answers.clone(), None);
        if listed {
            let of_stack = |name: &str| TABLE.iter().any(|row| row.name == name && row.of_stack());
            whole.retain(|name, _| of_stack(name));
            if self.answers.get("stream").is_some_and(Option::is_some) {
                let mut entries = Mapping::new();
                for row in TABLE.iter().filter(|row| !row.of_stack()) {
                    if let Some(Some(text)) = self.answers.get(row.name) {
                        let (name, value) = entry(row, text).map_err(|error| broken(error.into()))?;
                        entries.insert(name, value);
                    }
                }
                pipeline = Some(entries);
            }
        }
        let old = self.old.as_ref().map(|old| old.text.as_str());
        let text = text(old, &whole, &self.reasons, pipeline.as_ref()).map_err(broken)?;
        let file = File::parse(&self.path.to_string_lossy(), text.as_bytes()).map_err(SettingsError::from)?;
        // What the file will say must be right, before it says it; the environment is not part of it.
        let (settings, _) = resolve(Sources {
            flags: &SettingsArgs::default(),
            environment: &Environment::new(),
            file: Some(&file),
        })?;
        Ok((text, settings))
    }

    fn not_written(&self, source: io::Error) -> InitError {
        InitError::Write {
            path: self.path.clone(),
            source,
        }
    }

    /// Whose credentials are used, and where is looked, as far as that is said.
    fn access(&self) -> Result<Access, CommandError> {
        let base = self.base();
        let access = Sources {
            flags: &self.args.settings,
            environment: &self.environment,
            file: base.as_ref(),
        }
        .looking()?;
        let answered = |name: &str| self.answers.get(name).cloned().flatten();
        Ok(Access {
            profile: access.profile.or(answered("profile")),
            region: access.region.or(answered("region")),
        })
    }

    /// The two ends: the stream, and the cluster and its topic.
    async fn ends(&mut self, reporter: &Reporter) -> Result<(), CommandError> {
        let (base, flags, environment) = (self.base(), self.args.settings.clone(), self.environment.clone());
        let sources = Sources {
            flags: &flags,
            environment: &environment,
            file: base.as_ref(),
        };
        // All that is said is looked at, before anything is asked.
        let (stream, kafka) = (sources.stream()?, sources.kafka()?);
        let listed = !self.listed().is_empty();
        if listed && stream.is_none() {
            let more = match self.asker {
                Some(asker) => {
                    let prompt = format!("{} lists pipelines: add one?", printable(&self.path.to_string_lossy()));
                    asker.confirm(&prompt, true).await?
                }
                None => false,
            };
            if !more {
                return Ok(());
            }
        }
        let firm = |source: &Source| !matches!(source, Source::File(_));
        let streams = match &stream {
            Some(stream) if self.args.yes || firm(&stream.source) => sources.all_streams()?,
            _ => {
                let proposed = stream.map(|stream| stream.value);
                vec![self.arn(Kind::Stream, proposed, None, reporter).await?]
            }
        };
        let names: Vec<String> = streams.iter().map(ToString::to_string).collect();
        self.answers.insert("stream", Some(names.join(",")));
        let near = streams.first();
        match kafka {
            Some(Kafka::BootstrapServers(servers)) => {
                self.answers
                    .insert("bootstrap_servers", Some(servers.value.to_string()));
            }
            Some(Kafka::Cluster(cluster)) if self.args.yes || listed || firm(&cluster.source) => {
                self.answers.insert("cluster", Some(cluster.value.to_string()));
            }
            known => {
                let proposed = match known {
                    Some(Kafka::Cluster(cluster)) => Some(cluster.value),
                    Some(Kafka::BootstrapServers(_)) | None => None,
                };
                let cluster = self.arn(Kind::Cluster, proposed, near, reporter).await?;
                self.answers.insert("cluster", Some(cluster.to_string()));
            }
        }
        // With several streams each has its own.
        if let [stream] = streams.as_slice() {
            let known = sources.topic()?;
            let before = base.as_ref().and_then(|file| file.entries.get("stream"));
            let carried = match &known {
                Some(known) if !firm(&known.source) => {
                    carried(&known.value, before.map(|entry| entry.text.as_str()), stream)
                }
                _ => Carried::Along,
            };
            let topic = match known {
                Some(known) if carried == Carried::Follows => {
                    let of_stream = stream.name().to_owned();
                    if self.args.yes {
                        reporter.note(&format!(
                            "topic: {of_stream}, the name of the new stream, as {} was that of the old one; --topic NAME names another",
                            known.value
                        ));
                        of_stream
                    } else {
                        self.topic(of_stream, reporter).await?
                    }
                }
                Some(known) if self.args.yes || firm(&known.source) => {
                    if carried == Carried::Stays {
                        reporter.note(&format!(
                            "topic: {} as before, though the stream is another one; --topic NAME names another",
                            known.value
                        ));
                    }
                    known.value
                }
                known => {
                    let proposed = known.map_or_else(|| stream.name().to_owned(), |known| known.value);
                    self.topic(proposed, reporter).await?
                }
            };
            self.answers.insert("topic", Some(topic));
        }
        Ok(())
    }

    /// The region to look in: the one of what is near, the one that is said, the one that AWS's rules find, or an answer. Before it, whose credentials
    /// are used.
    async fn place(
        &mut self,
        what: &'static str,
        near: Option<String>,
    ) -> Result<(Option<String>, String), CommandError> {
        let said = self.access()?.profile.is_some() || self.answers.contains_key("profile");
        let profiles = self.world.profiles().unwrap_or_default();
        if let Some(asker) = self.asker
            && !said
            && profiles.keys().any(|name| name != "default")
        {
            let names = profiles.iter().map(|(name, region)| {
                let shown = region
                    .as_ref()
                    .map_or_else(|| name.clone(), |region| format!("{name}  ({region})"));
                // What AWS's tools take by themselves need not be written down.
                let written = (name != "default").then(|| name.clone());
                Choice {
                    shown,
                    sets: vec![("profile", written)],
                }
            });
            let mut choices: Vec<Choice> = names.collect();
            choices.sort_by_key(|choice| choice.sets.iter().any(|(_, value)| value.is_some()));
            let question = Question {
                about: "profile",
                prompt: "Profile of the AWS configuration".to_owned(),
                because: None,
                choices,
                typed: None,
                taken: false,
            };
            let sets = asker.choose(question).await?;
            self.answers.extend(sets);
        }
        let access = self.access()?;
        if let Some(region) = near.or(access.region) {
            return Ok((access.profile, region));
        }
        if let Some(region) = self.world.region(access.profile.as_deref()).await? {
            return Ok((access.profile, region));
        }
        let Some(asker) = self.asker else {
            return Err(InitError::NoRegion { what }.into());
        };
        let regions: BTreeSet<String> = profiles.into_values().flatten().collect();
        let sets = |region: String| vec![("region", Some(region))];
        let row = TABLE.iter().find(|row| row.name == "region");
        let question = Question {
            about: "region",
            prompt: format!("Region to look for a {what} in"),
            because: None,
            choices: regions
                .into_iter()
                .map(|region| Choice {
                    shown: region.clone(),
                    sets: sets(region),
                })
                .collect(),
            typed: Some(Typed {
                setting: "region",
                shown: "another region".to_owned(),
                prompt: format!("Region to look for a {what} in, such as eu-west-1"),
                check: row.map_or(|_| Ok(()), |row| row.check),
            }),
            taken: false,
        };
        let region = answer(&asker.choose(question).await?).ok_or(InitError::NoRegion { what })?;
        Ok((access.profile, region))
    }

    /// The stream or the cluster: what the user chooses, or with `--yes` what there is no choice about.
    async fn arn(
        &mut self,
        kind: Kind,
        proposed: Option<Arn>,
        near: Option<&Arn>,
        reporter: &Reporter,
    ) -> Result<Arn, CommandError> {
        let what = match kind {
            Kind::Stream => "stream",
            Kind::Cluster => "cluster",
        };
        if !self.args.yes && self.asker.is_none() {
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
        let near = near.or(proposed.as_ref()).map(|arn| arn.region.clone());
        let (profile, region) = self.place(what, near).await?;
        let (world, profile) = (&mut self.world, profile.as_deref());
        let looking = format!("looking for {what}s in {region}");
        let found = match kind {
            Kind::Stream => reporter.waiting(&looking, world.streams(profile, &region)).await,
            Kind::Cluster => reporter.waiting(&looking, world.clusters(profile, &region)).await,
        };
        reporter.finish();
        let candidates = match found? {
            Fact::Found { value } => value,
            Fact::Absent => Vec::new(),
            Fact::Unreadable(why) if self.args.yes => return Err(InitError::Blind { what, region, why }.into()),
            Fact::Unreadable(unreadable) => {
                let why = because(&unreadable);
                reporter.note(&format!("the {what}s of {region} can't be listed: {why}"));
                Vec::new()
            }
        };
        let listed = self.listed();
        // What k2m could not take as an answer is no choice.
        let candidates: Vec<(Arn, Candidate)> = candidates
            .into_iter()
            .filter(|candidate| !listed.contains(&candidate.id))
            .filter_map(|candidate| Some((Arn::parse(kind, &candidate.id).ok()?, candidate)))
            .collect();
        let Some(asker) = self.asker else {
            return Ok(only(what, region, candidates)?);
        };
        if candidates.is_empty() {
            reporter.note(&format!("no {what} to choose from in {region}"));
        }
        let choices = candidates.iter().map(|(arn, candidate)| Choice {
            shown: choice(candidate),
            sets: vec![(what, Some(arn.to_string()))],
        });
        let proposed = proposed.map(|arn| arn.to_string());
        let question = Question {
            about: what,
            prompt: capitalized(what),
            because: None,
            choices: first(choices.collect(), what, proposed.as_deref()),
            typed: Some(Typed {
                setting: what,
                shown: format!("another {what}, by its ARN"),
                prompt: format!("ARN of the {what}"),
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
            }),
            taken: false,
        };
        let answer = answer(&asker.choose(question).await?).unwrap_or_default();
        // It was checked as it was typed.
        Arn::parse(kind, &answer).map_err(|error| InitError::Ask(io::Error::other(error)).into())
    }

    /// The topic: what the user chooses, of those that there are or by a name.
    async fn topic(&mut self, proposed: String, reporter: &Reporter) -> Result<String, CommandError> {
        let Some(asker) = self.asker else {
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
        let profile = self.access()?.profile;
        let cluster = self.answers.get("cluster").cloned().flatten();
        // The topics are a help, no more: a name can be given without seeing them. Of a Kafka that is not MSK nothing of AWS tells.
        let topics = match cluster.and_then(|cluster| Arn::parse(Kind::Cluster, &cluster).ok()) {
            Some(cluster) => {
                let looking = self.world.topics(profile.as_deref(), &cluster);
                let topics = reporter.waiting("looking for the cluster's topics", looking).await;
                reporter.finish();
                topics
            }
            None => Ok(Fact::Absent),
        };
        let why = match &topics {
            Ok(Fact::Unreadable(unreadable)) => Some(because(unreadable)),
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = why {
            reporter.note(&format!("the cluster's topics can't be listed: {why}"));
        }
        let topics = topics
            .ok()
            .and_then(|topics| topics.found().cloned())
            .unwrap_or_default();
        let topics = topics.iter().filter(|topic| parse_topic(&topic.id).is_ok());
        let choices = topics.map(|topic| Choice {
            shown: choice(topic),
            sets: vec![("topic", Some(topic.id.clone()))],
        });
        let question = Question {
            about: "topic",
            prompt: "Topic".to_owned(),
            because: None,
            choices: first(choices.collect(), "topic", Some(&proposed)),
            typed: Some(Typed {
                setting: "topic",
                shown: "another topic, by its name".to_owned(),
                prompt: "Name of the topic".to_owned(),
                check: |text| parse_topic(text).map(drop),
            }),
            taken: false,
        };
        Ok(answer(&asker.choose(question).await?).unwrap_or(proposed))
    }

    /// All that is left, with what AWS says of it: the text to write, its settings, and what follows from them.
    async fn rest(&mut self, reporter: &Reporter) -> Result<(String, Settings, Seen), CommandError> {
        let said = self.said();
        let (mut text, mut settings) = self.draft()?;
        let stream = self.answers.get("stream").cloned().flatten();
        let one = |settings: &Settings| {
            let mut pipelines = settings.pipelines.iter();
            let found = pipelines.find(|one| Some(one.stream.value.as_str()) == stream.as_deref());
            found.cloned()
        };
        let profile = self.access()?.profile;
        let (mut seen, load) = self
            .look(profile.as_deref(), &settings, one(&settings).as_ref(), reporter)
            .await;
        let mut asked = BTreeSet::new();
        loop {
            let pipeline = one(&settings);
            let known = Known {
                said: &said,
                asked: &asked,
                settings: &settings,
                pipeline: pipeline.as_ref(),
                seen: seen.as_ref().ok().map(|(facts, plan)| (facts, plan)),
                load: load.as_ref(),
            };
            let Some(question) = next(&known) else {
                if let Some(size) = sized(&known).filter(|_| !asked.contains("size")) {
                    reporter.note_laid_out(&format!("size: {size}"), folded);
                }
                return Ok((text, settings, seen));
            };
            let about = question.about;
            asked.insert(about);
            let reason = question.because.clone();
            let sets = match self.asker {
                Some(somebody) => {
                    if let Some(because) = &reason {
                        reporter.note_laid_out(because, folded);
                    }
                    somebody.choose(question).await?
                }
                None if question.taken => {
                    if let Some(because) = &reason {
                        reporter.note(because);
                    }
                    question
                        .choices
                        .into_iter()
                        .next()
                        .map(|choice| choice.sets)
                        .unwrap_or_default()
                }
                None => Sets::new(),
            };
            if sets.is_empty() {
                continue;
            }
            if about == "size" {
                let reasons = sets.iter().filter_map(|(name, _)| Some((*name, reason.clone()?)));
                self.reasons.extend(reasons.take(1));
            }
            let elsewhere = sets.iter().any(|(name, _)| *name == "failure_destination");
            self.answers.extend(sets);
            (text, settings) = self.draft()?;
            if elsewhere {
                // What was not looked at before has to be.
                seen = self.look(profile.as_deref(), &settings, None, reporter).await.0;
            } else if let Ok((facts, planned)) = &mut seen {
                *planned = plan::plan(&settings, facts);
            }
        }
    }

    /// What AWS says of the settings, and of what comes into a stream.
    async fn look(
        &mut self,
        profile: Option<&str>,
        settings: &Settings,
        pipeline: Option<&PipelineSettings>,
        reporter: &Reporter,
    ) -> (Seen, Option<Fact<Load>>) {
        let world = &mut self.world;
        let facts = reporter.waiting("looking at AWS", world.facts(profile, settings)).await;
        let seen = match facts {
            Ok(facts) => {
                let planned = plan::plan(settings, &facts);
                Ok((facts, planned))
            }
            Err(why) => Err(why.to_string()),
        };
        let load = match (&seen, pipeline) {
            (Ok(_), Some(pipeline)) => {
                let (stream, account) = (&pipeline.stream.value, &settings.home.account);
                world.load(profile, stream, account).await.ok()
            }
            _ => None,
        };
        reporter.finish();
        (seen, load)
    }

    /// Who said what.
    fn said(&self) -> Said {
        let mut said = Said::default();
        for row in TABLE {
            let variable = self.environment.get(&row.variable()).cloned();
            if let Some(text) = self.answers.get(row.name).cloned().flatten().or(variable) {
                said.firmly.insert(row.name, text);
            }
            if let Some(entry) = self.old.as_ref().and_then(|old| old.file.entries.get(row.name)) {
                said.before.insert(row.name, entry.text.clone());
            }
        }
        said
    }
}

/// What becomes of a file's topic when the stream is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carried {
    /// The stream is the same, or what it was isn't known.
    Along,
    /// It is the old stream's name, and so becomes that of the new one.
    Follows,
    /// It was chosen for itself.
    Stays,
}

/// What becomes of a topic that a file has beside a stream, now that this is the stream.
fn carried(topic: &str, before: Option<&str>, stream: &Arn) -> Carried {
    match before.and_then(|before| Arn::parse(Kind::Stream, before).ok()) {
        Some(before) if before != *stream && topic != stream.name() => {
            if topic == before.name() {
                Carried::Follows
            } else {
                Carried::Stays
            }
        }
        _ => Carried::Along,
    }
}

/// What an answer says of the only setting that it is of.
fn answer(sets: &Sets) -> Option<String> {
    sets.first()?.1.clone()
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

#[cfg(test)]
mod tests;
