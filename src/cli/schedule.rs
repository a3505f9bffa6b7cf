//! The wake-ups: they only wake, and overlapping ticks fold into one.
//!
//! Promises: however late a tick comes (a machine that sleeps or is overloaded), the next ones come. An interval is tokio's, a pattern is
//! `tokio-cron-scheduler`'s: a repeated job of that library (0.15.1) never runs again once a tick was late by more than its interval
//! (<https://github.com/mvniekerk/tokio-cron-scheduler/issues/113>), while the times of a pattern are counted from the clock each time.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::config::Poll;
use crate::engine::Waker;

/// Wakes by the configured schedule until it is stopped.
pub(super) enum Schedule {
    Every(JoinSet<()>),
    Cron(JobScheduler),
}

impl Schedule {
    /// Starts it.
    pub(super) async fn start(poll: &Poll, waker: Waker) -> Result<Self, JobSchedulerError> {
        match poll {
            Poll::Every(every) => {
                let mut ticks = JoinSet::new();
                ticks.spawn(wake_every(*every, waker));
                Ok(Self::Every(ticks))
            }
            Poll::Cron(pattern) => {
                let scheduler = JobScheduler::new().await?;
                let tick = move |_, _| {
                    let waker = waker.clone();
                    Box::pin(async move { waker.all() }) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
                };
                scheduler.add(Job::new_async(pattern.as_str(), tick)?).await?;
                scheduler.start().await?;
                Ok(Self::Cron(scheduler))
            }
        }
    }

    /// Ends it.
    pub(super) async fn stop(self) {
        match self {
            Self::Every(mut ticks) => ticks.shutdown().await,
            Self::Cron(mut scheduler) => {
                if let Err(error) = scheduler.shutdown().await {
                    tracing::warn!(%error, "the scheduler did not end in order");
                }
            }
        }
    }
}

/// What was missed is one tick: there is no more to see than what is there now.
async fn wake_every(every: Duration, waker: Waker) {
    let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        waker.all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Wake, wakes};

    #[tokio::test]
    async fn it_wakes_again_after_ticks_were_missed() {
        let every = Duration::from_millis(10);
        let (waker, mut wakes) = wakes();
        let schedule = Schedule::start(&Poll::Every(every), waker).await.expect("it starts");
        assert_eq!(wakes.next().await, Wake::All);
        // The stall itself: this is the runtime's only thread, so nothing ticks meanwhile.
        std::thread::sleep(every * 5);
        for _ in 0..3 {
            let next = tokio::time::timeout(Duration::from_secs(60), wakes.next()).await;
            assert_eq!(next, Ok(Wake::All), "it never woke again");
        }
        schedule.stop().await;
    }
}
