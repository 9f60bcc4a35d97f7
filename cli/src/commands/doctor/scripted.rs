//! A person, a clock and a patient for tests of what doctor does.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use super::super::CommandError;
use super::fix::Bedside;
use crate::deploy::DeployError;
use crate::deploy::port::{User, World};
use crate::doctor::mend::Mend;
use crate::doctor::tests::{facts, settings};
use crate::doctor::{self, Report};
use crate::facts::{Fact, Facts};

/// What is seen, one look after the other, what mending comes to, and what was told.
#[derive(Default)]
pub(super) struct Script {
    pub(super) looks: Mutex<VecDeque<Result<Facts, CommandError>>>,
    pub(super) failures: Mutex<VecDeque<CommandError>>,
    pub(super) mended: Mutex<Vec<String>>,
    /// What a deployment would change; the reason where there can be none.
    pub(super) preview: Option<Result<Vec<String>, &'static str>>,
    pub(super) told: Mutex<Vec<String>>,
    /// Answers to questions; there is nobody where none is left.
    pub(super) answers: Mutex<VecDeque<bool>>,
    pub(super) now: Mutex<Duration>,
    /// After so many deeds a signal comes.
    pub(super) signal_after: Option<usize>,
}

/// A healthy pipeline, but for this.
pub(super) fn with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = facts();
    change(&mut facts);
    facts
}

/// The function has no time, which somebody saw to outside the stack.
pub(super) fn short(facts: &mut Facts) {
    match &mut facts.one().function {
        Fact::Found { value } => value.timeout_seconds = 5,
        _ => panic!("a healthy pipeline has it"),
    }
}

/// There is no topic.
pub(super) fn no_topic(facts: &mut Facts) {
    crate::doctor::tests::without_topic(facts);
}

pub(super) fn judge(facts: &Facts) -> Report {
    doctor::examine(&settings(), facts)
}

impl Script {
    pub(super) fn of(looks: impl IntoIterator<Item = Facts>) -> Self {
        Self {
            looks: Mutex::new(looks.into_iter().map(Ok).collect()),
            ..Self::default()
        }
    }

    /// The next look; the last one stays.
    pub(super) fn look(&self) -> Result<Facts, CommandError> {
        let mut looks = self.looks.lock().unwrap();
        match looks.pop_front() {
            Some(Ok(facts)) => {
                if looks.is_empty() {
                    looks.push_front(Ok(facts.clone()));
                }
                Ok(facts)
            }
            Some(Err(error)) => Err(error),
            None => panic!("nothing was to be looked at"),
        }
    }

    pub(super) fn told(&self) -> String {
        self.told.lock().unwrap().join("\n")
    }

    pub(super) fn mended(&self) -> Vec<String> {
        self.mended.lock().unwrap().clone()
    }
}

impl Bedside for Script {
    type Seen = Facts;

    async fn examine(&self) -> Result<(Report, Facts), CommandError> {
        let facts = self.look()?;
        Ok((judge(&facts), facts))
    }

    async fn preview(&self, mend: &Mend, _: &Facts) -> Result<Option<Vec<String>>, CommandError> {
        match (mend, &self.preview) {
            (Mend::Deploy(_), None) => Ok(None),
            (Mend::Deploy(_), Some(Ok(lines))) => Ok(Some(lines.clone())),
            (Mend::Deploy(_), Some(Err(why))) => Err(CommandError::Usage((*why).to_owned())),
            _ => Ok(Some(Vec::new())),
        }
    }

    async fn mend(&self, mend: &Mend) -> Result<(), CommandError> {
        self.mended.lock().unwrap().push(mend.to_string());
        self.failures.lock().unwrap().pop_front().map_or(Ok(()), Err)
    }
}

impl World for Script {
    fn elapsed(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        *self.now.lock().unwrap() += time;
        Box::pin(async {})
    }

    fn random(&self) -> u64 {
        7
    }
}

impl User for Script {
    fn tell(&self, text: &str) {
        self.told.lock().unwrap().push(text.to_owned());
    }

    fn confirm<'a>(
        &'a self,
        question: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<bool, DeployError>> + Send + 'a>> {
        self.tell(&format!("? {question}"));
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move { answer.ok_or(DeployError::NobodyToAsk) })
    }

    fn stopped(&self, times: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let deeds = self.mended.lock().unwrap().len();
        let stopped = times == 1 && self.signal_after.is_some_and(|after| deeds >= after);
        Box::pin(async move {
            if !stopped {
                std::future::pending::<()>().await;
            }
        })
    }
}
