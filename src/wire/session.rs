//! WebSocket sessions: tungstenite run over memory, at almost no memory for a connection that is idle.
//!
//! Step 3 of the message path. A connection between two messages has nothing that a parser would have to remember, so
//! the loop owns one [`Parser`] and lends it to each connection's [`Session`] for as long as its input lasts. The
//! session cuts the input into whole frames and refuses a frame by its header alone where the header is enough to
//! tell; tungstenite unmasks, checks UTF-8, joins fragments, answers pings and judges close frames. What is kept
//! between two inputs, in one box that is given back with the last byte of the message, is
//! - an incomplete frame, growing as its bytes come and never by the length that it declares, and
//! - a tungstenite context of the connection's own while a fragmented message is unfinished.
//!
//! Nothing here writes to a socket: pongs and the answer to a close are appended to `replies`. Close frames for
//! faults are the caller's to send, since tungstenite sends none. The rules are those of RFC 6455 sections 5 and 7.

use std::fmt;
use std::io::{self, Read, Write};

use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Bytes, Error, Message, Utf8Bytes};

use super::measure::{CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Kind, Measured, measure};

/// The one parser of a loop for all sessions in which it has the same role, lent to a session for each input.
#[derive(Debug)]
pub struct Parser {
    context: WebSocketContext,
    role: Role,
    message_bytes_max: usize,
    /// Whether a frame went through that may have made the context's buffer large.
    outgrown: bool,
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
    parser: &'a mut Parser,
    /// Input that has not been looked at.
    input: &'a [u8],
    /// Whole frames, each one a message or a ping or pong, that the lent parser is going through.
    run: &'a [u8],
    /// How many frames of the run the parser has yet to finish, whether or not it has already taken their bytes in.
    run_frames: usize,
    /// The input from the run's first frame on, and how many of the run's frames are finished: what a pause needs.
    run_input: &'a [u8],
    run_finished: usize,
    replies: &'a mut Vec<u8>,
    exhausted: bool,
}

/// Something whole that the peer sent.
///
/// Texts and binaries may share the parser's buffer: copy out what is kept longer than it takes to act on it, or a
/// few bytes hold some kilobytes and the parser must allocate anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A pong. Pings are answered here and not passed on.
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
    /// A parser of what clients send, for messages of at most `message_bytes_max` bytes of payload. Allocates its read
    /// buffer at once.
    pub fn new(message_bytes_max: usize) -> Parser {
        Parser::of_role(Role::Server, message_bytes_max)
    }

    /// A parser of what servers send, for sessions in which this end is the client: frames come in unmasked, and replies go
    /// out masked, with keys of tungstenite's own choice.
    pub fn for_client(message_bytes_max: usize) -> Parser {
        Parser::of_role(Role::Client, message_bytes_max)
    }

    fn of_role(role: Role, message_bytes_max: usize) -> Parser {
        Parser {
            context: new_context(role, message_bytes_max, LENT_READ_BUFFER_BYTES),
            role,
            message_bytes_max,
            outgrown: false,
        }
    }

    /// Forgets everything, bytes of a given-up input included.
    fn renew(&mut self) {
        *self = Parser::of_role(self.role, self.message_bytes_max);
    }
}

impl Session {
    /// Takes `input`, the next bytes of this connection, in. The messages come out of the [`Feed`]; pongs and the answer
    /// to a close are appended to `replies` as frames ready to be sent. O(input), and allocates nothing as long as
    /// frames come whole and the caller does not keep the messages.
    pub fn feed<'a>(
        &'a mut self,
        parser: &'a mut Parser,
        input: &'a [u8],
        replies: &'a mut Vec<u8>,
    ) -> Feed<'a> {
        Feed {
            session: self,
            parser,
            input,
            run: &[],
            run_frames: 0,
            run_input: &[],
            run_finished: 0,
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
    fn measure(&self, bytes: &[u8], parser: &Parser) -> Result<Option<Measured>, SessionFault> {
        let message = self
            .half_read
            .as_ref()
            .and_then(|half_read| half_read.message.as_ref());
        let so_far_bytes = message.map(|message| message.message_bytes);
        measure(bytes, parser.role, so_far_bytes, parser.message_bytes_max)
    }

    /// Ends the session: its memory is given back, and nothing more is yielded.
    fn end(&mut self) {
        self.half_read = None;
        self.ended = true;
    }
}

