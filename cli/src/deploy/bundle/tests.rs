//! Executables made by hand and the test's own, files that are none, and zips.

use std::fmt::Write as _;
use std::io::Write as _;

use k2m_bundle::carried::attach;
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use super::*;

/// The smallest ELF file that says what it is: a header, and nothing to run.
fn elf(machine: u16, kind: u16) -> Vec<u8> {
    let mut file = vec![0; 64];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[16..18].copy_from_slice(&kind.to_le_bytes());
    file[18..20].copy_from_slice(&machine.to_le_bytes());
    file[20] = 1;
    file[24..32].copy_from_slice(&0x40_0000_u64.to_le_bytes());
    file[52] = 64;
    file
}

/// A section header: name, type, offset, size, link, info.
fn section(kind: u32, offset: u64, size: u64, link: u32, info: u32) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[4..8].copy_from_slice(&kind.to_le_bytes());
    header[24..32].copy_from_slice(&offset.to_le_bytes());
    header[32..40].copy_from_slice(&size.to_le_bytes());
    header[40..44].copy_from_slice(&link.to_le_bytes());
    header[44..48].copy_from_slice(&info.to_le_bytes());
    header
}

/// One that needs these versions of the C library, each a name such as `GLIBC_2.34`.
fn needing(versions: &[&str]) -> Vec<u8> {
    let mut file = elf(62, 3);
    let mut strings = b"\0libc.so.6\0".to_vec();
    let count = u16::try_from(versions.len()).unwrap();
    let mut needs = Vec::new();
    needs.extend(1_u16.to_le_bytes());
    needs.extend(count.to_le_bytes());
    for field in [1_u32, 16, 0] {
        needs.extend(field.to_le_bytes());
    }
    for (index, version) in versions.iter().enumerate() {
        let name = u32::try_from(strings.len()).unwrap();
        strings.extend(version.as_bytes());
        strings.push(0);
        let next = if index + 1 == versions.len() { 0_u32 } else { 16 };
        needs.extend(0_u32.to_le_bytes());
        needs.extend([0; 4]);
        needs.extend(name.to_le_bytes());
        needs.extend(next.to_le_bytes());
    }
    let (strings_at, needs_at) = (64, 64 + strings.len() as u64);
    let headers_at = needs_at + needs.len() as u64;
    file[40..48].copy_from_slice(&headers_at.to_le_bytes());
    file[58] = 64;
    file[60] = 3;
    // The names of sections don't matter; those of versions are in the second.
    file[62] = 1;
    let headers = [
        section(0, 0, 0, 0, 0),
        section(3, strings_at, strings.len() as u64, 0, 0),
        section(0x6fff_fffe, needs_at, needs.len() as u64, 1, 1),
    ];
    file.extend(strings);
    file.extend(needs);
    file.extend(headers.concat());
    file
}

fn zipped(name: &str, content: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, SimpleFileOptions::default()).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap().into_inner()
}

#[test]
fn what_lambda_runs_is_taken() {
    for (machine, architecture) in [(62, Architecture::X86_64), (183, Architecture::Arm64)] {
        for kind in [2, 3] {
            assert_eq!(check(&elf(machine, kind)).unwrap(), architecture);
        }
    }
    // A static binary needs no version; the C library's own old and private names don't count.
    for versions in [
        &["GLIBC_2.34"][..],
        &["GLIBC_2.2.5", "GLIBC_2.17"],
        &["GCC_3.0", "GLIBC_PRIVATE"],
    ] {
        assert_eq!(check(&needing(versions)).unwrap(), Architecture::X86_64, "{versions:?}");
    }
    // A real one, stripped or not.
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    match check(&own) {
        Ok(architecture) => assert_eq!(architecture.name().replace("arm64", "aarch64"), std::env::consts::ARCH),
        // Where the machine that builds the tests is newer than Amazon Linux 2023.
        Err(unfit) => assert!(unfit.reason.starts_with("it needs GLIBC 2."), "{}", unfit.reason),
    }
}

#[test]
fn what_lambda_can_t_run_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut big_endian = elf(62, 2);
    big_endian[5] = 2;
    let mut short = needing(&["GLIBC_2.17"]);
    short.truncate(100);
    let mut bomb = zipped("bootstrap", &vec![0; 4096]);
    bomb.truncate(60);
    let cases: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("script", b"#!/bin/sh\nexec true\n"),
        ("text", b"hello"),
        ("macos", b"\xcf\xfa\xed\xfe\x07\x00\x00\x01"),
        ("windows", b"MZ\x90\x00"),
        ("32-bit", b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0"),
        ("big-endian", &big_endian),
        ("riscv", &elf(243, 2)),
        ("object-file", &elf(62, 1)),
        ("damaged", &short),
        ("newer-glibc", &needing(&["GLIBC_2.17", "GLIBC_2.38", "GLIBC_2.4"])),
        ("zip-without", &zipped("main", &elf(62, 2))),
        ("zip-of-script", &zipped("bootstrap", b"#!/bin/sh\n")),
        ("zip-damaged", &bomb),
    ];
    let mut text = String::new();
    let mut refuse = |path: &Path| {
        let error = read(path).unwrap_err();
        let shown = error
            .to_string()
            .replace(&folder.path().display().to_string(), "/folder");
        writeln!(text, "{shown}\n").unwrap();
    };
    for (name, content) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        refuse(&path);
    }
    refuse(folder.path());
    refuse(&folder.path().join("missing"));
    refuse(Path::new("/dev/null"));
    let huge = folder.path().join("huge");
    File::create(&huge).unwrap().set_len(MOST_UNZIPPED + 1).unwrap();
    refuse(&huge);
    insta::assert_snapshot!(text);
}

