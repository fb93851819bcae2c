//! Names of hosts looked up on a thread of its own, since the system's look-up blocks.
//!
//! The thread does nothing else: it knows no connections, and its answers wait in a channel until the loop, woken, takes
//! them. It is started with the first name and ends with the hub.

use super::dialling::Dial;
use mio::Waker;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Looks names up.
#[derive(Debug)]
pub(super) struct Resolver {
    waker: Arc<Waker>,
    running: Option<Running>,
}

/// What came of a look-up.
pub(super) type LookedUp = (Dial, io::Result<Vec<SocketAddr>>);

/// The two ends of the thread. At most as many names are on their way as the worlds may dial.
#[derive(Debug)]
struct Running {
    wanted: Sender<Dial>,
    found: Receiver<LookedUp>,
}

impl Resolver {
    /// Wakes the loop by this when it has an answer.
    pub(super) fn new(waker: Arc<Waker>) -> Resolver {
        Resolver {
            waker,
            running: None,
        }
    }

    /// Looks up the host of `dial`. Gives it back if the system has no thread for that.
    pub(super) fn look_up(&mut self, dial: Dial) -> Result<(), (Dial, io::Error)> {
        if self.running.is_none() {
            match Running::start(self.waker.clone()) {
                Ok(running) => self.running = Some(running),
                Err(error) => return Err((dial, error)),
            }
        }
        let running = self.running.as_ref().expect("it has been started");
        let sent = running.wanted.send(dial);
        sent.map_err(|unsent| {
            self.running = None;
            (unsent.0, io::Error::other("the look-up of names has ended"))
        })
    }

    /// The next answer that has come.
    pub(super) fn looked_up(&mut self) -> Option<LookedUp> {
        self.running.as_ref()?.found.try_recv().ok()
    }
}

impl Running {
    fn start(waker: Arc<Waker>) -> io::Result<Running> {
        let (wanted, wishes) = channel::<Dial>();
        let (answers, found) = channel();
        let look_up = move || {
            for dial in wishes {
                let addresses = dial.unknown_host().map(|host| host.to_socket_addrs());
                let addresses = addresses.map_or(Ok(Vec::new()), |found| Ok(found?.collect()));
                if answers.send((dial, addresses)).is_err() {
                    return;
                }
                // A poll that cannot be woken is no poll that still waits.
                let _ = waker.wake();
            }
        };
        thread::Builder::new()
            .name("peerhub-names".to_owned())
            .spawn(look_up)?;
        Ok(Running { wanted, found })
    }
}
