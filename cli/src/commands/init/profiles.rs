//! The profiles of AWS's configuration: their names and regions, nothing else of them. Pure.

use std::collections::BTreeMap;

/// Names of profiles, each with its region where it has one.
pub(super) type Profiles = BTreeMap<String, Option<String>>;

/// Those of the two files' texts, of which the second has credentials, and names its profiles without the word.
pub(super) fn profiles(configuration: &str, credentials: &str) -> Profiles {
    let mut found = Profiles::new();
    for (text, word) in [(configuration, true), (credentials, false)] {
        let mut current: Option<String> = None;
        for line in text.lines() {
            let header = line.strip_prefix('[').and_then(|line| line.split(']').next());
            if let Some(header) = header {
                current = name(header.trim(), word);
                if let Some(name) = &current {
                    found.entry(name.clone()).or_default();
                }
            } else if let Some((key, value)) = line.split_once('=')
                && let Some(region) = current.as_ref().and_then(|name| found.get_mut(name))
                && key.trim_end() == "region"
            {
                *region = Some(value.trim().to_owned());
            }
        }
    }
    found
}

fn name(header: &str, word: bool) -> Option<String> {
    let name = match header.strip_prefix("profile") {
        Some(rest) if word && rest.starts_with(char::is_whitespace) => rest.trim(),
        _ if word && header != "default" => return None,
        _ => header,
    };
    let fits = !name.is_empty() && !name.contains(char::is_whitespace);
    fits.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_profiles_are_found() {
        let configuration = "# [profile no]\n[default]\nregion = eu-west-1\n[profile dev]\noutput=json\nregion=us-east-1 \n[sso-session s]\nregion = no\n[services x]\n[profile a b]\n[plain]\nregion = no\n";
        let credentials =
            "[dev]\naws_secret_access_key = x\n[ci] # robots\r\naws_access_key_id=A\r\nregion = ap-south-1\r\n";
        let found = profiles(configuration, credentials);
        let found: Vec<(&str, Option<&str>)> = found
            .iter()
            .map(|(name, region)| (name.as_str(), region.as_deref()))
            .collect();
        assert_eq!(
            found,
            [
                ("ci", Some("ap-south-1")),
                ("default", Some("eu-west-1")),
                ("dev", Some("us-east-1"))
            ]
        );
        assert!(profiles("", "").is_empty());
    }
}
