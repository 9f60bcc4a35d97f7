//! Steps of fixes that are to be run as they stand, where they once were none.

use super::*;
use crate::doctor;
use crate::doctor::mend::Mend;
use crate::doctor::text::laid_out;
use crate::report::Screen;

fn steps(report: &PipelineReport, code: &str) -> Vec<String> {
    report.check(code).unwrap().outcome.parts().2.to_vec()
}

/// The stack's topic was deleted, and the brokers would make another.
fn gone(_: &mut Settings, facts: &mut Facts) {
    variable(facts, "K2M_AUTHENTICATION", "tls");
    let text = template(facts);
    let mut template: serde_json::Value = serde_json::from_str(&text).unwrap();
    template["Resources"]["OrdersTopic"] = json!({"Type": "AWS::MSK::Topic", "Properties": {"TopicName": TOPIC, "PartitionCount": 6, "ReplicationFactor": 3}});
    let stack = get(&mut facts.stack);
    stack.template = Some(template.to_string());
    stack
        .resources
        .insert("OrdersTopic".to_owned(), format!("{CLUSTER}/topic/{TOPIC}"));
    without_topic(facts);
    facts.configuration = found(map(&[("auto.create.topics.enable", "true")]));
}

#[test]
fn a_topic_that_brokers_would_make_is_made_again_by_a_command_of_its_own() {
    let report = changed(gone);
    for code in ["K2M-T01", "K2M-T04"] {
        let steps = steps(&report, code);
        assert!(steps.iter().all(|step| step.matches("--fix").count() < 2), "{steps:#?}");
        let again = "k2m doctor --stack k2m-orders --region eu-west-1 --fix";
        assert!(steps.iter().any(|step| step == again), "{code}: {steps:#?}");
        assert!(
            !steps.iter().any(|step| step.contains("--create-topic")),
            "{code}: {steps:#?}"
        );
    }
    // And that command does it, though nothing is broken by it.
    let (mut settings, mut facts) = (settings(), facts());
    gone(&mut settings, &mut facts);
    let mends = doctor::examine(&settings, &facts).mends();
    assert!(mends.iter().any(|mend| matches!(mend, Mend::Remake(_))), "{mends:#?}");
}

#[test]
fn an_update_that_was_taken_back_is_looked_into_and_not_repeated() {
    let steps = steps(
        &changed(|_, facts| get(&mut facts.stack).status = "UPDATE_ROLLBACK_COMPLETE".into()),
        "K2M-L01",
    );
    assert!(
        steps
            .iter()
            .any(|step| step.starts_with("aws cloudformation describe-stack-events")),
        "{steps:#?}"
    );
    assert!(!steps.iter().any(|step| step.starts_with("k2m deploy")), "{steps:#?}");
}

#[test]
fn what_another_hand_told_the_function_is_not_said_again() {
    let broken = |facts: &mut Facts| {
        variable(facts, "K2M_DECODE", "nonsense");
        get(&mut facts.one().function).timeout_seconds = 5;
    };
    for with_template in [true, false] {
        let mut facts = facts();
        let text = template(&mut facts);
        get(&mut facts.stack).template = with_template.then_some(text);
        broken(&mut facts);
        let report = examine(&settings(), &facts);
        let all: Vec<String> = report
            .checks
            .iter()
            .flat_map(|check| check.outcome.parts().2.to_vec())
            .collect();
        assert!(
            !all.is_empty() && all.iter().all(|step| !step.contains("--decode nonsense")),
            "{all:#?}"
        );
    }
}

#[test]
fn what_stands_indented_goes_on_below() {
    let text = "  1. give the function orders what its stack's template says: Timeout is 5, the template says 60; MemorySize is 128\n       aws lambda \
                update-function-configuration --function-name orders --timeout 60 --memory-size 256 --region eu-west-1\nK2M-N02 of orders is left to you: k2m changes \
                nothing that is not of its stack; it deploys where that adds something";
    let shown = laid_out(
        text,
        Screen {
            columns: Some(80),
            colour: false,
        },
    );
    let command = |line: &&str| line.contains("aws lambda");
    assert!(
        shown
            .lines()
            .filter(|line| !command(line))
            .all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    assert_eq!(shown.lines().filter(command).count(), 1, "{shown}");
    assert!(shown.lines().nth(1).unwrap().starts_with("    "), "{shown}");
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&shown), words(text), "no word is broken");
}
