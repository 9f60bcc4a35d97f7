//! A mapping that is to begin elsewhere than the deployed one: kept unless it is made anew, and how the stack is without it in between.

use std::collections::BTreeSet;

use serde_yaml::Value;

use super::several::{deployed, example};
use super::*;
use crate::plan::{CONSUMER, STARTING_POSITION, plan_anew};
use crate::template::render;

const LATEST: StartingPosition = StartingPosition::Latest;

/// A stack of several pipelines, and settings by which those of its first begin at LATEST.
fn elsewhere() -> (Settings, Facts, String) {
    let (mut settings, facts) = example();
    let facts = deployed(&plan(&settings, &facts).unwrap(), &facts);
    settings.pipelines[0].starting_position = chosen(LATEST);
    let stream = settings.pipelines[0].stream.value.to_string();
    (settings, facts, stream)
}

#[test]
fn the_deployed_position_stays_unless_the_mapping_begins_anew() {
    let (settings, facts, stream) = elsewhere();
    let kept = plan(&settings, &facts).unwrap();
    assert_eq!(kept.pipelines[0].mapping.starting_position, "TRIM_HORIZON");
    let [loss] = kept.losses.as_slice() else {
        panic!("{:?}", kept.losses)
    };
    let told = (
        loss.setting,
        loss.stream.as_str(),
        loss.asked.as_str(),
        loss.deployed.as_str(),
    );
    assert_eq!(told, (STARTING_POSITION, stream.as_str(), "LATEST", "TRIM_HORIZON"));
    let warned = kept
        .warnings
        .iter()
        .filter(|warning| warning.contains("--allow-position-loss"));
    assert_eq!(warned.count(), 1, "{:?}", kept.warnings);

    let anew = plan_anew(&settings, &facts, &BTreeSet::from([stream])).unwrap();
    assert_eq!(anew.pipelines[0].mapping.starting_position, "LATEST");
    assert!(
        anew.losses.is_empty()
            && !anew
                .warnings
                .iter()
                .any(|warning| warning.contains("--allow-position-loss"))
    );
    assert!(
        anew.decisions
            .iter()
            .any(|decision| decision.why.contains("in place of one that began at TRIM_HORIZON"))
    );
    // The others stay as they are.
    let other = BTreeSet::from([settings.pipelines[1].stream.value.to_string()]);
    assert_eq!(plan_anew(&settings, &facts, &other).unwrap(), kept);
}

#[test]
fn another_consumer_is_known_to_lose_the_position() {
    let (mut settings, facts, stream) = elsewhere();
    settings.pipelines[0].starting_position = default(StartingPosition::TrimHorizon);
    let id = crate::facts::deployed::pipeline_id(&settings.pipelines[0].stream.value);
    let mut facts = facts;
    let Fact::Found { value } = &mut facts.stack else {
        panic!("{:?}", facts.stack)
    };
    let mut template: Value = serde_yaml::from_str(value.template.as_ref().unwrap()).unwrap();
    let consumer = format!("{stream}/consumer/k2m:1700000000");
    template["Resources"][format!("{id}Mapping")]["Properties"]["EventSourceArn"] = consumer.clone().into();
    value.template = Some(serde_yaml::to_string(&template).unwrap());
    let plan = plan(&settings, &facts).unwrap();
    let told: Vec<_> = plan
        .losses
        .iter()
        .map(|loss| (loss.setting, &loss.asked, &loss.deployed))
        .collect();
    assert_eq!(told, [(CONSUMER, &stream, &consumer)]);
}

#[test]
fn in_between_the_stack_has_all_but_the_mapping_and_what_looks_at_it() {
    let (settings, facts, stream) = elsewhere();
    let anew = BTreeSet::from([stream]);
    let after = plan_anew(&settings, &facts, &anew).unwrap();
    let before = after.without_mappings(&anew);
    let document = |plan: &Plan| -> Value { serde_yaml::from_str(&render(plan).unwrap()).unwrap() };
    let (with, without) = (document(&after), document(&before));
    let ids = |document: &Value, part: &str| -> BTreeSet<String> {
        let part = document[part].as_mapping().unwrap();
        part.iter().map(|(id, _)| id.as_str().unwrap().to_owned()).collect()
    };
    let id = &after.pipelines[0].id;
    let gone = |part| -> Vec<String> { ids(&with, part).difference(&ids(&without, part)).cloned().collect() };
    assert_eq!(gone("Outputs"), [format!("{id}Mapping")]);
    let mapping = format!("{id}Mapping");
    let resources = gone("Resources");
    assert!(
        resources.contains(&mapping)
            && resources
                .iter()
                .all(|gone| gone.starts_with(&format!("{id}Alarm")) || *gone == mapping),
        "{resources:?}"
    );
    // What stays is the same, and nothing of it needs what has gone.
    for stays in ids(&without, "Resources") {
        assert_eq!(with["Resources"][&stays], without["Resources"][&stays], "{stays}");
    }
    assert!(
        !serde_yaml::to_string(&without)
            .unwrap()
            .contains(&format!("{mapping}\n"))
    );
    assert!(
        ids(&without, "Resources")
            .difference(&ids(&with, "Resources"))
            .next()
            .is_none()
    );
    assert_eq!(before.without_mappings(&BTreeSet::new()), before);
}
