//! `cargo run --release --example formulas -- [HOW_MANY [ROUNDS]]`: how long it takes to load and check formulas that lie in a folder with
//! their prompts and schemas, 200 unless it is told otherwise. A third are as `fix`, a third as `triage`, a third extend one and call another.

use std::fs;
use std::io::{Error, Result};
use std::path::Path;
use std::time::Instant;

use forgehand::formula::{Sources, load_from, shipped_prompt, shipped_schema, shipped_text};

const PROMPTS: [&str; 7] = [
    "triage.md",
    "fix.md",
    "breakdown.md",
    "pull-request.md",
    "partials/evidence.md",
    "partials/outside.md",
    "partials/verification-failed.md",
];

#[expect(clippy::disallowed_methods, reason = "a clock is what it is about")]
fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let mut number = |default: usize| args.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (count, rounds) = (number(200), number(20).max(1));
    let folder = tempfile::tempdir()?;
    let names = written(folder.path(), count)?;
    let mut times = Vec::new();
    let mut steps = 0;
    for _ in 0..rounds {
        let start = Instant::now();
        steps = loaded(folder.path(), &names)?;
        times.push(start.elapsed());
    }
    times.sort();
    println!(
        "{count} formulas with {steps} steps: {:.1} ms at best, {:.1} ms usually, {:.1} ms at worst, of {rounds} rounds",
        times[0].as_secs_f64() * 1e3,
        times[rounds / 2].as_secs_f64() * 1e3,
        times[rounds - 1].as_secs_f64() * 1e3,
    );
    Ok(())
}

/// Writes them into a folder.
fn written(folder: &Path, count: usize) -> Result<Vec<String>> {
    for below in ["formulas/schemas", "prompts/partials"] {
        fs::create_dir_all(folder.join(below))?;
    }
    for name in PROMPTS {
        fs::write(folder.join("prompts").join(name), shipped_prompt(name).unwrap_or_default())?;
    }
    for name in ["fix-result", "triage-result"] {
        fs::write(folder.join("formulas/schemas").join(format!("{name}.json")), shipped_schema(name).unwrap_or_default())?;
    }
    let (fix, triage) = (shipped_text("fix").unwrap_or_default(), shipped_text("triage").unwrap_or_default());
    let names: Vec<String> = (0..count).map(|n| format!("role-{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        let text = match n % 3 {
            0 => fix.replace("name = \"fix\"", &format!("name = \"{name}\"")),
            1 => triage.replace("name = \"triage\"", &format!("name = \"{name}\"")),
            _ => format!(
                "formula = 1\nname = \"{name}\"\nextends = \"role-0\"\n[[input]]\nname = \"area\"\ntype = \"text\"\ndefault = \"x\"\n\
                 [[step]]\nid = \"look\"\nformula = \"role-1\"\nwhen = \"inputs.area == 'y' && issue.labels.exists(l, l == 'x')\"\n"
            ),
        };
        fs::write(folder.join("formulas").join(format!("{name}.toml")), text)?;
    }
    Ok(names)
}

/// Loads them all from their files, and counts their steps.
fn loaded(folder: &Path, names: &[String]) -> Result<usize> {
    let read = |path: String| Some((path.clone(), fs::read_to_string(folder.join(path)).ok()?));
    // Triage hands over to it.
    let known: Vec<String> = names.iter().cloned().chain(["reproduce".to_owned()]).collect();
    let sources = Sources {
        prompts: &|name| Some(read(format!("prompts/{name}"))?.1),
        schemas: &|name| read(format!("formulas/schemas/{name}.json")),
        schema_names: &[],
        formulas: &|name| read(format!("formulas/{name}.toml")),
        names: &known,
        hiring: None,
    };
    let mut steps = 0;
    for name in names {
        let (file, text) = (sources.formulas)(name).ok_or_else(|| Error::other("a formula is gone"))?;
        let formula = load_from(&file, &text, &sources).map_err(|faults| Error::other(faults.lines().join("\n")))?;
        steps += formula.steps.len();
    }
    Ok(steps)
}
