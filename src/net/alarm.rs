//! The clock that ends a wait: when something is due, the loop wakes though nothing happens (step 1 of the message path).
//!
//! A wait with a timeout has the system set a timer and take it away again, which for a hub that wakes for each message of
//! a pair is a tenth of all it does. So where the system has timers that are descriptors (Linux), one stays set for the
//! earliest deadline, and waits have no timeout. A deadline that moves back leaves it as it is: it then rings too early
//! once. Elsewhere waits have timeouts.

use crate::hub::Millis;
use mio::{Registry, Token};
use std::time::Duration;

/// Wakes the loop when something is due.
#[derive(Debug)]
pub(super) struct Alarm {
    /// None where the system gives none.
    #[cfg(target_os = "linux")]
    timer: Option<std::os::fd::OwnedFd>,
    /// When it will ring, if it is set.
    set_for: Option<Millis>,
}

impl Alarm {
    /// An alarm that is not set; its rings come under this token.
    #[cfg(target_os = "linux")]
    pub(super) fn new(registry: &Registry, token: Token) -> Alarm {
        Alarm {
            timer: timer(registry, token).ok(),
            set_for: None,
        }
    }

    /// An alarm that never rings: waits have timeouts.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn new(_registry: &Registry, _token: Token) -> Alarm {
        Alarm { set_for: None }
    }

    /// It has rung. There is nothing to be read: to set it anew clears it.
    pub(super) fn rang(&mut self) {
        self.set_for = None;
    }

    /// How long a wait may last that must end at `deadline`, of which `now` says how far it is: without a limit if the alarm
    /// will end it.
    pub(super) fn timeout(&mut self, now: Millis, deadline: Option<Millis>) -> Option<Duration> {
        let deadline = deadline?;
        let left = Duration::from_millis(deadline.saturating_sub(now));
        if left.is_zero() {
            return Some(left);
        }
        if self.set_for.is_none_or(|set_for| deadline < set_for) {
            match self.set(left) {
                true => self.set_for = Some(deadline),
                false => return Some(left),
            }
        }
        None
    }

    /// Sets it to ring after this time. Whether it will.
    #[cfg(target_os = "linux")]
    fn set(&self, after: Duration) -> bool {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        let (Some(timer), Ok(it_value)) = (&self.timer, Timespec::try_from(after)) else {
            return false;
        };
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value,
        };
        timerfd_settime(timer, TimerfdTimerFlags::empty(), &once).is_ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn set(&self, _after: Duration) -> bool {
        false
    }
}

/// A timer that is a descriptor, registered.
#[cfg(target_os = "linux")]
fn timer(registry: &Registry, token: Token) -> std::io::Result<std::os::fd::OwnedFd> {
    use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
    use std::os::fd::AsRawFd;
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    let mut source = mio::unix::SourceFd(&timer.as_raw_fd());
    registry.register(&mut source, token, mio::Interest::READABLE)?;
    Ok(timer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};

    const ALARM: Token = Token(7);

    fn poll_and_alarm() -> (Poll, Alarm) {
        let poll = Poll::new().expect("a poll");
        let alarm = Alarm::new(poll.registry(), ALARM);
        (poll, alarm)
    }

    #[test]
    fn what_is_due_is_not_waited_for() {
        let (_poll, mut alarm) = poll_and_alarm();
        assert_eq!(alarm.timeout(5, None), None);
        assert_eq!(alarm.timeout(5, Some(5)), Some(Duration::ZERO));
        assert_eq!(alarm.timeout(5, Some(4)), Some(Duration::ZERO));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn without_a_timer_waits_have_timeouts() {
        let mut alarm = Alarm {
            timer: None,
            set_for: None,
        };
        for _ in 0..2 {
            let timeout = alarm.timeout(5, Some(9));
            assert_eq!(timeout, Some(Duration::from_millis(4)));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn it_rings_whenever_it_is_set() {
        let (mut poll, mut alarm) = poll_and_alarm();
        let mut events = Events::with_capacity(4);
        for now in [100, 200, 300] {
            assert_eq!(alarm.timeout(now, Some(now + 1)), None);
            poll.poll(&mut events, None).expect("a ring");
            assert!(events.iter().any(|event| event.token() == ALARM));
            alarm.rang();
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn only_an_earlier_deadline_sets_it_anew() {
        let (_poll, mut alarm) = poll_and_alarm();
        for (deadline, set_for) in [
            (9_000, 9_000),
            (9_500, 9_000),
            (8_000, 8_000),
            (8_001, 8_000),
        ] {
            assert_eq!(alarm.timeout(0, Some(deadline)), None);
            assert_eq!(alarm.set_for, Some(set_for));
        }
        alarm.rang();
        assert_eq!(alarm.timeout(8_000, Some(9_500)), None);
        assert_eq!(alarm.set_for, Some(9_500));
    }
}
