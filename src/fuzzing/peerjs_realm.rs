//! A crowd of PeerJS clients, compared with a naive model: what everybody is told, letter by letter and in order.
//!
//! Owns: the model, which keeps clients and letters in vectors and searches them. It says when a silent client is closed
//! only within the resolution of the wheel, since the real one rounds up to that.

use super::Tape;
use crate::config::Config;
use crate::dialect::peerjs::{Author, Posting, Realm};
use crate::dialect::{Act, Arrival, Lent, Mail};
use crate::hub::id::FreshIds;
use crate::index::{ClientKey, ConnKey};
use std::hash::RandomState;
use std::net::SocketAddr;

/// Lets clients come, speak, post, fall silent and go as `data` says, with small bounds.
///
/// # Panics
/// If realm and model disagree, or if the realm contradicts itself.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut config = Config::default();
    let rules = &mut config.peerjs;
    rules.keys = KEYS.map(str::to_owned).to_vec();
    rules.expire_timeout_ms = 5 + tape.below(40) as u64;
    rules.alive_timeout_ms = [0, 16, 64, 1_000][tape.below(4)];
    rules.concurrent_limit = 1 + tape.below(8);
    rules.waiting = 1 + tape.below(20);
    rules.waiting_bytes = 100 + tape.below(1_000);
    rules.waiting_per_sender = 1 + tape.below(8);
    rules.waiting_bytes_per_sender = 50 + tape.below(500);
    rules.waiting_per_destination = 1 + tape.below(8);
    let mut twin = Twin {
        realm: Realm::new(&config, RandomState::new(), 0),
        model: Model {
            config,
            clients: Vec::new(),
            queues: Vec::new(),
            now: 0,
            out: Vec::new(),
        },
        mail: Mail::default(),
        ids: FreshIds::default(),
        conns: 0,
    };
    while let Some(choice) = tape.next() {
        match choice % 16 {
            0..=2 => twin.join(&mut tape),
            3..=9 => twin.speak(&mut tape),
            10 => twin.post(&mut tape),
            11 | 12 => twin.depart(&mut tape),
            _ => twin.pass(1 + tape.below(40) as u64),
        }
        twin.realm.check();
        assert_eq!(twin.realm.member_count(), twin.model.connected().count());
    }
}

const KEYS: [&str; 2] = ["one", "two"];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const KINDS: [&str; 7] = [
    "OFFER",
    "ANSWER",
    "CANDIDATE",
    "LEAVE",
    "EXPIRE",
    "HEARTBEAT",
    "NONSENSE",
];

struct Twin {
    realm: Realm,
    model: Model,
    mail: Mail,
    ids: FreshIds,
    conns: usize,
}

/// What is said and done, in order: a text for a connection, or its end.
type Deed = (usize, Option<String>);

struct Model {
    config: Config,
    clients: Vec<Client>,
    queues: Vec<Queue>,
    now: u64,
    out: Vec<Deed>,
}

struct Client {
    key: Option<ClientKey>,
    conn: usize,
    world: usize,
    id: &'static str,
    token: &'static str,
    is_registered: bool,
    is_over: bool,
    /// Its connection has not ended.
    is_connected: bool,
    heard_ms: u64,
    /// Destinations of which it was told, and until when that counts.
    told: Vec<(String, u64)>,
}

struct Queue {
    world: usize,
    /// The destination, or the author's id and token.
    name: (String, Option<&'static str>),
    due_ms: u64,
    /// The number of its sender, and what waits.
    letters: Vec<(Option<usize>, String)>,
}

impl Twin {
    fn join(&mut self, tape: &mut Tape<'_>) {
        let world = tape.below(8) / 7;
        let (id, standing) = (NAMES[tape.below(4)], tape.below(256));
        let (token, has_fixed_id) = (["t", "u"][standing % 4 / 3], standing >= 240);
        let query = format!("id={id}&key={}&token={token}", KEYS[world]);
        let conn = self.conns;
        self.conns += 1;
        let arrival = Arrival {
            conn: ConnKey::at(conn),
            remote: SocketAddr::from(([127, 0, 0, 1], 1)),
            local_port: 1,
            query: &query,
            has_fixed_id,
        };
        let lent = Lent {
            now: self.model.now,
            ids: &mut self.ids,
            mail: &mut self.mail,
        };
        let key = self.realm.join(arrival, lent);
        self.model.join(conn, (world, id, token), has_fixed_id, key);
        self.compare();
        // A connection that was closed ends before anything else comes from it.
        self.end_closed();
    }

