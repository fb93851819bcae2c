//! Some publish, many hear it.
//!
//! In a closed loop so many messages are under way, and the next one goes when one of them has arrived everywhere. In an
//! open one a message goes when it is due, whatever has become of the others, so that a server that lags is not spared.

use super::crowd::{Crowd, Heard};
use super::{Door, Faults, LoadError, PATIENCE, Until};
use crate::rig::speech::{Manner, Speech};
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// Subscribers of one channel, and those who publish to it, in turn.
pub struct Room {
    crowd: Crowd,
    subscriber_count: usize,
    publishers: Vec<usize>,
    window: u64,
    /// The number that a subscriber is to hear next from a publisher: all of the first subscriber, then the second's.
    next: Vec<u64>,
    /// Messages under way, each in the slot of its number.
    flights: Vec<Flight>,
    sent: u64,
    arrived: u64,
    delivered: u64,
    faults: Faults,
    /// Of messages from this number on, the times of `times` are taken.
    timed_from: u64,
    times: Times,
    latency: Histogram<u64>,
    heard: Vec<Heard>,
}

#[derive(Clone)]
struct Flight {
    missing: usize,
    since: Instant,
}

/// Which times are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    /// From publishing until everybody has the message.
    OfArrivals,
    /// From the time at which a message was due until one subscriber has it.
    OfDeliveries,
}

/// When messages are due.
#[derive(Clone, Copy)]
pub struct Pace {
    begin: Instant,
    first: u64,
    per_second: f64,
}

/// Tells the messages that only try whether everybody listens.
const PROBE: u64 = 1 << 47;
const PROBE_INTERVAL: Duration = Duration::from_millis(250);
/// Messages that may be under way in an open loop.
const FLIGHTS: usize = 1 << 14;

