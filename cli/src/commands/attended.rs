//! Who and what a deployment has around it: the clock, randomness, the person at the terminal, and the signals they send.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::CommandError;
use crate::clock::{self, Clock};
use crate::deploy::DeployError;
use crate::deploy::columns::told;
use crate::deploy::port::{self, User, World};
use crate::report::{Reporter, Screen};

/// The real world, and the person in it.
#[derive(Debug)]
pub(super) struct Attended<'a> {
    reporter: &'a Reporter,
    yes: bool,
    clock: Clock,
    stops: watch::Receiver<u32>,
    listener: JoinHandle<()>,
}

impl<'a> Attended<'a> {
    /// Listens for signals from now on. `yes` answers every question.
    pub(super) fn new(reporter: &'a Reporter, yes: bool) -> Result<Self, CommandError> {
        let mut signals = super::signals()?;
        let (count, stops) = watch::channel(0);
        let listener = tokio::spawn(async move {
            loop {
                signals.next().await;
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self {
            reporter,
            yes,
            clock: Clock::start(),
            stops,
            listener,
        })
    }

    /// Tells something laid out for what stderr is.
    pub(super) fn tell_laid_out(&self, text: &str, layout: impl FnOnce(&str, Screen) -> String) {
        if self.asks() {
            self.reporter.insist_laid_out(text, layout);
        } else {
            self.reporter.note_laid_out(text, layout);
        }
    }

    /// Whether somebody is asked, who has to know what about.
    fn asks(&self) -> bool {
        !self.yes && self.reporter.can_ask()
    }

    /// Whether somebody can be asked.
    pub(super) fn can_ask(&self) -> bool {
        self.reporter.can_ask()
    }

    /// What the work comes to, unless a signal comes first.
    pub(super) async fn unless_stopped<T, E>(
        &self,
        stack: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CommandError>
    where
        CommandError: From<E>,
    {
        tokio::select! {
            biased;
            () = self.stopped(1) => Err(DeployError::Stopped { stack: stack.to_owned() }.into()),
            done = work => Ok(done?),
        }
    }
}

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// The line of a question: what comes next begins a new one, also where no answer ended it.
#[derive(Debug)]
struct Line<'a> {
    reporter: &'a Reporter,
    ended: bool,
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.reporter.insist("");
        }
    }
}

impl World for Attended<'_> {
    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(time))
    }

    fn random(&self) -> u64 {
        clock::random()
    }
}

impl User for Attended<'_> {
    fn tell(&self, text: &str) {
        let broken = self.columns().map(|columns| told(text, columns.saturating_sub(1)));
        let text = broken.as_deref().unwrap_or(text);
        if self.asks() {
            self.reporter.insist(text);
        } else {
            self.reporter.note(text);
        }
    }

    fn tell_line(&self, line: &port::Line) {
        if self.asks() {
            self.reporter.insist_line(line);
        } else {
            self.reporter.note_line(line);
        }
    }

    fn columns(&self) -> Option<usize> {
        self.reporter.columns()
    }

    fn canvas(&self) -> Option<(usize, usize)> {
        self.reporter.drawing_board()
    }

    fn draw(&self, lines: &[port::Line]) {
        self.reporter.draw(lines);
    }

    fn confirm<'b>(
        &'b self,
        question: &'b str,
    ) -> Pin<Box<dyn Future<Output = Result<bool, DeployError>> + Send + 'b>> {
        Box::pin(async move {
            if self.yes {
                return Ok(true);
            }
            if !self.reporter.can_ask() {
                return Err(DeployError::NobodyToAsk);
            }
            // What is drawn would cover the question.
            self.reporter.finish();
            self.reporter.ask(question);
            let mut line = Line {
                reporter: self.reporter,
                ended: false,
            };
            let read = tokio::task::spawn_blocking(|| {
                let mut line = String::new();
                io::stdin().read_line(&mut line).map(|_| line)
            });
            let answer = read
                .await
                .map_err(io::Error::other)
                .flatten()
                .map_err(DeployError::Terminal)?;
            line.ended = answer.ends_with('\n');
            Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
        })
    }

    fn stopped(&self, times: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut stops = self.stops.clone();
        Box::pin(async move {
            if stops.wait_for(|count| *count >= times).await.is_err() {
                // Nobody listens any more, so that no signal can come.
                std::future::pending::<()>().await;
            }
        })
    }
}
