//! Which question comes next, with its choices: what flags, variables, the file and AWS leave open. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Fact, Facts};
use crate::plan::size::{Load, Size, suggest};
use crate::plan::{Plan, PlanError, ways_inside};
use crate::settings::{Authentication, Kafka, PipelineSettings, Settings, TABLE};

/// What an answer makes of settings: none leaves one to its default.
pub type Sets = Vec<(&'static str, Option<String>)>;

/// A choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// On one line.
    pub shown: String,
    /// What it comes to.
    pub sets: Sets,
}

/// An answer that is typed.
#[derive(Debug, Clone)]
pub struct Typed {
    /// What it is an answer to.
    pub setting: &'static str,
    /// As a choice among others.
    pub shown: String,
    /// What is asked then.
    pub prompt: String,
    /// Whether a text can be one, and why not.
    pub check: fn(&str) -> Result<(), String>,
}

/// A question, with its default first.
#[derive(Debug, Clone)]
pub struct Question {
    /// By what it is known to have been asked.
    pub about: &'static str,
    /// What is asked.
    pub prompt: String,
    /// What should be known before.
    pub because: Option<String>,
    /// What there is to choose from.
    pub choices: Vec<Choice>,
    /// What else can be said.
    pub typed: Option<Typed>,
    /// Whether `--yes` takes the default; else that is left to the plan, or to who deploys.
    pub taken: bool,
}

/// Who has said what, setting by setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// By flags and variables: no question is left about it.
    pub firmly: BTreeMap<&'static str, String>,
    /// By the file: what is offered first.
    pub before: BTreeMap<&'static str, String>,
}

/// What is known when a question is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Who said what.
    pub said: &'a Said,
    /// What has been asked.
    pub asked: &'a BTreeSet<&'static str>,
    /// The settings so far.
    pub settings: &'a Settings,
    /// The pipeline that is asked for; none where there are several.
    pub pipeline: Option<&'a PipelineSettings>,
    /// What AWS says, where it does, and what follows.
    pub seen: Option<(&'a Facts, &'a Result<Plan, PlanError>)>,
    /// What comes into the pipeline's stream.
    pub load: Option<&'a Fact<Load>>,
}

/// The next question, where one is left.
pub fn next(known: &Known) -> Option<Question> {
    let questions: [fn(&Known) -> Option<Question>; 9] = [
        authentication,
        secret,
        vpc,
        private_connectivity,
        secrets_endpoint,
        create_topic,
        failure_destination,
        failure_email,
        size,
    ];
    questions.into_iter().find_map(|question| question(known))
}

impl Known<'_> {
    /// Whether there is nothing to be asked about a setting any more.
    fn is_settled(&self, setting: &'static str) -> bool {
        self.asked.contains(setting) || self.said.firmly.contains_key(setting)
    }

    fn plan(&self) -> Option<&Plan> {
        self.seen?.1.as_ref().ok()
    }

    fn refusal(&self) -> Option<&PlanError> {
        self.seen?.1.as_ref().err()
    }
}

fn check(setting: &'static str) -> fn(&str) -> Result<(), String> {
    let row = TABLE.iter().find(|row| row.name == setting);
    row.map_or(|_| Ok(()), |row| row.check)
}

fn choice(shown: impl Into<String>, setting: &'static str, value: Option<&str>) -> Choice {
    Choice {
        shown: shown.into(),
        sets: vec![(setting, value.map(str::to_owned))],
    }
}

/// What the file says stands first, whether or not it was found.
pub fn first(mut choices: Vec<Choice>, setting: &'static str, proposed: Option<&str>) -> Vec<Choice> {
    let Some(proposed) = proposed else { return choices };
    let sets = vec![(setting, Some(proposed.to_owned()))];
    let found = choices.iter().position(|choice| choice.sets == sets);
    let proposed = found.map_or_else(
        || choice(proposed, setting, Some(proposed)),
        |found| choices.remove(found),
    );
    choices.insert(0, proposed);
    choices
}

fn authentication(known: &Known) -> Option<Question> {
    const SETTING: &str = "authentication";
    if known.is_settled(SETTING) {
        return None;
    }
    let before = known.said.before.get(SETTING).map(String::as_str);
    let (ways, because) = match &known.settings.kafka {
        Kafka::BootstrapServers(_) => (
            Authentication::ALL.to_vec(),
            "Nothing of AWS tells how the brokers of a Kafka that is not MSK are spoken to.".to_owned(),
        ),
        Kafka::Cluster(_) => {
            let (facts, _) = known.seen?;
            let ways = ways_inside(facts.cluster.found()?);
            // Where the role says who the function is, nothing is better.
            if ways.len() < 2 || ways.first() == Some(&Authentication::Iam) {
                return None;
            }
            (
                ways,
                "The cluster has no SASL/IAM, but more than one other way.".to_owned(),
            )
        }
    };
    let choices = ways
        .iter()
        .map(|way| choice(described(*way), SETTING, Some(way.name())));
    Some(Question {
        about: SETTING,
        prompt: "How the brokers are spoken to".to_owned(),
        because: Some(because),
        choices: first(choices.collect(), SETTING, before),
        typed: None,
        taken: false,
    })
}

