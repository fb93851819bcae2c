//! Messages from peer to peer and to channels: who receives what a peer sends (steps 5 and 6 of the message path).
//!
//! Source: `PROTOCOLS.md` section 1, "Client messages" and "Where the original is wrong".

use super::command::{Command, PeerFault, Routed, Targets};
use super::event::{Event, FailedRequest, Failure, Forwarded, Outbox};
use super::id::FreshIds;
use super::request::Request;
use super::{Deadline, Hub, Millis};
use crate::config::Scope;
use crate::index::{Key, PeerKey};
use std::borrow::Cow;
use std::collections::HashSet;

impl Hub {
    /// How many at most a peer's command concerns: who would be told of it, or of whom it would be told. O(1).
    pub fn audience(&self, peer: PeerKey, command: &Command<'_>) -> usize {
        match command {
            Command::Initiate(initiation) => {
                let linkage = self.linkages.find(&initiation.linkage_key);
                linkage.map_or(0, |linkage| self.linkages.member_count(linkage))
            }
            Command::AddTags(_)
            | Command::RemoveTags(_)
            | Command::SetProperties(_)
            | Command::SelectDebout(_)
            | Command::RetrievePeers { .. } => self.linkages.member_count(self.peers[peer].linkage),
            Command::Publish { channel, .. } => {
                let channel = self.channels.find(channel);
                channel.map_or(0, |channel| self.channels.members(channel).len())
            }
            Command::Notify { .. } | Command::Request { .. } => command.part_count(),
            Command::Response { .. }
            | Command::Subscribe(_)
            | Command::Unsubscribe(_)
            | Command::Debout { .. }
            | Command::Authenticate { .. }
            | Command::Leave => 1,
        }
    }

    pub(super) fn notify<'a>(
        &self,
        from: PeerKey,
        to: &Targets<'_>,
        message: Routed<'a>,
        out: &mut Outbox<'a>,
    ) {
        let event = out.event(Event::Notify(Forwarded { from, message }));
        for target in to.ids().filter_map(|id| self.find_from(from, id)) {
            self.tell(out, target, event);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one command")]
    pub(super) fn request<'a>(
        &mut self,
        now: Millis,
        from: PeerKey,
        to: &Targets<'_>,
        mut message: Routed<'a>,
        timeout_ms: Option<Millis>,
        ids: &mut FreshIds,
        out: &mut Outbox<'a>,
    ) {
        // Everybody who is asked must answer the same id, so a missing one is made here.
        let message_id = message
            .message_id
            .take()
            .unwrap_or_else(|| Cow::Owned(format!("\"{}\"", ids.id().as_str())));
        let name = message.name;
        let timeout_ms = timeout_ms
            .unwrap_or(self.rules.request_timeout_ms)
            .clamp(1, self.rules.request_timeout_max_ms);
        message.message_id = Some(message_id.clone());
        let event = out.event(Event::Request(Forwarded { from, message }));
        let mut asked = HashSet::new();
        for id in to.ids() {
            let is_array = matches!(to, Targets::Many(_));
            if is_array && !asked.insert(id) {
                continue;
            }
            let pending = self.peers[from].asking.len();
            let target = if pending >= self.rules.pending_requests_max
                || self.requests.len() >= Self::CAPACITY
            {
                Err(Failure::TooManyPending)
            } else {
                self.find_from(from, id).ok_or(Failure::PeerUnknown)
            };
            match target {
                Ok(target) => {
                    let deadline = Deadline::Request(self.requests.vacant_key());
                    let deadline = self.wheel.arm(now + timeout_ms, deadline);
                    let ends = (from, target);
                    self.requests
                        .open(&mut self.peers, ends, &message_id, name, deadline);
                    self.tell(out, target, event);
                }
                Err(why) => {
                    let failed = FailedRequest {
                        message_id: message_id.as_ref().into(),
                        name: name.map(Into::into),
                        peer: id.into(),
                        why,
                    };
                    self.tell_one(out, from, Event::RequestFailed(Box::new(failed)));
                }
            }
        }
    }

    pub(super) fn respond<'a>(
        &mut self,
        from: PeerKey,
        to: &str,
        message: Routed<'a>,
        out: &mut Outbox<'a>,
    ) -> Result<(), PeerFault> {
        let requester = self.find(to);
        let request = requester.and_then(|requester| {
            let message_id = message.message_id.as_ref()?;
            self.requests.find(requester, from, message_id)
        });
        let (Some(requester), Some(request)) = (requester, request) else {
            return Err(PeerFault::new(
                "E_NOREQUEST",
                "no request with this message id is waiting between these two peers",
            ));
        };
        self.end_request(request);
        self.tell_one(out, requester, Event::Response(Forwarded { from, message }));
        Ok(())
    }

    pub(super) fn publish<'a>(
        &self,
        from: PeerKey,
        channel: &str,
        message_id: Option<Cow<'a, str>>,
        content: &'a str,
        out: &mut Outbox<'a>,
    ) -> Result<(), PeerFault> {
        if self.rules.debout && *self.rules.debout_channel == *channel {
            return Err(PeerFault::new(
                "E_RESERVEDCHANNEL",
                "the debug channel is the hub's own: send a message of type debout",
            ));
        }
        if let Some(grant) = self.peers[from].grant.as_deref()
            && !grant.publish.allow(channel)
        {
            return Err(PeerFault::forbidden(
                "your token does not let you publish to this channel",
            ));
        }
        if let Some(channel) = self.channels.find(channel) {
            let event = out.event(Event::Message {
                from,
                message_id,
                content,
            });
            for seat in self.channels.members(channel) {
                if self.reaches(from, seat.peer) {
                    self.tell(out, seat.peer, event);
                }
            }
        }
        Ok(())
    }

    pub(super) fn subscribe(
        &mut self,
        peer: PeerKey,
        names: &[Cow<'_, str>],
    ) -> Result<(), PeerFault> {
        self.permit_subscription(peer, names)?;
        for name in names {
            if self.peers[peer].memberships.len() >= self.rules.channels_max
                || self.channels.membership_count() >= Self::MEMBERSHIPS_MAX
            {
                let known = self.channels.find(name);
                if known.is_none_or(|channel| !self.channels.has(peer, channel)) {
                    return Err(PeerFault::too_many_channels(self.rules.channels_max));
                }
            }
            self.channels.join(&mut self.peers, peer, name);
        }
        Ok(())
    }

    pub(super) fn fail(&self, out: &mut Outbox<'_>, request: Request, why: Failure) {
        let failed = FailedRequest {
            message_id: request.message_id,
            name: request.name,
            peer: request.responder_id,
            why,
        };
        let event = Event::RequestFailed(Box::new(failed));
        self.tell_one(out, request.requester, event);
    }

    /// The peer with this id, if `from` may reach it.
    fn find_from(&self, from: PeerKey, id: &str) -> Option<PeerKey> {
        self.find(id).filter(|&to| self.reaches(from, to))
    }

    fn reaches(&self, from: PeerKey, to: PeerKey) -> bool {
        match self.rules.scope {
            Scope::Hub => true,
            Scope::Linkage => {
                let linkage = self.peers[from].linkage;
                !linkage.is_none() && linkage == self.peers[to].linkage
            }
        }
    }
}
