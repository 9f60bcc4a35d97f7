//! What a deployment does with what was changed by hand.

use serde_json::Value;

use super::*;
use crate::deploy::columns::told;
use crate::doctor::by_hand::{Becomes, ByHand, Change, by_hand, lines};

/// What was done by hand, how the new template differs from the deployed one, and what is known beside.
struct Case {
    name: &'static str,
    by_hand: fn(&mut Facts),
    templates: Vec<fn(&mut Value)>,
    code: Option<bool>,
    tags: bool,
    wanted: &'static [(&'static str, Becomes)],
}

fn case(
    name: &'static str,
    by_hand: fn(&mut Facts),
    template: fn(&mut Value),
    wanted: &'static [(&'static str, Becomes)],
) -> Case {
    Case {
        name,
        by_hand,
        templates: vec![template],
        code: Some(false),
        tags: false,
        wanted,
    }
}

fn function(template: &mut Value) -> &mut Value {
    &mut template["Resources"]["OrdersFunction"]["Properties"]
}

fn mapping(template: &mut Value) -> &mut Value {
    &mut template["Resources"]["OrdersMapping"]["Properties"]
}

fn memory(facts: &mut Facts) {
    get(&mut facts.one().function).memory_mb = 512;
}

fn batch_size(facts: &mut Facts) {
    get(&mut facts.one().mapping).batch_size = 50;
}

fn no_mapping(facts: &mut Facts) {
    facts.one().mapping = Fact::Absent;
}

fn both(facts: &mut Facts) {
    memory(facts);
    batch_size(facts);
}

fn others(facts: &mut Facts) {
    variable(facts, "K2M_TOPIC", "elsewhere");
    variable(facts, "K2M_LOG", "debug");
    get(&mut facts.one().function).other_variables = vec!["DB_PASSWORD".to_owned()];
}

fn same(_: &mut Value) {}

