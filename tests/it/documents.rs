//! Documents agree with the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use context_services::settings::Settings;

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// All files in a directory and below it.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// All settings, as environment variables.
fn settings() -> BTreeSet<String> {
    let command = Settings::command();
    command.get_arguments().filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned)).collect()
}

/// docs/api.md §1, Errors.
#[test]
fn the_table_of_errors_in_the_documents_is_that_of_the_code() {
    let document = read("docs/api.md");
    let (_, table) =
        document.split_once("| code | status | cause | what the caller should do |\n|---|---|---|---|\n").unwrap();
    let rows: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let documented: BTreeSet<_> = rows.iter().map(|row| (*row).to_owned()).collect();
    assert_eq!(documented.len(), rows.len(), "a code stands twice");
    assert_eq!(documented, context_services::http::table_of_codes().collect());
}

#[test]
fn sections_that_comments_refer_to_are_there() {
    let document = read("docs/api.md");
    let mut references = 0;
    for file in ["src", "tests"].into_iter().flat_map(|root| files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(root))) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for reference in text.split(&["docs/api.md", " §"].concat()).skip(1) {
            let section: String = reference.chars().take_while(char::is_ascii_digit).collect();
            let heading = format!("\n## {section}. ");
            assert!(document.contains(&heading), "{}: docs/api.md has no section {section:?}", file.display());
            references += 1;
        }
    }
    assert_ne!(references, 0);
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
fn every_operation_of_applications_is_a_method_of_each_client_and_documented() {
    let document: serde_json::Value = serde_json::from_str(&read("openapi.json")).unwrap();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let names: Vec<_> = operations
        .filter_map(|operation| operation["operationId"].as_str())
        .filter(|name| {
            !["report", "purge", "refused"].iter().any(|word| name.contains(word)) && *name != "get_document_3_0"
        })
        .collect();
    assert!(names.len() > 40, "{names:?}");
    let [manual, python, typescript, java] = [
        "docs/clients.md",
        "clients/python/src/context_services/_operations.py",
        "clients/typescript/src/client.ts",
        "clients/java/contextservices/ContextServices.java",
    ]
    .map(read);
    for name in names {
        let camel = camel_case(name);
        for (text, method) in [
            (&manual, format!("`{name}`")),
            (&manual, format!("`{camel}`")),
            (&python, format!("def {name}(")),
            (&typescript, format!("async {camel}(")),
            (&java, format!(" {camel}(")),
        ] {
            assert!(text.contains(&method), "{method} is missing");
        }
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |name, word| format!("{name}{}{}", word[..1].to_uppercase(), &word[1..]))
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

#[test]
fn the_files_of_deployments_set_only_settings_that_exist() {
    let settings = settings();
    let manifest = read("deploy/kubernetes/context-services.yaml");
    let (_, environment) = manifest.split_once("          env:\n").unwrap();
    let (environment, _) = environment.split_once("          ports:\n").unwrap();
    let named = environment.lines().filter_map(|line| line.trim().strip_prefix("- name: "));
    let compose = read("docker-compose.yml");
    let (_, service) = compose.split_once("\n  context-services:\n").unwrap();
    let (_, service) = service.split_once("    environment:\n").unwrap();
    let (service, _) = service.split_once("    ports:\n").unwrap();
    let lines = service.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let named: BTreeSet<_> = named.chain(lines.filter_map(|line| Some(line.split_once(':')?.0))).collect();
    assert!(named.len() > 4, "{named:?}");
    for name in named {
        assert!(settings.contains(name), "{name}");
    }
}

#[test]
fn the_package_puts_its_settings_where_the_unit_and_the_manual_look_for_them() {
    let unit = read("deploy/debian/context-services.service");
    assert!(
        unit.contains("WorkingDirectory=/etc/context-services\n") && unit.contains("StateDirectory=context-services\n")
    );
    let script = read(".ci/deb");
    assert!(script.contains("DATA_DIR=/var/lib/context-services"));
    assert!(script.contains("echo /etc/context-services/.env >"));
    assert!(read("docs/operating.md").contains("`/etc/context-services/.env`"));
    assert!(read(".env.example").lines().any(|line| line.starts_with("#DATA_DIR=")));
}
