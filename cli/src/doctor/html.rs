//! The report as one file of HTML: nothing in it is fetched or run, so that it can be sent along with a question. Pure.
//!
//! Every value passes [`format`], whatever the template does with it: nothing that comes from AWS or a file can become markup, and where accounts are masked
//! none gets through.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, HtmlEscape, State, UndefinedBehavior, Value};
use serde::Serialize;
use thiserror::Error;

use super::markdown::{Block, blocks};
use super::mask::Mask;
use super::steps::{Piece, pieces, split};
use super::{CHECKS, Check, Checked, Examined, Health, Outcome, PipelineReport, Report, drawn};
use crate::exit::Exit;
use crate::facts::Facts;
use crate::picture::{Scene, svg};
use crate::report::printable;
use crate::settings::{Kafka, PipelineSettings, Settings};

const TEMPLATE: &str = include_str!("../../../templates/report.html.jinja");

/// Why there is no page. Neither can happen unless k2m itself is wrong.
#[derive(Debug, Error)]
pub enum PageError {
    /// The template and what it is given don't fit together.
    #[error("failed to fill the report in, which is a fault of k2m: {0:#}; please report it")]
    Engine(#[from] Error),
    /// What is searched for accounts is no plain data.
    #[error("failed to mask the report, which is a fault of k2m: {0}; please report it")]
    Data(#[from] serde_json::Error),
}

impl PageError {
    /// The exit code that it ends with.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Engine(_) | Self::Data(_) => Exit::Failed,
        }
    }
}

/// The page. `mask`: without ids of accounts.
pub fn page(settings: &Settings, facts: &Facts, report: &Report, mask: bool) -> Result<String, PageError> {
    let mask = if mask {
        Some(masking(settings, facts, report)?)
    } else {
        None
    };
    let mut pictures = Pictures {
        mask: mask.as_ref(),
        drawn: Vec::new(),
    };
    let sheet = Sheet::new(settings, facts, report, &mut pictures);
    let pictures = pictures.drawn;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // So that what a macro gives is not escaped once more; values are escaped by the formatter.
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let mask = mask.map(Arc::new);
    environment.set_formatter(move |out, _: &mut State, value| {
        let text = format(value, mask.as_deref())?;
        out.write_str(&text).map_err(Error::from)
    });
    // The one thing that is markup already: each text in it was made harmless when it was drawn.
    environment.add_function("picture", move |number: usize| {
        pictures.get(number).cloned().map(Value::from_safe_string)
    });
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?,
    );
    environment.add_template("report.html", TEMPLATE)?;
    Ok(environment.get_template("report.html")?.render(Serde(sheet))?)
}

/// Every account that is named anywhere.
fn masking(settings: &Settings, facts: &Facts, report: &Report) -> Result<Mask, serde_json::Error> {
    let cluster = settings.cluster().map(|cluster| cluster.value.as_str().to_owned());
    let streams = settings
        .pipelines
        .iter()
        .map(|one| one.stream.value.as_str().to_owned());
    let texts: Vec<String> = cluster
        .into_iter()
        .chain(streams)
        .chain([serde_json::to_string(facts)?, serde_json::to_string(report)?])
        .collect();
    let certain = std::iter::once(settings.home.account.as_str()).chain(facts.account.found().map(String::as_str));
    Ok(Mask::new(certain, texts.iter().map(String::as_str)))
}

/// A value as text of a page.
fn format(value: &Value, mask: Option<&Mask>) -> Result<String, Error> {
    if value.is_undefined() || value.is_none() {
        return Err(Error::new(ErrorKind::UndefinedError, "a value is missing"));
    }
    let text = value.to_string();
    if value.is_safe() {
        return Ok(text);
    }
    let text = match mask {
        Some(mask) => mask.of(&text),
        None => text,
    };
    Ok(HtmlEscape(&harmless(&text)).to_string())
}

