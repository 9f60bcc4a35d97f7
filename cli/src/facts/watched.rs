//! What is seen of a stack's pipelines while they are watched: less than doctor sees, asked for again and again. Pure.

use serde::Serialize;

use super::{Fact, Flow, Function, Mapping, Metrics, Minutes, Stack, Waiting, stream_name};
use crate::arn::{Arn, Kind};

/// A pipeline, as its stack's outputs and resources tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackPipeline {
    /// The stream.
    pub stream: Arn,
    /// The topic; absent where the stack doesn't say.
    pub topic: Option<String>,
    /// The function's name.
    pub function: Option<String>,
    /// The mapping's UUID.
    pub mapping: Option<String>,
    /// The log group that the stack made for the function.
    pub log_group: Option<String>,
}

impl StackPipeline {
    /// Those of a stack, in the order of their streams' names. None of a stack that k2m did not make, or that never came to be: such a one has no outputs.
    pub fn of(stack: &Stack) -> Vec<Self> {
        let outputs = stack.outputs.iter().filter(|_| stack.made_by_k2m);
        let ids = outputs.filter_map(|(key, value)| {
            let stream = Arn::parse(Kind::Stream, value).ok()?;
            Some((key.strip_suffix("Stream")?, stream))
        });
        let resource = |id: &str, end: &str| stack.resources.get(&format!("{id}{end}")).cloned();
        let mut pipelines: Vec<Self> = ids
            .map(|(id, stream)| Self {
                stream,
                topic: stack.outputs.get(&format!("{id}Topic")).cloned(),
                function: resource(id, "Function"),
                mapping: resource(id, "Mapping"),
                log_group: resource(id, "LogGroup"),
            })
            .collect();
        pipelines.sort_by(|one, other| {
            let key = |of: &Self| (of.name().to_owned(), of.stream.to_string());
            key(one).cmp(&key(other))
        });
        pipelines
    }

    /// The stream's name, by which people know the pipeline.
    pub fn name(&self) -> &str {
        stream_name(self.stream.as_str())
    }
}

/// What was seen of pipelines at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watched {
    /// When AWS was asked, RFC 3339.
    pub taken_at: String,
    /// How far back the figures go.
    pub minutes: u32,
    /// Each pipeline.
    pub pipelines: Vec<WatchedPipeline>,
}

/// What was seen of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchedPipeline {
    /// The stream's ARN.
    pub stream: String,
    /// The topic, where the stack says it.
    pub topic: Option<String>,
    /// The stack's function for it.
    pub function: Fact<Function>,
    /// The stack's event source mapping.
    pub mapping: Fact<Mapping>,
    /// Figures of the stream, the function and the mapping.
    pub metrics: Fact<Metrics>,
    /// What came into the stream and was taken out of it, minute by minute; left out where nobody looked.
    pub flow: Option<Fact<Flow>>,
    /// What waits where it was given up; left out where no queue is known.
    pub waiting: Option<Fact<Waiting>>,
}

/// What tells how far a pipeline has come in its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The stream's ARN.
    pub stream: String,
    /// The stack's function for it.
    pub function: Fact<Function>,
    /// The stack's event source mapping.
    pub mapping: Fact<Mapping>,
    /// What CloudWatch counted.
    pub minutes: Fact<Minutes>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipelines_are_those_of_the_outputs_in_the_order_of_their_names() {
        let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let mut stack = Stack {
            name: "k2m".to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
            made_by_k2m: true,
            resources: [
                ("OrdersFunction", "k2m-Orders-1"),
                ("OrdersMapping", "u-1"),
                ("OrdersLogGroup", "/k2m/orders"),
                ("ClicksFunction", "k2m-Clicks-1"),
            ]
            .map(pair)
            .into(),
            outputs: [
                ("OrdersStream", "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"),
                ("OrdersTopic", "orders-v2"),
                ("ClicksStream", "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks"),
                // Whatever else ends so is no stream.
                ("UpStream", "somewhere"),
                ("Cluster", "arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1"),
            ]
            .map(pair)
            .into(),
            parameters: std::collections::BTreeMap::new(),
            tags: std::collections::BTreeMap::new(),
            protected: false,
            template: None,
            template_unreadable: None,
        };
        let told: Vec<_> = StackPipeline::of(&stack)
            .into_iter()
            .map(|one| (one.name().to_owned(), one.topic, one.mapping, one.log_group))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            told,
            [
                ("clicks".to_owned(), None, None, None),
                ("orders".to_owned(), text("orders-v2"), text("u-1"), text("/k2m/orders")),
            ]
        );
        stack.made_by_k2m = false;
        assert!(StackPipeline::of(&stack).is_empty(), "another's stack has none");
    }
}