    fn speak(&mut self, tape: &mut Tape<'_>) {
        let Some(sender) = self.anybody(tape) else {
            return;
        };
        let text = message(tape);
        let lent = Lent {
            now: self.model.now,
            ids: &mut self.ids,
            mail: &mut self.mail,
        };
        let key = self.model.clients[sender].key.expect("it was let in");
        let heard = self.realm.hear(key, &text.0, lent);
        let is_right = self.model.hear(sender, &text);
        assert_eq!(heard.is_ok(), is_right, "{}", text.0);
        self.compare();
    }

    fn post(&mut self, tape: &mut Tape<'_>) {
        let world = tape.below(8) / 7;
        let (id, token) = (NAMES[tape.below(4)], ["t", "u"][tape.below(4) / 3]);
        let text = message(tape);
        let lent = Lent {
            now: self.model.now,
            ids: &mut self.ids,
            mail: &mut self.mail,
        };
        let key = KEYS[world];
        let author = Author { key, id, token };
        let posting = match self.realm.post(author, &text.0, lent) {
            Posting::Taken => "taken",
            Posting::Refused(_) => "refused",
            Posting::NoRoom => "no room",
        };
        assert_eq!(posting, self.model.post(world, id, token, &text));
        self.compare();
    }

    fn depart(&mut self, tape: &mut Tape<'_>) {
        if let Some(one) = self.anybody(tape) {
            self.end(one);
        }
    }

    fn pass(&mut self, ms: u64) {
        self.model.now += ms;
        let lent = Lent {
            now: self.model.now,
            ids: &mut self.ids,
            mail: &mut self.mail,
        };
        self.realm.expire(lent);
        let next = self.realm.next_deadline();
        assert!(next.is_none_or(|next| next + WHEEL_MS > self.model.now));
        let closed: Vec<usize> = self
            .mail
            .acts()
            .iter()
            .filter_map(|act| match act {
                Act::Close { to, .. } => Some(to.index()),
                _ => None,
            })
            .collect();
        self.model.expire(&closed);
        self.compare();
        self.end_closed();
    }

    /// Somebody whose messages are heard.
    fn anybody(&self, tape: &mut Tape<'_>) -> Option<usize> {
        let there: Vec<usize> = self.model.connected().collect();
        (!there.is_empty()).then(|| there[tape.below(there.len())])
    }

    fn end_closed(&mut self) {
        let clients = self.model.clients.iter().enumerate();
        let over =
            |(number, one): (usize, &Client)| (one.is_over && one.is_connected).then_some(number);
        let over: Vec<usize> = clients.filter_map(over).collect();
        for one in over {
            self.end(one);
        }
    }

    fn end(&mut self, one: usize) {
        let lent = Lent {
            now: self.model.now,
            ids: &mut self.ids,
            mail: &mut self.mail,
        };
        let client = &mut self.model.clients[one];
        self.realm
            .depart(client.key.take().expect("it was let in"), lent);
        client.is_registered = false;
        client.is_over = true;
        client.is_connected = false;
        self.compare();
    }

