//! The program: everything lives in the library.

use std::process::ExitCode;

use forgehand::sandbox::inside;

fn main() -> ExitCode {
    // Inside a sandbox this binary is the shim: that comes first, and fast.
    inside::main().unwrap_or_else(|| forgehand::cli::main(&forgehand::web::Web))
}
