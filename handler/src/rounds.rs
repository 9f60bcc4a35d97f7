//! In which rounds a batch is sent: what goes together, what has to go alone, and what can never be accepted. Pure: reports in, the next
//! round out.
//!
//! A broker refuses a whole request for one record, and says of size only that something in it was too large. So what was refused together is
//! a suspect, and is sent again one record a request; what is refused alone is a poison. The order per key is kept by keeping all order:
//! whatever stands before the last suspect goes with it, and nothing behind a poison is sent before it is decided what becomes of it.

use crate::failure::{Class, Failure};

/// A refusal as it was reported, of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The record's place in the batch.
    pub place: usize,
    /// Why.
    pub failure: Failure,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Every record is settled.
    Done,
    /// Send these, in this order.
    Send {
        /// Places in the batch, rising.
        places: Vec<usize>,
        /// One record a request.
        alone: bool,
    },
    /// All before it is settled, and this record can never be accepted: decide what becomes of it.
    Poison(Refusal),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Not acknowledged yet, and nothing is held against it.
    Pending,
    /// Refused in company.
    Suspect,
    /// Refused alone.
    Poison(Failure),
    /// The topic or the dead-letter topic has it.
    Settled,
}

/// One batch on its way.
#[derive(Debug)]
pub struct Rounds {
    states: Vec<State>,
    /// All before this place is settled.
    settled: usize,
}

impl Rounds {
    /// A batch of `len` records, none of them sent.
    pub fn new(len: usize) -> Self {
        Self {
            states: vec![State::Pending; len],
            settled: 0,
        }
    }

    /// What to do next. `is_large`: whether the record at a place is larger than the topic is known to take, so that it would be refused with
    /// all that shares its request.
    pub fn next(&mut self, is_large: impl Fn(usize) -> bool) -> Next {
        while matches!(self.states.get(self.settled), Some(State::Settled)) {
            self.settled += 1;
        }
        let open = &self.states[self.settled..];
        let poison = open.iter().position(|state| matches!(state, State::Poison(_)));
        if poison == Some(0)
            && let State::Poison(failure) = &open[0]
        {
            return Next::Poison(Refusal {
                place: self.settled,
                failure: failure.clone(),
            });
        }
        let before = &open[..poison.unwrap_or(open.len())];
        if before.is_empty() {
            return Next::Done;
        }
        let unsettled = |range: &[State]| -> Vec<usize> {
            let places = range.iter().enumerate();
            places
                .filter(|(_, state)| !matches!(state, State::Settled))
                .map(|(place, _)| self.settled + place)
                .collect()
        };
        if let Some(last) = before.iter().rposition(|state| *state == State::Suspect) {
            return Next::Send {
                places: unsettled(&before[..=last]),
                alone: true,
            };
        }
        let mut places = unsettled(before);
        if let Some(large) = places.iter().position(|place| is_large(*place)) {
            places.truncate(large.max(1));
        }
        Next::Send { places, alone: false }
    }

    /// The brokers acknowledged the record at `place`, or the dead-letter topic took it.
    pub fn settle(&mut self, place: usize) {
        self.states[place] = State::Settled;
    }

    /// Whether the topic or the dead-letter topic has the record at `place`.
    pub fn is_settled(&self, place: usize) -> bool {
        self.states[place] == State::Settled
    }

    /// Takes what was refused in one round. Records refused for what they are become suspects, or poisons where they were alone: in a round of
    /// one record a request, or as the only one. Returns the first refusal that is none of that.
    pub fn refuse(&mut self, refusals: Vec<Refusal>, alone: bool) -> Option<Failure> {
        let is_poison = |refusal: &Refusal| refusal.failure.class == Class::Poison;
        let alone = alone || refusals.iter().filter(|it| is_poison(it)).count() == 1;
        let mut other = None;
        for refusal in refusals {
            if self.states[refusal.place] == State::Settled {
                continue;
            }
            if is_poison(&refusal) {
                self.states[refusal.place] = if alone {
                    State::Poison(refusal.failure)
                } else {
                    State::Suspect
                };
            } else {
                other.get_or_insert(refusal.failure);
            }
        }
        other
    }