    /// Asserts that the realm has said and done what the model has.
    fn compare(&mut self) {
        let act = |act: &Act| match act {
            Act::Send { to, text, .. } => {
                let text = String::from_utf8(self.mail.read(*text).to_vec()).expect("UTF-8");
                (to.index(), Some(text))
            }
            Act::Close { to, code: None, .. } => (to.index(), None),
            Act::Close { .. } | Act::Dial { .. } | Act::Remark(_) | Act::Keep(_) => {
                panic!("{act:?}")
            }
        };
        let mut done: Vec<Deed> = self.mail.acts().iter().map(act).collect();
        let mut expected = std::mem::take(&mut self.model.out);
        // In which order different connections are told of one thing nobody can see.
        done.sort_by_key(|(conn, _)| *conn);
        expected.sort_by_key(|(conn, _)| *conn);
        assert_eq!(done, expected);
        self.mail.clear();
    }
}

/// A message as text, and what it is: its kind, its destination, and the end of what is passed on.
fn message(tape: &mut Tape<'_>) -> (String, &'static str, &'static str, String) {
    let kind = KINDS[tape.below(7)];
    let dst = ["", "a", "b", "c", "d", "e", "f", "g"][tape.below(8)];
    let end = match tape.below(3) {
        0 => String::new(),
        1 => r#","payload":null"#.to_owned(),
        _ => format!(r#","payload":"{}""#, "x".repeat(tape.below(200))),
    };
    let text = format!(r#"{{"type":"{kind}","dst":"{dst}"{end}}}"#);
    (text, kind, dst, end)
}

type Message = (String, &'static str, &'static str, String);

impl Model {
    fn connected(&self) -> impl Iterator<Item = usize> {
        let clients = self.clients.iter().enumerate();
        clients.filter_map(|(number, one)| one.is_connected.then_some(number))
    }

    fn find(&self, world: usize, id: &str) -> Option<usize> {
        let mut clients = self.clients.iter();
        clients.position(|one| one.is_registered && one.world == world && one.id == id)
    }

    fn say(&mut self, client: usize, text: String) {
        self.out.push((self.clients[client].conn, Some(text)));
    }

    fn join(
        &mut self,
        conn: usize,
        (world, id, token): (usize, &'static str, &'static str),
        has_fixed_id: bool,
        key: Option<ClientKey>,
    ) {
        let registered = self.clients.iter().filter(|one| one.is_registered).count();
        let refusal = match self.find(world, id) {
            Some(holder) if has_fixed_id || self.clients[holder].token == token => {
                self.out.push((self.clients[holder].conn, None));
                self.clients[holder].is_registered = false;
                self.clients[holder].is_over = true;
                None
            }
            Some(_) => Some(r#"{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}"#),
            None if registered == self.config.peerjs.concurrent_limit => Some(
                r#"{"type":"ERROR","payload":{"msg":"Server has reached its concurrent user limit"}}"#,
            ),
            None => None,
        };
        assert_eq!(key.is_none(), refusal.is_some());
        if let Some(refusal) = refusal {
            self.out
                .extend([(conn, Some(refusal.to_owned())), (conn, None)]);
            return;
        }
        self.clients.push(Client {
            key,
            conn,
            world,
            id,
            token,
            is_registered: true,
            is_over: false,
            is_connected: true,
            heard_ms: self.now,
            told: Vec::new(),
        });
        let newcomer = self.clients.len() - 1;
        self.say(newcomer, r#"{"type":"OPEN"}"#.to_owned());
        for (_, text) in self.take(world, &(id.to_owned(), None)) {
            self.say(newcomer, text);
        }
        for (_, text) in self.take(world, &(id.to_owned(), Some(token))) {
            let said: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let kind = KINDS.iter().find(|kind| said["type"] == **kind);
            let (_, end) = text.split_once(r#""dst":""#).expect("a destination");
            let (dst, end) = end.split_once('"').expect("its end");
            let end = end.strip_suffix('}').expect("an object").to_owned();
            let dst = ["a", "b", "c", "d", "e", "f", "g"]
                .into_iter()
                .find(|one| *one == dst);
            let message = (
                text,
                *kind.expect("a kind"),
                dst.expect("a destination"),
                end,
            );
            assert!(self.hear(newcomer, &message));
        }
    }

    fn take(
        &mut self,
        world: usize,
        name: &(String, Option<&str>),
    ) -> Vec<(Option<usize>, String)> {
        let mut queues = self.queues.iter();
        let found = queues.position(|queue| queue.world == world && queue.name == *name);
        found.map_or(Vec::new(), |queue| self.queues.remove(queue).letters)
    }

    /// Whether the message is as it must be.
    fn hear(&mut self, sender: usize, (_, kind, dst, end): &Message) -> bool {
        let (world, id) = (self.clients[sender].world, self.clients[sender].id);
        self.clients[sender].heard_ms = self.now;
        match (*kind, *dst) {
            ("HEARTBEAT", _) => return true,
            ("LEAVE", "") => {
                self.clients[sender].is_registered = false;
                return true;
            }
            ("NONSENSE", _) | (_, "") => return false,
            _ => {}
        }
        if !self.clients[sender].is_registered && self.find(world, id).is_some() {
            return false;
        }
        let text = format!(r#"{{"type":"{kind}","src":"{id}","dst":"{dst}"{end}}}"#);
        match self.find(world, dst) {
            Some(to) => self.say(to, text),
            None if ["LEAVE", "EXPIRE"].contains(kind) => {}
            None => {
                if !self.keep(world, ((*dst).to_owned(), None), Some(sender), text) {
                    self.refuse(sender, dst);
                }
            }
        }
        true
    }

    fn refuse(&mut self, sender: usize, dst: &str) {
        let (now, lasts_ms) = (self.now, self.config.peerjs.expire_timeout_ms);
        let client = &mut self.clients[sender];
        if client.was_told(dst, now) {
            return;
        }
        client.told.retain(|(other, _)| other != dst);
        client.told.push((dst.to_owned(), now + lasts_ms));
        let text = format!(r#"{{"type":"EXPIRE","src":"{dst}","dst":"{}"}}"#, client.id);
        self.say(sender, text);
    }

    fn keep(
        &mut self,
        world: usize,
        name: (String, Option<&'static str>),
        sender: Option<usize>,
        text: String,
    ) -> bool {
        let rules = &self.config.peerjs;
        let all = || self.queues.iter().flat_map(|queue| &queue.letters);
        let mut queues = self.queues.iter();
        let found = queues.position(|queue| queue.world == world && queue.name == name);
        let of_queue = || {
            found
                .into_iter()
                .flat_map(|queue| &self.queues[queue].letters)
        };
        let of_sender: Vec<&String> = match sender {
            Some(sender) => all()
                .filter(|(other, _)| *other == Some(sender))
                .map(|(_, text)| text)
                .collect(),
            None => of_queue().map(|(_, text)| text).collect(),
        };
        let name_bytes = |(id, token): &(String, Option<&str>)| match token {
            None => id.len(),
            Some(token) => format!("{}:{id}{token}", id.len()).len(),
        };
        let new_name_bytes = if found.is_none() {
            name_bytes(&name)
        } else {
            0
        };
        let names = self.queues.iter().map(|queue| name_bytes(&queue.name));
        let all_bytes = all().map(|(_, text)| text.len()).sum::<usize>()
            + names.sum::<usize>()
            + new_name_bytes;
        let sender_bytes: usize = of_sender.iter().map(|text| text.len()).sum();
        let fits = all().count() < rules.waiting
            && all_bytes + text.len() <= rules.waiting_bytes
            && of_sender.len() < rules.waiting_per_sender
            && sender_bytes + text.len() <= rules.waiting_bytes_per_sender
            && of_queue().count() < rules.waiting_per_destination;
        if fits {
            let due_ms = self.now + rules.expire_timeout_ms;
            let queue = found.unwrap_or_else(|| {
                self.queues.push(Queue {
                    world,
                    name,
                    due_ms,
                    letters: Vec::new(),
                });
                self.queues.len() - 1
            });
            self.queues[queue].letters.push((sender, text));
        }
        fits
    }

    fn post(
        &mut self,
        world: usize,
        id: &'static str,
        token: &'static str,
        message: &Message,
    ) -> &'static str {
        if let Some(client) = self.find(world, id)
            && self.clients[client].token == token
        {
            return match self.hear(client, message) {
                true => "taken",
                false => "refused",
            };
        }
        let (text, kind, dst, _) = message;
        match (*kind, *dst) {
            ("HEARTBEAT", _) | ("LEAVE", "") => "taken",
            ("NONSENSE", _) | (_, "") => "refused",
            _ => match self.keep(world, (id.to_owned(), Some(token)), None, text.clone()) {
                true => "taken",
                false => "no room",
            },
        }
    }

    /// Ends what is over. The realm has closed these connections.
    fn expire(&mut self, closed: &[usize]) {
        let alive_ms = self.config.peerjs.alive_timeout_ms;
        let now = self.now;
        let (due, left): (Vec<Queue>, Vec<Queue>) = std::mem::take(&mut self.queues)
            .into_iter()
            .partition(|queue| queue.due_ms <= now);
        self.queues = left;
        for queue in due.iter().filter(|queue| queue.name.1.is_none()) {
            self.tell_expired(queue);
        }
        for number in 0..self.clients.len() {
            let client = &mut self.clients[number];
            if client.is_over {
                continue;
            }
            let silent_ms = now - client.heard_ms;
            let is_closed = closed.contains(&client.conn);
            if alive_ms == 0 || silent_ms < alive_ms {
                assert!(!is_closed, "it is not silent, but closed");
            } else if silent_ms >= alive_ms + WHEEL_MS {
                assert!(is_closed, "it is silent, but not closed");
            }
            if is_closed {
                client.is_registered = false;
                client.is_over = true;
                self.out.push((client.conn, None));
            }
        }
    }

    fn tell_expired(&mut self, queue: &Queue) {
        let dst = &queue.name.0;
        let mut told = Vec::new();
        for sender in queue.letters.iter().filter_map(|(sender, _)| *sender) {
            let client = &self.clients[sender];
            let successor = self
                .find(client.world, client.id)
                .filter(|one| self.clients[*one].token == client.token);
            let present = match client.is_over {
                true => successor,
                false => Some(sender),
            };
            if let Some(one) = present.filter(|one| !told.contains(one)) {
                told.push(one);
                let client = &self.clients[one];
                if !client.was_told(dst, self.now) {
                    let text =
                        format!(r#"{{"type":"EXPIRE","src":"{dst}","dst":"{}"}}"#, client.id);
                    self.say(one, text);
                }
            }
        }
    }
}

impl Client {
    fn was_told(&self, dst: &str, now: u64) -> bool {
        let mut told = self.told.iter();
        told.any(|(other, until_ms)| other == dst && *until_ms > now)
    }
}

/// The resolution of the realm's wheel.
const WHEEL_MS: u64 = 8;
