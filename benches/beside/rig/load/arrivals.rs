//! Clients that come, stay or go.

use super::crowd::{Crowd, Heard};
use super::room::{histogram, nanos};
use super::{Door, Faults, LoadError, PATIENCE, Until};
use crate::rig::speech::{Manner, Speech};
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// How clients come that have nothing to do with one another, each in a linkage of its own.
const ALONE: Manner = Manner {
    together: false,
    announced: true,
    addressed: false,
};

/// Clients that connect, join and go, so many at a time.
pub struct Visits {
    crowd: Crowd,
    at_once: u64,
    opened: u64,
    joined: u64,
    gone: u64,
    /// By place: when the client there began to connect.
    since: Vec<Instant>,
    latency: Histogram<u64>,
    heard: Vec<Heard>,
}

impl Visits {
    /// Nobody yet.
    ///
    /// # Errors
    /// If there is no poll to be had.
    pub fn new(door: Door, speech: Speech, at_once: usize) -> Result<Visits, LoadError> {
        Ok(Visits {
            crowd: Crowd::new(door, speech, ALONE, 0)?,
            at_once: at_once as u64,
            opened: 0,
            joined: 0,
            gone: 0,
            since: Vec::new(),
            latency: histogram(),
            heard: Vec::new(),
        })
    }

    /// How many have joined.
    pub fn joined(&self) -> u64 {
        self.joined
    }

    /// Begins to take times anew.
    pub fn forget_times(&mut self) {
        self.latency.reset();
    }

    /// From beginning to connect until having joined, in nanoseconds.
    pub fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// Has clients come and go.
    ///
    /// # Errors
    /// If the server stops letting them in.
    pub fn run(&mut self, until: Until) -> Result<(), LoadError> {
        let (end, last) = match until {
            Until::Passed(span) => (Some(Instant::now() + span), u64::MAX),
            Until::Sent(count) => (None, self.opened + count),
        };
        let mut progress = (self.joined, Instant::now());
        while end.map_or(self.gone < last, |end| Instant::now() < end) {
            while self.opened - self.gone < self.at_once && self.opened < last {
                let place = self.crowd.open()?;
                self.opened += 1;
                let places = self.since.len().max(place + 1);
                self.since.resize(places, Instant::now());
                self.since[place] = Instant::now();
            }
            self.turn()?;
            self.crowd.refuse_losses()?;
            if self.joined > progress.0 {
                progress = (self.joined, Instant::now());
            } else if progress.1.elapsed() > PATIENCE {
                return Err(LoadError::Stalled("nobody gets in".to_owned()));
            }
        }
        Ok(())
    }

    /// Waits for those that are there to go; what has gone wrong in all.
    ///
    /// # Errors
    /// What poll says. Who cannot go is a fault and no error.
    pub fn finish(&mut self) -> Result<Faults, LoadError> {
        let begun = Instant::now();
        while self.gone < self.opened && begun.elapsed() < PATIENCE {
            self.turn()?;
        }
        Ok(Faults {
            missing: self.opened - self.gone,
            lost: self.crowd.lost(),
            ..Faults::default()
        })
    }

    fn turn(&mut self) -> Result<(), LoadError> {
        self.crowd.flush();
        self.crowd.wait(Duration::from_millis(50))?;
        while self.crowd.hear(&mut self.heard)? {
            for heard in self.heard.drain(..) {
                match heard {
                    Heard::Joined(place) => {
                        let now = self.crowd.read_at();
                        let time = now.saturating_duration_since(self.since[place]);
                        self.latency.saturating_record(nanos(time));
                        self.joined += 1;
                        self.crowd.close(place);
                    }
                    Heard::Gone => self.gone += 1,
                    Heard::Number(..) | Heard::Torn => {}
                }
            }
        }
        Ok(())
    }
}

/// A crowd for clients that stay and do nothing.
///
/// # Errors
/// If there is no poll to be had.
pub fn idlers(door: Door, speech: Speech) -> Result<Crowd, LoadError> {
    Crowd::new(door, speech, ALONE, 0)
}

/// One client after the other joins one linkage, and those who are there are told of each.
pub struct Presence {
    crowd: Crowd,
    /// By client: the number of the newcomer that it is to hear of next.
    next: Vec<u64>,
    told: u64,
    faults: Faults,
    latency: Histogram<u64>,
    heard: Vec<Heard>,
}

impl Presence {
    /// Nobody yet.
    ///
    /// # Errors
    /// If there is no poll to be had.
    pub fn new(door: Door, speech: Speech) -> Result<Presence, LoadError> {
        let manner = Manner {
            together: true,
            announced: true,
            addressed: false,
        };
        Ok(Presence {
            crowd: Crowd::new(door, speech, manner, 0)?,
            next: Vec::new(),
            told: 0,
            faults: Faults::default(),
            latency: histogram(),
            heard: Vec::new(),
        })
    }

    /// How many messages about newcomers have come.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// From beginning to connect until having joined, in nanoseconds.
    pub fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// Has `count` clients come, each as soon as the one before it has joined, and waits until everybody has been told of
    /// everybody after itself; what has gone wrong.
    ///
    /// # Errors
    /// If one cannot join.
    pub fn run(&mut self, count: usize) -> Result<Faults, LoadError> {
        for number in 0..count {
            self.next.push(number as u64 + 1);
            self.crowd.open()?;
            let begun = Instant::now();
            while self.crowd.joined() <= number {
                self.turn()?;
                self.crowd.refuse_losses()?;
                if begun.elapsed() > PATIENCE {
                    return Err(LoadError::Stalled(format!("client {number} cannot join")));
                }
            }
            self.latency.saturating_record(nanos(begun.elapsed()));
        }
        let due = (count * (count - 1) / 2) as u64;
        let begun = Instant::now();
        while self.told < due && begun.elapsed() < PATIENCE {
            self.turn()?;
        }
        Ok(Faults {
            missing: due.saturating_sub(self.told),
            lost: self.crowd.lost(),
            ..self.faults
        })
    }

    fn turn(&mut self) -> Result<(), LoadError> {
        self.crowd.flush();
        self.crowd.wait(Duration::from_millis(50))?;
        while self.crowd.hear(&mut self.heard)? {
            for heard in self.heard.drain(..) {
                match heard {
                    Heard::Number(place, number) if self.next[place] == number => {
                        self.next[place] += 1;
                        self.told += 1;
                    }
                    Heard::Number(..) => self.faults.out_of_order += 1,
                    Heard::Torn => self.faults.torn += 1,
                    Heard::Joined(_) | Heard::Gone => {}
                }
            }
        }
        Ok(())
    }
}
