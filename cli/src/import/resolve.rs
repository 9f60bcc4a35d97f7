//! CloudFormation's functions, as far as a template and the values of its parameters tell what they come to. Pure.
//!
//! What they don't tell is a [`Gap`]: what is missing, in which line, and what to give. Nothing is guessed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::document::{Content, Node};
use crate::shown::shown;

/// Steps that are taken at most for one question: more than any template of people's needs.
const MOST_STEPS: usize = 20_000;
/// How deep a step may be within others, conditions that ask conditions among them.
const MOST_DEPTH: usize = 150;
/// No text that a setting has is longer, nor a list of them altogether.
const LONGEST: usize = 64 << 10;
/// So many bytes of a text are a step: it is copied for it.
const STEP_BYTES: usize = 64;

/// Why a value is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    /// The line, from 1.
    pub(super) line: usize,
    /// What is missing, as part of a sentence.
    pub(super) what: String,
    /// The name that `--parameter NAME=VALUE` takes for it, where a value helps.
    pub(super) give: Option<String>,
}

/// What a template's functions are answered from.
#[derive(Debug)]
pub(super) struct Scope {
    root: Rc<Node>,
    /// What the command line says, by name: a parameter, a pseudo parameter, `Resource`, `Resource.Attribute`, an export, a dynamic reference.
    given: BTreeMap<String, String>,
    /// What samconfig.toml says of parameters.
    overrides: BTreeMap<String, String>,
    /// Such as `AWS::Region`, as far as it is known.
    pseudo: BTreeMap<&'static str, String>,
    steps: Cell<usize>,
    depth: Cell<usize>,
    used: RefCell<BTreeSet<String>>,
    /// By part of the template and name: which entries ask for it.
    asking: RefCell<BTreeMap<&'static str, BTreeMap<String, BTreeSet<usize>>>>,
}

/// A value, or nothing where CloudFormation takes the property away.
type Reduced = Result<Option<Rc<Node>>, Gap>;

impl Scope {
    /// A template with what is known beside it.
    pub(super) fn new(
        root: Rc<Node>,
        given: BTreeMap<String, String>,
        overrides: BTreeMap<String, String>,
        region: Option<&str>,
        stack: Option<&str>,
    ) -> Self {
        let mut pseudo = BTreeMap::new();
        let region = given.get("AWS::Region").map(String::as_str).or(region);
        if let Some(region) = region {
            let (partition, suffix) = match region {
                _ if region.starts_with("cn-") => ("aws-cn", "amazonaws.com.cn"),
                _ if region.starts_with("us-gov-") => ("aws-us-gov", "amazonaws.com"),
                _ => ("aws", "amazonaws.com"),
            };
            pseudo.insert("AWS::Region", region.to_owned());
            pseudo.insert("AWS::Partition", partition.to_owned());
            pseudo.insert("AWS::URLSuffix", suffix.to_owned());
        }
        if let Some(stack) = stack {
            pseudo.insert("AWS::StackName", stack.to_owned());
        }
        Self {
            root,
            given,
            overrides,
            pseudo,
            steps: Cell::new(0),
            depth: Cell::new(0),
            used: RefCell::default(),
            asking: RefCell::default(),
        }
    }

    /// The template.
    pub(super) fn root(&self) -> &Rc<Node> {
        &self.root
    }

    /// A part of the template by its name, such as `Resources`.
    pub(super) fn section(&self, name: &str) -> &[(String, Rc<Node>)] {
        self.root.get(name).map_or(&[], |section| section.entries())
    }

    /// A resource by its logical id.
    pub(super) fn resource(&self, id: &str) -> Option<&Rc<Node>> {
        self.root.get("Resources")?.get(id)
    }

    /// The type of a resource, such as `AWS::Kinesis::Stream`.
    pub(super) fn kind(&self, id: &str) -> Option<&str> {
        self.resource(id)?.get("Type")?.as_text()
    }

    /// Parameters that nothing in the template asks for, with their lines.
    pub(super) fn unused_parameters(&self) -> Vec<(String, usize)> {
        let mut asked = BTreeSet::new();
        for (name, section) in self.root.entries() {
            if name != "Parameters" && name != "Metadata" {
                references(section, &mut asked);
            }
        }
        self.section("Parameters")
            .iter()
            .filter(|(name, _)| !asked.contains(name))
            .map(|(name, node)| (name.clone(), node.line))
            .collect()
    }