/// The text with what a page can't hold, or what nobody sees, written out: control characters, what turns the direction, what has no width.
fn harmless(text: &str) -> String {
    let hidden = |c: char| {
        matches!(c, '\u{61c}' | '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{e0fff}')
            || u32::from(c) & 0xfffe == 0xfffe
    };
    let mut shown = String::with_capacity(text.len());
    for c in printable(text).chars() {
        if hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Pictures, drawn.
struct Pictures<'a> {
    mask: Option<&'a Mask>,
    drawn: Vec<String>,
}

impl Pictures<'_> {
    /// Draws one more, and says which it is.
    fn draw(&mut self, scene: Scene) -> usize {
        // Before it is drawn: an id may be broken by the end of a line there.
        let scene = match self.mask {
            Some(mask) => scene.with_texts(|text| mask.of(text)),
            None => scene,
        };
        self.drawn.push(svg::draw(&scene));
        self.drawn.len() - 1
    }
}

/// What the template sees.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sheet<'a> {
    /// Colours by name, for light and for dark.
    colours: [(&'static str, &'static str, &'static str); 11],
    version: &'static str,
    stack: &'a str,
    region: &'a str,
    account: &'a str,
    kafka: String,
    /// When the facts were taken.
    taken: String,
    masked: bool,
    health: &'static str,
    verdict: Vec<Span>,
    sections: Vec<Section<'a>>,
    /// Of what is not deployed.
    planned: Option<Planned>,
    unread: Vec<Unread<'a>>,
    /// IAM actions to allow, each once.
    actions: BTreeSet<&'a str>,
    pages: Vec<Page>,
}

/// A pipeline.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Section<'a> {
    number: usize,
    stream: &'a str,
    topic: &'a str,
    health: &'static str,
    verdict: Vec<Span>,
    causes: Vec<Diagnosis<'a>>,
    warned: Vec<Diagnosis<'a>>,
    /// Checks that could not be made.
    unknown: Vec<Link>,
    /// IAM actions to allow: of the only pipeline all, of one of several those that its checks name.
    actions: BTreeSet<&'a str>,
    /// Whether there are more, which are not of one pipeline.
    more_actions: bool,
    /// The number of its picture, where it has one.
    picture: Option<usize>,
    /// Whether that is of what a deployment would make.
    drawn_as_planned: bool,
    checks: Vec<Line<'a>>,
}

/// Something that is broken, or worth a look.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Diagnosis<'a> {
    code: &'static str,
    title: &'static str,
    sentence: Vec<Span>,
    reasons: Vec<Vec<Span>>,
    fix: Vec<Step<'a>>,
    seen_as: Vec<Span>,
    explains: Vec<Link>,
}

/// A check by its name.
#[derive(Serialize)]
struct Link {
    code: &'static str,
    title: &'static str,
}

/// A check.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    code: &'static str,
    title: &'static str,
    /// `pass`, `warn`, `fail`, `skip` or `unknown`.
    result: &'static str,
    word: &'static str,
    /// Whether it is unfolded: what is not as it should be, unless all of it is told above.
    open: bool,
    first: Vec<Span>,
    more: Vec<Vec<Span>>,
    fix: Vec<Step<'a>>,
    action: Option<&'a str>,
    /// Causes that it follows from, or checks that say all that it does.
    from: Vec<Link>,
}

/// A step of a fix.
#[derive(Serialize)]
struct Step<'a> {
    spans: Vec<Span>,
    /// What is to be copied in one piece, below the words.
    block: Option<&'a str>,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Span {
    pub(super) code: bool,
    pub(super) text: String,
}

/// The picture of a plan, or why there is none.
#[derive(Serialize)]
struct Planned {
    picture: Option<usize>,
    why: Option<String>,
}

/// Something that could not be read.
#[derive(Serialize)]
struct Unread<'a> {
    what: String,
    message: &'a str,
    action: Option<&'a str>,
}

/// What a code means.
#[derive(Serialize)]
struct Page {
    code: &'static str,
    title: &'static str,
    blocks: Vec<Block>,
}