/// A histogram of nanoseconds. What takes longer than any load waits counts as that long.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(nanos(2 * PATIENCE), 3).expect("three digits are possible")
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Room {
    /// Opens the room, and waits until every subscriber hears what is published, and nothing else is under way.
    ///
    /// # Errors
    /// If not all come in, or not all hear.
    pub fn open(
        door: Door,
        speech: Speech,
        (subscriber_count, publisher_count): (usize, usize),
        size: usize,
        window: usize,
    ) -> Result<Room, LoadError> {
        let manner = Manner {
            together: true,
            ..Manner::default()
        };
        let mut crowd = Crowd::new(door, speech, manner, size)?;
        let subscribers = crowd.gather(subscriber_count)?;
        assert!(subscribers.into_iter().eq(0..subscriber_count));
        for subscriber in 0..subscriber_count {
            crowd.subscribe(subscriber);
        }
        crowd.flush();
        let publishers = crowd.gather(publisher_count)?;
        let flight = Flight {
            missing: 0,
            since: Instant::now(),
        };
        let mut room = Room {
            crowd,
            subscriber_count,
            publishers,
            window: window as u64,
            next: Vec::new(),
            flights: vec![flight; FLIGHTS.max(4 * window).next_power_of_two()],
            sent: 0,
            arrived: 0,
            delivered: 0,
            faults: Faults::default(),
            timed_from: 0,
            times: Times::OfArrivals,
            latency: histogram(),
            heard: Vec::new(),
        };
        room.settle()?;
        let first = 0..publisher_count as u64;
        room.next = first
            .cycle()
            .take(subscriber_count * publisher_count)
            .collect();
        Ok(room)
    }

    /// Publishes probes until everybody has heard one, then one more until everybody has heard that: then, since messages
    /// come in order, nothing else is on its way. What the server says unasked does not matter.
    fn settle(&mut self) -> Result<(), LoadError> {
        // By subscriber: the probe heard last, from 1 on.
        let mut latest = vec![0; self.subscriber_count];
        let begun = Instant::now();
        let mut probe = 0;
        while latest.contains(&0) {
            if begun.elapsed() > PATIENCE {
                let deaf = latest.iter().filter(|&&probe| probe == 0).count();
                return Err(LoadError::Stalled(format!("{deaf} hear nothing")));
            }
            probe += 1;
            self.crowd.publish(self.publishers[0], PROBE | probe);
            self.hear_probes(&mut latest, PROBE_INTERVAL, |probe| probe > 0)?;
        }
        probe += 1;
        self.crowd.publish(self.publishers[0], PROBE | probe);
        self.hear_probes(&mut latest, PATIENCE, |latest| latest == probe)?;
        if latest.iter().all(|&latest| latest == probe) {
            Ok(())
        } else {
            Err(LoadError::Stalled("not all hear the last probe".to_owned()))
        }
    }

    /// Takes in probes until all of `latest` are `enough`, or until the time is over.
    fn hear_probes(
        &mut self,
        latest: &mut [u64],
        at_most: Duration,
        enough: impl Fn(u64) -> bool,
    ) -> Result<(), LoadError> {
        let begun = Instant::now();
        while begun.elapsed() < at_most && !latest.iter().all(|&probe| enough(probe)) {
            self.crowd.flush();
            self.crowd.wait(Duration::from_millis(10))?;
            while self.crowd.hear(&mut self.heard)? {
                for heard in self.heard.drain(..) {
                    if let Heard::Number(subscriber, number) = heard {
                        latest[subscriber] = number & !PROBE;
                    }
                }
            }
            self.crowd.refuse_losses()?;
        }
        Ok(())
    }

    /// How many deliveries there have been.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Begins to take times anew.
    pub fn forget_times(&mut self) {
        self.latency.reset();
        self.timed_from = self.sent;
    }

    /// The times taken, in nanoseconds.
    pub fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// Publishes in a closed loop.
    ///
    /// # Errors
    /// If the server stops delivering.
    pub fn run(&mut self, until: Until) -> Result<(), LoadError> {
        let (end, last) = match until {
            Until::Passed(span) => (Some(Instant::now() + span), u64::MAX),
            Until::Sent(count) => (None, self.sent + count),
        };
        let mut progress = (self.delivered, Instant::now());
        loop {
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) || self.arrived == last {
                return Ok(());
            }
            while self.sent < last && self.sent - self.arrived < self.window && self.has_slot() {
                self.publish(now);
            }
            self.turn(Duration::from_millis(100))?;
            self.watch(&mut progress)?;
        }
    }

    /// Sets the pace of an open loop that begins now.
    pub fn pace(&mut self, per_second: f64) -> Pace {
        self.times = Times::OfDeliveries;
        Pace {
            begin: Instant::now(),
            first: self.sent,
            per_second,
        }
    }

    /// Publishes `count` messages when they are due. Looks all the time, so that the load's own sleep is in no figure.
    ///
    /// # Errors
    /// If the server stops delivering, or lags by more messages than can be kept in mind.
    pub fn run_at(&mut self, pace: Pace, count: u64) -> Result<(), LoadError> {
        let last = self.sent + count;
        let mut progress = (self.delivered, Instant::now());
        while self.sent < last {
            let due = (self.sent - pace.first) as f64 / pace.per_second;
            let due = pace.begin + Duration::from_secs_f64(due);
            if due <= Instant::now() {
                if !self.has_slot() {
                    return Err(LoadError::Stalled(format!("{FLIGHTS} messages late")));
                }
                self.publish(due);
            }
            self.turn(Duration::ZERO)?;
            self.watch(&mut progress)?;
        }
        Ok(())
    }

    /// Waits until all that was sent has arrived; what has gone wrong in all.
    ///
    /// # Errors
    /// What poll says. What does not arrive is a fault and no error.
    pub fn finish(&mut self) -> Result<Faults, LoadError> {
        let mut progress = (self.delivered, Instant::now());
        while self.arrived < self.sent && self.watch(&mut progress).is_ok() {
            self.turn(Duration::from_millis(50))?;
        }
        let under_way = self
            .flights
            .iter()
            .map(|flight| flight.missing as u64)
            .sum();
        Ok(Faults {
            missing: under_way,
            lost: self.crowd.lost(),
            ..self.faults
        })
    }

    fn has_slot(&self) -> bool {
        self.flights[self.slot(self.sent)].missing == 0
    }

    fn slot(&self, number: u64) -> usize {
        number as usize & (self.flights.len() - 1)
    }

    fn publish(&mut self, since: Instant) {
        let number = self.sent;
        let slot = self.slot(number);
        self.flights[slot] = Flight {
            missing: self.subscriber_count,
            since,
        };
        let publisher = number % self.publishers.len() as u64;
        self.crowd
            .publish(self.publishers[publisher as usize], number);
        self.sent += 1;
    }

    fn turn(&mut self, at_most: Duration) -> Result<(), LoadError> {
        self.crowd.flush();
        self.crowd.wait(at_most)?;
        let mut heard = std::mem::take(&mut self.heard);
        while self.crowd.hear(&mut heard)? {
            for heard in heard.drain(..) {
                match heard {
                    Heard::Number(subscriber, number) => self.note(subscriber, number),
                    Heard::Torn => self.faults.torn += 1,
                    Heard::Joined(_) | Heard::Gone => {}
                }
            }
        }
        self.heard = heard;
        Ok(())
    }

    fn note(&mut self, subscriber: usize, number: u64) {
        let publisher_count = self.publishers.len();
        let publisher = number as usize % publisher_count;
        let Some(next) = self.next.get_mut(subscriber * publisher_count + publisher) else {
            self.faults.out_of_order += 1;
            return;
        };
        if number != *next || number >= self.sent {
            self.faults.out_of_order += 1;
            return;
        }
        *next += publisher_count as u64;
        self.delivered += 1;
        let slot = self.slot(number);
        let flight = &mut self.flights[slot];
        flight.missing -= 1;
        let arrived = flight.missing == 0;
        self.arrived += u64::from(arrived);
        let is_timed = arrived || self.times == Times::OfDeliveries;
        if is_timed && number >= self.timed_from {
            let time = self.crowd.read_at().saturating_duration_since(flight.since);
            self.latency.saturating_record(nanos(time));
        }
    }

    /// Refuses to wait for ever: `progress` is how many deliveries there were, and when.
    fn watch(&self, progress: &mut (u64, Instant)) -> Result<(), LoadError> {
        self.crowd.refuse_losses()?;
        if self.delivered > progress.0 || self.sent == self.arrived {
            *progress = (self.delivered, Instant::now());
        } else if progress.1.elapsed() > PATIENCE {
            let (sent, arrived) = (self.sent, self.arrived);
            return Err(LoadError::Stalled(format!(
                "{arrived} of {sent} messages have arrived everywhere"
            )));
        }
        Ok(())
    }
}