    /// Names that the command line says and nothing in the template asks for.
    pub(super) fn useless(&self) -> Vec<&str> {
        let used = self.used.borrow();
        let parameters = self.root.get("Parameters");
        let unknown = self.given.keys().filter(|name| {
            !used.contains(*name) && parameters.is_none_or(|all| all.get(name).is_none()) && !name.starts_with("AWS::")
        });
        unknown.map(String::as_str).collect()
    }

    /// All names that could be given a value for.
    pub(super) fn parameters(&self) -> Vec<&str> {
        self.section("Parameters")
            .iter()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Resources that a value names, by logical id.
    pub(super) fn names(&self, node: &Node) -> Vec<String> {
        let mut asked = BTreeSet::new();
        references(node, &mut asked);
        asked.into_iter().filter(|id| self.resource(id).is_some()).collect()
    }

    /// Places of the entries of a part of the template that ask for this name. All of it is read once, however many functions are asked about.
    pub(super) fn asking(&self, section: &'static str, name: &str) -> BTreeSet<usize> {
        let mut index = self.asking.borrow_mut();
        let of_section = index.entry(section).or_insert_with(|| {
            let mut all: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
            for (place, (_, node)) in self.section(section).iter().enumerate() {
                let mut asked = BTreeSet::new();
                references(node, &mut asked);
                for name in asked {
                    all.entry(name).or_default().insert(place);
                }
            }
            all
        });
        of_section.get(name).cloned().unwrap_or_default()
    }

    /// What a value comes to at its top; what is within stays as it is.
    pub(super) fn reduce(&self, node: &Rc<Node>) -> Reduced {
        if self.depth.get() == 0 {
            self.steps.set(0);
        }
        if self.depth.get() >= MOST_DEPTH || !self.take(1) {
            return Err(gap(node.line, "functions within functions that have no end"));
        }
        self.depth.set(self.depth.get() + 1);
        let reduced = self.step(node);
        self.depth.set(self.depth.get() - 1);
        reduced
    }

    /// Takes steps, where that many are left.
    fn take(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_add(steps));
        self.steps.get() <= MOST_STEPS
    }

    /// The same, for so many parts of a text or a list.
    fn spend(&self, line: usize, parts: usize) -> Result<(), Gap> {
        if self.take(parts) { Ok(()) } else { Err(long(line)) }
    }

    /// A text; nothing where CloudFormation takes the property away.
    pub(super) fn text(&self, node: &Rc<Node>) -> Result<Option<String>, Gap> {
        let Some(reduced) = self.reduce(node)? else {
            return Ok(None);
        };
        match reduced.as_text() {
            Some(text) => {
                self.spend(node.line, text.len() / STEP_BYTES)?;
                Ok(Some(text.to_owned()))
            }
            None => Err(gap(node.line, "a list or a mapping where a single value has to be")),
        }
    }

    /// A list of texts; one text is a list of one.
    pub(super) fn texts(&self, node: &Rc<Node>) -> Result<Vec<String>, Gap> {
        let Some(reduced) = self.reduce(node)? else {
            return Ok(Vec::new());
        };
        match &reduced.content {
            Content::Scalar(text) => Ok(vec![text.clone()]),
            Content::List(items) => {
                let mut all = Vec::new();
                let mut bytes = 0;
                for text in items.iter().map(|item| self.text(item)) {
                    let Some(text) = text? else { continue };
                    bytes += text.len();
                    fits(node.line, bytes)?;
                    all.push(text);
                }
                Ok(all)
            }
            Content::Map(_) => Err(gap(node.line, "a mapping where a list has to be")),
        }
    }

    /// A property within a value, at the end of a path; nothing where it is not there.
    pub(super) fn within(&self, node: &Rc<Node>, path: &[&str]) -> Reduced {
        let mut here = self.reduce(node)?;
        for name in path {
            let Some(next) = here.as_ref().and_then(|here| here.get(name)) else {
                return Ok(None);
            };
            here = self.reduce(next)?;
        }
        Ok(here)
    }

