//! WebSocket sessions: frames become messages, at almost no memory for a connection that is idle.
//!
//! Step 3 of the message path. A message in one frame is what nearly all are: its header is judged, its payload unmasked
//! where it lies and handed on as a slice of the input, so that it costs neither a copy nor an allocation. Everything rarer
//! is tungstenite's, run over memory: it joins fragments, answers pings and judges close frames. What is kept between two
//! inputs, in one box that is given back with the last byte of the message, is
//! - an incomplete frame, growing as its bytes come and never by the length that it declares, and
//! - a tungstenite context of the connection's own while a fragmented message is unfinished.
//!
//! Nothing here writes to a socket: pongs and the answer to a close are appended to `replies`. Close frames for
//! faults are the caller's to send, since tungstenite sends none. The rules are those of RFC 6455 sections 5 and 7.

use std::fmt;
use std::io::{self, Read, Write};
use std::ops::Range;

use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use super::measure::{CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Kind, Measured, measure};

/// How the frames of sessions are to be read: by which end of the connection, and how long messages may be.
#[derive(Clone, Copy, Debug)]
pub struct Parser {
    role: Role,
    message_bytes_max: usize,
}

/// What a connection keeps of its WebSocket between two inputs: 16 bytes, and a box while a message is half read.
#[derive(Debug, Default)]
pub struct Session {
    half_read: Option<Box<HalfRead>>,
    /// Set by a fault or a close: nothing more is read.
    ended: bool,
    /// Set once the caller has sent a close frame, which nothing may follow.
    replies_stopped: bool,
}

/// Whole messages, one at a time, out of one input.
///
/// Call [`Feed::next`] until it returns `None`. Whoever drops a feed earlier gives up the rest of the input and with it
/// the session, which then yields nothing any more: that is for connections that are about to be closed.
#[derive(Debug)]
pub struct Feed<'a> {
    session: &'a mut Session,
    parser: Parser,
    /// Input that has not been looked at.
    input: &'a mut [u8],
    /// What came last, if it is no slice of the input.
    whole: Whole,
    replies: &'a mut Vec<u8>,
    exhausted: bool,
}

/// A message that had come in pieces.
#[derive(Debug)]
enum Whole {
    /// None has.
    None,
    /// Pieces of one frame.
    Frame(Vec<u8>),
    /// Fragments.
    Message(Message),
}

/// Where the next message is.
enum Found<'a> {
    /// In the input.
    Here {
        payload: &'a [u8],
        is_text: bool,
    },
    /// In the frame that has become whole, there.
    InFrame {
        payload: Range<usize>,
        is_text: bool,
    },
    /// It is what the fragments have become.
    Joined,
    Unheard,
    Pong,
    Close,
}

/// Something that the peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A frame that says nothing to the caller: a ping, whose answer is among the replies, or a fragment that is not the
    /// last. Passed on since they are work too, and a whole input may be made of them.
    Unheard,
    /// A pong.
    Pong,
    /// The peer closes, and the answer is among the replies. Nothing more will be yielded.
    Close,
}

/// Why a session cannot go on. The peer is at fault; the caller sends a close frame and stops reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFault {
    /// The code for the close frame: 1002 (protocol), 1007 (bad UTF-8) or 1009 (too big).
    pub close_code: u16,
    /// A short reason in English, for the close frame and the log.
    pub reason: &'static str,
}

/// The box of a session that is in the middle of a message.
#[derive(Debug, Default)]
struct HalfRead {
    /// The bytes of an incomplete frame.
    frame: Vec<u8>,
    /// Bytes of its payload that are known to be UTF-8, up to a character's end, if it is a text.
    utf_8_bytes: usize,
    /// The fragments so far.
    message: Option<Box<Fragments>>,
}

/// An unfinished fragmented message. tungstenite keeps the fragments in the context.
#[derive(Debug)]
struct Fragments {
    context: WebSocketContext,
    /// Payload bytes of the fragments so far.
    message_bytes: usize,
    /// The largest frame so far, to which the context's read buffer has grown.
    largest_frame_bytes: usize,
}

/// The reader and writer that tungstenite is run over.
struct Memory<'input, 'replies> {
    unread: &'input [u8],
    replies: &'replies mut Vec<u8>,
}

