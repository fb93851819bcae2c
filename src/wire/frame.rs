//! Ready-made frames: a header and a payload appended to bytes that wait for a socket.
//!
//! Step 8 of the message path, and the control frames that the hub sends of its own accord. Frames of a server are
//! never masked, those of a client always (RFC 6455 section 5.1), with a key that the caller draws; none is fragmented
//! here. This file keeps no state; that nothing may follow a
//! close frame is the caller's to see to.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// A whole ping frame without payload.
pub const PING_EMPTY: [u8; 2] = [0x89, 0x00];

/// The most bytes that the reason of a close frame can have: a control frame carries at most 125 (RFC 6455 section
/// 5.5), of which the code takes 2.
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Appends one text frame. `payload` must be UTF-8. O(payload).
pub fn write_text(payload: &[u8], out: &mut Vec<u8>) {
    debug_assert!(
        std::str::from_utf8(payload).is_ok(),
        "a text frame carries UTF-8"
    );
    write_frame(OpCode::Data(Data::Text), &[payload], out);
}

/// Appends one text frame of a client, masked by `key`, which nobody else may know beforehand. `payload` must be UTF-8.
/// O(payload).
pub fn write_masked_text(payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    debug_assert!(
        std::str::from_utf8(payload).is_ok(),
        "a text frame carries UTF-8"
    );
    mask(key, out, |out| write_text(payload, out));
}

/// Appends one ping frame of a client, without payload.
pub fn write_masked_ping(key: [u8; 4], out: &mut Vec<u8>) {
    mask(key, out, |out| out.extend_from_slice(&PING_EMPTY));
}

/// Appends one close frame of a client. As [`write_close`].
pub fn write_masked_close(code: Option<u16>, reason: &str, key: [u8; 4], out: &mut Vec<u8>) {
    mask(key, out, |out| write_close(code, reason, out));
}

/// Masks the frame that `write` appends: the key goes between its header and its payload.
fn mask(key: [u8; 4], out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let length = &mut out[start + 1];
    let header_bytes = match *length {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    *length |= 0x80;
    let payload = start + header_bytes;
    out.splice(payload..payload, key);
    for (byte, key) in out[payload + key.len()..]
        .iter_mut()
        .zip(key.iter().cycle())
    {
        *byte ^= key;
    }
}

/// Appends one binary frame. O(payload).
pub fn write_binary(payload: &[u8], out: &mut Vec<u8>) {
    write_frame(OpCode::Data(Data::Binary), &[payload], out);
}

/// Appends one close frame. Without a code the frame is empty and the reason is not sent, since a reason cannot stand
/// without a code (RFC 6455 section 5.5.1). A reason over [`CLOSE_REASON_BYTES_MAX`] is cut between two characters.
pub fn write_close(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    let close = OpCode::Control(Control::Close);
    match code {
        None => write_frame(close, &[], out),
        Some(code) => {
            let reason = &reason[..char_boundary(reason, CLOSE_REASON_BYTES_MAX)];
            write_frame(close, &[&code.to_be_bytes(), reason.as_bytes()], out);
        }
    }
}

/// The last place at or before `bytes_max` where `text` can be cut between two characters.
fn char_boundary(text: &str, bytes_max: usize) -> usize {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// Appends one final frame whose payload is the parts in a row.
fn write_frame(opcode: OpCode, parts: &[&[u8]], out: &mut Vec<u8>) {
    let payload_bytes = parts.iter().map(|part| part.len()).sum::<usize>() as u64;
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    out.reserve(header.len(payload_bytes) + payload_bytes as usize);
    header
        .format(payload_bytes, out)
        .expect("formatting fails only when the writer does, and a Vec takes every byte");
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_choose_the_header() {
        let cases: [(usize, &[u8]); 6] = [
            (0, &[0x81, 0]),
            (5, &[0x81, 5]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ];
        for (payload_bytes, header) in cases {
            let payload = vec![b'a'; payload_bytes];
            let mut out = vec![7];
            write_text(&payload, &mut out);
            assert_eq!(
                out,
                [&[7], header, &payload].concat(),
                "{payload_bytes} bytes"
            );
        }
    }

    #[test]
    fn masked_frames() {
        let key = [1, 2, 4, 8];
        let masked = |payload: &[u8]| -> Vec<u8> {
            let keys = key.iter().cycle();
            payload
                .iter()
                .zip(keys)
                .map(|(byte, key)| byte ^ key)
                .collect()
        };
        let cases: [(usize, &[u8]); 5] = [
            (0, &[0x81, 0x80]),
            (5, &[0x81, 0x85]),
            (126, &[0x81, 0xfe, 0, 126]),
            (65_535, &[0x81, 0xfe, 0xff, 0xff]),
            (65_536, &[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]),
        ];
        for (payload_bytes, header) in cases {
            let payload = vec![b'a'; payload_bytes];
            let mut out = vec![7];
            write_masked_text(&payload, key, &mut out);
            let expected = [&[7], header, &key, &masked(&payload)].concat();
            assert_eq!(out, expected, "{payload_bytes} bytes");
        }
        let mut out = Vec::new();
        write_masked_ping(key, &mut out);
        write_masked_close(Some(1000), "ok", key, &mut out);
        let close = [
            &[0x88, 0x84],
            key.as_slice(),
            &masked(&[3, 0xe8, b'o', b'k']),
        ]
        .concat();
        assert_eq!(out, [&[0x89, 0x80, 1, 2, 4, 8], close.as_slice()].concat());
    }

    #[test]
    fn binary_and_close() {
        let mut out = Vec::new();
        write_binary(&[0xff, 0], &mut out);
        write_close(None, "not sent", &mut out);
        write_close(Some(4409), "id", &mut out);
        assert_eq!(
            out,
            [0x82, 2, 0xff, 0, 0x88, 0, 0x88, 4, 0x11, 0x39, b'i', b'd']
        );
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        // 41 three-byte characters are 123 bytes and fit; a leading byte shifts the cut into a character.
        for (reason, kept_bytes) in [("€".repeat(50), 123), (format!("a{}", "€".repeat(50)), 121)]
        {
            let mut out = Vec::new();
            write_close(Some(1000), &reason, &mut out);
            assert_eq!(out[1] as usize, kept_bytes + 2);
            assert_eq!(&out[4..], &reason.as_bytes()[..kept_bytes]);
        }
    }
}
