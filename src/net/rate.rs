//! Token buckets: how much somebody may make the hub do in a second.
//!
//! Pure: the time is an argument. A bucket is the time at which it will be full again, so that filling costs nothing
//! (the generic cell rate algorithm, ITU-T I.371 annex A). What somebody does is charged afterwards, when it is known what
//! it made the hub send; whoever has spent more than he had owes until some time.

use crate::config::{Excess, Rates};

/// What may be spent in a second, and what becomes of whoever spends more.
#[derive(Debug)]
pub(super) struct Tariff {
    /// Of one connection.
    pub(super) connection: Allowance,
    /// Of all connections of one address.
    pub(super) address: Allowance,
    /// New connections of one address, a second; 0 for any number.
    pub(super) newcomers: u64,
    pub(super) burst_ns: u64,
    pub(super) excess: Excess,
}

/// So many a second of each; 0 for any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowance {
    messages: u64,
    bytes: u64,
    deliveries: u64,
    joins: u64,
}

/// What somebody has made the hub do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) deliveries: u64,
    pub(super) joins: u64,
}

/// The buckets of somebody.
#[derive(Debug, Default)]
pub(super) struct Meter {
    messages: Bucket,
    bytes: Bucket,
    deliveries: Bucket,
    joins: Bucket,
}

/// One bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    full_at_ns: u64,
}

impl Tariff {
    pub(super) fn new(rates: &Rates) -> Tariff {
        Tariff {
            connection: Allowance {
                messages: rates.messages as u64,
                bytes: rates.bytes as u64,
                deliveries: rates.deliveries as u64,
                joins: rates.joins as u64,
            },
            address: Allowance {
                messages: rates.address_messages as u64,
                bytes: rates.address_bytes as u64,
                deliveries: rates.address_deliveries as u64,
                joins: rates.address_joins as u64,
            },
            newcomers: rates.address_connections as u64,
            burst_ns: rates.burst_ms * MILLISECOND_NS,
            excess: rates.excess,
        }
    }

    /// Whether anything is charged for.
    pub(super) fn is_on(&self) -> bool {
        self.connection.is_on() || self.address.is_on()
    }
}

impl Allowance {
    pub(super) fn is_on(&self) -> bool {
        *self != Allowance::default()
    }
}

impl Meter {
    /// Takes what was spent out of the buckets.
    pub(super) fn charge(&mut self, now_ns: u64, spent: Spent, allowance: &Allowance) {
        self.messages
            .take(now_ns, spent.messages, allowance.messages);
        self.bytes.take(now_ns, spent.bytes, allowance.bytes);
        self.deliveries
            .take(now_ns, spent.deliveries, allowance.deliveries);
        self.joins.take(now_ns, spent.joins, allowance.joins);
    }

    /// Until when more has been spent than there was: a time that has passed if it was less. Buckets hold what comes in
    /// within `burst_ns`.
    pub(super) fn owes_until_ns(&self, burst_ns: u64) -> u64 {
        self.full_at_ns().saturating_sub(burst_ns)
    }

    /// When all buckets are full, and there is nothing to remember.
    pub(super) fn full_at_ns(&self) -> u64 {
        let buckets = [&self.messages, &self.bytes, &self.deliveries, &self.joins];
        let times = buckets.into_iter().map(|bucket| bucket.full_at_ns);
        times.max().unwrap_or_default()
    }
}

impl Bucket {
    /// Takes so many out of a bucket into which so many come in a second; of 0 a second there is any number.
    pub(super) fn take(&mut self, now_ns: u64, count: u64, per_second: u64) {
        if per_second > 0 && count > 0 {
            let worth_ns = count.saturating_mul(SECOND_NS) / per_second;
            self.full_at_ns = self.full_at_ns.max(now_ns).saturating_add(worth_ns);
        }
    }

    /// As [`Meter::owes_until_ns`].
    pub(super) fn owes_until_ns(&self, burst_ns: u64) -> u64 {
        self.full_at_ns.saturating_sub(burst_ns)
    }

    pub(super) fn full_at_ns(&self) -> u64 {
        self.full_at_ns
    }
}

pub(super) const MILLISECOND_NS: u64 = 1_000_000;
const SECOND_NS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const BURST_NS: u64 = 2 * SECOND_NS;

    #[test]
    fn what_is_saved_up_may_be_spent_at_once_and_then_only_what_comes_in() {
        let mut bucket = Bucket::default();
        let begin = 100 * SECOND_NS;
        bucket.take(begin, 20, 10);
        assert!(
            bucket.owes_until_ns(BURST_NS) <= begin,
            "two seconds' worth"
        );
        bucket.take(begin, 1, 10);
        assert_eq!(bucket.owes_until_ns(BURST_NS), begin + SECOND_NS / 10);
        let later = begin + SECOND_NS;
        assert!(bucket.owes_until_ns(BURST_NS) <= later);
        bucket.take(later, 10, 10);
        assert_eq!(bucket.owes_until_ns(BURST_NS), later + SECOND_NS / 10);
    }

    #[test]
    fn silence_saves_no_more_than_the_burst() {
        let mut bucket = Bucket::default();
        bucket.take(0, 1, 10);
        let much_later = 1_000 * SECOND_NS;
        bucket.take(much_later, 30, 10);
        assert_eq!(bucket.owes_until_ns(BURST_NS), much_later + SECOND_NS);
    }

    #[test]
    fn nothing_is_owed_where_there_is_no_rate_and_no_number_overflows() {
        let mut bucket = Bucket::default();
        bucket.take(5, u64::MAX, 0);
        assert_eq!(bucket.full_at_ns(), 0);
        bucket.take(u64::MAX, u64::MAX, 1);
        assert_eq!(bucket.full_at_ns(), u64::MAX);
    }

    #[test]
    fn one_empty_bucket_of_four_is_enough() {
        let rates = Rates {
            messages: 100,
            deliveries: 10,
            burst_ms: 1_000,
            ..Rates::default()
        };
        let tariff = Tariff::new(&rates);
        assert!(tariff.is_on() && !tariff.address.is_on());
        let mut meter = Meter::default();
        let spent = Spent {
            messages: 1,
            bytes: 1 << 30,
            deliveries: 30,
            joins: 5,
        };
        meter.charge(SECOND_NS, spent, &tariff.connection);
        assert_eq!(meter.owes_until_ns(tariff.burst_ns), 3 * SECOND_NS);
    }
}
