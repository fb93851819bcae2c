//! Two clients that do nothing wrong and want little: whatever the others do, they are served within a few ticks.
//!
//! Owns the pair and the ticks that it has waited. They are in a linkage of their own, so that nobody else knows them.

use super::passes::Tokens;
use super::roads::Roads;
use crate::support::test_hub::TestHub;
use crate::support::test_peer::{Heard, TestPeer};
use std::net::IpAddr;

/// The pair.
#[derive(Debug)]
pub(crate) struct Probe {
    pair: [TestPeer; 2],
    ids: Vec<String>,
    /// The number of what was said last and has not come yet, and the tick in which it was said.
    awaited: Option<(u64, u64)>,
    said: u64,
    /// The hub has been told to stop.
    is_over: bool,
}

impl Probe {
    /// Ticks until what one says is with the other. One reads and one writes; the others' work may take a turn of its own,
    /// and a poll in a bad mood tells of an edge a few ticks late.
    const TICKS_MAX: u64 = 16;

    /// The pair comes before everybody else.
    pub(crate) fn new(hub: &mut TestHub, roads: Roads, tokens: Tokens) -> Probe {
        let pair = [1, 2].map(|last| {
            let from = IpAddr::from([10, 9, 9, last]);
            let wire = hub.connect(from, 1 << 20).expect("nobody else is there");
            roads.pave(&wire);
            TestPeer::with_fields(wire, "/", &tokens.lasting())
        });
        let mut probe = Probe {
            pair,
            ids: Vec::new(),
            awaited: None,
            said: 0,
            is_over: false,
        };
        for number in 0..2 {
            hub.settle(|hub| probe.pump(hub));
            assert_eq!(probe.ids.len(), 2, "both are accepted");
            probe.pair[number].say(r#"{"type":"initiate","content":{"linkageKey":"probe"}}"#);
        }
        hub.settle(|hub| probe.pump(hub));
        probe
    }

    /// One says something to the other, unless that is still to come.
    pub(crate) fn speak(&mut self, hub: &TestHub) {
        if self.awaited.is_none() && !self.is_over {
            self.said += 1;
            let from = (self.said % 2) as usize;
            let (to, number) = (&self.ids[1 - from], self.said);
            let text = format!(r#"{{"type":"notify","peer":"{to}","content":{number}}}"#);
            self.pair[from].say(&text);
            self.awaited = Some((number, hub.ticks()));
        }
    }

    /// Lets everything arrive that was sent; whether anything moved.
    pub(crate) fn pump(&mut self, hub: &TestHub) -> bool {
        let mut moved = false;
        for number in 0..2 {
            let peer = &mut self.pair[number];
            if peer.wire().is_flying() {
                peer.wire().arrive(usize::MAX);
                moved = true;
            }
            for heard in peer.pump(usize::MAX) {
                moved = true;
                self.hear(number, &heard);
            }
            moved |= self.pair[number].wire().is_flying();
        }
        if let Some((number, since)) = self.awaited {
            let waited = hub.ticks() - since;
            assert!(
                waited <= Self::TICKS_MAX,
                "the probe waits for number {number} since {waited} ticks"
            );
        }
        moved
    }

    fn hear(&mut self, number: usize, heard: &Heard) {
        let text = match heard {
            Heard::Text(text) => text,
            Heard::Ping => return,
            Heard::Close(..) | Heard::Gone if self.is_over => return,
            other => panic!("the probe does nothing wrong and is told {other:?}"),
        };
        if text.starts_with(r#"{"type":"accept""#) {
            let (_, rest) = text.split_once(r#""peer":""#).expect("an id");
            let (id, _) = rest.split_once('"').expect("an id");
            assert_eq!(self.ids.len(), number, "they are accepted in turn");
            self.ids.push(id.to_owned());
        } else if text.starts_with(r#"{"type":"notify""#) && !self.is_over {
            let (awaited, _) = self.awaited.take().expect("only what was said comes");
            assert!(text.contains(&format!(r#""content":{awaited}"#)), "{text}");
            assert_eq!(number, 1 - (awaited % 2) as usize);
        }
    }

    /// The pair leaves, after its last word has come.
    pub(crate) fn leave(&mut self) {
        assert_eq!(self.awaited, None, "what the probe says comes");
        self.is_over = true;
        for peer in &self.pair {
            assert!(peer.is_open());
            peer.wire().end();
        }
    }

    /// The hub is told to stop: the pair hears of that like everybody else, and nothing else is certain.
    pub(crate) fn see_the_end(&mut self) {
        self.is_over = true;
        self.awaited = None;
    }
}
