//! The mesh as its always-on member sees it (steps 5 to 7 of the message path for net-peer).
//!
//! Owns who is connected, who of them is a member under which name, what is known of the state, and who waits for it.
//! Pure: the time is lent, lines go into the mail. All deadlines of one kind are the same time away, so each kind is a
//! list in the order of its deadlines and the next one is its head. Source: `PROTOCOLS.md` section 4; the reasons are in
//! `mod.rs`.

use super::inbound::{self, Inbound, Presentation};
use super::outbound::{self, HostLine};
use crate::config::{Config, Limits};
use crate::dialect::{Arrival, Lent, Mail};
use crate::hub::Millis;
use crate::hub::command::PeerFault;
use crate::index::{Arena, ConnKey, HostKey, Key, Linked, Links, List, Names};
use std::hash::RandomState;
use std::net::SocketAddr;

/// The mesh as its always-on member sees it.
#[derive(Debug)]
pub struct Mesh {
    /// The hub's own name.
    name: Box<str>,
    /// The port that the hub announces; none announces the one that was dialled.
    port: Option<u16>,
    limits: Limits,
    members_max: usize,
    presentation_time_ms: Millis,
    state_time_ms: Millis,
    /// The state as it was told last, as JSON text without a line break.
    state: Box<str>,
    /// Whether a newly seen state shall survive a restart.
    keeps_state: bool,
    hosts: Arena<HostKey, Host>,
    /// Member's name → member.
    names: Names<HostKey>,
    /// Those who have not presented themselves, in the order in which they came.
    silent: List<InRoll, HostKey>,
    /// The members, in the order of their presentations.
    members: List<InRoll, HostKey>,
    /// Members that wait to be told about the network, in the order of their presentations.
    waiting: List<InWaiting, HostKey>,
    /// Members that may be asked for the state: those who do not wait for it themselves, and owe no answer that was due.
    askable: List<InAskable, HostKey>,
    question: Option<Question>,
    /// Number of the latest presentation.
    presented: u64,
    /// Who waits and has no higher number than this waits for no state any more.
    released: u64,
    /// Messages of applications that have come since the start.
    messages: u64,
}

/// How many there are of what, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeshStatus {
    /// Members.
    pub members: usize,
    /// Messages of applications that have come since the start.
    pub messages: u64,
}

/// One connection.
#[derive(Debug)]
struct Host {
    conn: ConnKey,
    remote: SocketAddr,
    /// The port that it has dialled.
    dialled_port: u16,
    /// When it came; of a member, when it presented itself.
    since: Millis,
    stage: Stage,
    roll: Links<HostKey>,
    waiting: Links<HostKey>,
    askable: Links<HostKey>,
}

#[derive(Debug)]
enum Stage {
    /// It has not said who it is.
    Silent,
    Member {
        name: Box<str>,
        main_port: u16,
        /// Number of its presentation.
        number: u64,
    },
    /// Its connection is ending.
    Over,
}

/// What the hub has asked a member.
#[derive(Clone, Copy, Debug)]
struct Question {
    to: HostKey,
    deadline: Millis,
}

/// Names the link field for `silent` and `members`.
#[derive(Debug)]
struct InRoll;
/// Names the link field for `waiting`.
#[derive(Debug)]
struct InWaiting;
/// Names the link field for `askable`.
#[derive(Debug)]
struct InAskable;

impl Mesh {
    /// Bytes of answers after which the others must wait for the next tick: the state may be large, and those who wait
    /// for it many.
    const ANSWER_BYTES: usize = 1 << 20;
    /// Connections that are ended in one tick for their silence.
    const SILENT_BATCH: usize = 1_000;

    /// A mesh with nobody in it but the hub. `hasher` keys the names.
    pub fn new(config: &Config, hasher: RandomState) -> Mesh {
        let settings = &config.netpeer;
        Mesh {
            name: settings.name.as_str().into(),
            port: u16::try_from(settings.port).ok().filter(|&port| port > 0),
            limits: config.limits.clone(),
            members_max: settings.members,
            presentation_time_ms: config.handshake_timeout_ms,
            state_time_ms: settings.state_time_ms,
            state: one_line(settings.state.as_deref().unwrap_or("{}")),
            keeps_state: settings.state_file.is_some(),
            hosts: Arena::new(),
            names: Names::new(hasher),
            silent: List::new(),
            members: List::new(),
            waiting: List::new(),
            askable: List::new(),
            question: None,
            presented: 0,
            released: 0,
            messages: 0,
        }
    }

