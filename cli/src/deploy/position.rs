//! The position in the stream, which an event source mapping has and no other gets: who would lose it by a deployment, and who may. Pure.
//!
//! What the plan knows is refused before anything is made. What only a change set tells is refused when that is made ([`spared`]), and the change set goes again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::DeployError;
use super::changes::MAPPING;
use super::port::{Action, Change};
use super::resume::Resume;
use crate::facts::{Fact, Mapping, stream_name};
use crate::plan::{Loss, Plan, STARTING_POSITION};

/// The flag that lets a position go.
pub const FLAG: &str = "--allow-position-loss";

/// A pipeline of the stack, as it is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// What its logical ids begin with.
    pub id: String,
    /// The stream's ARN.
    pub stream: String,
    /// Whether it has a mapping, and with it a position.
    pub live: bool,
}

/// Whether this is a mapping that has a position. One that can't be read may have one.
pub fn is_live(mapping: &Fact<Mapping>) -> bool {
    match mapping {
        Fact::Found { value } => value.state != "Deleting",
        Fact::Absent => false,
        Fact::Unreadable(_) => true,
    }
}

/// The positions that there are, and those that may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    deployed: Vec<Deployed>,
    /// ARNs of streams of [`FLAG`].
    allowed: BTreeSet<String>,
    /// ARNs of streams whose pipelines were said to go.
    removed: BTreeSet<String>,
}

impl Positions {
    /// Those of a stack. Streams are named by name or ARN: those whose positions may go, of which there has to be one each where there are any, and
    /// those whose pipelines may.
    pub fn new(stack: &str, deployed: Vec<Deployed>, allow: &[String], remove: &[String]) -> Result<Self, DeployError> {
        let named = |name: &String| {
            let is = |one: &&Deployed| one.stream == *name || stream_name(&one.stream) == name;
            deployed
                .iter()
                .filter(is)
                .map(|one| one.stream.clone())
                .collect::<Vec<_>>()
        };
        // Of a stack that is still to be made nothing can be lost.
        let unknown = allow.iter().find(|name| named(name).is_empty());
        if let Some(stream) = unknown.filter(|_| !deployed.is_empty()) {
            return Err(DeployError::NotDeployed {
                stack: stack.to_owned(),
                stream: stream.clone(),
                deployed: deployed.iter().map(|one| stream_name(&one.stream).to_owned()).collect(),
            });
        }
        Ok(Self {
            allowed: allow.iter().flat_map(named).collect(),
            removed: remove.iter().flat_map(named).collect(),
            deployed,
        })
    }

    fn is_live(&self, stream: &str) -> bool {
        self.deployed.iter().any(|one| one.stream == stream && one.live)
    }

    fn may_go(&self, stream: &str) -> bool {
        !self.is_live(stream) || self.allowed.contains(stream)
    }

    /// Streams whose mappings are to begin where the settings say, though others are deployed: it is allowed, or nothing is lost by it.
    pub fn anew(&self, plan: &Plan) -> BTreeSet<String> {
        let asked = plan.losses.iter().filter(|loss| loss.setting == STARTING_POSITION);
        let anew = asked.filter(|loss| self.may_go(&loss.stream));
        anew.map(|loss| loss.stream.clone()).collect()
    }

    /// Those of [`Positions::anew`] whose old mapping has to go before a new one can come: Lambda takes one of a stream to a function, and no second.
    pub fn one_after_the_other(&self, plan: &Plan) -> BTreeSet<String> {
        let mut anew = self.anew(plan);
        // What reads another consumer is another mapping to Lambda.
        let elsewhere = |stream: &String| {
            let mut losses = plan.losses.iter();
            losses.any(|loss| loss.stream == *stream && loss.setting != STARTING_POSITION)
        };
        anew.retain(|stream| self.is_live(stream) && !elsewhere(stream));
        anew
    }

