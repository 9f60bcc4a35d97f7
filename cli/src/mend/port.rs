//! What mending asks of AWS beside CloudFormation. The port carries this project's types only.

use crate::arn::Arn;
use crate::deploy::port::Doing;
use crate::doctor::mend::{FunctionChange, GroupChange, MappingChange};

/// Settings of a stack's own resources, and secrets of the cluster.
pub trait Settle: Sync {
    /// Begins to change a function.
    fn change_function<'a>(&'a self, change: &'a FunctionChange) -> Doing<'a, ()>;
    /// What became of the last change of a function of this region: `Successful`, `InProgress` or `Failed`, and why.
    fn function_update<'a>(&'a self, region: &'a str, function: &'a str) -> Doing<'a, (String, Option<String>)>;
    /// Begins to change an event source mapping.
    fn change_mapping<'a>(&'a self, change: &'a MappingChange) -> Doing<'a, ()>;
    /// The state of an event source mapping of this region.
    fn mapping_state<'a>(&'a self, region: &'a str, uuid: &'a str) -> Doing<'a, String>;
    /// Gives a security group rules; that it has them already is fine.
    fn let_out<'a>(&'a self, change: &'a GroupChange) -> Doing<'a, ()>;
    /// Associates a secret with the cluster.
    fn associate<'a>(&'a self, cluster: &'a Arn, secret: &'a str) -> Doing<'a, ()>;
}
