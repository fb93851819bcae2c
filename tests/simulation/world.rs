//! Everything that is simulated except the hub: the clients, and the ledger of what was said and must arrive.
//!
//! Judges each message where it arrives: whether it was meant for the one who got it, in its sender's order, and how
//! often.

use super::client::{Client, Mark, Moment, NEVER};
use super::passes::{Tokens, Wall};
use crate::support::Dice;
use crate::support::test_hub::TestHub;
use crate::support::test_peer::Heard;
use peerhub::config::Scope;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The name of the debug channel.
pub(crate) const DEBOUT: &str = "w2dutnc-k7vsj2og";

/// All clients, gone ones too, and what is expected of the hub.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clients: Vec<Client>,
    pub(crate) moment: Moment,
    /// The hub's clock.
    pub(crate) now_ms: u64,
    pub(crate) wall: Wall,
    pub(crate) tokens: Tokens,
    pub(crate) dice: Dice,
    pub(crate) scope: Scope,
    pub(crate) debout: bool,
    /// A flood is more than the rates allow.
    pub(crate) is_metered: bool,
    /// It is more than all of its address may.
    pub(crate) is_metered_by_address: bool,
    /// The addresses that may have spent what they may.
    pub(crate) spent: BTreeSet<IpAddr>,
    /// Publications and notifications by serial number.
    pub(crate) said: BTreeMap<u64, Said>,
    pub(crate) requests: BTreeMap<String, Asked>,
    /// Every id that the hub has given.
    pub(crate) given: BTreeSet<String>,
    /// Resume secrets that were given away, with their ids.
    pub(crate) secrets: Vec<(String, String)>,
    /// Claims without a secret to the id of somebody who had it for certain: claimant, holder, id, when.
    pub(crate) idle_claims: Vec<(usize, usize, String, Moment)>,
    /// What may be dropped for slow readers, and how much of it was not heard.
    pub(crate) drops: Vec<String>,
    pub(crate) missed: u64,
    /// Ids of peers that at some time did not show themselves or watched the debug stream.
    pub(crate) veiled: BTreeSet<String>,
}

/// A publication or a notification.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) from: usize,
    pub(crate) to: Aim,
    /// The sender's linkage, if that is certain.
    pub(crate) linkage: Option<String>,
    pub(crate) sent: Moment,
    pub(crate) done: Moment,
}

/// Whom a message is for.
#[derive(Debug)]
pub(crate) enum Aim {
    Channel(String),
    /// Ids, each as often as it is mentioned.
    Ids(Vec<String>),
}

