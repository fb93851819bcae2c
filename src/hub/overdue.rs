//! What has become due and is told in portions: requests that end without an answer, and claims that have lapsed (steps 5
//! to 7 of the message path).
//!
//! Owns who waits to be told. Peers choose when their requests and claims fall due and whom they ask, so that millions may
//! end at once, each of which somebody must be told of; whoever is well does not wait for that. Must not: be the only one
//! that knows of a request or a claim; each is still where it was, without a deadline, until its turn comes.

use super::event::{Failure, Outbox};
use super::id::FreshIds;
use super::{Hub, Millis};
use crate::index::{ClaimKey, Key, PeerKey, RequestKey, TimerKey};
use crate::planted;
use std::collections::VecDeque;

/// Who waits to be told.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    requests: VecDeque<RequestKey>,
    claims: VecDeque<ClaimKey>,
}

impl Overdue {
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.claims.is_empty()
    }
}

impl Hub {
    /// Requests of which nobody has told the requester that they are over: so many are ended before the next tick, some
    /// 10 ms of work.
    pub(super) const ENDED_MAX: usize = 10_000;
    /// Deliveries after which claims that have lapsed wait for the next tick.
    pub(super) const CLAIM_DELIVERIES_MAX: usize = 50_000;

    /// The time of this request is up. Its deadline has passed. It ends now if so many may still end in this tick and nobody
    /// waits longer.
    pub(super) fn request_falls_due(
        &mut self,
        request: RequestKey,
        left: &mut usize,
        out: &mut Outbox<'_>,
    ) {
        self.requests.forget_deadline(request);
        self.overdue.requests.push_back(request);
        if *left > 0 && self.overdue.requests.len() == 1 {
            self.end_overdue(left, out);
        }
    }

    /// The probe time of this claim is up: its holder has not answered. Its deadline has passed.
    pub(super) fn claim_falls_due(&mut self, claim: ClaimKey) {
        self.claims[claim].deadline = TimerKey::NONE;
        self.overdue.claims.push_back(claim);
    }

    /// Tells of what is overdue, as much as fits into a tick; of requests first, since handing an id over ends some.
    pub(super) fn tell_overdue(
        &mut self,
        mut left: usize,
        ids: &mut FreshIds,
        out: &mut Outbox<'_>,
    ) {
        self.end_overdue(&mut left, out);
        // At least one, whatever else there was to tell.
        let most = out.deliveries().len() + Self::CLAIM_DELIVERIES_MAX;
        while out.deliveries().len() < most
            && let Some(key) = self.overdue.claims.pop_front()
        {
            // The first claim to an id settles the others.
            if let Some(claim) = self.claims.get(key)
                && claim.deadline.is_none()
            {
                self.hand_over(claim.holder, ids, out);
            }
        }
    }

    /// Ends as many overdue requests as may still end in this tick.
    fn end_overdue(&mut self, left: &mut usize, out: &mut Outbox<'_>) {
        while *left > 0
            && let Some(key) = self.overdue.requests.pop_front()
        {
            *left -= 1;
            // It may have been answered meanwhile.
            if self.requests.is_overdue(key) {
                let why = self.requests.why_over(key);
                let request = self.end_request(key);
                self.fail(out, request, why);
            }
        }
    }

    /// Ends the requests that wait for the answer of a peer that is gone: some now, and the rest of very many in the ticks
    /// that follow. O(those).
    pub(super) fn end_asked(&mut self, peer: PeerKey, out: &mut Outbox<'_>) {
        let mut left = Self::ENDED_MAX;
        while !self.peers[peer].asked.is_empty() {
            let first = self.peers[peer].asked.head();
            if left > 0 {
                left -= 1;
                let request = self.end_request(first);
                if !planted::bug("request-unended") {
                    self.fail(out, request, Failure::PeerLeft);
                }
                continue;
            }
            let deadline = self.requests.orphan(&mut self.peers, first);
            // Without one it is among the overdue already.
            if !deadline.is_none() {
                self.wheel.cancel(deadline);
                self.overdue.requests.push_back(first);
            }
        }
    }

    /// When there is something overdue to tell of: at once.
    pub(super) fn overdue_at(&self) -> Option<Millis> {
        (!self.overdue.is_empty()).then_some(0)
    }
}
