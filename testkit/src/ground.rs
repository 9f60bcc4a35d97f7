//! Where fetched things live: Kafka's own jars and a Python environment with other people's Kafka clients.
//!
//! Each is fetched once, with the ordinary clients of its registry (`mvn`, `pip`), built beside its final place under a
//! file lock and moved there in one step, so that concurrent test processes see all of it or nothing.

use std::ffi::OsStr;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Error, KafkaVersion, Result};

const IAM_VALIDATOR: &str = include_str!("../kafka/IamValidator.java");
const POM: &str = include_str!("../kafka/pom.xml");
const REQUIREMENTS: &str = include_str!("../python/requirements.txt");
const CFN_LINT: &str = include_str!("../python/cfn-lint.txt");
const CHECKOV: &str = include_str!("../python/checkov.txt");
const UNPACK_DEBIAN: &str = include_str!("../../scripts/unpack-debian");
const INSTALL_JAVA: &str = "a Java runtime, 17 or later (Debian: default-jre-headless)";
const INSTALL_JAVAC: &str = "a Java compiler, 17 or later (Debian: openjdk-17-jdk-headless)";
const INSTALL_MAVEN: &str =
    "Maven, 3.6 or later (Debian: maven), or set KAFKA_HOME to an unpacked Kafka distribution of the wanted version";
const INSTALL_PYTHON: &str = "Python, 3.10 or later, with its venv module (Debian: python3 python3-venv)";

/// The folder that everything is cached in: `K2M_TEST_GROUND`, else `test-ground` in cargo's target folder.
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("K2M_TEST_GROUND") {
        return folder.into();
    }
    // Cargo marks its target folder with a tag; a test binary lies somewhere below it.
    let tagged = std::env::current_exe().ok().and_then(|exe| {
        exe.ancestors()
            .find(|folder| folder.join("CACHEDIR.TAG").is_file())
            .map(Path::to_owned)
    });
    tagged
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"))
        .join("test-ground")
}

/// The folder with the jars of a broker of this version: `KAFKA_HOME`'s where it holds one of the same major version,
/// else fetched with Maven on first use.
pub fn kafka_libs(version: KafkaVersion) -> Result<PathBuf> {
    require("java", "-version", INSTALL_JAVA)?;
    if let Some(home) = std::env::var_os("KAFKA_HOME").filter(|home| !home.is_empty()) {
        let libs = Path::new(&home).join("libs");
        if home_version(&libs)?.split('.').next() == version.number().split('.').next() {
            return Ok(libs);
        }
    }
    let name = format!("kafka-{}", version.number());
    let ready = once(&name, POM, |folder| {
        require("mvn", "--version", INSTALL_MAVEN)?;
        let pom = folder.join("pom.xml");
        std::fs::write(&pom, POM).map_err(Error::io(format!("write {}", pom.display())))?;
        let mut command = Command::new("mvn");
        command.args(["-q", "-B", "-f"]).arg(&pom);
        command.arg(format!("-Dkafka.version={}", version.number()));
        command
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", folder.join("libs").display()));
        run(&mut command).map(drop)
    })?;
    Ok(ready.join("libs"))
}

/// The folder with the class that checks IAM tokens on a broker, compiled against the broker's jars on first use.
pub(crate) fn iam_validator(version: KafkaVersion, libs: &Path) -> Result<PathBuf> {
    let name = format!("iam-validator-{}", version.number());
    once(&name, IAM_VALIDATOR, |folder| {
        require("javac", "-version", INSTALL_JAVAC)?;
        let source = folder.join("IamValidator.java");
        std::fs::write(&source, IAM_VALIDATOR).map_err(Error::io(format!("write {}", source.display())))?;
        let mut command = Command::new("javac");
        command.arg("-cp").arg(libs.join("*")).arg("-d").args([folder, &source]);
        run(&mut command).map(drop)
    })
}

/// The Python interpreter of an environment that holds `testkit/python/requirements.txt`, made on first use.
pub fn python() -> Result<PathBuf> {
    Ok(environment("python", REQUIREMENTS)?.join("bin/python"))
}

/// The program `cfn-lint`, in an environment of its own that is made on first use.
pub(crate) fn cfn_lint() -> Result<Command> {
    installed("cfn-lint", CFN_LINT)
}

/// The program `checkov`, in an environment of its own that is made on first use.
pub(crate) fn checkov() -> Result<Command> {
    installed("checkov", CHECKOV)
}

/// A program that is installed with these requirements.
fn installed(program: &str, requirements: &str) -> Result<Command> {
    let ready = environment(program, requirements)?;
    // The script names the interpreter of the folder that it was installed in, and that has moved since.
    let mut command = Command::new(ready.join("bin/python"));
    command.arg(ready.join("bin").join(program));
    Ok(command)
}

/// The folder of a Python environment that holds these requirements, made on first use.
fn environment(name: &str, requirements: &str) -> Result<PathBuf> {
    once(name, requirements, |folder| {
        require("python3", "--version", INSTALL_PYTHON)?;
        run(Command::new("python3").args(["-m", "venv"]).arg(folder)).map_err(|error| match error {
            Error::Command { output, .. } if output.contains("ensurepip") => Error::Missing {
                program: "python3 -m venv",
                install: INSTALL_PYTHON,
            },
            other => other,
        })?;
        let list = folder.join("requirements.txt");
        std::fs::write(&list, requirements).map_err(Error::io(format!("write {}", list.display())))?;
        let python = folder.join("bin/python");
        run(Command::new(python)
            .args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r"])
            .arg(&list))
        .map(drop)
    })
}