fn described(way: Authentication) -> String {
    let what = match way {
        Authentication::Iam => "SASL/IAM: the function's role, no secret",
        Authentication::Tls => "TLS: encrypted, and nobody says who they are",
        Authentication::Plaintext => "neither encryption nor identity",
        Authentication::Scram => "SASL/SCRAM: a user and a password, out of a secret",
        Authentication::MutualTls => "a client's certificate, out of a secret",
    };
    format!("{}  ({what})", way.name())
}

fn secret(known: &Known) -> Option<Question> {
    const SETTING: &str = "secret";
    let Some(PlanError::NoSecret { ways, holds, .. }) = known.refusal() else {
        return None;
    };
    if known.is_settled(SETTING) {
        return None;
    }
    Some(Question {
        about: SETTING,
        prompt: "Secret".to_owned(),
        because: Some(format!(
            "Authentication {ways} needs a secret in Secrets Manager, with {holds}."
        )),
        choices: vec![choice(
            "leave it for later: until it is named there is no plan",
            SETTING,
            None,
        )],
        typed: Some(Typed {
            setting: SETTING,
            shown: "a secret, by its ARN".to_owned(),
            prompt: "ARN of the secret".to_owned(),
            check: check(SETTING),
        }),
        taken: false,
    })
}

fn vpc(known: &Known) -> Option<Question> {
    const SETTING: &str = "vpc";
    if known.is_settled(SETTING) {
        return None;
    }
    let (vpcs, because) = match known.refusal()? {
        PlanError::WhichVpc {
            region,
            leading,
            unsure,
            ..
        } => (
            leading
                .iter()
                .chain(unsure.iter().map(|(vpc, ..)| vpc))
                .cloned()
                .collect(),
            format!(
                "The function has to be in {region}, where the stream is, and not one VPC alone is known to lead to the brokers."
            ),
        ),
        PlanError::ChooseVpc {
            region,
            cluster_vpc,
            vpcs,
            ..
        } => (
            vpcs.clone(),
            format!(
                "The function has to be in {region}, where the stream is, and no VPC there leads to the brokers' {cluster_vpc} yet: k2m joins the one that you name."
            ),
        ),
        _ => return None,
    };
    let choices = vpcs.iter().filter_map(|shown| {
        let id = shown.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next()?;
        Some(choice(shown.as_str(), SETTING, Some(id)))
    });
    Some(Question {
        about: SETTING,
        prompt: "VPC of the function".to_owned(),
        because: Some(because),
        choices: choices.collect(),
        typed: Some(Typed {
            setting: SETTING,
            shown: "another VPC, by its id".to_owned(),
            prompt: "Id of the VPC".to_owned(),
            check: check(SETTING),
        }),
        taken: false,
    })
}

/// Yes or no, where the plan makes something that costs and nobody said that it may.
fn confirmed(setting: &'static str, prompt: &str, because: String, yes: &str, no: &str) -> Question {
    Question {
        about: setting,
        prompt: prompt.to_owned(),
        because: Some(because),
        choices: vec![choice(yes, setting, Some("true")), choice(no, setting, Some("false"))],
        typed: None,
        taken: false,
    }
}

fn private_connectivity(known: &Known) -> Option<Question> {
    const SETTING: &str = "private_connectivity";
    let connection = known.plan()?.connection.as_ref()?;
    let open = connection.unconfirmed && !known.is_settled(SETTING);
    open.then(|| {
        let because = format!(
            "Nothing but the cluster's multi-VPC private connectivity leads there from {}; AWS charges for a VPC connection by the hour.",
            connection.vpc
        );
        let prompt = "Private connectivity";
        confirmed(SETTING, prompt, because, "yes, make a VPC connection", "no: another way has to be made first")
    })
}

fn secrets_endpoint(known: &Known) -> Option<Question> {
    const SETTING: &str = "secrets_endpoint";
    let endpoint = known.plan()?.secrets_endpoint.as_ref()?;
    let open = endpoint.unconfirmed && !known.is_settled(SETTING);
    open.then(|| {
        let because = format!(
            "Nothing leads from {} to Secrets Manager; AWS charges for an interface endpoint by the hour, for each of {} network interfaces.",
            endpoint.vpc, endpoint.interfaces
        );
        let prompt = "Endpoint for Secrets Manager";
        confirmed(SETTING, prompt, because, "yes, make one", "no: another way has to be made first")
    })
}

