//! Which nodes this one dials by itself, and when again.
//!
//! The nodes of `relay-bootstrap` are dialled for ever, ever less often while they cannot be reached; a node whose URL
//! was learnt from another is dialled once. Must not: dial a node that is connected already; since only its answer
//! tells who it is, the one that was found at a URL is remembered.

use super::node_id::NodeId;
use crate::config::Relay;
use crate::hub::Millis;

/// What a connection was dialled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// To reach the bootstrap node of this number.
    Bootstrap(usize),
    /// To reach a node whose URL it told itself.
    Learnt,
}

/// All that is dialled.
#[derive(Debug)]
pub(super) struct Calls {
    bootstraps: Vec<Bootstrap>,
    redial_ms: Millis,
    /// Connections at a time that lead to learnt URLs, dialled or being dialled, and how many there may be.
    learnt: usize,
    learnt_max: usize,
}

#[derive(Debug)]
struct Bootstrap {
    url: Box<str>,
    /// When it is dialled; none while it is, and while the connection lasts.
    at: Option<Millis>,
    /// Doublings of the wait since it was last reached for long enough.
    doublings: u32,
    /// The wait before the present attempt.
    waited_ms: Millis,
    /// Who was found there.
    node: Option<NodeId>,
}

impl Calls {
    /// The longest wait is the shortest doubled so often.
    const DOUBLINGS_MAX: u32 = 5;
    /// Wait after it has turned out that a URL leads back to this hub, ms: ten minutes. Only its operator can change
    /// that, or a name that comes to mean somebody else.
    const OWN_URL_WAIT_MS: Millis = 600_000;

    /// Every bootstrap node is due.
    pub(super) fn new(config: &Relay, now: Millis) -> Calls {
        let bootstrap = |url: &String| Bootstrap {
            url: url.as_str().into(),
            at: Some(now),
            doublings: 0,
            waited_ms: 0,
            node: None,
        };
        Calls {
            bootstraps: config.bootstrap.iter().map(bootstrap).collect(),
            redial_ms: config.redial_ms,
            learnt: 0,
            learnt_max: config.dials,
        }
    }

