//! What the program prints about itself: completions for shells, and manual pages.

use std::io::{Write, stdout};

use anyhow::{Context, Result};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::parser;

/// Prints the completions of a shell.
pub(super) fn completions(shell: Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut parser(), "context-services", &mut text);
    print(&text)
}

/// Prints the manual page of the program or of a subcommand.
pub(super) fn man(subcommand: Option<&str>) -> Result<()> {
    let mut page = parser();
    if let Some(name) = subcommand {
        let found = page.find_subcommand(name).with_context(|| format!("there is no subcommand {name}; see --help"))?;
        page = found.clone();
    }
    let mut text = Vec::new();
    Man::new(page).render(&mut text)?;
    print(&text)
}

fn print(text: &[u8]) -> Result<()> {
    match stdout().write_all(text) {
        // Whoever reads it, `head` for example, has enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
