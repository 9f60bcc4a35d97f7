//! Topics that functions make: what is deployed before and after, what is asked for, and that a deployment that was stopped in between is gone on with.

use k2m_handler::probe::creation::{Became, Outcome};

use super::several::{CLICKS, LEGACY, deployed as all_deployed, example as several, of};
use super::topologies::deployed;
use super::*;
use crate::plan::change::Change;
use crate::settings::Authentication;
use crate::template::render;

/// The pipeline of the example, with a topic that the function is to make.
fn asked() -> (Settings, Facts) {
    let (mut settings, mut facts) = (settings(), facts());
    old_kafka(&mut facts);
    settings.one().create_topic = Some(chosen(true));
    (settings, facts)
}

fn sids(pipeline: &Pipeline) -> Vec<&str> {
    pipeline
        .statements
        .iter()
        .map(|statement| statement.sid.as_str())
        .collect()
}

fn became(name: &str, partitions: usize) -> Became {
    Became {
        name: name.to_owned(),
        outcome: Outcome::Exists,
        partitions: Some(partitions),
        replication_factor: Some(2),
        differs: None,
        code: None,
        failure: None,
    }
}

#[test]
fn nothing_is_read_and_the_right_is_there_until_the_topic_is() {
    let (settings, facts) = asked();
    let plan = plan(&settings, &facts).unwrap();
    let before = plan.before_topics().unwrap();
    let (first, last) = (&before.pipelines[0], &plan.pipelines[0]);
    assert_eq!((first.mapping.enabled, last.mapping.enabled), (false, true));
    let with = [sids(last), vec!["CreateTopics"]].concat();
    assert_eq!(sids(first), with);
    assert_eq!(first.function_topics.as_ref().unwrap().waits_for, [ORDERS]);
    assert!(first.function_topics.as_ref().unwrap().made.is_empty());
    assert!(last.function_topics.as_ref().unwrap().made.contains_key(ORDERS));
    // It is asked for exactly that topic.
    let asked = plan.asked();
    let [one] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(one.pipeline, last.id);
    let [topic] = one.topics.topics.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!(
        (
            topic.name.as_str(),
            topic.partitions,
            topic.replication_factor,
            topic.configs.len()
        ),
        (ORDERS, 4, Some(3), 0)
    );
    // CloudFormation is not to make it, and nobody waits for a resource.
    for plan in [&before, &plan] {
        let template = render(plan).unwrap();
        assert!(!template.contains("AWS::MSK::Topic"), "{template}");
        assert!(!template.contains("OrdersTopic\n"), "{template}");
    }
}

#[test]
fn who_comes_by_another_way_than_iam_needs_no_such_right() {
    let (mut settings, facts) = asked();
    settings.authentication = Some(chosen(Authentication::Tls));
    let plan = plan(&settings, &facts).unwrap();
    let before = plan.before_topics().unwrap();
    assert_eq!(before.pipelines[0].statements, plan.pipelines[0].statements);
    assert!(!before.pipelines[0].mapping.enabled);
}

#[test]
fn what_was_stopped_in_between_is_gone_on_with() {
    let (mut settings, facts) = asked();
    let first = plan(&settings, &facts).unwrap();
    let before = first.before_topics().unwrap();
    let half_way = deployed(&before, &facts);
    // Also by a command that does not say it again: the stack remembers. One that takes it back does.
    for create in [Some(true), None] {
        settings.one().create_topic = create.map(chosen);
        let again = plan(&settings, &half_way).unwrap();
        assert_eq!(
            render(&again.before_topics().unwrap()).unwrap(),
            render(&before).unwrap()
        );
        assert_eq!(render(&again).unwrap(), render(&first).unwrap());
        assert_eq!(again.asked(), first.asked());
        let change = Change::between(&half_way.stack, &render(&again).unwrap()).unwrap();
        assert_eq!(change.pending(), Some(true), "{change}");
    }
    settings.one().create_topic = Some(chosen(false));
    let without = plan(&settings, &half_way).unwrap();
    assert_eq!(
        (without.before_topics(), &without.pipelines[0].new_topic),
        (None, &None)
    );
}

