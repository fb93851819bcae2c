//! What clients do: sense, nonsense and malice, by weight.

use super::client::{Client, Initiation, Mark, NEVER};
use super::guests::NAMES;
use super::passes;
use super::world::{Aim, Asked, DEBOUT, Said, World};
use peerhub::config::Scope;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The bounds that a simulated hub has, small enough to be met.
pub(crate) const TAGS_MAX: usize = 4;
pub(crate) const PROPERTIES_BYTES_MAX: usize = 120;
pub(crate) const CHANNELS_MAX: usize = 4;
pub(crate) const MESSAGE_BYTES_MAX: usize = 40_000;
pub(crate) const JSON_DEPTH_MAX: usize = 8;
/// The time that an answer has if the request says nothing else, ms.
pub(crate) const REQUEST_MS: u64 = 3_000;

impl World {
    /// One client does one thing.
    pub(crate) fn act(&mut self) {
        self.moment += 1;
        let able: Vec<usize> = (0..self.clients.len())
            .filter(|&number| self.clients[number].is_in() && !self.clients[number].mute)
            .collect();
        let Some(number) = self.pick(&able) else {
            return;
        };
        match self.dice.below(1000) {
            0..150 => self.initiate(number),
            150..300 => self.change_self(number),
            300..400 => self.subscribe(number),
            400..600 => self.say_something(number),
            600..700 => self.ask(number),
            700..760 => self.answer(number),
            760..800 => self.misbehave(number),
            800..815 => {
                for _ in 0..30 {
                    self.say_something(number);
                }
            }
            815..840 => self.end(number),
            840..845 => {
                self.doubt(number);
                self.clients[number].peer.reads = false;
            }
            845..850 => {
                self.doubt(number);
                self.clients[number].peer.answers_pings = false;
            }
            850..860 => self.clients[number].peer.wire().interrupt(),
            860..870 => {
                self.clients[number].peer.send_frame(0x89, b"p");
            }
            870..885 if self.debout => self.watch(number),
            885..900 => self.flood(number),
            900..904 => self.storm(),
            904..970 if self.tokens.are_on() => self.authenticate(number),
            _ => {}
        }
    }

