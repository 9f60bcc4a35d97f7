//! A function that k2m did not make, such as one of a `Kinesis2MSK` stack: what it speaks to, as far as its variables and its code say.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Fact;
use super::deployed::function_name;

/// A function that was named by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Foreign {
    /// Its name, or its ARN, as it was asked for.
    pub function: String,
    /// The stack of CloudFormation that it is of, by its tag; absent where it has none, or its tags could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// The servers that it begins with, `HOST:PORT[,HOST:PORT…]`; absent where neither a variable nor its code says them.
    pub servers: Fact<Said>,
    /// The topic that it writes to; absent where neither says it.
    pub topic: Fact<Said>,
}

/// A value, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Said {
    /// The value.
    pub value: String,
    /// Where.
    pub by: Origin,
}

/// Where something of a function was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Origin {
    /// A variable of its environment.
    Variable(String),
    /// A constant in its code.
    Constant {
        /// The file, as its package has it.
        file: String,
        /// The constant.
        name: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "its variable {name}"),
            Self::Constant { file, name } => write!(f, "{name} in its {file}"),
        }
    }
}

impl Foreign {
    /// Its name, without what says where it is and which version of it is meant.
    pub fn name(&self) -> &str {
        function_name(&self.function)
    }

    /// Where its settings are kept, for words.
    pub fn home(&self) -> String {
        self.stack.as_ref().map_or_else(
            || "where it is deployed from".to_owned(),
            |stack| format!("in the template of the stack {stack}"),
        )
    }
}
