//! What goes wrong in the demo, and when: set off by the progress of the run, never by time. Pure: events go in, orders come
//! out.

use crate::local::engine::Event;

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Kill this process.
    Kill(u32),
    /// Take a broker down.
    FailBroker,
    /// Bring it back.
    RecoverBroker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killing {
    Armed,
    Ordered { lane: usize, pid: u32 },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broker {
    Up,
    Down,
    Recovered,
    /// Not k2m's to stop.
    Foreign,
}

/// The plan: a process dies at a quarter of the records, a broker fails at a half and is back at three quarters.
#[derive(Debug)]
pub struct Mischief {
    records: u64,
    killing: Killing,
    broker: Broker,
}

impl Mischief {
    /// A plan for as many records; brokers that are `foreign` are left alone.
    pub fn new(records: u64, foreign: bool) -> Self {
        Self {
            records,
            killing: Killing::Armed,
            broker: if foreign { Broker::Foreign } else { Broker::Up },
        }
    }

    /// What to do after an event, when so many records are acknowledged.
    pub fn next(&mut self, event: &Event, acknowledged: u64) -> Option<Order> {
        let share = |quarters| acknowledged * 4 >= self.records * quarters;
        match (*event).clone() {
            Event::Died { pid, .. } if matches!(self.killing, Killing::Ordered { pid: ordered, .. } if ordered == pid) =>
            {
                self.killing = Killing::Done;
                None
            }
            // A new process without the old one's death in an invocation: the order came when it had just answered.
            Event::Started { lane, .. } if matches!(self.killing, Killing::Ordered { lane: ordered, .. } if ordered == lane) =>
            {
                self.killing = Killing::Armed;
                None
            }
            Event::Invoking { lane, pid } if self.killing == Killing::Armed && share(1) => {
                self.killing = Killing::Ordered { lane, pid };
                Some(Order::Kill(pid))
            }
            // In the middle of an invocation, so that records are under way.
            Event::Invoking { .. } if self.broker == Broker::Up && share(2) => {
                self.broker = Broker::Down;
                Some(Order::FailBroker)
            }
            Event::Invoked { .. } if self.broker == Broker::Down && share(3) => {
                self.broker = Broker::Recovered;
                Some(Order::RecoverBroker)
            }
            _ => None,
        }
    }

    /// Whether a process was killed in the middle of an invocation.
    pub fn killed(&self) -> bool {
        self.killing == Killing::Done
    }

    /// Whether a broker went down and came back.
    pub fn broker_failed(&self) -> bool {
        self.broker == Broker::Recovered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn invoking(pid: u32) -> Event {
        Event::Invoking { lane: 0, pid }
    }

    fn invoked() -> Event {
        Event::Invoked {
            records: 1,
            again: 0,
            accepted: 1,
            bytes: 1,
            duration: Duration::ZERO,
            error: None,
        }
    }

    #[test]
    fn each_order_comes_once_at_its_share() {
        let mut mischief = Mischief::new(100, false);
        let died = Event::Died {
            lane: 0,
            pid: 7,
            status: String::new(),
        };
        for (event, acknowledged, order) in [
            (invoking(7), 24, None),
            (invoking(7), 25, Some(Order::Kill(7))),
            (invoking(8), 26, None),
            (died, 26, None),
            (invoking(9), 49, None),
            (invoking(9), 50, Some(Order::FailBroker)),
            (invoked(), 74, None),
            (invoked(), 75, Some(Order::RecoverBroker)),
            (invoking(9), 80, None),
            (invoked(), 100, None),
        ] {
            assert_eq!(
                mischief.next(&event, acknowledged),
                order,
                "{event:?} at {acknowledged}"
            );
        }
        assert!(mischief.killed() && mischief.broker_failed());
    }

    #[test]
    fn a_process_that_had_answered_already_is_replaced_by_another_victim() {
        let mut mischief = Mischief::new(4, false);
        assert_eq!(mischief.next(&invoking(1), 1), Some(Order::Kill(1)));
        assert_eq!(mischief.next(&Event::Started { lane: 0, pid: 2 }, 1), None);
        assert_eq!(mischief.next(&invoking(2), 1), Some(Order::Kill(2)));
        assert!(!mischief.killed());
    }

    #[test]
    fn foreign_brokers_are_left_alone() {
        let mut mischief = Mischief::new(4, true);
        mischief.next(&invoking(1), 4);
        mischief.next(
            &Event::Died {
                lane: 0,
                pid: 1,
                status: String::new(),
            },
            4,
        );
        assert_eq!(mischief.next(&invoking(2), 4), None);
        assert_eq!(mischief.next(&invoked(), 4), None);
        assert!(!mischief.broker_failed());
    }
}
