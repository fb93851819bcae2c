//! WebSocket frames on the client's side: whole messages out, bounds of frames in. As cheap as can be, so that the load is
//! not what is measured.

/// The kinds of frames (RFC 6455, section 5.2).
pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Any will do that changes every byte.
const MASK: [u8; 4] = [0x5d, 0x83, 0x2e, 0xf1];

/// Appends a masked frame, the last of its message.
pub fn append(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | kind);
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let start = out.len();
    out.extend_from_slice(payload);
    for four in out[start..].chunks_mut(MASK.len()) {
        for (byte, mask) in four.iter_mut().zip(MASK) {
            *byte ^= mask;
        }
    }
}

/// A frame from the server.
pub struct Bounds {
    pub kind: u8,
    pub is_last: bool,
    pub payload_at: usize,
    pub end: usize,
}

/// The frame that `bytes` begin with, if it is there whole. Servers do not mask.
#[inline]
pub fn bounds(bytes: &[u8]) -> Option<Bounds> {
    let (payload_at, length) = match bytes.get(1)? & 0x7f {
        126 => (
            4,
            u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?).into(),
        ),
        127 => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        short => (2, short.into()),
    };
    let end = usize::try_from(length).ok()?.checked_add(payload_at)?;
    (end <= bytes.len()).then_some(Bounds {
        kind: bytes[0] & 0x0f,
        is_last: bytes[0] & 0x80 != 0,
        payload_at,
        end,
    })
}
