//! A release, packed from what the build left: the same bytes each time, and an archive that works by itself.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Packs the `k2m` and the `bootstrap` beside this program, which are built before the tests are.
fn packed(built: &Path, out: &Path) {
    done(
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .current_dir(workspace())
            .arg("dist")
            .arg("--built")
            .arg(built)
            .arg("--out")
            .arg(out),
    );
}

/// Each file of the folder with its bytes, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_release_has_the_same_bytes_twice_and_works_without_what_it_was_built_with() {
    let ground = tempfile::tempdir().unwrap();
    let built = ground.path().join("built");
    fs::create_dir(&built).unwrap();
    let beside = Path::new(env!("CARGO_BIN_EXE_xtask")).parent().unwrap();
    for name in ["k2m", "bootstrap"] {
        fs::copy(beside.join(name), built.join(name)).unwrap();
    }
    let (once, again) = (ground.path().join("once"), ground.path().join("again"));
    packed(&built, &once);
    packed(&built, &again);
    let (once_files, again_files) = (files(&once), files(&again));
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&once_files), names(&again_files));
    for ((name, first), (_, second)) in once_files.iter().zip(&again_files) {
        assert!(first == second, "{name} differs");
    }
    done(
        Command::new("sha256sum")
            .args(["--check", "--strict", "SHA256SUMS"])
            .current_dir(&once),
    );

    let archive = names(&once_files).into_iter().find(|name| name.ends_with(".tar.gz"));
    let archive = archive.unwrap_or_else(|| panic!("{:?}", names(&once_files)));
    let unpacked = ground.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    done(
        Command::new("tar")
            .arg("xzf")
            .arg(once.join(&archive))
            .arg("-C")
            .arg(&unpacked),
    );
    let inside = unpacked.join(archive.strip_suffix(".tar.gz").unwrap());
    for name in [
        "LICENSE",
        "README.md",
        "THIRD-PARTY-LICENSES.txt",
        "k2m.cdx.json",
        "completions/k2m.bash",
    ] {
        assert!(inside.join(name).is_file(), "{name} is missing");
    }
    // What it carries stands behind its end, and does not keep it from running itself anew.
    let demo = done(
        Command::new(inside.join("k2m"))
            .arg("demo")
            .env_clear()
            .env("PATH", "/nowhere")
            .current_dir(&unpacked),
    );
    let said = String::from_utf8(demo.stdout).unwrap();
    assert!(said.trim_end().ends_with(" lost 0"), "{said}");
}
