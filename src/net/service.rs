//! The service manager that has started the program, if one has: the sockets that it hands over, and what it wants to hear.
//!
//! What systemd and others that do as it does say in environment variables: sockets that already listen (`LISTEN_FDS`), where
//! to tell that the program is ready and that it stops (`NOTIFY_SOCKET`), and how often to give a sign of life
//! (`WATCHDOG_USEC`). Source: the manual pages sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3). A program that
//! embeds the hub has a service of its own and leaves this one out.

use super::driver::StartError;
use crate::config::plain_words;
use crate::hub::Millis;
use listenfd::ListenFd;
use log::warn;
use sd_notify::NotifyState;
use std::net::TcpListener;

/// What the service manager gives and wants. The default is that there is none.
#[derive(Debug, Default)]
pub struct Service {
    sockets: Vec<TcpListener>,
    /// They take the place of the addresses in the settings.
    replaces_listen: bool,
    /// It wants to hear.
    listens: bool,
    /// Time between two signs of life, ms; none if it wants none.
    sign_interval_ms: Option<Millis>,
    next_sign: Millis,
}

impl Service {
    /// Takes what the environment says, and takes it out of the environment, where that says for whom it is: call it once,
    /// before there is another thread.
    ///
    /// # Errors
    /// The operator's: a socket that is handed over and is none for TCP, or does not listen.
    pub fn from_environment() -> Result<Service, StartError> {
        let mut handed = ListenFd::from_env();
        let mut sockets = Vec::new();
        for number in 0..handed.len() {
            let wrong = |problem: &str| {
                StartError(format!(
                    "socket {} of the service manager: {problem}: it must be one for TCP (ListenStream=) that listens \
                     (Accept=no)",
                    number + 1
                ))
            };
            let socket = handed.take_tcp_listener(number);
            let socket = socket.map_err(|error| wrong(&plain_words(&error)))?;
            let socket = socket.ok_or_else(|| wrong("it is gone"))?;
            match socket2::SockRef::from(&socket).is_listener() {
                Ok(true) => sockets.push(socket),
                Ok(false) => return Err(wrong("it does not listen")),
                Err(error) => return Err(wrong(&plain_words(&error))),
            }
        }
        let watchdog = sd_notify::watchdog_enabled();
        Ok(Service {
            sockets,
            replaces_listen: false,
            listens: std::env::var_os("NOTIFY_SOCKET").is_some(),
            // Half of the time after which it takes the program for dead, as the manual advises.
            sign_interval_ms: watchdog.map(|time| super::driver::millis(time / 2).max(1)),
            next_sign: 0,
        })
    }

    /// Lets the sockets that it hands over take the place of the addresses in the settings, if it hands over any. How many
    /// there are.
    pub fn replace_listen(&mut self) -> usize {
        self.replaces_listen = !self.sockets.is_empty();
        self.sockets.len()
    }

    /// The sockets, and whether they are all that is listened on.
    pub(super) fn take_sockets(&mut self) -> (Vec<TcpListener>, bool) {
        (std::mem::take(&mut self.sockets), self.replaces_listen)
    }

    /// The program serves.
    pub(super) fn tell_ready(&mut self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// The program stops, and needs at most this time for that, ms.
    pub(super) fn tell_stopping(&mut self, time_ms: Millis) {
        let time_us = u32::try_from(time_ms.saturating_mul(1_000)).unwrap_or(u32::MAX);
        self.tell(&[
            NotifyState::Stopping,
            NotifyState::ExtendTimeoutUsec(time_us),
        ]);
    }

    /// When `sign` has something to do.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.sign_interval_ms.map(|_| self.next_sign)
    }

    /// Gives a sign of life, if one is due.
    pub(super) fn sign(&mut self, now: Millis) {
        if let Some(interval_ms) = self.sign_interval_ms
            && now >= self.next_sign
        {
            self.next_sign = now + interval_ms;
            self.tell(&[NotifyState::Watchdog]);
        }
    }

    /// Tells it. A manager that cannot be told once is not told again.
    fn tell(&mut self, states: &[NotifyState<'_>]) {
        if !self.listens {
            return;
        }
        if let Err(error) = sd_notify::notify(states) {
            warn!(
                "the service manager (NOTIFY_SOCKET) cannot be told how this goes: {}",
                plain_words(&error)
            );
            (self.listens, self.sign_interval_ms) = (false, None);
        }
    }
}
