//! A hub that is easy to believe: vectors, searched from end to end.
//!
//! Owns: what each command must make of peers, linkages, channels, requests and claims, and who must hear what of it, in
//! words. Everything that the real hub indexes is looked for here. Source: `PROTOCOLS.md` section 1.

use crate::config::Scope;
use crate::hub::command::{
    Command, DeboutKind, DeboutSelection, Initiation, Resume, Routed, Targets,
};
use crate::hub::id::FreshIds;
use crate::hub::{Rules, Stage, first_due_ms};
use crate::index::PeerKey;
use std::collections::BTreeSet;

use super::hub_peer::{Due, ModelPeer, Wishes, bytes, with_properties, with_tags, words};

/// What somebody is told. Peers are named when it is put in words, after the whole command.
#[derive(Clone, Debug)]
enum Told {
    /// These words.
    Words(String),
    /// Something that is no message: a ping, a close.
    Signal(String),
    /// This word and the receiver's id.
    You(&'static str, String),
    /// This word, and all that others know of this peer.
    Card(&'static str, PeerKey),
    /// This word and this peer's id, and these words.
    From(&'static str, PeerKey, String),
    /// The others of this peer's linkage.
    Listing(PeerKey, String),
    /// A debug message of this kind about this peer.
    Debout(DeboutKind, PeerKey, Box<Told>),
}

#[derive(Clone, Debug)]
struct ModelRequest {
    requester: PeerKey,
    responder: PeerKey,
    /// The id by which the responder was asked, which it may have given up since.
    asked: String,
    message_id: String,
    name: Option<String>,
    due: Due,
}

struct ModelClaim {
    claimant: PeerKey,
    holder: PeerKey,
    wishes: Wishes,
    due: Due,
}

/// All peers, in the order in which they connected.
pub(super) struct Model {
    rules: Rules,
    /// A twin of the hub's own stock, so that ids and secrets are foreseen.
    pub(super) ids: FreshIds,
    pub(super) peers: Vec<ModelPeer>,
    requests: Vec<ModelRequest>,
    claims: Vec<ModelClaim>,
    armed_count: u64,
    told: Vec<(PeerKey, Told)>,
}

impl Model {
    pub(super) fn new(rules: Rules) -> Model {
        Model {
            rules,
            ids: FreshIds::default(),
            peers: Vec::new(),
            requests: Vec::new(),
            claims: Vec::new(),
            armed_count: 0,
            told: Vec::new(),
        }
    }

    pub(super) fn connect(&mut self, now: u64, phase: u64, key: PeerKey) {
        let mut id = self.ids.id();
        while self.holder(id.as_str()).is_some() {
            id = self.ids.id();
        }
        let interval = self.rules.nudge_interval_ms;
        let nudge = (interval > 0).then(|| self.due_at(now + first_due_ms(interval, phase)));
        self.peers.push(ModelPeer {
            key,
            id: id.as_str().into(),
            stage: Stage::Connected,
            hears: false,
            shows: false,
            extended: false,
            closing: false,
            secret: None,
            linkage: None,
            cluster: None,
            user_id: String::new(),
            start_time: None,
            tags: Vec::new(),
            properties: Vec::new(),
            selection: DeboutSelection::default(),
            channels: Vec::new(),
            nudge,
        });
        self.debout(DeboutKind::Connected, key, Told::Words(String::new()));
        self.tell(key, Told::You("accept", String::new()));
    }

    /// Carries out a command; an error is the code of the fault.
    pub(super) fn handle(
        &mut self,
        now: u64,
        key: PeerKey,
        command: &Command<'_>,
    ) -> Result<(), &'static str> {
        match command {
            Command::Initiate(initiation) => return self.initiate(now, key, initiation),
            Command::AddTags(tags) => {
                let tags = with_tags(&self.at(key).tags, tags);
                if tags.len() > self.rules.tags_max {
                    return Err("E_TOOMANYTAGS");
                }
                self.at(key).tags = tags;
                self.announce(key, Told::Card("alter", key));
            }
            Command::RemoveTags(tags) => {
                self.at(key)
                    .tags
                    .retain(|tag| !tags.iter().any(|gone| gone == tag));
                self.announce(key, Told::Card("alter", key));
            }
            Command::SetProperties(properties) => {
                let newer = properties.iter().map(|one| (one.name.as_ref(), one.value));
                let properties = with_properties(&self.at(key).properties, newer);
                if bytes(&properties) > self.rules.properties_bytes_max {
                    return Err("E_PROPERTIESTOOLARGE");
                }
                self.at(key).properties = properties;
                self.announce(key, Told::Card("alter", key));
            }
            Command::SelectDebout(selection) => {
                let mine = &mut self.at(key).selection;
                for kind in DeboutKind::ALL {
                    // The tape selects every kind, so the newer selection counts whole.
                    mine.set(kind, selection.wants(kind));
                }
                self.announce(key, Told::Card("alter", key));
            }
            Command::RetrievePeers { message_id } => {
                self.tell(key, Told::Listing(key, format!("{message_id:?}")));
            }
            Command::Notify { to, message } => {
                let told = Told::From("notify", key, words(message));
                for id in to.ids() {
                    if let Some(target) = self.reachable(key, id) {
                        self.tell(target, told.clone());
                    }
                }
            }
            Command::Request {
                to,
                message,
                timeout_ms,
            } => self.request(now, key, to, message, *timeout_ms),
            Command::Response { to, message } => return self.respond(key, to, message),
            Command::Publish {
                channel,
                message_id,
                content,
            } => {
                if self.rules.debout && *self.rules.debout_channel == **channel {
                    return Err("E_RESERVEDCHANNEL");
                }
                let told = Told::From("message", key, format!("{message_id:?} {content}"));
                for subscriber in self.subscribers(channel) {
                    if self.reaches(key, subscriber) {
                        self.tell(subscriber, told.clone());
                    }
                }
            }
            Command::Subscribe(names) => {
                let channels_max = self.rules.channels_max;
                let channels = &mut self.at(key).channels;
                for name in names {
                    if !channels.iter().any(|known| known == name) {
                        if channels.len() == channels_max {
                            return Err("E_TOOMANYCHANNELS");
                        }
                        channels.push(name.to_string());
                    }
                }
            }
            Command::Unsubscribe(names) => {
                let channels = &mut self.at(key).channels;
                channels.retain(|known| !names.iter().any(|name| name == known));
            }
            Command::Debout { content } => {
                let shown = Told::Words(content.unwrap_or_default().into());
                self.debout(DeboutKind::ClientDebout, key, shown);
            }
            Command::Authenticate { .. } => return Err("E_BADTOKEN"),
            Command::Leave => self.tell(key, Told::Signal("close 1000".into())),
        }
        Ok(())
    }

    pub(super) fn observe(&mut self, key: PeerKey, text: &str) {
        self.debout(DeboutKind::ClientToHub, key, Told::Words(text.into()));
    }

    pub(super) fn terminating(&mut self, key: PeerKey) {
        self.debout(DeboutKind::Terminate, key, Told::Words(String::new()));
    }

    pub(super) fn complain(&mut self, key: PeerKey, code: &str) {
        if self.at(key).extended {
            self.tell(key, Told::Words(format!("error {code}")));
        }
    }

    /// A sign of life: who claims this peer's id is turned away.
    pub(super) fn answered(&mut self, key: PeerKey) {
        while let Some(place) = self.claims.iter().position(|claim| claim.holder == key) {
            let claim = self.claims.remove(place);
            self.tell(claim.claimant, Told::Signal("close 4409".into()));
        }
    }

    pub(super) fn depart(&mut self, key: PeerKey) {
        self.claims.retain(|claim| claim.claimant != key);
        self.hand_over(key);
        if self.at(key).stage != Stage::Replaced {
            self.announce_former(key);
        }
        self.detach(key);
        let peer = self.at(key);
        peer.stage = Stage::Departed;
        peer.nudge = None;
    }

    pub(super) fn forget(&mut self, key: PeerKey) {
        self.peers.retain(|peer| peer.key != key);
    }

    pub(super) fn expire(&mut self, now: u64) {
        let tick = now / RESOLUTION_MS;
        // A nudge or a request that nobody has answered.
        let mut due: Vec<(Due, Result<PeerKey, ModelRequest>)> = self
            .peers
            .iter()
            .filter_map(|peer| Some((peer.nudge?, Ok(peer.key))))
            .filter(|(due, _)| due.0 <= tick)
            .collect();
        let late = self
            .requests
            .extract_if(.., |request| request.due.0 <= tick);
        due.extend(late.map(|request| (request.due, Err(request))));
        due.sort_by_key(|&(due, _)| due);
        for (_, what) in due {
            match what {
                Ok(key) => {
                    let next = self.due_at(now + self.rules.nudge_interval_ms);
                    self.at(key).nudge = Some(next);
                    self.tell(key, Told::Words("nudge".into()));
                }
                Err(request) => self.fail(&request, "E_REQUESTTIMEOUT"),
            }
        }
        let mut lapsed: Vec<(Due, PeerKey)> = self
            .claims
            .iter()
            .filter(|claim| claim.due.0 <= tick)
            .map(|claim| (claim.due, claim.holder))
            .collect();
        lapsed.sort_by_key(|&(due, _)| due);
        for (due, holder) in lapsed {
            if self.claims.iter().any(|claim| claim.due == due) {
                self.hand_over(holder);
            }
        }
    }

    /// The time before which `expire` has nothing to do.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        let nudges = self.peers.iter().filter_map(|peer| peer.nudge);
        let requests = self.requests.iter().map(|request| request.due);
        let claims = self.claims.iter().map(|claim| claim.due);
        let ticks = nudges.chain(requests).chain(claims).map(|due| due.0);
        ticks.min().map(|tick| tick * RESOLUTION_MS)
    }

    /// Who was asked, who asked, by id, and the message's id, of each request that waits for an answer.
    pub(super) fn open_requests(&self) -> Vec<(PeerKey, String, String)> {
        let ends = |request: &ModelRequest| {
            let requester = self.peer(request.requester).id.clone();
            (request.responder, requester, request.message_id.clone())
        };
        self.requests.iter().map(ends).collect()
    }

    pub(super) fn is_challenged(&self, key: PeerKey) -> bool {
        self.claims.iter().any(|claim| claim.holder == key)
    }

    /// What everybody was told since the last time, in words, debug messages apart; who was told to close is closing.
    pub(super) fn take_told(&mut self) -> Vec<(PeerKey, bool, String)> {
        let told = std::mem::take(&mut self.told);
        told.into_iter()
            .map(|(to, told)| {
                if matches!(&told, Told::Signal(words) if words.starts_with("close")) {
                    self.at(to).closing = true;
                }
                let is_debout = matches!(told, Told::Debout(..));
                (to, is_debout, self.put_in_words(to, &told))
            })
            .collect()
    }

    fn put_in_words(&self, to: PeerKey, told: &Told) -> String {
        match told {
            Told::Words(words) | Told::Signal(words) => words.clone(),
            Told::You(word, words) => format!("{word} {} {words}", self.peer(to).id),
            Told::Card(word, key) => format!("{word} {}", self.peer(*key).card()),
            Told::From(word, key, words) => format!("{word} {} {words}", self.peer(*key).id),
            Told::Listing(of, message_id) => {
                let mine = &self.peer(*of).linkage;
                let watches = |peer: &ModelPeer| {
                    let mut channels = peer.channels.iter();
                    channels.any(|name| **name == *self.rules.debout_channel)
                };
                let listed: Vec<&str> = self
                    .peers
                    .iter()
                    .filter(|peer| peer.key != *of && mine.is_some() && peer.linkage == *mine)
                    .filter(|peer| !watches(peer))
                    .map(|peer| peer.id.as_str())
                    .collect();
                format!("peers {message_id} {listed:?}")
            }
            Told::Debout(kind, about, shown) => {
                let shown = self.put_in_words(*about, shown);
                format!("{} {} {shown}", kind.name(), self.peer(*about).card())
            }
        }
    }

    fn initiate(
        &mut self,
        now: u64,
        key: PeerKey,
        initiation: &Initiation<'_>,
    ) -> Result<(), &'static str> {
        self.at(key).extended |= initiation.resume.is_some();
        let wishes = Wishes::of(initiation);
        let peer = self.at(key);
        let tags = with_tags(&peer.tags, &wishes.tags).len();
        let properties = bytes(&with_properties(&peer.properties, wishes.properties()));
        if tags > self.rules.tags_max {
            return Err("E_TOOMANYTAGS");
        }
        if properties > self.rules.properties_bytes_max {
            return Err("E_PROPERTIESTOOLARGE");
        }
        self.claims.retain(|claim| claim.claimant != key);
        let holder = wishes.id.as_deref().and_then(|id| self.holder(id));
        match holder.filter(|&holder| holder != key) {
            None => self.admit(key, wishes),
            Some(holder) => {
                let secret = self.at(holder).secret.clone();
                let proven = match &initiation.resume {
                    Some(Resume::Secret(shown)) => secret.as_deref() == Some(shown),
                    Some(Resume::Ask) | None => false,
                };
                if proven {
                    self.replace(holder, key, &wishes);
                    self.admit(key, wishes);
                } else {
                    let due = self.due_at(now + self.rules.probe_time_ms);
                    self.claims.push(ModelClaim {
                        claimant: key,
                        holder,
                        wishes,
                        due,
                    });
                    self.tell(holder, Told::Signal("ping".into()));
                }
            }
        }
        Ok(())
    }

