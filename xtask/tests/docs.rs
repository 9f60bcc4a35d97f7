//! Lists in the documentation that are to be whole.

use std::fs;
use std::path::Path;

#[test]
fn the_table_of_documents_for_programs_has_each_schema() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let page = fs::read_to_string(docs.join("output.md")).unwrap();
    let files = fs::read_dir(docs.join("schemas")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    // That of settings is no command's.
    let missing: Vec<String> = names
        .filter(|name| name != "k2m.yaml.json" && !page.contains(&format!("](schemas/{name}):")))
        .filter(|name| name != "error.json" || !page.contains("](schemas/error.json) |"))
        .collect();
    assert_eq!(missing, [""; 0]);
}
