//! Which of a function's variables or constants say what servers it begins with, and which topic it writes to. Nothing else of them is kept. Pure.

use std::collections::BTreeMap;

use crate::plan::private::is_port;
use crate::settings::{Authentication, Servers, parse};

/// What one of them says, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The variable or constant.
    pub name: String,
    /// Servers as `HOST:PORT[,…]`, or a topic.
    pub value: String,
}

/// What was found among names and texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One thing.
    One(Hint),
    /// Nothing that says it.
    Nothing,
    /// Several that say different things: the names.
    Several(Vec<String>),
}

/// Words in names of what lists brokers.
const OF_BROKERS: [&str; 4] = ["BOOTSTRAP", "BROKER", "KAFKA", "MSK"];

/// Words in names of topics that are another thing's, or for what fails.
const OF_OTHERS: [&str; 6] = ["ALARM", "DEAD", "DLQ", "ERROR", "FAIL", "SNS"];

/// By name, texts.
type Texts = BTreeMap<String, String>;

/// The servers: a text that is nothing but a list of `host:port`. Since databases are named so too, it has the name of brokers, or their ports.
pub fn servers(texts: &Texts) -> Found {
    let listed = texts.iter().filter_map(|(name, text)| {
        // A client takes a server that is named twice, and a comma at the end.
        let each = text.split(',').map(str::trim).filter(|server| !server.is_empty());
        let mut once: Vec<&str> = Vec::new();
        for server in each {
            if !once.contains(&server) {
                once.push(server);
            }
        }
        let servers = Servers::told(&once.join(",")).ok()?;
        let upper = name.to_ascii_uppercase();
        // The sample has the bare word.
        let named =
            OF_BROKERS.iter().any(|word| upper.contains(word)) || matches!(upper.as_str(), "SERVER" | "SERVERS");
        let ports = servers.ports();
        let of_brokers = ports
            .iter()
            .all(|port| Authentication::of_port(*port).is_some() || is_port(*port));
        (named || of_brokers).then(|| (named, hint(name, servers.to_string())))
    });
    // One that is named so counts more than one that only looks so.
    let (named, others): (Vec<_>, Vec<_>) = listed.partition(|(named, _)| *named);
    let counted = if named.is_empty() { others } else { named };
    one(counted.into_iter().map(|(_, hint)| hint).collect())
}

/// The topic: a name that can be a topic's, in what is named after one.
pub fn topic(texts: &Texts) -> Found {
    let names = texts.iter().filter_map(|(name, text)| {
        let upper = name.to_ascii_uppercase();
        let mut words = upper.split('_');
        let fits = words.any(|word| matches!(word, "TOPIC" | "TOPICNAME"));
        let of_other = OF_OTHERS.iter().any(|word| upper.contains(word));
        let topic = parse::topic(text.trim()).ok().filter(|_| fits && !of_other)?;
        Some(hint(name, topic))
    });
    one(names.collect())
}

fn hint(name: &str, value: String) -> Hint {
    Hint {
        name: name.to_owned(),
        value,
    }
}

fn one(hints: Vec<Hint>) -> Found {
    let Some(first) = hints.first() else {
        return Found::Nothing;
    };
    if hints.iter().all(|hint| hint.value == first.value) {
        return Found::One(first.clone());
    }
    Found::Several(hints.into_iter().map(|hint| hint.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        let pairs = pairs.iter().map(|&(name, text)| (name.to_owned(), text.to_owned()));
        pairs.collect()
    }

    fn said(found: Found) -> String {
        match found {
            Found::One(hint) => format!("{}={}", hint.name, hint.value),
            Found::Nothing => "nothing".to_owned(),
            Found::Several(names) => format!("several: {}", names.join(", ")),
        }
    }

    #[test]
    fn servers_are_told_from_all_else() {
        for (pairs, wanted) in [
            (&[("SERVER", "a:9092,b:9092 ")][..], "SERVER=a:9092,b:9092"),
            (&[("X", "a:9098, b:9098,")], "X=a:9098,b:9098"),
            (&[("KAFKA_HOSTS", "a:19092")], "KAFKA_HOSTS=a:19092"),
            (&[("SERVER", "a:9092, a:9092,b:9092,")], "SERVER=a:9092,b:9092"),
            (&[("SERVER", "a:19092"), ("DB_SERVER", "b:5432")], "SERVER=a:19092"),
            // Wrong, but told: doctor says that it is no broker of the cluster.
            (&[("BROKERS", "127.0.0.1:33092")], "BROKERS=127.0.0.1:33092"),
            (&[("DB", "db.example.com:5432")], "nothing"),
            (&[("DB", "db:5432"), ("SERVER", "a:9092")], "SERVER=a:9092"),
            (&[("CACHE", "c:9092"), ("BROKERS", "a:9092")], "BROKERS=a:9092"),
            (&[("BROKERS", "a:9092"), ("KAFKA", "b:9092")], "several: BROKERS, KAFKA"),
            (&[("BROKERS", "a:9092"), ("KAFKA", "a:9092")], "BROKERS=a:9092"),
            (&[("BROKERS", "a:9092;password=x")], "nothing"),
            (&[("BROKERS", "user:secret@a:9092")], "nothing"),
            (&[("BROKERS", "a"), ("KAFKA", ""), ("MSK", "a:0")], "nothing"),
            (&[], "nothing"),
        ] {
            assert_eq!(said(servers(&texts(pairs))), wanted, "{pairs:?}");
        }
    }

    #[test]
    fn a_topic_is_told_from_all_else() {
        for (pairs, wanted) in [
            (&[("TOPIC", "orders")][..], "TOPIC=orders"),
            (&[("kafka_topic", " orders ")], "kafka_topic=orders"),
            (&[("TOPIC_NAME", "orders"), ("SNS_TOPIC", "told")], "TOPIC_NAME=orders"),
            (&[("TOPIC", "orders"), ("DEAD_LETTER_TOPIC", "bad")], "TOPIC=orders"),
            (&[("TOPIC", "arn:aws:sns:eu-west-1:123456789012:x")], "nothing"),
            (&[("TOPICAL", "news"), ("PASSWORD", "orders")], "nothing"),
            (&[("TOPIC", "a"), ("KAFKA_TOPIC", "b")], "several: KAFKA_TOPIC, TOPIC"),
        ] {
            assert_eq!(said(topic(&texts(pairs))), wanted, "{pairs:?}");
        }
    }
}
