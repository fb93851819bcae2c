//! One node of the relay network: its connections, what it says of its own accord, and what it does with messages
//! (steps 4 to 7 of the message path).
//!
//! Pure. Whom a message goes to is for `routing` to say, when a lost node is dialled again for `calls`.

use super::calls::{Call, Calls};
use super::inbound::{self, Data, Message};
use super::link::{InDue, Link, Stage};
use super::node_id::NodeId;
use super::outbound::{self, Envelope, Said};
use super::routing::{Router, Wanted};
use crate::config::Config;
use crate::dialect::{Arrival, Lent, Mail, Member};
use crate::hub::Millis;
use crate::hub::command::PeerFault;
use crate::hub::id::FreshIds;
use crate::index::{Arena, ConnKey, Key, LinkKey, List};
use std::hash::RandomState;

/// One node of the relay network: whom it is connected to, and what it passes on.
#[derive(Debug)]
pub struct Node {
    own: NodeId,
    /// Where others reach this node, told in handshakes.
    url: Option<Box<str>>,
    links: Arena<LinkKey, Link>,
    /// Those that are being dialled: no members yet.
    calling: usize,
    /// Those that have a time, all the same one: who has not told its id, and who is not in use.
    due: List<InDue, LinkKey>,
    /// Those of them that have not told their ids.
    unmet: usize,
    handshake_timeout_ms: Millis,
    router: Router,
    calls: Calls,
    /// Whether nodes that were learnt of from others are dialled at all.
    dials: bool,
    /// Where next hops are gathered.
    hops: Vec<LinkKey>,
}

impl Node {
    /// Nobody is connected; the bootstrap nodes are due to be dialled. `hasher` keys the maps whose keys peers choose.
    pub fn new(config: &Config, hasher: RandomState, now: Millis, ids: &mut FreshIds) -> Node {
        let chosen = config.relay.id.as_deref().and_then(NodeId::from_hex);
        let own = chosen.unwrap_or_else(|| NodeId::new(ids.take()));
        Node {
            own,
            url: config.relay.url.as_deref().map(Box::from),
            links: Arena::new(),
            calling: 0,
            due: List::new(),
            unmet: 0,
            handshake_timeout_ms: config.handshake_timeout_ms,
            router: Router::new(own, &config.relay, &hasher),
            calls: Calls::new(&config.relay, now),
            dials: config.relay.dials > 0,
            hops: Vec::new(),
        }
    }

    /// The id of this node.
    pub fn id(&self) -> NodeId {
        self.own
    }

    /// A connection comes in.
    pub fn join(&mut self, arrival: Arrival<'_>, lent: Lent<'_>) -> Option<LinkKey> {
        let key = self
            .links
            .insert(Link::new(arrival.conn, Stage::Greeting, None, lent.now));
        self.greet(key, lent);
        Some(key)
    }

    /// A node that was dialled is there.
    pub fn reach(&mut self, key: LinkKey, conn: ConnKey, lent: Lent<'_>) {
        let link = &mut self.links[key];
        debug_assert_eq!(link.stage, Stage::Calling);
        (link.conn, link.stage, link.since) = (conn, Stage::Greeting, lent.now);
        self.calling -= 1;
        self.greet(key, lent);
    }

    /// A node that was dialled cannot be reached.
    pub fn miss(&mut self, key: LinkKey, lent: Lent<'_>) {
        let link = self.links.remove(key);
        debug_assert_eq!(link.stage, Stage::Calling);
        self.calling -= 1;
        let call = link.call.expect("it was dialled for something");
        let chance = lent.ids.number();
        self.calls.ended(call, lent.now, 0, false, chance);
        self.seek(lent);
    }

    /// A member has sent a message.
    pub fn hear(&mut self, key: LinkKey, text: &str, lent: Lent<'_>) -> Result<(), PeerFault> {
        match self.links[key].stage {
            Stage::Greeting => {
                let met = self.meet(key, text, lent);
                self.give_newcomers_up();
                met
            }
            // Which of two connections is the older one, their ends may see differently.
            Stage::Linked(via) | Stage::Spare(via) => {
                let message = inbound::read_message(text)?;
                self.take_in(message, via, lent)
            }
            Stage::Calling | Stage::Over => Ok(()),
        }
    }

