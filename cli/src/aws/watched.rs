//! What is asked while pipelines are watched: two calls to Lambda and one to SQS for each, and the figures of all of them together.

use jiff::Timestamp;

use super::answer::{Answer, Trouble, fact};
use super::history::waiting::{Asked, Left, depth};
use super::history::{Ran, metrics};
use super::lambda::Reads;
use super::pace::{LAMBDA, Paced};
use super::{Aws, Looking, cloudformation, lambda};
use crate::facts::{Fact, Flow, Function, Mapping, Reading, Stack, StackPipeline, Watched, WatchedPipeline};

/// How far back it is looked minute by minute, at least: what came before the figures that are shown may still be in the stream.
const FLOW: u32 = 180;

impl Aws {
    /// A stack with its resources and outputs, without its template.
    pub fn stack<'a>(&'a self, region: &'a str, name: &'a str) -> Looking<'a, Fact<Stack>> {
        Box::pin(async move {
            let client = aws_sdk_cloudformation::Client::new(&self.in_region(region));
            fact(cloudformation::stack(&client, name).await.map(|seen| seen.stack))
        })
    }

    /// Functions by their names, in this order.
    pub fn functions_named<'a>(&'a self, region: &'a str, names: &'a [String]) -> Looking<'a, Vec<Fact<Function>>> {
        Box::pin(async move {
            let client = aws_sdk_lambda::Client::new(&self.in_region(region));
            let paced = Paced::new(LAMBDA);
            let seen = paced.all(names, |name| lambda::function(&client, name)).await;
            seen.into_iter().map(fact).collect()
        })
    }

    /// How these pipelines of a stack are, with figures of the last `minutes`. `now` is the time.
    pub fn watch<'a>(
        &'a self,
        region: &'a str,
        stack: &'a Stack,
        pipelines: &'a [StackPipeline],
        now: Timestamp,
        minutes: u32,
    ) -> Looking<'a, Watched> {
        Box::pin(self.watch_all(region, stack, pipelines, now, minutes))
    }

    /// How far these pipelines have come in their streams, as far as the last `minutes` tell. `now` is the time.
    pub fn readings<'a>(
        &'a self,
        region: &'a str,
        pipelines: &'a [StackPipeline],
        now: Timestamp,
        minutes: u32,
    ) -> Looking<'a, Vec<Reading>> {
        Box::pin(async move {
            let here = self.in_region(region);
            let seen = look_at(&aws_sdk_lambda::Client::new(&here), pipelines).await;
            let named = named(pipelines);
            let ran = ran(pipelines, &seen, &named);
            let cloudwatch = aws_sdk_cloudwatch::Client::new(&here);
            let counted = metrics::by_minute(&cloudwatch, &ran, now, minutes).await;
            let each = pipelines.iter().zip(&seen).zip(counted);
            let each = each.map(|((pipeline, (function, mapping)), minutes)| Reading {
                stream: pipeline.stream.to_string(),
                function: fact(function.clone()),
                mapping: fact(mapping.clone().map(|(mapping, _)| mapping)),
                minutes: fact(minutes),
            });
            each.collect()
        })
    }

    async fn watch_all(
        &self,
        region: &str,
        stack: &Stack,
        pipelines: &[StackPipeline],
        now: Timestamp,
        minutes: u32,
    ) -> Watched {
        let here = self.in_region(region);
        let seen = look_at(&aws_sdk_lambda::Client::new(&here), pipelines).await;
        let named = named(pipelines);
        let ran = ran(pipelines, &seen, &named);
        let cloudwatch = aws_sdk_cloudwatch::Client::new(&here);
        let known = Fact::Found { value: stack.clone() };
        let config = |region: &str| self.in_region(region);
        let queues = &Asked::new(&config);
        let waits = ran.iter().map(|one| {
            let left = one.mapping.and_then(|mapping| Left::of(mapping, one.stream, &known));
            async move { Some(fact(depth(left?, queues).await)) }
        });
        let (metrics, flows, waits) = tokio::join!(
            metrics::metrics(&cloudwatch, &ran, now, minutes),
            metrics::flow(&cloudwatch, &ran, now, minutes.max(FLOW)),
            futures_util::future::join_all(waits),
        );
        let each = pipelines
            .iter()
            .zip(&seen)
            .zip(metrics.into_iter().zip(flows))
            .zip(waits);
        Watched {
            taken_at: now.to_string(),
            minutes,
            pipelines: each
                .map(
                    |(((pipeline, (function, mapping)), (metrics, flow)), waiting)| WatchedPipeline {
                        stream: pipeline.stream.to_string(),
                        topic: pipeline.topic.clone(),
                        function: fact(function.clone()),
                        metrics: fact(metrics),
                        flow: Some(fact(flow.map(|flow| Flow {
                            changed: mapping.as_ref().ok().and_then(|(_, reads)| reads.changed),
                            ..flow
                        }))),
                        mapping: fact(mapping.clone().map(|(mapping, _)| mapping)),
                        waiting,
                    },
                )
                .collect(),
        }
    }
}

