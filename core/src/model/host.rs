//! The host that the daemon runs on: what its probes showed.
//!
//! Promises: what a probe showed is kept as what a command of a verification showed is: how it ended and the end of what it printed, without
//! secrets. What a probe runs is never here: only the configuration of the host says that.

use serde::{Deserialize, Serialize};

use super::{ProbeName, Risk};

/// How urgent it is that something is amiss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Priority {
    /// It is down: now.
    P0,
    /// It will be soon.
    P1,
    /// Something works badly.
    P2,
    /// Somebody should look when there is time.
    P3,
    /// It is only to be known.
    P4,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 5] = [Self::P0, Self::P1, Self::P2, Self::P3, Self::P4];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4 => "P4",
        }
    }
}

/// How a command of the host ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ended")]
pub enum HostEnd {
    /// By itself.
    Exited {
        /// With this.
        code: i32,
    },
    /// By a signal.
    Killed,
    /// Its time was over, and it was killed with all that it started.
    TimedOut,
    /// It could not be started.
    NotStarted,
}

impl HostEnd {
    /// The words of all ends.
    pub const WORDS: [&'static str; 4] = ["exited", "killed", "timed-out", "not-started"];

    /// Its word.
    pub fn word(self) -> &'static str {
        let [exited, killed, timed_out, not_started] = Self::WORDS;
        match self {
            Self::Exited { .. } => exited,
            Self::Killed => killed,
            Self::TimedOut => timed_out,
            Self::NotStarted => not_started,
        }
    }

    /// What it exited with; none where it did not.
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Exited { code } => Some(code),
            Self::Killed | Self::TimedOut | Self::NotStarted => None,
        }
    }

    /// Whether it did what it was to do.
    pub fn is_well(self) -> bool {
        self.code() == Some(0)
    }
}

/// What a probe showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// Which.
    pub name: ProbeName,
    /// How urgent it is where it fails.
    pub priority: Priority,
    /// How it ended.
    pub end: HostEnd,
    /// The end of what it printed, without secrets; nothing of one that is well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// How much its mend could break, where the configuration has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<Risk>,
    /// This run has tried to mend it.
    #[serde(default)]
    pub tried: bool,
}

impl Probed {
    /// Whether all is well there.
    pub fn is_well(&self) -> bool {
        self.end.is_well()
    }

    /// The word for how much its mend could break; `none` where there is none.
    pub fn mend_word(&self) -> &'static str {
        match self.mend {
            None => Self::MENDS[0],
            Some(Risk::Low) => Self::MENDS[1],
            Some(Risk::Medium) => Self::MENDS[2],
            Some(Risk::High) => Self::MENDS[3],
        }
    }

    /// What that can be.
    pub const MENDS: [&'static str; 4] = ["none", "low", "medium", "high"];
}

/// What is known of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// What its probes showed, in the order of the configuration.
    pub probes: Vec<Probed>,
}

impl HostFacts {
    /// What is known of a probe is this from now on.
    pub fn know(&mut self, probed: &Probed) {
        if let Some(known) = self.probes.iter_mut().find(|known| known.name == probed.name) {
            *known = probed.clone();
        }
    }
}