/// A request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) from: usize,
    pub(crate) to: BTreeSet<String>,
    /// Who was asked indeed.
    pub(crate) arrived: BTreeSet<usize>,
    pub(crate) ends: usize,
    /// Before this its time is not over, ms.
    pub(crate) due_ms: u64,
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    messageid: Option<&'a RawValue>,
    peer: Option<&'a str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl World {
    /// Notes what the hub has read, lets up to `arriving` bytes of each client arrive, and has each receive up to
    /// `received`; whether anything moved.
    pub(crate) fn pump(
        &mut self,
        hub: &TestHub,
        mut arriving: impl FnMut(&mut Dice) -> usize,
        mut received: impl FnMut(&mut Dice) -> usize,
    ) -> bool {
        self.moment += 1;
        self.look(hub);
        let mut moved = false;
        for number in 0..self.clients.len() {
            if self.clients[number].peer.is_gone() {
                continue;
            }
            self.note_read(number);
            let wire = self.clients[number].peer.wire().clone();
            if wire.is_flying() {
                wire.arrive(arriving(&mut self.dice));
                moved = true;
            }
            let most = received(&mut self.dice);
            for heard in self.clients[number].peer.pump(most) {
                moved = true;
                self.take_in(number, heard);
            }
            moved |= wire.is_flying();
        }
        moved
    }

    /// Looks at the clocks: who comes with a token may be out at any time from its end on.
    pub(crate) fn look(&mut self, hub: &TestHub) {
        self.now_ms = hub.elapsed_ms();
        self.wall = Wall::of(hub);
        for client in &mut self.clients {
            let wall = self.wall;
            // What is forbidden anyway may be refused for having ended.
            if let Some((Some(pass), _)) = &mut client.showing {
                pass.look(wall);
            }
            let ends = client.passes().fold(false, |ends, pass| {
                pass.look(wall);
                ends || pass.may_have_ended(wall)
            });
            if ends {
                client.doubt(self.moment);
            }
        }
    }

    /// Everything is at rest: whatever has arrived has been worked through.
    pub(crate) fn rested(&mut self) {
        self.moment += 1;
        for number in 0..self.clients.len() {
            self.clients[number].is_loud = false;
            self.note_read(number);
        }
    }

    fn note_read(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if client.is_loud {
            return;
        }
        let read_bytes = client.peer.wire().read_bytes();
        while let Some(&(end, mark)) = client.marks.front()
            && end <= read_bytes
        {
            client.marks.pop_front();
            match mark {
                Mark::Subscription(place) => client.subscriptions[place].3 = self.moment,
                Mark::Said(serial) => {
                    self.said
                        .get_mut(&serial)
                        .expect("what was said is known")
                        .done = self.moment;
                }
            }
        }
    }

    fn take_in(&mut self, number: usize, heard: Heard) {
        match heard {
            Heard::Text(text) => self.take_in_text(number, &text),
            Heard::Close(code, reason) => {
                let code = code.expect("the hub gives a reason for closing");
                let known = matches!(code, 1000 | 1001 | 1002 | 1007 | 1009 | 1012 | 4409 | 4410);
                // Garbage may be the beginning of a message that never ends, and a flood more than is allowed.
                let late = matches!(code, 1008 | 4429) && self.clients[number].mute;
                let wall = self.wall;
                let has_ended = code == 4401
                    && self.clients[number]
                        .passes()
                        .any(|pass| pass.may_have_ended(wall));
                assert!(known || late || has_ended, "{code} {reason}");
                self.clients[number].farewell = Some(code);
            }
            Heard::Refused(status) => {
                let (client, wall) = (&mut self.clients[number], self.wall);
                let is_broken = client.mute && matches!(status, 400 | 408);
                let is_denied = client.denied == Some(status)
                    || status == 401 && client.passes().any(|pass| pass.may_have_ended(wall));
                // Somebody else at its address does more than that may.
                let is_excess = status == 429 && self.is_metered;
                assert!(
                    status == 503 || is_broken || is_denied || is_excess,
                    "only want of room or of a token turns a client away, not {status}"
                );
                client.doubt(0);
            }
            Heard::Gone => {
                let client = &mut self.clients[number];
                if client.may_be_refused && client.accepted == NEVER {
                    // There was no room for it, not even to be told so.
                    client.doubt(0);
                }
            }
            Heard::Ping | Heard::Pong(_) => {}
            Heard::Answer(..) | Heard::Binary(_) | Heard::Bytes(_) => {
                unreachable!("nobody asks for that here")
            }
        }
    }

    fn take_in_text(&mut self, number: usize, text: &str) {
        let told: Told<'_> = serde_json::from_str(text).expect("the hub speaks JSON");
        let content = told.content.map_or("null", RawValue::get);
        let peer = told.peer.unwrap_or_default();
        if !matches!(told.kind, "accept") {
            assert!(
                self.clients[number].accepted != NEVER,
                "accept comes first: {text}"
            );
        }
        match told.kind {
            "accept" => {
                let client = &mut self.clients[number];
                assert_eq!(client.accepted, NEVER, "accept comes once");
                assert_eq!(client.denied, None, "a bad token lets nobody in");
                client.accepted = self.moment;
                assert!(self.given.insert(peer.to_owned()), "an id is fresh: {peer}");
                client.ids.push((self.moment, NEVER, peer.to_owned()));
            }
            "confirm" => self.take_in_confirm(number, peer, content),
            "presence" | "alter" | "leave" => self.take_in_life(number, told.kind, peer, content),
            "notify" | "message" => self.take_in_said(number, told.kind, peer, content),
            "request" => self.take_in_request(number, &told, content),
            "response" if peer.is_empty() => self.take_in_listing(number, &told, content),
            "response" => {
                let answer: Value = serde_json::from_str(content).expect("an answer of ours");
                let by = answer["by"].as_u64().expect("who answers says so") as usize;
                let asked = self.end_request(number, told.messageid);
                // Who answers what others were asked may not have heard yet that he was asked too.
                let (has_heard, ids) = (asked.arrived.contains(&by), asked.to.clone());
                assert!(
                    has_heard || ids.iter().any(|id| self.clients[by].may_have_had(id)),
                    "only who was asked can answer: {text}"
                );
                assert!(self.clients[by].may_have_had(peer), "{text}");
            }
            "requestfailed" => {
                let now_ms = self.now_ms;
                let asked = self.end_request(number, told.messageid);
                assert!(
                    asked.to.contains(peer),
                    "a failed request names who was asked: {text}"
                );
                let is_late = content.contains("E_REQUESTTIMEOUT");
                assert!(
                    !is_late || asked.due_ms <= now_ms,
                    "an answer has the time that it was given: {text}"
                );
            }
            "authenticated" => {
                let client = &mut self.clients[number];
                let (pass, fault) = client.showing.take().expect("only what was shown counts");
                assert_eq!(fault, None, "a bad token is not taken");
                client.renewed(pass.expect("a good token allows something"), self.moment);
            }
            "error" => {
                let client = &mut self.clients[number];
                assert!(
                    client.extended,
                    "original clients are told of no mistakes: {text}"
                );
                let fault: Value = serde_json::from_str(content).expect("JSON");
                let code = fault["code"].as_str().expect("an error has a code");
                if fault["messageid"] == "show" {
                    let (pass, why) = client.showing.take().expect("only what was shown is bad");
                    let is_late = pass.is_some_and(|pass| pass.may_have_ended(self.wall));
                    assert!(
                        why == Some(code) || is_late && code == "E_BADTOKEN",
                        "a good token counts: {text}"
                    );
                    return;
                }
                *client.faults_told.entry(code.to_owned()).or_default() += 1;
            }
            "nudge" => {}
            other => panic!("the hub has no messages of type {other}"),
        }
    }

    fn take_in_confirm(&mut self, number: usize, id: &str, content: &str) {
        let content: Value = serde_json::from_str(content).expect("JSON");
        let asked = self.clients[number]
            .pending
            .as_ref()
            .expect("a confirm answers an initiate")
            .resume
            .is_some();
        let secret = content["resume"].as_str();
        assert_eq!(
            secret.is_some(),
            asked,
            "who asks for a secret gets one, and nobody else"
        );
        if let Some(secret) = secret {
            self.secrets.push((id.to_owned(), secret.to_owned()));
        }
        let client = &mut self.clients[number];
        client.confirmed(id, self.moment);
        if !client.shows || client.channels.contains(DEBOUT) {
            self.veiled.insert(id.to_owned());
        }
        client.retrieved = None;
        client
            .peer
            .say(r#"{"type":"retrievePeers","messageid":"view"}"#);
    }

    fn take_in_life(&mut self, number: usize, kind: &str, id: &str, card: &str) {
        let client = &mut self.clients[number];
        assert!(
            client.pending.is_some() || client.hears,
            "who does not want to hear of others does not"
        );
        assert!(
            client.pending.is_some() || id != client.id(),
            "nobody is told of himself"
        );
        assert!(card.starts_with(&format!(r#"{{"id":"{id}","#)), "{card}");
        if client.pending.is_none() {
            let linkage = format!(r#","linkageKey":"{}","#, client.linkage);
            assert!(
                card.contains(&linkage),
                "a client hears of its own linkage only: {card}"
            );
        }
        match kind {
            "leave" => {
                client.view.remove(id);
            }
            _ => {
                client.view.insert(id.to_owned(), card.to_owned());
            }
        }
    }

    fn take_in_listing(&mut self, number: usize, told: &Told<'_>, content: &str) {
        #[derive(Deserialize)]
        struct Listing<'a> {
            #[serde(borrow)]
            peers: Vec<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Named<'a> {
            id: &'a str,
        }
        let listing: Listing<'_> = serde_json::from_str(content).expect("a listing");
        let client = &mut self.clients[number];
        let mut ids = Vec::new();
        for card in listing.peers {
            let named: Named<'_> = serde_json::from_str(card.get()).expect("client info");
            assert_ne!(named.id, client.id(), "nobody is listed to himself");
            ids.push(card.get().to_owned());
            client
                .view
                .insert(named.id.to_owned(), card.get().to_owned());
        }
        let asked = told.messageid.map(RawValue::get);
        assert!(
            matches!(asked, Some("\"view\"" | "\"last\"")),
            "an answer has the id of its question"
        );
        client.retrieved = Some(ids);
    }

    fn take_in_said(&mut self, number: usize, kind: &str, peer: &str, content: &str) {
        let content: Value = serde_json::from_str(content).expect("JSON");
        let body = match kind {
            "message" if content["channel"] == DEBOUT && self.debout => {
                let watches = self.clients[number]
                    .subscriptions
                    .iter()
                    .any(|(name, on, ..)| name == DEBOUT && *on);
                assert!(watches, "the debug stream is for who watches it");
                return;
            }
            "message" => &content["message"],
            _ => &content,
        };
        let serial = body["n"].as_u64().expect("what is said has a number");
        let said = self.said.get(&serial).expect("only what was said is heard");
        let sender = said.from;
        assert!(
            self.clients[sender].may_have_had(peer),
            "the sender is who it was"
        );
        let client = &mut self.clients[number];
        let times = client.received.entry(serial).or_default();
        *times += 1;
        let times = *times;
        match &said.to {
            Aim::Channel(channel) => {
                assert_eq!(kind, "message");
                assert_eq!(content["channel"], channel.as_str());
                assert_eq!(times, 1, "a publication comes once");
                let subscribed = client.subscribed(channel, said.sent, self.moment);
                assert_ne!(subscribed, Some(false), "a publication is for subscribers");
            }
            Aim::Ids(ids) => {
                assert_eq!(kind, "notify");
                let mentions = ids.iter().filter(|id| *id == client.id()).count();
                assert!(
                    times as usize <= mentions,
                    "a notification is for those who are named"
                );
            }
        }
        if self.scope == Scope::Linkage
            && let Some(linkage) = &said.linkage
            && client.pending.is_none()
        {
            assert_eq!(linkage, &client.linkage, "nothing leaves its linkage");
        }
        let last = client.last_serial.entry(sender).or_default();
        assert!(*last <= serial, "what one peer says comes in order");
        *last = serial;
    }

    fn take_in_request(&mut self, number: usize, told: &Told<'_>, content: &str) {
        let id = told.messageid.map(RawValue::get).unwrap_or_default();
        let asked = self
            .requests
            .get_mut(id)
            .expect("only what was asked arrives");
        let client = &mut self.clients[number];
        assert!(
            asked.to.contains(client.id()),
            "a request is for who is asked"
        );
        assert!(asked.arrived.insert(number), "a request comes once");
        let content: Value = serde_json::from_str(content).expect("JSON");
        let serial = content["n"].as_u64().expect("a request has a number");
        let last = client.last_serial.entry(asked.from).or_default();
        assert!(*last <= serial, "what one peer says comes in order");
        *last = serial;
        let (id, requester) = (id.to_owned(), told.peer.unwrap_or_default().to_owned());
        if content["silence"] == true {
            return;
        }
        match self.dice.below(100) {
            0..60 if !client.mute => self.respond(number, &id, &requester),
            60..90 => self.clients[number].inbox.push((id, requester)),
            _ => {}
        }
    }

    pub(crate) fn respond(&mut self, number: usize, id: &str, requester: &str) {
        let answer = format!(
            r#"{{"type":"response","messageid":{id},"peer":"{requester}","content":{{"by":{number}}}}}"#
        );
        self.clients[number].peer.say(&answer);
    }

    fn end_request(&mut self, number: usize, id: Option<&RawValue>) -> &Asked {
        let id = id.map(RawValue::get).unwrap_or_default();
        let asked = self.requests.get_mut(id).expect("only what was asked ends");
        assert_eq!(asked.from, number, "a request ends where it began");
        asked.ends += 1;
        assert!(asked.ends <= asked.to.len(), "a request ends once: {id}");
        asked
    }
}
