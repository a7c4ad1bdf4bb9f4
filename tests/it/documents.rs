//! Documents agree with the code.

use std::collections::BTreeSet;
use std::fs;

use clap::CommandFactory;
use context_services::settings::Settings;

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// All settings, as environment variables.
fn settings() -> BTreeSet<String> {
    let command = Settings::command();
    command.get_arguments().filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned)).collect()
}

#[test]
fn the_table_of_errors_in_the_documents_is_that_of_the_code() {
    let document = read("docs/api-design.md");
    for (code, status, title) in context_services::http::table_of_codes() {
        let row = format!("| `{code}` | {status} | {title} |");
        assert!(document.contains(&row), "docs/api-design.md lacks the row {row}");
    }
}

#[test]
fn the_example_of_settings_has_every_setting_and_no_other() {
    let example = read(".env.example");
    let named = example.lines().filter_map(|line| line.trim_start_matches('#').split_once('='));
    let named: BTreeSet<_> = named.map(|(name, _)| name.trim().to_owned()).collect();
    assert_eq!(named, settings());
}

#[test]
fn the_help_documents_every_setting() {
    let help = Settings::command().render_long_help().to_string();
    for setting in settings() {
        assert!(help.contains(&format!("[env: {setting}")), "{setting}");
    }
}

#[test]
fn every_document_that_the_readme_names_is_there() {
    let readme = read("README.md");
    let links: Vec<_> = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let local: Vec<_> = links.into_iter().filter(|link| !link.starts_with("http") && !link.starts_with('#')).collect();
    assert!(local.len() > 4, "{local:?}");
    for link in local {
        assert!(fs::exists(format!("{}/{link}", env!("CARGO_MANIFEST_DIR"))).unwrap(), "{link}");
    }
}