    fn step(&self, node: &Rc<Node>) -> Reduced {
        let line = node.line;
        let Some((function, argument)) = node.call() else {
            return match node.as_text() {
                Some(text) if text.contains("{{resolve:") => self.dynamic(line, text),
                _ => Ok(Some(Rc::clone(node))),
            };
        };
        match function {
            "Ref" => {
                let name = self.need(argument)?;
                self.reference(line, &name)
            }
            "Fn::GetAtt" => {
                let (id, attribute) = if let Content::Scalar(text) = &argument.content {
                    let (id, attribute) = text.split_once('.').unwrap_or((text, ""));
                    (id.to_owned(), attribute.to_owned())
                } else {
                    let [id, attribute] = argument.items() else {
                        return Err(misused(line, function));
                    };
                    (self.need(id)?, self.need(attribute)?)
                };
                self.attribute(line, &id, &attribute).map(some(line))
            }
            "Fn::Sub" => self.sub(line, argument).map(some(line)),
            "Fn::Join" => {
                let [separator, list] = argument.items() else {
                    return Err(misused(line, function));
                };
                let separator = self.need(separator)?;
                let texts = self.texts(list)?;
                let bytes = texts.iter().map(String::len).sum::<usize>();
                fits(line, bytes + separator.len() * texts.len().saturating_sub(1))?;
                Ok(Some(Node::text(line, texts.join(&separator))))
            }
            "Fn::Select" => {
                let [index, list] = argument.items() else {
                    return Err(misused(line, function));
                };
                let index: usize = self.need(index)?.parse().map_err(|_| misused(line, function))?;
                let list = self.reduce(list)?.ok_or_else(|| misused(line, function))?;
                let item = list.items().get(index);
                self.reduce(item.ok_or_else(|| gap(line, "an item that the list of Fn::Select has not"))?)
            }
            "Fn::Split" => {
                let [separator, text] = argument.items() else {
                    return Err(misused(line, function));
                };
                let (separator, text) = (self.need(separator)?, self.need(text)?);
                if separator.is_empty() {
                    return Err(misused(line, function));
                }
                self.spend(line, text.matches(separator.as_str()).count())?;
                let items = text.split(separator.as_str()).map(|item| Node::text(line, item));
                Ok(Some(Node::list(line, items.collect())))
            }
            "Fn::If" => {
                let [condition, yes, no] = argument.items() else {
                    return Err(misused(line, function));
                };
                let condition = self.need(condition)?;
                self.reduce(if self.named_condition(line, &condition)? {
                    yes
                } else {
                    no
                })
            }
            "Fn::FindInMap" => self.find_in_map(line, argument),
            "Fn::ImportValue" => {
                let name = self.need(argument)?;
                self.told(&name)
                    .map(|told| Some(Node::text(line, told)))
                    .ok_or_else(|| Gap {
                        line,
                        what: format!("`{}` is another stack's output (Fn::ImportValue)", shown(&name)),
                        give: Some(name),
                    })
            }
            "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" | "Condition" => {
                let held = self.condition(node)?;
                Ok(Some(Node::text(line, if held { "true" } else { "false" })))
            }
            other => Err(gap(
                line,
                &format!("what {} comes to only CloudFormation knows", shown(other)),
            )),
        }
    }

    /// A single value that has to be there.
    fn need(&self, node: &Rc<Node>) -> Result<String, Gap> {
        self.text(node)?
            .ok_or_else(|| gap(node.line, "nothing (AWS::NoValue) where a value has to be"))
    }

    fn told(&self, name: &str) -> Option<&str> {
        let told = self.given.get(name).map(String::as_str);
        if told.is_some() {
            self.used.borrow_mut().insert(name.to_owned());
        }
        told
    }

    fn dynamic(&self, line: usize, text: &str) -> Reduced {
        let mut rest = text;
        let mut all = String::new();
        while let Some((before, after)) = rest.split_once("{{resolve:") {
            let Some((inner, behind)) = after.split_once("}}") else {
                break;
            };
            let whole = format!("{{{{resolve:{inner}}}}}");
            let value = self.told(&whole).ok_or_else(|| Gap {
                line,
                what: format!("`{}` is looked up when it is deployed", shown(&whole)),
                // A secret has no place on a command line.
                give: inner.starts_with("ssm:").then_some(whole),
            })?;
            all.extend([before, value]);
            fits(line, all.len())?;
            rest = behind;
        }
        all += rest;
        fits(line, all.len())?;
        Ok(Some(Node::text(line, all)))
    }

