//! What people call the resources of a stack: `event source mapping for orders` instead of `OrdersMapping`. Pure.

use std::collections::BTreeMap;

use serde_yaml::Value;

use super::port::Stack;

/// The pipelines of a stack: names of their streams by what their logical ids begin with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, String>);

/// What the name of the output ends with that tells a pipeline's stream.
const STREAM: &str = "Stream";

/// Nouns by types of resources.
const NOUNS: &[(&str, &str)] = &[
    ("AWS::CloudFormation::WaitConditionHandle", "entry"),
    ("AWS::CloudWatch::Alarm", "alarm"),
    ("AWS::EC2::Route", "route"),
    ("AWS::EC2::SecurityGroup", "security group"),
    ("AWS::EC2::SecurityGroupIngress", "rule"),
    ("AWS::EC2::VPCEndpoint", "interface endpoint"),
    ("AWS::EC2::VPCPeeringConnection", "peering connection"),
    ("AWS::IAM::Role", "role of the function"),
    ("AWS::Lambda::EventSourceMapping", "event source mapping"),
    ("AWS::Lambda::Function", "function"),
    ("AWS::Logs::LogGroup", "log group"),
    ("AWS::MSK::Topic", "Kafka topic"),
    ("AWS::MSK::VpcConnection", "VPC connection"),
    ("AWS::SNS::Subscription", "subscription"),
    ("AWS::SNS::Topic", "failure topic"),
    ("AWS::SQS::Queue", "failure queue"),
    ("AWS::SQS::QueuePolicy", "policy of the failure queue"),
];

/// What logical ids, or their ends in a pipeline, mean beyond the type.
const MEANINGS: &[(&str, &str)] = &[
    ("ClusterIngress", "rule that lets the functions in to the brokers"),
    ("DeadLetterTopic", "dead-letter topic"),
    ("FailureEmail", "e-mail subscription"),
    ("FailureSubscription", "subscription of the failure queue"),
    ("FunctionSecurityGroup", "security group of the functions"),
];

impl Names {
    /// The names in a template that k2m rendered.
    pub fn of_template(text: &str) -> Self {
        let template: Option<Value> = serde_yaml::from_str(text).ok();
        let outputs = template
            .as_ref()
            .and_then(|template| template.get("Outputs")?.as_mapping());
        let outputs = outputs.into_iter().flatten();
        Self::of_outputs(outputs.filter_map(|(key, output)| Some((key.as_str()?, output.get("Value")?.as_str()?))))
    }

    /// The names in a stack that k2m deployed.
    pub fn of_stack(stack: &Stack) -> Self {
        let outputs = stack.outputs.iter();
        Self::of_outputs(outputs.map(|(key, value)| (key.as_str(), value.as_str())))
    }

    fn of_outputs<'a>(outputs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let streams = outputs.filter_map(|(key, value)| {
            let id = key.strip_suffix(STREAM).filter(|id| !id.is_empty())?;
            // The name at the end of the ARN.
            let stream = value.strip_prefix("arn:").and_then(|arn| arn.split_once(":stream/"))?.1;
            Some((id.to_owned(), stream.to_owned()))
        });
        Self(streams.collect())
    }

    /// Both.
    #[must_use]
    pub fn with(mut self, more: Option<Self>) -> Self {
        self.0.extend(more.unwrap_or_default().0);
        self
    }

    /// The stream of the pipeline that the resource belongs to, where it belongs to one.
    pub fn stream(&self, logical_id: &str) -> Option<&str> {
        self.pipeline(logical_id).map(|(stream, _)| stream)
    }

    /// The pipeline's stream, and what its id leaves of the resource's. Of two ids that fit the longer is meant.
    fn pipeline<'a, 'b>(&'a self, logical_id: &'b str) -> Option<(&'a str, &'b str)> {
        let fits = self.0.iter().filter_map(|(id, stream)| {
            let rest = logical_id.strip_prefix(id.as_str())?;
            // An id ends where a word does.
            let ends = rest.starts_with(|c: char| c.is_ascii_uppercase());
            ends.then_some((stream.as_str(), rest))
        });
        fits.min_by_key(|(_, rest)| rest.len())
    }

    /// What the resource is called, with the pipeline that it belongs to.
    pub fn of(&self, logical_id: &str, resource_type: &str) -> String {
        let noun = self.noun(logical_id, resource_type);
        match self.stream(logical_id) {
            Some(stream) => format!("{noun} for {stream}"),
            None => noun,
        }
    }

    /// The same with its logical id, by which it is found in the template and in the console.
    pub fn in_full(&self, logical_id: &str, resource_type: &str) -> String {
        let name = self.of(logical_id, resource_type);
        if name.ends_with(logical_id) {
            name
        } else {
            format!("{name} ({logical_id})")
        }
    }

    /// What the resource is called among those of its pipeline.
    pub fn noun(&self, logical_id: &str, resource_type: &str) -> String {
        let rest = self.pipeline(logical_id).map_or(logical_id, |(_, rest)| rest);
        if let Some((_, meaning)) = MEANINGS.iter().find(|(id, _)| *id == rest) {
            return (*meaning).to_owned();
        }
        let noun = NOUNS.iter().find(|(kind, _)| *kind == resource_type);
        let Some((_, noun)) = noun else {
            // Of a type that no template of k2m has: its own words.
            let kind = resource_type.rsplit("::").next().unwrap_or_default();
            return format!("{} {logical_id}", words(kind)).trim().to_owned();
        };
        let own = rest.len() < logical_id.len();
        match (resource_type, rest.strip_prefix("Alarm")) {
            ("AWS::CloudWatch::Alarm", Some(of)) if own => format!("{noun} on {}", words(of)),
            // In a network stack, and of topics by name, there are several of them.
            ("AWS::MSK::Topic", _) if own && rest != "Topic" => format!("{noun} {rest}"),
            _ if own => (*noun).to_owned(),
            _ => format!("{noun} {logical_id}"),
        }
    }
}

