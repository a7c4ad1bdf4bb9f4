//! The README's quickstart, run as printed.

use std::fs;
use std::process::Command;

use crate::support::postgres::open_directory;
use crate::support::program::Program;

#[test]
fn the_quickstart_works_as_printed() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let quickstart = readme.split("\n## ").find(|section| section.starts_with("Quickstart\n")).unwrap();
    let blocks: Vec<_> = quickstart.split("\n```").collect();
    let of_kind = |kind: &str| -> Vec<&str> { blocks.iter().filter_map(|block| block.strip_prefix(kind)).collect() };
    let session = of_kind("sh\n").join("\n");
    let printed = of_kind("text\n");
    assert!(session.contains("make run") && printed.len() == 3, "{session}");

    let directory = open_directory();
    let program = Program::start(directory.path());
    let data_dir = directory.path().to_str().unwrap();
    let script = session
        .replace("make run", "true")
        .replace("http://127.0.0.1:8080", &program.url)
        .replace("$PWD/data", data_dir);
    let ran = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().unwrap();
    let (said, errors) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert!(ran.status.success(), "{said}\n{errors}");
    for expected in printed {
        let lines = expected.lines().map(str::trim_end).filter(|line| !line.is_empty());
        for line in lines {
            assert!(said.lines().any(|said| said.trim_end() == line), "{line:?} is not printed in\n{said}\n{errors}");
        }
    }
}
