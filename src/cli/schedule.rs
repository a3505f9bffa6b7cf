//! The wake-ups: `tokio-cron-scheduler` only wakes, and overlapping ticks fold into one.

use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::config::Poll;
use crate::engine::Waker;

/// Wakes by the configured schedule until it is dropped.
pub(super) struct Schedule {
    scheduler: JobScheduler,
}

impl Schedule {
    /// Starts it.
    pub(super) async fn start(poll: &Poll, waker: Waker) -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        let tick = move || {
            let waker = waker.clone();
            Box::pin(async move { waker.all() }) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
        };
        let job = match poll {
            Poll::Every(every) => Job::new_repeated_async(*every, move |_, _| tick())?,
            Poll::Cron(pattern) => Job::new_async(pattern.as_str(), move |_, _| tick())?,
        };
        scheduler.add(job).await?;
        scheduler.start().await?;
        Ok(Self { scheduler })
    }

    /// Ends it.
    pub(super) async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::warn!(%error, "the scheduler did not end in order");
        }
    }
}
