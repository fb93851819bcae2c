//! The client's side of a WebSocket, as small as a test allows: upgrade, masked frames out, unmasked frames in. And the
//! side of those who speak lines, or just ask over HTTP.
//!
//! Owns the bytes that have come and are not yet a whole frame. Judges the hub's frames strictly: anything that RFC 6455
//! forbids a server, or that this hub never sends (fragments), fails the test.

use super::memory_socket::Wire;

/// One end of a conversation with the hub.
#[derive(Debug)]
pub struct TestPeer {
    wire: Wire,
    incoming: Vec<u8>,
    stage: Stage,
    /// Whether pings are answered.
    pub answers_pings: bool,
    /// Whether anything is received at all.
    pub reads: bool,
    /// Whether the connection may end in the middle of a frame: that of a reader that was too slow may.
    pub may_be_cut_off: bool,
    frames_sent: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Refused,
    Open,
    Lines,
    Bytes,
    Asking,
    Closed,
    Gone,
}

/// What a peer has been told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// Bytes, to one who speaks in such.
    Bytes(Vec<u8>),
    /// A ping, and whether it was answered.
    Ping,
    /// A pong with its payload.
    Pong(Vec<u8>),
    /// A close frame with its code and reason.
    Close(Option<u16>, String),
    /// A plain request was answered with this HTTP status and body.
    Answer(u16, String),
    /// The upgrade was refused with this HTTP status.
    Refused(u16),
    /// The hub has ended the connection.
    Gone,
}

/// A whole frame of a server with this first byte; the payload has less than 64 KiB.
pub fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(length as u8),
        length => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

impl TestPeer {
    /// A peer that asks for the upgrade on this path.
    pub fn new(wire: Wire, path: &str) -> TestPeer {
        TestPeer::with_fields(wire, path, "")
    }

