//! `forgehand formula new NAME`: a formula and its prompt to begin with, which load as they are.
//!
//! Promises: what is there is never written over; both files are written, or neither. Beside the configuration the schema that the first line
//! names is kept as this version has it, as `init` does with that of the configuration.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::library::Library;
use crate::cli::setup::Setup;
use crate::cli::{CliError, Kind};
use crate::formula;

/// Arguments of `formula new`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What it is called: small letters, digits and `-`, a letter first
    name: String,
}

const FORMULA: &str = include_str!("new.toml");
const PROMPT: &str = include_str!("new.md");

/// Writes them.
pub(super) fn run(config: Option<PathBuf>, arguments: &Arguments) -> Result<(), CliError> {
    let name = &arguments.name;
    let setup = Setup::load(config)?;
    check(&setup.library(), name)?;
    let own = |text: &str| text.replace("NAME", name);
    let files = [
        (setup.folder.join("formulas").join(format!("{name}.toml")), own(FORMULA)),
        (setup.folder.join("prompts").join(format!("{name}.md")), own(PROMPT)),
    ];
    write(&files)?;
    schema(&setup.folder)?;
    for (file, _) in &files {
        anstream::println!("wrote {}", file.display());
    }
    anstream::println!(
        "it is off: name it in `formulas` of a [[project]]; `forgehand formula lint {name}` checks what you change"
    );
    Ok(())
}

/// The schema that editors complete and check by.
fn schema(folder: &Path) -> Result<(), CliError> {
    let file = folder.join("formula.schema.json");
    let text = serde_json::to_string_pretty(&formula::schema()).map(|text| text + "\n");
    let text = text
        .map_err(|e| CliError::new(Kind::Internal, "the schema could not be written as JSON", "please report this").because(e))?;
    if std::fs::read_to_string(&file).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let written = || -> std::io::Result<()> {
        let mut new = tempfile::Builder::new().permissions(readable()).tempfile_in(folder)?;
        new.write_all(text.as_bytes())?;
        new.persist(&file)?;
        Ok(())
    };
    written().map_err(|e| failed(&file, &e))?;
    anstream::println!("wrote {}", file.display());
    Ok(())
}

fn failed(file: &Path, why: &dyn std::fmt::Display) -> CliError {
    CliError::environment(format!("{} cannot be written", file.display()), why, "see whether the folder is writable")
}

fn check(library: &Library, name: &str) -> Result<(), CliError> {
    let right = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && name.len() <= 50;
    if !right {
        let what = format!("`{}` cannot be a formula's name", name.escape_debug());
        return Err(CliError::usage(what, "small letters, digits and `-`, a letter first, 50 at most"));
    }
    match library.text(name) {
        Some(found) if found.own.is_some() => {
            let hint = "choose another name, or edit that one".to_owned();
            Err(CliError::usage(format!("there is a formula `{name}` already, in {}", found.file), hint))
        }
        Some(_) => {
            let hint = format!("choose another name, or change a copy: forgehand formula show {name} > formulas/{name}.toml");
            Err(CliError::usage(format!("there is a formula `{name}` already, a shipped one"), hint))
        }
        None if formula::shipped_prompt(&format!("{name}.md")).is_some() => {
            let what = format!("prompts/{name}.md would take the place of a shipped prompt of that name");
            Err(CliError::usage(what, "choose another name"))
        }
        None => Ok(()),
    }
}

/// Each is whole before it has its name, and the first loses it again where the second gets none.
fn write(files: &[(PathBuf, String)]) -> Result<(), CliError> {
    let mut whole: Vec<(NamedTempFile, &Path)> = Vec::new();
    for (file, text) in files {
        let folder = file.parent().unwrap_or(file);
        std::fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
        let written = || -> std::io::Result<NamedTempFile> {
            let mut new = tempfile::Builder::new().permissions(readable()).tempfile_in(folder)?;
            new.write_all(text.as_bytes())?;
            Ok(new)
        };
        whole.push((written().map_err(|e| failed(file, &e))?, file));
    }
    let mut named: Vec<&Path> = Vec::new();
    for (new, file) in whole {
        if let Err(e) = new.persist_noclobber(file) {
            named.iter().for_each(|file| drop(std::fs::remove_file(file)));
            return Err(match e.error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    CliError::usage(format!("{} is there already", file.display()), "choose another name, or move that file away")
                }
                _ => failed(file, &e.error),
            });
        }
        named.push(file);
    }
    Ok(())
}

/// As other files that people edit.
fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}
