//! Making a run's workspace a place like home.

use tokio_util::sync::CancellationToken;

use crate::model::{Failure, FailureKind, Outcome, StepId};
use crate::ports::{Given, SetUpOrder};

use super::{Order, Worker, hands, repos};

impl Worker {
    pub(super) async fn set_up(&self, order: &Order<'_>, cancel: CancellationToken) -> Result<Outcome, Failure> {
        let (run, prepared) = (order.run()?, order.prepared()?);
        let given = self.given(order, None).await?;
        if let Some(file) = &given.provisions.env_file
            && self.ports.repos.holds(&order.subject.repo, &prepared.base, &file.to).await.map_err(repos)?
        {
            let why = format!(
                "`{}`, the place of the env file, is tracked in the repository: take it out of git, or name another place as `to`",
                file.to
            );
            return Err(Failure { kind: FailureKind::Setup, why });
        }
        let set_up = SetUpOrder {
            workspace: self.workspace(order, &prepared.base)?,
            given,
            label: super::agent::label(order.subject, run, self.settings.projects.len() > 1),
        };
        self.ports.hands.set_up(&set_up, cancel).await.map_err(hands)?;
        Ok(Outcome::SetUp)
    }

    /// What the run is given beside its clone; a step beside which others have commands run may get a port for itself.
    pub(super) async fn given(&self, order: &Order<'_>, step: Option<&StepId>) -> Result<Given, Failure> {
        let provisions = order.run()?.formula.workspace.of(&order.project.provisions);
        let trunk = order.prepared()?.trunk.clone();
        let port = match provisions.ports {
            Some(range) => {
                let port = self.ports.hands.port(&order.subject.repo, &order.run()?.id, step, range).await;
                Some(port.map_err(hands)?)
            }
            None => None,
        };
        Ok(Given { provisions, trunk: Some(trunk), port })
    }
}
