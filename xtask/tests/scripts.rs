//! Scripts that a release is made with: what scripts/dist-build keeps, with stand-ins for all that takes long; the release's notes; the bound of its start.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

/// One test after the other: a script that one is writing can't be run while another's new process still has it open, as any has between its fork and its program.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stands for each program that takes long, under its name. Compiling (`unshare`) takes what it makes of C from what is kept, as cargo does: it can't know that
/// another zig or other flags compiled that. The file `stop` ends the one that it names half way.
const STAND_IN: &str = r#"#!/bin/sh
ground=$(dirname "$(dirname "$0")")
name=$(basename "$0")
half_way() { # FOLDER
    echo "$name" >>"$ground/done"
    mkdir -p "$1"
    if [ "$(cat "$ground/stop")" = "$name" ]; then exit 130; fi
}
case $name in
uname) echo Linux x86_64 ;;
readelf) echo 'Name: GLIBC_2.17' ;;
rustc) if [ "$1" = --print ]; then echo "$ground/sysroot"; else cat "$ground/rust"; fi ;;
python3) mkdir -p "$3/bin" && ln -s "$0" "$3/bin/pip" ;;
pip)
    ground=$(cd "$ground/../.." && pwd)
    half_way "$7" && cp "$9" "$7/tools" ;;
cargo) half_way "$5" && cp Cargo.lock "$5/lock" ;;
unpack-debian)
    half_way "$1/usr/bin" && cp "$ground/rust" "$1/rust"
    printf '#!/bin/sh\necho rustc\n' >"$1/usr/bin/rustc" && chmod +x "$1/usr/bin/rustc" ;;
unshare)
    if [ ! -e "$TARGET/c" ]; then cat "$FOLDER/tools/tools" scripts/dist-build >"$TARGET/c"; fi
    for last in "$@"; do what=$triple triple=$glibc glibc=$last; done
    mkdir -p "$TARGET/$triple/dist"
    rust=$(if [ "$RUST" != "$TOOLCHAIN" ]; then cat "$RUST/rust"; fi)
    { cat "$TARGET/c" "$FOLDER/vendor/lock"; echo "$rust"; } >"$TARGET/$triple/dist/$what" ;;
esac
"#;

/// The script in a checkout of its own, on a machine of stand-ins.
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        let ground = Self(tempfile::tempdir().unwrap());
        for folder in ["bin", "scripts", "sysroot/lib/rustlib/x86_64-unknown-linux-gnu/lib"] {
            fs::create_dir_all(ground.path(folder)).unwrap();
        }
        let stand_in = ground.path("stand-in");
        fs::write(&stand_in, STAND_IN).unwrap();
        fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["uname", "readelf", "rustc", "python3", "cargo", "unshare"] {
            symlink(&stand_in, ground.path("bin").join(name)).unwrap();
        }
        symlink(&stand_in, ground.path("scripts/unpack-debian")).unwrap();
        for name in ["dist-build", "arm64-rust"] {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name);
            fs::copy(script, ground.path("scripts").join(name)).unwrap();
        }
        for (name, content) in [
            ("scripts/dist-tools.txt", "zig 1"),
            ("Cargo.lock", "lock A"),
            ("rust", "rust 1"),
            ("stop", "nothing"),
        ] {
            ground.write(name, content);
        }
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    fn build(&self, folder: &str, architecture: &str) -> Output {
        self.write("done", "");
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        Command::new(self.path("scripts/dist-build"))
            .args(["bootstrap", architecture])
            .arg(self.path(folder))
            .env("PATH", path)
            .output()
            .unwrap()
    }

    /// What is built in that folder, and what was made for it.
    fn built(&self, folder: &str, architecture: &str) -> (String, Vec<String>) {
        let output = self.build(folder, architecture);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = String::from_utf8(output.stdout).unwrap();
        let made = fs::read_to_string(self.path("done")).unwrap();
        (
            fs::read_to_string(path.trim()).unwrap(),
            made.lines().map(str::to_owned).collect(),
        )
    }
}

/// What is said of it, the files that changed since, and what is made anew for that.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

