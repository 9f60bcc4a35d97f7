//! What `k2m deploy --verify` asks: a function for its probe, a stream to take a record, and how a pipeline is.

use aws_sdk_kinesis::primitives::Blob;
use jiff::Timestamp;

use super::Aws;
use super::stacks::sorted;
use crate::arn::Arn;
use crate::deploy::port::Doing;
use crate::deploy::verify::{Asked, Ground, MINUTES, Placed};
use crate::facts::{Fact, Probe, Stack, StackPipeline, Watched};

/// A region of AWS, to be verified in.
#[derive(Debug)]
pub struct Canaries<'a> {
    aws: &'a Aws,
    region: &'a str,
    kinesis: aws_sdk_kinesis::Client,
}

impl Aws {
    /// Verifies pipelines of a region.
    pub fn canaries<'a>(&'a self, region: &'a str) -> Canaries<'a> {
        Canaries {
            aws: self,
            region,
            kinesis: aws_sdk_kinesis::Client::new(&self.in_region(region)),
        }
    }
}

impl Ground for Canaries<'_> {
    fn probe<'a>(&'a self, function: &'a str) -> Asked<'a, Fact<Probe>> {
        self.aws.probe(self.region, function)
    }

    fn put<'a>(&'a self, stream: &'a Arn, partition_key: &'a str, data: &'a str) -> Doing<'a, Placed> {
        Box::pin(async move {
            let call = self
                .kinesis
                .put_record()
                .stream_arn(stream.as_str())
                .partition_key(partition_key)
                .data(Blob::new(data));
            let put = call.send().await;
            let put = put.map_err(|error| sorted(&error, "kinesis:PutRecord", &[]))?;
            Ok(Placed {
                shard: put.shard_id,
                sequence_number: put.sequence_number,
            })
        })
    }

    fn watch<'a>(&'a self, stack: &'a Stack, pipeline: &'a StackPipeline) -> Asked<'a, Watched> {
        let pipelines = std::slice::from_ref(pipeline);
        self.aws.watch(self.region, stack, pipelines, Timestamp::now(), MINUTES)
    }
}