    fn reference(&self, line: usize, name: &str) -> Reduced {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(parameter) = self.root.get("Parameters").and_then(|all| all.get(name)) {
            return self.parameter(line, name, parameter).map(Some);
        }
        if name.starts_with("AWS::") {
            return self.pseudo(line, name).map(some(line));
        }
        self.attribute(line, name, "").map(some(line))
    }

    fn parameter(&self, line: usize, name: &str, declared: &Node) -> Result<Rc<Node>, Gap> {
        let kind = declared.get("Type").and_then(|kind| kind.as_text()).unwrap_or_default();
        let said = |part: &str| {
            let text = declared.get(part).and_then(|node| node.as_text());
            text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
        };
        let why = |what: String, give: bool| Gap {
            line,
            what,
            give: give.then(|| name.to_owned()),
        };
        let name_shown = shown(name);
        let value = if said("NoEcho") {
            return Err(why(
                format!("the parameter {name_shown} is NoEcho, and k2m takes no secret over"),
                false,
            ));
        } else if let Some(told) = self.told(name) {
            told
        } else if kind.starts_with("AWS::SSM::Parameter::Value<") {
            return Err(why(
                format!("the parameter {name_shown} is looked up in Systems Manager when it is deployed"),
                true,
            ));
        } else if let Some(text) = self.overrides.get(name) {
            text
        } else if let Some(default) = declared.get("Default") {
            match &default.content {
                Content::Scalar(text) => text,
                _ => {
                    return Err(why(
                        format!("the default of the parameter {name_shown} is no single value"),
                        true,
                    ));
                }
            }
        } else {
            return Err(why(format!("the parameter {name_shown} has no value"), true));
        };
        // Whoever asks copies it, and many may ask.
        if value.len() > LONGEST {
            let reason = format!("the parameter {name_shown} is a text that is longer than any setting");
            return Err(why(reason, true));
        }
        if kind.contains("List") {
            self.spend(line, value.matches(',').count())?;
            let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
            return Ok(Node::list(line, items.map(|item| Node::text(line, item)).collect()));
        }
        Ok(Node::text(line, value))
    }

    fn pseudo(&self, line: usize, name: &str) -> Result<String, Gap> {
        if let Some(told) = self.told(name) {
            return Ok(told.to_owned());
        }
        if let Some(value) = self.pseudo.get(name) {
            return Ok(value.clone());
        }
        // These follow from the region.
        let name = match name {
            "AWS::Partition" | "AWS::URLSuffix" => "AWS::Region",
            other => other,
        };
        Err(Gap {
            line,
            what: format!("{} is known only when it is deployed", shown(name)),
            give: Some(name.to_owned()),
        })
    }

    /// An attribute of a resource; without one, what Ref says of it.
    fn attribute(&self, line: usize, id: &str, attribute: &str) -> Result<String, Gap> {
        let name = if attribute.is_empty() {
            id.to_owned()
        } else {
            format!("{id}.{attribute}")
        };
        if let Some(told) = self.told(&name) {
            return Ok(told.to_owned());
        }
        let unknown = |what: String| Gap {
            line,
            what,
            give: Some(name.clone()),
        };
        let Some(kind) = self.kind(id) else {
            return Err(unknown(format!("there is no parameter and no resource {}", shown(id))));
        };
        let property = |named: &str| -> Result<String, Gap> {
            let node = self
                .resource(id)
                .and_then(|resource| resource.get("Properties")?.get(named));
            let text = node.map(|node| self.text(node)).transpose()?.flatten();
            text.ok_or_else(|| {
                unknown(format!(
                    "the resource {} has no {named} in the template: CloudFormation names it",
                    shown(id)
                ))
            })
        };
        let arn = |service: &str, rest: String| -> Result<String, Gap> {
            let [partition, region, account] =
                ["AWS::Partition", "AWS::Region", "AWS::AccountId"].map(|part| self.pseudo(line, part));
            Ok(format!("arn:{}:{service}:{}:{}:{rest}", partition?, region?, account?))
        };
        match (kind, attribute) {
            ("AWS::Kinesis::Stream", "") => property("Name"),
            ("AWS::Kinesis::Stream", "Arn") => arn("kinesis", format!("stream/{}", property("Name")?)),
            ("AWS::SNS::Topic", "" | "TopicArn" | "Arn") => arn("sns", property("TopicName")?),
            ("AWS::SNS::Topic", "TopicName") => property("TopicName"),
            ("AWS::SQS::Queue", "Arn") => arn("sqs", property("QueueName")?),
            ("AWS::SQS::Queue", "QueueName") => property("QueueName"),
            ("AWS::S3::Bucket", "") => property("BucketName"),
            ("AWS::S3::Bucket", "Arn") => Ok(format!(
                "arn:{}:s3:::{}",
                self.pseudo(line, "AWS::Partition")?,
                property("BucketName")?
            )),
            ("AWS::Lambda::Function" | "AWS::Serverless::Function", "") => property("FunctionName"),
            ("AWS::Logs::LogGroup", "") => property("LogGroupName"),
            ("AWS::SSM::Parameter", "Value") => property("Value"),
            _ => Err(unknown(format!(
                "what {} is only CloudFormation knows: a resource of the template ({})",
                shown(&name),
                shown(kind)
            ))),
        }
    }

