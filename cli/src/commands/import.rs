//! `k2m import`: writes the k2m.yaml that does what a function of a SAM or CloudFormation template did, and says what becomes different.

mod write;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
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
use crate::settings::{self, Environment, SettingsError, Sources, TABLE, check, resolve};
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
    /// A flag has no value that its setting takes.
    #[error("invalid value `{}` for {flag}: {reason}", shown(value))]
    Flag {
        /// Such as `--batch-size`.
        flag: String,
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
    #[error("failed to write {path}: {source}; nothing was changed")]
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
            Self::NoTemplate { .. } | Self::Read { .. } => Exit::NoFile,
            Self::SamConfig(_) => Exit::BadInput,
            Self::Import(error) => error.exit(),
            Self::Unfit { .. } | Self::Declined { .. } => Exit::Failed,
            Self::Flag { .. } | Self::Exists { .. } => Exit::Usage,
            Self::Write { .. } => Exit::Io,
        }
    }
}

/// Runs the command.
pub async fn run(args: ImportArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let attended = Attended::new(reporter, args.yes)?;
    let path = (!args.stdout).then(|| chosen::path(&args.settings));
    let document = document(&args, path.as_deref())?;
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
fn document(args: &ImportArgs, path: Option<&Path>) -> Result<Document, ImportError> {
    let template = template(args.template.as_deref())?;
    let folder = template.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let bytes = read(&template, import::SIZE_LIMIT)?;
    let given = Given {
        parameters: args.parameter.iter().cloned().collect(),
        sam: sam(args, folder)?,
        region: args.settings.region.clone(),
        mappings: args.mapping.clone(),
        flags: flags(&args.settings)?,
    };
    let shown = template.to_string_lossy();
    let project = Project::read(&shown, &bytes, given)?;
    let mut texts = BTreeMap::new();
    for name in project.files() {
        if let Ok(bytes) = read(&folder.join(&name), MOST_BYTES) {
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

/// A file's bytes; of a longer one than `most` one byte more, which tells that it is.
fn read(path: &Path, most: usize) -> Result<Vec<u8>, ImportError> {
    let unreadable = |source| ImportError::Read {
        path: path.to_owned(),
        source,
    };
    // Opening a pipe waits for whoever writes to it.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("it is not a regular file")));
    }
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// What samconfig.toml says: the one that is named, which must be there, or that beside the template.
fn sam(args: &ImportArgs, folder: &Path) -> Result<SamConfig, ImportError> {
    let path = args.samconfig.clone().unwrap_or_else(|| folder.join(SAMCONFIG));
    let absent = |error: &ImportError| matches!(error, ImportError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound);
    let bytes = match read(&path, MOST_BYTES) {
        Err(error) if args.samconfig.is_none() && absent(&error) => return Ok(SamConfig::default()),
        read => read?,
    };
    let text = String::from_utf8_lossy(&bytes);
    Ok(samconfig::parse(&path.to_string_lossy(), &text, &args.config_env)?)
}

/// The settings that flags say, each fit for itself.
fn flags(args: &SettingsArgs) -> Result<BTreeMap<&'static str, String>, ImportError> {
    let mut flags = BTreeMap::new();
    for row in TABLE {
        if let Some(value) = (row.flag_value)(args) {
            check(row.name, &value).map_err(|reason| ImportError::Flag {
                flag: row.flag(),
                value: value.to_string(),
                reason,
            })?;
            flags.insert(row.name, value.into_owned());
        }
    }
    Ok(flags)
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
