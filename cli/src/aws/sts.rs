//! Whose credentials these are, as `GetCallerIdentity` tells it.

use aws_sdk_sts::Client;

use super::answer::{Answer, trouble};

/// The account that asks, twelve digits.
pub(super) async fn account(client: &Client) -> Answer<String> {
    const ACTION: &str = "sts:GetCallerIdentity";
    let output = client
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| trouble(&error, ACTION, &[]))?;
    output.account.ok_or_else(|| super::incomplete(ACTION))
}