#[test]
fn the_same_binary_is_the_same_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, zip) = (folder.path().join("bootstrap"), folder.path().join("handler.zip"));
    let binary = needing(&["GLIBC_2.17"]);
    std::fs::write(&plain, &binary).unwrap();
    std::fs::write(&zip, zipped("bootstrap", &binary)).unwrap();
    let bundle = read(&plain).unwrap();
    assert_eq!(bundle, read(&plain).unwrap());
    // The hash must not follow the machine, the day or the version of k2m without need: a change makes every stack change.
    assert_eq!(bundle, read(&zip).unwrap());
    assert_eq!(bundle.sha256, sha256(&bundle.zip));
    let mut archive = ZipArchive::new(Cursor::new(&bundle.zip)).unwrap();
    let mut entry = archive.by_name("bootstrap").unwrap();
    assert_eq!(entry.unix_mode().map(|mode| mode & 0o777), Some(0o755));
    assert_eq!(entry.last_modified(), Some(DateTime::DEFAULT));
    let mut content = Vec::new();
    entry.read_to_end(&mut content).unwrap();
    assert_eq!(content, binary);
    let other = folder.path().join("other");
    std::fs::write(&other, needing(&["GLIBC_2.18"])).unwrap();
    assert_ne!(read(&other).unwrap().sha256, bundle.sha256);
}

#[test]
fn the_handler_is_found_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    let (executable, here) = (at("bin/k2m"), at("elsewhere"));
    std::fs::create_dir_all(at("bin")).unwrap();
    std::fs::write(&executable, "k2m").unwrap();
    let nowhere = find(Wanted::default(), &executable, &here).unwrap_err();
    assert!(matches!(nowhere, BundleError::Nowhere { .. }));
    // A checkout: above the executable, else above the current folder.
    let checkout = |name: &str| {
        std::fs::create_dir_all(at(name).join("handler")).unwrap();
        std::fs::write(at(name).join("Cargo.lock"), "").unwrap();
        std::fs::write(
            at(name).join("handler/Cargo.toml"),
            "[package]\nname = \"k2m-handler\"\n",
        )
        .unwrap();
    };
    checkout("work");
    let inside = at("work/cli/src");
    assert_eq!(
        find(Wanted::default(), &executable, &inside).unwrap(),
        Origin::Checkout(at("work"))
    );
    let built = at("work/target/release/k2m");
    std::fs::create_dir_all(at("work/target/release")).unwrap();
    std::fs::write(&built, "k2m").unwrap();
    assert_eq!(
        find(Wanted::default(), &built, &here).unwrap(),
        Origin::Checkout(at("work"))
    );
    // What is beside the executable comes first, what is named before all.
    std::fs::write(at("bin/bootstrap"), "").unwrap();
    assert_eq!(
        find(Wanted::default(), &executable, &inside).unwrap(),
        Origin::File(at("bin/bootstrap"))
    );
    // k2m's own, before what is beside it: for Graviton, where nobody chose.
    let (arm64, x86_64) = (Architecture::Arm64, Architecture::X86_64);
    let carry = |bundles: &[(Architecture, Vec<u8>)]| {
        std::fs::write(&executable, attach(b"k2m", bundles).unwrap()).unwrap();
    };
    let choose = |architecture| {
        let wanted = Wanted {
            handler: None,
            architecture,
        };
        find(wanted, &executable, &inside).unwrap()
    };
    carry(&[(arm64, b"for Graviton".to_vec()), (x86_64, b"for Intel".to_vec())]);
    assert_eq!(choose(None), Origin::Carried(arm64));
    assert_eq!(choose(Some(x86_64)), Origin::Carried(x86_64));
    let bundle = carried(&executable, x86_64).unwrap();
    assert_eq!(
        (bundle.zip.as_slice(), bundle.architecture),
        (&b"for Intel"[..], x86_64)
    );
    assert_eq!(bundle.sha256, sha256(b"for Intel"));
    carry(&[(x86_64, b"for Intel".to_vec())]);
    assert_eq!(choose(None), Origin::Carried(x86_64));
    assert_eq!(choose(Some(arm64)), Origin::File(at("bin/bootstrap")));
    // Named before all.
    let named = Wanted {
        handler: Some(Path::new("mine.zip")),
        architecture: Some(arm64),
    };
    assert_eq!(
        find(named, &executable, &inside).unwrap(),
        Origin::File("mine.zip".into())
    );
}

#[test]
fn what_carries_nothing_that_can_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |error: BundleError| {
        error
            .to_string()
            .replace(&folder.path().display().to_string(), "/folder")
    };
    let executable = folder.path().join("k2m");
    let mut damaged = attach(b"k2m", &[(Architecture::Arm64, vec![7; 100])]).unwrap();
    damaged[50] ^= 1;
    std::fs::write(&executable, damaged).unwrap();
    let other = folder.path().join("other");
    let only = |architecture: Option<Architecture>| {
        let bundles: Vec<_> = architecture
            .map(|_| (Architecture::X86_64, vec![7]))
            .into_iter()
            .collect();
        std::fs::write(&other, attach(b"k2m", &bundles).unwrap()).unwrap();
        let wanted = Wanted {
            handler: None,
            architecture,
        };
        find(wanted, &other, Path::new("/")).unwrap_err()
    };
    insta::assert_snapshot!(
        [
            refused(carried(&executable, Architecture::Arm64).unwrap_err()),
            refused(find(Wanted::default(), &folder.path().join("missing"), Path::new("/")).unwrap_err()),
            refused(only(None)),
            refused(only(Some(Architecture::Arm64))),
        ]
        .join("\n\n")
    );
}
