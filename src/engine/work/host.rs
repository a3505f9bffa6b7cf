//! The probes of the host: what they show, and what mends them.
//!
//! Promises: what is run stands in the configuration of the host, and nothing of it comes from a formula or the forge. What a probe printed is
//! scanned for secrets before anybody sees it, whole, and then cut. A probe that is well when it is to be mended is left alone. Whether a mend
//! helped is what the probe says afterwards, not what the mend said.
//!
//! Race known: a daemon that is killed while it mends leaves the mend to end by itself. The look-up reads the probe twice, half a minute apart, before the
//! mend is run once more, and each run of it counts against those that an hour may have.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;

use crate::config::{Looks, Probe};
use crate::model::{Failure, FailureKind, Formula, HostEnd, HostFacts, Outcome, ProbeName, Probed};
use crate::ports::{DiskRoom, HostOrder, HostRan, Vitals};
use crate::text;

use super::Worker;

/// Probes that are read side by side.
const BESIDE: usize = 8;
/// How much of the end of what one printed is kept, in bytes.
const TAIL: usize = 2 << 10;

impl Worker {
    /// What is known of the host, where a formula asks for it.
    pub(super) async fn host(&self, formula: &Formula) -> HostFacts {
        let mut facts = HostFacts::default();
        if !formula.reads_host() {
            return facts;
        }
        for some in self.settings.probes.chunks(BESIDE) {
            facts.probes.extend(join_all(some.iter().map(|probe| self.probed(probe))).await);
        }
        facts
    }

    async fn probed(&self, probe: &Probe) -> Probed {
        let ran = match &probe.looks {
            Looks::Command(words) => self.ports.host.run(&HostOrder { words, timeout: probe.timeout }).await,
            Looks::Disk { path, floor } => self.room(path, *floor, probe.timeout).await,
            Looks::Memory { floor } => self.vitals(|v| (v.available >= *floor, memory(v, *floor))),
            Looks::Load { most } => self.vitals(|v| (v.load <= f64::from(*most), load(v, *most))),
        };
        let output = if ran.end.is_well() { String::new() } else { self.shown(&ran.tail) };
        let mend = probe.mend.as_ref().map(|mend| mend.blast_radius);
        Probed { name: probe.name.clone(), priority: probe.priority, end: ran.end, output, mend, tried: false }
    }

    async fn room(&self, path: &Path, floor: u64, timeout: Duration) -> HostRan {
        let (code, tail) = match self.ports.host.room(path, timeout).await {
            Ok(DiskRoom { free, total }) => {
                let [free_of, total, floor_of] = [free, total, floor].map(bytes);
                (i32::from(free < floor), format!("{}: {free_of} of {total} are free, {floor_of} are to be", path.display()))
            }
            Err(why) => (1, why),
        };
        HostRan { end: HostEnd::Exited { code }, tail }
    }

    fn vitals(&self, judge: impl FnOnce(&Vitals) -> (bool, String)) -> HostRan {
        let (well, tail) = self.ports.host.vitals().map_or_else(|why| (false, why), |vitals| judge(&vitals));
        HostRan { end: HostEnd::Exited { code: i32::from(!well) }, tail }
    }

    /// What may be kept and shown of what was printed.
    fn shown(&self, tail: &str) -> String {
        let clean = text::printable(&self.scanner.redact(tail));
        let clean = clean.trim();
        let from = clean.ceil_char_boundary(clean.len().saturating_sub(TAIL));
        clean.get(from..).unwrap_or_default().to_owned()
    }

    pub(super) async fn mend(&self, name: &ProbeName) -> Result<Outcome, Failure> {
        let probe = self.probe(name)?;
        let before = self.probed(probe).await;
        let Some(mend) = probe.mend.as_ref().filter(|_| !before.is_well()) else {
            return Ok(Outcome::Mended { end: None, probed: Box::new(before) });
        };
        let ran = self.ports.host.run(&HostOrder { words: &mend.command, timeout: mend.timeout }).await;
        let probed = Probed { tried: true, ..self.probed(probe).await };
        Ok(Outcome::Mended { end: Some(ran.end), probed: Box::new(probed) })
    }

    /// What a process that is gone was to mend is well by now.
    pub(super) async fn find_mended(&self, name: &ProbeName) -> Result<Option<Outcome>, Failure> {
        let Ok(probe) = self.probe(name) else { return Ok(None) };
        let probed = self.probed(probe).await;
        Ok(probed.is_well().then(|| Outcome::Mended { end: None, probed: Box::new(probed) }))
    }

    fn probe(&self, name: &ProbeName) -> Result<&Probe, Failure> {
        self.settings
            .probes
            .iter()
            .find(|probe| probe.name == *name)
            .ok_or_else(|| Failure { kind: FailureKind::Refused, why: format!("the configuration has no probe {name} any more") })
    }
}

fn memory(vitals: &Vitals, floor: u64) -> String {
    let [available, all, floor] = [vitals.available, vitals.memory, floor].map(bytes);
    format!("{available} of {all} of memory are available, {floor} are to be")
}

fn load(vitals: &Vitals, most: u32) -> String {
    format!("{:.1} programs ran or wanted to over five minutes, at most {most} are to", vitals.load)
}

/// A number of bytes for people.
fn bytes(count: u64) -> String {
    match count {
        count if count >= 1 << 30 => format!("{:.1} GiB", count as f64 / (1_u64 << 30) as f64),
        count if count >= 1 << 20 => format!("{:.1} MiB", count as f64 / (1_u64 << 20) as f64),
        count => format!("{} KiB", count >> 10),
    }
}