    fn admit(&mut self, key: PeerKey, wishes: Wishes) {
        let secret = wishes.resumes.then(|| {
            let hex = self.ids.secret().to_hex();
            String::from_utf8_lossy(&hex).into_owned()
        });
        let peer = self.at(key);
        let renamed = wishes.id.as_ref().is_some_and(|id| *id != peer.id);
        let moved = peer
            .linkage
            .as_ref()
            .is_some_and(|linkage| *linkage != wishes.linkage);
        if renamed || moved {
            self.announce_former(key);
        }
        let (tags_max, properties_bytes_max) =
            (self.rules.tags_max, self.rules.properties_bytes_max);
        let peer = self.at(key);
        if let Some(id) = wishes.id {
            peer.id = id;
        }
        peer.stage = Stage::Joined;
        peer.linkage = Some(wishes.linkage);
        peer.hears = wishes.hears.unwrap_or(peer.hears);
        peer.shows = wishes.shows.unwrap_or(peer.shows);
        peer.user_id = wishes.user_id;
        peer.cluster = wishes.cluster;
        peer.start_time = wishes.start_time;
        // Both were checked when the initiation came; a claimant may have got more of them since.
        let tags = with_tags(&peer.tags, &wishes.tags);
        if tags.len() <= tags_max {
            peer.tags = tags;
        }
        let newer = wishes.properties.iter();
        let newer = newer.map(|(name, value)| (name.as_str(), value.as_str()));
        let properties = with_properties(&peer.properties, newer);
        if bytes(&properties) <= properties_bytes_max {
            peer.properties = properties;
        }
        if secret.is_some() {
            peer.secret.clone_from(&secret);
        }
        self.tell(key, Told::You("confirm", format!("{secret:?}")));
        self.announce(key, Told::Card("presence", key));
        // Who gives up an id leaves it to the first who claims it.
        let first = self.claims.iter().position(|claim| claim.holder == key);
        if let Some(place) = first.filter(|_| renamed) {
            let claim = self.claims.remove(place);
            self.answered(key);
            self.admit(claim.claimant, claim.wishes);
        }
    }

