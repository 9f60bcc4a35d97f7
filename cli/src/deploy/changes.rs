//! The changes of a stack, and what goes with it, as they are shown before they are confirmed. Pure.

use std::collections::BTreeMap;

use unicode_width::UnicodeWidthStr as _;

use super::columns::{hung, shortened};
use super::names::Names;
use super::port::{Action, Change, Line, Look, PropertyChange, Resource};

/// What CloudFormation says of a value that it learns only when it is done.
const LATER: &str = "{{changeSet:KNOWN_AFTER_APPLY}}";
/// Most properties of a resource that are shown.
const MOST_PROPERTIES: usize = 12;

/// The changes as lines of at most so many columns: what goes or is replaced is named one by one, first, with what changes of it; what is made is gathered by
/// its pipeline. `resources` is how many the stack has now, where that is known.
pub(super) fn lines(changes: &[Change], names: &Names, resources: Option<usize>, columns: usize) -> Vec<Line> {
    if changes.is_empty() {
        return vec![Line::new(
            Look::Plain,
            "  no resource changes: only outputs, tags or descriptions of the stack",
        )];
    }
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| (change.action, &change.resource_type, &change.logical_id));
    let mut lines = Vec::new();
    let mut made: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
    for change in sorted {
        let (word, look) = match change.action {
            Action::Add => {
                let noun = names.noun(&change.logical_id, &change.resource_type);
                made.entry(names.stream(&change.logical_id)).or_default().push(noun);
                continue;
            }
            Action::Replace => ("± replaced", Look::Bad),
            Action::MayReplace => ("± may be replaced", Look::Bad),
            Action::Remove => ("- removed", Look::Bad),
            Action::Modify => ("~ changed", Look::Plain),
        };
        let name = names.in_full(&change.logical_id, &change.resource_type);
        let mut add = |text: &str, introduction: &str, look| {
            let hung = hung(introduction, text, columns).into_iter();
            lines.extend(hung.map(|line| Line::new(look, line)));
        };
        add(&name, &format!("  {word}: "), look);
        let lost = lost(change);
        if !lost.is_empty() {
            add(lost, "      ! ", look);
        }
        if stays(change) {
            add(
                "the topic that is there stays in the cluster, with its records",
                "      = ",
                Look::Plain,
            );
        }
        for shown in change.properties.iter().take(MOST_PROPERTIES) {
            lines.extend(property(shown, columns));
        }
        let more = change.properties.len().saturating_sub(MOST_PROPERTIES);
        if more > 0 {
            lines.push(Line::new(Look::Plain, format!("      and {more} more properties")));
        }
    }
    for (stream, nouns) in made {
        let of = stream.map(|stream| format!(" for {stream}")).unwrap_or_default();
        let hung = hung(&format!("  + new{of}: "), &gathered(&nouns).join(", "), columns);
        lines.extend(hung.into_iter().map(|line| Line::new(Look::Good, line)));
    }
    let touched = changes.iter().filter(|change| change.action != Action::Add).count();
    let unchanged = resources.map_or(0, |resources| resources.saturating_sub(touched));
    if unchanged > 0 {
        lines.push(Line::new(Look::Faint, format!("  {unchanged} unchanged")));
    }
    lines
}

/// What goes with a stack and what stays, as lines of at most so many columns.
pub(super) fn going(goes: &[&Resource], stays: &[&Resource], names: &Names, columns: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |introduction: &str, text: &str, look| {
        let hung = hung(introduction, text, columns).into_iter();
        lines.extend(hung.map(|line| Line::new(look, line)));
    };
    let mut rest: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
    for resource in goes {
        let (id, kind) = (&resource.logical_id, resource.resource_type.as_str());
        let lost = match kind {
            QUEUE => "with the messages in it, which name what was given up",
            MAPPING => {
                "with its position in the stream; the next deployment begins at its starting position, and TRIM_HORIZON sends again what the stream still holds"
            }
            _ => {
                rest.entry(names.stream(id)).or_default().push(names.noun(id, kind));
                continue;
            }
        };
        add("  - ", &format!("{}: {lost}", names.in_full(id, kind)), Look::Bad);
    }
    for (stream, nouns) in rest {
        let of = stream.map(|stream| format!("for {stream}: ")).unwrap_or_default();
        add(&format!("  - {of}"), &gathered(&nouns).join(", "), Look::Plain);
    }
    if goes
        .iter()
        .any(|resource| resource.resource_type == "AWS::Lambda::Function")
    {
        add(
            "  ",
            "this may take long: Lambda takes up to 40 minutes to give back the network interfaces of a function, and its security group waits for that",
            Look::Faint,
        );
    }
    add(
        "what stays: ",
        "the stream, the cluster with its own rules, and every topic with its records",
        Look::Plain,
    );
    for resource in stays {
        let name = names.in_full(&resource.logical_id, &resource.resource_type);
        add("  = ", &name, Look::Plain);
    }
    lines
}

/// Several alarms as one, each with what it is on.
pub(super) fn gathered(nouns: &[String]) -> Vec<String> {
    const ALARM: &str = "alarm on ";
    let (alarms, mut rest): (Vec<&String>, Vec<&String>) = nouns.iter().partition(|noun| noun.starts_with(ALARM));
    rest.sort_by_key(|noun| noun.to_lowercase());
    let mut all: Vec<String> = rest.into_iter().cloned().collect();
    match alarms.as_slice() {
        [] => {}
        [one] => all.push((*one).clone()),
        several => {
            let on: Vec<&str> = several.iter().filter_map(|noun| noun.strip_prefix(ALARM)).collect();
            all.push(format!("{} alarms (on {})", on.len(), on.join(", ")));
        }
    }
    all
}

