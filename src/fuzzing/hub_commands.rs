//! Connections, commands, departures and time on a hub, compared with a model that searches vectors.
//!
//! Owns: turning bytes into what a switchboard may ask of the hub, and putting into words what the hub answers. The model
//! (`hub_model`) says the same words of its own accord. Must not: ask what a switchboard never asks, such as commands of a
//! connection that is closing.

use super::Tape;
use super::hub_model::Model;
use super::hub_peer::{card_in_words, words};
use crate::config::Scope;
use crate::hub::command::{
    Command, DeboutKind, DeboutSelection, Initiation, Property, Resume, Routed, Targets,
};
use crate::hub::event::{Event, Outbox, Shown};
use crate::hub::id::FreshIds;
use crate::hub::{Hub, Rules};
use crate::index::{Key, PeerKey};
use std::borrow::Cow;
use std::hash::RandomState;
use std::net::IpAddr;

/// Does what `data` says with a hub whose bounds are low, and sweeps it after each step.
///
/// # Panics
/// If hub and model disagree about who hears what, in which order, or about any peer; or if the hub contradicts itself.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut twin = Twin::new(&mut tape);
    while let Some(choice) = tape.next() {
        match choice % 16 {
            0..=1 => twin.connect(),
            14 => twin.depart(&mut tape),
            15 => twin.pass_time(&mut tape),
            choice => {
                if let Some(peer) = twin.choose(&mut tape) {
                    twin.speak(choice, peer, &mut tape);
                }
            }
        }
    }
    // Whatever was begun must come to its end.
    while !twin.model.peers.is_empty() {
        twin.depart(&mut tape);
    }
    assert_eq!(twin.hub.peer_count(), 0);
    assert_eq!(twin.hub.next_deadline(), None, "nothing waits for nobody");
}

struct Twin {
    hub: Hub,
    ids: FreshIds,
    /// What the hub's and the model's random bytes are made of.
    chance: [Chance; 2],
    model: Model,
    now: u64,
}

impl Twin {
    fn new(tape: &mut Tape<'_>) -> Twin {
        let manner = tape.byte();
        let scope = [Scope::Hub, Scope::Linkage][usize::from(manner & 1)];
        let rules = Rules {
            scope,
            debout: manner & 2 != 0,
            debout_channel: DEBOUT_CHANNEL.into(),
            nudge_interval_ms: [0, 100][usize::from(manner >> 2 & 1)],
            probe_time_ms: 40,
            request_timeout_ms: 120,
            request_timeout_max_ms: 300,
            tags_max: 3,
            properties_bytes_max: 24,
            channels_max: 3,
            pending_requests_max: 3,
        };
        let now = 1_000;
        Twin {
            hub: Hub::new(rules.clone(), RandomState::new(), now),
            ids: FreshIds::default(),
            chance: [Chance(1), Chance(1)],
            model: Model::new(rules),
            now,
        }
    }

    fn connect(&mut self) {
        if self.model.peers.len() == PEERS_MAX {
            return;
        }
        let mut out = self.begin();
        let foretold = self.hub.next_peer();
        let remote = IpAddr::from([192, 0, 2, 1]);
        let phase = 37 * self.model.peers.len() as u64;
        let key = self
            .hub
            .connect(self.now, phase, remote, &mut self.ids, &mut out);
        assert_eq!(key, foretold);
        self.model.connect(self.now, phase, key);
        self.compare(&out);
    }

    fn depart(&mut self, tape: &mut Tape<'_>) {
        if self.model.peers.is_empty() {
            return;
        }
        let key = self.model.peers[tape.below(self.model.peers.len())].key;
        let mut out = self.begin();
        self.hub.depart(key, &mut self.ids, &mut out);
        self.model.depart(key);
        self.compare(&out);
        self.hub.forget(key);
        self.model.forget(key);
        self.hub.check();
    }

    fn pass_time(&mut self, tape: &mut Tape<'_>) {
        self.now += tape.magnitude(8);
        let mut out = self.begin();
        self.hub.expire(self.now, &mut self.ids, &mut out);
        self.model.expire(self.now);
        self.compare(&out);
    }