    /// What is said to go and is not there. That may have gone by the same command before.
    pub fn gone(&self, stack: &str, remove: &[String]) -> Vec<String> {
        let known = |name: &str| {
            let mut deployed = self.deployed.iter();
            deployed.any(|one| one.stream == name || stream_name(&one.stream) == name)
        };
        let unknown = remove.iter().filter(|name| !known(name));
        unknown
            .map(|name| {
                format!("--remove names {name}, of which the stack {stack} has no pipeline: nothing goes for it")
            })
            .collect()
    }

    /// Refuses a plan that loses a position which may not go. The plan is that of the settings alone, without [`Positions::anew`].
    pub fn check(&self, plan: &Plan) -> Result<(), DeployError> {
        let asked = plan.losses.iter().filter(|loss| !self.may_go(&loss.stream));
        let asked = asked.map(|loss| Lost {
            stream: loss.stream.clone(),
            why: Why::Asked(loss.clone()),
        });
        let gone = plan.removed.iter().map(|removed| removed.stream.as_str());
        let gone = gone.filter(|stream| !self.may_go(stream) && !self.removed.contains(*stream));
        let gone = gone.map(|stream| Lost {
            stream: stream.to_owned(),
            why: Why::Removed,
        });
        refused(&plan.stack, asked.chain(gone).collect())
    }

    /// ARNs of streams whose positions go, as was allowed.
    pub fn going(&self, plan: &Plan) -> BTreeSet<String> {
        let asked = plan.losses.iter().map(|loss| &loss.stream);
        let all = asked.chain(plan.removed.iter().map(|removed| &removed.stream));
        all.filter(|stream| self.is_live(stream)).cloned().collect()
    }

    /// Logical ids of mappings that no change set may take away, with the ARNs of their streams.
    pub fn kept(&self) -> BTreeMap<String, String> {
        let kept = self.deployed.iter().filter(|one| {
            let said = self.removed.contains(&one.stream);
            one.live && !said && !self.allowed.contains(&one.stream)
        });
        kept.map(|one| (format!("{}Mapping", one.id), one.stream.clone()))
            .collect()
    }
}

/// A mapping that is made anew in two steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anew {
    /// The stream's ARN.
    pub stream: String,
    /// Whether the new one begins with what comes after it is made.
    pub at_latest: bool,
}

impl fmt::Display for Anew {
    /// What is confirmed with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meanwhile = if self.at_latest {
            "is passed over, since the new one begins at LATEST"
        } else {
            "waits in the stream"
        };
        write!(
            f,
            "makes the event source mapping for {} anew in two steps: first it goes, then a new one begins at the new starting position, since Lambda takes no second one of a stream \
             to a function; what is put meanwhile {meanwhile}",
            stream_name(&self.stream)
        )
    }
}

/// What is to be known where the old mappings are gone and the new ones have not come; `resumes` is where those could be gone on with.
pub fn between(anew: &[Anew], resumes: &[Resume]) -> String {
    let each = anew.iter().map(|Anew { stream, at_latest }| {
        let name = stream_name(stream);
        if !at_latest {
            return format!(
                "the stack has no mapping for {name} now, and what is put meanwhile waits in the stream: the same command makes the new one"
            );
        }
        let resume = resumes.iter().find(|resume| resume.stream == *stream);
        let instead = resume.map(|resume| {
            let time = resume.starting_timestamp.as_ref();
            let time = time.map(|time| format!(" --starting-timestamp {time}"));
            format!(
                "; with --starting-position {}{} in its place nothing is",
                resume.starting_position,
                time.unwrap_or_default()
            )
        });
        format!(
            "the stack has no mapping for {name} now, and what is put until there is one is passed over, with LATEST: the same command makes it{}",
            instead.unwrap_or_default()
        )
    });
    each.collect::<Vec<_>>().join("\n")
}

