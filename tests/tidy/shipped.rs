//! What is shipped holds nothing that is for tests: known mistakes, and the simulator's seams.
//! Cargo adds up the features of all that it builds together, so a plain build in the root
//! must not build what asks for them.

use toml_edit::Item;

use super::{dependencies, manifest, none};

/// Features of `antiphon-core`.
const OF_TESTS: &[&str] = &["mutants", "simulation"];

fn words(item: Option<&Item>) -> Vec<String> {
    let values = item.and_then(Item::as_array).into_iter().flatten();
    values
        .map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

fn of_workspace(key: &str) -> Vec<String> {
    words(manifest(".")["workspace"].get(key))
}

/// Whether a crate, as others build it, asks for what is for tests.
fn asks_for_tests(folder: &str) -> bool {
    let manifest = manifest(folder);
    let tables = ["dependencies", "build-dependencies"].map(|table| manifest.get(table));
    let dependencies = tables
        .into_iter()
        .flatten()
        .filter_map(|table| table.as_table_like())
        .flat_map(|table| table.iter());
    let mut asked: Vec<String> = dependencies
        .flat_map(|(_, item)| words(item.get("features")))
        .collect();
    let default = manifest.get("features").and_then(|all| all.get("default"));
    asked.extend(words(default));
    asked
        .iter()
        .any(|feature| OF_TESTS.contains(&feature.as_str()))
}

#[test]
fn a_plain_build_has_no_known_mistakes_and_no_simulator() {
    let mut members = of_workspace("members");
    members.push(".".to_owned());
    let defaults = of_workspace("default-members");
    assert!(defaults.contains(&".".to_owned()));
    let (tests, shipped): (Vec<String>, Vec<String>) = members
        .into_iter()
        .partition(|folder| asks_for_tests(folder));
    assert_eq!(tests, ["tests/simulation"], "who asks for {OF_TESTS:?}");
    let built = tests.into_iter().filter(|folder| defaults.contains(folder));
    none("built by a plain `cargo build`", built.collect());
    let needs = |folder: &String| dependencies(folder).contains(&"antiphon-simulation".to_owned());
    none(
        "needs the simulation",
        shipped.into_iter().filter(needs).collect(),
    );
    let shared = manifest(".")["workspace"]["dependencies"]["antiphon-core"].clone();
    assert!(words(shared.get("features")).is_empty());
}

/// Then `cargo run` knows what to run.
#[test]
fn a_plain_build_has_one_program() {
    let mut programs = Vec::new();
    for folder in of_workspace("default-members") {
        let bins = manifest(&folder).get("bin").cloned();
        let bins = bins.as_ref().and_then(Item::as_array_of_tables);
        programs.extend(
            bins.into_iter()
                .flatten()
                .map(|bin| bin["name"].to_string()),
        );
        let main = super::root().join(&folder).join("src/main.rs");
        assert!(folder == "." || !main.exists(), "{}", main.display());
    }
    assert_eq!(programs.len(), 1, "{programs:?}");
}
