//! What a peer's token lets it do (step 5 of the message path): asked before anything is changed.
//!
//! Peers without a token may do everything; whether there may be such is settled before they come here. What the claims of
//! tokens mean is said in the README, "Tokens".

use super::command::{Initiation, PeerFault};
use super::event::{Event, Outbox};
use super::peer::Stage;
use super::{Hub, Peer};
use crate::access::Grant;
use crate::index::{Key, PeerKey};
use std::borrow::Cow;

impl Hub {
    /// From now on a peer may do no more than this. Called before it has said anything. O(1).
    pub fn bind(&mut self, peer: PeerKey, grant: Box<Grant>) {
        self.peers[peer].grant = Some(grant);
    }

    /// A peer has shown a fresh token, which counts from now on: it is told so, and leaves the channels that it may not be
    /// subscribed to any more. O(its channels).
    ///
    /// # Errors
    /// The peer came without a token, the token is somebody else's, it does not allow the linkage that the peer is in, or the
    /// peer claims an id and would be let in by what the former token allows. Then the former one still counts.
    pub fn renew<'a>(
        &mut self,
        peer: PeerKey,
        grant: Box<Grant>,
        message_id: Option<Cow<'a, str>>,
        out: &mut Outbox<'a>,
    ) -> Result<(), PeerFault> {
        let Peer {
            grant: former,
            stage,
            claim,
            ..
        } = &self.peers[peer];
        let is_of_the_same = former
            .as_deref()
            .is_some_and(|former| grant.is_of_the_same(former));
        if !is_of_the_same {
            return Err(PeerFault::forbidden(
                "the token must be for the same sub and peer as the one that you came with",
            ));
        }
        if !claim.is_none() {
            return Err(PeerFault::forbidden(
                "whether you get the id that you claim is not settled yet: wait for confirm",
            ));
        }
        if *stage == Stage::Joined && !grant.linkages.allow(self.linkage_key(peer)) {
            return Err(PeerFault::forbidden(
                "the token does not allow the linkage key that you have",
            ));
        }
        let debout = &*self.rules.debout_channel;
        self.channels
            .leave_where(&mut self.peers, peer, |name| match name == debout {
                true => grant.debout,
                false => grant.subscribe.allow(name),
            });
        let expires_ms = grant.expires_ms;
        self.peers[peer].grant = Some(grant);
        let authenticated = Event::Authenticated {
            message_id,
            expires_ms,
        };
        self.tell_one(out, peer, authenticated);
        Ok(())
    }

    /// Whether a peer may join as it asks to. Its user id becomes that of its token, whatever it says, and its id the one that
    /// the token fixes.
    pub(super) fn permit_initiation(
        &self,
        peer: PeerKey,
        initiation: &mut Initiation<'_>,
    ) -> Result<(), PeerFault> {
        let Peer { grant, card, .. } = &self.peers[peer];
        let Some(grant) = grant.as_deref() else {
            return Ok(());
        };
        if !grant.linkages.allow(&initiation.linkage_key) {
            return Err(PeerFault::forbidden(
                "your token does not allow this linkage key",
            ));
        }
        if let Some(fixed) = grant.peer.as_deref() {
            let asked = initiation.id.as_deref();
            if asked.is_some_and(|asked| asked != fixed && asked != card.id) {
                return Err(PeerFault::forbidden("your token is for another peer id"));
            }
            initiation.id = Some(fixed.to_owned().into());
        }
        initiation.user_id = grant.user_id.to_string().into();
        Ok(())
    }

    /// Whether a peer may subscribe to all of these channels.
    pub(super) fn permit_subscription(
        &self,
        peer: PeerKey,
        names: &[Cow<'_, str>],
    ) -> Result<(), PeerFault> {
        let Some(grant) = self.peers[peer].grant.as_deref() else {
            return Ok(());
        };
        for name in names {
            if *name == *self.rules.debout_channel {
                self.permit_debout(peer)?;
            } else if !grant.subscribe.allow(name) {
                return Err(PeerFault::forbidden(
                    "your token does not let you subscribe to this channel",
                ));
            }
        }
        Ok(())
    }

    /// Whether a peer may watch the debug stream.
    pub(super) fn permit_debout(&self, peer: PeerKey) -> Result<(), PeerFault> {
        match self.peers[peer].grant.as_deref() {
            Some(grant) if !grant.debout => Err(PeerFault::forbidden(
                "your token does not let you watch the debug stream",
            )),
            Some(_) | None => Ok(()),
        }
    }
}