    fn sub(&self, line: usize, argument: &Rc<Node>) -> Result<String, Gap> {
        let (text, map) = match argument.items() {
            [text, map] => (text, Some(map)),
            _ => (argument, None),
        };
        let Some(text) = text.as_text() else {
            return Err(misused(line, "Fn::Sub"));
        };
        let mut rest = text;
        let mut all = String::new();
        while let Some((before, after)) = rest.split_once("${") {
            self.spend(line, 1)?;
            all += before;
            let Some((name, behind)) = after.split_once('}') else {
                all += "${";
                rest = after;
                continue;
            };
            let name = name.trim();
            if let Some(literal) = name.strip_prefix('!') {
                all.extend(["${", literal, "}"]);
            } else if let Some(own) = map.and_then(|map| map.get(name)) {
                all += &self.need(own)?;
            } else if let Some((id, attribute)) = name.split_once('.') {
                all += &self.attribute(line, id, attribute)?;
            } else {
                let value = self.reference(line, name)?;
                let value = value.ok_or_else(|| gap(line, "nothing (AWS::NoValue) where a value has to be"))?;
                all += &self.need(&value)?;
            }
            rest = behind;
            fits(line, all.len())?;
        }
        all += rest;
        if all.contains("{{resolve:") {
            let looked = self.dynamic(line, &all)?;
            all = looked
                .and_then(|node| node.as_text().map(str::to_owned))
                .unwrap_or_default();
        }
        fits(line, all.len())?;
        Ok(all)
    }

    fn find_in_map(&self, line: usize, argument: &Rc<Node>) -> Reduced {
        let [map, first, second, more @ ..] = argument.items() else {
            return Err(misused(line, "Fn::FindInMap"));
        };
        let names = [self.need(map)?, self.need(first)?, self.need(second)?];
        let [map, first, second] = &names;
        let found = self
            .root
            .get("Mappings")
            .and_then(|all| all.get(map)?.get(first)?.get(second));
        let default = more.first().and_then(|more| more.get("DefaultValue"));
        match found.or(default) {
            Some(found) => self.reduce(found),
            None => Err(gap(
                line,
                &format!(
                    "the mapping {} has nothing for {} and {}",
                    shown(map),
                    shown(first),
                    shown(second)
                ),
            )),
        }
    }

    /// Whether a condition of the template holds.
    pub(super) fn named_condition(&self, line: usize, name: &str) -> Result<bool, Gap> {
        let Some(condition) = self.root.get("Conditions").and_then(|all| all.get(name)) else {
            return Err(gap(line, &format!("there is no condition {}", shown(name))));
        };
        self.condition(condition).map_err(|inner| Gap {
            line,
            what: format!("the condition {} is open: {}", shown(name), inner.what),
            give: inner.give,
        })
    }

    fn condition(&self, node: &Rc<Node>) -> Result<bool, Gap> {
        let line = node.line;
        let Some((function, argument)) = node.call() else {
            return Err(gap(line, "no condition where one has to be"));
        };
        if self.depth.get() == 0 {
            self.steps.set(0);
        }
        if self.depth.get() >= MOST_DEPTH || !self.take(1) {
            return Err(gap(line, "conditions within conditions that have no end"));
        }
        self.depth.set(self.depth.get() + 1);
        let held = match (function, argument.items()) {
            ("Condition", _) => self.need(argument).and_then(|name| self.named_condition(line, &name)),
            ("Fn::Equals", [one, other]) => (|| Ok(self.need(one)? == self.need(other)?))(),
            ("Fn::Not", [one]) => self.condition(one).map(|held| !held),
            ("Fn::And", all) => self.all(all, false).map(|found| !found),
            ("Fn::Or", all) => self.all(all, true),
            _ => Err(misused(line, function)),
        };
        self.depth.set(self.depth.get() - 1);
        held
    }