/// A text with what is code in it.
pub(super) fn spans(text: &str) -> Vec<Span> {
    pieces(text).into_iter().map(Span::of).collect()
}

impl Span {
    fn of(piece: Piece<'_>) -> Self {
        let (code, text) = match piece {
            Piece::Words(text) => (false, text),
            Piece::Code(text) => (true, text),
        };
        Self {
            code,
            text: text.to_owned(),
        }
    }
}

impl<'a> Sheet<'a> {
    fn new(settings: &'a Settings, facts: &'a Facts, report: &'a Report, pictures: &mut Pictures<'_>) -> Self {
        let examined = settings.pipelines.iter().zip(&report.pipelines);
        let mut sections: Vec<Section<'a>> = examined
            .enumerate()
            .map(|(index, (pipeline, examined))| {
                let scene = drawn::pipeline(settings, pipeline, facts, &examined.report);
                let picture = scene.map(|scene| pictures.draw(scene));
                Section::new(index + 1, pipeline, examined, picture)
            })
            .collect();
        // The worst first, else as the user has them.
        sections.sort_by_key(|section| match section.health {
            "broken" => 0,
            "unknown" => 1,
            _ => 2,
        });
        let missing = sections.iter().any(|section| section.picture.is_none());
        let mut planned = missing.then(|| match drawn::planned(settings, facts) {
            Ok(scene) => Planned {
                picture: Some(pictures.draw(scene)),
                why: None,
            },
            Err(why) => Planned {
                picture: None,
                why: Some(why),
            },
        });
        // The plan of the only pipeline stands beside what is said of it.
        if let ([section], Some(Planned { picture, .. })) = (sections.as_mut_slice(), &planned)
            && picture.is_some()
        {
            (section.picture, section.drawn_as_planned) = (*picture, true);
            planned = None;
        }
        let unread = facts.unreadable();
        let unread = unread.into_iter().map(|(what, why)| Unread {
            what,
            message: &why.message,
            action: why.missing_action.as_deref(),
        });
        let unread: Vec<Unread<'a>> = unread.collect();
        let actions: BTreeSet<&str> = report.missing_actions.iter().map(String::as_str).collect();
        if let [section] = sections.as_mut_slice() {
            section.actions.clone_from(&actions);
        }
        for section in &mut sections {
            section.more_actions = section.actions.len() < actions.len();
        }
        let taken = facts.taken_at.parse::<jiff::Timestamp>();
        Self {
            colours: svg::COLOURS,
            version: env!("CARGO_PKG_VERSION"),
            stack: &settings.stack.value,
            region: &settings.home.region,
            account: &settings.home.account,
            kafka: match &settings.kafka {
                Kafka::Cluster(cluster) => cluster.value.to_string(),
                Kafka::BootstrapServers(servers) => servers.value.to_string(),
            },
            taken: taken.map_or_else(
                |_| facts.taken_at.clone(),
                |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            ),
            masked: pictures.mask.is_some(),
            health: word(report.health),
            verdict: spans(&verdict(report)),
            sections,
            planned,
            unread,
            actions,
            pages: CHECKS.iter().map(Page::new).collect(),
        }
    }
}

const fn word(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Unknown => "unknown",
        Health::Broken => "broken",
    }
}

/// What became of all, in a sentence.
fn verdict(report: &Report) -> String {
    let [one] = report.pipelines.as_slice() else {
        return report.counts();
    };
    sentence(&one.report)
}

