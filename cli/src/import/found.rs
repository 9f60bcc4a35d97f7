//! The event source mappings of a template that read Kinesis, each with its function, whatever style they are written in. Pure.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::document::{Content, Node};
use super::resolve::{Gap, Scope};
use crate::shown::shown;

/// A mapping as the template has it.
#[derive(Debug, Clone)]
pub(super) struct Mapping {
    /// Its logical id, or function and event of SAM: `Function.Event`.
    pub(super) id: String,
    /// Where it begins.
    pub(super) line: usize,
    /// What it reads.
    pub(super) source: Rc<Node>,
    /// Its other properties, by the names that CloudFormation and SAM have in common.
    pub(super) properties: Rc<Node>,
    /// Its function; none where that is not of the template.
    pub(super) function: Option<Function>,
    /// Why nobody can tell whether it is there.
    pub(super) open: Option<Gap>,
}

/// A function as the template has it, with what holds for all functions.
#[derive(Debug, Clone)]
pub(super) struct Function {
    /// Its logical id.
    pub(super) id: String,
    /// Where it begins.
    pub(super) line: usize,
    /// Its properties.
    pub(super) properties: Rc<Node>,
    /// Whether it is SAM's.
    pub(super) serverless: bool,
    /// Its events that read no stream of Kinesis: name and type, with their lines.
    pub(super) other_events: Vec<(String, String, usize)>,
}

/// What is there besides, and can't be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aside {
    /// Its name.
    pub(super) id: String,
    /// Its line.
    pub(super) line: usize,
    /// Why it is left.
    pub(super) why: String,
}

/// Finds them, in the order of the template.
pub(super) fn find(scope: &Scope) -> (Vec<Mapping>, Vec<Aside>) {
    let mut mappings = Vec::new();
    let mut asides = macros(scope);
    for (id, resource) in scope.section("Resources") {
        let line = resource.line;
        let aside = |why: &str| Aside {
            id: id.clone(),
            line,
            why: why.to_owned(),
        };
        if id.starts_with("Fn::ForEach") {
            asides.push(aside("a loop (Fn::ForEach) is not followed: write out its resources"));
            continue;
        }
        if id == "Fn::Transform" {
            asides.push(aside(OF_MACROS));
            continue;
        }
        let kind = resource.get("Type").and_then(|kind| kind.as_text()).unwrap_or_default();
        let open = match there(scope, resource) {
            Ok(true) => None,
            Ok(false) => {
                if matches!(kind, "AWS::Lambda::EventSourceMapping" | "AWS::Serverless::Function") {
                    asides.push(aside("its condition does not hold"));
                }
                continue;
            }
            Err(gap) => Some(gap),
        };
        match kind {
            "AWS::Serverless::Function" => {
                let function = serverless(scope, id, resource);
                let events = function.properties.get("Events").cloned();
                for (name, event) in events.iter().flat_map(|events| events.entries()) {
                    if event.get("Type").and_then(|kind| kind.as_text()) != Some("Kinesis") {
                        continue;
                    }
                    let empty = Node::map(event.line, Vec::new());
                    let properties = event.get("Properties").unwrap_or(&empty);
                    let source = properties.get("Stream").unwrap_or(&empty);
                    mappings.push(Mapping {
                        id: format!("{id}.{name}"),
                        line: event.line,
                        source: Rc::clone(source),
                        properties: Rc::clone(properties),
                        function: Some(function.clone()),
                        open: open.clone(),
                    });
                }
            }
            "AWS::Lambda::EventSourceMapping" => {
                let empty = Node::map(line, Vec::new());
                let properties = resource.get("Properties").unwrap_or(&empty);
                let source = properties.get("EventSourceArn").unwrap_or(&empty);
                if reads_kinesis(scope, properties, source) {
                    mappings.push(Mapping {
                        id: id.clone(),
                        line,
                        source: Rc::clone(source),
                        properties: Rc::clone(properties),
                        function: properties.get("FunctionName").and_then(|name| named(scope, name)),
                        open,
                    });
                }
            }
            "AWS::CloudFormation::Stack" | "AWS::Serverless::Application" => {
                asides.push(aside("a nested stack is not followed: import its own template"));
            }
            _ => {}
        }
    }
    (mappings, asides)
}

/// Why what a macro makes is left.
const OF_MACROS: &str = "what it makes of the template only CloudFormation knows: deploy it, and import what `aws cloudformation get-template --template-stage Processed` prints";

/// Macros that the whole template goes through.
fn macros(scope: &Scope) -> Vec<Aside> {
    // These make nothing of a mapping but what is known here.
    const KNOWN: [&str; 2] = ["AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"];
    let Some(transform) = scope.root().get("Transform") else {
        return Vec::new();
    };
    let each = if transform.items().is_empty() {
        std::slice::from_ref(transform)
    } else {
        transform.items()
    };
    let unknown = each.iter().filter_map(|node| {
        let name = node.as_text().or_else(|| node.get("Name")?.as_text())?;
        (!name.is_empty() && !KNOWN.contains(&name)).then(|| Aside {
            id: format!("the macro {}", shown(name)),
            line: node.line,
            why: OF_MACROS.to_owned(),
        })
    });
    unknown.collect()
}

/// Whether a resource is made.
fn there(scope: &Scope, resource: &Node) -> Result<bool, Gap> {
    let condition = resource.get("Condition");
    match condition.and_then(|condition| condition.as_text()) {
        Some(condition) => scope.named_condition(resource.line, condition),
        None => Ok(true),
    }
}

