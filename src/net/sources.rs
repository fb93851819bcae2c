//! Where connections come from: how many there are of each address, and what they have spent together.
//!
//! Owns what is remembered of an address: as long as it has a connection, and after that until its buckets are full, or
//! coming back would be a way not to pay. Bounded by the connections and, beyond them, by `Rates::remembered`. Pure: the
//! time is an argument.

use super::rate::{Bucket, Meter, Spent, Tariff};
use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

/// All addresses that there is something to remember of. They are the peers' choice, so the hash is keyed.
#[derive(Debug)]
pub(super) struct Sources {
    known: HashMap<IpAddr, Source>,
    /// Those without connections that have not paid off yet, and some that have come back since.
    fading: VecDeque<IpAddr>,
    prefix_bits: u8,
    fading_max: usize,
}

#[derive(Debug, Default)]
struct Source {
    connections: usize,
    meter: Meter,
    newcomers: Bucket,
    is_fading: bool,
}

impl Source {
    fn full_at_ns(&self) -> u64 {
        self.meter.full_at_ns().max(self.newcomers.full_at_ns())
    }
}

impl Sources {
    pub(super) fn new(prefix_bits: usize, fading_max: usize) -> Sources {
        Sources {
            known: HashMap::new(),
            fading: VecDeque::new(),
            prefix_bits: u8::try_from(prefix_bits).unwrap_or(u8::MAX).min(128),
            fading_max,
        }
    }

    /// How many connections there are from this address.
    pub(super) fn connections(&self, address: IpAddr) -> usize {
        let source = self.known.get(&self.network(address));
        source.map_or(0, |source| source.connections)
    }

    /// Until when more connections have come from this address than may.
    pub(super) fn is_hasty_until_ns(&self, address: IpAddr, burst_ns: u64) -> u64 {
        let source = self.known.get(&self.network(address));
        source.map_or(0, |source| source.newcomers.owes_until_ns(burst_ns))
    }

    /// Until when the connections of this address have spent more than they had.
    pub(super) fn owes_until_ns(&self, address: IpAddr, burst_ns: u64) -> u64 {
        let source = self.known.get(&self.network(address));
        source.map_or(0, |source| source.meter.owes_until_ns(burst_ns))
    }

    /// One more connection has come from this address.
    pub(super) fn enter(&mut self, address: IpAddr, now_ns: u64, tariff: &Tariff) {
        let source = self.known.entry(self.network(address)).or_default();
        source.connections += 1;
        source.newcomers.take(now_ns, 1, tariff.newcomers);
    }

    /// A connection from this address has ended. O(1).
    pub(super) fn leave(&mut self, address: IpAddr, now_ns: u64) {
        let network = self.network(address);
        let Some(source) = self.known.get_mut(&network) else {
            return;
        };
        source.connections -= 1;
        if source.connections > 0 || source.is_fading {
            return;
        }
        match source.full_at_ns() <= now_ns {
            true => drop(self.known.remove(&network)),
            false => self.fade(network),
        }
    }

    /// There is no connection from this network, but something to remember of it.
    fn fade(&mut self, network: IpAddr) {
        if let Some(source) = self.known.get_mut(&network) {
            source.is_fading = true;
            self.fading.push_back(network);
            if self.fading.len() > self.fading_max {
                self.forget_first();
            }
        }
    }

    /// Charges the address of a connection.
    pub(super) fn charge(&mut self, address: IpAddr, now_ns: u64, spent: Spent, tariff: &Tariff) {
        let network = self.network(address);
        if let Some(source) = self.known.get_mut(&network) {
            source.meter.charge(now_ns, spent, &tariff.address);
        }
    }

    /// Charges an address that may have no connection of its own: what it asked came through a proxy's. O(1).
    pub(super) fn charge_visitor(
        &mut self,
        address: IpAddr,
        now_ns: u64,
        spent: Spent,
        tariff: &Tariff,
    ) {
        let network = self.network(address);
        let source = self.known.entry(network).or_default();
        source.meter.charge(now_ns, spent, &tariff.address);
        if source.connections == 0 && !source.is_fading {
            self.fade(network);
        }
    }

