//! What probes of the host look at, and steps mend.
//!
//! Promises: nothing is mended that the configuration of the host has no mend for, or one that could break more than little: that is a person's. No
//! probe is mended more often in an hour than it says, whichever runs ask for it: what does not help is not done again and again. How often
//! it was is counted from the journal, cut tries too.

use crate::model::{Advance, Expression, Intent, ProbeName, Risk};

use super::flow::broken;
use super::run::{Here, advance};
use super::{Action, Context, Next};

impl Context<'_> {
    pub(super) fn mend(&self, here: Here<'_>, probe: &Expression) -> Next {
        let Here { step, live, .. } = here;
        let probe = match self.needed(here, probe) {
            Ok(value) => match value.as_str() {
                Some(name) => ProbeName(name.to_owned()),
                None => return self.end(here, broken(step, &format!("{}: {value} is no probe's name", probe.0))),
            },
            Err(why) => return self.end(here, broken(step, &why)),
        };
        if let Some(why) = self.in_its_way(&probe) {
            return advance(here, Advance::Held { probe, why });
        }
        let intent = Intent::Mend { run: live.run.id.clone(), step: step.id.clone(), probe };
        Next::Act(Action::Do { subject: live.subject.clone(), intent })
    }

    /// Why a probe is not mended now.
    fn in_its_way(&self, probe: &ProbeName) -> Option<String> {
        let Some(mend) = self.policy.mends.get(probe) else {
            return Some("the configuration has nothing that mends it".to_owned());
        };
        if mend.risk != Risk::Low {
            return Some("what mends it could break more than little, so that a person does it".to_owned());
        }
        let times = self.ledger.mended(probe, self.now);
        let often = times >= mend.at_most as usize;
        often.then(|| format!("it was mended {times} times within the hour, and {} are allowed", mend.at_most))
    }
}