    /// A member's connection is ending.
    pub fn depart(&mut self, key: LinkKey, Lent { now, ids, mail }: Lent<'_>) {
        self.stop_waiting(key);
        let link = self.links.remove(key);
        let mut open_ms = 0;
        match link.stage {
            Stage::Linked(node) => {
                open_ms = now - link.since;
                self.router.disconnect(node);
                self.calls.left(node, now);
                if !link.spare.is_none() {
                    self.stop_waiting(link.spare);
                    self.link_up(link.spare, node, &mut Lent { now, ids, mail });
                }
            }
            Stage::Spare(node) => self.drop_spare(node),
            Stage::Calling | Stage::Greeting | Stage::Over => {}
        }
        if let Some(call) = link.call {
            let is_own = link.stage == Stage::Over && self.found_itself(call);
            self.calls.ended(call, now, open_ms, is_own, ids.number());
        }
        self.give_newcomers_up();
        self.seek(Lent { now, ids, mail });
    }

    /// Does what has become due.
    pub fn expire(&mut self, Lent { now, mail, .. }: Lent<'_>) {
        while let Some(link) = self.links.get(self.due.head())
            && link.due_at <= now
        {
            let key = self.due.head();
            match link.stage {
                Stage::Spare(node) => {
                    self.drop_spare(node);
                    self.close(key, 1000, "another connection of this node is in use", mail);
                }
                Stage::Greeting => {
                    self.close(key, 1008, "the node's id did not come in time", mail)
                }
                Stage::Calling | Stage::Linked(_) | Stage::Over => {
                    unreachable!("only who is awaited has a time")
                }
            }
        }
        loop {
            let router = &self.router;
            let is_connected = |node| router.link_to(node).is_some();
            let Some((call, url)) = self.calls.take_due(now, is_connected) else {
                break;
            };
            let link = Link::new(ConnKey::NONE, Stage::Calling, Some(call), now);
            self.calling += 1;
            mail.dial(Member::Relay(self.links.insert(link)), url);
        }
        self.router.expire(now);
        self.give_newcomers_up();
    }

