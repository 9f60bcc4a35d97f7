//! `k2m import`: writes the k2m.yaml that does what a function of a SAM or CloudFormation template did, and says what becomes different.

mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::attended::Attended;
use super::{CommandError, chosen, file, output};
use crate::args::{ImportArgs, SettingsArgs};
use crate::deploy::port::User as _;
use crate::doctor;
use crate::exit::Exit;
use crate::import::samconfig::{self, SamConfig, SamConfigError};
use crate::import::{self, Given, Project};
use crate::report::{Reporter, printable};
use crate::settings::{self, Environment, Row, SettingsError, Sources, TABLE, check, resolve};
use crate::shown::shown;
use write::{Document, rendered};

/// Names that a template has in a folder, in the order in which they count.
const TEMPLATES: [&str; 6] = [
    "template.yaml",
    "template.yml",
    "template.json",
    "cloudformation.yaml",
    "cloudformation.yml",
    "cloudformation.json",
];
/// What stands for standard input, and its name in what is said.
const STANDARD_INPUT: [&str; 2] = ["-", "standard input"];
/// What `sam deploy` reads beside the template.
const SAMCONFIG: &str = "samconfig.toml";
/// More than a file of code or of samconfig has that says where a function writes to.
const MOST_BYTES: usize = 1 << 20;

