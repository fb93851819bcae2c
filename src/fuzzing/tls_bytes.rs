//! TLS on the real switchboard and its real ticks, over false sockets: clients of rustls to whose sealed bytes all sorts of
//! things happen on the way, and strangers whose records are made of anything.
//!
//! Whatever happens, who says something to the echo hears that and nothing else, in order; whom nothing has happened to hears
//! all of it; and one who behaves is served in the end. Handshakes draw the system's random numbers, so the bytes differ from
//! run to run; their lengths, and what is done with them, do not.

use super::Tape;
use super::support::memory_socket::Wire;
use super::support::seal;
use super::support::test_hub::TestHub;
use super::support::test_peer::{Heard, TestPeer};
use crate::config::Config;
use std::collections::VecDeque;

/// Does what `data` says.
///
/// # Panics
/// If the hub contradicts itself, breaks TLS, changes what is said, or does not serve who behaves.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let config = Config {
        echo: true,
        read_buffer_bytes: [16 << 10, 1 << 10, 64][tape.below(3)],
        handshake_timeout_ms: 2_000,
        ..Config::default()
    };
    let mut hub = TestHub::new(config, 1);
    hub.secure(seal::server());
    let mut guests = vec![Guest {
        is_probe: true,
        ..Guest::sealed(&mut hub, false, WINDOW)
    }];
    while let Some(choice) = tape.next() {
        step(&mut hub, &mut guests, choice, &mut tape);
        hub.tick();
        pump(&mut guests);
        guests.retain(|guest| guest.is_probe || !guest.has_left());
    }
    end(hub, guests);
}

fn step(hub: &mut TestHub, guests: &mut Vec<Guest>, choice: u8, tape: &mut Tape<'_>) {
    match choice % 16 {
        0 | 1 if guests.len() < GUESTS_MAX => {
            let window = [WINDOW, 2_000, 64][tape.below(3)];
            guests.push(match tape.below(3) {
                0 => Guest::stranger(hub),
                kind => Guest::sealed(hub, kind == 2, window),
            });
        }
        2 => {
            for guest in guests.iter_mut() {
                guest.is_hurt |= guest.is_held || !guest.peer.reads;
            }
            hub.advance(tape.magnitude(13), |_| pump(guests));
        }
        choice => {
            let others = guests.len() - 1;
            if others > 0 {
                guests[1 + tape.below(others)].act(choice, tape);
            }
        }
    }
}

/// Lets everything arrive, and asks the one who behaves; then nobody is left.
fn end(mut hub: TestHub, mut guests: Vec<Guest>) {
    for guest in &mut guests {
        (guest.is_held, guest.peer.reads) = (false, true);
    }
    guests[0].say(300);
    hub.settle(|_| pump(&mut guests));
    for guest in &guests {
        assert!(guest.is_hurt || guest.said.is_empty(), "the echo is whole");
    }
    for guest in &guests[1..] {
        guest.peer.wire().reset();
    }
    hub.advance(SHORT_MS, |_| pump(&mut guests));
    assert_eq!(hub.census().connections, 1);
    hub.drain();
    hub.advance(LONG_MS, |_| pump(&mut guests));
    assert_eq!(hub.census().connections, 0);
    assert!(guests[0].peer.is_gone());
}

fn pump(guests: &mut [Guest]) -> bool {
    let mut moved = false;
    for guest in guests {
        moved |= guest.pump();
    }
    moved
}

struct Guest {
    peer: TestPeer,
    /// What the echo has not said yet.
    said: VecDeque<String>,
    /// It behaves, and nothing happens to it.
    is_probe: bool,
    /// What it has sent does not arrive by itself.
    is_held: bool,
    /// The hub may end the connection.
    is_hurt: bool,
}

impl Guest {
    /// A client of the echo by TLS, whose newest version is 1.2 if it `is_old`.
    fn sealed(hub: &mut TestHub, is_old: bool, window: usize) -> Guest {
        let wire = connect(hub, window);
        wire.seal(match is_old {
            true => seal::old_client(),
            false => seal::client(),
        });
        let mut peer = TestPeer::with_fields(wire, "/echo", "");
        peer.may_be_cut_off = true;
        Guest::of(peer)
    }

    /// Somebody who sends any bytes.
    fn stranger(hub: &mut TestHub) -> Guest {
        Guest {
            is_hurt: true,
            ..Guest::of(TestPeer::of_bytes(connect(hub, WINDOW)))
        }
    }

    fn of(peer: TestPeer) -> Guest {
        Guest {
            peer,
            said: VecDeque::new(),
            is_probe: false,
            is_held: false,
            is_hurt: false,
        }
    }