    /// Whether one of these is so: which decides, whatever is open of the others.
    fn all(&self, conditions: &[Rc<Node>], wanted: bool) -> Result<bool, Gap> {
        let mut open = None;
        for condition in conditions {
            match self.condition(condition) {
                Ok(held) if held == wanted => return Ok(true),
                Ok(_) => {}
                Err(gap) => open = Some(gap),
            }
        }
        open.map_or(Ok(false), Err)
    }
}

fn gap(line: usize, what: &str) -> Gap {
    Gap {
        line,
        what: what.to_owned(),
        give: None,
    }
}

fn misused(line: usize, function: &str) -> Gap {
    gap(
        line,
        &format!("{} is not called as CloudFormation has it", shown(function)),
    )
}

fn some(line: usize) -> impl Fn(String) -> Option<Rc<Node>> {
    move |text| Some(Node::text(line, text))
}

fn long(line: usize) -> Gap {
    gap(line, "a text that is longer than any setting")
}

/// Refuses more bytes than a setting has.
fn fits(line: usize, bytes: usize) -> Result<(), Gap> {
    if bytes > LONGEST { Err(long(line)) } else { Ok(()) }
}

/// Names that the functions within a value ask for: parameters, resources, conditions.
fn references(node: &Node, found: &mut BTreeSet<String>) {
    match &node.content {
        Content::Scalar(_) => {}
        Content::List(items) => items.iter().for_each(|item| references(item, found)),
        Content::Map(entries) => {
            for (name, value) in entries {
                match (name.as_str(), &value.content) {
                    ("Ref" | "Condition", Content::Scalar(text)) => {
                        found.insert(text.clone());
                    }
                    ("Fn::GetAtt", Content::Scalar(text)) => {
                        found.insert(text.split('.').next().unwrap_or_default().to_owned());
                    }
                    ("Fn::GetAtt", Content::List(items)) => {
                        found.extend(items.first().and_then(|id| id.as_text()).map(str::to_owned));
                    }
                    ("Fn::Sub", content) => {
                        let text = match content {
                            Content::Scalar(text) => Some(text.as_str()),
                            Content::List(items) => items.first().and_then(|text| text.as_text()),
                            Content::Map(_) => None,
                        };
                        for part in text.unwrap_or_default().split("${").skip(1) {
                            let name = part.split(['}', '.']).next().unwrap_or_default();
                            found.insert(name.trim().to_owned());
                        }
                    }
                    _ => {}
                }
                references(value, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::parse;
    use super::*;

    const TEMPLATE: &str = r"
Parameters:
  Stage: {Type: String, Default: prod}
  Open: {Type: String}
  Nets: {Type: 'List<AWS::EC2::Subnet::Id>', Default: 'subnet-a, subnet-b'}
  Path: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /orders}
  Hidden: {Type: String, NoEcho: true, Default: hush}
Mappings:
  Sizes: {prod: {batch: 500}, dev: {batch: 10}}
Conditions:
  Prod: !Equals [!Ref Stage, prod]
  Dev: !Not [!Condition Prod]
  Odd: !And [!Condition Dev, !Equals [!Ref Open, x]]
  Even: !Or [!Condition Prod, !Equals [!Ref Open, x]]
  Wide: !Equals [!Ref Open, x]
  Round: !Not [!Condition Round]
Resources:
  Orders: {Type: AWS::Kinesis::Stream, Properties: {Name: !Sub 'orders-${Stage}'}}
  Nameless: {Type: AWS::Kinesis::Stream}
  Given: {Type: AWS::SQS::Queue, Properties: {QueueName: given-up}}
  Told: {Type: AWS::SNS::Topic, Properties: {TopicName: told}}
  Brokers: {Type: AWS::MSK::Cluster}
X:
";

    fn scope(value: &str) -> Scope {
        let template = format!("{TEMPLATE}  {value}\n");
        let given = [
            ("AWS::AccountId", "123456789012"),
            ("shared-Stream", "arn:x"),
            ("{{resolve:ssm:/n}}", "n"),
        ];
        let given = given.map(|(name, text)| (name.to_owned(), text.to_owned()));
        Scope::new(
            parse("t", template.as_bytes()).unwrap(),
            BTreeMap::from(given),
            BTreeMap::new(),
            Some("cn-north-1"),
            Some("shop"),
        )
    }

    fn resolved(value: &str) -> String {
        let scope = scope(value);
        let node = Rc::clone(scope.root().get("X").unwrap());
        match scope.texts(&node) {
            Ok(texts) => texts.join("|"),
            Err(gap) => {
                let give = gap.give.map(|name| format!(" -> {name}")).unwrap_or_default();
                format!("? {}{give}", gap.what)
            }
        }
    }

    #[test]
    fn functions_come_to_what_cloudformation_makes_of_them() {
        for (value, wanted) in [
            ("plain", "plain"),
            ("!Ref Stage", "prod"),
            ("!Ref Nets", "subnet-a|subnet-b"),
            ("!Select [1, !Ref Nets]", "subnet-b"),
            ("!Split [',', 'a,b']", "a|b"),
            ("!Join ['-', [a, !Ref Stage]]", "a-prod"),
            ("!Join [',', !Ref Nets]", "subnet-a,subnet-b"),
            ("!FindInMap [Sizes, !Ref Stage, batch]", "500"),
            ("{'Fn::FindInMap': [Sizes, test, batch, {DefaultValue: 7}]}", "7"),
            ("!If [Prod, yes, no]", "yes"),
            ("!If [Dev, yes, !Ref AWS::NoValue]", ""),
            ("!If [Odd, yes, no]", "no"),
            ("!If [Even, yes, no]", "yes"),
            ("!Sub 'a-${Stage}-${!b}-${AWS::StackName}'", "a-prod-${b}-shop"),
            ("!Sub ['${x}/${Stage}', {x: !Ref Stage}]", "prod/prod"),
            ("!Sub '${Orders}'", "orders-prod"),
            (
                "!GetAtt Orders.Arn",
                "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/orders-prod",
            ),
            (
                "!Sub '${Orders.Arn}'",
                "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/orders-prod",
            ),
            ("!GetAtt Given.Arn", "arn:aws-cn:sqs:cn-north-1:123456789012:given-up"),
            ("!Ref Told", "arn:aws-cn:sns:cn-north-1:123456789012:told"),
            ("!ImportValue shared-Stream", "arn:x"),
            (
                "!ImportValue {'Fn::Sub': 'shared-${What}'}",
                "? there is no parameter and no resource What -> What",
            ),
            ("'a-{{resolve:ssm:/n}}-b'", "a-n-b"),
            // What the template doesn't tell.
            ("!Ref Open", "? the parameter Open has no value -> Open"),
            ("!Sub 'x-${Open}'", "? the parameter Open has no value -> Open"),
            (
                "!Ref Path",
                "? the parameter Path is looked up in Systems Manager when it is deployed -> Path",
            ),
            (
                "!Ref Hidden",
                "? the parameter Hidden is NoEcho, and k2m takes no secret over",
            ),
            (
                "!If [Wide, a, b]",
                "? the condition Wide is open: the parameter Open has no value -> Open",
            ),
            ("!If [None, a, b]", "? there is no condition None"),
            (
                "!ImportValue other",
                "? `other` is another stack's output (Fn::ImportValue) -> other",
            ),
            (
                "'{{resolve:ssm:/m}}'",
                "? `{{resolve:ssm:/m}}` is looked up when it is deployed -> {{resolve:ssm:/m}}",
            ),
            (
                "'{{resolve:secretsmanager:x}}'",
                "? `{{resolve:secretsmanager:x}}` is looked up when it is deployed",
            ),
            (
                "!GetAtt Nameless.Arn",
                "? the resource Nameless has no Name in the template: CloudFormation names it -> Nameless.Arn",
            ),
            (
                "!Ref Brokers",
                "? what Brokers is only CloudFormation knows: a resource of the template (AWS::MSK::Cluster) -> Brokers",
            ),
            (
                "!Ref AWS::StackId",
                "? AWS::StackId is known only when it is deployed -> AWS::StackId",
            ),
            ("!Base64 x", "? what Fn::Base64 comes to only CloudFormation knows"),
            ("!Join [x]", "? Fn::Join is not called as CloudFormation has it"),
            (
                "!Select [5, !Ref Nets]",
                "? an item that the list of Fn::Select has not",
            ),
            (
                "!FindInMap [Sizes, test, batch]",
                "? the mapping Sizes has nothing for test and batch",
            ),
        ] {
            assert_eq!(resolved(value), wanted, "{value}");
        }
    }

    #[test]
    fn what_has_no_end_is_given_up() {
        assert!(resolved("!If [Round, a, b]").contains("have no end"));
        let doubled = (1..64).fold(String::new(), |text, n| {
            text + &format!("  C{n}: !And [!Condition C{0}, !Condition C{0}]\n", n - 1)
        });
        let template = format!("Conditions:\n  C0: !Equals [a, a]\n{doubled}X: !If [C63, a, b]");
        let root = parse("t", template.as_bytes()).unwrap();
        let scope = Scope::new(root, BTreeMap::new(), BTreeMap::new(), None, None);
        let asked = Rc::clone(scope.root().get("X").unwrap());
        assert!(scope.text(&asked).unwrap_err().what.contains("have no end"));
        // Another question begins anew.
        assert_eq!(scope.text(&Node::text(1, "a")).unwrap().as_deref(), Some("a"));
    }

    /// Short templates that ask for texts or lists without measure: they are given up before they are made.
    #[test]
    fn what_grows_without_measure_is_given_up() {
        let (text, commas, separator) = ("x".repeat(60_000), ",".repeat(60_000), "y".repeat(30_000));
        let parameters = [
            ("A", "String", text.as_str()),
            ("Long", "String", &"x".repeat(70_000)),
            ("None", "String", "''"),
            ("Commas", "String", &format!("'{commas}'")),
            ("List", "CommaDelimitedList", &format!("'{commas}'")),
            ("By", "String", &separator),
        ];
        let parameters =
            parameters.map(|(name, kind, value)| format!("  {name}: {{Type: {kind}, Default: {value}}}\n"));
        let many = |item: &str, count: usize| vec![item; count].join(", ");
        for (value, wanted) in [
            ("!Ref Long".to_owned(), false),
            (format!("!Join ['', [{}]]", many("!Ref A", 4000)), false),
            (format!("[{}]", many("!Ref A", 2)), false),
            ("!Join [!Ref By, [a, b, c]]".to_owned(), true),
            ("!Join [!Ref By, [a, b, c, d]]".to_owned(), false),
            (format!("!Join [',', [{}]]", many("a", 1000)), true),
            ("!Select [0, !Split [',', !Ref Commas]]".to_owned(), false),
            ("!Select [0, !Ref List]".to_owned(), false),
            (format!("!Sub '{}'", "${A}".repeat(2)), false),
            (format!("!Sub '{}'", "${None}".repeat(4000)), true),
            (format!("!Sub '{}'", "${None}".repeat(40_000)), false),
            // Each is short, and all of them together are work.
            (
                format!(
                    "!If [Any, a, b]\nConditions:\n  Any: !Or [{}]",
                    many("!Equals [!Ref A, b]", 5)
                ),
                true,
            ),
            (
                format!(
                    "!If [Any, a, b]\nConditions:\n  Any: !Or [{}]",
                    many("!Equals [!Ref A, b]", 100)
                ),
                false,
            ),
            (format!("'{}'", "{{resolve:ssm:/n}}".repeat(3000)), false),
        ] {
            let template = format!("Parameters:\n{}X: {value}\n", parameters.concat());
            let root = parse("t", template.as_bytes()).unwrap();
            let given = BTreeMap::from([("{{resolve:ssm:/n}}".to_owned(), "n".repeat(1000))]);
            let scope = Scope::new(root, given, BTreeMap::new(), None, None);
            let texts = scope.texts(&Rc::clone(scope.root().get("X").unwrap()));
            let (value, shown) = (value.chars().take(60).collect::<String>(), texts.as_ref().err());
            assert_eq!(texts.is_ok(), wanted, "{value}: {shown:?}");
            let said = |gap: &Gap| {
                ["longer than any setting", "have no end"]
                    .iter()
                    .any(|words| gap.what.contains(words))
            };
            assert!(shown.is_none_or(said), "{value}: {shown:?}");
        }
    }

    #[test]
    fn what_nothing_asks_for_is_known() {
        let scope = scope("!Ref Nets");
        let unused: Vec<String> = scope.unused_parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(unused, ["Path", "Hidden"]);
        assert_eq!(scope.useless(), ["shared-Stream", "{{resolve:ssm:/n}}"]);
    }
}
