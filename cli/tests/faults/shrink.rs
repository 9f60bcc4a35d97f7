//! Makes a failing schedule smaller while it still fails. Pure: it is told whether a smaller one fails.

use crate::schedule::{Schedule, Trigger};

/// Smaller schedules, those first that leave out most. Each differs in one thing.
fn smaller(schedule: &Schedule) -> Vec<Schedule> {
    let mut all = Vec::new();
    let mut change = |change: &dyn Fn(&mut Schedule)| {
        let mut changed = schedule.clone();
        change(&mut changed);
        fit(&mut changed);
        if changed != *schedule {
            all.push(changed);
        }
    };
    let faults = schedule.faults.len();
    if faults > 1 {
        change(&|it| it.faults.truncate(faults / 2));
        change(&|it| drop(it.faults.drain(..faults / 2)));
    }
    for index in 0..faults {
        change(&|it| {
            it.faults.remove(index);
        });
    }
    change(&|it| it.reshardings.clear());
    change(&|it| it.records /= 2);
    change(&|it| it.records -= it.records / 4);
    change(&|it| it.poisons.clear());
    change(&|it| it.largest.clear());
    change(&|it| {
        it.shards = 1;
        it.factor = 1;
    });
    change(&|it| it.factor = 1);
    change(&|it| it.shards = 1);
    change(&|it| it.freeze = false);
    change(&|it| it.told_limit = None);
    change(&|it| it.partitions = 1);
    change(&|it| it.keys = it.keys.div_ceil(2));
    change(&|it| it.batch_size = it.batch_size.div_ceil(2));
    for index in 0..schedule.poisons.len() {
        change(&|it| {
            it.poisons.remove(index);
        });
    }
    change(&|it| it.records -= 1);
    all
}

/// Takes back what a smaller schedule has no room for.
fn fit(schedule: &mut Schedule) {
    let (records, lanes) = (schedule.records, schedule.lanes());
    schedule.records = records.max(1);
    schedule.poisons.retain(|place| *place < records);
    schedule.largest.retain(|place| *place < records);
    schedule
        .reshardings
        .retain(|resharding| resharding.after < records as u64);
    for fault in &mut schedule.faults {
        match &mut fault.when {
            Trigger::Accepted(after) => *after = (*after).min(records as u64 / 2),
            Trigger::Invocation { lane, .. } => *lane = (*lane).min(lanes.max(1) - 1),
        }
    }
}

/// The smallest schedule found that `fails`, with at most so many attempts, and how many there were.
pub(crate) fn shrink(
    schedule: Schedule,
    attempts: usize,
    mut fails: impl FnMut(&Schedule) -> bool,
) -> (Schedule, usize) {
    let mut smallest = schedule;
    let mut made = 0;
    'smaller: loop {
        for candidate in smaller(&smallest) {
            if made == attempts {
                return (smallest, made);
            }
            made += 1;
            if fails(&candidate) {
                smallest = candidate;
                continue 'smaller;
            }
        }
        return (smallest, made);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Fault, Planned};

    #[test]
    fn what_does_not_matter_goes_and_what_matters_stays() {
        let mut schedule = Schedule::new(7);
        schedule.records = 400;
        schedule.shards = 3;
        schedule.faults = vec![
            Planned {
                when: Trigger::Accepted(300),
                what: Fault::ConnectionsCut,
            },
            Planned {
                when: Trigger::Invocation { lane: 2, number: 1 },
                what: Fault::ConnectionsSilent,
            },
        ];
        let (smallest, _) = shrink(schedule, 1_000, |it| {
            it.records > 20 && it.faults.iter().any(|fault| fault.what == Fault::ConnectionsSilent)
        });
        assert_eq!(
            (smallest.records, smallest.faults.len(), smallest.lanes()),
            (21, 1, 1),
            "{smallest}"
        );
        assert_eq!(smallest.faults[0].when, Trigger::Invocation { lane: 0, number: 1 });
    }

    #[test]
    fn attempts_are_bounded() {
        let mut asked = 0;
        let (_, made) = shrink(Schedule::new(1), 5, |_| {
            asked += 1;
            true
        });
        assert_eq!((asked, made), (5, 5));
    }
}