    /// Whether the hub has ended the connection; then the guest lets it go too.
    fn has_left(&self) -> bool {
        let is_gone = self.peer.is_gone();
        if is_gone {
            self.peer.wire().reset();
            self.peer.wire().arrive(0);
        }
        is_gone
    }

    fn say(&mut self, bytes: usize) {
        let text = format!("{}{:x<bytes$}", self.said.len(), "");
        self.peer.say(&text);
        self.said.push_back(text);
    }

    fn act(&mut self, choice: u8, tape: &mut Tape<'_>) {
        let wire = self.peer.wire().clone();
        match choice {
            3..6 if self.peer.has_frames() => self.say(tape.magnitude(15) as usize),
            3..6 => _ = wire.send(&record(tape)),
            6 => {
                let record = record(tape);
                self.tamper(
                    |flying, place| _ = flying.splice(place..place, record),
                    tape,
                );
            }
            7 => {
                let bit = 1 << tape.below(8);
                self.tamper(
                    |flying, place| {
                        flying
                            .iter_mut()
                            .skip(place)
                            .take(1)
                            .for_each(|it| *it ^= bit)
                    },
                    tape,
                );
            }
            8 => {
                let bytes = tape.below(300);
                self.tamper(
                    |flying, place| _ = flying.drain(place..flying.len().min(place + bytes)),
                    tape,
                );
            }
            9 => {
                let bytes = tape.below(300);
                self.tamper(
                    |flying, place| {
                        let again = flying[place..flying.len().min(place + bytes)].to_vec();
                        flying.splice(place..place, again);
                    },
                    tape,
                );
            }
            10 => {
                self.is_held = tape.byte() < 192;
                wire.arrive(tape.below(1_000));
            }
            11 => {
                self.hear(tape.below(1_000));
            }
            12 => self.peer.reads = tape.byte() < 128,
            13 => {
                self.is_hurt = true;
                wire.end();
            }
            14 => {
                self.is_hurt = true;
                wire.reset();
            }
            _ => wire.interrupt(),
        }
    }

    /// Something happens to what flies, at some place.
    fn tamper(&mut self, change: impl FnOnce(&mut Vec<u8>, usize), tape: &mut Tape<'_>) {
        self.is_hurt = true;
        self.peer.wire().tamper(|flying| {
            // Near the beginning or near the end.
            let place = tape.below(1_000).min(flying.len());
            let place = match tape.byte() < 192 {
                true => place,
                false => flying.len() - place,
            };
            change(flying, place);
        });
    }

    /// Lets arrive what is under way, and hears what there is; whether anything moved.
    fn pump(&mut self) -> bool {
        let wire = self.peer.wire();
        let is_moving = !self.is_held && wire.is_flying();
        if is_moving {
            wire.arrive(usize::MAX);
        }
        self.hear(usize::MAX) || is_moving
    }

    fn hear(&mut self, most: usize) -> bool {
        let heard = self.peer.pump(most);
        for one in &heard {
            match one {
                Heard::Text(text) => {
                    let said = self.said.pop_front();
                    assert_eq!(Some(text), said.as_ref(), "the echo says what was said");
                }
                Heard::Close(..) | Heard::Gone => self.is_hurt |= !self.is_probe,
                _ => {}
            }
        }
        // What is only taken in by TLS may have answers that fly.
        !heard.is_empty() || !self.is_held && self.peer.wire().is_flying()
    }
}

fn connect(hub: &mut TestHub, window: usize) -> Wire {
    let wire = hub.connect([192, 0, 2, 1].into(), window);
    wire.expect("there is room for so few")
}

/// A record of any type, version and length, whose length is mostly true.
fn record(tape: &mut Tape<'_>) -> Vec<u8> {
    let kind = [0x16, 0x14, 0x15, 0x17, tape.byte()][tape.below(5)];
    let version = [0x0301, 0x0303, 0x0304, 0x0300][tape.below(4)] as u16;
    let count = tape.below(64);
    let mut body: Vec<u8> = (0..count).map_while(|_| tape.next()).collect();
    // A body may be longer than it is worth writing down.
    let filled = [0, 0, 200, 16 << 10, 18 << 10, 40 << 10][tape.below(6)];
    body.resize(body.len().max(filled), 0);
    let length = match tape.byte() {
        0..192 => body.len() as u16,
        _ => u16::from(tape.byte()) << 8 | u16::from(tape.byte()),
    };
    let mut record = vec![kind];
    record.extend(version.to_be_bytes());
    record.extend(length.to_be_bytes());
    record.extend(body);
    record
}

const GUESTS_MAX: usize = 4;
const WINDOW: usize = 1 << 20;
/// Time after which a connection that is over has gone, ms.
const SHORT_MS: u64 = 200;
/// Time after which every deadline of a connection has passed, ms.
const LONG_MS: u64 = 60_000;
