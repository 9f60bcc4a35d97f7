//! How much AWS is asked, and how: `k2m plan` and `k2m doctor` behind a proxy that gives each answer late, so that what waits for an answer shows. However
//! many streams there are, at most five calls of a plan and six of doctor follow from one another, no service is asked faster than it takes, and one that
//! throttles is asked again.
//!
//! What can be known from outside is when a call began and when its answer was given. A call that needs an answer begins after it, so the longest chain of
//! calls, each of which begins after the answer to the one before, is never shorter than the chain of those that need one another. It may be longer: a
//! call may begin late because the service's rate holds it back. Of one stream nothing is held back, so there the chain is counted as it is. Of many, a
//! row of calls of one kind, one of which is always under way, counts as one call that begins with its first and is answered with its first answer, which
//! errs on the same side; that a row hides no second round is told by its length: each thing is asked for once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::driver::Account;
use crate::proxy::{Answered, Call, Proxy, Verdict, throttled};

/// How late each answer is: far more than all that happens between an answer and the calls that follow from it.
const LATE: Duration = Duration::from_millis(900);
/// Answers to many are not all equally late, so that of a row of calls one is always under way; a fifth at most, so that no answer of one level is given
/// after one of the next.
const UNEVEN: Duration = Duration::from_millis(40);
/// So long after as many calls as a second takes the next one begins, and a moment more that it is on its way.
const PAUSE: Duration = Duration::from_millis(2500);
const LEVELS: usize = 5;
/// The same of doctor, which asks what has happened once it knows what is deployed.
const LEVELS_OF_DOCTOR: usize = 6;
const HERE: &str = "us-east-1";

/// Calls a second that each service takes, of one operation; Lambda counts all of them together.
fn rate(call: &Call) -> (String, usize) {
    let Call {
        service,
        region,
        operation,
        ..
    } = call;
    match service.as_str() {
        "lambda" => (format!("{service} {region}"), 15),
        "logs" => (format!("{service} {region} {operation}"), 5),
        "kinesis" | "ec2" | "sqs" | "sns" | "secretsmanager" => (format!("{service} {region} {operation}"), 20),
        _ => (format!("{service} {region} {}", kind(call)), 10),
    }
}

/// What of a call is the same whatever it asks about. Operations with names of things in their paths are told apart by the words around these.
fn kind(call: &Call) -> String {
    let path = call.operation.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let known = [
        "clusters",
        "nodes",
        "bootstrap-brokers",
        "scram-secrets",
        "topics",
        "configurations",
        "revisions",
        "functions",
        "configuration",
        "concurrency",
        "policy",
        "event-source-mappings",
        "account-settings",
        "api",
        "v2",
    ];
    let parts: Vec<&str> = parts
        .into_iter()
        .map(|part| {
            if part.is_empty() || known.contains(&part) || !path.contains('/') {
                part
            } else {
                "…"
            }
        })
        .collect();
    format!("{} {} {}", call.service, call.region, parts.join("/"))
}

/// A call, or a row of calls that counts as one.
#[derive(Debug)]
struct Step {
    what: String,
    begun: Instant,
    /// When the first of its answers was given.
    answered: Instant,
}

/// Each call by itself.
fn single(calls: &[Answered]) -> Vec<Step> {
    let step = |one: &Answered| Step {
        what: kind(&one.call),
        begun: one.begun,
        answered: one.ended,
    };
    calls.iter().filter(|one| !is_page(&one.call)).map(step).collect()
}

/// Rows of calls of one kind. Where none is under way that shares their rate, a new row begins: what begins then may need the answers to all before. Unless the
/// pace held it back: what a second takes begins at once, and the next two seconds later.
fn rows(calls: &[Answered]) -> Vec<Step> {
    let mut calls: Vec<&Answered> = calls.iter().collect();
    calls.sort_by_key(|one| one.begun);
    let mut until: BTreeMap<(String, usize), (Instant, usize)> = BTreeMap::new();
    let mut rows: BTreeMap<(String, usize), Step> = BTreeMap::new();
    let mut begun: BTreeMap<(String, usize), Vec<Instant>> = BTreeMap::new();
    for one in calls {
        let sharing = rate(&one.call);
        let before = begun.entry(sharing.clone()).or_default();
        let lately = before.iter().filter(|at| one.begun < **at + PAUSE).count();
        let held_back = lately >= sharing.1;
        before.push(one.begun);
        // It is no question of its own, and has its part in the pace.
        if is_page(&one.call) {
            continue;
        }
        let (last, lot) = until.entry(sharing).or_insert((one.ended, 0));
        if one.begun > *last && !held_back {
            *lot += 1;
        }
        *last = one.ended.max(*last);
        let row = rows.entry((kind(&one.call), *lot)).or_insert_with(|| Step {
            what: kind(&one.call),
            begun: one.begun,
            answered: one.ended,
        });
        row.answered = row.answered.min(one.ended);
    }
    rows.into_values().collect()
}