/// Why nothing was imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// There is none.
    #[error(
        "no template in {folder}: there is none of {}; name one, as in `k2m import PATH`",
        TEMPLATES.join(", ")
    )]
    NoTemplate {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A file that can't be read.
    #[error("failed to read {path}: {source}; name a template of SAM or CloudFormation, or its folder")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A file of samconfig that can't be read.
    #[error("failed to read {path}: {source}; name a samconfig.toml with --samconfig FILE, or leave it out")]
    ReadSamConfig {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A file of samconfig that says something else.
    #[error(transparent)]
    SamConfig(#[from] SamConfigError),
    /// The template.
    #[error(transparent)]
    Import(#[from] import::ImportError),
    /// What comes of the template is no settings of k2m.
    #[error("what {template} says does not fit k2m, and nothing was written: {source}")]
    Unfit {
        /// The template.
        template: PathBuf,
        /// Why.
        source: Box<SettingsError>,
    },
    /// An environment of k2m.yaml, of which nothing is written.
    #[error(
        "--env names an environment, and `k2m import` writes what counts in each; leave it out, and write `environments` into the file by hand (docs/settings.md)"
    )]
    Environment,
    /// A flag or a variable has no value that its setting takes.
    #[error("invalid value `{}` for {name}: {reason}", shown(value))]
    Setting {
        /// Such as `--batch-size` or `K2M_BATCH_SIZE`.
        name: String,
        /// As it was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is there, and nobody says that it may be overwritten.
    #[error(
        "{path} is there already, and nobody to ask: standard input or error is no terminal; --yes overwrites it, --config FILE writes another, \
         --stdout prints it"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The user said no.
    #[error("{path} stays as it was; --config FILE writes another, --stdout prints it")]
    Declined {
        /// The file.
        path: PathBuf,
    },
    /// The file can't be written.
    #[error(
        "failed to write {path}: {source}, and nothing was changed; name a place with --config that is there and can be written to, with room"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

impl ImportError {
    /// The exit code that it ends with.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::NoTemplate { .. } | Self::Read { .. } | Self::ReadSamConfig { .. } => Exit::NoFile,
            Self::SamConfig(_) => Exit::BadInput,
            Self::Import(error) => error.exit(),
            Self::Unfit { .. } | Self::Declined { .. } => Exit::Failed,
            Self::Environment | Self::Setting { .. } | Self::Exists { .. } => Exit::Usage,
            Self::Write { .. } => Exit::Io,
        }
    }
}

/// Runs the command.
pub async fn run(args: ImportArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let attended = Attended::new(reporter, args.yes)?;
    let path = (!args.stdout).then(|| chosen::path(&args.settings));
    let (asked, target) = (args.clone(), path.clone());
    // Whoever writes a template into a pipe may take long, or never end.
    let looked = tokio::task::spawn_blocking(move || document(&asked, target.as_deref(), &chosen::environment()));
    let document = tokio::select! {
        biased;
        () = attended.stopped(1) => return Err(CommandError::Interrupted),
        document = looked => document.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?,
    };
    let Some(path) = &path else {
        // The file is the result, and all else is said beside it.
        output(reporter.result(&document.of_text()))?;
        reporter.note_laid_out(document.notes().trim_end(), doctor::text::laid_out);
        return Ok(document.exit());
    };
    let unwritten = |source| ImportError::Write {
        path: path.clone(),
        source,
    };
    // Nobody is asked about what can't be.
    file::can_replace(path).map_err(unwritten)?;
    if path.exists() && !args.yes {
        if !reporter.can_ask() {
            return Err(ImportError::Exists { path: path.clone() }.into());
        }
        let question = format!("{} is there: overwrite it?", printable(&path.to_string_lossy()));
        let yes = tokio::select! {
            biased;
            () = attended.stopped(1) => return Err(CommandError::Interrupted),
            answer = attended.confirm(&question) => answer?,
        };
        if !yes {
            return Err(ImportError::Declined { path: path.clone() }.into());
        }
    }
    file::replace(path, document.text()).map_err(unwritten)?;
    output(reporter.laid_out(&document, doctor::text::laid_out))?;
    Ok(document.exit())
}

/// What comes of the template and the files beside it, for a file of settings at `path`. Writes nothing.
fn document(args: &ImportArgs, path: Option<&Path>, environment: &Environment) -> Result<Document, ImportError> {
    if args.settings.env.is_some() {
        return Err(ImportError::Environment);
    }
    let template = template(args.template.as_deref())?;
    let (flags, variables) = settings(&args.settings, environment)?;
    let Source {
        template,
        folder,
        bytes,
    } = Source::read(template)?;
    let given = Given {
        parameters: args.parameter.iter().cloned().collect(),
        sam: sam(args, &folder)?,
        region: flags.get("region").cloned(),
        mappings: args.mapping.clone(),
        flags,
        variables,
    };
    let shown = template.to_string_lossy();
    let project = Project::read(&shown, &bytes, given)?;
    let mut texts = BTreeMap::new();
    for name in project.files() {
        if let Ok(bytes) = read(&folder.join(&name), MOST_BYTES, is_regular) {
            texts.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    let imported = project.import(&texts)?;
    let text = rendered(&imported).map_err(|error| ImportError::Write {
        path: path.unwrap_or(Path::new(chosen::DEFAULT_FILE)).to_owned(),
        source: io::Error::other(error),
    })?;
    fits(&template, &text)?;
    Ok(Document::new(path, chosen::DEFAULT_FILE, imported, text))
}

/// A template as it was found.
struct Source {
    /// Its name in what is said.
    template: PathBuf,
    /// Where the files are that it goes with.
    folder: PathBuf,
    bytes: Vec<u8>,
}

impl Source {
    fn read(template: PathBuf) -> Result<Self, ImportError> {
        let [dash, name] = STANDARD_INPUT;
        // A pipe is in no folder that says anything.
        let here = PathBuf::from(".");
        if template == Path::new(dash) {
            let template = PathBuf::from(name);
            let bytes = all(io::stdin().lock(), import::SIZE_LIMIT).map_err(|source| ImportError::Read {
                path: template.clone(),
                source,
            })?;
            return Ok(Self {
                template,
                folder: here,
                bytes,
            });
        }
        let mut piped = false;
        let bytes = read(&template, import::SIZE_LIMIT, |metadata| {
            piped = metadata.file_type().is_fifo();
            is_regular(metadata) || piped
        })?;
        let folder = template
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty() && !piped);
        Ok(Self {
            folder: folder.map_or(here, Path::to_owned),
            template,
            bytes,
        })
    }
}

/// The template that is named, or that of the folder.
fn template(named: Option<&Path>) -> Result<PathBuf, ImportError> {
    let folder = match named {
        Some(path) if !path.is_dir() => return Ok(path.to_owned()),
        Some(folder) => folder,
        None => Path::new(""),
    };
    let found = TEMPLATES
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.exists());
    found.ok_or_else(|| ImportError::NoTemplate {
        folder: if named.is_some() { folder.to_owned() } else { ".".into() },
    })
}

/// The bytes of a file, if `takes` takes it for one; of a longer one than `most` one byte more, which tells that it is.
fn read(path: &Path, most: usize, takes: impl FnOnce(&Metadata) -> bool) -> Result<Vec<u8>, ImportError> {
    let unreadable = |source| ImportError::Read {
        path: path.to_owned(),
        source,
    };
    // Opening a pipe waits for whoever writes to it.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    if !takes(&metadata) {
        return Err(unreadable(io::Error::other("it is not a regular file")));
    }
    let file = File::open(path).map_err(unreadable)?;
    all(file, most).map_err(unreadable)
}