    /// A round of one record a request is over: who was acknowledged is no suspect, and who was not sent goes with the others again.
    pub fn acquit(&mut self) {
        for state in &mut self.states {
            if *state == State::Suspect {
                *state = State::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(place: usize, class: Class) -> Refusal {
        Refusal {
            place,
            failure: Failure {
                class,
                reason: format!("record {place}"),
                librdkafka: String::new(),
            },
        }
    }

    fn send(places: &[usize], alone: bool) -> Next {
        Next::Send {
            places: places.to_vec(),
            alone,
        }
    }

    fn next(rounds: &mut Rounds) -> Next {
        rounds.next(|_| false)
    }

    #[test]
    fn all_goes_together_and_is_done() {
        let mut rounds = Rounds::new(3);
        assert_eq!(next(&mut rounds), send(&[0, 1, 2], false));
        for place in [0, 2, 1] {
            rounds.settle(place);
        }
        assert_eq!(next(&mut rounds), Next::Done);
        assert_eq!(next(&mut Rounds::new(0)), Next::Done);
    }

    #[test]
    fn what_is_large_goes_alone_after_what_stands_before_it() {
        let mut rounds = Rounds::new(4);
        let large = |place| place == 1;
        assert_eq!(rounds.next(large), send(&[0], false));
        rounds.settle(0);
        assert_eq!(rounds.next(large), send(&[1], false));
        rounds.settle(1);
        assert_eq!(rounds.next(large), send(&[2, 3], false));
    }

    #[test]
    fn who_is_refused_in_company_is_a_suspect_and_sent_alone_with_all_before_it() {
        let mut rounds = Rounds::new(5);
        rounds.settle(1);
        assert_eq!(
            rounds.refuse(vec![refusal(2, Class::Poison), refusal(3, Class::Poison)], false),
            None
        );
        assert_eq!(
            next(&mut rounds),
            send(&[0, 2, 3], true),
            "0 was purged: it may share their key"
        );
        rounds.settle(0);
        rounds.settle(2);
        rounds.refuse(vec![refusal(3, Class::Poison)], true);
        rounds.acquit();
        let Next::Poison(found) = next(&mut rounds) else {
            panic!("3 is a poison")
        };
        assert_eq!(found, refusal(3, Class::Poison));
        rounds.settle(3);
        assert_eq!(next(&mut rounds), send(&[4], false));
    }

    #[test]
    fn a_poison_waits_for_all_before_it_and_holds_back_all_behind_it() {
        let mut rounds = Rounds::new(4);
        rounds.refuse(vec![refusal(2, Class::Poison)], false);
        assert_eq!(next(&mut rounds), send(&[0, 1], false));
        rounds.settle(0);
        rounds.settle(1);
        assert_eq!(next(&mut rounds), Next::Poison(refusal(2, Class::Poison)));
    }

    #[test]
    fn a_poison_before_another_is_told_first() {
        let mut rounds = Rounds::new(3);
        rounds.refuse(vec![refusal(2, Class::Poison), refusal(0, Class::Poison)], true);
        assert_eq!(next(&mut rounds), Next::Poison(refusal(0, Class::Poison)));
    }

    #[test]
    fn suspects_behind_a_poison_wait_with_the_rest() {
        let mut rounds = Rounds::new(4);
        rounds.refuse((0..4).map(|place| refusal(place, Class::Poison)).collect(), false);
        rounds.settle(0);
        rounds.refuse(vec![refusal(1, Class::Poison)], true);
        rounds.acquit();
        rounds.settle(1);
        assert_eq!(next(&mut rounds), send(&[2, 3], false));
    }

    #[test]
    fn other_refusals_are_given_back_the_first_one() {
        let mut rounds = Rounds::new(3);
        let given = rounds.refuse(
            vec![
                refusal(1, Class::Retryable),
                refusal(2, Class::Fatal),
                refusal(0, Class::Poison),
            ],
            false,
        );
        assert_eq!(given, Some(refusal(1, Class::Retryable).failure));
        assert!(
            matches!(next(&mut rounds), Next::Poison(_)),
            "only one was refused for what it is"
        );
    }
}