    /// The first who claims the id of a holder that is gone gets it; the others are turned away.
    fn hand_over(&mut self, holder: PeerKey) {
        let first = self.claims.iter().position(|claim| claim.holder == holder);
        if let Some(place) = first {
            let claim = self.claims.remove(place);
            self.replace(holder, claim.claimant, &claim.wishes);
            self.admit(claim.claimant, claim.wishes);
        }
    }

    fn replace(&mut self, holder: PeerKey, successor: PeerKey, wishes: &Wishes) {
        let shows = wishes.shows.unwrap_or(self.at(successor).shows);
        if !shows || self.at(holder).linkage.as_deref() != Some(&wishes.linkage) {
            self.announce_former(holder);
        }
        self.answered(holder);
        self.claims.retain(|claim| claim.claimant != holder);
        self.detach(holder);
        self.at(holder).stage = Stage::Replaced;
        self.tell(holder, Told::Signal("close 4410".into()));
    }

    fn detach(&mut self, key: PeerKey) {
        self.at(key).linkage = None;
        self.at(key).channels.clear();
        self.requests.retain(|request| request.requester != key);
        let unanswered: Vec<ModelRequest> = self
            .requests
            .extract_if(.., |request| request.responder == key)
            .collect();
        for request in unanswered {
            self.fail(&request, "E_PEERLEFT");
        }
    }

