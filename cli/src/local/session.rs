//! A run from its start to its summary: feeds the engine's events to the count and to an observer, and turns Ctrl-C into a
//! stop. `run` and `demo` differ in their input and their observer only.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::destination::Destination;
use super::engine::{Engine, EngineError, Event, Events, Halt, Stop};
use super::mapping::Settings;
use super::sandbox::{ProcessSandbox, Program};
use super::stream::Reshard;
use super::summary::{Summary, Tally};
use crate::clock::Clock;

/// How often the observer is called when nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// What a run is made of.
#[derive(Debug)]
pub struct Session {
    /// The mapping's parameters.
    pub settings: Settings,
    /// Shards of the stream, at its beginning.
    pub shards: u32,
    /// Changes of their number.
    pub reshardings: Vec<Reshard>,
    /// Lanes of a shard.
    pub parallelization_factor: u32,
    /// Where records go that are given up.
    pub destination: Option<Destination>,
    /// The function.
    pub program: Program,
}

/// SIGINT and SIGTERM, listened for from its making on: one that comes before the run begins is not lost.
#[derive(Debug)]
pub struct Signals([Signal; 2]);

impl Signals {
    /// Begins to listen; needs tokio's runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ]))
    }

    /// Resolves with the next of them.
    pub async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct End {
    /// What was done.
    pub summary: Summary,
    /// What ended it early.
    pub result: Result<(), EngineError>,
    /// Whether it was stopped by a signal.
    pub interrupted: bool,
}

/// What an observer is told.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// Something happened; it is counted already.
    Event(&'a Event),
    /// Nothing happened for a while.
    Tick,
    /// The first signal came: running invocations end, nothing new begins.
    Interrupted,
}

impl Session {
    /// Runs to the end of `source`, or of what stops it.
    pub async fn run(
        self,
        source: impl Read + Send + 'static,
        mut signals: Signals,
        mut observe: impl FnMut(Notice<'_>, &Tally),
    ) -> End {
        let (events, mut happened) = Events::channel();
        let (clock, stop) = (Clock::start(), Stop::default());
        let program = Arc::new(self.program);
        let engine = Engine {
            settings: self.settings,
            shards: self.shards,
            reshardings: self.reshardings,
            parallelization_factor: self.parallelization_factor,
            destination: self.destination,
            clock,
            events: events.clone(),
            stop: stop.clone(),
        };
        let sandbox = |lane| ProcessSandbox::new(Arc::clone(&program), lane, clock, events.clone());
        let mut running = std::pin::pin!(engine.run(source, sandbox));
        let mut tally = Tally::default();
        let mut interrupted = false;
        let mut tick = tokio::time::interval(TICK);
        let result = loop {
            tokio::select! {
                result = &mut running => break result,
                Some(event) = happened.recv() => {
                    tally.count(&event);
                    observe(Notice::Event(&event), &tally);
                }
                () = signals.next() => {
                    stop.halt(if interrupted { Halt::Now } else { Halt::Soon });
                    if !interrupted {
                        observe(Notice::Interrupted, &tally);
                    }
                    interrupted = true;
                }
                _ = tick.tick() => observe(Notice::Tick, &tally),
            }
        };
        let elapsed = clock.elapsed();
        while let Ok(event) = happened.try_recv() {
            tally.count(&event);
            observe(Notice::Event(&event), &tally);
        }
        End {
            summary: tally.summary(elapsed),
            result,
            interrupted,
        }
    }
}
