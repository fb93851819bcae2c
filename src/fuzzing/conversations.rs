//! Whole conversations on the real switchboard and its real ticks, over false sockets and a false clock: guests of every
//! dialect at once, who speak soundly or not, over a network that tears, holds back, stalls and resets.
//!
//! After every tick the full sweep runs. What the hub says is read strictly: every frame, line and answer must be one. And
//! two peers that behave must be served all along, as must a newcomer in the end; when all the others have gone, nothing of
//! them is left. Owns the guests and what befalls them; what they can say is in `phrases`.

use super::Tape;
use super::phrases::{FIELDS, HUB_NODE, Tribe};
use super::support::Dice;
use super::support::memory_socket::Wire;
use super::support::test_hub::TestHub;
use super::support::test_peer::{Heard, TestPeer, server_frame};
use crate::config::{Config, Scope};
use std::net::IpAddr;
use tungstenite::handshake::derive_accept_key;

/// Does what `data` says.
///
/// # Panics
/// If the hub contradicts itself, says what is no message, or does not serve those who behave.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut meeting = Meeting::new(&mut tape);
    while let Some(choice) = tape.next() {
        meeting.step(choice, &mut tape);
        meeting.tick(&mut tape);
        if meeting.is_draining {
            break;
        }
    }
    match meeting.is_draining {
        true => meeting.take_leave(),
        false => meeting.end(),
    }
}

struct Meeting {
    hub: TestHub,
    guests: Guests,
    is_draining: bool,
}

/// All that is around the hub.
#[derive(Default)]
struct Guests {
    guests: Vec<Guest>,
    /// Two that behave, in the end three, and the id of the second.
    probes: Vec<TestPeer>,
    probe_id: String,
    /// Names that somebody has been told.
    known: Vec<String>,
}

struct Guest {
    tribe: Tribe,
    ear: Ear,
    wire: Wire,
    /// What it has sent does not arrive by itself.
    is_held: bool,
}

/// How a guest takes what the hub says.
enum Ear {
    /// It came as one of its dialect should.
    Strict(TestPeer),
    /// Whatever comes is bytes. These are the first of them.
    Loose { begun: Vec<u8>, reads: bool },
    /// The hub has opened the connection and is its client. What has come of its request; nothing once it is answered.
    Dialled(Option<Vec<u8>>),
}

