//! Files that steps keep in the operations repository, or ask for in another one.
//!
//! Promises: what a file is to say is worked out once and journalled with the intent, so that a look after a crash compares the same text.

use crate::model::{Expression, Intent, RepoName};

use super::flow::broken;
use super::run::Here;
use super::{Action, Context, Next};

/// The longest file that is kept, in bytes.
const LONGEST: usize = 128 << 10;

impl Context<'_> {
    pub(super) fn keep_file(&self, here: Here<'_>, content: &Expression, into: Option<RepoName>) -> Next {
        let Here { step, live, .. } = here;
        let text = match self.needed(here, content) {
            Ok(value) => value.as_str().filter(|text| !text.trim().is_empty() && text.len() <= LONGEST).map(str::to_owned),
            Err(why) => return self.end(here, broken(step, &why)),
        };
        let Some(content) = text else {
            let why = format!("{}: a file is a text of at most {} KiB that is not empty", content.0, LONGEST >> 10);
            return self.end(here, broken(step, &why));
        };
        let intent = Intent::Keep { run: live.run.id.clone(), step: step.id.clone(), content, into };
        Next::Act(Action::Do { subject: live.subject.clone(), intent })
    }
}