    /// Forgets those that have paid off, in the order of their going. O(1) and what is forgotten.
    pub(super) fn sweep(&mut self, now_ns: u64) {
        while let Some(first) = self.fading.front()
            && let Some(source) = self.known.get(first)
            && (source.connections > 0 || source.full_at_ns() <= now_ns)
        {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let Some(first) = self.fading.pop_front() else {
            return;
        };
        if let Some(source) = self.known.get_mut(&first) {
            source.is_fading = false;
            if source.connections == 0 {
                self.known.remove(&first);
            }
        }
    }

    /// What counts as one address: of IPv6 the network, since whoever has one address has all of it.
    fn network(&self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(_) => {
                IpNet::new(address, self.prefix_bits).map_or(address, |network| network.network())
            }
        }
    }

    /// Panics if this disagrees with the addresses of all connections that are counted. For tests.
    pub(super) fn check(&self, counted: impl Iterator<Item = IpAddr>) {
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for address in counted {
            *counts.entry(self.network(address)).or_default() += 1;
        }
        let here = counts.len();
        for (address, count) in counts {
            let source = &self.known[&address];
            assert_eq!(source.connections, count, "{address}");
        }
        let fading = self.fading.iter().map(|address| &self.known[address]);
        let gone = fading.filter(|source| source.connections == 0).count();
        assert_eq!(self.known.len(), here + gone, "nobody else is remembered");
        assert!(self.fading.len() <= self.fading_max);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rate::MILLISECOND_NS;
    use super::*;
    use crate::config::Rates;

    fn tariff() -> Tariff {
        Tariff::new(&Rates {
            address_messages: 10,
            address_connections: 1,
            burst_ms: 1_000,
            ..Rates::default()
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_one_of_ipv4_is_not() {
        let mut sources = Sources::new(64, 10);
        sources.enter(address("2001:db8::1"), 0, &tariff());
        sources.enter(address("2001:db8::ffff:2"), 0, &tariff());
        sources.enter(address("192.0.2.1"), 0, &tariff());
        assert_eq!(sources.connections(address("2001:db8::3")), 2);
        assert_eq!(sources.connections(address("2001:db8:0:1::1")), 0);
        assert_eq!(sources.connections(address("192.0.2.2")), 0);
    }

    #[test]
    fn who_comes_back_still_owes_and_who_has_paid_is_forgotten() {
        let (mut sources, tariff) = (Sources::new(64, 10), tariff());
        let one = address("192.0.2.1");
        sources.enter(one, 0, &tariff);
        let spent = Spent {
            messages: 30,
            ..Spent::default()
        };
        sources.charge(one, 0, spent, &tariff);
        sources.leave(one, 0);
        let owed = 2_000 * MILLISECOND_NS;
        assert_eq!(sources.owes_until_ns(one, tariff.burst_ns), owed);
        sources.sweep(2_999 * MILLISECOND_NS);
        assert_eq!(sources.owes_until_ns(one, tariff.burst_ns), owed);
        sources.sweep(3_000 * MILLISECOND_NS);
        assert_eq!(sources.owes_until_ns(one, tariff.burst_ns), 0);
        sources.check(std::iter::empty());
        assert!(sources.known.is_empty());
    }

    #[test]
    fn no_more_are_remembered_than_may() {
        let (mut sources, tariff) = (Sources::new(64, 3), tariff());
        for last in 0..10 {
            let one = IpAddr::from([192, 0, 2, last]);
            sources.enter(one, 0, &tariff);
            sources.leave(one, 0);
            sources.check(std::iter::empty());
        }
        assert_eq!(sources.known.len(), 3);
        let (first, last) = (address("192.0.2.6"), address("192.0.2.7"));
        assert_eq!(sources.is_hasty_until_ns(first, 0), 0);
        assert_eq!(sources.is_hasty_until_ns(last, 0), 1_000 * MILLISECOND_NS);
    }
}
