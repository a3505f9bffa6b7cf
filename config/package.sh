#!/bin/sh
# Makes the Debian package: the binary, manual pages, completions, units, the example. Needs `cargo install cargo-deb`.
set -eu
cd "$(dirname "$0")/.."
made=target/package
rm -rf "$made"
mkdir -p "$made/man" "$made/completions"
cargo build --release --locked
forgehand=target/release/forgehand
"$forgehand" man "$made/man"
gzip -9n "$made"/man/*.1
"$forgehand" completions bash >"$made/completions/forgehand"
"$forgehand" completions zsh >"$made/completions/_forgehand"
"$forgehand" completions fish >"$made/completions/forgehand.fish"
cargo deb --no-build --output "$made/"
