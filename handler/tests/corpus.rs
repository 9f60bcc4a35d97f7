//! What the fuzz targets have found worth keeping holds without a fuzzer, too.

use std::path::Path;

#[path = "../fuzz/checks.rs"]
mod checks;

type Check = fn(&[u8]);

#[test]
fn the_corpus_is_replayed() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, check) in [
        ("event", checks::event as Check),
        ("aggregate", checks::aggregate),
        ("envelope", checks::envelope),
    ] {
        let files: Vec<_> = std::fs::read_dir(corpus.join(name))
            .expect("the corpus is there")
            .map(|file| file.expect("a file").path())
            .collect();
        assert!(files.len() >= 5, "{name} has {} files", files.len());
        for file in files {
            check(&std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
        }
    }
}