impl<'a> Feed<'a> {
    /// The next whole message; a fault once, when the peer broke the protocol; and `None` when the input is used up or
    /// the session has ended.
    #[allow(clippy::should_implement_trait)] // Replies are written between items: an adapter that reads ahead would lie.
    pub fn next(&mut self) -> Option<Result<Incoming, SessionFault>> {
        let replies_before = self.replies.len();
        let found = self.advance();
        if self.session.replies_stopped {
            self.replies.truncate(replies_before);
        }
        match &found {
            Ok(Some(Incoming::Close)) => {
                self.session.end();
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                self.exhausted = true;
                if self.parser.outgrown {
                    self.parser.renew();
                }
            }
            Err(_) => {
                self.session.end();
                // tungstenite must not be read again after an error, and may hold more of this run.
                self.parser.renew();
                self.run_frames = 0;
            }
        }
        found.transpose()
    }

    /// Stops after the message that came last. Tells how many bytes at the end of the input are left, which the caller
    /// feeds again later; the session keeps its place. O(frames of this input); for callers whose time is up, not for every message.
    pub fn pause(mut self) -> usize {
        let rest = if self.run_frames > 0 {
            let mut rest = self.run_input;
            for _ in 0..self.run_finished {
                let measured = self.session.measure(rest, self.parser);
                let finished = measured.expect("the frames of a run are sound");
                rest = &rest[finished.expect("the frames of a run are whole").frame_bytes..];
            }
            // The parser may have taken in more of the run than it has yielded.
            self.parser.renew();
            self.run_frames = 0;
            rest
        } else {
            self.input
        };
        self.exhausted = true;
        rest.len()
    }

