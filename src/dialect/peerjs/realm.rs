//! The clients of PeerJS: who is registered under which id of which key, and for how long they may be silent.
//!
//! Owns the clients and step 5 of the message path for them; what waits is in `waiting`. A client is one connection. When
//! another with its id and token takes its place, it is over, whatever its own connection still has to say. Source:
//! `PROTOCOLS.md` section 2, and `Realm`, `WebSocketServer`, `CheckBrokenConnections` of npm `peer` 1.0.2.

use super::client::{Client, Standing};
use super::inbound::{self, Bounds, Command, Forward, Kind, check_name};
use super::outbound;
use super::query::Asked;
use super::waiting::{Cause, Ended, Letter, NoRoom, Waiting};
use crate::config::Config;
use crate::dialect::{Arrival, Lent};
use crate::hub::Millis;
use crate::hub::command::PeerFault;
use crate::hub::id::{FreshIds, Uuid};
use crate::index::{Arena, ClientKey, ConnKey, Key, Names, TimerKey};
use crate::wheel::Wheel;
use std::hash::RandomState;

/// The clients of PeerJS.
#[derive(Debug)]
pub struct Realm {
    pub(super) rules: Rules,
    /// By client id, for each key in the order of the setting: those who are registered.
    pub(super) worlds: Vec<Names<ClientKey>>,
    pub(super) clients: Arena<ClientKey, Client>,
    pub(super) waiting: Waiting,
    /// When to look whether a client has been silent for too long.
    pub(super) wheel: Wheel<ClientKey>,
    pub(super) due: Vec<ClientKey>,
    pub(super) registered: usize,
    pub(super) connected: usize,
    /// How many have ever registered.
    joined: u64,
    pub(super) now: Millis,
}

/// Who says something by plain HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// The key of the world.
    pub key: &'a str,
    /// The client's id.
    pub id: &'a str,
    /// Its token.
    pub token: &'a str,
}

/// What became of a posted message.
#[derive(Debug)]
pub enum Posting {
    /// It has been heard, or will be when its author comes, or will never matter.
    Taken,
    /// It is not as it must be.
    Refused(PeerFault),
    /// Its author is not there, and no more can wait for him.
    NoRoom,
}

/// The settings that matter here.
#[derive(Debug)]
pub(super) struct Rules {
    keys: Vec<String>,
    bounds: Bounds,
    pub(super) alive_timeout_ms: Millis,
    expire_timeout_ms: Millis,
    pub(super) clients_max: usize,
    pub(super) sender_letters_max: u32,
    pub(super) sender_bytes_max: usize,
    discovery: bool,
}

/// Why a connection cannot become a client.
enum Refusal {
    Incomplete,
    WrongKey,
    TooLong(PeerFault),
    IdTaken,
    Full,
}

impl Realm {
    const WHEEL_MS: u64 = 8;

    /// Nobody is there yet. `hasher` keys the maps whose keys clients choose.
    pub fn new(config: &Config, hasher: RandomState, now: Millis) -> Realm {
        let (peerjs, limits) = (&config.peerjs, &config.limits);
        let worlds = peerjs.keys.len();
        Realm {
            rules: Rules {
                keys: peerjs.keys.clone(),
                bounds: Bounds {
                    name_bytes: limits.name_bytes,
                    json_depth: limits.json_depth,
                },
                alive_timeout_ms: peerjs.alive_timeout_ms,
                expire_timeout_ms: peerjs.expire_timeout_ms,
                clients_max: peerjs.concurrent_limit,
                sender_letters_max: u32::try_from(peerjs.waiting_per_sender).unwrap_or(u32::MAX),
                sender_bytes_max: peerjs.waiting_bytes_per_sender.min(u32::MAX as usize),
                discovery: peerjs.allow_discovery,
            },
            worlds: (0..worlds).map(|_| Names::new(hasher.clone())).collect(),
            clients: Arena::new(),
            waiting: Waiting::new(peerjs, worlds, &hasher),
            wheel: Wheel::new(Self::WHEEL_MS, now),
            due: Vec::new(),
            registered: 0,
            connected: 0,
            joined: 0,
            now,
        }
    }

