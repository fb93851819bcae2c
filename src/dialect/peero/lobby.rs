//! Everybody who speaks peero: one list in the order of joining (step 5 of the message path).
//!
//! Owns who is there and under which id. Must not: remember a signal, or anything of who has gone.
//! Rules: `PROTOCOLS.md` section 5, and `mod.rs` where that leaves a choice.

use super::inbound::{Reader, Said, Signal};
use super::outbound;
use crate::config::Config;
use crate::dialect::{Arrival, Lent, Mail};
use crate::hub::command::PeerFault;
use crate::hub::id::{FreshIds, Uuid};
use crate::index::{Arena, ConnKey, Linked, Links, List, Names, VisitorKey};
use crate::planted;
use std::hash::RandomState;

/// Everybody who speaks peero.
#[derive(Debug)]
pub struct Lobby {
    visitors: Arena<VisitorKey, Visitor>,
    /// All of them, in the order of joining.
    here: List<Here, VisitorKey>,
    /// The ids are the hub's, but what is looked up among them is the peers' choice: the hash is keyed.
    ids: Names<VisitorKey>,
    visitors_max: usize,
    reader: Reader,
}

#[derive(Debug)]
struct Visitor {
    conn: ConnKey,
    id: Uuid,
    here: Links<VisitorKey>,
}

/// Marks the list of all visitors.
struct Here;

impl Lobby {
    /// Nobody is there yet. `hasher` keys the look-up of ids.
    pub fn new(config: &Config, hasher: RandomState) -> Lobby {
        Lobby {
            visitors: Arena::new(),
            here: List::new(),
            ids: Names::new(hasher),
            visitors_max: config.peero.peers,
            reader: Reader::new(config),
        }
    }

    /// A connection comes in: it is told its id and who is there, and they are told of it. Without a place it is told so
    /// and closed with 1013, "try again later" (IANA's registry of close codes). O(visitors).
    pub fn join(&mut self, arrival: Arrival<'_>, lent: Lent<'_>) -> Option<VisitorKey> {
        let conn = arrival.conn;
        if self.visitors.len() >= self.visitors_max {
            let text = format!("there may be {} peers at a time", self.visitors_max);
            let fault = PeerFault::new("E_FULL", text);
            lent.mail.tell(conn, |out| outbound::error(&fault, out));
            lent.mail.close(conn, Some(1013), "no place for more peers");
            return None;
        }
        let id = self.unused_id(lent.ids);
        let member = self.visitors.insert(Visitor {
            conn,
            id,
            here: Links::default(),
        });
        let visitors = &self.visitors;
        self.ids
            .insert(id.as_str(), member, |key| visitors[key].id.as_str());
        self.here.push_back(&mut self.visitors, member);
        self.introduce(member, lent.mail);
        self.tell_others(member, lent.mail, |out| outbound::announce(&id, out));
        Some(member)
    }

    /// A member has sent a message. O(receivers) for a signal, O(visitors) for the list of them.
    ///
    /// # Errors
    /// The member's fault.
    pub fn hear(
        &mut self,
        member: VisitorKey,
        text: &str,
        lent: Lent<'_>,
    ) -> Result<(), PeerFault> {
        match self.reader.read(text)? {
            Said::Register => {
                self.introduce(member, lent.mail);
                Ok(())
            }
            Said::Signal(signal) => self.pass_on(member, &signal, lent.mail),
        }
    }

    /// Tells a member what is wrong with what it has sent.
    pub fn complain(&self, member: VisitorKey, fault: &PeerFault, lent: Lent<'_>) {
        let conn = self.visitors[member].conn;
        lent.mail.tell(conn, |out| outbound::error(fault, out));
    }

    /// A member's connection is ending: it is forgotten, and the others are told. O(visitors).
    pub fn depart(&mut self, member: VisitorKey, lent: Lent<'_>) {
        let id = self.visitors[member].id;
        if !planted::bug("remove-untold") {
            self.tell_others(member, lent.mail, |out| outbound::remove(&id, out));
        }
        self.here.remove(&mut self.visitors, member);
        self.ids.remove(id.as_str(), member);
        self.visitors.remove(member);
    }

    /// How many connections are members.
    pub fn member_count(&self) -> usize {
        self.visitors.len()
    }

    /// Panics if something contradicts itself or exceeds a bound. For tests; O(everything).
    pub fn check(&self) {
        assert!(self.visitors.len() <= self.visitors_max);
        assert_eq!(self.ids.len(), self.visitors.len());
        let mut listed = 0;
        for key in self.here.iter(&self.visitors) {
            assert_eq!(self.find(self.visitors[key].id.as_str()), Some(key));
            listed += 1;
        }
        assert_eq!(listed, self.visitors.len());
        assert_eq!(self.here.len(), self.visitors.len());
    }

    /// An id that nobody has. With 122 random bits the first is one.
    fn unused_id(&self, ids: &mut FreshIds) -> Uuid {
        loop {
            let id = ids.uuid();
            if self.find(id.as_str()).is_none() {
                return id;
            }
        }
    }

    fn find(&self, id: &str) -> Option<VisitorKey> {
        self.ids.find(id, |key| self.visitors[key].id.as_str())
    }

    /// Tells a member who it is and who else is there.
    fn introduce(&self, member: VisitorKey, mail: &mut Mail) {
        let Visitor { conn, id, .. } = &self.visitors[member];
        mail.tell(*conn, |out| outbound::id(id, out));
        mail.tell(*conn, |out| {
            outbound::peers(self.others(member).map(|visitor| &visitor.id), out);
        });
    }

    fn pass_on(
        &self,
        from: VisitorKey,
        signal: &Signal<'_>,
        mail: &mut Mail,
    ) -> Result<(), PeerFault> {
        let write = |out: &mut Vec<u8>| {
            let id = &self.visitors[from].id;
            outbound::signal(signal.kind, id, signal.body, out);
        };
        let Some(id) = &signal.to else {
            self.tell_others(from, mail, write);
            return Ok(());
        };
        let to = self.find(id).ok_or_else(|| {
            PeerFault::new("E_PEERUNKNOWN", "nobody who is here has this `peerId`")
        })?;
        if to == from {
            let text = "this `peerId` is your own: a signal is for somebody else";
            return Err(PeerFault::new("E_BADPEER", text));
        }
        mail.tell(self.visitors[to].conn, write);
        Ok(())
    }

    /// Everybody but one, in the order of joining.
    fn others(&self, member: VisitorKey) -> impl Iterator<Item = &Visitor> {
        let keys = self.here.iter(&self.visitors);
        keys.filter(move |&key| key != member)
            .map(|key| &self.visitors[key])
    }

    /// Sends one text to everybody but one.
    fn tell_others(&self, member: VisitorKey, mail: &mut Mail, write: impl FnOnce(&mut Vec<u8>)) {
        if self.visitors.len() > 1 {
            let text = mail.text(write);
            for other in self.others(member) {
                mail.send(other.conn, text);
            }
        }
    }
}

impl Linked<Here, VisitorKey> for Visitor {
    fn links(&self) -> &Links<VisitorKey> {
        &self.here
    }

    fn links_mut(&mut self) -> &mut Links<VisitorKey> {
        &mut self.here
    }
}