    /// When `expire` has something to do next; never late, sometimes early.
    pub fn next_deadline(&self) -> Option<Millis> {
        let first_due = self.links.get(self.due.head()).map(|link| link.due_at);
        let deadlines = [
            first_due,
            self.calls.next_deadline(),
            self.router.next_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// How many connections are members.
    pub fn member_count(&self) -> usize {
        self.links.len() - self.calling
    }

    /// Bytes of all messages that wait while no node is connected.
    pub fn waiting_bytes(&self) -> usize {
        self.router.waiting_bytes()
    }

    /// How many nodes are connected, each once.
    pub fn link_count(&self) -> usize {
        self.router.link_count()
    }

    /// Panics if something contradicts itself or exceeds a bound. For tests; O(everything).
    pub fn check(&self) {
        self.router.check();
        let calls: Vec<Call> = self
            .links
            .iter()
            .filter_map(|(_, link)| link.call)
            .collect();
        self.calls.check(&calls);
        let (mut linked, mut calling, mut unmet, mut due) = (0, 0, 0, 0);
        let (mut spares, mut spares_met) = (0, 0);
        for (key, link) in self.links.iter() {
            assert_eq!(link.conn == ConnKey::NONE, link.stage == Stage::Calling);
            match link.stage {
                Stage::Calling => calling += 1,
                Stage::Greeting => (due, unmet) = (due + 1, unmet + 1),
                Stage::Linked(node) => {
                    assert_eq!(self.router.link_to(node), Some(key));
                    linked += 1;
                    spares += usize::from(!link.spare.is_none());
                }
                Stage::Spare(node) => {
                    let first = self.router.link_to(node).expect("there is a first one");
                    assert_eq!(self.links[first].spare, key);
                    due += 1;
                    spares_met += 1;
                }
                Stage::Over => {}
            }
        }
        assert_eq!(linked, self.router.link_count());
        assert_eq!(calling, self.calling);
        assert_eq!(unmet, self.unmet);
        assert_eq!(due, self.due.len());
        assert_eq!(spares, spares_met, "each spare belongs to a first one");
    }

    /// Tells this node's id over a new connection, and waits for the other's.
    fn greet(&mut self, key: LinkKey, lent: Lent<'_>) {
        let own = self.own;
        let conn = self.links[key].conn;
        lent.mail
            .tell(conn, |out| outbound::write_greeting(own, out));
        self.wait_for(key, lent.now);
    }

    /// The first message of a connection has come.
    fn meet(&mut self, key: LinkKey, text: &str, mut lent: Lent<'_>) -> Result<(), PeerFault> {
        let node = match inbound::read_greeting(text) {
            Ok(node) if node == self.own => {
                if let Some(call) = self.links[key].call {
                    self.calls.greeted(call, node);
                }
                self.stop_waiting(key);
                self.close(key, 1008, "this node has the same id", lent.mail);
                let text = "it has the id of this hub's own node: it is this hub, or one with the same relay-id";
                return Err(PeerFault::new("E_OWNID", text));
            }
            Ok(node) => node,
            Err(fault) => {
                self.close(
                    key,
                    1008,
                    "the first message must be the node's id",
                    lent.mail,
                );
                return Err(fault);
            }
        };
        self.stop_waiting(key);
        if let Some(call) = self.links[key].call {
            self.calls.greeted(call, node);
        }
        match self.router.link_to(node) {
            None => self.link_up(key, node, &mut lent),
            Some(first) => self.meet_again(key, first, node, lent),
        }
        Ok(())
    }

    /// A node has opened a second connection. The side with the lower id closes it; this one, if it has the higher, leaves
    /// it alone as long as a handshake may take, since the other side may have seen them open in the other order.
    fn meet_again(&mut self, key: LinkKey, first: LinkKey, node: NodeId, lent: Lent<'_>) {
        if self.own < node || !self.links[first].spare.is_none() {
            self.close(
                key,
                1000,
                "another connection of this node is in use",
                lent.mail,
            );
            return;
        }
        self.links[first].spare = key;
        self.links[key].stage = Stage::Spare(node);
        self.wait_for(key, lent.now);
    }

    /// A connection leads to this node from now on. What waits goes out first.
    fn link_up(&mut self, key: LinkKey, node: NodeId, lent: &mut Lent<'_>) {
        let link = &mut self.links[key];
        link.stage = Stage::Linked(node);
        let (conn, is_dialled) = (link.conn, link.call.is_some());
        self.router.connect(node, key);
        if is_dialled {
            // Who can be dialled is there for others.
            self.router.passes_on(node);
        }
        for text in self.router.take_waiting(node) {
            lent.mail.tell(conn, |out| out.extend_from_slice(&text));
        }
        self.say(node, Said::FindPeers(self.own), lent);
    }

    /// A message has come over the connected node `via`.
    fn take_in(
        &mut self,
        mut message: Message<'_>,
        via: NodeId,
        lent: Lent<'_>,
    ) -> Result<(), PeerFault> {
        // What was here before is not new, however long ago that was.
        let has_come_round = message.from == self.own || message.path.contains(&self.own);
        if has_come_round || !self.router.is_new(lent.now, &message.nonce) {
            return Ok(());
        }
        self.router.hear_from(lent.now, message.from, via);
        if message.to == self.own {
            return self.take_for_itself(&message, via, lent);
        }
        if message.path.len() < Router::HOPS_MAX {
            message.path.push(self.own);
            let envelope = Envelope {
                to: message.to,
                from: message.from,
                path: &message.path,
                nonce: &message.nonce,
            };
            let data = message.data.map(|data| data.get().as_bytes());
            let write_data = data.map(|data| |out: &mut Vec<u8>| out.extend_from_slice(data));
            self.send(envelope, write_data, lent.now, lent.mail);
        }
        Ok(())
    }

    /// A message is for this node itself.
    fn take_for_itself(
        &mut self,
        message: &Message<'_>,
        via: NodeId,
        mut lent: Lent<'_>,
    ) -> Result<(), PeerFault> {
        let (now, from) = (lent.now, message.from);
        match inbound::read_data(message.data)? {
            Data::FindPeers(target) => {
                lent.mail.charge(Router::CLOSEST_COST);
                let found = self.router.closest(now, target, Router::FOUND_MAX);
                self.say(from, Said::FoundPeers(&found), &mut lent);
            }
            Data::FoundPeers(ids) => {
                for id in ids {
                    self.router.hear_of(now, id, via);
                }
                self.seek(lent);
            }
            Data::HandshakeOffer if self.router.link_to(from).is_none() => {
                let url = self.url.take();
                self.say(from, Said::HandshakeAnswer(url.as_deref()), &mut lent);
                self.url = url;
            }
            Data::HandshakeAnswer { ws: Some(url) } if self.dials => {
                let is_asked = self.router.take_answer(now, from);
                if is_asked && self.calls.room() > 0 && url.starts_with("ws://") {
                    let call = self.calls.begin_learnt();
                    let link = Link::new(ConnKey::NONE, Stage::Calling, Some(call), now);
                    self.calling += 1;
                    lent.mail.dial(Member::Relay(self.links.insert(link)), &url);
                }
            }
            Data::HandshakeOffer | Data::HandshakeAnswer { .. } | Data::Other => {}
        }
        Ok(())
    }

    /// Asks nodes that are near to this one, and not connected, for their URLs.
    fn seek(&mut self, mut lent: Lent<'_>) {
        if !self.dials {
            return;
        }
        let room = self.calls.room();
        lent.mail.charge(Router::CLOSEST_COST);
        for node in self.router.to_be_asked(lent.now, room) {
            self.say(node, Said::HandshakeOffer, &mut lent);
        }
    }

    /// Sends a message of this node's own.
    fn say(&mut self, to: NodeId, said: Said<'_>, lent: &mut Lent<'_>) {
        /// As many digits as the original's nonces have.
        const NONCES: u64 = 1_000_000_000_000_000;
        let nonce = (lent.ids.number() % NONCES).to_string();
        self.router.is_new(lent.now, &nonce);
        let envelope = Envelope {
            to,
            from: self.own,
            path: &[self.own],
            nonce: &nonce,
        };
        let write_data = |out: &mut Vec<u8>| said.write(out);
        self.send(envelope, Some(write_data), lent.now, lent.mail);
    }

    /// Sends a message to its next hops, or keeps it while nobody is connected. While ids of newcomers have not come, one
    /// of them may be its target: whoever has seen this node's id may already be spoken to. For that one it is kept too.
    fn send(
        &mut self,
        envelope: Envelope<'_>,
        write_data: Option<impl FnOnce(&mut Vec<u8>)>,
        now: Millis,
        mail: &mut Mail,
    ) {
        let Envelope { to, path, .. } = envelope;
        let wanted = if self.router.is_alone() {
            Some(Wanted::Anybody(path.to_vec()))
        } else if self.unmet > 0 && self.router.link_to(to).is_none() {
            Some(Wanted::Newcomer(to))
        } else {
            None
        };
        self.hops.clear();
        self.router.next_hops(now, to, path, &mut self.hops);
        if self.hops.is_empty() && wanted.is_none() {
            return;
        }
        let text = mail.text(|out| outbound::write_message(envelope, write_data, out));
        for &hop in &self.hops {
            let conn = self.links[hop].conn;
            match envelope.from == self.own {
                true => mail.send(conn, text),
                false => mail.relay(conn, text),
            }
        }
        if let Some(wanted) = wanted {
            let lost = self.router.wait(wanted, mail.words(text).into());
            if lost > 0 {
                mail.remark(format_args!(
                    "relay: too much waits for nodes to be connected; the oldest messages are dropped: {lost}"
                ));
            }
        }
    }

    /// Closes a connection that is awaited or has just been met.
    fn close(&mut self, key: LinkKey, code: u16, reason: &'static str, mail: &mut Mail) {
        self.stop_waiting(key);
        let link = &mut self.links[key];
        link.stage = Stage::Over;
        mail.close(link.conn, Some(code), reason);
    }

    /// The spare connection of a node is none any more.
    fn drop_spare(&mut self, node: NodeId) {
        let first = self.router.link_to(node);
        let first = first.expect("a spare belongs to a first one");
        self.links[first].spare = LinkKey::NONE;
    }

    /// Whether the URL of this call led back to this node when it was last dialled.
    fn found_itself(&self, call: Call) -> bool {
        self.calls.found(call) == Some(self.own)
    }

    /// With all newcomers met or gone, nothing waits for one.
    fn give_newcomers_up(&mut self) {
        if self.unmet == 0 {
            self.router.give_newcomers_up();
        }
    }

    /// Something must come over this connection, or become of it, as soon as a handshake takes.
    fn wait_for(&mut self, key: LinkKey, now: Millis) {
        let link = &mut self.links[key];
        link.due_at = now + self.handshake_timeout_ms;
        self.unmet += usize::from(link.stage == Stage::Greeting);
        self.due.push_back(&mut self.links, key);
    }

    /// The wait is over, whatever has come of it; the connection's stage changes next.
    fn stop_waiting(&mut self, key: LinkKey) {
        let link = &self.links[key];
        if link.due.is_linked() {
            self.unmet -= usize::from(link.stage == Stage::Greeting);
            self.due.remove(&mut self.links, key);
        }
    }
}
