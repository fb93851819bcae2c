//! How peers join, and how they get their ids back (step 5 of the message path).
//!
//! An id in use is not handed to a stranger. A claimant who shows the holder's resume secret gets the id at once; any
//! other waits until the holder has given a sign of life or has not within the probe time. A holder that is replaced
//! leaves without a `leave`, since for its peers it has only come back. An id that a token fixes is its holder's: it is
//! never waited for against one who has such a token, and never by one.

use super::claim::{Claim, KeptInitiation};
use super::command::{Initiation, PeerFault, Resume};
use super::event::{Event, FormerCard, Outbox};
use super::id::FreshIds;
use super::peer::{Said, Stage};
use super::{Deadline, Hub, Millis};
use crate::index::{ClaimKey, Key, Links, PeerKey};
use crate::planted;

/// The id is held by a peer that lives.
pub const CLOSE_ID_IN_USE: u16 = 4409;
/// The id has gone to a newer connection.
pub const CLOSE_REPLACED: u16 = 4410;

/// What somebody who wants an id has to show for it, against whoever has it.
enum Title {
    /// More: he gets it.
    Better,
    /// Nothing that settles it: whether the holder lives does.
    Unknown,
    /// Less: he does not get it.
    Worse,
}

impl Hub {
    /// Whether somebody claims this peer's id, so that a sign of life of it matters.
    pub fn is_challenged(&self, peer: PeerKey) -> bool {
        !self.peers[peer].claimants.is_empty()
    }

    /// A sign of life of this peer has come: whoever claims its id is turned away. O(claims to it).
    pub fn answered(&mut self, peer: PeerKey, out: &mut Outbox<'_>) {
        while self.is_challenged(peer) {
            let claim = self.end_claim(self.peers[peer].claimants.head());
            self.turn_away(out, claim.claimant);
        }
    }

    pub(super) fn initiate(
        &mut self,
        now: Millis,
        peer: PeerKey,
        mut initiation: Initiation<'_>,
        ids: &mut FreshIds,
        out: &mut Outbox<'_>,
    ) -> Result<(), PeerFault> {
        self.peers[peer].extended |= initiation.resume.is_some();
        self.permit_initiation(peer, &mut initiation)?;
        // Checked before anything is changed, so that a refused initiation leaves no trace.
        let said = self.peers[peer].card.with(&initiation);
        self.check_tags(&said.tags)?;
        self.check_properties(&said.properties)?;
        self.drop_claim_of(peer);
        let holder = initiation.id.as_deref().and_then(|id| self.find(id));
        match holder {
            Some(holder) if holder != peer => {
                match self.weigh_titles(peer, holder, initiation.resume.as_ref()) {
                    Title::Better => {
                        self.replace(holder, peer, &initiation, out);
                        self.admit(peer, initiation, said, ids, out);
                    }
                    Title::Unknown => {
                        self.claim(now, peer, holder, initiation, out);
                        return Ok(());
                    }
                    Title::Worse => {
                        self.turn_away(out, peer);
                        return Ok(());
                    }
                }
            }
            Some(_) | None => self.admit(peer, initiation, said, ids, out),
        }
        if self.has_let_go(peer) {
            self.hand_over(peer, ids, out);
        }
        Ok(())
    }

    /// What a peer that wants the id of another has to show for it. A secret counts only from the user whose it is.
    fn weigh_titles(&self, peer: PeerKey, holder: PeerKey, resume: Option<&Resume<'_>>) -> Title {
        let id = self.peers[holder].card.id.as_str();
        let is_fixed = |peer: PeerKey| self.peers[peer].fixed_id() == Some(id);
        match (is_fixed(peer), is_fixed(holder)) {
            (true, false) => return Title::Better,
            (false, true) => return Title::Worse,
            (true, true) | (false, false) => {}
        }
        let is_same_user = self.peers[peer].subject() == self.peers[holder].subject();
        match (resume, &self.peers[holder].secret) {
            (Some(Resume::Secret(shown)), Some(secret))
                if is_same_user && secret.matches(shown) =>
            {
                Title::Better
            }
            _ => Title::Unknown,
        }
    }

    /// Lets a peer into its linkage under the id that it wants, which is free or its own, with the tags and properties that
    /// it then has.
    fn admit(
        &mut self,
        peer: PeerKey,
        initiation: Initiation<'_>,
        said: Said,
        ids: &mut FreshIds,
        out: &mut Outbox<'_>,
    ) {
        let id = initiation.id.as_deref();
        let renamed = id.is_some_and(|id| id != self.peers[peer].card.id);
        let moved = self.peers[peer].stage == Stage::Joined
            && self.linkage_key(peer) != initiation.linkage_key;
        if renamed || moved {
            self.announce_former(out, peer);
            self.linkages.leave(&mut self.peers, peer);
        }
        if let Some(id) = id.filter(|_| renamed) {
            self.ids.remove(&self.peers[peer].card.id, peer);
            self.peers[peer].card.id = id.into();
            self.enter_id(peer);
        }
        if self.peers[peer].linkage.is_none() {
            self.linkages
                .join(&mut self.peers, peer, &initiation.linkage_key);
        }
        if let Some(hears) = initiation.peer_initiation_receiver {
            self.linkages.set_hears(&mut self.peers, peer, hears);
        }
        let record = &mut self.peers[peer];
        record.stage = Stage::Joined;
        record.shows = initiation.peer_initiation_sender.unwrap_or(record.shows);
        let card = &mut record.card;
        card.user_id = initiation.user_id.as_ref().into();
        card.debout_cluster = initiation.debout_cluster.as_deref().map(Box::from);
        card.start_time = initiation.start_time.map(Box::from);
        let resume = initiation.resume.map(|_| ids.secret());
        if resume.is_some() {
            record.secret = resume.map(Box::new);
        }
        let grant = record.grant.as_deref();
        let expires_ms = grant.map(|grant| grant.expires_ms);
        self.set_tags(peer, said.tags);
        self.set_properties(peer, said.properties);
        let confirm = Event::Confirm { resume, expires_ms };
        self.tell_one(out, peer, confirm);
        self.announce(out, peer, Event::Presence(peer));
    }