/// Whether it asks for another page of a list, which depends on the page before and is part of the same question.
fn is_page(call: &Call) -> bool {
    call.subject.to_ascii_lowercase().contains("nexttoken")
}

/// The longest chain of steps, each of which begins after the answer to the one before.
fn longest(mut steps: Vec<Step>) -> Vec<String> {
    steps.sort_by_key(|step| step.begun);
    let mut chains: Vec<Vec<usize>> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let before = (0..number).filter(|&other| steps[other].answered <= step.begun);
        let mut chain = before
            .map(|other| &chains[other])
            .max_by_key(|chain| chain.len())
            .cloned()
            .unwrap_or_default();
        chain.push(number);
        chains.push(chain);
    }
    let longest = chains.into_iter().max_by_key(Vec::len).unwrap_or_default();
    longest.into_iter().map(|number| steps[number].what.clone()).collect()
}

/// The most calls that began within a second of one another, of each that shares a rate, with that rate.
fn busiest(calls: &[Answered]) -> Vec<(String, usize, usize)> {
    let mut sharing: BTreeMap<(String, usize), Vec<Instant>> = BTreeMap::new();
    for one in calls {
        sharing.entry(rate(&one.call)).or_default().push(one.begun);
    }
    let busiest = sharing.into_iter().map(|((what, rate), mut begun)| {
        begun.sort_unstable();
        // What is seen here has been on its way for a moment, one call longer than another.
        let second = Duration::from_millis(950);
        let within = |from: &Instant| {
            begun
                .iter()
                .filter(|one| *one >= from && **one < *from + second)
                .count()
        };
        (what, begun.iter().map(within).max().unwrap_or_default(), rate)
    });
    busiest.collect()
}

/// How often each kind of call was made.
fn counts(calls: &[Answered]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for one in calls.iter().filter(|one| !is_page(&one.call)) {
        *counts.entry(kind(&one.call)).or_default() += 1;
    }
    counts
}

/// What becomes of calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weather {
    Late,
    Uneven,
    Fair,
    /// Each is refused once.
    Throttling,
}

struct Ground {
    account: Account,
    across: bool,
    streams: Vec<String>,
    /// ARN of a queue for what is given up, and of a consumer of the first stream.
    queue: String,
    consumer: String,
    proxy: Proxy,
    weather: &'static Mutex<Weather>,
}

