//! `cargo run --release --example year -- FILE [DAYS [PER_DAY]]`: a made journal, a year of fifty issues a day unless it is told
//! otherwise, as `forgehand import` takes it. What the README says of size and speed was measured on it.

#[path = "../tests/all/plan_world.rs"]
#[expect(dead_code, reason = "the world of the property tests is here for its policy alone")]
mod plan_world;
#[path = "../tests/all/year.rs"]
mod year;

use std::io::{BufWriter, Write};

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or_else(|| std::io::Error::other("name the file to write"))?;
    let mut number = |default: u64| args.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (days, per_day) = (number(365), number(50));
    let mut out = BufWriter::new(std::fs::File::create(file)?);
    let written = year::lines(days, per_day, &mut |line| writeln!(out, "{line}"))?;
    out.flush()?;
    println!("{written}");
    Ok(())
}
