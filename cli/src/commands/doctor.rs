//! `k2m doctor`: says which hop, right or topic is broken, and how to mend it.

mod bedside;
mod fix;
#[cfg(test)]
mod scripted;
mod wait;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;

use futures_util::StreamExt as _;

use self::bedside::Room;
use self::fix::{Bedside as _, Fixed, fix};
use self::wait::until_healthy;
use super::attended::Attended;
use super::chosen::{chosen, chosen_stack, completed, path};
use super::file::{can_replace, replace};
use super::{CommandError, function, look, output};
use crate::args::{DoctorArgs, PlanArgs};
use crate::arn::{Arn, Kind};
use crate::aws::{Aws, default_region};
use crate::deploy::DeployError;
use crate::deploy::port::{Stacks as _, User};
use crate::doctor;
use crate::exit::Exit;
use crate::facts::deployed::{default_stack_name, pipeline_id};
use crate::facts::{Fact, Facts, Probe, Server, file, stream_name};
use crate::report::Reporter;
use crate::settings::{Access, ChosenStack, Settings, SettingsError, StackOutputs};

/// What doctor does without a stream and a cluster.
const BY_STACK: &str = "; of what is deployed, its stack is enough: --stack NAME, with --region where it is elsewhere";

/// Runs the command.
pub async fn run(args: DoctorArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    if let Some(path) = &args.report {
        overwrites_nothing(path, &args)?;
        can_replace(path).map_err(|source| unwritable(path, source))?;
    }
    let attended = Attended::new(reporter, args.yes)?;
    if let Some(path) = args.plan.facts.as_deref() {
        let (settings, access) = looking(&attended, settings(&args.plan, args.function.as_deref())).await?;
        let facts = looking(&attended, look_at_file(&settings, &access, path)).await?;
        if let Some(age) = age(&facts) {
            reporter.note(&format!(
                "the facts of {} were taken {}, {age} days ago: what has changed since they don't say",
                path.display(),
                facts.taken_at
            ));
        }
        let report = doctor::examine(&settings, &facts);
        output(reporter.laid_out(&report, doctor::text::laid_out))?;
        written(&args, &settings, &facts, &report, reporter)?;
        return Ok(report.exit());
    }
    if let Some(path) = &args.handler {
        // Whether mending takes it or not: a slip would show only where it does.
        std::fs::File::open(path).map_err(|source| CommandError::Open {
            path: path.clone(),
            option: "--handler",
            source,
        })?;
    }
    let first = async {
        let foreign = match &args.function {
            Some(function) => Some(function::choose(&args.plan.settings, function).await?),
            None => None,
        };
        let (settings, access) = match &foreign {
            Some(chosen) => (chosen.settings.clone(), chosen.access.clone()),
            None => settings(&args.plan, None).await?,
        };
        let aws = look::connect(&settings, &access).await?;
        Ok((foreign, settings, aws))
    };
    let first = reporter.waiting("looking at AWS: credentials, and what is deployed", first);
    let (foreign, settings, aws) = Box::pin(looking(&attended, first)).await?;
    let room = Room {
        args: &args,
        settings: &settings,
        foreign: foreign.as_ref(),
        aws: &aws,
        reporter,
        attended: &attended,
    };
    let stack = &settings.stack.value;
    let (mut fixed, facts) = if args.fix {
        fix(&room, &Laid(&attended), stack).await?
    } else {
        let (report, facts) = looking(&attended, room.examine()).await?;
        (Fixed::from(report), facts)
    };
    let facts = RefCell::new(facts);
    if let Some(limit) = args.wait {
        let wait = until_healthy(fixed.report.clone(), limit, &attended, &attended, async || {
            let (report, seen) = room.examine().await?;
            facts.replace(seen);
            Ok(report)
        });
        fixed.look_again(looking(&attended, wait).await?);
    }
    output(if args.fix {
        reporter.laid_out(&fixed, doctor::text::laid_out)
    } else {
        reporter.laid_out(&fixed.report, doctor::text::laid_out)
    })?;
    written(&args, &settings, &facts.into_inner(), &fixed.report, reporter)?;
    Ok(fixed.report.exit())
}

/// How many whole days old the facts are; none where it is none.
fn age(facts: &Facts) -> Option<i64> {
    const DAY: i64 = 24 * 60 * 60;
    let taken: jiff::Timestamp = facts.taken_at.parse().ok()?;
    let days = (jiff::Timestamp::now().as_second() - taken.as_second()) / DAY;
    (days > 0).then_some(days)
}

/// Writes the page, where one is asked for.
fn written(
    args: &DoctorArgs,
    settings: &Settings,
    facts: &Facts,
    report: &doctor::Report,
    reporter: &Reporter,
) -> Result<(), CommandError> {
    let Some(path) = &args.report else { return Ok(()) };
    let page = doctor::html::page(settings, facts, report, args.mask)?;
    replace(path, &page).map_err(|source| unwritable(path, source))?;
    reporter.note(&format!("wrote {}", path.display()));
    Ok(())
}

