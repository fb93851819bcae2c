//! `Event` → text (step 8 of the message path).
//!
//! The order of fields is the original's, which clients of other makes may rely on.
//! Source: `PROTOCOLS.md` section 1, "Envelope", "Client info" and the tables of messages.

use super::DEBOUT_CHANNEL;
use crate::dialect::json;
use crate::hub::Hub;
use crate::hub::event::{Event, Forwarded, Outbox, Shown};
use crate::hub::id::{FreshIds, Id};
use crate::hub::{Card, Millis};
use crate::index::PeerKey;
use std::borrow::Cow;
use std::io::Write;

/// Writes messages.
#[derive(Debug)]
pub struct Writer {
    /// Whether peers are told each other's addresses.
    remote_address: bool,
    /// A listing that has got this long ends.
    listing_bytes: usize,
}

/// What a message is written with.
#[derive(Debug)]
pub struct Occasion<'a> {
    /// The hub that the events speak of.
    pub hub: &'a Hub,
    /// The time, ms since 1970.
    pub unix_ms: Millis,
    /// Ids for messages that have none.
    pub ids: &'a mut FreshIds,
    /// The ids that messages of this outbox have been given, by event number: a message and its copies on the debug
    /// stream have the same one. The caller empties it before each outbox.
    pub given: &'a mut Vec<Option<Id>>,
}

/// The id that one event gets if it has none of its own.
struct FreshId<'a> {
    ids: &'a mut FreshIds,
    given: &'a mut Option<Id>,
}

impl FreshId<'_> {
    fn get(&mut self) -> Id {
        *self.given.get_or_insert_with(|| self.ids.id())
    }
}

impl Writer {
    /// A writer; `remote_address` says whether peers are told each other's addresses. A listing that has got longer than
    /// `listing_bytes` names no more peers: nothing else bounds it, and one that is more than may wait for a reader would
    /// only cut the asker off.
    pub fn new(remote_address: bool, listing_bytes: usize) -> Writer {
        Writer {
            remote_address,
            listing_bytes,
        }
    }

    /// Appends the text of event number `event` for `to`; whether there is one (pings and closes have none). O(bytes).
    pub fn write(
        &self,
        occasion: &mut Occasion<'_>,
        outbox: &Outbox<'_>,
        event: u32,
        to: PeerKey,
        text: &mut Vec<u8>,
    ) -> bool {
        match &outbox.events()[event as usize] {
            Event::Ping | Event::Close { .. } => return false,
            Event::Debout { kind, about, shown } => {
                put(text, b"{\"type\":\"message\",\"content\":{\"time\":");
                let _ = write!(text, "{}", occasion.unix_ms);
                put(text, b",\"channel\":\"");
                put(text, DEBOUT_CHANNEL.as_bytes());
                put(text, b"\",\"message\":{\"type\":\"");
                put(text, kind.name().as_bytes());
                put(text, b"\",\"message\":");
                match *shown {
                    Shown::Token(token) => put(text, token.as_bytes()),
                    Shown::Event(shown) => match &outbox.events()[shown as usize] {
                        // A resume secret is nobody else's to know.
                        &Event::Confirm {
                            resume: Some(_),
                            expires_ms,
                        } => {
                            let resume = None;
                            let shown = (shown, &Event::Confirm { resume, expires_ms });
                            self.message(occasion, shown, *about, text);
                        }
                        _ => {
                            self.write(occasion, outbox, shown, *about, text);
                        }
                    },
                    Shown::Empty => put(text, b"\"\""),
                }
                put(text, b",\"client\":");
                self.client_of(occasion.hub, *about, text);
                put(text, b"}}}");
            }
            told => self.message(occasion, (event, told), to, text),
        }
        true
    }

