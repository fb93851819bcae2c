//! One simulated client: what it has said of itself, what it was told, and since when which of it is certain.
//!
//! Its card is its own naive truth, made from what it sent and nothing else; its view is made from what it was told, as
//! the original client makes its collection of peers.

use super::passes::Pass;
use crate::support::test_peer::TestPeer;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

/// Counts actions and ticks, so that what came before what can be told.
pub(crate) type Moment = u64;

/// A moment that has not come.
pub(crate) const NEVER: Moment = Moment::MAX;

/// A client and everything that is known of it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) peer: TestPeer,
    pub(crate) address: IpAddr,
    /// What its token allows, if it has come with one.
    pub(crate) pass: Option<Pass>,
    /// The fresh token that it has shown and of which it has not heard yet: what that would allow, and why it must not.
    pub(crate) showing: Option<(Option<Pass>, Option<&'static str>)>,
    /// When it has shown that.
    pub(crate) shown_at: Moment,
    /// The status with which it must be turned away for its token.
    pub(crate) denied: Option<u16>,
    /// Whether there is room for it shows only after a proxy has said for whom it comes.
    pub(crate) may_be_refused: bool,
    pub(crate) created: Moment,
    pub(crate) accepted: Moment,
    pub(crate) joined: Moment,
    /// The ids that it had, each with the moments between which it certainly had it.
    pub(crate) ids: Vec<(Moment, Moment, String)>,
    pub(crate) linkage: String,
    pub(crate) tags: Vec<String>,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) start_time: Option<u64>,
    pub(crate) hears: bool,
    pub(crate) shows: bool,
    /// It has shown that it is one of the hub's own clients.
    pub(crate) extended: bool,
    /// The initiation that is not confirmed yet.
    pub(crate) pending: Option<Initiation>,
    pub(crate) channels: BTreeSet<String>,
    /// Changes of subscriptions: channel, on or off, and the moments between which it came into force.
    pub(crate) subscriptions: Vec<(String, bool, Moment, Moment)>,
    /// What it knows of the others: id → client info.
    pub(crate) view: BTreeMap<String, String>,
    /// Requests that wait for its answer: message id and requester.
    pub(crate) inbox: Vec<(String, String)>,
    /// From when on it gives the hub a reason to end the connection, or may be taken for somebody else.
    pub(crate) doubtful_from: Moment,
    /// It will send nothing more that the hub can understand.
    pub(crate) mute: bool,
    /// Something has befallen its connection.
    pub(crate) is_hurt: bool,
    /// It has stopped in the middle of something, and will be reset before anybody is judged.
    pub(crate) hangs: bool,
    /// It has said so much that the hub may have read more than it has worked through, until everything is at rest.
    pub(crate) is_loud: bool,
    /// The code with which the hub has closed.
    pub(crate) farewell: Option<u16>,
    pub(crate) faults_expected: BTreeMap<&'static str, u32>,
    pub(crate) faults_told: BTreeMap<String, u32>,
    /// The serial number of the last message from each sender.
    pub(crate) last_serial: BTreeMap<usize, u64>,
    /// Publications and notifications received, by serial number.
    pub(crate) received: BTreeMap<u64, u32>,
    /// Ends of what it sent, in bytes, with what is to be noted when the hub has read so far.
    pub(crate) marks: VecDeque<(u64, Mark)>,
    pub(crate) retrieved: Option<Vec<String>>,
}

/// What becomes certain when the hub has read a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    /// The change of a subscription with this number.
    Subscription(usize),
    /// The publication or notification with this serial number.
    Said(u64),
}

/// What a client asks to be.
#[derive(Clone, Debug)]
pub(crate) struct Initiation {
    pub(crate) id: Option<String>,
    pub(crate) linkage: String,
    pub(crate) tags: Vec<String>,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) hears: bool,
    pub(crate) shows: bool,
    pub(crate) start_time: Option<u64>,
    /// The text of `resume`, if it takes part.
    pub(crate) resume: Option<String>,
}

impl Client {
    pub(crate) fn new(mut peer: TestPeer, address: IpAddr, created: Moment) -> Client {
        peer.may_be_cut_off = true;
        Client {
            peer,
            address,
            pass: None,
            showing: None,
            shown_at: 0,
            denied: None,
            may_be_refused: false,
            created,
            accepted: NEVER,
            joined: NEVER,
            ids: Vec::new(),
            linkage: String::new(),
            tags: Vec::new(),
            properties: Vec::new(),
            start_time: None,
            hears: false,
            shows: false,
            extended: false,
            pending: None,
            channels: BTreeSet::new(),
            subscriptions: Vec::new(),
            view: BTreeMap::new(),
            inbox: Vec::new(),
            doubtful_from: NEVER,
            mute: false,
            is_hurt: false,
            hangs: false,
            is_loud: false,
            farewell: None,
            faults_expected: BTreeMap::new(),
            faults_told: BTreeMap::new(),
            last_serial: BTreeMap::new(),
            received: BTreeMap::new(),
            marks: VecDeque::new(),
            retrieved: None,
        }
    }

    /// Whether it is there and has been accepted.
    pub(crate) fn is_in(&self) -> bool {
        self.peer.is_open() && self.accepted != NEVER
    }

