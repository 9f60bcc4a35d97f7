//! What the user chose: reads the environment and k2m.yaml, and resolves them with the flags.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::CommandError;
use crate::args::SettingsArgs;
use crate::arn::Arn;
use crate::settings::{
    Access, ChosenStack, Environment, File, FunctionEnds, SIZE_LIMIT, Settings, SettingsError, Sources, StackOutputs,
    in_environment, resolve, resolve_deployed, resolve_function, resolve_stack,
};

/// The file of settings that is read where none is named.
pub(super) const DEFAULT_FILE: &str = "k2m.yaml";

/// Resolves the settings of a stack.
pub(super) fn chosen(args: &SettingsArgs) -> Result<(Settings, Access), CommandError> {
    let (environment, file) = given(args)?;
    let (settings, access) = resolve(sources(args, &environment, file.as_ref()))?;
    settings.check_times(jiff::Timestamp::now())?;
    Ok((settings, access))
}

/// Resolves the settings of pipelines that have a stack: the ends that nobody names are the stack's.
pub(super) fn completed(args: &SettingsArgs, stack: &StackOutputs) -> Result<(Settings, Access), CommandError> {
    let (environment, file) = given(args)?;
    Ok(resolve_deployed(sources(args, &environment, file.as_ref()), stack)?)
}

/// Resolves the settings of pipelines that a function has which k2m did not make.
pub(super) fn chosen_function(args: &SettingsArgs, ends: &FunctionEnds) -> Result<(Settings, Access), CommandError> {
    let (environment, file) = given(args)?;
    Ok(resolve_function(sources(args, &environment, file.as_ref()), ends)?)
}

/// The profile, and the region that a stream's ARN or `--region` says, to look with where not all has to be chosen yet.
pub(super) fn looking(args: &SettingsArgs) -> Result<Access, CommandError> {
    let (environment, file) = given(args)?;
    let sources = sources(args, &environment, file.as_ref());
    let access = sources.looking()?;
    let stream = sources.stream()?.map(|stream| stream.value.region);
    Ok(Access {
        region: access.region.or(stream),
        ..access
    })
}

/// Resolves which stack is meant, where its name and a region are enough: no region means that the SDK's own rules decide.
pub(super) fn chosen_stack(args: &SettingsArgs) -> Result<ChosenStack, CommandError> {
    let (environment, file) = given(args)?;
    Ok(resolve_stack(sources(args, &environment, file.as_ref()))?)
}

/// The streams that a flag or the environment names, to choose among a stack's pipelines; none where neither names any.
pub(super) fn named_streams(args: &SettingsArgs) -> Result<Option<Vec<Arn>>, CommandError> {
    let (environment, file) = given(args)?;
    let said = environment.get("K2M_STREAM").is_some_and(|text| !text.is_empty());
    if args.stream.is_empty() && !said {
        return Ok(None);
    }
    Ok(Some(sources(args, &environment, file.as_ref()).all_streams()?))
}

fn sources<'a>(flags: &'a SettingsArgs, environment: &'a Environment, file: Option<&'a File>) -> Sources<'a> {
    Sources {
        flags,
        environment,
        file,
    }
}

/// The variables that settings come from. What is not Unicode no setting can be, and is refused as such.
pub(super) fn environment() -> Environment {
    let ours = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("K2M_")));
    ours.map(|(name, value)| {
        (
            name.to_string_lossy().into_owned(),
            value.to_string_lossy().into_owned(),
        )
    })
    .collect()
}

/// The variables, and the file that is named, which must be there, or k2m.yaml of this folder if it is; as it counts in the environment that is chosen.
fn given(args: &SettingsArgs) -> Result<(Environment, Option<File>), SettingsError> {
    let environment = environment();
    let file = match &args.config {
        Some(path) => load(path).map(Some),
        None => read(Path::new(DEFAULT_FILE)),
    };
    let file = in_environment(args, &environment, file?, &path(args).to_string_lossy())?;
    Ok((environment, file))
}

/// Where the file of settings is.
pub(super) fn path(args: &SettingsArgs) -> PathBuf {
    args.config.clone().unwrap_or_else(|| DEFAULT_FILE.into())
}

/// A file of settings, if it is there.
pub(super) fn read(path: &Path) -> Result<Option<File>, SettingsError> {
    match load(path) {
        Err(SettingsError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        loaded => loaded.map(Some),
    }
}

/// A file of settings.
pub(super) fn load(path: &Path) -> Result<File, SettingsError> {
    let unreadable = |source| SettingsError::Read {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than is possible tells that it is too long.
    let most = u64::try_from(SIZE_LIMIT).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(File::parse(&path.to_string_lossy(), &bytes)?)
}