    /// A connection comes in. Who it is it must say within the handshake timeout.
    pub fn join(&mut self, arrival: Arrival<'_>, lent: Lent<'_>) -> Option<HostKey> {
        let key = self.hosts.insert(Host {
            conn: arrival.conn,
            remote: arrival.remote,
            dialled_port: arrival.local_port,
            since: lent.now,
            stage: Stage::Silent,
            roll: Links::default(),
            waiting: Links::default(),
            askable: Links::default(),
        });
        self.silent.push_back(&mut self.hosts, key);
        Some(key)
    }

    /// A host has sent a line. A fault is its own; it is told of those that end its connection, since the dialect has no
    /// words for others. O(bytes), and O(members) if it is told of them.
    pub fn hear(&mut self, host: HostKey, text: &str, mut lent: Lent<'_>) -> Result<(), PeerFault> {
        let said = inbound::read(text, &self.limits)?;
        if let Inbound::Presentation(presentation) = said {
            return match presentation
                .and_then(|presentation| self.present(host, presentation, &mut lent))
            {
                Ok(()) => Ok(()),
                Err(fault) => {
                    self.turn_away(host, &fault.text, &mut lent);
                    Err(fault)
                }
            };
        }
        if let Inbound::Closed = said {
            self.retire(host, &mut lent);
            lent.mail.close(self.hosts[host].conn, None, "");
            return Ok(());
        }
        let Stage::Member { name, .. } = &self.hosts[host].stage else {
            let text = "a peer must present itself before it says anything else";
            return Err(PeerFault::new("E_NOTPRESENTED", text));
        };
        match said {
            Inbound::Information { state } => self.learn(host, state, &mut lent),
            Inbound::InformationRequest => {
                self.inform(host, u64::MAX, lent.mail);
            }
            Inbound::Application {
                kind,
                content_bytes,
            } => {
                self.messages += 1;
                lent.mail.remark(format_args!(
                    "net-peer: {name:?} says {kind:?}, {content_bytes} bytes"
                ));
            }
            Inbound::Presentation(_) | Inbound::Closed => unreachable!("they were met above"),
        }
        Ok(())
    }

    /// Tells a connection that is no host why it will not be one.
    pub fn refuse(&self, conn: ConnKey, why: &str, lent: Lent<'_>) {
        lent.mail
            .tell(conn, |out| outbound::closed(&self.name, why, out));
    }

    /// A line of a host is longer than any may be, or has not come in time: it is told, and heard no more.
    pub fn overrun(&mut self, host: HostKey, fault: &PeerFault, mut lent: Lent<'_>) {
        self.turn_away(host, &fault.text, &mut lent);
    }

    /// A host's connection is ending.
    pub fn depart(&mut self, host: HostKey, mut lent: Lent<'_>) {
        self.retire(host, &mut lent);
        self.hosts.remove(host);
    }

    /// Ends connections that stay silent, gives up on a member that does not answer, and answers those who have waited
    /// long enough. What is too much for one tick is left for the next.
    pub fn expire(&mut self, mut lent: Lent<'_>) {
        for _ in 0..Self::SILENT_BATCH {
            let first = self.silent.head();
            if first.is_none() || self.hosts[first].since + self.presentation_time_ms > lent.now {
                break;
            }
            self.turn_away(first, "No presentation has come in time.", &mut lent);
        }
        if let Some(question) = self.question
            && question.deadline <= lent.now
        {
            self.askable.remove(&mut self.hosts, question.to);
            self.question = None;
            if let Stage::Member { name, .. } = &self.hosts[question.to].stage {
                lent.mail.remark(format_args!(
                    "net-peer: {name:?} does not tell the state, and is not asked again before it has"
                ));
            }
        }
        self.answer(&mut lent);
        self.ask(&mut lent);
    }

    /// When `expire` has something to do next; never late.
    pub fn next_deadline(&self) -> Option<Millis> {
        let silent = self.hosts.get(self.silent.head());
        let silent = silent.map(|host| host.since + self.presentation_time_ms);
        let waiting = self.hosts.get(self.waiting.head());
        let waiting = waiting.map(|host| match host.number() <= self.released {
            true => 0,
            false => host.since + self.state_time_ms,
        });
        let question = self.question.map(|question| question.deadline);
        [silent, waiting, question].into_iter().flatten().min()
    }

    /// How many connections there are, members or not.
    pub fn member_count(&self) -> usize {
        self.hosts.len()
    }

    /// How many there are of what.
    pub fn status(&self) -> MeshStatus {
        MeshStatus {
            members: self.members.len(),
            messages: self.messages,
        }
    }