    /// Whether it is there and in a linkage.
    pub(crate) fn is_joined(&self) -> bool {
        self.peer.is_open() && self.joined != NEVER
    }

    /// Its id as it knows it.
    pub(crate) fn id(&self) -> &str {
        self.ids.last().map_or("", |(_, _, id)| id)
    }

    /// Whether it ever had this id, or may have it without having been told yet.
    pub(crate) fn may_have_had(&self, wanted: &str) -> bool {
        let pending = self
            .pending
            .as_ref()
            .and_then(|pending| pending.id.as_ref());
        self.ids
            .iter()
            .map(|(_, _, id)| id)
            .chain(pending)
            .any(|id| id == wanted)
    }

    /// Whether it certainly had this id from one moment to another.
    pub(crate) fn had(&self, wanted: &str, from: Moment, to: Moment) -> bool {
        self.ids
            .iter()
            .any(|(since, until, id)| id == wanted && *since < from && to < *until)
    }

    pub(crate) fn doubt(&mut self, from: Moment) {
        self.doubtful_from = self.doubtful_from.min(from);
    }

    /// Whether the hub may let it do this, as far as its token goes.
    pub(crate) fn may(&self, ask: impl FnOnce(&Pass) -> bool) -> bool {
        self.pass.as_ref().is_none_or(ask)
    }

    /// The passes that may count at present.
    pub(crate) fn passes(&mut self) -> impl Iterator<Item = &mut Pass> {
        let shown = self.showing.iter_mut();
        let shown = shown.filter(|(_, fault)| fault.is_none());
        let shown = shown.filter_map(|(pass, _)| pass.as_mut());
        self.pass.iter_mut().chain(shown)
    }

    /// The fresh token counts from now on: what it does not allow has ended between its showing and now.
    pub(crate) fn renewed(&mut self, pass: Pass, now: Moment) {
        let gone: Vec<String> = self
            .channels
            .iter()
            .filter(|channel| !pass.allows_subscribing(channel))
            .cloned()
            .collect();
        for channel in gone {
            self.channels.remove(&channel);
            self.subscriptions
                .push((channel, false, self.shown_at, now));
        }
        self.pass = Some(pass);
    }

    /// Its client info as the others must see it.
    pub(crate) fn card(&self) -> String {
        let properties: Vec<_> = self
            .properties
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        let tags: Vec<_> = self.tags.iter().map(|tag| format!("\"{tag}\"")).collect();
        format!(
            r#"{{"id":"{}","userid":"{}","linkageKey":"{}","tags":[{}],"properties":{{{}}},"remoteAddress":"{}"{}}}"#,
            self.id(),
            self.pass.as_ref().map_or("", |pass| &pass.user_id),
            self.linkage,
            tags.join(","),
            properties.join(","),
            self.address,
            self.start_time
                .map_or(String::new(), |time| format!(",\"startTime\":{time}"))
        )
    }

    /// Tags as they become when `more` are added.
    pub(crate) fn tags_with(&self, more: &[String]) -> Vec<String> {
        let mut tags = self.tags.clone();
        for tag in more {
            if !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
        tags
    }

    /// Properties as they become when `newer` are merged in.
    pub(crate) fn properties_with(&self, newer: &[(String, String)]) -> Vec<(String, String)> {
        let mut properties = self.properties.clone();
        for (name, value) in newer {
            match properties.iter_mut().find(|(known, _)| known == name) {
                Some(known) => known.1.clone_from(value),
                None => properties.push((name.clone(), value.clone())),
            }
        }
        properties
    }

    /// The pending initiation has been confirmed under this id.
    pub(crate) fn confirmed(&mut self, id: &str, now: Moment) {
        let initiation = self
            .pending
            .take()
            .expect("only what was asked for is confirmed");
        if let Some(wanted) = &initiation.id {
            assert_eq!(wanted, id, "the confirmed id is the one that was asked for");
        }
        if let Some((_, until, _)) = self.ids.last_mut() {
            *until = (*until).min(now);
        }
        self.ids.push((now, NEVER, id.to_owned()));
        self.joined = self.joined.min(now);
        self.tags = self.tags_with(&initiation.tags);
        self.properties = self.properties_with(&initiation.properties);
        self.linkage = initiation.linkage;
        self.start_time = initiation.start_time;
        self.hears = initiation.hears;
        self.shows = initiation.shows;
        self.view.clear();
    }

    /// What is known of its subscription between two moments: certainly on, certainly off, or neither.
    pub(crate) fn subscribed(&self, channel: &str, from: Moment, to: Moment) -> Option<bool> {
        let changes: Vec<_> = self
            .subscriptions
            .iter()
            .filter(|(name, ..)| name == channel)
            .collect();
        let mut possible = BTreeSet::new();
        if changes.first().is_none_or(|(_, _, _, done)| *done >= from) {
            possible.insert(false);
        }
        for (place, (_, on, sent, _)) in changes.iter().enumerate() {
            let overruled = changes
                .get(place + 1)
                .is_some_and(|(_, _, _, done)| *done < from);
            if *sent <= to && !overruled {
                possible.insert(*on);
            }
        }
        match possible.len() {
            1 => possible.first().copied(),
            _ => None,
        }
    }
}