/// A property with its value before and after: in a line, where both fit, else one below the other.
fn property(change: &PropertyChange, columns: usize) -> Vec<Line> {
    let shown = |value: &Option<String>| match value.as_deref() {
        None => "(nothing)".to_owned(),
        Some(LATER) => "(known when it is done)".to_owned(),
        // One line, whatever is in it.
        Some(value) => value.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let PropertyChange {
        path,
        before,
        after,
        replaces,
    } = change;
    let look = if *replaces { Look::Bad } else { Look::Plain };
    let why = if *replaces { " (which replaces it)" } else { "" };
    let line = |text: String| Line::new(look, text);
    // Of what only follows from another change neither is told.
    if before.is_none() && after.is_none() {
        return hung("      ", &format!("{path}{why}"), columns)
            .into_iter()
            .map(line)
            .collect();
    }
    let (before, after) = (shown(before), shown(after));
    let whole = format!("      {path}: {before} -> {after}{why}");
    if whole.width() <= columns {
        return vec![line(whole)];
    }
    let room = columns.saturating_sub(13);
    let mut lines: Vec<Line> = hung("      ", &format!("{path}{why}"), columns)
        .into_iter()
        .map(line)
        .collect();
    lines.push(line(format!("        was  {}", shortened(&before, &after, room))));
    lines.push(line(format!("        now  {}", shortened(&after, &before, room))));
    lines
}

/// What is lost with the resource that goes; empty where that is nothing that anybody would miss.
pub(super) fn lost(change: &Change) -> &'static str {
    match (change.action, change.resource_type.as_str()) {
        (Action::Replace | Action::MayReplace, MAPPING) => {
            "with a new one, its position in the stream is lost: it begins at its starting position"
        }
        (Action::Remove, MAPPING) => "its position in the stream is lost",
        (Action::Replace | Action::MayReplace | Action::Remove, QUEUE) => "the messages in it are lost",
        _ => "",
    }
}

/// Whether what CloudFormation takes out of the stack is kept, as the template says of topics.
fn stays(change: &Change) -> bool {
    change.resource_type == TOPIC && matches!(change.action, Action::Replace | Action::MayReplace | Action::Remove)
}

/// What keeps the records.
const TOPIC: &str = "AWS::MSK::Topic";
/// What keeps the messages of the stack's own failure destination.
pub(super) const QUEUE: &str = "AWS::SQS::Queue";
/// What keeps the position in the stream.
pub(super) const MAPPING: &str = "AWS::Lambda::EventSourceMapping";

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::deploy::port::Context;

    #[test]
    fn changes_are_shown_property_by_property() {
        let property = |path: &str, before: Option<&str>, after: Option<&str>, replaces| PropertyChange {
            path: path.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            replaces,
        };
        let change = |action, logical_id: &str, kind: &str, properties: Vec<PropertyChange>| Change {
            action,
            logical_id: logical_id.to_owned(),
            resource_type: kind.to_owned(),
            properties,
            context: Context::default(),
        };
        let changes = [
            change(
                Action::Modify,
                "OrdersMapping",
                MAPPING,
                vec![
                    property("BatchSize", Some("100"), Some("500"), false),
                    property("FilterCriteria", None, Some(&"x".repeat(80)), false),
                    property("Tags", None, None, false),
                ],
            ),
            change(
                Action::Replace,
                "ClicksMapping",
                MAPPING,
                vec![
                    property("EventSourceArn", Some("arn:old"), Some("arn:new"), true),
                    property("FunctionName", Some("f"), Some(LATER), false),
                ],
            ),
            change(Action::Remove, "Queue", QUEUE, vec![]),
            change(Action::Remove, "ClicksTopic", TOPIC, vec![]),
            change(
                Action::MayReplace,
                "OrdersTopic",
                TOPIC,
                vec![property("TopicName", Some("orders"), Some("orders2"), true)],
            ),
            change(Action::Add, "Group", "AWS::EC2::SecurityGroup", vec![]),
            change(Action::Add, "OrdersLogGroup", "AWS::Logs::LogGroup", vec![]),
            change(Action::Add, "OrdersAlarmErrors", "AWS::CloudWatch::Alarm", vec![]),
            change(Action::Add, "OrdersAlarmIteratorAge", "AWS::CloudWatch::Alarm", vec![]),
            change(
                Action::Modify,
                "OrdersRole",
                "AWS::IAM::Role",
                (0..14)
                    .map(|number| {
                        let topic = |name: &str| format!("arn:aws:kafka:eu-west-1:123456789012:topic/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3/{name}");
                        let path = format!("Policies.pipeline.PolicyDocument.Statement.Topic{number}.Resource");
                        property(&path, Some(&topic("orders")), Some(&topic("page-views")), false)
                    })
                    .collect(),
            ),
        ];
        let names = Names::of_template(
            "Outputs:\n  OrdersStream: {Value: 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders'}\n",
        );
        let mut text = String::new();
        for columns in [79, 159] {
            for line in lines(&changes, &names, Some(44), columns) {
                assert!(line.text.width() <= columns, "{}", line.text);
                writeln!(text, "{:5}|{}", format!("{:?}", line.look), line.text).unwrap();
            }
        }
        insta::assert_snapshot!(text);
        let nothing_unchanged = lines(&changes[..1], &names, Some(1), 79);
        assert!(
            nothing_unchanged.iter().all(|line| line.look != Look::Faint),
            "{nothing_unchanged:?}"
        );
        assert_eq!(lines(&[], &names, Some(3), 79).len(), 1);
    }
}
