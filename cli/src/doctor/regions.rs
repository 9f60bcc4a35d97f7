//! N: whether stream, function and cluster are in the regions and accounts that they are taken to be in.

use super::network::joined;
use super::{Case, Outcome, given};
use crate::facts::Fact;

/// What comes before the region in the names of MSK's brokers.
const BEFORE_REGION: [&str; 2] = ["kafka", "kafka-serverless"];

/// Whether they are.
pub(super) fn agree(case: &Case<'_>) -> Outcome {
    let function = given!(case.function());
    let (settings, stream) = (case.settings, &case.pipeline.stream.value);
    let home = &settings.home;
    let (mut evidence, mut fix, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    let mut wrong = |what: String, step: String| {
        evidence.push(what);
        if !fix.contains(&step) {
            fix.push(step);
        }
    };
    if let Fact::Found { value } = &case.facts.account
        && *value != home.account
    {
        wrong(
            format!(
                "AWS was asked with credentials of account {value}, and the pipeline is of account {}",
                home.account
            ),
            format!("ask with credentials of account {} (--profile)", home.account),
        );
    }
    let mut parts = function.arn.split(':').skip(3);
    if let (Some(region), Some(account)) = (parts.next(), parts.next()) {
        if region == stream.region {
            seen.push(format!("stream and function are in {region}"));
        } else {
            wrong(
                format!(
                    "the stream is in {}, and the function in {region}: an event source mapping reads streams of its own region alone",
                    stream.region
                ),
                case.deploy(&[]),
            );
        }
        if account != home.account {
            wrong(
                format!(
                    "the function is of account {account}, and the pipeline of {}",
                    home.account
                ),
                "give the pipeline's own stack with --stack NAME".to_owned(),
            );
        }
    }
    if let Some(cluster) = settings.cluster().map(|cluster| &cluster.value) {
        seen.push(format!("the cluster is in {}", cluster.region));
        let told = case
            .variable("K2M_CLUSTER_REGION")
            .filter(|_| case.authentication() == "iam");
        if let Some(told) = told.filter(|told| *told != cluster.region) {
            wrong(
                format!(
                    "the function signs its tokens for {told} (K2M_CLUSTER_REGION), and the cluster is in {}: its brokers refuse them",
                    cluster.region
                ),
                case.deploy(&[]),
            );
        }
        let servers = case.servers();
        let strange: Vec<&str> = servers
            .iter()
            .filter(|server| region_of(server.host).is_some_and(|region| region != cluster.region))
            .map(|server| server.text)
            .collect();
        if !strange.is_empty() {
            wrong(
                format!(
                    "the function is told brokers of another region than the cluster's, {}: {}",
                    cluster.region,
                    joined(strange)
                ),
                case.deploy(&[]),
            );
        }
    }
    if evidence.is_empty() {
        if seen.is_empty() {
            seen.push(format!("the stream is in {}", stream.region));
        }
        return Outcome::Pass { evidence: seen };
    }
    Outcome::Fail { evidence, fix }
}

/// The region in a broker's name, where it has MSK's form.
fn region_of(host: &str) -> Option<&str> {
    let labels: Vec<&str> = host.split('.').collect();
    let place = labels
        .windows(3)
        .position(|window| matches!(window, [service, _, domain] if BEFORE_REGION.contains(service) && domain.starts_with("amazonaws")))?;
    labels.get(place + 1).copied()
}

#[cfg(test)]
mod tests {
    use super::region_of;

    #[test]
    fn the_region_is_read_out_of_msk_s_names_alone() {
        for (host, region) in [
            ("b-1.events.ab12cd.c2.kafka.eu-west-1.amazonaws.com", Some("eu-west-1")),
            (
                "b-1-public.events.ab12cd.c2.kafka.us-east-1.amazonaws.com",
                Some("us-east-1"),
            ),
            (
                "boot-x1.c1.kafka-serverless.eu-central-1.amazonaws.com",
                Some("eu-central-1"),
            ),
            (
                "b-1.events.ab12cd.c2.kafka.cn-north-1.amazonaws.com.cn",
                Some("cn-north-1"),
            ),
            ("b-1.kafka.example.com", None),
            ("kafka.eu-west-1", None),
            ("", None),
        ] {
            assert_eq!(region_of(host), region, "{host}");
        }
    }
}