impl Parser {
    /// Of what clients send, for messages of at most `message_bytes_max` bytes of payload.
    pub fn new(message_bytes_max: usize) -> Parser {
        let role = Role::Server;
        Parser {
            role,
            message_bytes_max,
        }
    }

    /// Of what servers send, for sessions in which this end is the client: frames come in unmasked, and replies go out
    /// masked, with keys of tungstenite's own choice.
    pub fn for_client(message_bytes_max: usize) -> Parser {
        let role = Role::Client;
        Parser {
            role,
            message_bytes_max,
        }
    }
}

impl Session {
    /// Takes `input`, the next bytes of this connection, in. The messages come out of the [`Feed`], which unmasks them
    /// where they lie; pongs and the answer to a close are appended to `replies` as frames ready to be sent. O(input), and
    /// allocates nothing for messages that come whole.
    pub fn feed<'a>(
        &'a mut self,
        parser: Parser,
        input: &'a mut [u8],
        replies: &'a mut Vec<u8>,
    ) -> Feed<'a> {
        Feed {
            session: self,
            parser,
            input,
            whole: Whole::None,
            replies,
            exhausted: false,
        }
    }

    /// Says that the caller has sent a close frame: from now on neither pongs nor the answer to a close are written,
    /// while messages are still yielded, up to the peer's close.
    pub fn stop_replies(&mut self) {
        self.replies_stopped = true;
    }

    /// Whether the beginning of a frame or of a message has come without its end.
    pub fn is_mid_message(&self) -> bool {
        self.half_read.is_some()
    }

    /// Whether a close or a fault has ended the session.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Bytes of memory that the session keeps beyond its own size: none while it is idle. What tungstenite keeps of a
    /// fragmented message is reckoned, not measured.
    pub fn held_bytes(&self) -> usize {
        let Some(half_read) = &self.half_read else {
            return 0;
        };
        let message_bytes = half_read.message.as_ref().map_or(0, |message| {
            // The joined text doubles as it grows, as every Vec does.
            size_of::<Fragments>()
                + 2 * message.message_bytes
                + message.largest_frame_bytes.max(OWN_READ_BUFFER_BYTES)
        });
        size_of::<HalfRead>() + half_read.frame.capacity() + message_bytes
    }

    /// Judges and measures the frame that starts `bytes`, at the place where the session is.
    fn measure(&self, bytes: &[u8], parser: Parser) -> Result<Option<Measured>, SessionFault> {
        let message = self
            .half_read
            .as_ref()
            .and_then(|half_read| half_read.message.as_ref());
        let so_far_bytes = message.map(|message| message.message_bytes);
        measure(bytes, parser.role, so_far_bytes, parser.message_bytes_max)
    }

    /// The incomplete frame, if there is one.
    fn open_frame(&self) -> Option<&[u8]> {
        let frame = &self.half_read.as_ref()?.frame;
        Some(frame.as_slice()).filter(|frame| !frame.is_empty())
    }

    /// Keeps bytes of an incomplete frame for the next input.
    fn keep(&mut self, bytes: &[u8]) {
        let half_read = self.half_read.get_or_insert_default();
        half_read.frame.extend_from_slice(bytes);
    }

    /// Takes out the frame that has become whole.
    fn take_frame(&mut self) -> Vec<u8> {
        let Some(open) = &mut self.half_read else {
            return Vec::new();
        };
        open.utf_8_bytes = 0;
        let frame = std::mem::take(&mut open.frame);
        self.tidy();
        frame
    }

    /// A text whose first or only frame comes in pieces is looked at piece by piece, so that one that is no UTF-8 ends the
    /// session as soon as that shows (RFC 6455 section 8.1), and its rest is neither waited for nor kept. Further fragments are
    /// looked at when they are whole. `measured` is the incomplete frame.
    fn check_begun_text(&mut self, measured: &Measured) -> Result<(), SessionFault> {
        let begins_text = match measured.kind {
            Kind::Message { is_text } => is_text,
            Kind::Fragment { begins_text, .. } => begins_text,
            Kind::Pong | Kind::Control => false,
        };
        let Some(open) = self.half_read.as_mut().filter(|_| begins_text) else {
            return Ok(());
        };
        let mut piece = [0; 512];
        loop {
            let unchecked = &open.frame[measured.payload().start + open.utf_8_bytes..];
            let piece = &mut piece[..unchecked.len().min(512)];
            piece.copy_from_slice(&unchecked[..piece.len()]);
            let mut mask = measured.mask;
            mask.rotate_left(open.utf_8_bytes % 4);
            unmask(piece, mask);
            let is_last = piece.len() == unchecked.len();
            match std::str::from_utf8(piece) {
                Ok(_) => open.utf_8_bytes += piece.len(),
                // A character that is not all there.
                Err(error) if error.error_len().is_none() => {
                    open.utf_8_bytes += error.valid_up_to()
                }
                Err(_) => return Err(SessionFault::NOT_UTF_8),
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Gives the box back if nothing is in it any more.
    fn tidy(&mut self) {
        let open = self.half_read.as_ref();
        if open.is_some_and(|open| open.message.is_none() && open.frame.is_empty()) {
            self.half_read = None;
        }
    }

    /// Ends the session: its memory is given back, and nothing more is yielded.
    fn end(&mut self) {
        self.half_read = None;
        self.ended = true;
    }
}

impl<'a> Feed<'a> {
    /// The next whole message, or a frame that is none; a fault once, when the peer broke the protocol; and `None` when the
    /// input is used up or the session has ended.
    #[allow(clippy::should_implement_trait)] // An item may lie in the feed itself, which no iterator may lend.
    pub fn next(&mut self) -> Option<Result<Incoming<'_>, SessionFault>> {
        self.whole = Whole::None;
        let found = match self.advance() {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.exhausted = true;
                return None;
            }
            Err(fault) => {
                self.session.end();
                return Some(Err(fault));
            }
        };
        let incoming = match (found, &self.whole) {
            (Found::Unheard, _) => Ok(Incoming::Unheard),
            (Found::Pong, _) => Ok(Incoming::Pong),
            (Found::Close, _) => {
                self.session.end();
                Ok(Incoming::Close)
            }
            (Found::Here { payload, is_text }, _) => incoming(payload, is_text),
            (Found::InFrame { payload, is_text }, Whole::Frame(frame)) => {
                incoming(&frame[payload], is_text)
            }
            (Found::Joined, Whole::Message(Message::Text(text))) => Ok(Incoming::Text(text)),
            (Found::Joined, Whole::Message(Message::Binary(bytes))) => Ok(Incoming::Binary(bytes)),
            (Found::InFrame { .. } | Found::Joined, _) => {
                unreachable!("what is found has been put there")
            }
        };
        if incoming.is_err() {
            self.session.end();
        }
        Some(incoming)
    }

    /// What is to be sent in reply to what has come so far and was not taken from here yet.
    pub fn replies(&mut self) -> &mut Vec<u8> {
        self.replies
    }

    /// Stops after the message that came last. Tells how many bytes at the end of the input are left, which the caller
    /// feeds again later; the session keeps its place. O(1).
    pub fn pause(mut self) -> usize {
        self.exhausted = true;
        self.input.len()
    }

    /// Goes on to the next frame of the input.
    fn advance(&mut self) -> Result<Option<Found<'a>>, SessionFault> {
        if self.session.ended || self.input.is_empty() {
            return Ok(None);
        }
        if self.session.open_frame().is_some() {
            let measured = self.complete_frame()?;
            return measured
                .map(|measured| self.read_completed(&measured))
                .transpose();
        }
        match self.session.measure(self.input, self.parser)? {
            Some(measured) if measured.frame_bytes <= self.input.len() => {
                let frame = self.take_input(measured.frame_bytes);
                self.read_frame(frame, &measured).map(Some)
            }
            measured => {
                let rest = self.take_input(self.input.len());
                self.session.keep(rest);
                if let Some(measured) = &measured {
                    self.session.check_begun_text(measured)?;
                }
                Ok(None)
            }
        }
    }

    /// Adds input to the incomplete frame; what it measures when that makes it whole.
    fn complete_frame(&mut self) -> Result<Option<Measured>, SessionFault> {
        let kept = self.session.open_frame().unwrap_or_default();
        let kept_bytes = kept.len();
        // The header may itself be split: it is looked at in one piece, together with what the input adds to it.
        let mut head = [0; HEADER_BYTES_MAX];
        let from_kept = kept_bytes.min(HEADER_BYTES_MAX);
        let from_input = self.input.len().min(HEADER_BYTES_MAX - from_kept);
        head[..from_kept].copy_from_slice(&kept[..from_kept]);
        head[from_kept..from_kept + from_input].copy_from_slice(&self.input[..from_input]);
        let head = &head[..from_kept + from_input];
        let measured = self.session.measure(head, self.parser)?;

        let missing_bytes = measured
            .as_ref()
            .map_or(usize::MAX, |measured| measured.frame_bytes - kept_bytes);
        let taken = self.take_input(missing_bytes.min(self.input.len()));
        self.session.keep(taken);
        match measured {
            Some(measured) if taken.len() < missing_bytes => {
                self.session.check_begun_text(&measured)?;
                Ok(None)
            }
            measured => Ok(measured),
        }
    }

    /// Reads the frame that has become whole.
    fn read_completed(&mut self, measured: &Measured) -> Result<Found<'a>, SessionFault> {
        let mut frame = self.session.take_frame();
        Ok(match measured.kind {
            Kind::Message { is_text } => {
                let payload = measured.payload();
                unmask(&mut frame[payload.clone()], measured.mask);
                self.whole = Whole::Frame(frame);
                Found::InFrame { payload, is_text }
            }
            Kind::Pong => Found::Pong,
            Kind::Fragment { .. } | Kind::Control => self.have_read(&frame, measured)?,
        })
    }

    /// Reads one whole frame of the input.
    fn read_frame(
        &mut self,
        frame: &'a mut [u8],
        measured: &Measured,
    ) -> Result<Found<'a>, SessionFault> {
        Ok(match measured.kind {
            Kind::Message { is_text } => {
                let payload = &mut frame[measured.payload()];
                unmask(payload, measured.mask);
                Found::Here { payload, is_text }
            }
            Kind::Pong => Found::Pong,
            Kind::Fragment { .. } | Kind::Control => self.have_read(frame, measured)?,
        })
    }

    /// Has one whole frame that is no message by itself read by tungstenite, in the context that it belongs to.
    fn have_read(&mut self, frame: &[u8], measured: &Measured) -> Result<Found<'a>, SessionFault> {
        let Parser {
            role,
            message_bytes_max,
        } = self.parser;
        let replies_before = self.replies.len();
        let mut memory = Memory {
            unread: frame,
            replies: self.replies,
        };
        let read = if let Kind::Fragment { is_last, .. } = measured.kind {
            let half_read = self.session.half_read.get_or_insert_default();
            let message = half_read
                .message
                .get_or_insert_with(|| Box::new(Fragments::new(role, message_bytes_max)));
            message.message_bytes += measured.payload_bytes;
            message.largest_frame_bytes = message.largest_frame_bytes.max(measured.frame_bytes);
            let read = read_one(&mut message.context, &mut memory);
            if is_last {
                half_read.message = None;
                self.session.tidy();
            }
            read
        } else {
            // A control frame between fragments is no part of the message and needs none of its state.
            read_one(&mut new_context(role, message_bytes_max, 0), &mut memory)
        };
        if self.session.replies_stopped {
            self.replies.truncate(replies_before);
        }
        Ok(match read? {
            None | Some(Message::Ping(_) | Message::Pong(_)) => Found::Unheard,
            Some(Message::Close(_)) => Found::Close,
            Some(message) => {
                self.whole = Whole::Message(message);
                Found::Joined
            }
        })
    }

    /// Cuts the first `count` bytes off the input.
    fn take_input(&mut self, count: usize) -> &'a mut [u8] {
        let (taken, rest) = std::mem::take(&mut self.input).split_at_mut(count);
        self.input = rest;
        taken
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        // The rest of the input is lost, so the session has lost its place.
        if !self.exhausted {
            self.session.end();
        }
    }
}