    /// A connection comes in. None if it cannot be a client, which it has been told. What waits for the client follows
    /// its `OPEN`; what it has posted before counts as said after that.
    pub fn join(&mut self, arrival: Arrival<'_>, mut lent: Lent<'_>) -> Option<ClientKey> {
        self.now = lent.now;
        let asked = Asked::read(arrival.query);
        match self.admit(&asked, arrival, &mut lent) {
            Ok(client) => {
                self.hand_over(client, &mut lent);
                Some(client)
            }
            Err(refusal) => {
                lent.mail.tell(arrival.conn, |out| refusal.write(out));
                lent.mail.close(arrival.conn, None, "");
                None
            }
        }
    }

    /// A client has sent a message. O(bytes), whatever waits.
    ///
    /// # Errors
    /// The client's fault.
    pub fn hear(
        &mut self,
        member: ClientKey,
        text: &str,
        mut lent: Lent<'_>,
    ) -> Result<(), PeerFault> {
        self.obey(member, text, &mut lent)
    }

    /// Tells a client that what it has sent is no message at all. Of other faults it is not told, since the one word for
    /// them, `ERROR`, makes PeerJS end the client and all its connections, and PeerJS itself sends messages without a
    /// destination when a page connects to `undefined` (`wrong.txt`).
    pub fn complain(&self, member: ClientKey, fault: &PeerFault, lent: Lent<'_>) {
        if matches!(
            fault.code,
            "E_NOTJSON" | "E_NOTUTF8" | "E_TOODEEP" | "E_UNKNOWNTYPE"
        ) {
            let conn = self.clients[member].conn;
            lent.mail
                .tell(conn, |out| outbound::error(&fault.text, out));
        }
    }

    /// What this message passed on has reached nobody, since the connection that it was for is ending: its sender is told
    /// that the other one has left.
    pub fn undelivered(&mut self, member: ClientKey, text: &str, lent: Lent<'_>) {
        let client = &self.clients[member];
        if let Ok(Command::Forward(forward)) = inbound::read(text, self.rules.bounds) {
            lent.mail.tell(client.conn, |out| {
                outbound::message(Kind::Leave, &forward.dst, client.id(), None, out);
            });
        }
    }

    /// Somebody says something by plain HTTP: at once if his WebSocket is open, otherwise when it opens, if that is within
    /// the expire timeout.
    pub fn post(&mut self, author: Author<'_>, text: &str, mut lent: Lent<'_>) -> Posting {
        self.now = lent.now;
        let Some(world) = self.world(author.key) else {
            // The author will hear of his wrong key when his WebSocket opens.
            return Posting::Taken;
        };
        let bounds = self.rules.bounds;
        let checked = check_name("id", author.id, bounds.name_bytes)
            .and_then(|()| check_name("token", author.token, bounds.name_bytes));
        if let Err(fault) = checked {
            return Posting::Refused(fault);
        }
        if let Some(client) = self.find(world, author.id)
            && self.clients[client].has_token(author.token)
        {
            return match self.obey(client, text, &mut lent) {
                Ok(()) => Posting::Taken,
                Err(fault) => Posting::Refused(fault),
            };
        }
        match inbound::read(text, bounds) {
            Ok(Command::Forward(_) | Command::ToNobody(_)) => {
                let name = author_name(author.id, author.token);
                let now = self.now;
                let kept = self.waiting.keep(
                    world,
                    Cause::Author,
                    &name,
                    ClientKey::NONE,
                    text.into(),
                    now,
                );
                match kept {
                    Ok(()) => Posting::Taken,
                    Err(NoRoom) => Posting::NoRoom,
                }
            }
            Ok(Command::Heartbeat | Command::Unregister) => Posting::Taken,
            Err(fault) => Posting::Refused(fault),
        }
    }

    /// A client's connection is ending. Its letters go on waiting.
    pub fn depart(&mut self, member: ClientKey, lent: Lent<'_>) {
        self.now = lent.now;
        self.retire(member);
        self.connected -= 1;
        let client = &mut self.clients[member];
        client.standing = Standing::Departed;
        client.conn = ConnKey::NONE;
        client.refusals = None;
        self.release(member);
    }