    /// Lets a peer say something.
    fn speak(&mut self, choice: u8, peer: PeerKey, tape: &mut Tape<'_>) {
        let command = match choice {
            2..=3 => self.initiation(tape),
            4 => alteration(tape),
            5 => Command::Subscribe(several(tape, &CHANNELS)),
            6 => Command::Unsubscribe(several(tape, &CHANNELS)),
            7..=8 => Command::Publish {
                channel: one(tape, &CHANNELS).into(),
                message_id: message_id(tape),
                content: "{}",
            },
            9 => Command::Notify {
                to: self.targets(tape),
                message: routed(tape),
            },
            10 => Command::Request {
                to: self.targets(tape),
                message: routed(tape),
                timeout_ms: [None, Some(tape.magnitude(10))][tape.below(2)],
            },
            11 => return self.respond(peer, tape),
            12 => match tape.below(6) {
                0 => Command::Leave,
                4 => Command::Authenticate {
                    token: "a.b.c".into(),
                },
                1 => Command::Debout {
                    content: [None, Some("1")][tape.below(2)],
                },
                2 => return self.be_terminated(peer),
                _ => Command::RetrievePeers {
                    message_id: message_id(tape),
                },
            },
            _ => return self.answer_ping(peer),
        };
        self.command(peer, command);
    }

    fn command(&mut self, peer: PeerKey, command: Command<'static>) {
        let mut out = self.begin();
        self.hub.observe(peer, "\"said\"", &mut out);
        self.model.observe(peer, "\"said\"");
        let expected = self.model.handle(self.now, peer, &command);
        let now = self.now;
        let done = self.hub.handle(now, peer, command, &mut self.ids, &mut out);
        assert_eq!(
            done.as_ref().map_err(|fault| fault.code),
            expected.as_ref().map_err(|code| *code)
        );
        if let Err(fault) = done {
            self.model.complain(peer, fault.code);
            self.hub.complain(peer, fault, None, &mut out);
        }
        self.compare(&out);
    }

    /// Answers a request that waits, or one that does not.
    fn respond(&mut self, peer: PeerKey, tape: &mut Tape<'_>) {
        let open = self.model.open_requests();
        let mut message = routed(tape);
        if open.is_empty() || tape.below(4) == 0 {
            let to = self.id(tape);
            return self.command(peer, Command::Response { to, message });
        }
        let (responder, requester, message_id) = open[tape.below(open.len())].clone();
        if !self.model.peer(responder).closing {
            message.message_id = Some(message_id.into());
            let to = requester.into();
            self.command(responder, Command::Response { to, message });
        }
    }

    fn answer_ping(&mut self, peer: PeerKey) {
        let challenged = self.hub.is_challenged(peer);
        assert_eq!(challenged, self.model.is_challenged(peer));
        let mut out = self.begin();
        self.hub.answered(peer, &mut out);
        self.model.answered(peer);
        self.compare(&out);
    }

    fn be_terminated(&mut self, peer: PeerKey) {
        let mut out = self.begin();
        self.hub.terminating(peer, &mut out);
        self.model.terminating(peer);
        self.compare(&out);
    }

