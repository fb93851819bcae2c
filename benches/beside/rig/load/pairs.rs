//! Pairs: one asks, the other answers, through the server; each pair has one request under way.

use super::crowd::{Crowd, Heard};
use super::room::{histogram, nanos};
use super::{Door, Faults, LoadError, PATIENCE, Until};
use crate::rig::speech::{Manner, Speech};
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// Clients in twos: the even one of a pair asks the odd one after it.
pub struct Pairs {
    crowd: Crowd,
    /// By pair.
    asked: Vec<Asked>,
    /// Requests that may still be made.
    to_ask: u64,
    waiting: usize,
    answered: u64,
    faults: Faults,
    latency: Histogram<u64>,
    heard: Vec<Heard>,
}

#[derive(Clone)]
struct Asked {
    /// The pair's number above, how many requests it has made below.
    number: u64,
    since: Instant,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// The request is under way.
    Asking,
    /// The answer is.
    Answering,
}

/// Bits of a request's number that count.
const COUNT_BITS: u32 = 28;

impl Pairs {
    /// Has the clients come in.
    ///
    /// # Errors
    /// If not all do.
    pub fn open(
        door: Door,
        speech: Speech,
        pair_count: usize,
        size: usize,
    ) -> Result<Pairs, LoadError> {
        let manner = Manner {
            together: true,
            addressed: true,
            announced: false,
        };
        let mut crowd = Crowd::new(door, speech, manner, size)?;
        let places = crowd.gather(2 * pair_count)?;
        assert!(places.into_iter().eq(0..2 * pair_count));
        let first_of = |pair| Asked {
            number: (pair as u64) << COUNT_BITS,
            since: Instant::now(),
            state: State::Idle,
        };
        Ok(Pairs {
            crowd,
            asked: (0..pair_count).map(first_of).collect(),
            to_ask: 0,
            waiting: 0,
            answered: 0,
            faults: Faults::default(),
            latency: histogram(),
            heard: Vec::new(),
        })
    }

    /// How many requests have been answered.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Begins to take times anew.
    pub fn forget_times(&mut self) {
        self.latency.reset();
    }

    /// From asking to having the answer, in nanoseconds.
    pub fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// Has all pairs ask again and again. Looks all the time, so that the load's own sleep is in no figure.
    ///
    /// # Errors
    /// If the server stops delivering.
    pub fn run(&mut self, until: Until) -> Result<(), LoadError> {
        let end = match until {
            Until::Passed(span) => {
                self.to_ask = u64::MAX;
                Some(Instant::now() + span)
            }
            Until::Sent(count) => {
                self.to_ask = count;
                None
            }
        };
        for pair in 0..self.asked.len() {
            if self.asked[pair].state == State::Idle {
                self.ask(pair);
                self.crowd.flush();
            }
        }
        let mut progress = (self.answered, Instant::now());
        while end.map_or(self.waiting > 0, |end| Instant::now() < end) {
            self.turn(Duration::ZERO)?;
            self.watch(&mut progress)?;
        }
        Ok(())
    }

    /// Asks no more and waits for what is under way; what has gone wrong in all.
    ///
    /// # Errors
    /// What poll says. What does not arrive is a fault and no error.
    pub fn finish(&mut self) -> Result<Faults, LoadError> {
        self.to_ask = 0;
        let mut progress = (self.answered, Instant::now());
        while self.waiting > 0 && self.watch(&mut progress).is_ok() {
            self.turn(Duration::from_millis(50))?;
        }
        Ok(Faults {
            missing: self.waiting as u64,
            lost: self.crowd.lost(),
            ..self.faults
        })
    }

    fn ask(&mut self, pair: usize) {
        if self.to_ask == 0 {
            return;
        }
        self.to_ask -= 1;
        self.waiting += 1;
        let asked = &mut self.asked[pair];
        asked.number += 1;
        asked.since = Instant::now();
        asked.state = State::Asking;
        let number = asked.number;
        self.crowd.send(2 * pair, 2 * pair + 1, number, false);
    }

    /// What a client says goes out before the next one is heard, as if each were a program of its own.
    fn turn(&mut self, at_most: Duration) -> Result<(), LoadError> {
        self.crowd.wait(at_most)?;
        let mut heard = std::mem::take(&mut self.heard);
        while self.crowd.hear(&mut heard)? {
            for heard in heard.drain(..) {
                match heard {
                    Heard::Number(place, number) => self.note(place, number),
                    Heard::Torn => self.faults.torn += 1,
                    Heard::Joined(_) | Heard::Gone => {}
                }
            }
            self.crowd.flush();
        }
        self.heard = heard;
        Ok(())
    }

    fn note(&mut self, place: usize, number: u64) {
        let pair = place / 2;
        let asked = &mut self.asked[pair];
        let expected = match place % 2 {
            0 => State::Answering,
            _ => State::Asking,
        };
        if asked.number != number || asked.state != expected {
            self.faults.out_of_order += 1;
            return;
        }
        if expected == State::Asking {
            asked.state = State::Answering;
            self.crowd.send(place, place - 1, number, true);
            return;
        }
        asked.state = State::Idle;
        let time = self.crowd.read_at().saturating_duration_since(asked.since);
        self.latency.saturating_record(nanos(time));
        self.answered += 1;
        self.waiting -= 1;
        self.ask(pair);
    }

    /// Refuses to wait for ever: `progress` is how many answers there were, and when.
    fn watch(&self, progress: &mut (u64, Instant)) -> Result<(), LoadError> {
        self.crowd.refuse_losses()?;
        if self.answered > progress.0 {
            *progress = (self.answered, Instant::now());
        } else if progress.1.elapsed() > PATIENCE {
            let waiting = self.waiting;
            return Err(LoadError::Stalled(format!("{waiting} requests are open")));
        }
        Ok(())
    }
}