/// What the work comes to, unless a signal comes first: nothing is changed by looking.
async fn looking<T>(
    attended: &Attended<'_>,
    work: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    tokio::select! {
        biased;
        () = attended.stopped(1) => Err(CommandError::InterruptedLook),
        done = work => done,
    }
}

/// Facts of a file, unless the settings contradict what they say of the stack.
async fn look_at_file(settings: &Settings, access: &Access, path: &Path) -> Result<Facts, CommandError> {
    if let Some(contradiction) = doctor::contradicted(settings, &file::read(path)?) {
        return Err(Box::new(contradiction).into());
    }
    look::facts(settings, access, Some(path)).await
}

/// That the page replaces none of the files that the command itself reads.
fn overwrites_nothing(page: &Path, args: &DoctorArgs) -> Result<(), CommandError> {
    let Ok(place) = page.canonicalize() else { return Ok(()) };
    let settings = path(&args.plan.settings);
    let read = [
        ("--facts", args.plan.facts.as_deref()),
        ("--config", Some(settings.as_path())),
    ];
    for (option, file) in read {
        let Some(file) = file else { continue };
        if file.canonicalize().is_ok_and(|file| file == place) {
            return Err(CommandError::Usage(format!(
                "--report {} is the file of {option}, which the page would replace: name another, such as report.html",
                page.display()
            )));
        }
    }
    Ok(())
}

fn unwritable(path: &Path, source: std::io::Error) -> CommandError {
    CommandError::Write {
        path: path.to_owned(),
        source,
    }
}

/// Who asks a deployed function how its way to the brokers is.
trait Ask {
    /// What the function of this ARN, in this region, says; it is invoked for that.
    async fn ask(&self, region: &str, function: &str) -> Fact<Probe>;
}

impl Ask for Aws {
    async fn ask(&self, region: &str, function: &str) -> Fact<Probe> {
        self.probe(region, function).await
    }
}

/// What is asked, for people.
fn asked(facts: &mut Facts) -> Option<String> {
    let functions: Vec<&String> = ready(facts).map(|(function, _)| function).collect();
    match functions.as_slice() {
        [] => None,
        [one] => Some(format!("the function {}", one.rsplit(':').next().unwrap_or(one))),
        many => Some(format!("{} functions", many.len())),
    }
}

/// How many functions are asked at once.
const ASKED_AT_ONCE: usize = 8;

/// Functions that can be asked, with where their answer belongs. Another's is not invoked, nor one that is not ready.
fn ready(facts: &mut Facts) -> impl Iterator<Item = (&String, &mut Option<Fact<Probe>>)> {
    let ours = facts.stack.found().is_some_and(|stack| stack.made_by_k2m);
    let pipelines = facts.pipelines.values_mut().filter(move |_| ours);
    pipelines.filter_map(|pipeline| {
        let function = pipeline.function.found().filter(|_| pipeline.foreign.is_none())?;
        // An inactive one is made ready by being invoked.
        let ready = matches!(function.state.as_str(), "Active" | "Inactive");
        ready.then_some((&function.arn, &mut pipeline.probe))
    })
}

/// Adds what the pipelines' functions say.
async fn probe(facts: &mut Facts, region: &str, aws: &impl Ask) {
    let asked = ready(facts).map(async |(function, probe)| *probe = Some(aws.ask(region, function).await));
    futures_util::stream::iter(asked)
        .buffer_unordered(ASKED_AT_ONCE)
        .collect::<()>()
        .await;
}

/// The settings. The ends of the pipeline that nobody names are those of its stack, or of the function that the facts are of.
async fn settings(args: &PlanArgs, function: Option<&str>) -> Result<(Settings, Access), CommandError> {
    if let Some(path) = &args.facts
        && let Some(of_function) = function::of_facts(&args.settings, function, &file::read(path)?)?
    {
        return Ok(of_function);
    }
    match chosen(&args.settings) {
        Err(CommandError::Settings(SettingsError::Missing { rows, environments, .. })) => match outputs(args).await? {
            Some(outputs) => completed(&args.settings, &outputs),
            None => Err(SettingsError::Missing {
                rows,
                environments,
                otherwise: BY_STACK,
            }
            .into()),
        },
        chosen => chosen,
    }
}

/// What the stack says of the pipeline, where there is one: that of the file of facts, or the one that is named.
async fn outputs(args: &PlanArgs) -> Result<Option<StackOutputs>, CommandError> {
    if let Some(path) = &args.facts {
        return Ok(told_by(&file::read(path)?));
    }
    let ChosenStack {
        name, region, access, ..
    } = match chosen_stack(&args.settings) {
        Err(CommandError::Settings(SettingsError::NoStack { .. })) => return Ok(None),
        chosen => chosen?,
    };
    let stack = name.value;
    let profile = access.profile.as_deref();
    let region = match region {
        Some(region) => region,
        None => default_region(profile).await?.ok_or(DeployError::NoRegion)?,
    };
    let aws = Aws::connect(profile, &region).await?;
    let found = aws.looking().stacks(&region).stack(&stack).await;
    let found = found.map_err(|fault| {
        CommandError::Unseen(Box::new(DeployError::Call {
            doing: format!("look at the stack {stack}, to find its stream and its cluster"),
            fault,
        }))
    })?;
    match found {
        Some(found) if found.made_by_k2m => Ok(Some(StackOutputs {
            stack,
            outputs: found.outputs,
        })),
        Some(_) => Err(SettingsError::StackOfOther { stack, region }.into()),
        None => Err(SettingsError::StackAbsent { stack, region }.into()),
    }
}