/// A message in one frame.
fn incoming(payload: &[u8], is_text: bool) -> Result<Incoming<'_>, SessionFault> {
    if !is_text {
        return Ok(Incoming::Binary(payload));
    }
    let text = std::str::from_utf8(payload);
    text.map(Incoming::Text)
        .map_err(|_| SessionFault::NOT_UTF_8)
}

/// Takes the mask off the payload (RFC 6455 section 5.3), eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let mut eights = payload.chunks_exact_mut(8);
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    for eight in &mut eights {
        let masked = u64::from_ne_bytes((&*eight).try_into().expect("a chunk of eight"));
        eight.copy_from_slice(&(masked ^ wide).to_ne_bytes());
    }
    let rest = eights.into_remainder().iter_mut();
    rest.zip(mask.iter().cycle())
        .for_each(|(byte, mask)| *byte ^= mask);
}

impl Fragments {
    fn new(role: Role, message_bytes_max: usize) -> Fragments {
        Fragments {
            context: new_context(role, message_bytes_max, OWN_READ_BUFFER_BYTES),
            message_bytes: 0,
            largest_frame_bytes: 0,
        }
    }
}

impl SessionFault {
    pub(super) const TOO_BIG: SessionFault = SessionFault {
        close_code: 1009,
        reason: "message is too big",
    };

