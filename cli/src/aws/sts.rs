//! Whose credentials these are, as `GetCallerIdentity` tells it.

use aws_sdk_sts::Client;

use super::answer::{Answer, trouble};

/// The account that asks, twelve digits.
pub(super) async fn account(client: &Client) -> Answer<String> {
    caller(client).await.map(|(account, _)| account)
}

/// The account that asks, and its partition, which its ARN tells.
pub(super) async fn caller(client: &Client) -> Answer<(String, String)> {
    const ACTION: &str = "sts:GetCallerIdentity";
    let output = client
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| trouble(&error, ACTION, &[]))?;
    let partition = output
        .arn()
        .and_then(|arn| arn.split(':').nth(1))
        .unwrap_or("aws")
        .to_owned();
    let account = output.account.ok_or_else(|| super::incomplete(ACTION))?;
    Ok((account, partition))
}