    fn message(
        &self,
        occasion: &mut Occasion<'_>,
        (number, event): (u32, &Event<'_>),
        to: PeerKey,
        text: &mut Vec<u8>,
    ) {
        let hub = occasion.hub;
        let place = number as usize;
        if occasion.given.len() <= place {
            occasion.given.resize(place + 1, None);
        }
        let ids = &mut FreshId {
            ids: occasion.ids,
            given: &mut occasion.given[place],
        };
        match event {
            Event::Accept => {
                let id = &hub.peer(to).card().id;
                open(text, "accept", None, ids);
                field(text, b"peer", id);
                put(text, b",\"content\":{\"id\":");
                json::write_string(id, text);
                put(text, b",\"deboutChannel\":\"");
                put(text, DEBOUT_CHANNEL.as_bytes());
                put(text, b"\"}}");
            }
            Event::Confirm { resume, expires_ms } => {
                let card = hub.peer(to).card();
                open(text, "confirm", None, ids);
                field(text, b"peer", &card.id);
                put(text, b",\"content\":{\"userid\":");
                json::write_string(&card.user_id, text);
                if let Some(secret) = resume {
                    put(text, b",\"resume\":\"");
                    put(text, &secret.to_hex());
                    put(text, b"\"");
                }
                if let Some(expires_ms) = expires_ms {
                    let _ = write!(text, ",\"expires\":{expires_ms}");
                }
                put(text, b"}}");
            }
            Event::Authenticated {
                message_id,
                expires_ms,
            } => {
                open(text, "authenticated", message_id.as_ref(), ids);
                let _ = write!(text, ",\"content\":{{\"expires\":{expires_ms}}}}}");
            }
            Event::Presence(peer) => self.life(hub, "presence", *peer, ids, text),
            Event::Alter(peer) => self.life(hub, "alter", *peer, ids, text),
            Event::Leave { peer, linkage_key } => {
                self.life_of(text, "leave", hub.peer(*peer).card(), linkage_key, ids);
            }
            Event::LeaveAs(former) => {
                self.life_of(text, "leave", &former.card, &former.linkage_key, ids);
            }
            Event::Notify(forwarded) => forward(hub, "notify", forwarded, ids, text),
            Event::Request(forwarded) => forward(hub, "request", forwarded, ids, text),
            Event::Response(forwarded) => forward(hub, "response", forwarded, ids, text),
            Event::Message {
                from,
                message_id,
                content,
            } => {
                open(text, "message", message_id.as_ref(), ids);
                field(text, b"peer", &hub.peer(*from).card().id);
                put(text, b",\"content\":");
                put(text, content.as_bytes());
                put(text, b"}");
            }
            Event::Peers { of, message_id } => {
                open(text, "response", message_id.as_ref(), ids);
                put(
                    text,
                    b",\"name\":\"retrievePeers\",\"content\":{\"peers\":[",
                );
                let begin = text.len();
                for (place, peer) in hub.listing(*of).into_iter().enumerate() {
                    if text.len() - begin > self.listing_bytes {
                        break;
                    }
                    if place > 0 {
                        put(text, b",");
                    }
                    self.client_of(hub, peer, text);
                }
                put(text, b"]}}");
            }
            Event::RequestFailed(failed) => {
                let id = Cow::Borrowed(failed.message_id.as_str());
                open(text, "requestfailed", Some(&id), ids);
                raw_field(text, b"name", failed.name.as_deref());
                field(text, b"peer", &failed.peer);
                put(text, b",\"content\":{\"code\":\"");
                put(text, failed.why.code().as_bytes());
                put(text, b"\",\"message\":\"");
                put(text, failed.why.text().as_bytes());
                put(text, b"\"}}");
            }
            Event::Nudge => {
                open(text, "nudge", None, ids);
                let (now, interval) = (occasion.unix_ms, hub.nudge_interval_ms());
                let _ = write!(
                    text,
                    ",\"content\":{{\"time\":{now},\"interval\":{interval}}}}}"
                );
            }
            Event::Fault { fault, message_id } => {
                open(text, "error", None, ids);
                put(text, b",\"content\":{\"code\":\"");
                put(text, fault.code.as_bytes());
                put(text, b"\",\"message\":");
                json::write_string(&fault.text, text);
                raw_field(text, b"messageid", message_id.as_deref());
                put(text, b"}}");
            }
            Event::Debout { .. } | Event::Ping | Event::Close { .. } => {
                unreachable!("write() has dealt with these")
            }
        }
    }

    /// A message about the life of a peer.
    fn life(
        &self,
        hub: &Hub,
        kind: &str,
        peer: PeerKey,
        ids: &mut FreshId<'_>,
        text: &mut Vec<u8>,
    ) {
        let card = hub.peer(peer).card();
        self.life_of(text, kind, card, hub.linkage_key(peer), ids);
    }

    fn life_of(
        &self,
        text: &mut Vec<u8>,
        kind: &str,
        card: &Card,
        linkage_key: &str,
        ids: &mut FreshId<'_>,
    ) {
        open(text, kind, None, ids);
        put(text, b",\"name\":\"\"");
        field(text, b"peer", &card.id);
        put(text, b",\"content\":");
        self.client(card, linkage_key, text);
        put(text, b"}");
    }

    fn client_of(&self, hub: &Hub, peer: PeerKey, text: &mut Vec<u8>) {
        self.client(hub.peer(peer).card(), hub.linkage_key(peer), text);
    }

    fn client(&self, card: &Card, linkage_key: &str, text: &mut Vec<u8>) {
        put(text, b"{\"id\":");
        json::write_string(&card.id, text);
        if let Some(cluster) = &card.debout_cluster {
            field(text, b"deboutCluster", cluster);
        }
        field(text, b"userid", &card.user_id);
        field(text, b"linkageKey", linkage_key);
        put(text, b",\"tags\":[");
        for (place, tag) in card.tags.iter().enumerate() {
            put(text, if place > 0 { b"," } else { b"" });
            put(text, tag.as_bytes());
        }
        put(text, b"],\"properties\":{");
        for (place, (name, value)) in card.properties.iter().enumerate() {
            put(text, if place > 0 { b"," } else { b"" });
            put(text, name.as_bytes());
            put(text, b":");
            put(text, value.as_bytes());
        }
        put(text, b"},\"remoteAddress\":\"");
        if self.remote_address {
            let _ = write!(text, "{}", card.remote_address);
        }
        put(text, b"\"");
        raw_field(text, b"startTime", card.start_time.as_deref());
        put(text, b"}");
    }
}

fn forward(
    hub: &Hub,
    kind: &str,
    forwarded: &Forwarded<'_>,
    ids: &mut FreshId<'_>,
    text: &mut Vec<u8>,
) {
    let message = &forwarded.message;
    open(text, kind, message.message_id.as_ref(), ids);
    raw_field(text, b"name", message.name);
    field(text, b"peer", &hub.peer(forwarded.from).card().id);
    raw_field(text, b"content", message.content);
    put(text, b"}");
}

/// `{"type":…,"messageid":…`
fn open(text: &mut Vec<u8>, kind: &str, message_id: Option<&Cow<'_, str>>, ids: &mut FreshId<'_>) {
    put(text, b"{\"type\":\"");
    put(text, kind.as_bytes());
    put(text, b"\",\"messageid\":");
    match message_id {
        Some(id) => put(text, id.as_bytes()),
        None => {
            put(text, b"\"");
            put(text, ids.get().as_str().as_bytes());
            put(text, b"\"");
        }
    }
}

/// `,"name":"value"`
fn field(text: &mut Vec<u8>, name: &[u8], value: &str) {
    put(text, b",\"");
    put(text, name);
    put(text, b"\":");
    json::write_string(value, text);
}

/// `,"name":value`, if there is a value.
fn raw_field(text: &mut Vec<u8>, name: &[u8], value: Option<&str>) {
    if let Some(value) = value {
        put(text, b",\"");
        put(text, name);
        put(text, b"\":");
        put(text, value.as_bytes());
    }
}

fn put(text: &mut Vec<u8>, bytes: &[u8]) {
    text.extend_from_slice(bytes);
}