/// The folder that these packages of Debian are unpacked in, fetched on first use; names as scripts/unpack-debian takes them.
pub fn debian(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let recipe = format!("{UNPACK_DEBIAN}\n{}", packages.join("\n"));
    once(name, &recipe, |folder| {
        // Where whoever enters it puts what the kernel gives, and what no package brings.
        for mount in ["dev", "mnt", "proc", "root", "tmp"] {
            let path = folder.join(mount);
            std::fs::create_dir_all(&path).map_err(Error::io(format!("create {}", path.display())))?;
        }
        run(Command::new("bash")
            .args(["-c", UNPACK_DEBIAN, "unpack-debian"])
            .arg(folder)
            .args(packages))
        .map(drop)
    })
}

/// A file with this text, kept with the rest so that a failed command can be repeated by hand.
pub(crate) fn script(name: &str, text: &str) -> Result<PathBuf> {
    let ready = once(name, text, |folder| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))
    })?;
    Ok(ready.join(name))
}

/// The version that the jars of a distribution are of, such as `3.9.1`.
fn home_version(libs: &Path) -> Result<String> {
    let setting = |reason: String| Error::Setting {
        variable: "KAFKA_HOME",
        path: libs.to_owned(),
        reason,
    };
    let entries = std::fs::read_dir(libs).map_err(|error| setting(format!("can't be listed: {error}")))?;
    entries
        .flatten()
        .find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?;
            version
                .starts_with(|c: char| c.is_ascii_digit())
                .then(|| version.to_owned())
        })
        .ok_or_else(|| {
            setting("holds no kafka_2.13-<version>.jar: unpack a binary Kafka distribution there".to_owned())
        })
}

/// The folder `<name>-<hash of recipe>`, filled by `fill` if no one has filled it yet.
///
/// The hash keeps a changed recipe from meeting an old cache, and an old cache from vanishing under a running broker.
fn once(name: &str, recipe: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    recipe.hash(&mut hasher);
    let ground = folder();
    let name = format!("{name}-{:08x}", hasher.finish() >> 32);
    let ready = ground.join(&name);
    if ready.is_dir() {
        return Ok(ready);
    }
    std::fs::create_dir_all(&ground).map_err(Error::io(format!("create {}", ground.display())))?;
    let lock_path = ground.join(format!("{name}.lock"));
    let lock = File::create(&lock_path).map_err(Error::io(format!("create {}", lock_path.display())))?;
    lock.lock()
        .map_err(Error::io(format!("lock {}", lock_path.display())))?;
    if ready.is_dir() {
        return Ok(ready);
    }
    let parts = tempfile::Builder::new()
        .prefix(&format!("{name}."))
        .tempdir_in(&ground)
        .map_err(Error::io(format!("create a folder in {}", ground.display())))?;
    let new = parts.path().join(&name);
    std::fs::create_dir(&new).map_err(Error::io(format!("create {}", new.display())))?;
    fill(&new)?;
    std::fs::rename(&new, &ready).map_err(Error::io(format!("move {} to its place", new.display())))?;
    Ok(ready)
}

/// An error that says what to install, unless the program can be started.
fn require(program: &'static str, harmless: &str, install: &'static str) -> Result<()> {
    let found = Command::new(program)
        .arg(harmless)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(Error::Missing { program, install })
    }
}

/// Runs a command to its end and answers its standard output; an error holds the end of what it printed.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>> {
    let line = || {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
    };
    let line = line();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io(format!("run `{line}`")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = [output.stdout, output.stderr].concat();
    Err(Error::Command {
        command: line,
        status: output.status.to_string(),
        output: tail(&text, 20),
    })
}

/// The last `lines` lines of a program's output.
pub(crate) fn tail(text: &[u8], lines: usize) -> String {
    let text = String::from_utf8_lossy(text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_what_to_install() {
        let error = require("k2m-no-such-program", "--version", INSTALL_MAVEN).expect_err("there is no such program");
        let text = error.to_string();
        assert!(
            text.contains("`k2m-no-such-program` was not found: install Maven"),
            "{text}"
        );
        assert!(text.contains("KAFKA_HOME"), "{text}");
    }

    #[test]
    fn a_failed_command_shows_its_line_and_the_end_of_its_output() {
        let script = "for n in $(seq 30); do echo line $n; done; exit 3";
        let error = run(Command::new("sh").args(["-c", script])).expect_err("it exits with 3");
        let text = error.to_string();
        assert!(text.contains("sh -c") && text.contains("exit status: 3"), "{text}");
        assert!(text.ends_with("line 30") && !text.contains("line 10\n"), "{text}");
    }

    #[test]
    fn a_distribution_is_recognized_by_its_server_jar() {
        let libs = tempfile::tempdir().expect("a temp dir");
        let error = home_version(libs.path()).expect_err("the folder is empty");
        assert!(error.to_string().contains("kafka_2.13-<version>.jar"), "{error}");
        std::fs::write(libs.path().join("kafka_2.13-3.9.1.jar"), "").expect("a file");
        assert_eq!(home_version(libs.path()).expect("there is a jar"), "3.9.1");
    }
}