    fn request(
        &mut self,
        now: u64,
        from: PeerKey,
        to: &Targets<'_>,
        message: &Routed<'_>,
        timeout_ms: Option<u64>,
    ) {
        let message_id = match &message.message_id {
            Some(id) => id.to_string(),
            None => format!("\"{}\"", self.ids.id().as_str()),
        };
        let told = Routed {
            message_id: Some(message_id.as_str().into()),
            ..message.clone()
        };
        let told = Told::From("request", from, words(&told));
        let timeout_ms = timeout_ms.unwrap_or(self.rules.request_timeout_ms);
        let timeout_ms = timeout_ms.clamp(1, self.rules.request_timeout_max_ms);
        let mut asked = BTreeSet::new();
        for id in to.ids().filter(|id| asked.insert(id.to_string())) {
            let mine = self
                .requests
                .iter()
                .filter(|request| request.requester == from);
            let failure = if mine.count() >= self.rules.pending_requests_max {
                Some("E_TOOMANYREQUESTS")
            } else if self.reachable(from, id).is_none() {
                Some("E_PEERUNKNOWN")
            } else {
                None
            };
            if let Some(code) = failure {
                let words = format!("failed {message_id} {:?} {id} {code}", message.name);
                self.tell(from, Told::Words(words));
                continue;
            }
            let responder = self.reachable(from, id).expect("just found");
            let due = self.due_at(now + timeout_ms);
            self.requests.push(ModelRequest {
                requester: from,
                responder,
                asked: id.to_owned(),
                message_id: message_id.clone(),
                name: message.name.map(str::to_owned),
                due,
            });
            self.tell(responder, told.clone());
        }
    }

