//! Telling: events into the outbox, and the debug stream that shows them (steps 6 and 7 of the message path).
//!
//! Source: `PROTOCOLS.md` section 1, "Life of a connection" (who is related to whom) and "Debout".

use super::command::{DeboutKind, PeerFault};
use super::event::{Event, Outbox, Shown};
use super::{Hub, Peer};
use crate::index::{ChannelKey, Key, PeerKey};
use std::borrow::Cow;

impl Hub {
    /// Shows on the debug stream what a client has sent.
    pub fn observe<'a>(&self, peer: PeerKey, token: &'a str, out: &mut Outbox<'a>) {
        self.debout(out, DeboutKind::ClientToHub, peer, Shown::Token(token));
    }

    /// Whether anybody is subscribed to the debug stream: if not, nothing need be observed.
    pub fn is_watched(&self) -> bool {
        self.watched().is_some()
    }

    /// Shows on the debug stream that a client is about to be cut off for its silence.
    pub fn terminating(&self, peer: PeerKey, out: &mut Outbox<'_>) {
        self.debout(out, DeboutKind::Terminate, peer, Shown::Empty);
    }

    /// Tells one of the hub's own clients of its fault; original clients are told nothing.
    pub fn complain<'a>(
        &self,
        peer: PeerKey,
        fault: PeerFault,
        message_id: Option<Cow<'a, str>>,
        out: &mut Outbox<'a>,
    ) {
        if self.peers[peer].extended {
            self.tell_one(out, peer, Event::Fault { fault, message_id });
        }
    }

    /// Tells the related peers of `peer` something about it: those of its linkage that want to hear, if it wants to be
    /// heard of.
    pub(super) fn announce<'a>(&self, out: &mut Outbox<'a>, peer: PeerKey, event: Event<'a>) {
        let Peer { linkage, shows, .. } = self.peers[peer];
        if !shows || linkage.is_none() {
            return;
        }
        let event = out.event(event);
        for other in self.linkages.hearers(&self.peers, linkage) {
            if other != peer {
                self.tell(out, other, event);
            }
        }
    }

    pub(super) fn tell_one<'a>(&self, out: &mut Outbox<'a>, to: PeerKey, event: Event<'a>) {
        let event = out.event(event);
        self.tell(out, to, event);
    }

    /// Delivers an event, and before it the debug message that shows it.
    pub(super) fn tell(&self, out: &mut Outbox<'_>, to: PeerKey, event: u32) {
        if self.is_watched() {
            let on_wire = !matches!(
                out.events()[event as usize],
                Event::Ping | Event::Close { .. }
            );
            if on_wire {
                self.debout(out, DeboutKind::HubToClient, to, Shown::Event(event));
            }
        }
        out.deliver(to, event);
    }

    /// Shows something about `about` to those who watch for it.
    pub(super) fn debout<'a>(
        &self,
        out: &mut Outbox<'a>,
        kind: DeboutKind,
        about: PeerKey,
        shown: Shown<'a>,
    ) {
        let Some(channel) = self.watched() else {
            return;
        };
        let cluster = self.peers[about].card.debout_cluster.as_deref();
        let mut event = None;
        for seat in self.channels.members(channel) {
            let watcher = &self.peers[seat.peer];
            let same_cluster =
                cluster.is_none() || watcher.card.debout_cluster.as_deref() == cluster;
            if same_cluster && watcher.debout_selection.wants(kind) {
                let event =
                    *event.get_or_insert_with(|| out.event(Event::Debout { kind, about, shown }));
                out.deliver(seat.peer, event);
            }
        }
    }

    /// The debug channel, if there is a debug stream and somebody is subscribed to it.
    fn watched(&self) -> Option<ChannelKey> {
        self.channels.debout().filter(|_| self.rules.debout)
    }
}