    /// The same with these header fields, each with its line's end.
    pub fn with_fields(wire: Wire, path: &str, fields: &str) -> TestPeer {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: hub.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        );
        wire.send(head.as_bytes());
        TestPeer::at(Stage::Upgrading, wire)
    }

    /// A peer that speaks lines: what it says and is told is one line each.
    pub fn of_lines(wire: Wire) -> TestPeer {
        TestPeer::at(Stage::Lines, wire)
    }

    /// Somebody who sends bytes by `wire` and is told bytes.
    pub fn of_bytes(wire: Wire) -> TestPeer {
        TestPeer::at(Stage::Bytes, wire)
    }

    /// Somebody who makes one plain request and ends.
    pub fn of_request(wire: Wire, method: &str, path: &str, body: &str) -> TestPeer {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: hub.example\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        wire.send(request.as_bytes());
        TestPeer::at(Stage::Asking, wire)
    }

    fn at(stage: Stage, wire: Wire) -> TestPeer {
        TestPeer {
            wire,
            incoming: Vec::new(),
            stage,
            answers_pings: true,
            reads: true,
            may_be_cut_off: false,
            frames_sent: 0,
        }
    }

    /// The bytes in between.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Whether it speaks WebSocket, or is about to.
    pub fn has_frames(&self) -> bool {
        matches!(self.stage, Stage::Upgrading | Stage::Open | Stage::Closed)
    }

    /// Whether it is a WebSocket that is open, as far as this end knows.
    pub fn is_upgraded(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether the connection can still carry messages, as far as this end knows.
    pub fn is_open(&self) -> bool {
        matches!(
            self.stage,
            Stage::Upgrading | Stage::Open | Stage::Lines | Stage::Bytes
        )
    }

    /// Whether the hub has ended the connection, and everything that it said was received.
    pub fn is_gone(&self) -> bool {
        self.stage == Stage::Gone
    }

    /// Sends a text message. How many bytes were ever sent.
    pub fn say(&mut self, text: &str) -> u64 {
        if self.stage == Stage::Lines {
            return self.wire.send(format!("{text}\n").as_bytes());
        }
        self.send_frame(0x81, text.as_bytes())
    }

    /// Sends a binary message.
    pub fn say_binary(&mut self, bytes: &[u8]) -> u64 {
        self.send_frame(0x82, bytes)
    }

    /// Sends a message in fragments of so many bytes, with a ping and an empty fragment behind the first. How many bytes
    /// were ever sent.
    pub fn say_in_pieces(&mut self, text: &str, piece_bytes: usize) -> u64 {
        let mut first = 0x01;
        for piece in text.as_bytes().chunks(piece_bytes) {
            self.send_frame(first, piece);
            if first != 0 {
                self.send_frame(0x89, b"between");
                self.send_frame(0x00, b"");
            }
            first = 0x00;
        }
        self.send_frame(0x80, b"")
    }

    /// Sends a frame with this first byte, whole and masked.
    pub fn send_frame(&mut self, first: u8, payload: &[u8]) -> u64 {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length @ 126..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        self.frames_sent += 1;
        let mask = self.frames_sent.wrapping_mul(0x9e37_79b9).to_be_bytes();
        frame.extend(mask);
        frame.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.wire.send(&frame)
    }

    /// Receives everything; the texts that were told.
    pub fn texts(&mut self) -> Vec<String> {
        let heard = self.pump(usize::MAX).into_iter();
        let text = |one| match one {
            Heard::Text(text) => Some(text),
            _ => None,
        };
        heard.filter_map(text).collect()
    }

    /// Receives up to `most` bytes, answers what a WebSocket stack answers, and returns what was told.
    pub fn pump(&mut self, most: usize) -> Vec<Heard> {
        let mut heard = Vec::new();
        if !self.reads || self.stage == Stage::Gone {
            return heard;
        }
        self.incoming.extend(self.wire.receive(most));
        if self.stage == Stage::Upgrading {
            self.read_answer(&mut heard);
        }
        if self.stage == Stage::Refused {
            // The rest of the refusal is for people.
            self.incoming.clear();
        }
        if self.stage == Stage::Bytes && !self.incoming.is_empty() {
            heard.push(Heard::Bytes(std::mem::take(&mut self.incoming)));
        }
        while self.stage == Stage::Lines
            && let Some(end) = self.incoming.iter().position(|&byte| byte == b'\n')
        {
            let line = self.incoming.drain(..=end).take(end).collect();
            heard.push(Heard::Text(String::from_utf8(line).expect("UTF-8")));
        }
        while matches!(self.stage, Stage::Open | Stage::Closed)
            && let Some((first, payload)) = self.take_frame()
        {
            assert_eq!(self.stage, Stage::Open, "nothing follows a close frame");
            self.take_in(first, payload, &mut heard);
        }
        if self.wire.is_over() && self.stage == Stage::Asking {
            let answer = std::mem::take(&mut self.incoming);
            let answer = String::from_utf8(answer).expect("an answer is UTF-8");
            let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
            let status = head[9..12].parse().expect("an HTTP status");
            heard.push(Heard::Answer(status, body.to_owned()));
            self.stage = Stage::Gone;
            // Nothing is left to be told.
            return heard;
        }
        if self.wire.is_over() && self.stage != Stage::Gone {
            assert!(
                self.incoming.is_empty() || self.may_be_cut_off,
                "the hub ends no connection in the middle of a frame"
            );
            self.stage = Stage::Gone;
            heard.push(Heard::Gone);
        }
        heard
    }

    fn read_answer(&mut self, heard: &mut Vec<Heard>) {
        let Some(head_end) = self.incoming.windows(4).position(|end| end == b"\r\n\r\n") else {
            return;
        };
        let head =
            String::from_utf8(self.incoming.drain(..head_end + 4).collect()).expect("an HTTP head");
        let status: u16 = head[9..12].parse().expect("an HTTP status");
        if status == 101 {
            // The key of the example in RFC 6455 section 1.3, and its answer there.
            assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
            self.stage = Stage::Open;
        } else {
            self.stage = Stage::Refused;
            self.wire.end();
            heard.push(Heard::Refused(status));
        }
    }

    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&first, &second) = (self.incoming.first()?, self.incoming.get(1)?);
        let (length, start) = match second {
            0..126 => (usize::from(second), 2),
            126 => {
                let bytes = self.incoming.get(2..4)?;
                (
                    usize::from(u16::from_be_bytes(bytes.try_into().expect("two bytes"))),
                    4,
                )
            }
            127 => {
                let bytes = self.incoming.get(2..10)?;
                (
                    u64::from_be_bytes(bytes.try_into().expect("eight bytes")) as usize,
                    10,
                )
            }
            128.. => panic!("a server masks no frames"),
        };
        let payload = self.incoming.get(start..start + length)?.to_vec();
        self.incoming.drain(..start + length);
        Some((first, payload))
    }

    fn take_in(&mut self, first: u8, payload: Vec<u8>, heard: &mut Vec<Heard>) {
        match first {
            0x81 => heard.push(Heard::Text(
                String::from_utf8(payload).expect("a text is UTF-8"),
            )),
            0x82 => heard.push(Heard::Binary(payload)),
            0x88 => {
                let code = payload.first_chunk().map(|&code| u16::from_be_bytes(code));
                let reason = payload.get(2..).unwrap_or_default().to_vec();
                let reason = String::from_utf8(reason).expect("a reason is UTF-8");
                self.send_frame(0x88, payload.get(..2).unwrap_or_default());
                self.stage = Stage::Closed;
                heard.push(Heard::Close(code, reason));
            }
            0x89 => {
                assert!(payload.is_empty(), "pings carry no payload");
                heard.push(Heard::Ping);
                if self.answers_pings {
                    self.send_frame(0x8a, &[]);
                }
            }
            0x8a => heard.push(Heard::Pong(payload)),
            other => panic!("the hub sends no frames that begin with {other:#x}"),
        }
    }
}