    /// A client says goodbye, or does not.
    pub(crate) fn end(&mut self, number: usize) {
        self.doubt(number);
        let client = &mut self.clients[number];
        client.mute = true;
        match self.dice.below(4) {
            0 => {
                client.peer.say(r#"{"type":"leave"}"#);
            }
            1 => {
                client.peer.send_frame(0x88, &1001_u16.to_be_bytes());
            }
            2 => client.peer.wire().end(),
            _ => client.peer.wire().reset(),
        }
    }

    pub(crate) fn doubt(&mut self, number: usize) {
        let moment = self.moment;
        self.clients[number].doubt(moment);
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        match from.len() {
            0 => None,
            count => Some(from[self.dice.below(count as u64) as usize]),
        }
    }

    fn initiate(&mut self, number: usize) {
        let client = &self.clients[number];
        if client.pending.is_some() || client.showing.is_some() {
            return;
        }
        let joined = self.clients[number].joined != NEVER;
        if joined && self.dice.chance(60) {
            return;
        }
        let own = self.clients[number].id().to_owned();
        let mut resume = self.dice.chance(40).then(|| "true".to_owned());
        let id = match self.dice.below(100) {
            0..40 => Some(own.clone()),
            40..60 => None,
            // What others are called in other dialects is free here.
            60..65 => Some(self.some_name()),
            65..75 => Some(format!("own-{number}-{}", self.moment)),
            75..90 => {
                let known: Vec<usize> = (0..self.clients.len()).collect();
                let victim = self.pick(&known).expect("somebody is there");
                Some(self.clients[victim].id().to_owned()).filter(|id| !id.is_empty())
            }
            _ => {
                let places: Vec<usize> = (0..self.secrets.len()).collect();
                self.pick(&places).map(|place| {
                    let (id, secret) = self.secrets[place].clone();
                    resume = Some(format!("\"{secret}\""));
                    id
                })
            }
        };
        let client = &self.clients[number];
        let linkage = match (joined, self.scope) {
            (true, Scope::Linkage) => client.linkage.clone(),
            (true, Scope::Hub) if self.dice.chance(60) => client.linkage.clone(),
            _ => format!("room{}", self.dice.below(3)),
        };
        let tags = self.some_tags(2);
        let properties = self.some_properties();
        let client = &self.clients[number];
        if client.tags_with(&tags).len() > TAGS_MAX
            || bytes(&client.properties_with(&properties)) > PROPERTIES_BYTES_MAX
        {
            return;
        }
        let mut initiation = Initiation {
            id,
            linkage,
            tags,
            properties,
            hears: self.dice.chance(90),
            shows: self.dice.chance(88),
            start_time: self.dice.chance(50).then(|| self.dice.below(1 << 40)),
            resume,
        };
        let text = initiation_text(&initiation);
        let client = &mut self.clients[number];
        client.extended |= initiation.resume.is_some();
        if let Some(pass) = &client.pass {
            let fixed = pass.id.clone();
            let is_foreign = fixed.is_some()
                && (initiation.id.as_ref())
                    .is_some_and(|id| fixed.as_ref() != Some(id) && *id != own);
            if is_foreign || !pass.allows_linkage(&initiation.linkage) {
                client.peer.say(&text);
                return self.expect_fault(number, "E_FORBIDDEN");
            }
            initiation.id = fixed.or(initiation.id);
        }
        if !initiation.shows {
            self.veiled
                .insert(initiation.id.clone().unwrap_or_else(|| own.clone()));
        }
        self.note_claims(number, &own, &initiation);
        let client = &mut self.clients[number];
        if initiation.id.as_ref().is_some_and(|id| *id != own)
            && let Some((_, until, _)) = client.ids.last_mut()
        {
            *until = self.moment;
        }
        client.pending = Some(initiation);
        client.peer.say(&text);
    }

    /// Notes who is in doubt from now on because this one wants an id.
    fn note_claims(&mut self, claimant: usize, own: &str, initiation: &Initiation) {
        let Some(id) = initiation.id.as_ref().filter(|id| *id != own) else {
            return;
        };
        let shows_secret = initiation
            .resume
            .as_ref()
            .is_some_and(|text| text != "true");
        let moment = self.moment;
        let is_fixed = |client: &Client| {
            let fixed = client.pass.as_ref().and_then(|pass| pass.id.as_ref());
            fixed == Some(id)
        };
        let is_its_own = is_fixed(&self.clients[claimant]);
        for holder in 0..self.clients.len() {
            let client = &mut self.clients[holder];
            let wants = client
                .pending
                .as_ref()
                .is_some_and(|pending| pending.id.as_ref() == Some(id));
            let has = client.ids.iter().any(|(_, _, had)| had == id);
            if holder == claimant || !client.peer.is_open() || !(wants || has) {
                continue;
            }
            if wants || shows_secret || is_its_own && !is_fixed(client) {
                client.doubt(moment);
            } else if client.had(id, moment, moment + 1) {
                self.idle_claims
                    .push((claimant, holder, id.clone(), moment));
            }
            self.doubt(claimant);
        }
    }

    fn change_self(&mut self, number: usize) {
        if self.clients[number].pending.is_some() {
            return;
        }
        let text = match self.dice.below(10) {
            0..4 => {
                let tags = self.some_tags(3);
                let client = &mut self.clients[number];
                let after = client.tags_with(&tags);
                if after.len() <= TAGS_MAX {
                    client.tags = after;
                } else {
                    self.expect_fault(number, "E_TOOMANYTAGS");
                }
                format!(r#"{{"type":"addTag","content":{}}}"#, list(&tags))
            }
            4..7 => {
                let tags = self.some_tags(3);
                self.clients[number].tags.retain(|tag| !tags.contains(tag));
                format!(r#"{{"type":"removeTag","content":{}}}"#, list(&tags))
            }
            _ => {
                let properties = self.some_properties();
                let client = &mut self.clients[number];
                let after = client.properties_with(&properties);
                if bytes(&after) <= PROPERTIES_BYTES_MAX {
                    client.properties = after;
                } else {
                    self.expect_fault(number, "E_PROPERTIESTOOLARGE");
                }
                format!(
                    r#"{{"type":"setProperties","content":{}}}"#,
                    object(&properties)
                )
            }
        };
        self.clients[number].peer.say(&text);
    }

    fn subscribe(&mut self, number: usize) {
        let count = 1 + self.dice.below(3);
        let channels: Vec<String> = (0..count)
            .map(|_| format!("c{}", self.dice.below(6)))
            .collect();
        let on = self.dice.chance(70);
        self.change_subscriptions(number, on, &channels);
    }

    fn change_subscriptions(&mut self, number: usize, on: bool, channels: &[String]) {
        if self.clients[number].showing.is_some() {
            return;
        }
        let kind = if on { "subscribe" } else { "unsubscribe" };
        let text = format!(
            r#"{{"type":"{kind}","content":{{"channels":{}}}}}"#,
            list(channels)
        );
        let end = self.clients[number].peer.say(&text);
        let all = |pass: &passes::Pass| channels.iter().all(|name| pass.allows_subscribing(name));
        if on && !self.clients[number].may(all) {
            return self.expect_fault(number, "E_FORBIDDEN");
        }
        for channel in channels {
            let client = &mut self.clients[number];
            if on && client.channels.len() >= CHANNELS_MAX && !client.channels.contains(channel) {
                self.expect_fault(number, "E_TOOMANYCHANNELS");
                return;
            }
            let changed = match on {
                true => client.channels.insert(channel.clone()),
                false => client.channels.remove(channel),
            };
            if changed {
                let place = client.subscriptions.len();
                client
                    .subscriptions
                    .push((channel.clone(), on, self.moment, NEVER));
                client.marks.push_back((end, Mark::Subscription(place)));
            }
        }
    }

    fn watch(&mut self, number: usize) {
        let kinds = [
            "client2hub",
            "hub2client",
            "connected",
            "terminate",
            "clientdebout",
        ];
        if self.clients[number].showing.is_some() {
            return;
        }
        let on = self.dice.chance(60);
        if on {
            let ids = self.clients[number].ids.clone();
            self.veiled.extend(ids.into_iter().map(|(_, _, id)| id));
        }
        self.change_subscriptions(number, on, &[DEBOUT.to_owned()]);
        let kind = kinds[self.dice.below(5) as usize];
        let text = format!(r#"{{"type":"deboutSelection","content":{{"{kind}":{on}}}}}"#);
        self.clients[number].peer.say(&text);
        if !self.clients[number].may(|pass| pass.debout) {
            self.expect_fault(number, "E_FORBIDDEN");
        }
    }

    /// Shows a fresh token, or what only looks like one. What it allows is not made use of before the hub has answered.
    fn authenticate(&mut self, number: usize) {
        let client = &self.clients[number];
        if client.pending.is_some() || client.showing.is_some() {
            return;
        }
        let (dice, wall) = (&mut self.dice, self.wall);
        let (shown, fault) = match &client.pass {
            None => (passes::of_another(dice, wall), Some("E_FORBIDDEN")),
            Some(pass) => match dice.below(10) {
                0 => (passes::forged(), Some("E_BADTOKEN")),
                1 => (passes::of_another(dice, wall), Some("E_FORBIDDEN")),
                _ => {
                    let shown = passes::fresh(dice, wall, pass);
                    let fresh = shown.pass.as_ref();
                    let is_in = client.joined != NEVER;
                    let stays =
                        !is_in || fresh.is_some_and(|it| it.allows_linkage(&client.linkage));
                    (shown, (!stays).then_some("E_FORBIDDEN"))
                }
            },
        };
        let text = format!(
            r#"{{"type":"authenticate","messageid":"show","content":{{"token":"{}"}}}}"#,
            shown.text
        );
        let client = &mut self.clients[number];
        client.extended = true;
        client.shown_at = self.moment;
        client.showing = Some((shown.pass, fault));
        client.peer.say(&text);
    }

    pub(crate) fn say_something(&mut self, number: usize) {
        let padding_bytes = match self.dice.below(60) {
            // More than a backlog copies: such a one is shared.
            0 => 20_000,
            1..4 => 1_500,
            4..7 => 400,
            _ => 0,
        };
        let to = match self.dice.chance(60) {
            true => Aim::Channel(format!("c{}", self.dice.below(6))),
            false => Aim::Ids(self.some_ids()),
        };
        self.say(number, to, padding_bytes);
    }

    /// Publishes or notifies.
    pub(crate) fn say(&mut self, number: usize, to: Aim, padding_bytes: usize) {
        let is_publication = matches!(to, Aim::Channel(_));
        if is_publication && self.clients[number].showing.is_some() {
            return;
        }
        let serial = self.next_serial();
        let padding = "x".repeat(padding_bytes);
        let text = match &to {
            Aim::Channel(channel) => format!(
                r#"{{"type":"publish","messageid":"p","content":{{"channel":"{channel}","message":{{"n":{serial},"x":"{padding}"}}}}}}"#
            ),
            Aim::Ids(ids) => {
                let peer = match &ids[..] {
                    [one] => format!("\"{one}\""),
                    many => list(many),
                };
                format!(
                    r#"{{"type":"notify","peer":{peer},"content":{{"n":{serial},"x":"{padding}"}}}}"#
                )
            }
        };
        let client = &mut self.clients[number];
        let certain = client.joined != NEVER && client.pending.is_none();
        let linkage = certain.then(|| client.linkage.clone());
        let end = match self.dice.below(20) {
            0 | 1 => client.peer.say_binary(text.as_bytes()),
            2 => client.peer.say_in_pieces(&text, 1 + text.len() / 4),
            _ => client.peer.say(&text),
        };
        if let Aim::Channel(channel) = &to
            && !client.may(|pass| pass.allows_publishing(channel))
        {
            return self.expect_fault(number, "E_FORBIDDEN");
        }
        client.marks.push_back((end, Mark::Said(serial)));
        let (sent, done) = (self.moment, NEVER);
        self.said.insert(
            serial,
            Said {
                from: number,
                to,
                linkage,
                sent,
                done,
            },
        );
    }

    fn ask(&mut self, number: usize) {
        let ids = self.some_ids();
        let timeout_ms = match self.dice.below(3) {
            0 => Some(self.dice.below(5000)),
            _ => None,
        };
        self.request(number, ids, timeout_ms, false);
    }

    /// Asks these; with `silence` nobody answers.
    pub(crate) fn request(
        &mut self,
        number: usize,
        ids: Vec<String>,
        timeout_ms: Option<u64>,
        silence: bool,
    ) {
        let serial = self.next_serial();
        let peer = match &ids[..] {
            [one] => format!("\"{one}\""),
            many => list(many),
        };
        let id = match self.dice.chance(80) {
            true => format!("\"r{serial}\""),
            false => serial.to_string(),
        };
        let timeout = timeout_ms.map_or(String::new(), |ms| format!(",\"timeout\":{ms}"));
        let text = format!(
            r#"{{"type":"request","messageid":{id},"peer":{peer}{timeout},"content":{{"n":{serial},"silence":{silence}}}}}"#
        );
        self.clients[number].peer.say(&text);
        let to: BTreeSet<String> = ids.into_iter().collect();
        let asked = Asked {
            from: number,
            to,
            arrived: BTreeSet::new(),
            ends: 0,
            due_ms: self.now_ms + timeout_ms.unwrap_or(REQUEST_MS),
        };
        self.requests.insert(id, asked);
    }

    /// Answers what it was asked, or what somebody else was, sometimes twice.
    fn answer(&mut self, number: usize) {
        let whose = match self.dice.chance(80) {
            true => number,
            false => self.dice.below(self.clients.len() as u64) as usize,
        };
        let inbox: Vec<usize> = (0..self.clients[whose].inbox.len()).collect();
        if let Some(place) = self.pick(&inbox) {
            let (id, requester) = self.clients[whose].inbox[place].clone();
            self.respond(number, &id, &requester);
            if whose == number && self.dice.chance(70) {
                self.clients[number].inbox.swap_remove(place);
            }
        }
    }

    fn misbehave(&mut self, number: usize) {
        let deep = "[".repeat(JSON_DEPTH_MAX + 1);
        let wrong: (&str, &str) = match self.dice.below(12) {
            0 => ("E_NOTJSON", "{\"type\":"),
            1 => ("E_NOTJSON", "[]"),
            2 => ("E_TOODEEP", &deep),
            3 => ("E_UNKNOWNTYPE", r#"{"type":"constructor"}"#),
            4 => ("E_BADCONTENT", r#"{"type":"notify","peer":{}}"#),
            5 => (
                "E_BADCONTENT",
                r#"{"type":"initiate","content":{"linkageKey":[]}}"#,
            ),
            6 => (
                "E_BADCONTENT",
                r#"{"type":"publish","content":{"channel":"c1"}}"#,
            ),
            7 => {
                self.expect_fault(number, "E_NOTUTF8");
                self.clients[number].peer.say_binary(&[0xff]);
                return;
            }
            8 => {
                self.doubt(number);
                let client = &mut self.clients[number];
                client.mute = true;
                client.peer.say(&"x".repeat(MESSAGE_BYTES_MAX + 1));
                return;
            }
            9 => {
                self.doubt(number);
                let count = self.dice.below(50);
                let garbage = self.dice.bytes(count);
                let client = &mut self.clients[number];
                client.mute = true;
                client.peer.wire().send(&garbage);
                return;
            }
            _ => return,
        };
        self.expect_fault(number, wrong.0);
        self.clients[number].peer.say(wrong.1);
    }

    fn expect_fault(&mut self, number: usize, code: &'static str) {
        let client = &mut self.clients[number];
        if client.extended {
            *client.faults_expected.entry(code).or_default() += 1;
        }
    }

    fn next_serial(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    pub(crate) fn some_ids(&mut self) -> Vec<String> {
        let count = match self.dice.chance(75) {
            true => 1,
            false => 2 + self.dice.below(3),
        };
        let mut ids = Vec::new();
        for _ in 0..count {
            let number = self.dice.below(self.clients.len() as u64) as usize;
            let id = self.clients[number].id();
            ids.push(if id.is_empty() || self.dice.chance(5) {
                self.some_name()
            } else {
                id.to_owned()
            });
        }
        ids
    }

    fn some_name(&mut self) -> String {
        NAMES[self.dice.below(NAMES.len() as u64) as usize].to_owned()
    }

    fn some_tags(&mut self, most: u64) -> Vec<String> {
        let count = self.dice.below(most + 1);
        (0..count)
            .map(|_| format!("t{}", self.dice.below(6)))
            .collect()
    }

    fn some_properties(&mut self) -> Vec<(String, String)> {
        let mut properties: Vec<(String, String)> = Vec::new();
        for _ in 0..self.dice.below(3) {
            let name = format!("p{}", self.dice.below(4));
            let value = match self.dice.below(4) {
                0 => "null".to_owned(),
                1 => "[1, {}]".to_owned(),
                2 => format!("\"{}\"", "v".repeat(self.dice.below(60) as usize)),
                _ => self.dice.below(1000).to_string(),
            };
            if properties.iter().all(|(known, _)| *known != name) {
                properties.push((name, value));
            }
        }
        properties
    }
}

fn initiation_text(initiation: &Initiation) -> String {
    let mut text = String::from(r#"{"type":"initiate","messageid":"i","content":{"#);
    if let Some(id) = &initiation.id {
        let _ = write!(text, "\"id\":\"{id}\",");
    }
    if let Some(resume) = &initiation.resume {
        let _ = write!(text, "\"resume\":{resume},");
    }
    if let Some(start_time) = initiation.start_time {
        let _ = write!(text, "\"startTime\":{start_time},");
    }
    let _ = write!(
        text,
        r#""userid":"","options":{{"peerInitiationReceiver":{},"peerInitiationSender":{}}},"tags":{},"properties":{},"linkageKey":"{}"}}}}"#,
        initiation.hears,
        initiation.shows,
        list(&initiation.tags),
        object(&initiation.properties),
        initiation.linkage
    );
    text
}

fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
    format!("[{}]", quoted.join(","))
}

fn object(properties: &[(String, String)]) -> String {
    let fields: Vec<String> = properties
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// What the hub counts: each name with its quotes, each value, and a byte at the end of each.
fn bytes(properties: &[(String, String)]) -> usize {
    properties
        .iter()
        .map(|(name, value)| name.len() + 2 + value.len() + 2)
        .sum()
}