    fn initiation(&self, tape: &mut Tape<'_>) -> Command<'static> {
        let id = (tape.below(3) > 0).then(|| self.id(tape));
        // The secret of whoever has the wanted id, or none that fits.
        let holder = self.model.peers.iter().find(|peer| {
            let wanted = id.as_deref();
            wanted == Some(&*peer.id) && peer.secret.is_some()
        });
        let secret = holder.and_then(|holder| holder.secret.clone());
        let (hears, shows) = (tape.below(4), tape.below(4));
        let options = [None, Some(false), Some(true), Some(true)];
        Command::Initiate(Box::new(Initiation {
            linkage_key: one(tape, &LINKAGES).into(),
            user_id: one(tape, &["", "user"]).into(),
            debout_cluster: [None, Some("a".into()), Some("b".into())][tape.below(3)].clone(),
            start_time: [None, Some("5")][tape.below(2)],
            tags: several(tape, &TAGS),
            properties: properties(tape),
            peer_initiation_receiver: options[hears],
            peer_initiation_sender: options[shows],
            resume: match tape.below(4) {
                0 => None,
                1 => Some(Resume::Ask),
                2 => Some(Resume::Secret("wrong".into())),
                _ => secret.map(|secret| Resume::Secret(secret.into())),
            },
            id,
        }))
    }

    fn targets(&self, tape: &mut Tape<'_>) -> Targets<'static> {
        match tape.below(3) {
            0..=1 => Targets::One(self.id(tape)),
            _ => Targets::Many((0..tape.below(5)).map(|_| self.id(tape)).collect()),
        }
    }

    /// The id of somebody, or one that some have chosen.
    fn id(&self, tape: &mut Tape<'_>) -> Cow<'static, str> {
        let peers = &self.model.peers;
        let choice = tape.below(peers.len() + IDS.len());
        match peers.get(choice) {
            Some(peer) => Cow::Owned(peer.id.clone()),
            None => IDS[choice - peers.len()].into(),
        }
    }

    /// Somebody whose connection is not closing.
    fn choose(&self, tape: &mut Tape<'_>) -> Option<PeerKey> {
        let open = self.model.peers.iter().filter(|peer| !peer.closing);
        let open: Vec<PeerKey> = open.map(|peer| peer.key).collect();
        match open.len() {
            0 => None,
            count => Some(open[tape.below(count)]),
        }
    }

    /// What a switchboard does before each message.
    fn begin(&mut self) -> Outbox<'static> {
        let [hubs, models] = &mut self.chance;
        let claims = self.hub.claim_count();
        self.ids.top_up(claims, |stock| hubs.fill(stock));
        self.model.ids.top_up(claims, |stock| models.fill(stock));
        Outbox::default()
    }

    /// Asserts that everybody hears what the model says, in its order, and that peers are as the model has them.
    fn compare(&mut self, out: &Outbox<'_>) {
        let told = out.deliveries().iter().map(|delivery| {
            let is_debout = matches!(out.events()[delivery.event as usize], Event::Debout { .. });
            let words = self.put_in_words(out, delivery.event, delivery.to);
            (delivery.to, is_debout, words)
        });
        let told: Vec<(PeerKey, bool, String)> = told.collect();
        let expected = self.model.take_told();
        assert_eq!(by_receiver(told), by_receiver(expected));
        check_debout_order(out);
        for peer in &self.model.peers {
            let known = self.hub.peer(peer.key);
            assert_eq!(known.stage(), peer.stage);
            assert_eq!((known.hears(), known.shows()), (peer.hears, peer.shows));
            assert_eq!(known.is_extended(), peer.extended);
            assert_eq!(self.card(peer.key), peer.card());
        }
        self.hub.check();
        if let Some(next) = self.model.next_deadline() {
            let promised = self.hub.next_deadline().expect("something is due");
            assert!(promised <= next, "woken at {promised} for {next}");
        }
    }

    fn put_in_words(&self, out: &Outbox<'_>, event: u32, to: PeerKey) -> String {
        let id = |key: PeerKey| &self.hub.peer(key).card().id;
        match &out.events()[event as usize] {
            Event::Accept => format!("accept {} ", id(to)),
            Event::Confirm { resume, .. } => {
                let hex = resume.map(|secret| secret.to_hex());
                let hex = hex.map(|hex| String::from_utf8_lossy(&hex).into_owned());
                format!("confirm {} {hex:?}", id(to))
            }
            Event::Authenticated { expires_ms, .. } => format!("authenticated {expires_ms}"),
            Event::Presence(peer) => format!("presence {}", self.card(*peer)),
            Event::Alter(peer) => format!("alter {}", self.card(*peer)),
            Event::Leave { peer, linkage_key } => {
                let card = self.hub.peer(*peer).card();
                format!("leave {}", self.card_of(card, linkage_key))
            }
            Event::LeaveAs(former) => {
                format!("leave {}", self.card_of(&former.card, &former.linkage_key))
            }
            Event::Notify(one) => format!("notify {} {}", id(one.from), words(&one.message)),
            Event::Request(one) => format!("request {} {}", id(one.from), words(&one.message)),
            Event::Response(one) => format!("response {} {}", id(one.from), words(&one.message)),
            Event::Message {
                from,
                message_id,
                content,
            } => format!("message {} {message_id:?} {content}", id(*from)),
            Event::Peers { of, message_id } => {
                let listed: Vec<&str> = self
                    .hub
                    .listing(*of)
                    .into_iter()
                    .map(|key| id(key).as_str())
                    .collect();
                format!("peers {message_id:?} {listed:?}")
            }
            Event::RequestFailed(failed) => format!(
                "failed {} {:?} {} {}",
                failed.message_id,
                failed.name.as_deref(),
                failed.peer,
                failed.why.code()
            ),
            Event::Nudge => "nudge".into(),
            Event::Debout { kind, about, shown } => {
                let shown = match *shown {
                    Shown::Token(token) => token.to_owned(),
                    Shown::Event(shown) => self.put_in_words(out, shown, *about),
                    Shown::Empty => String::new(),
                };
                format!("{} {} {shown}", kind.name(), self.card(*about))
            }
            Event::Fault { fault, .. } => format!("error {}", fault.code),
            Event::Ping => "ping".into(),
            Event::Close { code, .. } => format!("close {code}"),
        }
    }

    fn card(&self, key: PeerKey) -> String {
        self.card_of(self.hub.peer(key).card(), self.hub.linkage_key(key))
    }

    fn card_of(&self, card: &crate::hub::Card, linkage: &str) -> String {
        let tags: Vec<&str> = card.tags.iter().collect();
        let properties: Vec<(&str, &str)> = card.properties.iter().collect();
        let rest = [
            card.debout_cluster.as_deref(),
            Some(&*card.user_id),
            card.start_time.as_deref(),
        ];
        card_in_words(&card.id, linkage, rest, &tags, &properties)
    }
}

/// What each receiver hears, in order; of debug messages only which, since a channel's members have no order.
fn by_receiver(mut told: Vec<(PeerKey, bool, String)>) -> Vec<(u32, bool, String)> {
    told.sort_by_key(|(to, is_debout, words)| {
        let unordered = if *is_debout {
            words.clone()
        } else {
            String::new()
        };
        (to.raw(), *is_debout, unordered)
    });
    let raw = told.into_iter();
    raw.map(|(to, is_debout, words)| (to.raw(), is_debout, words))
        .collect()
}

/// Asserts that what shows a message goes out before the message.
fn check_debout_order(out: &Outbox<'_>) {
    for (place, delivery) in out.deliveries().iter().enumerate() {
        if let Event::Debout {
            about,
            shown: Shown::Event(shown),
            ..
        } = out.events()[delivery.event as usize]
        {
            let mut later = out.deliveries()[place..].iter();
            assert!(later.any(|later| later.to == about && later.event == shown));
        }
    }
}

fn alteration(tape: &mut Tape<'_>) -> Command<'static> {
    match tape.below(4) {
        0 => Command::AddTags(several(tape, &TAGS)),
        1 => Command::RemoveTags(several(tape, &TAGS)),
        2 => Command::SetProperties(properties(tape)),
        _ => {
            let wanted = tape.byte();
            let mut selection = DeboutSelection::default();
            for (place, kind) in DeboutKind::ALL.into_iter().enumerate() {
                selection.set(kind, wanted >> place & 1 != 0);
            }
            Command::SelectDebout(selection)
        }
    }
}

fn routed(tape: &mut Tape<'_>) -> Routed<'static> {
    Routed {
        message_id: message_id(tape),
        name: [None, Some("\"name\"")][tape.below(2)],
        content: [None, Some("[0]")][tape.below(2)],
    }
}

fn message_id(tape: &mut Tape<'_>) -> Option<Cow<'static, str>> {
    [None, Some("\"m\"".into()), Some("7".into())][tape.below(3)].clone()
}

fn properties(tape: &mut Tape<'_>) -> Vec<Property<'static>> {
    let property = |tape: &mut Tape<'_>| Property {
        name: one(tape, &["\"p\"", "\"q\"", "\"\""]).into(),
        value: one(tape, &["0", "null", "\"a longer value\""]),
    };
    (0..tape.below(3)).map(|_| property(tape)).collect()
}

fn several(tape: &mut Tape<'_>, texts: &[&'static str]) -> Vec<Cow<'static, str>> {
    (0..tape.below(4))
        .map(|_| one(tape, texts).into())
        .collect()
}

fn one(tape: &mut Tape<'_>, texts: &[&'static str]) -> &'static str {
    texts[tape.below(texts.len())]
}

/// Random bytes enough for ids that differ: the upper bytes of a linear congruential generator with Knuth's multiplier.
struct Chance(u64);

impl Chance {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| {
            let step = self.0.wrapping_mul(6_364_136_223_846_793_005);
            self.0 = step.wrapping_add(1);
            (self.0 >> 56) as u8
        });
    }
}

const DEBOUT_CHANNEL: &str = "\"debout\"";
const CHANNELS: [&str; 5] = ["\"a\"", "\"b\"", "5", "\"5\"", DEBOUT_CHANNEL];
const LINKAGES: [&str; 3] = ["", "room", "hall"];
const TAGS: [&str; 4] = ["\"s\"", "\"t\"", "\"u\"", "true"];
const IDS: [&str; 3] = ["me", "you", "nobody"];

/// Few, so that they meet often.
const PEERS_MAX: usize = 8;
