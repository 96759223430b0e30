//! The generated configuration page is the one in the repository.

use std::path::Path;

#[test]
fn docs_configuration_md_is_generated_from_the_table_of_keys() {
    let expected = antiphon::config::reference_markdown();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let actual = std::fs::read_to_string(&path).unwrap_or_default();
    if actual != expected {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("configuration.md");
        std::fs::write(&fresh, &expected).unwrap();
        panic!(
            "docs/configuration.md is out of date: copy {} over it",
            fresh.display()
        );
    }
}