/// Refuses changes that take away one of these mappings, see [`Positions::kept`].
pub fn spared(stack: &str, changes: &[Change], kept: &BTreeMap<String, String>) -> Result<(), DeployError> {
    let losing = |change: &&Change| {
        change.resource_type == MAPPING
            && matches!(change.action, Action::Replace | Action::MayReplace | Action::Remove)
    };
    let lost = changes.iter().filter(losing).filter_map(|change| {
        let of = change.properties.iter().filter(|property| property.replaces);
        Some(Lost {
            stream: kept.get(&change.logical_id)?.clone(),
            why: Why::Changed(change.action, of.map(|property| property.path.clone()).collect()),
        })
    });
    refused(stack, lost.collect())
}

fn refused(stack: &str, lost: Vec<Lost>) -> Result<(), DeployError> {
    if lost.is_empty() {
        return Ok(());
    }
    Err(DeployError::Position(Box::new(Refused {
        stack: stack.to_owned(),
        lost,
    })))
}

/// A deployment that would lose positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    stack: String,
    /// Never empty.
    lost: Vec<Lost>,
}

/// A position that would be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lost {
    /// The stream's ARN.
    stream: String,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    /// The settings ask for another mapping.
    Asked(Loss),
    /// The settings don't name the stream any more.
    Removed,
    /// CloudFormation does this to the mapping, because of these properties.
    Changed(Action, Vec<String>),
}

impl Lost {
    /// What would happen, and what to do for it not to.
    fn words(&self) -> (String, String) {
        let name = stream_name(&self.stream);
        match &self.why {
            Why::Asked(Loss {
                setting,
                asked,
                by,
                deployed,
                ..
            }) if *setting == STARTING_POSITION => (
                format!(
                    "starting_position {asked} ({by}) is not where the deployed mapping began ({deployed}): only a new mapping begins elsewhere, and what this one has come to is \
                     forgotten with it"
                ),
                format!("to go on from where it has come to: leave starting_position as it is deployed, {deployed}"),
            ),
            Why::Asked(Loss {
                asked, by, deployed, ..
            }) => (
                format!(
                    "the deployed mapping reads {deployed}, and {asked} ({by}) is read by a new one alone, which begins at its own starting position"
                ),
                format!("to go on from where it has come to: have {deployed} read as it is deployed"),
            ),
            Why::Removed => (
                "the settings don't name it any more: its mapping goes, and with it how far it has come".to_owned(),
                format!(
                    "to keep it: name its stream in the settings too. To have another stream take its place: deploy that as a pipeline of its own beside it, wait until nothing is put \
                     into {name} any more and `k2m status` shows an iterator age of 0 s, and run the same command with --remove {name} then"
                ),
            ),
            Why::Changed(action, properties) => {
                let does = match action {
                    Action::Remove => "takes its mapping away",
                    Action::MayReplace => "may make a new mapping in place of its own",
                    _ => "makes a new mapping in place of its own",
                };
                let because = if properties.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", properties.join(", "))
                };
                (
                    format!("CloudFormation {does}{because}: how far it has come is forgotten with it"),
                    "to keep it: leave its settings as they are deployed, `k2m plan` compares them".to_owned(),
                )
            }
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "refused: the stack {} would lose a position in a stream by this, and stays as it is",
            self.stack
        )?;
        for lost in &self.lost {
            let (what, keeps) = lost.words();
            write!(f, "\n  {}: {what}\n    {keeps}", stream_name(&lost.stream))?;
        }
        // Who is said to go needs no other flag.
        let mut others: Vec<&str> = Vec::new();
        for lost in self.lost.iter().filter(|lost| lost.why != Why::Removed) {
            let name = stream_name(&lost.stream);
            if !others.contains(&name) {
                others.push(name);
            }
        }
        if !others.is_empty() {
            let flags: Vec<String> = others.iter().map(|name| format!("{FLAG} {name}")).collect();
            write!(
                f,
                "\n  to read records again, or to pass them over deliberately: run the same command with {}",
                flags.join(" ")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
