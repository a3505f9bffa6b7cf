//! What the probes of the host show in a recorded test.

use serde::{Deserialize, Serialize};

use crate::model::{HostEnd, Priority, ProbeName, Probed, Risk};

/// A probe of the host.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProbeText {
    pub(super) name: String,
    pub(super) ok: bool,
    #[serde(default = "usual", skip_serializing_if = "is_usual")]
    pub(super) priority: Priority,
    /// What it printed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) output: String,
    /// How much its mend could break; it has none, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<Risk>,
    /// It is well once it was mended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) mended: bool,
}

fn usual() -> Priority {
    Priority::P2
}

fn is_usual(priority: &Priority) -> bool {
    *priority == usual()
}

impl ProbeText {
    /// As it was read.
    pub(super) fn of(probed: &Probed) -> Self {
        Self {
            name: probed.name.0.clone(),
            ok: probed.is_well(),
            priority: probed.priority,
            output: probed.output.clone(),
            mend: probed.mend,
            mended: false,
        }
    }

    /// As it is read, and whether its mend helps.
    pub(super) fn read(&self) -> (Probed, bool) {
        let probed = Probed {
            name: ProbeName(self.name.clone()),
            priority: self.priority,
            end: HostEnd::Exited { code: i32::from(!self.ok) },
            output: self.output.clone(),
            mend: self.mend,
            tried: false,
        };
        (probed, self.mended)
    }
}
