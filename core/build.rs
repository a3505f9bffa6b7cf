//! Makes the ledger's shape: a hash of the source of the fold and of what it folds. A ledger that was written down under another shape is
//! not read but folded anew, so nobody has to remember a version when a field or the fold changes.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let mut sources = BTreeSet::new();
    for folder in ["src/ledger", "src/model"] {
        println!("cargo:rerun-if-changed={folder}");
        files(Path::new(folder), &mut sources)?;
    }
    let mut hasher = DefaultHasher::new();
    for source in &sources {
        source.hash(&mut hasher);
        std::fs::read(source)?.hash(&mut hasher);
    }
    println!("cargo:rustc-env=FORGEHAND_LEDGER_SHAPE={}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish());
    Ok(())
}

fn files(folder: &Path, found: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else {
            found.insert(path);
        }
    }
    Ok(())
}