impl Ground {
    /// An account in which stacks of so many streams stand, each with all that is looked at.
    fn new(across: bool, sizes: &[usize]) -> Self {
        let most = sizes.iter().copied().max().unwrap();
        let names: Vec<String> = (0..most).map(|number| format!("s{number:03}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let account = Account::to_look_at(across, &names);
        let streams: Vec<String> = names.iter().map(|name| account.stream(name).to_owned()).collect();
        let cluster = account.cluster.clone();
        let file = account.file("secret.json");
        std::fs::write(&file, r#"{"username": "alice", "password": "no"}"#).unwrap();
        let secret = account.ask(&["put_secret", "AmazonMSK_look", file.to_str().unwrap()]);
        account.ask(&["associate", &cluster, secret.as_str().unwrap()]);
        account.ask(&[&["make_topics", &cluster][..], &names].concat());
        let brokers = account.ask(&["name_lists", &cluster]);
        let vpc = account.vpc.clone();
        let vpc = vpc.as_deref().unwrap_or_else(|| brokers["vpc"].as_str().unwrap());
        let region = format!("--region={}", if across { HERE } else { "eu-west-1" });
        let queue = account.ask(&[&region, "make_queue", "failed"])["arn"].clone();
        let consumer = account.ask(&[&region, "register_consumer", &streams[0], "look"]);
        for &size in sizes {
            let stack = format!("k2m-of-{size}");
            let mut arguments = vec![region.as_str(), "stand", &cluster, vpc, &stack];
            arguments.extend(streams[..size].iter().map(String::as_str));
            account.ask(&arguments);
        }
        let weather: &'static Mutex<Weather> = Box::leak(Box::new(Mutex::new(Weather::Fair)));
        let refused: Mutex<BTreeSet<String>> = Mutex::default();
        let (storm, number) = (AtomicBool::new(false), AtomicU32::new(0));
        let proxy = Proxy::start(&account.emulator.endpoint(), move |call| {
            match *weather.lock().unwrap() {
                Weather::Fair => Verdict::Pass,
                // Else what comes after a list of two pages would look as if it came after whatever was asked beside the first.
                Weather::Late | Weather::Uneven if is_page(call) => Verdict::Pass,
                Weather::Late => Verdict::Late(LATE),
                Weather::Uneven => Verdict::Late(LATE + UNEVEN * (number.fetch_add(1, Ordering::Relaxed) % 5)),
                Weather::Throttling => {
                    let mut refused = refused.lock().unwrap();
                    if !storm.swap(true, Ordering::Relaxed) {
                        refused.clear();
                    }
                    let asked = format!("{} {} {} {}", call.service, call.region, call.operation, call.subject);
                    if refused.insert(asked) {
                        throttled(call)
                    } else {
                        Verdict::Pass
                    }
                }
            }
        });
        Self {
            account,
            across,
            streams,
            queue: queue.as_str().unwrap().to_owned(),
            consumer: consumer.as_str().unwrap().to_owned(),
            proxy,
            weather,
        }
    }

    /// What `k2m` said of so many streams, and what it asked.
    fn ask(&self, command: &str, size: usize, weather: Weather) -> (Value, Vec<Answered>) {
        *self.weather.lock().unwrap() = weather;
        self.proxy.take_answered();
        let stack = format!("k2m-of-{size}");
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.extend([
            "--cluster",
            &self.account.cluster,
            "--stack",
            &stack,
            "--failure-destination",
            &self.queue,
            "-o",
            "json",
        ]);
        // It is of one stream.
        if size == 1 {
            arguments.extend(["--consumer", &self.consumer]);
        }
        for stream in &self.streams[..size] {
            arguments.extend(["--stream", stream]);
        }
        if let Some(vpc) = self.account.vpc.as_deref().filter(|_| self.across) {
            arguments.extend(["--vpc", vpc]);
        }
        let output = self
            .account
            .k2m(&arguments)
            .env("AWS_ENDPOINT_URL", self.proxy.endpoint())
            .output()
            .unwrap();
        let said = serde_json::from_slice(&output.stdout);
        let said = said.unwrap_or_else(|error| panic!("{error}: {}", crate::driver::seen(&output)));
        (said, self.proxy.take_answered())
    }
}

/// Of one stream, and of so many.
fn each_plan_asks_little(across: bool, many: &[usize]) {
    let ground = Ground::new(across, &[&[1], many].concat());
    let (_, one) = ground.ask("plan", 1, Weather::Late);
    let chain = longest(single(&one));
    assert!(chain.len() <= LEVELS, "{chain:#?}");
    // All that may be looked at was there to be looked at.
    let of_one = counts(&one);
    for what in [
        "scram-secrets",
        "GetManagedPrefixListEntries",
        "GetTemplate",
        "event-source-mappings",
        "functions",
        "DescribeVpcEndpoints",
        "GetQueueAttributes",
        "DescribeStreamConsumer",
    ] {
        assert!(of_one.keys().any(|kind| kind.contains(what)), "{what}: {of_one:#?}");
    }
    for &size in many {
        let (_, calls) = ground.ask("plan", size, Weather::Uneven);
        let chain = longest(rows(&calls));
        assert!(chain.len() <= LEVELS, "{size}: {chain:#?}");
        // Each stream adds itself, its topic, its mapping and its function, and nothing else; a second function is somebody else's.
        for (what, count) in counts(&calls) {
            let of_one = of_one.get(&what).copied().unwrap_or_default();
            let expected = match what.as_str() {
                what if what.ends_with(" DescribeStreamSummary") => size,
                what if what.contains("/topics/") || what.contains("/event-source-mappings/") => size,
                what if what.contains("/functions/") => size + 2,
                _ => of_one,
            };
            assert_eq!(count, expected, "{size}: {what}");
        }
    }
    doctor_asks_little(&ground);
    let most = many.iter().copied().max().unwrap();
    let (_, calls) = ground.ask("plan", most, Weather::Fair);
    within_rates(&calls);
    // Rights are asked about at a pace that takes its time for so many.
    let size = 20;
    let (calm, calls) = ground.ask("inspect", size, Weather::Fair);
    within_rates(&calls);
    let (throttled, calls) = ground.ask("inspect", size, Weather::Throttling);
    let asked: usize = counts(&calls).values().sum();
    assert!(asked > 8 * size, "{asked} calls, of which each was to be made twice");
    let without_time = |mut facts: Value| {
        facts.as_object_mut().unwrap().remove("takenAt");
        facts
    };
    assert_eq!(without_time(throttled), without_time(calm));
}

/// Beside what a plan asks: what has happened to each pipeline, and what only doctor needs of the cluster and the networks.
fn doctor_asks_little(ground: &Ground) {
    let command = "doctor --no-probe";
    let (_, one) = ground.ask(command, 1, Weather::Late);
    let chain = longest(single(&one));
    assert!(chain.len() <= LEVELS_OF_DOCTOR, "{chain:#?}");
    let of_one = counts(&one);
    for what in [
        "GetMetricData",
        "FilterLogEvents",
        "SimulatePrincipalPolicy",
        "concurrency",
        "DescribeSecret",
        "ListSubscriptionsByTopic",
        "ReceiveMessage",
        "/policy",
        "DescribeVpcAttribute",
    ] {
        assert!(of_one.keys().any(|kind| kind.contains(what)), "{what}: {of_one:#?}");
    }
    let size = 20;
    let (_, calls) = ground.ask(command, size, Weather::Uneven);
    let chain = longest(rows(&calls));
    assert!(chain.len() <= LEVELS_OF_DOCTOR, "{size}: {chain:#?}");
    let of_many = counts(&calls);
    for (what, count) in &of_many {
        let of_one = of_one.get(what).copied().unwrap_or_default();
        // All figures are asked for at once, and the cluster and its networks are the same.
        let for_all = ["GetMetricData", "/policy", "DescribeVpcAttribute"];
        let expected = if for_all.iter().any(|kind| what.contains(kind)) {
            of_one
        } else if ["FilterLogEvents", "SimulatePrincipalPolicy"]
            .iter()
            .any(|kind| what.contains(kind))
        {
            // The consumer is of one stream alone.
            assert!(
                (of_one - 1) * size <= *count && *count <= of_one * size,
                "{what}: {count}"
            );
            *count
        } else if [
            "concurrency",
            "DescribeSecret",
            "ListSubscriptionsByTopic",
            "ReceiveMessage",
        ]
        .iter()
        .any(|kind| what.contains(kind))
        {
            size
        } else {
            continue;
        };
        assert_eq!(*count, expected, "{size}: {what}");
    }
}

fn within_rates(calls: &[Answered]) {
    for (what, most, rate) in busiest(calls) {
        assert!(
            most <= rate,
            "{what} was asked {most} times in a second, and takes {rate}"
        );
    }
}

#[test]
fn in_one_region() {
    each_plan_asks_little(false, &[20, 80]);
}

#[test]
fn in_two_regions() {
    // Eighty of them wait for the same rates as in one region, and only for longer.
    each_plan_asks_little(true, &[20]);
}

/// What is counted, on calls whose dependence is known.
#[test]
fn a_chain_is_counted_whatever_lies_beside_it() {
    let start = Instant::now();
    let call = |service: &str, operation: &str, begun: u64, ended: u64| Answered {
        call: Call {
            service: service.to_owned(),
            region: HERE.to_owned(),
            operation: operation.to_owned(),
            subject: String::new(),
        },
        begun: start + Duration::from_millis(begun),
        ended: start + Duration::from_millis(ended),
    };
    // Two levels, a paced row beside them, and a third level that needs the first of the row.
    let mut calls = vec![call("ec2", "A", 0, 100), call("ec2", "B", 101, 201)];
    calls.extend((0..20).map(|number| call("kafka", "T", number * 50, number * 50 + 100)));
    assert_eq!(longest(rows(&calls)).len(), 2);
    calls.push(call("sts", "C", 105, 205));
    calls.push(call("sts", "D", 206, 306));
    assert_eq!(longest(rows(&calls)).len(), 3);
    // One after the other is no row.
    let serial: Vec<Answered> = (0..20)
        .map(|number| call("kafka", "T", number * 301, number * 301 + 300))
        .collect();
    assert_eq!((longest(rows(&serial)).len(), longest(single(&serial)).len()), (20, 20));
    assert_eq!(busiest(&serial)[0].1, 4);
    // What the pace holds back is one, though none is under way meanwhile; a lot that the pace did not hold back is another.
    let paced = |lots: &[(u64, u64)]| -> Vec<Answered> {
        let lots = lots.iter();
        let each = lots.flat_map(|&(at, many)| (0..many).map(move |_| call("logs", "F", at, at + 900)));
        each.collect()
    };
    assert_eq!(longest(rows(&paced(&[(0, 5), (2000, 5), (4000, 2)]))).len(), 1);
    assert_eq!(longest(rows(&paced(&[(0, 4), (2000, 5), (4000, 2)]))).len(), 2);
}
