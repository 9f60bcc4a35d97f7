//! `cargo xtask dist`: executables with handlers for both processors inside, compiled here or elsewhere, as archives with checksums. The same files give the
//! same bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use k2m_bundle::carried::attach;
use k2m_bundle::{Architecture, BOOTSTRAP, check, pack, read, sha256};

use crate::archive::{Entry, archive};
use crate::error::{Error, Result, text, watched};
use crate::licences::{licences, metadata, shipped};
use crate::say;
use crate::sbom::sbom;

/// `cargo xtask dist`.
#[derive(Debug, Args)]
pub(crate) struct DistArgs {
    /// Processor that is to have an archive (repeatable); each archive carries the handlers for both
    #[arg(long = "for", value_name = "ARCHITECTURE", default_values = ["x86_64", "arm64"], value_parser = ["x86_64", "arm64"])]
    archives: Vec<String>,
    /// Where scripts/dist-build compiles, and keeps what it needs for that
    #[arg(long, value_name = "FOLDER", default_value = "target/dist-build")]
    work: PathBuf,
    /// Compile nothing, and pack what is in this folder: a `bootstrap` and, where that processor is to have an archive, a `k2m` (repeatable: one for each processor)
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["archives", "work"])]
    built: Vec<PathBuf>,
    /// Where the archives go
    #[arg(long, value_name = "FOLDER", default_value = "target/released")]
    out: PathBuf,
}

/// What there is for one processor.
struct Built {
    bootstrap: PathBuf,
    /// Absent where that processor is to have no archive.
    k2m: Option<PathBuf>,
}

/// Runs the task.
pub(crate) fn run(args: &DistArgs) -> Result<()> {
    let built = if args.built.is_empty() {
        compiled(&args.archives, &args.work)?
    } else {
        let found = args.built.iter().map(|folder| Built {
            bootstrap: folder.join(BOOTSTRAP),
            k2m: Some(folder.join("k2m")).filter(|path| path.is_file()),
        });
        found.collect()
    };
    packed(&built, &args.out)
}

/// Compiles the handlers for both processors, which are a fraction of the work and may already show what is wrong, then `k2m` for those that get an archive.
fn compiled(archives: &[String], work: &Path) -> Result<Vec<Built>> {
    let compile = |what: &str, architecture: Architecture| {
        say(&format!("compiling {what} for {}", architecture.name()));
        let mut script = Command::new("scripts/dist-build");
        script.args([what, architecture.name()]).arg(work);
        Ok(PathBuf::from(watched(&mut script)?.trim()))
    };
    let mut built = Vec::new();
    for architecture in [Architecture::X86_64, Architecture::Arm64] {
        let bootstrap = compile(BOOTSTRAP, architecture)?;
        built.push((architecture, Built { bootstrap, k2m: None }));
    }
    for (architecture, built) in &mut built {
        if archives.iter().any(|name| name == architecture.name()) {
            built.k2m = Some(compile("k2m", *architecture)?);
        }
    }
    Ok(built.into_iter().map(|(_, built)| built).collect())
}