    /// When the next one is due. O(bootstrap nodes), which the operator has written down one by one.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.bootstraps
            .iter()
            .filter_map(|bootstrap| bootstrap.at)
            .min()
    }

    /// A bootstrap node that is due, and its URL: now under way, unless its node is connected, in which case it is due
    /// again after the longest wait.
    pub(super) fn take_due(
        &mut self,
        now: Millis,
        is_connected: impl Fn(NodeId) -> bool,
    ) -> Option<(Call, &str)> {
        let longest = self.longest_wait_ms();
        let number = self.bootstraps.iter_mut().position(|bootstrap| {
            if bootstrap.at.is_none_or(|at| now < at) {
                return false;
            }
            let is_free = !bootstrap.node.is_some_and(&is_connected);
            bootstrap.at = (!is_free).then_some(now + longest);
            is_free
        })?;
        Some((Call::Bootstrap(number), &self.bootstraps[number].url))
    }

    /// How many more learnt URLs may be dialled.
    pub(super) fn room(&self) -> usize {
        self.learnt_max - self.learnt
    }

    /// A learnt URL is being dialled.
    pub(super) fn begin_learnt(&mut self) -> Call {
        assert!(self.room() > 0, "the caller asks first");
        self.learnt += 1;
        Call::Learnt
    }

    /// The node that was dialled has told its id.
    pub(super) fn greeted(&mut self, call: Call, node: NodeId) {
        if let Call::Bootstrap(number) = call {
            self.bootstraps[number].node = Some(node);
        }
    }

    /// Who was found where this call leads to.
    pub(super) fn found(&self, call: Call) -> Option<NodeId> {
        match call {
            Call::Bootstrap(number) => self.bootstraps[number].node,
            Call::Learnt => None,
        }
    }

    /// The connection has ended, or has not come about. `open_ms` is for how long it led to a node, `own` whether that
    /// was this node itself, `chance` any number.
    pub(super) fn ended(
        &mut self,
        call: Call,
        now: Millis,
        open_ms: Millis,
        own: bool,
        chance: u64,
    ) {
        let Call::Bootstrap(number) = call else {
            self.learnt -= 1;
            return;
        };
        let (shortest, longest) = (self.redial_ms, self.longest_wait_ms());
        let bootstrap = &mut self.bootstraps[number];
        // A node that drops its connections as soon as they are open is not dialled more often than one that is away.
        if open_ms > bootstrap.waited_ms {
            bootstrap.doublings = 0;
        }
        let wait = match own {
            true => Self::OWN_URL_WAIT_MS.max(longest),
            false => {
                let middle = shortest << bootstrap.doublings;
                // Between three and five quarters of it: hubs that have lost the same node come back one by one.
                (middle - middle / 4 + chance % (middle / 2 + 1)).clamp(shortest, longest)
            }
        };
        bootstrap.doublings = (bootstrap.doublings + 1).min(Self::DOUBLINGS_MAX);
        bootstrap.waited_ms = wait;
        bootstrap.at = Some(now + wait);
    }

    /// This node is connected no more: URLs that led to it need not wait longer than a lost one.
    pub(super) fn left(&mut self, node: NodeId, now: Millis) {
        for bootstrap in &mut self.bootstraps {
            if bootstrap.node == Some(node)
                && let Some(at) = &mut bootstrap.at
            {
                *at = (*at).min(now + self.redial_ms);
            }
        }
    }

    /// Panics if something contradicts itself or exceeds a bound. `calls` are all connections that were dialled.
    pub(super) fn check(&self, calls: &[Call]) {
        let learnt = calls.iter().filter(|call| **call == Call::Learnt).count();
        assert_eq!(learnt, self.learnt);
        assert!(self.learnt <= self.learnt_max);
        for (number, bootstrap) in self.bootstraps.iter().enumerate() {
            let under_way = calls
                .iter()
                .filter(|call| **call == Call::Bootstrap(number));
            let expected = usize::from(bootstrap.at.is_none());
            assert_eq!(under_way.count(), expected, "one attempt at a time");
        }
    }

    fn longest_wait_ms(&self) -> Millis {
        self.redial_ms << Self::DOUBLINGS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls() -> Calls {
        let config = Relay {
            bootstrap: vec!["ws://a/".into()],
            redial_ms: 100,
            ..Relay::default()
        };
        Calls::new(&config, 0)
    }

    const CALL: Call = Call::Bootstrap(0);

    #[test]
    fn waits_double_up_to_a_bound() {
        for (chance, factor) in [(0, 75), (u64::MAX, 125)] {
            let mut calls = calls();
            let mut now = 0;
            for middle in [100, 200, 400, 800, 1600, 3200, 3200, 3200] {
                assert_eq!(calls.take_due(now, |_| false), Some((CALL, "ws://a/")));
                assert_eq!(calls.take_due(now, |_| false), None, "it is under way");
                let lot = if chance == 0 { 0 } else { middle / 2 };
                calls.ended(CALL, now, 0, false, lot);
                let wait = calls.next_deadline().expect("it is dialled again") - now;
                assert_eq!(wait, (middle * factor / 100).clamp(100, 3200));
                now += wait;
            }
        }
    }

    #[test]
    fn a_connection_that_lasted_begins_anew() {
        let mut calls = calls();
        let mut last = |open_ms, now| {
            calls.take_due(now, |_| false).expect("it is due");
            calls.ended(CALL, now, open_ms, false, 50);
            calls.next_deadline().expect("it is dialled again") - now
        };
        assert_eq!(last(0, 0), 125);
        assert_eq!(last(100, 1_000), 200, "not as long as the wait before");
        assert_eq!(last(201, 2_000), 125);
    }

    #[test]
    fn a_connected_node_is_not_dialled() {
        let mut calls = calls();
        let node = NodeId::new([7; 20]);
        calls.take_due(0, |_| false).expect("it is due");
        calls.greeted(CALL, node);
        calls.ended(CALL, 0, 0, false, 0);
        assert_eq!(calls.take_due(100, |id| id == node), None);
        assert_eq!(calls.next_deadline(), Some(3_300));
        calls.left(NodeId::new([8; 20]), 200);
        assert_eq!(calls.next_deadline(), Some(3_300), "somebody else left");
        calls.left(node, 200);
        assert_eq!(calls.next_deadline(), Some(300));
    }

    #[test]
    fn its_own_url_is_left_alone_for_long() {
        let mut calls = calls();
        calls.take_due(0, |_| false).expect("it is due");
        calls.ended(CALL, 0, 5, true, 0);
        assert_eq!(calls.next_deadline(), Some(600_000));
    }
}