/// `IteratorAge` as `iterator age`.
fn words(camel: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    for c in camel.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
        before = c;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_called_what_people_call_them() {
        let names = Names::of_outputs(
            [
                ("OrdersStream", "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"),
                (
                    "OrdersEuStream",
                    "arn:aws:kinesis:eu-west-1:123456789012:stream/orders-eu",
                ),
                ("Stream", "arn:aws:kinesis:eu-west-1:123456789012:stream/nobody"),
                ("OtherStream", "no ARN"),
            ]
            .into_iter(),
        );
        for (logical_id, kind, name) in [
            (
                "OrdersMapping",
                "AWS::Lambda::EventSourceMapping",
                "event source mapping for orders",
            ),
            (
                "OrdersEuMapping",
                "AWS::Lambda::EventSourceMapping",
                "event source mapping for orders-eu",
            ),
            ("OrdersFunction", "AWS::Lambda::Function", "function for orders"),
            ("OrdersRole", "AWS::IAM::Role", "role of the function for orders"),
            (
                "OrdersAlarmIteratorAge",
                "AWS::CloudWatch::Alarm",
                "alarm on iterator age for orders",
            ),
            ("OrdersTopic", "AWS::MSK::Topic", "Kafka topic for orders"),
            ("OrdersTopic2", "AWS::MSK::Topic", "Kafka topic Topic2 for orders"),
            (
                "OrdersDeadLetterTopic",
                "AWS::MSK::Topic",
                "dead-letter topic for orders",
            ),
            ("OrdersFailureTopic", "AWS::SNS::Topic", "failure topic for orders"),
            (
                "OrdersFailureEmail",
                "AWS::SNS::Subscription",
                "e-mail subscription for orders",
            ),
            (
                "FunctionSecurityGroup",
                "AWS::EC2::SecurityGroup",
                "security group of the functions",
            ),
            (
                "ClusterIngress",
                "AWS::EC2::SecurityGroupIngress",
                "rule that lets the functions in to the brokers",
            ),
            ("Route1", "AWS::EC2::Route", "route Route1"),
            // Not of the pipeline Orders: its id goes on.
            (
                "OrdersxMapping",
                "AWS::Lambda::EventSourceMapping",
                "event source mapping OrdersxMapping",
            ),
            ("Thing", "AWS::Glue::DataCatalog", "data catalog Thing"),
            ("Thing", "", "Thing"),
        ] {
            assert_eq!(names.of(logical_id, kind), name);
        }
    }

    #[test]
    fn every_type_of_every_rendered_template_has_a_noun() {
        let template = crate::template::Template::new(&crate::plan::sample::sample()).unwrap();
        let names = Names::of_template(template.text());
        let document: Value = serde_yaml::from_str(template.text()).unwrap();
        let resources = document["Resources"].as_mapping().unwrap();
        assert!(!resources.is_empty());
        for (id, resource) in resources {
            let (id, kind) = (id.as_str().unwrap(), resource["Type"].as_str().unwrap());
            assert!(NOUNS.iter().any(|(known, _)| *known == kind), "{kind}");
            let name = names.of(id, kind);
            assert!(!name.contains(id), "{id} is called {name}");
        }
        for text in ["", "no: [template", "Outputs: [1]"] {
            assert_eq!(Names::of_template(text), Names::default());
        }
    }
}
