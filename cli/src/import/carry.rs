//! All mappings of a project as settings, with notes of all that is not carried over, or not as it was. Pure.

use std::collections::BTreeMap;

use super::found::Mapping;
use super::kafka::{self, Kafka};
use super::notes::Notes;
use super::part::Part;
use super::stack::of_stack;
use super::takeover;
use super::{Carried, From, ImportError, Imported, Pipeline, Project, order};
use crate::settings::TABLE;
use crate::shell::quoted;
use crate::shown::shown;

/// All mappings of a project.
pub(super) fn all(project: &Project, files: &BTreeMap<String, String>) -> Result<Imported, ImportError> {
    let looked: Vec<(&Mapping, Kafka)> = project
        .mappings
        .iter()
        .map(|mapping| (mapping, kafka::look(&project.scope, mapping, &project.path, files)))
        .collect();
    let mut notes = Notes::new(project);
    let speaks =
        |kafka: &Kafka| !(kafka.servers.is_nothing() && kafka.topic.is_nothing() && kafka.cluster.is_nothing());
    let some_speak = looked.iter().any(|(_, kafka)| speaks(kafka));
    let mut streams = BTreeMap::new();
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (mapping, kafka) in &looked {
        // Somebody who named it means it.
        if some_speak && !speaks(kafka) && project.given.mappings.is_empty() {
            let why = "nothing says that its function writes to Kafka, as that of others does: neither its variables nor constants of its code name brokers or a topic; --mapping imports it";
            notes.left(Some(mapping), &mapping.id, why.to_owned(), mapping.line);
            continue;
        }
        let mut part = Part::new(project, mapping, kafka);
        if let Some(stream) = part.stream(&mut notes)? {
            let name = stream.text.rsplit(':').next().unwrap_or_default().to_owned();
            if let Some(first) = streams.insert(stream.text.clone(), mapping.id.clone()) {
                let why = format!(
                    "{first} reads {} already, and a stack has one pipeline for a stream: import it with --mapping {} --stack NAME, into a file of its own",
                    shown(&name),
                    quoted(&mapping.id)
                );
                notes.left(Some(mapping), &mapping.id, why, mapping.line);
                continue;
            }
            part.reads = Some(stream);
        }
        parts.push(part);
    }
    let several = parts.len() > 1;
    if several && project.given.flags.contains_key("topic") {
        return Err(ImportError::TopicOfAll { count: parts.len() });
    }
    let mut pipelines = Vec::new();
    let mut shared = Vec::new();
    for part in &parts {
        let settings = part.carry(&mut notes)?;
        pipelines.push(Pipeline {
            mapping: part.mapping.id.clone(),
            settings,
        });
    }
    shared.extend(of_stack(project, &parts, &mut notes)?);
    for row in TABLE {
        if let Some(value) = project.given.flags.get(row.name)
            && (row.name != "stream")
        {
            shared.retain(|carried: &Carried| carried.setting != row.name);
            shared.push(Carried {
                setting: row.name,
                value: value.clone(),
                from: From::Flag(row.flag()),
            });
        }
    }
    if !notes.missing.is_empty() {
        return Err(ImportError::Unknown { missing: notes.missing });
    }
    if several {
        hoist(&mut pipelines, &mut shared);
    }
    for aside in &project.asides {
        notes.left(None, &aside.id, aside.why.clone(), aside.line);
    }
    for (name, line) in project.scope.unused_parameters() {
        notes.left(
            None,
            &format!("the parameter {}", shown(&name)),
            "nothing in the template asks for it".to_owned(),
            line,
        );
    }
    if let [pipeline] = pipelines.as_mut_slice() {
        shared.append(&mut pipeline.settings);
    }
    shared.sort_by_key(|carried| order(carried.setting));
    for pipeline in &mut pipelines {
        pipeline.settings.sort_by_key(|carried| order(carried.setting));
    }
    let each: Vec<&Carried> = pipelines
        .iter()
        .flat_map(|pipeline| &pipeline.settings)
        .chain(&shared)
        .collect();
    let take_over = takeover::steps(project, &parts, &each);
    Ok(Imported {
        template: project.path.clone(),
        settings: shared,
        pipelines,
        changed: notes.changed,
        not_carried: notes.left,
        unknown: notes.unknown,
        take_over,
    })
}

/// What all pipelines say alike is said once.
fn hoist(pipelines: &mut [Pipeline], shared: &mut Vec<Carried>) {
    let Some((first, others)) = pipelines.split_first() else {
        return;
    };
    let alike: Vec<Carried> = first
        .settings
        .iter()
        .filter(|carried| !matches!(carried.setting, "stream" | "topic"))
        .filter(|carried| {
            others.iter().all(|other| {
                let mut same = other.settings.iter();
                same.any(|one| one.setting == carried.setting && one.value == carried.value)
            })
        })
        .cloned()
        .collect();
    for pipeline in pipelines {
        let said = |carried: &Carried| !alike.iter().any(|one| one.setting == carried.setting);
        pipeline.settings.retain(said);
    }
    shared.extend(alike);
}
