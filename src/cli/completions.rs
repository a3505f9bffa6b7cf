//! `forgehand completions SHELL`: what a shell needs to complete the commands.

use clap_complete::Shell;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// For which shell
    shell: Shell,
}

/// Prints them.
pub(super) fn run(mut command: clap::Command, arguments: &Arguments) {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "forgehand", &mut script);
    super::print_bytes(&script);
}
