//! What of a template refers to a function that is to go: CloudFormation takes no template in which something refers to what is not there. Pure.

use super::found::Function;
use super::resolve::Scope;
use crate::shown::shown;

/// What is of a function, and goes with it.
const ITS_OWN: [&str; 7] = [
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Url",
    "AWS::Lambda::Version",
    "AWS::Logs::LogGroup",
];

/// Other resources and outputs that refer to a function or to the role that SAM makes for it, in words, with their lines.
pub(super) fn to(scope: &Scope, function: &Function) -> Vec<(String, usize)> {
    let role = function.serverless.then(|| format!("{}Role", function.id));
    let asking = |section: &'static str| {
        let mut places = scope.asking(section, &function.id);
        places.extend(role.iter().flat_map(|role| scope.asking(section, role)));
        let all = scope.section(section);
        places.into_iter().filter_map(|place| all.get(place))
    };
    let resources = asking("Resources").filter_map(|(id, node)| {
        let kind = node.get("Type").and_then(|kind| kind.as_text()).unwrap_or_default();
        let other = *id != function.id && !ITS_OWN.contains(&kind);
        other.then(|| (format!("the resource {} ({})", shown(id), shown(kind)), node.line))
    });
    let outputs = asking("Outputs").map(|(id, node)| (format!("the output {}", shown(id)), node.line));
    resources.chain(outputs).collect()
}
