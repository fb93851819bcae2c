//! What a new connection speaks, told from its first byte.
//!
//! Before step 3 of the message path, once per connection (and once more on the decrypted bytes of a TLS connection).
//! It decides nothing about whether that language is enabled: that is the caller's setting.

/// A language that the port understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// A TLS record of type handshake, which a ClientHello opens with (RFC 8446 section 5.1).
    Tls,
    /// JSON lines: one object per line.
    JsonLines,
    /// HTTP/1.1, or something that will be refused as bad HTTP.
    Http,
}

/// Tells what a connection speaks whose first byte is `first`. O(1).
pub fn sniff(first: u8) -> Spoken {
    match first {
        // No HTTP method and no JSON text can start with this control byte, and no method starts with a brace,
        // since a method is a token (RFC 9110 section 5.6.2).
        0x16 => Spoken::Tls,
        b'{' => Spoken::JsonLines,
        _ => Spoken::Http,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_decides() {
        let cases = [
            (0x16, Spoken::Tls),
            (b'{', Spoken::JsonLines),
            (b'G', Spoken::Http),
            (b'\r', Spoken::Http),
            (0x00, Spoken::Http),
            (0xff, Spoken::Http),
        ];
        for (first, spoken) in cases {
            assert_eq!(sniff(first), spoken, "first byte {first:#04x}");
        }
    }
}
