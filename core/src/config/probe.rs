//! `[[probe]]`: what tells whether the host, its disks and the containers beside are well, and what mends it.
//!
//! Promises: what is run on the host stands here and nowhere else. No project, formula or repository can add to it, and no probe is mended
//! without a person unless its mend is called low here.

use std::path::PathBuf;
use std::time::Duration;

use super::values;
use crate::document::{Table, Value};
use crate::model::{Priority, ProbeName, Risk};

/// A probe of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Its name.
    pub name: ProbeName,
    /// What it looks at.
    pub looks: Looks,
    /// How long that may take.
    pub timeout: Duration,
    /// How urgent it is where it fails.
    pub priority: Priority,
    /// What mends it.
    pub mend: Option<Mend>,
}

/// What a probe looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looks {
    /// What a program says, its words, at least one: all is well where it exits with 0.
    Command(Vec<String>),
    /// The room on the disk where a path is.
    Disk {
        /// The path.
        path: PathBuf,
        /// All is well with this much free, in bytes.
        floor: u64,
    },
    /// The memory that programs may still have without swapping, in bytes: all is well with this much.
    Memory {
        /// That.
        floor: u64,
    },
    /// How many programs ran or wanted to, on average over five minutes: all is well up to so many.
    Load {
        /// That.
        most: u32,
    },
}

/// What mends a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    /// The words of a program, at least one.
    pub command: Vec<String>,
    /// How long that may take.
    pub timeout: Duration,
    /// How much it could break: only what is low is done without a person.
    pub blast_radius: Risk,
    /// How often in an hour.
    pub at_most: u32,
}

const EITHER: &str =
    "command = [\"systemctl\", \"is-active\", \"nginx\"], disk = \"/srv\" and floor = \"10GiB\", memory = \"1GiB\", or load = 8";

/// The keys that say what a probe looks at.
const LOOKS: [&str; 4] = ["command", "disk", "memory", "load"];
const PROGRAM: &str = "write the program and its arguments as a list, such as [\"systemctl\", \"restart\", \"nginx\"]";

impl Probe {
    /// A probe that there is without being named: the disk of the state folder.
    pub const STATE_DISK: &'static str = "state-disk";

    /// A probe that there is without being named: the memory of the host.
    pub const MEMORY: &'static str = "memory";

    /// How much that must have, in bytes. With less, programs are about to be killed.
    pub const MEMORY_FLOOR: u64 = 128 << 20;

    /// How long a probe may take that does not say so.
    pub const PATIENCE: Duration = Duration::from_secs(30);

    pub(super) fn read_all(root: &Table<'_>) -> Vec<Self> {
        let mut probes: Vec<Self> = Vec::new();
        for table in root.tables("probe") {
            let Some(probe) = Self::read(&table) else { continue };
            if probes.iter().any(|known| known.name == probe.name) {
                table.wrong(format!("two probes are called `{}`", probe.name), "give one of the two another name");
            }
            probes.push(probe);
        }
        probes
    }

    fn read(table: &Table<'_>) -> Option<Self> {
        let name = table.required("name", "name = \"nginx\"", name);
        let looks = Looks::read(table);
        let timeout = table.or("timeout", Self::PATIENCE, values::limit);
        let words = Priority::ALL.map(|priority| (priority.word(), priority));
        let priority = table.or("priority", Priority::P2, |v| v.one_of(&words));
        let mend = Mend::read(table);
        Some(Self { name: ProbeName(name?), looks: looks?, timeout, priority, mend })
    }
}

impl Looks {
    fn read(table: &Table<'_>) -> Option<Self> {
        let (command, path) = (table.optional("command", |v| values::program(v, PROGRAM)), table.optional("disk", values::path));
        let (floor, memory) = (table.optional("floor", values::size), table.optional("memory", values::size));
        let load = table.optional("load", |v| v.whole(1, 100_000).and_then(|n| u32::try_from(n).ok()));
        let given: Vec<&str> = LOOKS.into_iter().filter(|key| table.has(key)).collect();
        let [key] = given.as_slice() else {
            match given.as_slice() {
                [one, other, ..] => {
                    let help = "keep one, and write a [[probe]] for the other";
                    table.value(other)?.wrong::<()>(format!("`{one}` and `{other}` are both given"), help);
                }
                _ => table.wrong("[[probe]] does not say what it looks at", format!("add {EITHER}")),
            }
            return None;
        };
        if *key == "disk" && !table.has("floor") {
            table.lacks("floor", "floor = \"10GiB\"");
        }
        if let Some(value) = table.value("floor").filter(|_| *key != "disk") {
            value.wrong::<()>("`floor` is for a disk", format!("take it out, or write disk = \"/srv\" instead of `{key}`"));
        }
        match *key {
            "command" => Some(Self::Command(command?)),
            "disk" => Some(Self::Disk { path: path?, floor: floor? }),
            "memory" => Some(Self::Memory { floor: memory? }),
            _ => Some(Self::Load { most: load? }),
        }
    }
}

impl Mend {
    fn read(table: &Table<'_>) -> Option<Self> {
        let command = table.optional("mend", |v| values::program(v, PROGRAM));
        let timeout = table.or("mend_timeout", Duration::from_mins(2), values::limit);
        let risks = [("low", Risk::Low), ("medium", Risk::Medium), ("high", Risk::High)];
        // What nobody judged could break everything.
        let blast_radius = table.or("mend_blast_radius", Risk::High, |v| v.one_of(&risks));
        let at_most = table.or("mend_at_most", 3, |v| v.whole(1, 60).and_then(|n| u32::try_from(n).ok()));
        if !table.has("mend") {
            for key in ["mend_timeout", "mend_blast_radius", "mend_at_most"] {
                if let Some(value) = table.value(key) {
                    let help = "add mend = [\"systemctl\", \"restart\", \"nginx\"], or take it out";
                    value.wrong::<()>(format!("`{key}` is given, and nothing mends the probe"), help);
                }
            }
        }
        Some(Self { command: command?, timeout, blast_radius, at_most })
    }
}

/// A name that can stand in a path and in an issue's title as it is.
fn name(value: &Value<'_>) -> Option<String> {
    let text = values::name(value)?;
    match text.contains('_') {
        false => Some(text),
        true => {
            value.wrong(format!("`{text}` is no name of a probe"), "small letters, digits and `-`, a letter first, 32 at most")
        }
    }
}
