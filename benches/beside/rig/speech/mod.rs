//! What a client says to each kind of server and what it hears from it: one file for each, and [`Speech`] to choose.
//!
//! A speech writes messages into a buffer and reads messages that are whole; frames are [`load`](super::load)'s. It knows
//! five things: how to join, to subscribe, to publish, to send to one other, and how packets lie in a stream of them.

mod floor;
mod mqtt;
mod nats;
mod ok;
mod peerjs;

/// Which protocol a server is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// ok-peerhub's, over `/`.
    Ok,
    /// PeerJS's, over `/peerjs`.
    PeerJs,
    /// MQTT 3.1.1, quality of service 0.
    Mqtt,
    /// NATS's client protocol.
    Nats,
    /// The commands of [`floor`](super::floor).
    Floor,
}

/// How the clients of one load join.
#[derive(Clone, Copy, Default)]
pub struct Manner {
    /// All in one linkage; otherwise each has a linkage of its own.
    pub together: bool,
    /// The linkage is told of each newcomer.
    pub announced: bool,
    /// Others will send to this client: where a server routes by subject, it subscribes to its own.
    pub addressed: bool,
}

/// What a client does next on its way in.
pub enum Step {
    /// Wait for the server; what was written meanwhile is sent.
    Wait,
    /// It is in.
    Joined,
}

/// A client on its way in.
pub struct Newcomer {
    /// No two clients of a load have the same.
    pub number: u32,
    pub manner: Manner,
    /// What others address it by, once it is known.
    pub id: String,
}

/// Finds the end of the packet that the bytes begin with, if it is there whole.
pub type Packet = fn(&[u8]) -> Option<usize>;

/// The channel, topic or subject that is published to.
const CHANNEL: &str = "beside.room";

impl Speech {
    /// What an upgrade asks for, and lines that its request needs beside the usual.
    pub fn target(self, newcomer: &Newcomer) -> (String, &'static str) {
        match self {
            Speech::PeerJs => (peerjs::target(newcomer), ""),
            Speech::Mqtt => ("/".to_owned(), "Sec-WebSocket-Protocol: mqtt\r\n"),
            Speech::Ok | Speech::Nats | Speech::Floor => ("/".to_owned(), ""),
        }
    }

    /// Whether frames are text.
    pub fn is_text(self) -> bool {
        match self {
            Speech::Ok | Speech::PeerJs => true,
            Speech::Mqtt | Speech::Nats | Speech::Floor => false,
        }
    }

    /// How messages lie in a stream. `None` if each is a frame.
    pub fn packet(self) -> Option<Packet> {
        match self {
            Speech::Mqtt => Some(mqtt::packet),
            Speech::Nats => Some(nats::packet),
            Speech::Ok | Speech::PeerJs | Speech::Floor => None,
        }
    }

    /// The first message, if the client has the first word.
    pub fn open(self, newcomer: &mut Newcomer, out: &mut Vec<u8>) {
        match self {
            Speech::Mqtt => mqtt::connect(newcomer, out),
            Speech::Floor => floor::open(newcomer, out),
            Speech::Ok | Speech::PeerJs | Speech::Nats => {}
        }
    }

    /// Takes a message to a client that has not joined yet; may write an answer.
    pub fn join(self, newcomer: &mut Newcomer, message: &[u8], out: &mut Vec<u8>) -> Step {
        match self {
            Speech::Ok => ok::join(newcomer, message, out),
            Speech::PeerJs => peerjs::join(newcomer, message),
            Speech::Mqtt => mqtt::join(newcomer, message, out),
            Speech::Nats => nats::join(newcomer, message, out),
            Speech::Floor => floor::join(message),
        }
    }

    /// An answer that the server wants to a message that is no delivery.
    pub fn answer(self, message: &[u8]) -> Option<&'static [u8]> {
        match self {
            Speech::Nats => nats::answer(message),
            Speech::Ok | Speech::PeerJs | Speech::Mqtt | Speech::Floor => None,
        }
    }

    /// Asks for what is published.
    ///
    /// # Panics
    /// With PeerJS, which knows no channels.
    pub fn subscribe(self, out: &mut Vec<u8>) {
        match self {
            Speech::Ok => ok::subscribe(out),
            Speech::Mqtt => mqtt::subscribe(CHANNEL, out),
            Speech::Nats => nats::subscribe(CHANNEL, out),
            Speech::Floor => floor::subscribe(out),
            Speech::PeerJs => unreachable!("no case publishes over PeerJS"),
        }
    }

    /// Publishes; `number` tells this message from others.
    ///
    /// # Panics
    /// With PeerJS, which knows no channels.
    pub fn publish(self, from: &str, number: u64, payload: &str, out: &mut Vec<u8>) {
        match self {
            Speech::Ok => ok::publish(number, payload, out),
            Speech::Mqtt => mqtt::publish(CHANNEL, payload, out),
            Speech::Nats => nats::publish(CHANNEL, payload, out),
            Speech::Floor => floor::publish(from, number, payload, out),
            Speech::PeerJs => unreachable!("no case publishes over PeerJS"),
        }
    }

    /// Sends to one other client: a request, or the answer to one.
    pub fn send(self, letter: &Letter, out: &mut Vec<u8>) {
        match self {
            Speech::Ok => ok::send(letter, out),
            Speech::PeerJs => peerjs::send(letter, out),
            Speech::Mqtt => mqtt::publish(letter.to, letter.payload, out),
            Speech::Nats => nats::publish(letter.to, letter.payload, out),
            Speech::Floor => floor::send(letter, out),
        }
    }
}

/// A message to one other client.
pub struct Letter<'a> {
    pub from: &'a str,
    pub to: &'a str,
    /// Of the request, also in its answer.
    pub number: u64,
    pub is_answer: bool,
    pub payload: &'a str,
}

/// A number in `letters` letters `a` to `p`, four bits each, which stand for themselves in JSON and in names.
pub fn spelt(number: u64, letters: usize) -> String {
    (0..letters)
        .rev()
        .map(|place| char::from(b'a' + (number >> (4 * place) & 0x0f) as u8))
        .collect()
}

/// What [`spelt`] made.
#[inline]
pub fn read_spelt(letters: &[u8]) -> u64 {
    letters.iter().fold(0, |number, letter| {
        number << 4 | u64::from(letter.wrapping_sub(b'a') & 0x0f)
    })
}

/// Whether `text` is in the first bytes of a message, where its type is.
fn begins_with_type(message: &[u8], text: &str) -> bool {
    let head = &message[..message.len().min(64)];
    head.windows(text.len()).any(|part| part == text.as_bytes())
}