fn serverless(scope: &Scope, id: &str, resource: &Node) -> Function {
    let own = resource.get("Properties").cloned();
    let own = own.unwrap_or_else(|| Node::map(resource.line, Vec::new()));
    let global = scope.root().get("Globals").and_then(|globals| globals.get("Function"));
    let properties = global.map_or_else(|| Rc::clone(&own), |global| merged(global, &own));
    let events = own.get("Events").map_or(&[][..], |events| events.entries());
    let other_events = events.iter().filter_map(|(name, event)| {
        let kind = event.get("Type").and_then(|kind| kind.as_text()).unwrap_or("no type");
        (kind != "Kinesis").then(|| (name.clone(), kind.to_owned(), event.line))
    });
    Function {
        id: id.to_owned(),
        line: resource.line,
        other_events: other_events.collect(),
        properties,
        serverless: true,
    }
}

/// SAM's rules: mappings are merged, lists are put together, of all else the function's own counts.
fn merged(global: &Rc<Node>, own: &Rc<Node>) -> Rc<Node> {
    if global.call().is_some() || own.call().is_some() {
        return Rc::clone(own);
    }
    match (&global.content, &own.content) {
        (Content::Map(all), Content::Map(mine)) => {
            let general: HashMap<&str, &Rc<Node>> = all.iter().map(|(name, value)| (name.as_str(), value)).collect();
            let known: HashSet<&str> = mine.iter().map(|(name, _)| name.as_str()).collect();
            let mut entries: Vec<(String, Rc<Node>)> = mine
                .iter()
                .map(|(name, value)| {
                    let general = general.get(name.as_str());
                    (
                        name.clone(),
                        general.map_or_else(|| Rc::clone(value), |general| merged(general, value)),
                    )
                })
                .collect();
            entries.extend(all.iter().filter(|(name, _)| !known.contains(name.as_str())).cloned());
            Node::map(own.line, entries)
        }
        (Content::List(all), Content::List(mine)) => Node::list(own.line, all.iter().chain(mine).cloned().collect()),
        _ => Rc::clone(own),
    }
}

/// The function of the template that a mapping names: by itself, or by one of its aliases or versions.
fn named(scope: &Scope, name: &Rc<Node>) -> Option<Function> {
    let mut open: Vec<Rc<Node>> = vec![Rc::clone(name)];
    let mut seen = BTreeSet::new();
    while let Some(node) = open.pop() {
        // A function's own name, or its ARN.
        let text = scope.text(&node).ok().flatten();
        let by_name = text.iter().flat_map(|text| {
            let all = scope.section("Resources").iter();
            all.filter_map(move |(id, resource)| {
                let own = resource.get("Properties")?.get("FunctionName")?.as_text()?;
                (text == own || text.ends_with(&format!(":function:{own}"))).then(|| id.clone())
            })
        });
        let by_name: Vec<String> = by_name.collect();
        for id in scope.names(&node).into_iter().chain(by_name) {
            if !seen.insert(id.clone()) {
                continue;
            }
            let Some(resource) = scope.resource(&id) else { continue };
            let properties = resource.get("Properties");
            match scope.kind(&id) {
                Some("AWS::Serverless::Function") => return Some(serverless(scope, &id, resource)),
                Some("AWS::Lambda::Function") => {
                    return Some(Function {
                        line: resource.line,
                        properties: properties
                            .cloned()
                            .unwrap_or_else(|| Node::map(resource.line, Vec::new())),
                        serverless: false,
                        other_events: others(scope, &id),
                        id,
                    });
                }
                Some("AWS::Lambda::Alias" | "AWS::Lambda::Version") => {
                    open.extend(
                        properties
                            .and_then(|properties| properties.get("FunctionName"))
                            .cloned(),
                    );
                }
                _ => {}
            }
        }
    }
    None
}

/// Mappings of a function that read something else.
fn others(scope: &Scope, function: &str) -> Vec<(String, String, usize)> {
    let all = scope.section("Resources").iter();
    all.filter(|(id, _)| scope.kind(id) == Some("AWS::Lambda::EventSourceMapping"))
        .filter_map(|(id, resource)| {
            let properties = resource.get("Properties")?;
            let name = properties.get("FunctionName")?;
            let source = properties.get("EventSourceArn");
            let kinesis = source.is_some_and(|source| reads_kinesis(scope, properties, source));
            let ours = scope.names(name).iter().any(|named| named == function);
            (ours && !kinesis).then(|| (id.clone(), "another event source".to_owned(), resource.line))
        })
        .collect()
}

/// Whether a source is a stream of Kinesis, or where it isn't known, could be one.
fn reads_kinesis(scope: &Scope, properties: &Node, source: &Rc<Node>) -> bool {
    if let Ok(Some(text)) = scope.text(source) {
        return text.contains(":kinesis:");
    }
    let kinds: Vec<String> = scope
        .names(source)
        .iter()
        .filter_map(|id| scope.kind(id).map(str::to_owned))
        .collect();
    if kinds.iter().any(|kind| kind.starts_with("AWS::Kinesis::")) {
        return true;
    }
    let of_others = [
        "Queues",
        "Topics",
        "SelfManagedEventSource",
        "AmazonManagedKafkaEventSourceConfig",
    ];
    // A source that nothing is known of: of those that begin at a position, DynamoDB's streams and MSK's topics are named in the template as a rule.
    kinds.is_empty()
        && properties.get("StartingPosition").is_some()
        && of_others.iter().all(|name| properties.get(name).is_none())
        && source.get("Fn::GetAtt").is_none()
        && !source.entries().is_empty()
}
