//! The one thread that all sandboxes are started from.
//!
//! bubblewrap's `--die-with-parent` fires when the *thread* that started it ends, and a runtime retires its pool threads as it
//! likes. So this thread belongs to no pool: it ends when the last [`Sandbox`](super::Sandbox) and the last
//! [`Process`](super::Process) are gone, or with the daemon. It also waits for killed children that nobody else waits for.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::cgroup::Group;

/// How often children that are about to die are looked at.
const REAP_INTERVAL: Duration = Duration::from_millis(20);

enum Order {
    Spawn(Command, Handle, oneshot::Sender<io::Result<Child>>),
    Reap(Dying),
}

/// A killed child, and its group, which can only be given back after it.
struct Dying {
    child: Child,
    _group: Option<Group>,
}

/// A handle to the thread.
#[derive(Clone)]
pub(super) struct Spawner {
    orders: mpsc::Sender<Order>,
}

impl Spawner {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        thread::Builder::new().name("sandboxes".to_owned()).spawn(move || serve(&inbox))?;
        Ok(Self { orders })
    }

    /// Starts a command from the thread; its descriptors are closed here when it is answered.
    pub(super) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (answer, answered) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts sandboxes is gone");
        self.orders.send(Order::Spawn(command, Handle::current(), answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Waits for a child that has been killed, so that it does not stay as a zombie, and gives its control group back.
    pub(super) fn reap(&self, child: Child, group: Option<Group>) {
        // Sending fails only when the thread is gone, which is when the process ends.
        let _ = self.orders.send(Order::Reap(Dying { child, _group: group }));
    }
}

fn serve(inbox: &mpsc::Receiver<Order>) {
    let mut dying: Vec<Dying> = Vec::new();
    loop {
        let order = if dying.is_empty() {
            inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            inbox.recv_timeout(REAP_INTERVAL)
        };
        match order {
            Ok(Order::Spawn(mut command, runtime, answer)) => {
                // The child is waited for by the runtime that asked, and started by this thread all the same.
                let _entered = runtime.enter();
                let spawned = command.spawn();
                // Our copies of its descriptors, or nobody would see their end.
                drop(command);
                if let Err(Ok(mut unwanted)) = answer.send(spawned) {
                    // Whoever asked was cancelled meanwhile.
                    let _ = unwanted.start_kill();
                    dying.push(Dying { child: unwanted, _group: None });
                }
            }
            Ok(Order::Reap(killed)) => dying.push(killed),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        dying.retain_mut(|killed| matches!(killed.child.try_wait(), Ok(None)));
    }
    while !dying.is_empty() {
        thread::sleep(REAP_INTERVAL);
        dying.retain_mut(|killed| matches!(killed.child.try_wait(), Ok(None)));
    }
}
