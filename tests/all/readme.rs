//! What the README says is so.

use std::path::Path;

use forgehand::config::Config;
use forgehand::model::LabelNames;
use forgehand::plan;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README")
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end} after {begin}")).0
}

#[test]
fn the_diagram_is_the_table() {
    let text = readme();
    let block = between(&text, "<!-- lifecycle:begin", "<!-- lifecycle:end -->");
    let diagram = between(block, "```mermaid\n", "```");
    let table = plan::mermaid(&LabelNames::default());
    assert_eq!(diagram, table, "write this into the README:\n{table}");
}

#[test]
fn the_configuration_is_one() {
    let text = readme();
    let indented = between(&text, "```toml\n", "```");
    let toml: String = indented.lines().map(|line| line.trim_start().to_owned() + "\n").collect();
    let config = Config::parse("README.md", &toml).expect("the README's configuration");
    assert_eq!(config.projects.len(), 1);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the program itself is tested")]
fn the_commands_are_there() {
    let program = env!("CARGO_BIN_EXE_forgehand");
    for command in ["init", "doctor", "run", "once", "status", "explain", "logs", "retry", "cancel", "localforge", "demo"] {
        assert!(readme().contains(command), "the README does not name {command}");
        let help = std::process::Command::new(program).args([command, "--help"]).output().expect("the program");
        assert!(help.status.success(), "{command} --help");
    }
}
