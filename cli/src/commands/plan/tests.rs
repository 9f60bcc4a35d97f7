//! What a user reads, from the example's facts, and the exit codes.

use super::*;
use crate::facts::Fact;
use crate::plan::tests::{facts, settings};

/// Stands in for the rendered template: the resources that matter here.
const TEMPLATE: &str = "\
Resources:
  FunctionSecurityGroup: {Type: \"AWS::EC2::SecurityGroup\"}
  OrdersMapping: {Type: \"AWS::Lambda::EventSourceMapping\", Properties: {BatchSize: 1000}}
";

fn digest(deployed: Option<&str>) -> Digest {
    let mut facts = facts();
    if let Some(template) = deployed {
        facts.stack = Fact::Found {
            value: crate::facts::Stack {
                tags: std::collections::BTreeMap::new(),
                protected: false,
                name: "k2m-orders".to_owned(),
                status: "UPDATE_COMPLETE".to_owned(),
                made_by_k2m: true,
                resources: std::collections::BTreeMap::new(),
                outputs: std::collections::BTreeMap::new(),
                parameters: std::collections::BTreeMap::new(),
                template: Some(template.to_owned()),
                template_unreadable: None,
            },
        };
    }
    let plan = plan::plan(&settings(), &facts).unwrap();
    let change = Change::between(&facts.stack, TEMPLATE).unwrap();
    Digest {
        plan,
        network_changes: Vec::new(),
        given_back: Vec::new(),
        drift: Vec::new(),
        change,
    }
}

#[test]
fn what_people_see() {
    insta::assert_snapshot!(digest(None).to_string());
}

#[test]
fn a_terminal_breaks_no_word_of_it() {
    let mut digest = digest(None);
    let warning = "what should be known before takes more than a line here, and `k2m plan --config k2m.yaml --env prod` stays in one piece";
    digest.plan.warnings.push(warning.to_owned());
    let text = digest.to_string();
    let shown = |columns| folded(&text, crate::report::Screen { columns, colour: false });
    insta::assert_snapshot!(shown(Some(80)));
    assert_eq!(shown(None), text);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&shown(Some(80))), words(&text));
    for line in shown(Some(80)).lines().filter(|line| line.chars().count() > 80) {
        // Only a name or a command that no line has room for.
        assert_eq!(
            line.split_whitespace().filter(|word| !word.starts_with('`')).count(),
            1,
            "{line}"
        );
    }
}

#[test]
fn what_people_see_of_several_pipelines() {
    let (mut settings, facts) = crate::plan::tests::several::example();
    // What is shown of two is shown of three.
    settings.pipelines.remove(0);
    let mut plan = plan::plan(&settings, &facts).unwrap();
    plan.removed.push(plan::Removed {
        stream: "arn:aws:kinesis:eu-west-1:123456789012:stream/orders".to_owned(),
        topic: Some("orders".to_owned()),
    });
    let change = Change::between(&facts.stack, TEMPLATE).unwrap();
    let digest = Digest {
        plan,
        network_changes: Vec::new(),
        given_back: Vec::new(),
        drift: Vec::new(),
        change,
    };
    insta::assert_snapshot!(digest.to_string());
}

#[test]
fn the_exit_code_tells_whether_anything_would_change() {
    for (deployed, code) in [
        (None, Exit::ChangesPending),
        (Some(TEMPLATE.to_owned()), Exit::Fine),
        (Some(TEMPLATE.replace("1000", "10")), Exit::ChangesPending),
        (Some("{".to_owned()), Exit::CouldNotTell),
    ] {
        let change = digest(deployed.as_deref()).change;
        assert_eq!(exit(&[&change], &[]), code, "{deployed:?}");
        let over = GivenBack {
            region: "eu-west-1".to_owned(),
            stack: "k2m-network-vpc-0a1b2c3d".to_owned(),
        };
        assert_eq!(exit(&[&change], &[over]), Exit::ChangesPending);
    }
}

#[test]
fn programs_see_the_whole_plan() {
    let document = serde_json::to_value(digest(None)).unwrap();
    let keys: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
    insta::assert_snapshot!(keys.join(" "));
    assert_eq!(document["proofs"][0]["steps"].as_array().map(Vec::len), Some(9));
    assert_eq!(document["change"]["status"], "create");
}
