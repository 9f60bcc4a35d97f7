//! What lines of a log are known to mean trouble: words of librdkafka, kafka-python, Lambda and the handler.

/// Words in a log, and what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The words as they stand in the line.
    pub words: &'static str,
    /// What they mean, in a sentence without a full stop.
    pub means: &'static str,
    /// The checks that look closer, the likeliest first.
    pub leads_to: &'static [&'static str],
}

/// Every signature that is known. A line counts for the first that it holds.
pub const SIGNATURES: &[Signature] = &[
    Signature {
        words: "Failed to update metadata after",
        means: "kafka-python never got an answer about the topic: the brokers can't be reached, or the topic is missing",
        leads_to: &["K2M-N02", "K2M-T01"],
    },
    Signature {
        words: "Task timed out after",
        means: "Lambda ended the function when its time was over, whatever it was waiting for",
        leads_to: &["K2M-L03", "K2M-N02", "K2M-T01"],
    },
];

/// The first signature that a line holds.
pub fn seen_in(line: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|signature| line.contains(signature.words))
}
