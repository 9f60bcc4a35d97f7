//! An endpoint that takes a call and never answers: doctor says so, names the call, and ends; and it says meanwhile what it waits for.

use serde_json::Value;

use crate::driver::{Account, seen};
use crate::proxy::{Proxy, Verdict};

#[test]
fn what_never_answers_is_unknown_by_its_name_and_soon() {
    let account = Account::new(&["orders"]);
    account.run(&account.on("deploy", "orders", &["--yes"]), 0);
    for (service, operation, check, names, bound) in [
        (
            "kinesis",
            "DescribeStreamSummary",
            "K2M-E01",
            "kinesis:DescribeStreamSummary",
            "after 12s",
        ),
        // The invocation itself: it has begun, and nobody says what came of it.
        (
            "lambda",
            "POST /2015-03-31/functions/",
            "K2M-P01",
            "lambda:InvokeFunction",
            "after 13s",
        ),
    ] {
        let proxy = Proxy::start(&account.emulator.endpoint(), move |call| {
            if call.is(service, operation) {
                Verdict::Hold
            } else {
                Verdict::Pass
            }
        });
        let mut doctor = account.k2m(&account.on("doctor", "orders", &["-o", "json"]));
        doctor.env("AWS_ENDPOINT_URL", proxy.endpoint());
        let output = doctor.output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{service}: {}", seen(&output));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut checks = said["checks"].as_array().unwrap().iter();
        let found = checks.find(|one| one["code"] == check).unwrap();
        assert_eq!(found["result"], "unknown", "{found:#}");
        let why = found["why"].as_str().unwrap();
        // Nothing answered: it is k2m's own bound that ended the call.
        assert!(why.contains(names) && why.contains(bound), "{why}");
        let told = String::from_utf8_lossy(&output.stderr);
        let waits = ["still looking at AWS: k2m-orders", "still asking the function"];
        assert!(waits.iter().any(|words| told.contains(words)), "{service}: {told}");
    }
}