impl Meeting {
    fn new(tape: &mut Tape<'_>) -> Meeting {
        let choices = tape.byte();
        let has = |bit: u8| choices >> bit & 1 == 1;
        let mut config = Config {
            echo: true,
            debout: has(0),
            scope: if has(1) { Scope::Linkage } else { Scope::Hub },
            ping_interval_ms: [2_000, 10_000, 0][tape.below(3)],
            nudge_interval_ms: [0, 3_000][usize::from(has(2))],
            read_buffer_bytes: [1 << 10, 64, 16 << 10][tape.below(3)],
            request_timeout_ms: 3_000,
            request_timeout_max_ms: 8_000,
            probe_time_ms: 500,
            handshake_timeout_ms: 2_000,
            http_idle_timeout_ms: 2_000,
            close_timeout_ms: 1_000,
            ..Config::default()
        };
        if has(3) {
            config.trusted_proxies.push("10.0.0.0/8".to_owned());
        }
        if has(4) {
            config
                .allowed_origins
                .push("https://page.example".to_owned());
        }
        config.limits.connections = CONNECTIONS + usize::from(has(5));
        config.limits.connections_per_address = [0, 3][usize::from(has(6))];
        config.limits.message_bytes = [2_000, 300][usize::from(has(7))];
        config.limits.queue_bytes = [64 << 10, 4 << 10][tape.below(2)];
        config.limits.head_bytes = 1_000;
        config.limits.body_bytes = 500;
        config.limits.tags = 3;
        config.limits.properties_bytes = 200;
        config.limits.channels = 3;
        config.limits.pending_requests = 4;
        config.limits.json_depth = 12;
        config.peerjs.concurrent_limit = 3;
        config.peerjs.waiting = 6;
        config.peerjs.waiting_per_sender = 4;
        config.peerjs.allow_discovery = has(0);
        config.peerjs.alive_timeout_ms = 5_000;
        config.relay.id = Some(HUB_NODE.to_owned());
        config.relay.dials = tape.below(3);
        config.relay.nonces = 20;
        config.relay.paths = 4;
        config.relay.waiting = 3;
        config.netpeer.members = 3;
        config.peero.peers = 3;
        config.peero.signal_bytes = 200;
        let mut meeting = Meeting {
            hub: TestHub::new(config, 1),
            guests: Guests::default(),
            is_draining: false,
        };
        for address in [1, 2] {
            let wire = meeting.hub.connect([192, 0, 2, address].into(), WINDOW);
            let probe = TestPeer::new(wire.expect("the first find room"), "/");
            meeting.guests.probes.push(probe);
        }
        let greetings = meeting.settle();
        let (_, rest) = greetings[1].split_once(r#""peer":""#).expect("an accept");
        let (id, _) = rest.split_once('"').expect("an id");
        meeting.guests.probe_id = id.to_owned();
        for probe in &mut meeting.guests.probes {
            probe.say(JOIN);
        }
        let heard = meeting.settle();
        assert_eq!(count(&heard, "confirm"), 2);
        meeting
    }

    fn step(&mut self, choice: u8, tape: &mut Tape<'_>) {
        let guest = match self.guests.guests.len() {
            0 => 0,
            count => tape.below(count),
        };
        match choice % 32 {
            0..4 => self.connect(tape),
            28 | 29 => self.advance(tape.magnitude(13)),
            30 => {
                // The whole machine sleeps, and those who behave do too.
                self.settle();
                self.hub.jump(tape.magnitude(17));
            }
            31 if tape.byte() == 255 => {
                self.hub.drain();
                self.is_draining = true;
            }
            choice => {
                if guest < self.guests.guests.len() {
                    self.guests.act(guest, choice, tape);
                }
            }
        }
    }

    fn connect(&mut self, tape: &mut Tape<'_>) {
        if self.guests.guests.len() == GUESTS_MAX {
            return;
        }
        let tribe = Tribe::ALL[tape.below(Tribe::ALL.len())];
        let from = IpAddr::from([10, 0, 0, 1 + tape.below(3) as u8]);
        let window = [WINDOW, 2_000, 64][tape.below(3)];
        let Some(wire) = self.hub.connect(from, window) else {
            return;
        };
        let path = tribe.path(tape, &self.guests.known);
        let ear = match tribe {
            Tribe::Http => Ear::loose(),
            Tribe::NetPeer => Ear::Strict(TestPeer::of_lines(wire.clone())),
            _ => {
                let fields = FIELDS[tape.below(FIELDS.len())];
                Ear::Strict(TestPeer::with_fields(wire.clone(), &path, fields))
            }
        };
        self.guests.guests.push(Guest::new(tribe, ear, wire));
    }

    /// What is said once for all after each step.
    fn tick(&mut self, tape: &mut Tape<'_>) {
        self.guests.pump();
        match tape.byte() {
            mood @ 0..32 => self.hub.moody_tick(&mut Dice::new(mood.into())),
            _ => self.hub.tick(),
        }
        while let Some(dial) = self.hub.next_dial() {
            if dial.unknown_host().is_some() || self.guests.guests.len() == GUESTS_MAX {
                self.hub.miss(dial);
            } else if let Some(wire) = self.hub.connect_dialled(dial, WINDOW) {
                let ear = Ear::Dialled(Some(Vec::new()));
                let guest = Guest::new(Tribe::Relay, ear, wire);
                self.guests.guests.push(guest);
            }
        }
        self.guests.pump();
        self.guests.guests.retain(|guest| !guest.wire.is_released());
    }

    fn settle(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        let guests = &mut self.guests;
        self.hub.settle(|_| guests.pump_into(&mut heard));
        heard
    }

    fn advance(&mut self, ms: u64) {
        let guests = &mut self.guests;
        self.hub.advance(ms, |_| guests.pump());
    }

    /// Asks the second probe something through the first, at once, whatever the others do.
    fn serve(&mut self) {
        let question = format!(
            r#"{{"type":"request","messageid":"question","peer":"{}","content":1}}"#,
            self.guests.probe_id
        );
        self.guests.probes[0].say(&question);
        let heard = self.settle();
        let asked = heard.iter().find(|text| text.contains(r#""request""#));
        let (_, rest) = asked
            .expect("a request arrives")
            .split_once(r#""peer":""#)
            .expect("it says who asks");
        let (asker, _) = rest.split_once('"').expect("an id ends");
        let answer =
            format!(r#"{{"type":"response","messageid":"question","peer":"{asker}","content":2}}"#);
        self.guests.probes[1].say(&answer);
        let heard = self.settle();
        assert!(heard.iter().any(|text| text.contains(r#""response""#)));
    }

    /// Those who behave are served in the midst of the others, and after them.
    fn end(mut self) {
        self.serve();
        for guest in &mut self.guests.guests {
            guest.is_held = false;
            guest.wire.reset();
        }
        self.advance(SHORT_MS);
        self.guests.guests.clear();
        let census = self.hub.census();
        assert_eq!((census.connections, census.peers), (2, 2));
        let wire = self.hub.connect([192, 0, 2, 3].into(), WINDOW);
        let newcomer = TestPeer::new(wire.expect("there is room again"), "/");
        self.guests.probes.push(newcomer);
        self.settle();
        self.guests.probes[2].say(JOIN);
        let heard = self.settle();
        let counts = ["confirm", "presence"].map(|kind| count(&heard, kind));
        assert_eq!(counts, [1, 2]);
        self.serve();
        self.hub.drain();
        self.advance(SHORT_MS);
        self.take_leave();
    }

    /// When the hub is stopped, all connections end in time.
    fn take_leave(mut self) {
        if self.hub.census().connections > 0 {
            self.advance(LONG_MS);
        }
        let census = self.hub.census();
        assert_eq!((census.connections, census.peers), (0, 0));
        assert!(self.guests.probes.iter().all(TestPeer::is_gone));
    }
}

impl Guests {
    /// Lets arrive what is under way, and everybody hear what there is; whether anything moved.
    fn pump(&mut self) -> bool {
        self.pump_into(&mut Vec::new())
    }

    /// The same; gives what the probes have heard, in order of the probes.
    fn pump_into(&mut self, texts: &mut Vec<String>) -> bool {
        let mut moved = false;
        for probe in &mut self.probes {
            moved |= probe.wire().is_flying();
            probe.wire().arrive(usize::MAX);
            for heard in probe.pump(usize::MAX) {
                moved = true;
                if let Heard::Text(text) = heard {
                    texts.push(text);
                }
            }
        }
        for guest in &mut self.guests {
            if !guest.is_held && guest.wire.is_flying() {
                moved = true;
                guest.wire.arrive(usize::MAX);
            }
            moved |= guest.hear(usize::MAX, &mut self.known);
        }
        moved
    }

    fn act(&mut self, number: usize, choice: u8, tape: &mut Tape<'_>) {
        let Guests { guests, known, .. } = self;
        let guest = &mut guests[number];
        match choice {
            18 => {
                let mut phrase = guest.tribe.phrase(tape, known).into_bytes();
                mutate(&mut phrase, tape);
                guest.say(0x81, &phrase);
            }
            19 => {
                let first = [0x89, 0x8a, 0x88, 0x88, tape.byte()][tape.below(5)];
                let code = [1000, 1001, 3000, 4999, 1005, 0][tape.below(6)] as u16;
                guest.say(first, &code.to_be_bytes()[..tape.below(3)]);
            }
            20 => {
                let phrase = guest.tribe.phrase(tape, known).into_bytes();
                let (one, other) = phrase.split_at(tape.below(phrase.len() + 1));
                guest.say(0x01, one);
                if tape.byte() < 64 {
                    guest.say(0x89, b"between");
                }
                guest.say(0x80, other);
            }
            21 => {
                let count = tape.below(48);
                let bytes: Vec<u8> = (0..count).map_while(|_| tape.next()).collect();
                guest.wire.send(&bytes);
            }
            22 => {
                let tribe = Tribe::ALL[tape.below(Tribe::ALL.len())];
                let mut phrase = tribe.phrase(tape, known).into_bytes();
                mutate(&mut phrase, tape);
                guest.wire.send(&phrase);
            }
            23 => {
                guest.is_held = tape.byte() < 192;
                guest.wire.arrive(tape.below(100));
            }
            24 => {
                guest.hear(tape.below(100), known);
            }
            25 => guest.turn_away(tape.byte()),
            26 => match tape.below(3) {
                0 => guest.wire.end(),
                1 => guest.wire.reset(),
                _ => guest.wire.interrupt(),
            },
            27 => {
                let phrase = guest.tribe.phrase(tape, known).into_bytes();
                for _ in 0..tape.below(40) {
                    guest.say(0x81, &phrase);
                }
            }
            binary @ (4 | 5) => {
                let phrase = guest.tribe.phrase(tape, known);
                guest.say(0x81 + u8::from(binary == 4), phrase.as_bytes());
            }
            _ => {
                let phrase = guest.tribe.phrase(tape, known);
                guest.say(0x81, phrase.as_bytes());
            }
        }
    }
}

impl Guest {
    fn new(tribe: Tribe, ear: Ear, wire: Wire) -> Guest {
        let mut ear = ear;
        if let Ear::Strict(peer) = &mut ear {
            peer.may_be_cut_off = true;
        }
        Guest {
            tribe,
            ear,
            wire,
            is_held: false,
        }
    }

    /// Says something in the way of its dialect: a frame that begins so, a line, or just bytes.
    fn say(&mut self, first: u8, payload: &[u8]) {
        match (&mut self.ear, self.tribe) {
            (Ear::Strict(peer), tribe) if tribe != Tribe::NetPeer => {
                peer.send_frame(first, payload);
            }
            (Ear::Dialled(_), _) => {
                self.wire.send(&server_frame(first, payload));
            }
            (_, tribe) => {
                self.wire.send(payload);
                if tribe == Tribe::NetPeer {
                    self.wire.send(b"\n");
                }
            }
        }
    }

    /// Takes up to `most` bytes in; whether there were any. What others may be called is noted.
    fn hear(&mut self, most: usize, known: &mut Vec<String>) -> bool {
        match &mut self.ear {
            Ear::Strict(peer) => {
                let heard = peer.pump(most);
                for one in &heard {
                    if let Heard::Text(text) = one {
                        note_names(text, known);
                    }
                }
                !heard.is_empty()
            }
            Ear::Loose { begun, reads } => {
                let bytes = if *reads {
                    self.wire.receive(most)
                } else {
                    Vec::new()
                };
                begun.extend(bytes.iter().take(9 - begun.len()));
                let is_answer = b"HTTP/1.1 ".starts_with(begun);
                assert!(is_answer || begun.first() == Some(&b'{'), "{begun:?}");
                !bytes.is_empty()
            }
            Ear::Dialled(request) => {
                let bytes = self.wire.receive(most);
                if let Some(begun) = request {
                    begun.extend(&bytes);
                    if let Some(answer) = answer(begun) {
                        self.wire.send(answer.as_bytes());
                        *request = None;
                    }
                }
                !bytes.is_empty()
            }
        }
    }

    /// Does not read any more, or does again; answers no pings, or does again.
    fn turn_away(&mut self, how: u8) {
        match &mut self.ear {
            Ear::Strict(peer) => {
                peer.reads = how & 1 == 1;
                peer.answers_pings = how & 2 == 2;
            }
            Ear::Loose { reads, .. } => *reads = how & 1 == 1,
            Ear::Dialled(_) => {}
        }
    }
}

impl Ear {
    fn loose() -> Ear {
        Ear::Loose {
            begun: Vec::new(),
            reads: true,
        }
    }
}

/// How many of the texts are of this type.
fn count(texts: &[String], kind: &str) -> usize {
    let begin = format!(r#"{{"type":"{kind}""#);
    texts.iter().filter(|text| text.starts_with(&begin)).count()
}

/// Changes a few of the bytes.
fn mutate(bytes: &mut Vec<u8>, tape: &mut Tape<'_>) {
    for _ in 0..1 + tape.below(3) {
        let place = tape.below(bytes.len() + 1);
        let end = bytes.len().min(place + tape.below(16));
        match tape.below(4) {
            0 => {
                bytes.drain(place..end);
            }
            1 => {
                let again = bytes[place..end].to_vec();
                bytes.splice(place..place, again);
            }
            2 => bytes.insert(place, tape.byte()),
            _ => bytes[place..end].fill(tape.byte()),
        }
    }
}

/// Remembers what somebody is called in a text of the hub.
fn note_names(text: &str, known: &mut Vec<String>) {
    for field in [r#""id":""#, r#""peer":""#, r#""peerId":""#, r#""resume":""#] {
        let Some((_, rest)) = text.split_once(field) else {
            continue;
        };
        let (name, _) = rest.split_once('"').expect("a text of the hub is JSON");
        if !known.iter().any(|one| one == name) {
            if known.len() == KNOWN_MAX {
                known.remove(0);
            }
            known.push(name.to_owned());
        }
    }
}

/// The answer of a WebSocket server, once the whole request is there.
fn answer(request: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(request).expect("a request is text");
    let head = head.strip_suffix("\r\n\r\n")?;
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let (_, key) = fields.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))?;
    let accept = derive_accept_key(key.as_bytes());
    Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    ))
}

/// The two probes and the newcomer are in a linkage of their own.
const JOIN: &str = r#"{"type":"initiate","content":{"linkageKey":"those who behave","options":{"peerInitiationReceiver":true,"peerInitiationSender":true}}}"#;
const GUESTS_MAX: usize = 8;
const KNOWN_MAX: usize = 12;
/// Guests and probes; or one more.
const CONNECTIONS: usize = 9;
const WINDOW: usize = 1 << 20;
/// Time after which a connection that is over has gone, ms.
const SHORT_MS: u64 = 200;
/// Time after which every deadline of a connection has passed, ms.
const LONG_MS: u64 = 10_000;