#[test]
fn a_release_is_compiled_with_what_is_kept_only_where_that_would_be_made_the_same_again() {
    let _alone = alone();
    let cases: [Case; 5] = [
        ("nothing", &[], &[]),
        ("a pin", &[("scripts/dist-tools.txt", "zig 2")], &["pip"]),
        ("a package", &[("Cargo.lock", "lock B")], &["cargo"]),
        ("Rust", &[("rust", "rust 2")], &["unpack-debian"]),
        (
            "all of them",
            &[
                ("scripts/dist-tools.txt", "zig 2"),
                ("Cargo.lock", "lock B"),
                ("rust", "rust 2"),
            ],
            &["pip", "cargo", "unpack-debian"],
        ),
    ];
    for (what, changes, anew) in cases {
        let ground = Ground::new();
        let (before, made) = ground.built("kept", "arm64");
        assert_eq!(made, ["pip", "cargo", "unpack-debian"], "{what}");
        for (name, content) in changes {
            ground.write(name, content);
        }
        let (after, made) = ground.built("kept", "arm64");
        assert_eq!(made, anew, "{what}");
        assert_eq!(after == before, changes.is_empty(), "{what}");
        assert_eq!(after, ground.built("fresh", "arm64").0, "{what}");
    }
}

#[test]
fn other_flags_compile_all_anew() {
    let _alone = alone();
    let ground = Ground::new();
    let (before, _) = ground.built("kept", "x86_64");
    let script = fs::read_to_string(ground.path("scripts/dist-build")).unwrap();
    ground.write("scripts/dist-build", &format!("{script}# another flag\n"));
    let (after, made) = ground.built("kept", "x86_64");
    assert_eq!(made, [""; 0]);
    assert_ne!(after, before);
    assert_eq!(after, ground.built("fresh", "x86_64").0);
}

#[test]
fn what_a_stopped_run_left_is_never_taken_for_whole() {
    let _alone = alone();
    for (stopped, name, before, meanwhile) in [
        ("pip", "scripts/dist-tools.txt", "zig 1", "zig 2"),
        ("cargo", "Cargo.lock", "lock A", "lock B"),
        ("unpack-debian", "rust", "rust 1", "rust 2"),
    ] {
        let ground = Ground::new();
        let (whole, _) = ground.built("kept", "arm64");
        ground.write(name, meanwhile);
        ground.write("stop", stopped);
        assert!(!ground.build("kept", "arm64").status.success(), "{stopped}");
        // Back to what the folder was made from before.
        ground.write(name, before);
        ground.write("stop", "nothing");
        let (again, made) = ground.built("kept", "arm64");
        assert_eq!(made, [stopped], "{stopped}");
        assert_eq!(again, whole, "{stopped}");
    }
}

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name))
}

#[test]
fn the_notes_of_a_release_are_its_section_of_the_changelog() {
    let _alone = alone();
    let ground = tempfile::tempdir().unwrap();
    fs::create_dir(ground.path().join("scripts")).unwrap();
    let copy = ground.path().join("scripts/changelog");
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/changelog"),
        &copy,
    )
    .unwrap();
    let text = "# Changelog\n\n## Unreleased\n\n- next\n\n## 0.10.0 (2026-12-01)\n\n- ten\n\n### More\n\n- of it\n\n## 0.1.0\n\n- one\n  of two lines\n\n## 0.0.9\n\n";
    fs::write(ground.path().join("CHANGELOG.md"), text).unwrap();
    for (tag, notes) in [
        ("v0.10.0", Some("- ten\n\n### More\n\n- of it\n")),
        ("v0.1.0", Some("- one\n  of two lines\n")),
        ("v0.0.9", None),
        ("v0.1", None),
        ("v0.2.0", None),
    ] {
        let output = Command::new(&copy).arg(tag).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), notes.is_some(), "{tag}: {error}");
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            notes.unwrap_or_default(),
            "{tag}"
        );
        let heading = format!("\"## {}\"", tag.trim_start_matches('v'));
        assert_eq!(error.contains(&heading), notes.is_none(), "{tag}: {error}");
    }
}

#[test]
fn a_command_that_starts_too_slowly_fails() {
    let _alone = alone();
    for (most, code) in [("0", 1), ("60000", 0)] {
        let measured = script("startup")
            .args(["--runs", "3", "--most", most, "/bin/true"])
            .output()
            .unwrap();
        let error = String::from_utf8(measured.stderr).unwrap();
        assert_eq!(measured.status.code(), Some(code), "{error}");
        assert_eq!(error.contains("k2m deploy --help"), code == 1, "{error}");
    }
}
