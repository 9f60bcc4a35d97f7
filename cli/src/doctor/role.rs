//! The role's policy as the stack's template has it: where the role lacks what that grants, it was taken away behind the stack's back, and a deployment of the same
//! template does not give it back.

use serde_json::{Map, Value as Json};
use serde_yaml::Value;

use super::Case;
use super::drift::Known;
use crate::facts::{Right, Stack};
use crate::plan::policy::like;
use crate::shell::Command;

impl Known {
    /// The steps that give the role back what it was given by the template, where that grants all of these.
    pub(super) fn role_given_back(&self, case: &Case<'_>, role: &str, denied: &[&Right]) -> Option<Vec<String>> {
        let stack = case.stack().ok()?;
        let resources = self.template().get("Resources")?.as_mapping()?;
        let policies = resources.iter().find_map(|(logical, resource)| {
            let is_role = resource.get("Type")?.as_str()? == "AWS::IAM::Role"
                && stack.resources.get(logical.as_str()?).map(String::as_str) == Some(role);
            is_role.then(|| resource.get("Properties")?.get("Policies")?.as_sequence())?
        })?;
        let ends = Ends {
            case,
            stack,
            types: resources,
        };
        let policies: Vec<(&str, Json)> = policies
            .iter()
            .filter_map(|policy| {
                let document = ends.resolved(policy.get("PolicyDocument")?)?;
                Some((policy.get("PolicyName")?.as_str()?, document))
            })
            .collect();
        let granting = |right: &Right| policies.iter().find(|(_, policy)| grants(policy, right));
        let mut names: Vec<&str> = Vec::new();
        for right in denied {
            let (name, _) = granting(right)?;
            if !names.contains(name) {
                names.push(name);
            }
        }
        let mut steps = vec![
            "changed outside the stack: its template gives the role these rights, and a deployment of the same template does not look; to give them back:"
                .to_owned(),
        ];
        steps.extend(
            policies
                .iter()
                .filter(|(name, _)| names.contains(name))
                .map(|(name, policy)| {
                    Command::new("aws iam put-role-policy")
                        .option("--role-name", role)
                        .option("--policy-name", name)
                        .option("--policy-document", &policy.to_string())
                        .to_string()
                }),
        );
        Some(steps)
    }
}

/// What references of the template lead to.
struct Ends<'a> {
    case: &'a Case<'a>,
    stack: &'a Stack,
    types: &'a serde_yaml::Mapping,
}

impl Ends<'_> {
    /// The value as AWS has it; nothing where a reference's end is not known.
    fn resolved(&self, value: &Value) -> Option<Json> {
        match value {
            Value::Mapping(map) => {
                if let Some(name) = value.get("Ref").and_then(Value::as_str) {
                    let found = self.stack.resources.get(name);
                    return found
                        .or_else(|| self.stack.parameters.get(name))
                        .cloned()
                        .map(Json::String);
                }
                if let Some(attribute) = value.get("Fn::GetAtt") {
                    let part = |index: usize| attribute.get(index).and_then(Value::as_str);
                    let name = part(0).filter(|_| part(1) == Some("Arn"))?;
                    return self.arn(name).map(Json::String);
                }
                let pairs = map
                    .iter()
                    .map(|(key, value)| Some((key.as_str()?.to_owned(), self.resolved(value)?)));
                pairs.collect::<Option<Map<String, Json>>>().map(Json::Object)
            }
            Value::Sequence(values) => {
                let values = values.iter().map(|value| self.resolved(value));
                values.collect::<Option<Vec<Json>>>().map(Json::Array)
            }
            other => serde_json::to_value(other).ok(),
        }
    }

    /// The ARN of a resource of the stack, of the kinds that a role's policy names.
    fn arn(&self, logical: &str) -> Option<String> {
        let home = &self.case.settings.home;
        let (partition, region, account) = (&home.partition, &home.region, &home.account);
        let id = self.stack.resources.get(logical)?;
        match self.types.get(logical)?.get("Type")?.as_str()? {
            "AWS::Logs::LogGroup" => Some(format!("arn:{partition}:logs:{region}:{account}:log-group:{id}:*")),
            // A queue's id is its URL.
            "AWS::SQS::Queue" => Some(format!(
                "arn:{partition}:sqs:{region}:{account}:{}",
                id.rsplit('/').next()?
            )),
            _ => None,
        }
    }
}

/// Whether a policy allows this, whatever its conditions are: those of the template hold for the function.
fn grants(policy: &Json, right: &Right) -> bool {
    let statements = policy["Statement"].as_array().into_iter().flatten();
    let any = |values: &Json, text: &str, fold: fn(&str) -> String| {
        let (one, many) = (values.as_str(), values.as_array().into_iter().flatten());
        let mut all = one.into_iter().chain(many.filter_map(Json::as_str));
        all.any(|pattern| like(&fold(pattern), &fold(text)))
    };
    statements
        .filter(|statement| statement["Effect"] == "Allow")
        .any(|statement| {
            any(&statement["Action"], &right.action, str::to_ascii_lowercase)
                && any(&statement["Resource"], &right.resource, str::to_owned)
        })
}