    /// Panics if something contradicts itself or exceeds a bound. For tests; O(everything).
    pub fn check(&self) {
        let over = self
            .hosts
            .iter()
            .filter(|(_, host)| matches!(host.stage, Stage::Over));
        assert_eq!(
            self.hosts.len(),
            self.silent.len() + self.members.len() + over.count()
        );
        assert!(self.members.len() <= self.members_max);
        assert_eq!(self.names.len(), self.members.len());
        let mut number_before = 0;
        for key in self.members.iter(&self.hosts) {
            let host = &self.hosts[key];
            assert!(
                host.number() > number_before,
                "in the order of presentation"
            );
            number_before = host.number();
            assert_eq!(self.find(host.name()), Some(key));
            assert!(*self.name != *host.name());
            assert!(!(host.waiting.is_linked() && host.askable.is_linked()));
        }
        assert!(number_before <= self.presented && self.released <= self.presented);
        let of_members =
            |key: HostKey| self.hosts[key].roll.is_linked() && self.hosts[key].number() > 0;
        assert!(self.waiting.iter(&self.hosts).all(of_members));
        assert!(self.askable.iter(&self.hosts).all(of_members));
        match self.question {
            Some(question) => assert!(self.hosts[question.to].askable.is_linked()),
            None => assert!(
                !self.somebody_needs_state(),
                "who waits, waits for an answer"
            ),
        }
        assert!(!self.state.contains('\n'), "the state is on one line");
    }

    /// Takes a presentation. An error turns the peer away.
    fn present(
        &mut self,
        key: HostKey,
        presentation: Presentation<'_>,
        lent: &mut Lent<'_>,
    ) -> Result<(), PeerFault> {
        let Presentation {
            name,
            main_port,
            needs_information,
        } = presentation;
        match &self.hosts[key].stage {
            Stage::Silent => {}
            Stage::Over => return Ok(()),
            // Who has dialled the hub by a name of its host takes it for a stranger and presents itself back.
            Stage::Member { name: known, .. } if **known == *name => return Ok(()),
            Stage::Member { .. } => {
                let text = "A connection belongs to one peer: it cannot present another one.";
                return Err(PeerFault::new("E_OTHERNAME", text));
            }
        }
        if *name == *self.name || self.find(&name).is_some() {
            // The sentence of the original, which applications may look for.
            return Err(PeerFault::new(
                "E_NAMETAKEN",
                "Nickname is already being used.",
            ));
        }
        if self.members.len() >= self.members_max {
            let text = format!(
                "The network is full: it may have {} members.",
                self.members_max
            );
            return Err(PeerFault::new("E_FULL", text));
        }
        self.silent.remove(&mut self.hosts, key);
        self.members.push_back(&mut self.hosts, key);
        self.names.insert(&name, key, |key| self.hosts[key].name());
        self.presented += 1;
        let host = &mut self.hosts[key];
        lent.mail.remark(format_args!(
            "net-peer: {name:?} has come from {}, listening on {main_port}",
            host.remote
        ));
        host.since = lent.now;
        host.stage = Stage::Member {
            name: name.into(),
            main_port,
            number: self.presented,
        };
        let port = self.port.unwrap_or(host.dialled_port);
        lent.mail.tell(host.conn, |out| {
            outbound::presentation(&self.name, port, out);
        });
        if needs_information {
            self.waiting.push_back(&mut self.hosts, key);
            self.ask(lent);
        } else {
            self.askable.push_back(&mut self.hosts, key);
        }
        Ok(())
    }

    /// A member tells the state, or that it has none.
    fn learn(&mut self, from: HostKey, state: Option<&str>, lent: &mut Lent<'_>) {
        if let Some(state) = state
            && *state != *self.state
        {
            self.state = state.into();
            if self.keeps_state {
                lent.mail.keep(state);
            }
        }
        let host = &self.hosts[from];
        if !host.waiting.is_linked() && !host.askable.is_linked() {
            self.askable.push_back(&mut self.hosts, from);
        }
        if self.question.is_some_and(|question| question.to == from) {
            self.question = None;
            self.released = self.presented;
            self.answer(lent);
        }
    }

    /// Sees to it that somebody has been asked for the state, if somebody needs it; with nobody to ask, what is known must
    /// do.
    fn ask(&mut self, lent: &mut Lent<'_>) {
        if self.question.is_some() || !self.somebody_needs_state() {
            return;
        }
        let to = self.askable.head();
        if to.is_none() || self.state_time_ms == 0 {
            self.released = self.presented;
            return self.answer(lent);
        }
        lent.mail.tell(self.hosts[to].conn, |out| {
            outbound::information_request(&self.name, out);
        });
        self.question = Some(Question {
            to,
            deadline: lent.now + self.state_time_ms,
        });
    }