    /// Ends the waiting whose time is over, and closes clients that have been silent for too long.
    pub fn expire(&mut self, mut lent: Lent<'_>) {
        self.now = lent.now;
        while let Some(ended) = self.waiting.take_due(lent.now) {
            self.tell_expired(&ended, &mut lent);
        }
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(lent.now, &mut due);
        for member in due.drain(..) {
            let client = &mut self.clients[member];
            let silent_at = client.heard_ms + self.rules.alive_timeout_ms;
            if silent_at > lent.now {
                client.timer = self.wheel.arm(silent_at, member);
                continue;
            }
            client.timer = TimerKey::NONE;
            lent.mail.close(client.conn, None, "");
            lent.mail.remark(format_args!(
                "PeerJS client {:?} was silent for {} ms and is closed",
                client.id(),
                self.rules.alive_timeout_ms
            ));
            self.retire(member);
        }
        self.due = due;
    }

    /// When `expire` has something to do next; never late, sometimes early.
    pub fn next_deadline(&self) -> Option<Millis> {
        let deadlines = [self.waiting.next_deadline(), self.wheel.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// How many connections are members.
    pub fn member_count(&self) -> usize {
        self.connected
    }

    /// Bytes of all letters that wait for absent clients.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.bytes()
    }

    /// An id that nobody has.
    pub fn fresh_id(&self, ids: &mut FreshIds) -> Uuid {
        // The second draw is for somebody who has guessed 122 random bits; nobody does so twice.
        let id = ids.uuid();
        let is_free = (0..self.worlds.len()).all(|world| self.find(world, id.as_str()).is_none());
        if is_free { id } else { ids.uuid() }
    }

    /// The ids of a key in the order in which they registered, if everybody may know them. O(slots of all clients).
    pub fn listed(&self, key: &str) -> Option<Vec<&str>> {
        let world = self.world(key).filter(|_| self.rules.discovery)?;
        let mut clients: Vec<&Client> = self
            .clients
            .iter()
            .map(|(_, client)| client)
            .filter(|client| client.is_registered() && client.world as usize == world)
            .collect();
        clients.sort_unstable_by_key(|client| client.joined);
        Some(clients.into_iter().map(Client::id).collect())
    }

    /// Whether there is a world of this key.
    pub fn has_key(&self, key: &str) -> bool {
        self.world(key).is_some()
    }

    /// Makes a client of a connection, in the order of PeerServer's checks.
    fn admit(
        &mut self,
        asked: &Asked<'_>,
        arrival: Arrival<'_>,
        lent: &mut Lent<'_>,
    ) -> Result<ClientKey, Refusal> {
        let (Some(id), Some(token), Some(key)) = (&asked.id, &asked.token, &asked.key) else {
            return Err(Refusal::Incomplete);
        };
        let world = self.world(key).ok_or(Refusal::WrongKey)?;
        let name_bytes = self.rules.bounds.name_bytes;
        check_name("id", id, name_bytes)
            .and_then(|()| check_name("token", token, name_bytes))
            .map_err(Refusal::TooLong)?;
        let joined = match self.find(world, id) {
            Some(holder) if arrival.has_fixed_id || self.clients[holder].has_token(token) => {
                lent.mail.close(self.clients[holder].conn, None, "");
                self.retire(holder);
                // It is the same id: it keeps its place in the list of them.
                self.clients[holder].joined
            }
            Some(_) => return Err(Refusal::IdTaken),
            None if self.registered >= self.rules.clients_max => return Err(Refusal::Full),
            None => {
                self.joined += 1;
                self.joined
            }
        };
        let client = self.clients.insert(Client {
            name: [&**id, &**token].concat().into(),
            id_bytes: u32::try_from(id.len()).expect("ids are bounded far below that"),
            conn: arrival.conn,
            heard_ms: lent.now,
            joined,
            timer: TimerKey::NONE,
            letters: 0,
            letter_bytes: 0,
            world: u32::try_from(world).expect("keys are few"),
            standing: Standing::Registered,
            refusals: None,
        });
        if self.rules.alive_timeout_ms > 0 {
            let silent_at = lent.now + self.rules.alive_timeout_ms;
            self.clients[client].timer = self.wheel.arm(silent_at, client);
        }
        let clients = &self.clients;
        self.worlds[world].insert(id, client, |key| clients[key].id());
        self.registered += 1;
        self.connected += 1;
        Ok(client)
    }

    /// Tells a client that it is registered and what has waited for it, and hears what it has posted.
    fn hand_over(&mut self, key: ClientKey, lent: &mut Lent<'_>) {
        let client = &self.clients[key];
        let (conn, world) = (client.conn, client.world as usize);
        lent.mail.tell(conn, outbound::open);
        let collected = self
            .waiting
            .take(world, Cause::Destination, self.clients[key].id());
        for letter in collected.into_iter().flat_map(|ended| ended.letters) {
            let text = letter.text.as_bytes();
            lent.mail.tell(conn, |out| out.extend_from_slice(text));
            self.settle(&letter);
        }
        let client = &self.clients[key];
        let author = author_name(client.id(), client.token());
        let posted = self.waiting.take(world, Cause::Author, &author);
        for letter in posted.into_iter().flat_map(|ended| ended.letters) {
            let obeyed = self.obey(key, &letter.text, lent);
            debug_assert!(obeyed.is_ok(), "it was read before it was kept");
        }
    }

    /// Does what a client says.
    fn obey(
        &mut self,
        member: ClientKey,
        text: &str,
        lent: &mut Lent<'_>,
    ) -> Result<(), PeerFault> {
        self.now = lent.now;
        let client = &mut self.clients[member];
        if !client.takes_part() {
            return Ok(());
        }
        client.heard_ms = lent.now;
        match inbound::read(text, self.rules.bounds)? {
            Command::Heartbeat => Ok(()),
            Command::Unregister => {
                self.unregister(member);
                Ok(())
            }
            Command::Forward(forward) => self.forward(member, &forward, lent),
            Command::ToNobody(dst) => {
                self.tell_refused(member, dst, lent);
                Ok(())
            }
        }
    }

    fn forward(
        &mut self,
        member: ClientKey,
        forward: &Forward<'_>,
        lent: &mut Lent<'_>,
    ) -> Result<(), PeerFault> {
        let client = &self.clients[member];
        let world = client.world as usize;
        if !client.is_registered() && self.find(world, client.id()).is_some() {
            let text = "you gave your id up, and another client has it now";
            return Err(PeerFault::new("E_BADCONTENT", text));
        }
        let Forward { kind, dst, payload } = forward;
        match self.find(world, dst) {
            Some(to) => lent.mail.tell(self.clients[to].conn, |out| {
                outbound::message(*kind, client.id(), dst, *payload, out);
            }),
            None if kind.waits() => self.keep(member, forward, lent),
            None => {}
        }
        Ok(())
    }

    /// Lets a message wait for a client that is not there, or tells its sender that it cannot.
    fn keep(&mut self, member: ClientKey, forward: &Forward<'_>, lent: &mut Lent<'_>) {
        let client = &self.clients[member];
        let world = client.world as usize;
        let Forward { kind, dst, payload } = forward;
        let kept = if client.letters >= self.rules.sender_letters_max {
            Err(NoRoom)
        } else {
            let mut text = Vec::new();
            outbound::message(*kind, client.id(), dst, *payload, &mut text);
            let text = String::from_utf8(text).expect("it is made of texts");
            let bytes = text.len();
            match client.letter_bytes as usize + bytes <= self.rules.sender_bytes_max {
                true => {
                    let text = text.into_boxed_str();
                    let (cause, now) = (Cause::Destination, lent.now);
                    let kept = self.waiting.keep(world, cause, dst, member, text, now);
                    kept.map(|()| bytes)
                }
                false => Err(NoRoom),
            }
        };
        match kept {
            Ok(bytes) => {
                let client = &mut self.clients[member];
                client.letters += 1;
                // A sender's bytes are bounded below 2^32.
                client.letter_bytes += bytes as u32;
            }
            Err(NoRoom) => self.tell_refused(member, dst, lent),
        }
    }

    /// Tells a client that its message to `dst` cannot wait, or would in vain, once in an expire timeout.
    fn tell_refused(&mut self, member: ClientKey, dst: &str, lent: &mut Lent<'_>) {
        let now = lent.now;
        let client = &mut self.clients[member];
        let refusals = client.refusals.get_or_insert_default();
        if !refusals.has(dst, now) {
            refusals.add(dst, now + self.rules.expire_timeout_ms);
            lent.mail.tell(client.conn, |out| {
                outbound::message(Kind::Expire, dst, client.id(), None, out);
            });
        }
    }

    /// Tells the senders of letters that nobody has collected them: each once, if it is there or has come back.
    fn tell_expired(&mut self, ended: &Ended, lent: &mut Lent<'_>) {
        let mut senders: Vec<ClientKey> = Vec::new();
        if ended.cause == Cause::Destination {
            let present = |letter: &Letter| self.present(letter.sender);
            senders = ended.letters.iter().filter_map(present).collect();
            senders.sort_unstable();
            senders.dedup();
        }
        for sender in senders {
            let client = &self.clients[sender];
            let knows = client.refusals.as_ref();
            if !knows.is_some_and(|refusals| refusals.has(&ended.name, lent.now)) {
                lent.mail.tell(client.conn, |out| {
                    outbound::message(Kind::Expire, &ended.name, client.id(), None, out);
                });
            }
        }
        for letter in &ended.letters {
            self.settle(letter);
        }
    }

    /// The sender of a letter, or who has come back in its place: with the same id and token.
    fn present(&self, sender: ClientKey) -> Option<ClientKey> {
        let client = &self.clients[sender];
        if client.takes_part() {
            return Some(sender);
        }
        let successor = self.find(client.world as usize, client.id())?;
        self.clients[successor]
            .has_token(client.token())
            .then_some(successor)
    }

    /// A letter does not wait any more.
    fn settle(&mut self, letter: &Letter) {
        if let Some(client) = self.clients.get_mut(letter.sender) {
            client.letters -= 1;
            // It was counted when it was kept.
            client.letter_bytes -= letter.text.len() as u32;
            self.release(letter.sender);
        }
    }

    /// Forgets a client that has departed once none of its letters waits.
    fn release(&mut self, member: ClientKey) {
        let client = &self.clients[member];
        if client.standing == Standing::Departed && client.letters == 0 {
            self.clients.remove(member);
        }
    }

    /// Makes an id free, if the client is registered under it.
    fn unregister(&mut self, member: ClientKey) {
        let client = &mut self.clients[member];
        if client.is_registered() {
            client.standing = Standing::Unregistered;
            self.worlds[client.world as usize].remove(client.id(), member);
            self.registered -= 1;
        }
    }

    /// A client takes part no longer.
    fn retire(&mut self, member: ClientKey) {
        self.unregister(member);
        let client = &mut self.clients[member];
        client.standing = Standing::Over;
        let timer = std::mem::replace(&mut client.timer, TimerKey::NONE);
        if !timer.is_none() {
            self.wheel.cancel(timer);
        }
    }

    fn world(&self, key: &str) -> Option<usize> {
        self.rules.keys.iter().position(|known| known == key)
    }

    pub(super) fn find(&self, world: usize, id: &str) -> Option<ClientKey> {
        self.worlds[world].find(id, |key| self.clients[key].id())
    }
}

impl Refusal {
    fn write(&self, out: &mut Vec<u8>) {
        let text = match self {
            Refusal::Incomplete => "No id, token, or key supplied to websocket server",
            Refusal::WrongKey => "Invalid key provided",
            Refusal::TooLong(fault) => &fault.text,
            Refusal::Full => "Server has reached its concurrent user limit",
            Refusal::IdTaken => return outbound::id_taken(out),
        };
        outbound::error(text, out);
    }
}

/// One text for an id and a token, which no other pair has.
pub(super) fn author_name(id: &str, token: &str) -> String {
    format!("{}:{id}{token}", id.len())
}
