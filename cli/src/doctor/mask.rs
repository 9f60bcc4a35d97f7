//! Account ids taken out of texts, each with the same stand-in wherever it stands.

/// What stands for an account that nobody knew of.
const OTHER: &str = "000000000000";
/// Digits of an account id.
const DIGITS: usize = 12;

/// Account ids with what stands for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mask {
    known: Vec<(String, String)>,
}

impl Mask {
    /// Of accounts that are certain, and of all that look like one in these texts.
    pub(super) fn new<'a>(
        accounts: impl IntoIterator<Item = &'a str>,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut mask = Self { known: Vec::new() };
        for account in accounts {
            mask.add(account);
        }
        for text in texts {
            for (run, alone) in runs(text) {
                if alone {
                    mask.add(&text[run]);
                }
            }
        }
        mask
    }

    fn add(&mut self, account: &str) {
        let is_id = account.len() == DIGITS && account.bytes().all(|byte| byte.is_ascii_digit());
        if is_id && !self.known.iter().any(|(known, _)| known == account) {
            let number = self.known.len() + 1;
            // 111111111111, 222222222222, and after nine of them 000010000010.
            let stand_in = match number {
                1..=9 => number.to_string().repeat(DIGITS),
                _ => format!("{number:06}").repeat(2),
            };
            self.known.push((account.to_owned(), stand_in));
        }
    }

    /// The text with stand-ins: in ARNs, in names that have an id in them, and in the form `1234-5678-9012` that consoles show.
    pub(super) fn of(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut from = 0;
        for (run, alone) in runs(text) {
            let id = &text[run.clone()];
            let known = self.known.iter().find(|(known, _)| known == id);
            let stand_in = known.map_or(OTHER, |(_, stand_in)| stand_in);
            // Where letters are close to it, it may be a part of another id.
            if known.is_some() || alone {
                masked.extend([&text[from..run.start], stand_in]);
                from = run.end;
            }
        }
        masked.push_str(&text[from..]);
        for (known, stand_in) in &self.known {
            let (dashed, stand_in) = (dashed(known), dashed(stand_in));
            if masked.contains(&dashed) {
                masked = masked.replace(&dashed, &stand_in);
            }
        }
        masked
    }
}

/// In groups of four.
fn dashed(id: &str) -> String {
    let groups: Vec<&str> = [0..4, 4..8, 8..12]
        .into_iter()
        .filter_map(|group| id.get(group))
        .collect();
    groups.join("-")
}

/// Where twelve digits stand, and whether neither a letter nor anything else of a word is close to them.
fn runs(text: &str) -> Vec<(std::ops::Range<usize>, bool)> {
    let mut runs = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == DIGITS && !ends_uuid(&bytes[..at]) {
            let close = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
            let alone = !close(text[..at].chars().next_back()) && !close(text[at + length..].chars().next());
            runs.push((at..at + length, alone));
        }
        at += length.max(1);
    }
    runs
}

/// Whether what follows is the last group of a UUID.
fn ends_uuid(before: &[u8]) -> bool {
    const GROUPS: [usize; 4] = [8, 4, 4, 4];
    let mut at = before.len();
    for group in GROUPS.into_iter().rev() {
        let Some(from) = at.checked_sub(group + 1) else {
            return false;
        };
        let (digits, dash) = (&before[from..at - 1], before[at - 1]);
        if dash != b'-' || !digits.iter().all(u8::is_ascii_hexdigit) {
            return false;
        }
        at = from;
    }
    // Else it is longer than a UUID, and none.
    !before[..at].last().is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::Mask;

    #[test]
    fn each_account_has_its_own_stand_in_wherever_it_stands() {
        let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders of 999988887777, again 123456789012";
        let mask = Mask::new(["555555555555", "no account", "1234"], [arn, "and 121212121212"]);
        for (text, masked) in [
            (
                arn,
                "arn:aws:kinesis:eu-west-1:222222222222:stream/orders of 333333333333, again 222222222222",
            ),
            ("k2m-artifacts-555555555555_eu", "k2m-artifacts-111111111111_eu"),
            ("logs123456789012abc", "logs222222222222abc"),
            ("account 1234-5678-9012", "account 2222-2222-2222"),
            // Thirteen digits are a time, more a sequence number.
            ("1234567890123 and 49123456789012", "1234567890123 and 49123456789012"),
            ("subnet-0a123123123123b", "subnet-0a123123123123b"),
            ("nobody's 707070707070", "nobody's 000000000000"),
            // The last group of a UUID.
            (
                "uuid 0f1e2d3c-4b5a-6978-8796-123456789012 of 123456789012",
                "uuid 0f1e2d3c-4b5a-6978-8796-123456789012 of 222222222222",
            ),
            ("4b5a-6978-8796-123456789012", "4b5a-6978-8796-222222222222"),
            (
                "0f1e2d3g-4b5a-6978-8796-123456789012",
                "0f1e2d3g-4b5a-6978-8796-222222222222",
            ),
            (
                "x0f1e2d3c-4b5a-6978-8796-123456789012",
                "x0f1e2d3c-4b5a-6978-8796-222222222222",
            ),
            ("-4b5a-6978-8796-123456789012", "-4b5a-6978-8796-222222222222"),
            ("é121212121212 注121212121212é", "é444444444444 注444444444444é"),
            ("", ""),
        ] {
            assert_eq!(mask.of(text), masked, "{text}");
        }
    }

    #[test]
    fn many_accounts_have_many_stand_ins() {
        let ids: Vec<String> = (0..30).map(|number| format!("7777777777{number:02}")).collect();
        let mask = Mask::new(ids.iter().map(String::as_str), []);
        let stand_ins: std::collections::BTreeSet<String> = ids.iter().map(|id| mask.of(id)).collect();
        assert_eq!(stand_ins.len(), 30);
        assert!(stand_ins.iter().all(|stand_in| stand_in.len() == 12), "{stand_ins:?}");
    }
}
