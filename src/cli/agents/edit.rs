//! Changing the configuration file: comments and layout stay, the result is read by the real reader before it takes the place of the
//! old one, and it takes it whole or not at all.
//!
//! Race known: somebody who saves the file between our reading and our writing. What is there is compared once more right before, so
//! that the moment in which an edit could be lost is a few microseconds long.

use std::io::Write;
use std::path::Path;

use toml_edit::{DocumentMut, Item, Table};

use crate::config::Config;

use super::super::CliError;

/// Changes the file, and answers with what it says now.
pub(super) fn change(file: &Path, edit: impl FnOnce(&mut DocumentMut) -> Result<(), CliError>) -> Result<Config, CliError> {
    // A link stays one: what it points to is changed.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let unreadable = |e| CliError::environment(format!("{} cannot be read", file.display()), e, "check its permissions");
    let before = std::fs::read_to_string(&file).map_err(unreadable)?;
    let mut document: DocumentMut = before.parse().map_err(|e| {
        CliError::usage(format!("{} cannot be edited", file.display()), "mend it with an editor first").because(e)
    })?;
    edit(&mut document)?;
    let after = document.to_string();
    let config = Config::parse(&file.display().to_string(), &after).map_err(|e| CliError::file(e.into()))?;
    if std::fs::read_to_string(&file).map_err(unreadable)? != before {
        return Err(CliError::usage(format!("{} was changed meanwhile", file.display()), "nothing was written; try again"));
    }
    write(&file, &after)
        .map_err(|e| CliError::environment(format!("{} cannot be written", file.display()), e, "it is as it was"))?;
    Ok(config)
}

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().set_permissions(std::fs::metadata(file)?.permissions())?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}

/// Where the last table of the document stands.
pub(super) fn last_position(table: &Table) -> isize {
    let mut last = table.position().unwrap_or_default();
    for (_, item) in table {
        match item {
            Item::Table(inner) => last = last.max(last_position(inner)),
            Item::ArrayOfTables(several) => last = several.iter().map(last_position).fold(last, isize::max),
            Item::Value(_) | Item::None => {}
        }
    }
    last
}

/// The first table with a header of its own behind a place.
pub(super) fn next_after(root: &mut Table, at: isize) -> Option<&mut Table> {
    let mut places = Vec::new();
    headers(root, &mut places);
    let next = places.into_iter().filter(|place| *place > at).min()?;
    at_place(root, next)
}

fn headers(table: &Table, places: &mut Vec<isize>) {
    for (_, item) in table {
        let inner: Vec<&Table> = match item {
            Item::Table(inner) => vec![inner],
            Item::ArrayOfTables(several) => several.iter().collect(),
            Item::Value(_) | Item::None => Vec::new(),
        };
        for table in inner {
            places.extend(table.position().filter(|_| !table.is_implicit()));
            headers(table, places);
        }
    }
}

fn at_place(table: &mut Table, place: isize) -> Option<&mut Table> {
    for (_, item) in table.iter_mut() {
        let inner: Vec<&mut Table> = match item {
            Item::Table(inner) => vec![inner],
            Item::ArrayOfTables(several) => several.iter_mut().collect(),
            Item::Value(_) | Item::None => Vec::new(),
        };
        for table in inner {
            if table.position() == Some(place) && !table.is_implicit() {
                return Some(table);
            }
            if let Some(found) = at_place(table, place) {
                return Some(found);
            }
        }
    }
    None
}
