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

    /// Bytes of memory that are kept beyond the size of this: none between two lines.
    pub fn held_bytes(&self) -> usize {
        self.half_read.capacity()
    }
}

impl<'a> LineFeed<'a> {
    /// The next line that is not empty, without its end; `None` when the input is used up. After an error, which forgets
    /// the line, the caller feeds no more.
    #[allow(clippy::should_implement_trait)] // Used beside `pause`, which an iterator's user would not look for.
    pub fn next(&mut self) -> Option<Result<Cow<'a, [u8]>, LineTooLong>> {
        loop {
            let end = self.input.iter().position(|&byte| byte == b'\n');
            let (piece, rest) = match end {
                Some(end) => (&self.input[..end], &self.input[end + 1..]),
                None => (self.input, &self.input[self.input.len()..]),
            };
            // A carriage return may be the first half of the line's end.
            if self.lines.half_read.len() + piece.len() > self.line_bytes_max + 1 {
                self.lines.half_read = Vec::new();
                return Some(Err(LineTooLong));
            }
            self.input = rest;
            if end.is_none() {
                self.lines.half_read.extend_from_slice(piece);
                return None;
            }
            let line = match self.lines.half_read.is_empty() {
                true => Cow::Borrowed(piece),
                false => {
                    let mut line = std::mem::take(&mut self.lines.half_read);
                    line.extend_from_slice(piece);
                    Cow::Owned(line)
                }
            };
            let line = match line {
                Cow::Borrowed(line) => Cow::Borrowed(line.strip_suffix(b"\r").unwrap_or(line)),
                Cow::Owned(mut line) => {
                    if line.ends_with(b"\r") {
                        line.pop();
                    }
                    Cow::Owned(line)
                }
            };
            if line.len() > self.line_bytes_max {
                return Some(Err(LineTooLong));
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