/// The sentence with a capital, as it stands alone.
fn sentence(report: &PipelineReport) -> String {
    let (_, sentence) = drawn::whole(report);
    let mut letters = sentence.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl<'a> Section<'a> {
    fn new(number: usize, pipeline: &'a PipelineSettings, examined: &'a Examined, picture: Option<usize>) -> Self {
        let report = &examined.report;
        let find = |code: &str| report.checks.iter().find(|check| check.code == code);
        let causes = report.causes.iter().filter_map(|cause| {
            let explains = cause.explains.iter().copied().filter_map(find);
            let mut diagnosis = Diagnosis::of(find(cause.code)?);
            diagnosis.seen_as = spans(cause.seen_as);
            diagnosis.explains = explains.map(Link::to).collect();
            Some(diagnosis)
        });
        let warned = report
            .checks
            .iter()
            .filter(|check| matches!(check.outcome, Outcome::Warn { .. }) && check.said_by.is_empty());
        let unknown = report
            .checks
            .iter()
            .filter(|check| matches!(check.outcome, Outcome::Unknown { .. }));
        let checks = report.checks.iter().map(|check| {
            let causes = report
                .causes
                .iter()
                .filter(|cause| cause.explains.contains(&check.code));
            let causes = causes.map(|cause| cause.code).chain(check.said_by.iter().copied());
            let mut seen = BTreeSet::new();
            let from = causes.filter(|code| seen.insert(*code)).filter_map(find);
            let told = report.causes.iter().any(|cause| cause.code == check.code)
                || (matches!(check.outcome, Outcome::Warn { .. }) && check.said_by.is_empty());
            Line::new(check, told, from.map(Link::to).collect())
        });
        Self {
            number,
            stream: &examined.stream,
            topic: &pipeline.topic.value,
            health: word(report.health),
            verdict: spans(&sentence(report)),
            causes: causes.collect(),
            warned: warned.map(Diagnosis::of).collect(),
            unknown: unknown.map(Link::to).collect(),
            actions: report.missing_actions().collect(),
            more_actions: false,
            picture,
            drawn_as_planned: false,
            checks: checks.collect(),
        }
    }
}

impl<'a> Diagnosis<'a> {
    fn of(check: &'a Checked) -> Self {
        let (_, evidence, fix) = check.outcome.parts();
        let (first, more) = evidence
            .split_first()
            .map_or(("", evidence), |(first, more)| (first, more));
        Self {
            code: check.code,
            title: check.title,
            sentence: spans(first),
            reasons: more.iter().map(|line| spans(line)).collect(),
            fix: fix.iter().map(|step| Step::new(step)).collect(),
            seen_as: Vec::new(),
            explains: Vec::new(),
        }
    }
}

impl Link {
    fn to(check: &Checked) -> Self {
        Self {
            code: check.code,
            title: check.title,
        }
    }
}

impl<'a> Line<'a> {
    /// `told`: whether it is among what is broken or worth a look.
    fn new(check: &'a Checked, told: bool, from: Vec<Link>) -> Self {
        let (_, evidence, fix) = check.outcome.parts();
        let (first, more) = evidence
            .split_first()
            .map_or(("", evidence), |(first, more)| (first, more));
        let (result, word) = match &check.outcome {
            Outcome::Pass { .. } => ("pass", "pass"),
            Outcome::Warn { .. } => ("warn", "WARN"),
            Outcome::Fail { .. } => ("fail", "FAIL"),
            Outcome::Skip { .. } => ("skip", "skip"),
            Outcome::Unknown { .. } => ("unknown", "unknown"),
        };
        let action = match &check.outcome {
            Outcome::Unknown { missing_action, .. } => missing_action.as_deref(),
            _ => None,
        };
        Self {
            code: check.code,
            title: check.title,
            result,
            word,
            open: matches!(check.outcome, Outcome::Unknown { .. })
                || (matches!(check.outcome, Outcome::Fail { .. } | Outcome::Warn { .. }) && !told),
            first: spans(first),
            more: more.iter().map(|line| spans(line)).collect(),
            fix: fix.iter().map(|step| Step::new(step)).collect(),
            action,
            from,
        }
    }
}

impl<'a> Step<'a> {
    fn new(step: &'a str) -> Self {
        let (words, block) = split(step);
        Self {
            spans: words.into_iter().map(Span::of).collect(),
            block,
        }
    }
}

impl Page {
    fn new(check: &Check) -> Self {
        Self {
            code: check.code,
            title: check.title,
            blocks: blocks(check.page),
        }
    }
}
