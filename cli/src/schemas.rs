//! The JSON Schemas of what k2m reads and prints, by name. Pure. That of k2m.yaml follows from the table of settings; the others are the files of
//! docs/schemas.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::args::Of;
use crate::settings::schema;

/// The text of the file of docs/schemas that is one's own; none of settings, whose schema follows from their table.
macro_rules! written {
    ($($variant:ident $name:literal,)*) => {
        const fn written(of: Of) -> Option<&'static str> {
            match of {
                Of::Settings => None,
                $(Of::$variant => Some(include_str!(concat!("../../docs/schemas/", $name, ".json"))),)*
            }
        }
    };
}

written! {
    Init "init",
    Import "import",
    Inspect "inspect",
    Plan "plan",
    Render "render",
    Deploy "deploy",
    Destroy "destroy",
    Doctor "doctor",
    Explain "explain",
    Status "status",
    Logs "logs",
    Run "run",
    Demo "demo",
    Error "error",
}

/// A schema, for people and programs alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    text: String,
    document: Value,
}

impl Schema {
    /// The schema of this.
    pub fn of(of: Of) -> Result<Self, serde_json::Error> {
        written(of).map_or_else(
            || {
                let document = schema::settings();
                Ok(Self {
                    text: format!("{document:#}\n"),
                    document,
                })
            },
            Self::read,
        )
    }

    fn read(text: &str) -> Result<Self, serde_json::Error> {
        Ok(Self {
            text: text.to_owned(),
            document: serde_json::from_str(text)?,
        })
    }
}

impl Display for Schema {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use clap::ValueEnum as _;

    use super::*;

    /// The file of docs/schemas that has it.
    fn file(of: Of) -> String {
        match of {
            Of::Settings => "k2m.yaml.json".to_owned(),
            other => format!("{}.json", other.to_possible_value().unwrap().get_name()),
        }
    }

    #[test]
    fn each_file_of_the_documentation_is_printed_and_that_of_settings_is_the_table_s() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
        let settings = folder.join(file(Of::Settings));
        if std::env::var_os("K2M_UPDATE_DOCS").is_some() {
            fs::write(&settings, Schema::of(Of::Settings).unwrap().to_string()).unwrap();
        }
        let files: BTreeSet<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        let known: BTreeSet<String> = Of::value_variants().iter().map(|of| file(*of)).collect();
        assert_eq!(files, known);
        for of in Of::value_variants() {
            let text = fs::read_to_string(folder.join(file(*of))).unwrap();
            let schema = Schema::of(*of).unwrap();
            assert!(
                schema.to_string() == text,
                "{}: write it again with K2M_UPDATE_DOCS=1",
                file(*of)
            );
            assert_eq!(
                schema.document["$schema"],
                "https://json-schema.org/draft/2020-12/schema"
            );
        }
    }
}