/// What facts say of the pipelines that they are of: the stack's own word where there is one of k2m's, else the streams and the Kafka that were looked at.
fn told_by(facts: &Facts) -> Option<StackOutputs> {
    let stack = facts.stack.found();
    if let Some(stack) = stack.filter(|stack| stack.made_by_k2m && !stack.outputs.is_empty()) {
        return Some(StackOutputs {
            stack: stack.name.clone(),
            outputs: stack.outputs.clone(),
        });
    }
    let streams: Vec<&str> = facts.pipelines.keys().map(String::as_str).collect();
    let mut outputs = BTreeMap::new();
    for arn in &streams {
        let id = pipeline_id(&Arn::parse(Kind::Stream, arn).ok()?);
        // A topic that has another name than the only stream is its own.
        if let ([_], [topic]) = (streams.as_slice(), facts.topics.keys().collect::<Vec<_>>().as_slice()) {
            outputs.insert(format!("{id}Topic"), (*topic).clone());
        }
        outputs.insert(format!("{id}Stream"), (*arn).to_owned());
    }
    let name = match (stack, streams.first()) {
        (Some(stack), _) => stack.name.clone(),
        (None, Some(arn)) => default_stack_name(stream_name(arn)),
        (None, None) => return None,
    };
    let servers: Vec<String> = facts.servers.iter().map(Server::text).collect();
    if let Some(cluster) = facts.cluster.found() {
        outputs.insert("Cluster".to_owned(), cluster.arn.clone());
    } else if !servers.is_empty() {
        outputs.insert("BootstrapServers".to_owned(), servers.join(","));
    }
    Some(StackOutputs { stack: name, outputs })
}

/// Tells what comes before an answer laid out for the terminal, as the answer is.
struct Laid<'a>(&'a Attended<'a>);

impl User for Laid<'_> {
    fn tell(&self, text: &str) {
        self.0.tell_laid_out(text, doctor::text::laid_out);
    }

    fn confirm<'b>(
        &'b self,
        question: &'b str,
    ) -> Pin<Box<dyn Future<Output = Result<bool, DeployError>> + Send + 'b>> {
        self.0.confirm(question)
    }

    fn stopped(&self, times: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.stopped(times)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::doctor::tests::facts;
    use crate::doctor::tests::foreign::foreign;

    /// Answers nothing, and remembers whom it was to ask.
    #[derive(Default)]
    struct Scripted(Mutex<Vec<String>>);

    impl Ask for Scripted {
        async fn ask(&self, _region: &str, function: &str) -> Fact<Probe> {
            self.0.lock().unwrap().push(function.to_owned());
            Fact::Absent
        }
    }

    async fn asked(change: impl FnOnce(&mut Facts)) -> Vec<String> {
        let (mut facts, script) = (facts(), Scripted::default());
        facts.one().probe = None;
        change(&mut facts);
        probe(&mut facts, "eu-west-1", &script).await;
        let asked = script.0.into_inner().unwrap();
        let told = facts.pipelines.values().filter(|pipeline| pipeline.probe.is_some());
        assert_eq!(told.count(), asked.len());
        asked
    }

    #[tokio::test]
    async fn only_the_pipeline_s_own_function_is_asked_and_only_when_it_is_ready() {
        let function = "arn:aws:lambda:eu-west-1:123456789012:function:orders";
        let state = |state: &'static str| {
            move |facts: &mut Facts| match &mut facts.one().function {
                Fact::Found { value } => state.clone_into(&mut value.state),
                _ => panic!("a healthy pipeline has it"),
            }
        };
        assert_eq!(asked(|_| {}).await, [function]);
        assert_eq!(asked(state("Inactive")).await, [function]);
        for not_ready in ["Pending", "Failed"] {
            assert!(asked(state(not_ready)).await.is_empty(), "{not_ready}");
        }
        assert!(asked(|facts| facts.one().function = Fact::Absent).await.is_empty());
        assert!(asked(|facts| facts.stack = Fact::Absent).await.is_empty());
        assert!(asked(|facts| facts.one().foreign = Some(foreign())).await.is_empty());
        let of_another = |facts: &mut Facts| match &mut facts.stack {
            Fact::Found { value } => value.made_by_k2m = false,
            _ => panic!("a healthy pipeline has it"),
        };
        assert!(asked(of_another).await.is_empty());
    }
}