/// Packs what is compiled.
fn packed(built: &[Built], out: &Path) -> Result<()> {
    let mut executables: Vec<(Architecture, &Path, Vec<u8>)> = Vec::new();
    let mut bundles: BTreeMap<Architecture, Vec<u8>> = BTreeMap::new();
    for Built { bootstrap, k2m } in built {
        let binary = bytes(bootstrap)?;
        let architecture = check(&binary).map_err(|unfit| {
            Error::Unfit(format!(
                "Lambda can't run {}: {}\n  {}",
                bootstrap.display(),
                unfit.reason,
                unfit.next
            ))
        })?;
        let zip =
            pack(&binary).map_err(|error| Error::Unfit(format!("failed to pack {}: {error}", bootstrap.display())))?;
        if bundles.insert(architecture, zip).is_some() {
            return Err(twice(BOOTSTRAP, architecture));
        }
        let Some(path) = k2m else { continue };
        let binary = bytes(path)?;
        let (architecture, _) = read(&binary)
            .map_err(|reason| Error::Unfit(format!("{} is not to be packed: {reason}", path.display())))?;
        if executables.iter().any(|(other, ..)| *other == architecture) {
            return Err(twice("k2m", architecture));
        }
        executables.push((architecture, path, binary));
    }
    let (_, runs, _) = executables
        .iter()
        .find(|(architecture, ..)| architecture.name().replace("arm64", "aarch64") == std::env::consts::ARCH)
        .ok_or_else(|| {
            Error::Unfit(format!(
                "there is no k2m for this machine ({}), and its completions are printed by itself\n  \
                 add it by --for, or into a folder of --built: `cargo build --profile dist --locked -p k2m`",
                std::env::consts::ARCH
            ))
        })?;

    let date = date()?;
    let common = common(runs)?;
    let version = env!("CARGO_PKG_VERSION");
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (architecture, path, binary) in &executables {
        let inside: Vec<_> = bundles.iter().map(|(name, zip)| (*name, zip.clone())).collect();
        let content = attach(binary, &inside)
            .map_err(|error| Error::Unfit(format!("failed to put handlers into {}: {error}", path.display())))?;
        let mut entries = common.clone();
        entries.push(Entry {
            executable: true,
            ..Entry::new("k2m", content)
        });
        let name = format!("k2m-{version}-{}-linux", architecture.name());
        let packed = archive(&name, &entries, date).map_err(Error::file("pack", &name))?;
        files.push((format!("{name}.tar.gz"), packed));
    }
    for (architecture, zip) in &bundles {
        files.push((format!("bootstrap-{version}-{}.zip", architecture.name()), zip.clone()));
    }
    write(out, &files)
}

fn twice(what: &str, architecture: Architecture) -> Error {
    Error::Unfit(format!(
        "two folders of --built have a {what} for {}: name one of them",
        architecture.name()
    ))
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(Error::file("read", path))
}

fn text_of(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::file("read", path))
}

/// The date of everything in an archive: `SOURCE_DATE_EPOCH`, else that of the commit.
fn date() -> Result<u64> {
    let said = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(said) => said,
        Err(_) => text(Command::new("git").args(["log", "-1", "--format=%ct"]))?,
    };
    said.trim().parse().map_err(|_| {
        Error::Unfit(format!(
            "{:?} is no date: set SOURCE_DATE_EPOCH to seconds since 1970",
            said.trim()
        ))
    })
}

/// What every archive has beside the executable.
fn common(k2m: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for name in ["CHANGELOG.md", "LICENSE", "README.md", "README.zh-CN.md"] {
        entries.push(Entry::new(name, bytes(Path::new(name))?));
    }
    for (shell, name) in [("bash", "k2m.bash"), ("zsh", "_k2m"), ("fish", "k2m.fish")] {
        let script = text(Command::new(k2m).args(["completions", shell]))?;
        entries.push(Entry::new(format!("completions/{name}"), script));
    }
    let (metadata, shipped) = (metadata()?, shipped()?);
    entries.push(Entry::new("THIRD-PARTY-LICENSES.txt", licences(&metadata, &shipped)?));
    let lock = text_of(Path::new("Cargo.lock"))?;
    let sbom = sbom(&metadata, &lock, &shipped, env!("CARGO_PKG_VERSION"))?;
    entries.push(Entry::new("k2m.cdx.json", sbom));
    Ok(entries)
}

/// Writes the files, and their checksums last.
fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
    let mut sums = String::new();
    for (name, content) in files {
        let path = folder.join(name);
        fs::write(&path, content).map_err(Error::file("write", &path))?;
        let _ = writeln!(sums, "{}  {name}", sha256(content));
        say(&format!("wrote {}: {} bytes", path.display(), content.len()));
    }
    let path = folder.join("SHA256SUMS");
    fs::write(&path, sums).map_err(Error::file("write", &path))
}