    const NOT_UTF_8: SessionFault = SessionFault {
        close_code: 1007,
        reason: "text is not UTF-8",
    };

    pub(super) fn protocol(reason: &'static str) -> SessionFault {
        SessionFault {
            close_code: 1002,
            reason,
        }
    }
}

impl fmt::Display for SessionFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.reason, self.close_code)
    }
}

impl std::error::Error for SessionFault {}

impl Read for Memory<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            // Zero bytes would mean the end of the connection to tungstenite.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.unread.read(buffer)
    }
}

impl Write for Memory<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.replies.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A fresh context. Replies are passed on at once and not gathered inside.
fn new_context(role: Role, message_bytes_max: usize, read_buffer_bytes: usize) -> WebSocketContext {
    let frame_bytes_max = message_bytes_max.max(CONTROL_BYTES_MAX as usize);
    let config = WebSocketConfig::default()
        .read_buffer_size(read_buffer_bytes)
        .write_buffer_size(0)
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(frame_bytes_max));
    WebSocketContext::new(role, Some(config))
}

/// Has the context read one frame, all of whose bytes are there, and writes what the frame calls for in reply. None for a
/// fragment that does not finish its message.
fn read_one(
    context: &mut WebSocketContext,
    memory: &mut Memory<'_, '_>,
) -> Result<Option<Message>, SessionFault> {
    let read = match context.read(memory) {
        // The context asks for the next frame.
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(fault_of(&error)),
        Ok(message) => {
            if matches!(message, Message::Ping(_) | Message::Close(_)) {
                flush(context, memory)?;
            }
            Ok(Some(message))
        }
    };
    debug_assert!(
        read.is_err() || memory.unread.is_empty(),
        "it read it whole"
    );
    read
}