    /// Whether somebody waits who has not been given up on.
    fn somebody_needs_state(&self) -> bool {
        let last = self.hosts.get(self.waiting.tail());
        last.is_some_and(|host| host.number() > self.released)
    }

    /// Tells those who need wait no longer about the network, as many as one tick allows.
    fn answer(&mut self, lent: &mut Lent<'_>) {
        let mut bytes = 0;
        while bytes < Self::ANSWER_BYTES {
            let Some(host) = self.hosts.get(self.waiting.head()) else {
                return;
            };
            let number = host.number();
            if number > self.released && host.since + self.state_time_ms > lent.now {
                return;
            }
            let key = self.waiting.head();
            self.waiting.remove(&mut self.hosts, key);
            self.askable.push_back(&mut self.hosts, key);
            bytes += self.inform(key, number, lent.mail);
        }
    }

    /// Tells a member about the network: the state, and the other members that presented themselves before that number. How
    /// many bytes that took. O(members).
    fn inform(&self, key: HostKey, before: u64, mail: &mut Mail) -> usize {
        let others = self.members.iter(&self.hosts).filter(|&other| other != key);
        let lines = others
            .map(|other| &self.hosts[other])
            .take_while(|host| host.number() < before)
            .filter_map(Host::line);
        let mut bytes = 0;
        mail.tell(self.hosts[key].conn, |out| {
            let begin = out.len();
            outbound::information(&self.name, lines, &self.state, out);
            bytes = out.len() - begin;
        });
        bytes
    }

    /// Tells a host why it cannot stay, and ends its connection.
    fn turn_away(&mut self, key: HostKey, message: &str, lent: &mut Lent<'_>) {
        let conn = self.hosts[key].conn;
        lent.mail
            .tell(conn, |out| outbound::closed(&self.name, message, out));
        lent.mail.close(conn, None, "");
        self.retire(key, lent);
    }

    /// Forgets a host, but for its record, which stays until its connection has ended. Whom it should have told the state
    /// somebody else must tell it.
    fn retire(&mut self, key: HostKey, lent: &mut Lent<'_>) {
        let host = &mut self.hosts[key];
        match std::mem::replace(&mut host.stage, Stage::Over) {
            Stage::Over => {}
            Stage::Silent => self.silent.remove(&mut self.hosts, key),
            Stage::Member { name, .. } => {
                lent.mail
                    .remark(format_args!("net-peer: {name:?} has gone"));
                let (waits, may_be_asked) = (host.waiting.is_linked(), host.askable.is_linked());
                self.names.remove(&name, key);
                self.members.remove(&mut self.hosts, key);
                if waits {
                    self.waiting.remove(&mut self.hosts, key);
                }
                if may_be_asked {
                    self.askable.remove(&mut self.hosts, key);
                }
                if self.question.is_some_and(|question| question.to == key) {
                    self.question = None;
                    self.ask(lent);
                }
            }
        }
    }

    fn find(&self, name: &str) -> Option<HostKey> {
        self.names.find(name, |key| self.hosts[key].name())
    }
}

impl Host {
    /// Its name; of a host that is no member, none.
    fn name(&self) -> &str {
        match &self.stage {
            Stage::Member { name, .. } => name,
            Stage::Silent | Stage::Over => "",
        }
    }

    /// The number of its presentation, from 1; 0 of a host that is no member.
    fn number(&self) -> u64 {
        match self.stage {
            Stage::Member { number, .. } => number,
            Stage::Silent | Stage::Over => 0,
        }
    }

    /// How newcomers are told of it, if it is a member.
    fn line(&self) -> Option<HostLine<'_>> {
        match &self.stage {
            Stage::Member {
                name, main_port, ..
            } => Some(HostLine {
                name,
                remote: self.remote,
                main_port: *main_port,
            }),
            Stage::Silent | Stage::Over => None,
        }
    }
}

impl Linked<InRoll, HostKey> for Host {
    fn links(&self) -> &Links<HostKey> {
        &self.roll
    }

    fn links_mut(&mut self) -> &mut Links<HostKey> {
        &mut self.roll
    }
}

impl Linked<InWaiting, HostKey> for Host {
    fn links(&self) -> &Links<HostKey> {
        &self.waiting
    }

    fn links_mut(&mut self) -> &mut Links<HostKey> {
        &mut self.waiting
    }
}

impl Linked<InAskable, HostKey> for Host {
    fn links(&self) -> &Links<HostKey> {
        &self.askable
    }

    fn links_mut(&mut self) -> &mut Links<HostKey> {
        &mut self.askable
    }
}

/// JSON text on one line. In JSON a line break stands only between tokens, where a blank says the same.
fn one_line(json: &str) -> Box<str> {
    json.trim().replace(['\n', '\r'], " ").into()
}