#[test]
fn what_was_made_is_remembered_as_it_is_and_asked_for_no_more() {
    let (mut settings, facts) = asked();
    let first = plan(&settings, &facts).unwrap();
    let made = first.after_topics(&[became(ORDERS, 9)]);
    let after = deployed(&made, &facts);
    for create in [Some(true), None, Some(false)] {
        settings.one().create_topic = create.map(chosen);
        let second = plan(&settings, &after).unwrap();
        assert_eq!((second.before_topics(), second.asked()), (None, vec![]));
        let change = Change::between(&after.stack, &render(&second).unwrap()).unwrap();
        assert_eq!(change, Change::None);
        let topic = second.pipelines[0].new_topic.as_ref().unwrap();
        assert_eq!(
            (topic.partitions, topic.replication_factor, topic.exists),
            (9, Some(2), true)
        );
    }
    // A change of something else is made at once, and reads on meanwhile.
    settings.one().batch_size = chosen(10);
    let changed = plan(&settings, &after).unwrap();
    assert!(changed.before_topics().is_none() && changed.pipelines[0].mapping.enabled);
    // One more topic is made without the first being asked for again.
    settings.one().create_topic = Some(chosen(true));
    settings.one().on_poison = chosen(OnPoison::Divert);
    settings.one().dead_letter_topic = Some(chosen("poison".to_owned()));
    let mut after = after;
    *after.topic_named("poison") = without_api();
    let more = plan(&settings, &after).unwrap();
    let asked = more.asked();
    let names = asked[0].topics.topics.iter().map(|topic| topic.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["poison"]);
    let settings = &asked[0].topics.topics[0].configs;
    assert_eq!(settings["max.message.bytes"], "11534336");
    let before = more.before_topics().unwrap();
    let remembered = before.pipelines[0].function_topics.as_ref().unwrap();
    assert!(remembered.made.contains_key(ORDERS) && !remembered.made.contains_key("poison"));
    assert!(!before.pipelines[0].mapping.enabled);
}

#[test]
fn of_several_pipelines_only_those_wait_that_write_to_the_topic() {
    let (mut settings, mut facts) = several();
    old_kafka(&mut facts);
    // Two of them write to the topic, and the second one says that it may be made.
    settings
        .pipelines
        .iter_mut()
        .for_each(|pipeline| pipeline.create_topic = None);
    of(&mut settings, LEGACY).create_topic = Some(chosen(true));
    let first = plan(&settings, &facts).unwrap();
    let asked = first.asked();
    let ids: Vec<&str> = asked.iter().map(|asked| asked.pipeline.as_str()).collect();
    let of_stream = |stream: &str| {
        first
            .pipelines
            .iter()
            .find(|pipeline| pipeline.stream == stream)
            .unwrap()
    };
    assert_eq!(ids, [of_stream(LEGACY).id.as_str()]);
    let before = first.before_topics().unwrap();
    let reads: Vec<(&str, bool)> = before
        .pipelines
        .iter()
        .map(|pipeline| (pipeline.stream.as_str(), pipeline.mapping.enabled))
        .collect();
    for (stream, enabled) in reads {
        let writes = of_stream(stream).topics().any(|(name, _)| name == ORDERS);
        assert_eq!(enabled, !writes, "{stream}");
    }
    assert!(
        of_stream(CLICKS).topics().all(|(name, _)| name != ORDERS),
        "one does not wait"
    );
    // Once it is there the other may change the settings of its own: it stays that one's.
    let after = all_deployed(&first.after_topics(&[became(ORDERS, 3)]), &facts);
    of(&mut settings, STREAM).create_topic = Some(chosen(true));
    let second = plan(&settings, &after).unwrap();
    assert_eq!(second.before_topics(), None);
    let change = Change::between(&after.stack, &render(&second).unwrap()).unwrap();
    assert_eq!(change, Change::None);
}
