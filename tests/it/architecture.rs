//! The direction of dependencies, http → store → domain, and the size of files.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

fn mentions(layer: &str, forbidden: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(layer);
    let files = sources(&root);
    assert!(files.len() > 2, "{layer} has files");
    let found = files.iter().flat_map(|file| {
        let text = fs::read_to_string(file).unwrap();
        let code = |line: &&str| !line.trim_start().starts_with("//");
        let lines: Vec<_> = text.lines().filter(code).map(str::to_owned).collect();
        let bad = forbidden.iter().filter(move |word| lines.iter().any(|line| line.contains(**word)));
        bad.map(|word| format!("{}: {word}", file.display())).collect::<Vec<_>>()
    });
    found.collect()
}

#[test]
fn the_domain_knows_neither_sql_nor_http_nor_waiting() {
    let forbidden =
        ["sqlx", "actix_web", "tokio", "async ", "crate::store", "crate::http", "crate::postgres", "std::fs"];
    assert_eq!(mentions("domain", &forbidden), Vec::<String>::new());
}

#[test]
fn the_store_does_not_know_http() {
    assert_eq!(mentions("store", &["actix_web", "crate::http", "crate::settings"]), Vec::<String>::new());
}

#[test]
fn the_embedded_server_knows_none_of_the_layers() {
    let forbidden = ["actix_web", "crate::http", "crate::store", "crate::domain"];
    assert_eq!(mentions("postgres", &forbidden), Vec::<String>::new());
}

#[test]
fn http_holds_no_sql() {
    assert_eq!(mentions("http", &["sqlx"]), Vec::<String>::new());
}

#[test]
fn no_file_is_longer_than_a_reader_bears() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in sources(&root) {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        assert!(lines <= 400, "{} has {lines} lines before its tests", file.display());
    }
}