/// The function and the mapping of a pipeline.
type Pair = (Answer<Function>, Answer<(Mapping, Reads)>);

/// Looks at the functions and mappings of pipelines, in their order.
async fn look_at(lambda: &aws_sdk_lambda::Client, pipelines: &[StackPipeline]) -> Vec<Pair> {
    let paced = Paced::new(LAMBDA);
    let asked: Vec<Named<'_>> = pipelines.iter().flat_map(Named::of).collect();
    let mut answers = paced.all(&asked, |named| named.ask(lambda)).await.into_iter();
    let seen = pipelines.iter().map(|pipeline| {
        let mut seen = (Err(Trouble::Absent), Err(Trouble::Absent));
        // In the order in which they were asked for.
        for _ in Named::of(pipeline) {
            match answers.next() {
                Some(Told::Function(function)) => seen.0 = function,
                Some(Told::Mapping(mapping)) => seen.1 = mapping,
                None => {}
            }
        }
        seen
    });
    seen.collect()
}

/// The functions by their names alone: figures have those, and the stack knows them where a function can't be seen.
fn named(pipelines: &[StackPipeline]) -> Vec<Function> {
    let named = pipelines.iter().map(|pipeline| Function {
        arn: pipeline.function.clone().unwrap_or_default(),
        ..Function::default()
    });
    named.collect()
}

fn ran<'a>(pipelines: &'a [StackPipeline], seen: &'a [Pair], named: &'a [Function]) -> Vec<Ran<'a>> {
    let each = pipelines.iter().zip(seen).zip(named);
    let ran = each.map(|((pipeline, (function, mapping)), named)| Ran {
        stream: &pipeline.stream,
        seen: None,
        function: function.as_ref().unwrap_or(named),
        mapping: mapping.as_ref().ok().map(|(mapping, _)| mapping),
    });
    ran.collect()
}

/// What of a pipeline is looked at in Lambda: what the stack has.
enum Named<'a> {
    Function(&'a str),
    Mapping(&'a str),
}

/// What came of it.
enum Told {
    Function(Answer<Function>),
    Mapping(Answer<(Mapping, Reads)>),
}

impl<'a> Named<'a> {
    fn of(pipeline: &'a StackPipeline) -> impl Iterator<Item = Self> {
        let function = pipeline.function.as_deref().map(Self::Function);
        function
            .into_iter()
            .chain(pipeline.mapping.as_deref().map(Self::Mapping))
    }

    async fn ask(&self, client: &aws_sdk_lambda::Client) -> Told {
        match self {
            Self::Function(name) => Told::Function(lambda::function(client, name).await),
            Self::Mapping(uuid) => Told::Mapping(lambda::mapping(client, uuid).await),
        }
    }
}