    /// Tells the related peers of `peer` that it has left, by the name it still has.
    fn announce_former(&self, out: &mut Outbox<'_>, peer: PeerKey) {
        let former = FormerCard {
            card: self.peers[peer].card.clone(),
            linkage_key: self.linkage_key(peer).into(),
        };
        self.announce(out, peer, Event::LeaveAs(Box::new(former)));
    }

    fn claim(
        &mut self,
        now: Millis,
        claimant: PeerKey,
        holder: PeerKey,
        initiation: Initiation<'_>,
        out: &mut Outbox<'_>,
    ) {
        let deadline = Deadline::Claim(self.claims.vacant_key());
        let deadline = self.wheel.arm(now + self.rules.probe_time_ms, deadline);
        let key = self.claims.insert(Claim {
            claimant,
            holder,
            initiation: KeptInitiation::keep(initiation),
            deadline,
            against_holder: Links::default(),
        });
        let kept_bytes = self.claims[key].kept_bytes();
        let record = &mut self.peers[claimant];
        record.claim = key;
        self.kept.add(record, kept_bytes);
        self.peers[holder]
            .claimants
            .push_back(&mut self.claims, key);
        self.tell_one(out, holder, Event::Ping);
    }

    /// Gives the id of a holder that is gone, or that has taken another one, to the first who claims it and turns the
    /// others away. Does nothing if nobody claims it. O(claims), and a loop rather than a recursion, since peers can make
    /// chains of claims as long as they like.
    pub(super) fn hand_over(
        &mut self,
        mut holder: PeerKey,
        ids: &mut FreshIds,
        out: &mut Outbox<'_>,
    ) {
        while self.is_challenged(holder) {
            let mut first = self.end_claim(self.peers[holder].claimants.head());
            let claimant = first.claimant;
            let initiation = first.initiation.release();
            if initiation.id.as_deref() == Some(self.peers[holder].card.id.as_str()) {
                self.replace(holder, claimant, &initiation, out);
            } else {
                self.answered(holder, out);
            }
            let said = self.what_fits(claimant, &initiation);
            self.admit(claimant, initiation, said, ids, out);
            // The claimant has let its former id go, and others may wait for that one. Of a chain that goes on and on, the
            // rest is turned away: that id is free when they come again.
            holder = claimant;
            if out.deliveries().len() > Self::CLAIM_DELIVERIES_MAX {
                self.answered(holder, out);
            }
        }
    }

    /// The tags and properties of a claimant, which may have said more of itself since its initiation was checked: what of
    /// that no longer fits is left out.
    fn what_fits(&self, claimant: PeerKey, initiation: &Initiation<'_>) -> Said {
        let card = &self.peers[claimant].card;
        let mut said = card.with(initiation);
        if self.check_tags(&said.tags).is_err() {
            said.tags.clone_from(&card.tags);
        }
        if self.check_properties(&said.properties).is_err() {
            said.properties.clone_from(&card.properties);
        }
        said
    }

    /// Whether somebody claims an id that this peer had before it took the present one.
    fn has_let_go(&self, peer: PeerKey) -> bool {
        let first = self.peers[peer].claimants.head();
        let claim = self.claims.get(first);
        claim.is_some_and(|claim| claim.id() != self.peers[peer].card.id)
    }

    /// Takes the id from a holder and closes its connection. Its peers hear nothing, unless they will hear nothing of its
    /// successor either.
    fn replace(
        &mut self,
        holder: PeerKey,
        successor: PeerKey,
        initiation: &Initiation<'_>,
        out: &mut Outbox<'_>,
    ) {
        let shows = initiation
            .peer_initiation_sender
            .unwrap_or(self.peers[successor].shows);
        let is_seen_again = shows && self.linkage_key(holder) == initiation.linkage_key;
        if !is_seen_again && !planted::bug("replaced-silently") {
            self.announce_former(out, holder);
        }
        self.answered(holder, out);
        self.drop_claim_of(holder);
        self.ids.remove(&self.peers[holder].card.id, holder);
        self.detach(holder, out);
        self.peers[holder].stage = Stage::Replaced;
        let (code, reason) = (CLOSE_REPLACED, "a newer connection has this id now");
        self.tell_one(out, holder, Event::Close { code, reason });
    }

    fn turn_away(&self, out: &mut Outbox<'_>, claimant: PeerKey) {
        let (code, reason) = (CLOSE_ID_IN_USE, "a living peer has this id");
        self.tell_one(out, claimant, Event::Close { code, reason });
    }

    /// Ends the claim that a peer has open, if it has one.
    pub(super) fn drop_claim_of(&mut self, claimant: PeerKey) {
        let claim = self.peers[claimant].claim;
        if !claim.is_none() {
            self.end_claim(claim);
        }
    }

    fn end_claim(&mut self, key: ClaimKey) -> Claim {
        let Claim {
            claimant, holder, ..
        } = self.claims[key];
        self.peers[holder].claimants.remove(&mut self.claims, key);
        let claim = self.claims.remove(key);
        let record = &mut self.peers[claimant];
        record.claim = ClaimKey::NONE;
        self.kept.free(record, claim.kept_bytes());
        if !claim.deadline.is_none() && !planted::bug("claim-timer-kept") {
            self.wheel.cancel(claim.deadline);
        }
        claim
    }
}