/// Writes the queued pong or close. That a close has thereby ended the connection is no error here.
fn flush(context: &mut WebSocketContext, memory: &mut Memory<'_, '_>) -> Result<(), SessionFault> {
    match context.flush(memory) {
        Ok(()) | Err(Error::ConnectionClosed) => Ok(()),
        Err(error) => Err(fault_of(&error)),
    }
}

/// The close code for an error of tungstenite's (RFC 6455 section 7.4.1).
pub(super) fn fault_of(error: &Error) -> SessionFault {
    match error {
        Error::Capacity(_) => SessionFault::TOO_BIG,
        Error::Utf8(_) => SessionFault::NOT_UTF_8,
        _ => SessionFault::protocol("not a valid WebSocket frame"),
    }
}

/// The read buffer of a context that only joins fragments: small, because there may be one for each connection.
const OWN_READ_BUFFER_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<Session>() <= 32);
    }

    #[test]
    fn unmasking_twice_changes_nothing_and_once_each_byte() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        for length in 0..40_u8 {
            let plain: Vec<u8> = (0..length).collect();
            let mut bytes = plain.clone();
            unmask(&mut bytes, mask);
            for (index, byte) in bytes.iter().enumerate() {
                assert_eq!(*byte, plain[index] ^ mask[index % 4], "{length}");
            }
            unmask(&mut bytes, mask);
            assert_eq!(bytes, plain);
        }
    }
}
