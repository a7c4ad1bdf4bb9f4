//! Passes the commit on to the program, for `--version`.
//!
//! Packagers set `CONTEXT_SERVICES_COMMIT`. Otherwise a release build in a git checkout asks git. A debug build does
//! not, because it would be rebuilt after every commit. Without a commit, as in a source archive, the program prints
//! the version alone.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CONTEXT_SERVICES_COMMIT");
    let variable = |name: &str| env::var_os(name)?.into_string().ok().filter(|value| !value.is_empty());
    let given = variable("CONTEXT_SERVICES_COMMIT");
    let is_release = variable("PROFILE").is_some_and(|profile| profile == "release");
    let commit = given.or_else(|| if is_release { commit() } else { None });
    println!(
        "cargo::rustc-env=CONTEXT_SERVICES_COMMIT={}",
        commit.map_or_else(String::new, |commit| format!(" ({commit})"))
    );
}

/// The commit that is checked out, if this directory is the root of a checkout.
fn commit() -> Option<String> {
    let root = env::var_os("CARGO_MANIFEST_DIR")?;
    if Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?
        != Path::new(&root).canonicalize().ok()?
    {
        return None;
    }
    // The reflog of HEAD changes with every commit and checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}
