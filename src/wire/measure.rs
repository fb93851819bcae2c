//! Where a frame ends and what it is, told from its header.
//!
//! Part of step 3 of the message path: [`Session`](super::Session) cuts its input by it. The bytes of the header are read
//! by tungstenite; what is refused here is what RFC 6455 section 5 lets one see without the payload.

use std::io::Cursor;
use std::ops::Range;

use tungstenite::protocol::Role;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::session::{SessionFault, fault_of};

/// The header of a frame, judged and measured.
pub(super) struct Measured {
    /// Bytes of header and payload.
    pub(super) frame_bytes: usize,
    pub(super) payload_bytes: usize,
    /// Zeros, which change nothing, if the frame is not masked.
    pub(super) mask: [u8; 4],
    pub(super) kind: Kind,
}

impl Measured {
    /// Where in the frame its payload is.
    pub(super) fn payload(&self) -> Range<usize> {
        self.frame_bytes - self.payload_bytes..self.frame_bytes
    }
}

/// What a frame is to its reader.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A message in one frame.
    Message { is_text: bool },
    /// The first or a further fragment. Only of the first one it is known what the message is.
    Fragment { is_last: bool, begins_text: bool },
    /// A pong; what it carries matters to nobody.
    Pong,
    /// A ping or a close.
    Control,
}

/// Judges and measures the frame that starts `bytes`; `None` while its header is incomplete.
/// `role` is ours: clients mask their frames, servers do not. `so_far_bytes` is the payload of an unfinished fragmented
/// message, if there is one.
///
/// A header that breaks the protocol is a fault here and now, so that the payload of a bad or oversized frame
/// is neither waited for nor kept.
pub(super) fn measure(
    bytes: &[u8],
    role: Role,
    so_far_bytes: Option<usize>,
    message_bytes_max: usize,
) -> Result<Option<Measured>, SessionFault> {
    let mut cursor = Cursor::new(bytes);
    let parsed = FrameHeader::parse(&mut cursor).map_err(|error| fault_of(&error))?;
    let Some((header, payload_bytes)) = parsed else {
        return Ok(None);
    };
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err(SessionFault::protocol("reserved bits are set"));
    }
    match (role, header.mask) {
        (Role::Server, None) => return Err(SessionFault::protocol("frame is not masked")),
        (Role::Client, Some(_)) => return Err(SessionFault::protocol("frame is masked")),
        (Role::Server, Some(_)) | (Role::Client, None) => {}
    }
    let mut bytes_left = message_bytes_max;
    let kind = match header.opcode {
        OpCode::Control(control) => {
            if !header.is_final {
                return Err(SessionFault::protocol("control frame is fragmented"));
            }
            if payload_bytes > CONTROL_BYTES_MAX {
                return Err(SessionFault::protocol("control frame is too big"));
            }
            // No bound on messages may be so low that it forbids control frames.
            bytes_left = bytes_left.max(CONTROL_BYTES_MAX as usize);
            match control {
                Control::Pong => Kind::Pong,
                Control::Ping | Control::Close | Control::Reserved(_) => Kind::Control,
            }
        }
        OpCode::Data(Data::Continue) => {
            let Some(so_far_bytes) = so_far_bytes else {
                return Err(SessionFault::protocol("continuation of no message"));
            };
            bytes_left = bytes_left.saturating_sub(so_far_bytes);
            Kind::Fragment {
                is_last: header.is_final,
                begins_text: false,
            }
        }
        OpCode::Data(data) => {
            if so_far_bytes.is_some() {
                return Err(SessionFault::protocol("message within a message"));
            }
            let is_text = data == Data::Text;
            match header.is_final {
                true => Kind::Message { is_text },
                false => Kind::Fragment {
                    is_last: false,
                    begins_text: is_text,
                },
            }
        }
    };
    if payload_bytes > bytes_left as u64 {
        return Err(SessionFault::TOO_BIG);
    }
    let payload_bytes = payload_bytes as usize;
    Ok(Some(Measured {
        frame_bytes: cursor.position() as usize + payload_bytes,
        payload_bytes,
        mask: header.mask.unwrap_or_default(),
        kind,
    }))
}

/// The longest frame header: 2 bytes, 8 of length, 4 of mask.
pub(super) const HEADER_BYTES_MAX: usize = 14;

/// The most that a control frame may carry (RFC 6455 section 5.5).
pub(super) const CONTROL_BYTES_MAX: u64 = 125;
