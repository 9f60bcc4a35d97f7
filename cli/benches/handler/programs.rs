//! The programs that are measured, built here: cargo does not build another package's binaries for a benchmark.

use std::path::{Path, PathBuf};

use k2m::deploy::bundle;
use tokio::process::Command;

use crate::Result;

/// Where they are.
pub(crate) struct Programs {
    /// The handler, built as `k2m deploy` builds it.
    pub(crate) bootstrap: PathBuf,
    /// The same handler with the names of its functions.
    pub(crate) named: PathBuf,
    /// A function that does nothing.
    pub(crate) empty: PathBuf,
}

impl Programs {
    /// Builds them.
    pub(crate) async fn build() -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let bootstrap = bundle::build(&workspace).await?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments =
            "build --quiet --release --locked -p k2m-handler --example named-bootstrap --example empty-function";
        let built = Command::new(cargo)
            .args(arguments.split(' '))
            .current_dir(&workspace)
            .status()
            .await?;
        if !built.success() {
            return Err(format!("cargo {arguments} failed ({built}), so there is nothing to compare with").into());
        }
        let examples = bootstrap.with_file_name("examples");
        Ok(Self {
            named: examples.join("named-bootstrap"),
            empty: examples.join("empty-function"),
            bootstrap,
        })
    }
}
