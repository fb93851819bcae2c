//! Lines of text: what comes before each line feed is one message.
//!
//! Step 3 of the message path for net-peer. A line ends with LF or CR LF; empty lines are no messages. What is kept
//! between two inputs is the beginning of a line, and only while there is one. Source: `PROTOCOLS.md` section 4.

use std::borrow::Cow;

/// What a connection keeps of its lines between two inputs: nothing while no line is half read.
#[derive(Debug, Default)]
pub struct Lines {
    half_read: Vec<u8>,
}

/// Whole lines, one at a time, out of one input.
#[derive(Debug)]
pub struct LineFeed<'a> {
    lines: &'a mut Lines,
    /// Input that has not been looked at.
    input: &'a [u8],
    line_bytes_max: usize,
}

/// A line is longer than it may be. The peer is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong;

impl Lines {
    /// Takes `input`, the next bytes of this connection, in; the lines come out of the feed. `line_bytes_max` bounds a line
    /// without its end. O(input).
    pub fn feed<'a>(&'a mut self, input: &'a [u8], line_bytes_max: usize) -> LineFeed<'a> {
        LineFeed {
            lines: self,
            input,
            line_bytes_max,
        }
    }

    /// Keeps a piece of an unfinished line. The memory doubles as it grows, so that a byte is copied O(1) times, but never
    /// beyond what a line may have.
    fn hold(&mut self, piece: &[u8], held_bytes_max: usize) {
        let needed = self.half_read.len() + piece.len();
        if needed > self.half_read.capacity() {
            let wanted = needed
                .max(2 * self.half_read.capacity())
                .min(held_bytes_max);
            self.half_read.reserve_exact(wanted - self.half_read.len());
        }
        self.half_read.extend_from_slice(piece);
    }

    fn too_long(&mut self) -> LineTooLong {
        self.half_read = Vec::new();
        LineTooLong
    }

    /// Bytes of memory that are kept beyond the size of this: none between two lines, and never more than a line may have
    /// and one.
    pub fn held_bytes(&self) -> usize {
        self.half_read.capacity()
    }
}

impl<'a> LineFeed<'a> {
    /// The next line that is not empty, without its end; `None` when the input is used up. After an error, which forgets
    /// the line, the caller feeds no more. O(line), and O(what of it is in this input) if its beginning came earlier.
    #[allow(clippy::should_implement_trait)] // Used beside `pause`, which an iterator's user would not look for.
    pub fn next(&mut self) -> Option<Result<Cow<'a, [u8]>, LineTooLong>> {
        loop {
            // What is half read holds no line feed, and is not searched again.
            let end = self.input.iter().position(|&byte| byte == b'\n');
            let piece = &self.input[..end.unwrap_or(self.input.len())];
            // The carriage return that may stand at a line's end is not of the line.
            let held_bytes_max = self.line_bytes_max.saturating_add(1);
            if piece.len() > held_bytes_max - self.lines.half_read.len() {
                return Some(Err(self.lines.too_long()));
            }
            if end.is_none() {
                self.input = &[];
                self.lines.hold(piece, held_bytes_max);
                return None;
            }
            self.input = &self.input[piece.len() + 1..];
            let line = match self.lines.half_read.is_empty() {
                true => Cow::Borrowed(piece.strip_suffix(b"\r").unwrap_or(piece)),
                false => {
                    self.lines.hold(piece, held_bytes_max);
                    let mut line = std::mem::take(&mut self.lines.half_read);
                    line.truncate(line.len() - usize::from(line.ends_with(b"\r")));
                    Cow::Owned(line)
                }
            };
            if line.len() > self.line_bytes_max {
                return Some(Err(self.lines.too_long()));
            }
            if !line.is_empty() {
                return Some(Ok(line));
            }
        }
    }

    /// Stops after the line that came last. Tells how many bytes at the end of the input are left, which the caller feeds
    /// again later.
    pub fn pause(self) -> usize {
        self.input.len()
    }
}