fn create_topic(known: &Known) -> Option<Question> {
    const SETTING: &str = "create_topic";
    let name = &known.pipeline?.topic.value;
    let absent = matches!(known.seen?.0.topics.get(name)?, Fact::Absent);
    let open = absent && !known.is_settled(SETTING) && !known.said.before.contains_key(SETTING);
    open.then(|| {
        let because = format!("The cluster has no topic {name}.");
        let (yes, no) = (
            "yes, k2m deploy creates it; it stays when the stack goes",
            "no, it is there by then",
        );
        confirmed(SETTING, "Create the topic", because, yes, no)
    })
}

fn failure_destination(known: &Known) -> Option<Question> {
    const SETTING: &str = "failure_destination";
    if known.is_settled(SETTING) || known.pipeline.is_none() {
        return None;
    }
    let own = choice(
        "the stack's own: an SNS topic with a queue that keeps it for 14 days",
        SETTING,
        None,
    );
    let before = known.said.before.get(SETTING).map(String::as_str);
    Some(Question {
        about: SETTING,
        prompt: "Where records go that are given up".to_owned(),
        because: None,
        choices: first(vec![own], SETTING, before),
        typed: Some(Typed {
            setting: SETTING,
            shown: "an SNS topic, SQS queue or S3 bucket, by its ARN".to_owned(),
            prompt: "ARN of the topic, queue or bucket".to_owned(),
            check: check(SETTING),
        }),
        taken: false,
    })
}

fn failure_email(known: &Known) -> Option<Question> {
    const SETTING: &str = "failure_email";
    let own = known.pipeline?.failure_destination.is_none();
    if !own || known.is_settled(SETTING) {
        return None;
    }
    let before = known.said.before.get(SETTING).map(String::as_str);
    Some(Question {
        about: SETTING,
        prompt: "Who is told by e-mail of such records".to_owned(),
        because: None,
        choices: first(vec![choice("nobody", SETTING, None)], SETTING, before),
        typed: Some(Typed {
            setting: SETTING,
            shown: "an e-mail address".to_owned(),
            prompt: "E-mail address".to_owned(),
            check: check(SETTING),
        }),
        taken: false,
    })
}

/// The settings that a size consists of.
const SIZES: [&str; 3] = ["batch_size", "parallelization_factor", "memory"];

fn size(known: &Known) -> Option<Question> {
    const ABOUT: &str = "size";
    let pipeline = known.pipeline?;
    if known.asked.contains(ABOUT) {
        return None;
    }
    let (now, wanted, why) = sizes(known)?;
    let names = SIZES.into_iter().zip(values(now)).zip(values(wanted));
    let sets: Sets = names
        .filter(|((name, now), wanted)| now != wanted && !known.said.firmly.contains_key(name))
        .map(|((name, _), wanted)| (name, Some(wanted.to_string())))
        .collect();
    if sets.is_empty() {
        return None;
    }
    let shown = |size: Size| {
        let all = SIZES.into_iter().zip(values(size));
        all.map(|(name, value)| format!("{name} {value}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let kept = Choice {
        shown: format!("{} as it is", shown(now)),
        sets: Vec::new(),
    };
    Some(Question {
        about: ABOUT,
        prompt: "Size".to_owned(),
        because: Some(format!("Of {}: {why}.", pipeline.stream.value.name())),
        choices: vec![
            Choice {
                shown: shown(wanted),
                sets,
            },
            kept,
        ],
        typed: None,
        taken: true,
    })
}

/// What the size is, what the stream's figures ask for, and why.
fn sizes(known: &Known) -> Option<(Size, Size, String)> {
    let pipeline = known.pipeline?;
    let load = known.load?.found()?;
    let (facts, _) = known.seen?;
    let seen = facts.pipelines.get(pipeline.stream.value.as_str())?;
    let now = Size {
        batch_size: pipeline.batch_size.value,
        parallelization_factor: pipeline.parallelization_factor.value,
        memory: pipeline.memory.value,
    };
    let (wanted, why) = suggest(now, seen.stream.found()?.open_shards, load);
    Some((now, wanted, why))
}

const fn values(size: Size) -> [u32; 3] {
    [size.batch_size, size.parallelization_factor, size.memory]
}

/// What is said of the size where the figures are known, and where they are not.
pub fn sized(known: &Known) -> Option<String> {
    let pipeline = known.pipeline?;
    Some(match known.load? {
        Fact::Found { .. } => sizes(known)?.2,
        Fact::Absent => format!(
            "the stream is of account {}, and so are its figures: the defaults are taken",
            pipeline.stream.value.account
        ),
        Fact::Unreadable(why) => {
            let action = why.missing_action.as_ref().map(|action| format!(" ({action})"));
            format!(
                "the stream's figures can't be read, so the defaults are taken: {}{}",
                why.message,
                action.unwrap_or_default()
            )
        }
    })
}

#[cfg(test)]
mod tests;