fn all(case: &Case) -> Vec<ByHand> {
    let (settings, mut facts) = (settings(), facts());
    let deployed: Value = serde_json::from_str(&template(&mut facts)).unwrap();
    (case.by_hand)(&mut facts);
    let templates: Vec<String> = case
        .templates
        .iter()
        .map(|change| {
            let mut template = deployed.clone();
            change(&mut template);
            template.to_string()
        })
        .collect();
    let change = Change {
        templates: &templates.iter().map(String::as_str).collect::<Vec<_>>(),
        code: case.code,
        tags: case.tags,
    };
    by_hand(&settings, &facts, &change)
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<Case> {
    use Becomes::{Adopted, Fails, MadeAnew, MayBeOverwritten, Overwritten, Removed, Stays, StaysGone};
    vec![
        case(
            "nothing was changed",
            |_| {},
            |t| function(t)["MemorySize"] = json!(1024),
            &[],
        ),
        case(
            "nothing is deployed otherwise",
            both,
            same,
            &[("MemorySize", Stays), ("BatchSize", Stays)],
        ),
        case(
            "the very property, and another resource",
            both,
            |t| function(t)["MemorySize"] = json!(1024),
            &[("MemorySize", Overwritten), ("BatchSize", Stays)],
        ),
        case(
            "what was done by hand is in the settings now",
            both,
            |t| {
                function(t)["MemorySize"] = json!(512);
                mapping(t)["BatchSize"] = json!(50);
            },
            &[("MemorySize", Adopted), ("BatchSize", Adopted)],
        ),
        case(
            "another property of the same resources",
            both,
            |t| {
                function(t)["Timeout"] = json!(90);
                mapping(t)["MaximumRetryAttempts"] = json!(2);
            },
            &[("MemorySize", MayBeOverwritten), ("BatchSize", MayBeOverwritten)],
        ),
        case(
            "what is no property",
            both,
            |t| {
                t["Resources"]["OrdersMapping"]["Metadata"] = json!({"k2m": {}});
                t["Resources"]["OrdersFunction"]["DependsOn"] = json!("ClusterIngress");
            },
            &[("MemorySize", Stays), ("BatchSize", Stays)],
        ),
        Case {
            code: Some(true),
            ..case(
                "another handler",
                both,
                same,
                &[("MemorySize", MayBeOverwritten), ("BatchSize", Stays)],
            )
        },
        Case {
            code: None,
            ..case(
                "a handler that nobody has looked at",
                both,
                same,
                &[("MemorySize", MayBeOverwritten), ("BatchSize", Stays)],
            )
        },
        Case {
            tags: true,
            ..case(
                "other tags of the stack",
                both,
                same,
                &[("MemorySize", MayBeOverwritten), ("BatchSize", MayBeOverwritten)],
            )
        },
        case(
            "one variable takes all with it",
            others,
            |t| function(t)["Environment"]["Variables"]["K2M_TIMEOUT_MS"] = json!("90000"),
            &[
                ("Environment.Variables.K2M_TOPIC", Overwritten),
                ("Environment.Variables.K2M_LOG", Overwritten),
                ("Environment.Variables.DB_PASSWORD", Overwritten),
            ],
        ),
        case(
            "variables of others are no news where they stay",
            others,
            same,
            &[
                ("Environment.Variables.K2M_TOPIC", Stays),
                ("Environment.Variables.K2M_LOG", Stays),
            ],
        ),
        case(
            "a variable that was taken away, and is not wanted any more",
            |facts| drop(get(&mut facts.one().function).variables.remove("K2M_TOPIC")),
            |t| {
                let variables = &mut function(t)["Environment"]["Variables"];
                variables.as_object_mut().unwrap().remove("K2M_TOPIC");
            },
            &[("Environment.Variables.K2M_TOPIC", Adopted)],
        ),
        case(
            "a group with its subnets",
            |facts| {
                get(&mut facts.one().function).security_groups = vec!["sg-other".to_owned(), "sg-more".to_owned()];
            },
            |t| function(t)["VpcConfig"]["SubnetIds"] = json!(["subnet-1"]),
            &[("VpcConfig.SecurityGroupIds", Overwritten)],
        ),
        case(
            "a subnet, where the group is made anew",
            |facts| get(&mut facts.one().function).subnets = vec!["subnet-1".to_owned()],
            |t| {
                t["Resources"]["FunctionSecurityGroup"] =
                    json!({"Type": "AWS::EC2::SecurityGroup", "Properties": {"VpcId": "vpc-1"}});
            },
            &[("VpcConfig.SubnetIds", Overwritten)],
        ),
        case(
            "a mapping that is made anew",
            batch_size,
            |t| mapping(t)["StartingPosition"] = json!("LATEST"),
            &[("BatchSize", Overwritten)],
        ),
        case(
            "a destination that is not made yet",
            |facts| get(&mut facts.one().mapping).destination = None,
            |t| {
                let to = &mut mapping(t)["DestinationConfig"]["OnFailure"]["Destination"];
                *to = json!({"Ref": "OrdersFailureTopic2"});
            },
            &[("DestinationConfig.OnFailure.Destination", Overwritten)],
        ),
        case(
            "all else of a mapping",
            |facts| {
                let mapping = get(&mut facts.one().mapping);
                "Disabled".clone_into(&mut mapping.state);
                mapping.partial_failures = false;
                mapping.destination = None;
                mapping.tumbling_window = Some(30);
                mapping.filters = vec!["{\"data\":{\"kind\":[\"order\"]}}".to_owned()];
            },
            |t| mapping(t)["Enabled"] = json!(false),
            &[
                ("Enabled", Adopted),
                ("FunctionResponseTypes", MayBeOverwritten),
                ("DestinationConfig.OnFailure.Destination", MayBeOverwritten),
                ("TumblingWindowInSeconds", MayBeOverwritten),
                ("FilterCriteria", MayBeOverwritten),
            ],
        ),
        case(
            "a pipeline that is called otherwise",
            batch_size,
            |t| {
                let resources = t["Resources"].as_object_mut().unwrap();
                let mapping = resources.remove("OrdersMapping").unwrap();
                resources.insert("NewMapping".to_owned(), mapping);
            },
            &[("BatchSize", Removed)],
        ),
        case(
            "a mapping that is gone",
            no_mapping,
            same,
            &[("OrdersMapping", StaysGone)],
        ),
        case(
            "one that is going, whatever it was told before",
            |facts| {
                batch_size(facts);
                "Deleting".clone_into(&mut get(&mut facts.one().mapping).state);
            },
            same,
            &[("OrdersMapping", StaysGone)],
        ),
        case(
            "one that is gone beside what changes",
            |facts| {
                no_mapping(facts);
                memory(facts);
            },
            |t| function(t)["MemorySize"] = json!(1024),
            &[("OrdersMapping", StaysGone), ("MemorySize", Overwritten)],
        ),
        case(
            "one that is gone and is to change",
            no_mapping,
            |t| mapping(t)["BatchSize"] = json!(10),
            &[("OrdersMapping", Fails)],
        ),
        Case {
            tags: true,
            ..case(
                "one that is gone, and tags change",
                no_mapping,
                same,
                &[("OrdersMapping", Fails)],
            )
        },
        case(
            "one that is gone, and a new one comes",
            no_mapping,
            |t| mapping(t)["StartingPosition"] = json!("LATEST"),
            &[("OrdersMapping", MadeAnew)],
        ),
        case(
            "one that is gone with its pipeline",
            no_mapping,
            |t| drop(t["Resources"].as_object_mut().unwrap().remove("OrdersMapping")),
            &[("OrdersMapping", Removed)],
        ),
        case(
            "a mapping that the stack does not list",
            |facts| {
                no_mapping(facts);
                get(&mut facts.stack).resources.remove("OrdersMapping");
            },
            same,
            &[],
        ),
        case(
            "a function that is gone",
            |facts| facts.one().function = Fact::Absent,
            same,
            &[("OrdersFunction", StaysGone)],
        ),
        Case {
            code: Some(true),
            ..case(
                "both are gone, and the handler is another",
                |facts| {
                    no_mapping(facts);
                    facts.one().function = Fact::Absent;
                },
                same,
                &[("OrdersFunction", Fails), ("OrdersMapping", StaysGone)],
            )
        },
        Case {
            templates: vec![|t| mapping(t)["Enabled"] = json!(false), same],
            ..case(
                "two steps, the first of which stops the mapping",
                |facts| "Disabled".clone_into(&mut get(&mut facts.one().mapping).state),
                same,
                &[("Enabled", Overwritten)],
            )
        },
    ]
}

#[test]
fn what_becomes_of_what_was_changed_by_hand() {
    let mut text = String::new();
    for case in table() {
        let told = all(&case);
        let name = |one: &'_ ByHand| one.property.clone().unwrap_or_else(|| one.logical_id.clone());
        let found: Vec<(String, Becomes)> = told.iter().map(|one| (name(one), one.becomes)).collect();
        let found: Vec<(&str, Becomes)> = found.iter().map(|(name, becomes)| (name.as_str(), *becomes)).collect();
        assert_eq!(found, case.wanted, "{}", case.name);
        text.extend(["== ", case.name, "\n"]);
        text.extend(lines(&told).iter().flat_map(|line| [line.as_str(), "\n"]));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn at_a_terminal_commands_stay_whole() {
    let all: Vec<ByHand> = table().iter().filter(|case| case.tags).flat_map(all).collect();
    let told: Vec<String> = lines(&all).iter().map(|line| told(line, 79)).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_programs_see_is_what_the_schemas_say() {
    let mut seen = BTreeSet::new();
    for case in table() {
        let drift = serde_json::to_value(all(&case)).unwrap();
        let looked = json!({
            "stack": "k2m-orders", "region": REGION, "change": "update", "changes": [], "unchanged": 12, "conditions": [], "networkChanges": [], "givenBack": [], "resume": [], "planWarnings": [],
            "drift": drift,
        });
        assert_eq!(k2m_testkit::schema::misfits("deploy", &looked), None, "{}", case.name);
        for one in drift.as_array().unwrap() {
            seen.insert(one["becomes"].as_str().unwrap().to_owned());
            // What may be secret is not even known.
            let hidden = one["property"] == "Environment.Variables.DB_PASSWORD";
            let lost = one["becomes"] == "staysGone" || one["becomes"] == "fails";
            assert_eq!(one["byHand"] == "(not shown)", hidden, "{one:#}");
            let open = one["becomes"] == "stays" || one["becomes"] == "mayBeOverwritten";
            assert_eq!(one["takeBack"].is_array(), lost || (open && !hidden), "{one:#}");
        }
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
}

#[test]
fn the_setting_is_said_where_it_stands() {
    let keep = |case: &Case| -> Vec<Option<String>> { all(case).into_iter().map(|one| one.keep).collect() };
    let said = |by_hand: fn(&mut Facts)| keep(&case("", by_hand, same, &[]));
    let some = |text: &str| vec![Some(text.to_owned())];
    assert_eq!(said(memory), some("`memory: 512` in k2m.yaml"));
    assert_eq!(
        said(|facts| get(&mut facts.one().function).subnets = vec!["subnet-0a".to_owned(), "subnet-0b".to_owned()]),
        some("`subnets: [subnet-0a, subnet-0b]` in k2m.yaml")
    );
    assert_eq!(
        said(|facts| variable(facts, "K2M_TOPIC", "elsewhere")),
        some("`topic: elsewhere` in k2m.yaml")
    );
    // What no setting can say is not proposed.
    assert_eq!(said(|facts| get(&mut facts.one().function).memory_mb = 64), [None]);
    assert_eq!(said(|facts| variable(facts, "K2M_LOG", "debug")), [None]);
    assert_eq!(
        said(|facts| get(&mut facts.one().mapping).partial_failures = false),
        [None]
    );

    // Of two pipelines each has its own.
    let (settings, mut facts) = two();
    get(&mut facts.pipelines.get_mut(STREAM).unwrap().function).memory_mb = 512;
    let text = get(&mut facts.stack).template.clone().unwrap();
    let change = Change {
        templates: &[&text],
        code: Some(false),
        tags: false,
    };
    let told = by_hand(&settings, &facts, &change);
    assert_eq!(told.len(), 1, "{told:#?}");
    let keep = told[0].keep.as_deref().unwrap();
    assert!(keep.starts_with("`memory: 512` in the pipeline of "), "{keep}");
}

#[test]
fn where_there_is_nothing_to_compare_with_nothing_is_told() {
    let rows: [fn(&mut Facts); 4] = [
        |facts| facts.stack = Fact::Absent,
        |facts| get(&mut facts.stack).made_by_k2m = false,
        |facts| get(&mut facts.stack).template = None,
        |facts| "ROLLBACK_COMPLETE".clone_into(&mut get(&mut facts.stack).status),
    ];
    for (number, change) in rows.into_iter().enumerate() {
        let (settings, mut facts) = (settings(), facts());
        both(&mut facts);
        change(&mut facts);
        let deployment = Change {
            templates: &["Resources: {}"],
            code: Some(true),
            tags: true,
        };
        assert_eq!(by_hand(&settings, &facts, &deployment), [], "row {number}");
    }
}