    fn respond(
        &mut self,
        from: PeerKey,
        to: &str,
        message: &Routed<'_>,
    ) -> Result<(), &'static str> {
        let requester = self.holder(to).ok_or("E_NOREQUEST")?;
        let open = self.requests.iter().position(|request| {
            request.requester == requester
                && request.responder == from
                && Some(request.message_id.as_str()) == message.message_id.as_deref()
        });
        self.requests.remove(open.ok_or("E_NOREQUEST")?);
        self.tell(requester, Told::From("response", from, words(message)));
        Ok(())
    }

    fn fail(&mut self, request: &ModelRequest, code: &str) {
        let words = format!(
            "failed {} {:?} {} {code}",
            request.message_id,
            request.name.as_deref(),
            request.asked,
        );
        self.tell(request.requester, Told::Words(words));
    }

    /// Tells those of the peer's linkage that want to hear, if it wants to be heard of.
    fn announce(&mut self, key: PeerKey, told: Told) {
        let about = self.peer(key);
        if about.linkage.is_none() || !about.shows {
            return;
        }
        let related: Vec<PeerKey> = self
            .peers
            .iter()
            .filter(|peer| peer.key != key && peer.hears && peer.linkage == about.linkage)
            .map(|peer| peer.key)
            .collect();
        for other in related {
            self.tell(other, told.clone());
        }
    }

    /// Tells them that the peer has left under the name that it has now.
    fn announce_former(&mut self, key: PeerKey) {
        let words = format!("leave {}", self.peer(key).card());
        self.announce(key, Told::Words(words));
    }

    fn tell(&mut self, to: PeerKey, told: Told) {
        if !matches!(told, Told::Signal(_)) {
            self.debout(DeboutKind::HubToClient, to, told.clone());
        }
        self.told.push((to, told));
    }

    fn debout(&mut self, kind: DeboutKind, about: PeerKey, shown: Told) {
        if !self.rules.debout {
            return;
        }
        let cluster = self.peer(about).cluster.clone();
        for watcher in self.subscribers(&self.rules.debout_channel) {
            let peer = self.peer(watcher);
            if peer.selection.wants(kind) && (cluster.is_none() || peer.cluster == cluster) {
                let told = Told::Debout(kind, about, Box::new(shown.clone()));
                self.told.push((watcher, told));
            }
        }
    }

    fn subscribers(&self, channel: &str) -> Vec<PeerKey> {
        let subscribed = |peer: &&ModelPeer| peer.channels.iter().any(|name| name == channel);
        self.peers
            .iter()
            .filter(subscribed)
            .map(|peer| peer.key)
            .collect()
    }

    /// Who has this id.
    fn holder(&self, id: &str) -> Option<PeerKey> {
        self.peers
            .iter()
            .filter(|peer| matches!(peer.stage, Stage::Connected | Stage::Joined))
            .find(|peer| peer.id == id)
            .map(|peer| peer.key)
    }

    fn reachable(&self, from: PeerKey, id: &str) -> Option<PeerKey> {
        self.holder(id).filter(|&to| self.reaches(from, to))
    }

    fn reaches(&self, from: PeerKey, to: PeerKey) -> bool {
        let (from, to) = (&self.peer(from).linkage, &self.peer(to).linkage);
        self.rules.scope == Scope::Hub || from.is_some() && from == to
    }

    fn due_at(&mut self, at: u64) -> Due {
        self.armed_count += 1;
        (at.div_ceil(RESOLUTION_MS), self.armed_count)
    }

    pub(super) fn peer(&self, key: PeerKey) -> &ModelPeer {
        let found = self.peers.iter().find(|peer| peer.key == key);
        found.expect("a peer is remembered until it is forgotten")
    }

    fn at(&mut self, key: PeerKey) -> &mut ModelPeer {
        let found = self.peers.iter_mut().find(|peer| peer.key == key);
        found.expect("a peer is remembered until it is forgotten")
    }
}

/// The hub's deadlines are kept this coarsely, ms.
const RESOLUTION_MS: u64 = 8;