    /// Goes on to the next message: through the run that has begun, then frame by frame through the input.
    fn advance(&mut self) -> Result<Option<Incoming>, SessionFault> {
        loop {
            if let Some(incoming) = self.go_through_run()? {
                return Ok(Some(incoming));
            }
            if self.session.ended || self.input.is_empty() {
                return Ok(None);
            }
            let frame_is_open = self
                .session
                .half_read
                .as_ref()
                .is_some_and(|half_read| !half_read.frame.is_empty());
            if frame_is_open {
                let Some((frame, measured)) = self.complete_frame()? else {
                    return Ok(None);
                };
                if let Some(incoming) = self.read_frame(&frame, &measured)? {
                    return Ok(Some(incoming));
                }
            } else if self.session.half_read.is_none() && self.find_run() {
                continue;
            } else {
                let measured = self.session.measure(self.input, self.parser)?;
                match measured {
                    Some(measured) if measured.frame_bytes <= self.input.len() => {
                        let frame = self.take_input(measured.frame_bytes);
                        if let Some(incoming) = self.read_frame(frame, &measured)? {
                            return Ok(Some(incoming));
                        }
                    }
                    Some(_) | None => {
                        let rest = self.take_input(self.input.len());
                        self.keep(rest);
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Takes from the front of the input all the whole plain frames in a row, as the run for the lent parser. Tells
    /// whether there was any.
    fn find_run(&mut self) -> bool {
        let mut run_bytes = 0;
        self.run_input = self.input;
        self.run_finished = 0;
        // A fault met here waits until the frames before it have been read.
        while let Ok(Some(measured)) = self.session.measure(&self.input[run_bytes..], self.parser) {
            if measured.kind != Kind::Plain || measured.frame_bytes > self.input.len() - run_bytes {
                break;
            }
            run_bytes += measured.frame_bytes;
            self.run_frames += 1;
            self.parser.outgrown |= measured.frame_bytes > LENT_FRAME_BYTES_MAX;
        }
        self.run = self.take_input(run_bytes);
        self.run_frames > 0
    }

    /// Reads the run up to its next message that is not a ping. Never reads beyond the run's last frame, so that the
    /// lent parser is left between two frames, and its reader is never asked for bytes that are not there.
    fn go_through_run(&mut self) -> Result<Option<Incoming>, SessionFault> {
        while self.run_frames > 0 {
            let mut memory = Memory {
                unread: self.run,
                replies: self.replies,
            };
            let read = read_one(&mut self.parser.context, &mut memory);
            self.run = memory.unread;
            self.run_frames -= 1;
            self.run_finished += 1;
            if let Some(incoming) = read? {
                return Ok(Some(incoming));
            }
        }
        debug_assert!(self.run.is_empty(), "each frame of the run was read");
        Ok(None)
    }

    /// Adds input to the incomplete frame; the frame when that makes it whole.
    fn complete_frame(&mut self) -> Result<Option<(Vec<u8>, Measured)>, SessionFault> {
        let Some(half_read) = &self.session.half_read else {
            return Ok(None);
        };
        let kept_bytes = half_read.frame.len();
        // The header may itself be split: it is looked at in one piece, together with what the input adds to it.
        let mut head = [0; HEADER_BYTES_MAX];
        let from_kept = kept_bytes.min(HEADER_BYTES_MAX);
        let from_input = self.input.len().min(HEADER_BYTES_MAX - from_kept);
        head[..from_kept].copy_from_slice(&half_read.frame[..from_kept]);
        head[from_kept..from_kept + from_input].copy_from_slice(&self.input[..from_input]);
        let measured = self
            .session
            .measure(&head[..from_kept + from_input], self.parser)?;

        let missing_bytes = measured
            .as_ref()
            .map_or(usize::MAX, |measured| measured.frame_bytes - kept_bytes);
        let taken = self.take_input(missing_bytes.min(self.input.len()));
        self.keep(taken);
        match measured {
            Some(measured) if taken.len() == missing_bytes => Ok(self
                .session
                .half_read
                .as_mut()
                .map(|half_read| (std::mem::take(&mut half_read.frame), measured))),
            Some(_) | None => Ok(None),
        }
    }

    /// Has one whole frame read by the context that it belongs to, and tidies up after it.
    fn read_frame(
        &mut self,
        frame: &[u8],
        measured: &Measured,
    ) -> Result<Option<Incoming>, SessionFault> {
        let (role, message_bytes_max) = (self.parser.role, self.parser.message_bytes_max);
        let mut memory = Memory {
            unread: frame,
            replies: self.replies,
        };
        let half_read = &mut self.session.half_read;
        let read = match measured.kind {
            Kind::Plain => {
                // A control frame between fragments is no part of the message and needs none of its state.
                self.parser.outgrown |= measured.frame_bytes > LENT_FRAME_BYTES_MAX;
                read_one(&mut self.parser.context, &mut memory)
            }
            // A context that has read a close is of no further use.
            Kind::Close => read_one(&mut new_context(role, message_bytes_max, 0), &mut memory),
            Kind::Fragment | Kind::LastFragment => {
                let message = half_read
                    .get_or_insert_default()
                    .message
                    .get_or_insert_with(|| Box::new(Fragments::new(role, message_bytes_max)));
                message.message_bytes += measured.payload_bytes;
                message.largest_frame_bytes = message.largest_frame_bytes.max(measured.frame_bytes);
                read_one(&mut message.context, &mut memory)
            }
        };
        debug_assert!(
            read.is_err() || memory.unread.is_empty(),
            "a frame that was read was read whole"
        );
        if let Some(open) = half_read {
            if measured.kind == Kind::LastFragment {
                open.message = None;
            }
            if open.message.is_none() && open.frame.is_empty() {
                *half_read = None;
            }
        }
        read
    }

    /// Keeps bytes of an incomplete frame for the next input.
    fn keep(&mut self, bytes: &[u8]) {
        let half_read = self.session.half_read.get_or_insert_default();
        half_read.frame.extend_from_slice(bytes);
    }

    /// Cuts the first `count` bytes off the input.
    fn take_input(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.input.split_at(count);
        self.input = rest;
        taken
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        if self.exhausted || self.session.ended && self.run_frames == 0 {
            return;
        }
        // The rest of the input is lost, so the session has lost its place; and the parser may hold some of it.
        self.session.end();
        self.parser.renew();
    }
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

/// Has the context read one frame, all of whose bytes are there, and writes what the frame calls for in reply.
fn read_one(
    context: &mut WebSocketContext,
    memory: &mut Memory<'_, '_>,
) -> Result<Option<Incoming>, SessionFault> {
    match context.read(memory) {
        Ok(Message::Text(text)) => Ok(Some(Incoming::Text(text))),
        Ok(Message::Binary(bytes)) => Ok(Some(Incoming::Binary(bytes))),
        Ok(Message::Pong(_)) => Ok(Some(Incoming::Pong)),
        Ok(Message::Ping(_)) => {
            // The pong waits inside the context, which the next reader may use for another connection.
            flush(context, memory)?;
            Ok(None)
        }
        Ok(Message::Close(_)) => {
            flush(context, memory)?;
            Ok(Some(Incoming::Close))
        }
        // Only writers make raw frames; tungstenite never returns one from `read`.
        Ok(Message::Frame(_)) => Ok(None),
        // A fragment that does not finish its message: the context asks for the next frame.
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(fault_of(&error)),
    }
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
        Error::Utf8(_) => SessionFault {
            close_code: 1007,
            reason: "text is not UTF-8",
        },
        _ => SessionFault::protocol("not a valid WebSocket frame"),
    }
}

/// The read buffer of the lent parser. tungstenite zero-fills what is free of it for each read, which is what an input
/// with just one message pays for. Measured for masked 300-byte texts on a shared two-core machine, ±15 %, ns per
/// message with 1 / 12 / 200 of them per input: 1 KiB 205 / 165 / 158, 4 KiB 221 / 162 / 172, 16 KiB 284 / 183 / 159,
/// 64 KiB 493 / 187 / 155. None allocated in the steady state.
const LENT_READ_BUFFER_BYTES: usize = 4 << 10;

/// A frame above this makes the lent parser be replaced after the input, so that its grown buffer does not stay.
const LENT_FRAME_BYTES_MAX: usize = 64 << 10;

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
    fn a_parser_that_a_large_frame_went_through_is_replaced() {
        let payload = vec![0; LENT_FRAME_BYTES_MAX];
        let mut large = vec![0x82, 0x80 | 127];
        large.extend((payload.len() as u64).to_be_bytes());
        large.extend([0; 4]);
        large.extend(&payload);
        let mut parser = Parser::new(1 << 20);
        let mut session = Session::default();
        let mut replies = Vec::new();
        // Whole, so that it is part of a run, and in two pieces, so that it is kept and completed.
        for cut_at in [large.len(), 100] {
            let mut yielded = 0;
            for chunk in [&large[..cut_at], &large[cut_at..]] {
                let mut feed = session.feed(&mut parser, chunk, &mut replies);
                while let Some(Ok(Incoming::Binary(bytes))) = feed.next() {
                    assert_eq!(bytes, payload);
                    assert!(feed.parser.outgrown, "the frame was noticed");
                    yielded += 1;
                }
            }
            assert_eq!(yielded, 1);
            assert!(!parser.outgrown, "the parser was replaced");
        }
    }
}
