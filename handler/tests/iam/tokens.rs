//! k2m's tokens are those of AWS's own signer, parameter by parameter.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k2m_handler::config::Region;
use k2m_handler::kafka::iam::{credentials, token};
use k2m_testkit::iam::{TokenRequest, reference_tokens};

/// A region of each partition that AWS publishes, by partition.
const REGIONS: [(&str, &str); 8] = [
    ("aws", "eu-central-1"),
    ("aws-cn", "cn-north-1"),
    ("aws-us-gov", "us-gov-west-1"),
    ("aws-eusc", "eusc-de-east-1"),
    ("aws-iso", "us-iso-east-1"),
    ("aws-iso-b", "us-isob-east-1"),
    ("aws-iso-e", "eu-isoe-west-1"),
    ("aws-iso-f", "us-isof-south-1"),
];

const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2VjE+session/token=with==all that/needs~quoting";

fn requests() -> Vec<TokenRequest> {
    let with = |region: &str, session_token: Option<&str>, seconds| TokenRequest {
        region: region.to_owned(),
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: session_token.map(str::to_owned),
        seconds,
    };
    // The second time is the last second of a day and a year.
    let cases = [(None, 1_700_000_000), (Some(SESSION_TOKEN), 1_735_689_599)];
    let regions = REGIONS.iter().map(|(_, region)| region);
    regions
        .flat_map(|region| cases.map(|(session_token, seconds)| with(region, session_token, seconds)))
        .collect()
}

/// What stands before the query, and each parameter as it is written.
fn parts(token: &str) -> (String, BTreeMap<String, String>) {
    let url = URL_SAFE_NO_PAD.decode(token).expect("base64 for URLs, without padding");
    let url = String::from_utf8(url).expect("UTF-8");
    let (address, query) = url.split_once('?').expect("a query");
    let pairs = query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').expect("a name and a value");
        (name.to_owned(), value.to_owned())
    });
    let all: Vec<_> = pairs.collect();
    let count = all.len();
    let parameters: BTreeMap<_, _> = all.into_iter().collect();
    assert_eq!(parameters.len(), count, "no parameter stands twice: {url}");
    (address.to_owned(), parameters)
}

#[test]
fn tokens_are_those_of_aws_s_own_signer() {
    let requests = requests();
    let references = reference_tokens(&requests).expect("the signer answers");
    assert_eq!(references.len(), requests.len());
    for (request, reference) in requests.iter().zip(references) {
        let credentials = credentials(|name| match name {
            "AWS_ACCESS_KEY_ID" => Some(request.access_key_id.clone()),
            "AWS_SECRET_ACCESS_KEY" => Some(request.secret_access_key.clone()),
            "AWS_SESSION_TOKEN" => request.session_token.clone(),
            _ => None,
        })
        .expect("all are set");
        let region = Region::new("region", &request.region).expect("a region");
        // Within the second that the reference has.
        let now = UNIX_EPOCH + Duration::from_secs(request.seconds) + Duration::from_millis(987);
        let ours = token(credentials, &region, now).expect("a token");

        let expires = ours.expires.duration_since(UNIX_EPOCH).expect("after 1970");
        assert_eq!(expires.as_millis(), u128::from(reference.expires_millis), "{request:?}");
        let (our_address, mut our_parameters) = parts(&ours.value);
        let (address, mut parameters) = parts(&reference.token);
        assert_eq!(our_address, address, "{request:?}");
        // Who made it is not signed, and differs.
        let our_agent = our_parameters.remove("User-Agent");
        assert_eq!(our_agent.as_deref(), Some(concat!("k2m%2F", env!("CARGO_PKG_VERSION"))));
        assert!(parameters.remove("User-Agent").is_some());
        assert_eq!(our_parameters, parameters, "{request:?}");
        // What was compared is all there is.
        assert_eq!(parameters.len(), if request.session_token.is_some() { 8 } else { 7 });
        assert_eq!(parameters["X-Amz-Signature"].len(), 64);
    }
}

#[test]
fn each_partition_has_its_dns_suffix() {
    let suffixes = REGIONS.map(|(partition, region)| {
        let region = Region::new("region", region).expect("a region");
        (partition, region.dns_suffix())
    });
    assert_eq!(
        suffixes[..3],
        [
            ("aws", "amazonaws.com"),
            ("aws-cn", "amazonaws.com.cn"),
            ("aws-us-gov", "amazonaws.com"),
        ]
    );
}
