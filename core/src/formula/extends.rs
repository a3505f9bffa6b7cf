//! `extends`: a formula that takes another one and says only what is different.
//!
//! What a formula extends is found as what it calls is; one that extends its own name takes the shipped one, so that a file of the
//! configuration folder can change a part of the formula in whose place it stands.

use std::ops::Range;

use super::{Sources, VERSION, shipped_text};
use crate::document::{Fault, Layer, Rules, SourceFile, Value, nearest, peek};

/// How long a line of formulas may be that extend each other.
const DEPTH: usize = 8;

/// How the files of such a line are put together.
pub(super) const RULES: Rules<'static> = Rules {
    own: &["formula", "name", "extends", "remove"],
    lists: &[("step", "id"), ("input", "name"), ("label", "name")],
    steps: "step",
    remove: "remove",
    after: "after",
};

/// What a formula says of itself that matters here.
struct Says {
    name: Option<String>,
    version: Option<u64>,
    extends: Option<(String, Range<usize>)>,
}

fn says(text: &str) -> Says {
    peek(text, |root| Says {
        name: root.optional("name", Value::string),
        version: root.optional("formula", |v| v.whole(1, u64::MAX)),
        extends: root.optional("extends", |v| Some((v.filled()?, v.span()))),
    })
}

/// A formula and what it extends, the formula first.
pub(super) fn layers(file: &str, text: &str, sources: &Sources<'_>) -> Result<Vec<Layer>, Fault> {
    let mut layers = vec![Layer { file: file.to_owned(), text: text.to_owned() }];
    // Most stand by themselves, and are parsed once.
    if !text.contains("extends") {
        return Ok(layers);
    }
    let mut said = says(text);
    // One of the future is judged by nothing else.
    if said.version.is_some_and(|version| version > VERSION) {
        return Ok(layers);
    }
    while let (Some((base, span)), Some(here)) = (said.extends.take(), layers.last().cloned()) {
        let wrong = |message: String, help: String| {
            Fault::at(&SourceFile::new(&here.file, &here.text), span.clone(), message, Some(help))
        };
        let below = match said.name.as_deref() == Some(base.as_str()) {
            true => {
                shipped_text(&base).map(|text| Layer { file: format!("formulas/{base}.toml (shipped)"), text: text.to_owned() })
            }
            false => (sources.formulas)(&base).map(|(file, text)| Layer { file, text }),
        };
        let Some(below) = below else {
            let own = said.name.as_deref() == Some(base.as_str());
            let names = sources.names.iter().map(String::as_str).filter(|name| Some(*name) != said.name.as_deref());
            let help = match nearest(&base, names) {
                Some(right) => format!("did you mean \"{right}\"?"),
                None => format!("name one of {}", sources.names.join(", ")),
            };
            let message = match own {
                true => format!("`{base}` extends itself, and none of that name is shipped"),
                false => format!("there is no formula `{base}`"),
            };
            return Err(wrong(message, help));
        };
        if layers.iter().any(|layer| layer.file == below.file) {
            let message = format!("formulas extend each other in a circle, `{base}` is there twice");
            return Err(wrong(message, "let one of them stand by itself".to_owned()));
        }
        if layers.len() >= DEPTH {
            let message = format!("more than {DEPTH} formulas extend each other");
            return Err(wrong(message, "let one of them stand by itself".to_owned()));
        }
        said = says(&below.text);
        if let Some(version) = said.version.filter(|version| *version > VERSION) {
            let message = format!("`{base}` is written in version {version} of the language, and this forgehand knows {VERSION}");
            return Err(wrong(message, "update forgehand, or extend another one".to_owned()));
        }
        layers.push(below);
    }
    Ok(layers)
}