fn all(from: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    from.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_regular(metadata: &Metadata) -> bool {
    metadata.is_file()
}

/// What samconfig.toml says: the one that is named, which must be there, or that beside the template.
fn sam(args: &ImportArgs, folder: &Path) -> Result<SamConfig, ImportError> {
    let path = args.samconfig.clone().unwrap_or_else(|| folder.join(SAMCONFIG));
    let absent = |error: &ImportError| matches!(error, ImportError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound);
    let bytes = match read(&path, MOST_BYTES, is_regular) {
        Err(error) if args.samconfig.is_none() && absent(&error) => return Ok(SamConfig::default()),
        Err(ImportError::Read { path, source }) => return Err(ImportError::ReadSamConfig { path, source }),
        read => read?,
    };
    let text = String::from_utf8_lossy(&bytes);
    Ok(samconfig::parse(&path.to_string_lossy(), &text, &args.config_env)?)
}

/// Settings by name, and those of them that variables say.
type Said = (BTreeMap<&'static str, String>, BTreeSet<&'static str>);

/// The settings that flags say, or else variables, each fit for itself.
fn settings(args: &SettingsArgs, environment: &Environment) -> Result<Said, ImportError> {
    /// What says where records go: a flag of one takes the place of the other's variable.
    const KAFKA: [&str; 2] = ["cluster", "bootstrap_servers"];
    let by_flag = |name: &str| {
        TABLE
            .iter()
            .any(|row| row.name == name && (row.flag_value)(args).is_some())
    };
    let kafka_by_flag = KAFKA.iter().any(|name| by_flag(name));
    let mut all = BTreeMap::new();
    let mut variables = BTreeSet::new();
    for row in TABLE {
        let variable = || {
            let text = environment.get(&row.variable()).filter(|text| !text.is_empty());
            text.filter(|_| !(kafka_by_flag && KAFKA.contains(&row.name)))
        };
        if let Some(value) = (row.flag_value)(args) {
            fit(row, row.flag(), &value)?;
            all.insert(row.name, value.into_owned());
        } else if let Some(value) = variable() {
            fit(row, row.variable(), value)?;
            all.insert(row.name, value.clone());
            variables.insert(row.name);
        }
    }
    Ok((all, variables))
}

fn fit(row: &Row, name: String, value: &str) -> Result<(), ImportError> {
    check(row.name, value).map_err(|reason| ImportError::Setting {
        name,
        value: value.to_owned(),
        reason,
    })
}

/// Whether other commands will take what is written; the environment is not part of it.
fn fits(template: &Path, text: &str) -> Result<(), ImportError> {
    let unfit = |source: SettingsError| ImportError::Unfit {
        template: template.to_owned(),
        source: Box::new(source),
    };
    let file = settings::File::parse(chosen::DEFAULT_FILE, text.as_bytes()).map_err(|error| unfit(error.into()))?;
    resolve(Sources {
        flags: &SettingsArgs::default(),
        environment: &Environment::new(),
        file: Some(&file),
    })
    .map(drop)
    .map_err(unfit)
}

#[cfg(test)]
mod tests;
