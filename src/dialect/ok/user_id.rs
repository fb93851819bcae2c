//! Encrypted user ids: a text from which nobody without the key learns the id, the same one for the same id, so that
//! peers recognise a user again.
//!
//! AES-256-CBC; the IV is a keyed MAC of the id, so equal ids give equal texts, others share no key stream, and what is
//! decrypted is authentic if its MAC is the IV. Both keys come from the passphrase through Argon2id, once at start. Of
//! several passphrases the first seals and all open, so that a passphrase can be replaced while clients hold sealed texts.
//! Source: `PROTOCOLS.md` section 1, "Encrypted user id"; RFC 9106 for Argon2id, NIST SP 800-38A for CBC.

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use argon2::{Algorithm, Argon2, Params, Version};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// Seals user ids with keys made from one passphrase; opens what was sealed with these, or with those of passphrases that
/// were in use before.
pub struct UserIdCipher {
    keys: Keys,
    old: Vec<Keys>,
}

/// What one passphrase comes to.
struct Keys {
    encryption_key: [u8; 32],
    mac_key: [u8; 32],
}

impl UserIdCipher {
    /// Makes the keys: Argon2id with 19 MiB, 2 rounds, 1 lane (the least that RFC 9106's users recommend today; some
    /// 50 ms for each passphrase, once). The salt is fixed, since the same passphrase must give the same texts after a
    /// restart.
    pub fn new(passphrase: &str, old: &[String]) -> UserIdCipher {
        UserIdCipher {
            keys: Keys::new(passphrase),
            old: old.iter().map(|passphrase| Keys::new(passphrase)).collect(),
        }
    }

    /// The sealed form of a user id: hexadecimal, IV before cipher text. About 1 µs. What is sealed already must be opened
    /// first.
    pub fn seal(&self, user_id: &str) -> String {
        let keys = &self.keys;
        let iv = keys.iv(user_id.as_bytes());
        let sealed = cbc::Encryptor::<Aes256>::new(&keys.encryption_key.into(), &iv.into())
            .encrypt_padded_vec::<Pkcs7>(user_id.as_bytes());
        let mut hex = String::with_capacity(2 * (iv.len() + sealed.len()));
        for byte in iv.iter().chain(&sealed) {
            hex.push(char::from(HEX[usize::from(byte >> 4)]));
            hex.push(char::from(HEX[usize::from(byte & 15)]));
        }
        hex
    }

    /// Bytes of the sealed form of a user id of so many bytes: hexadecimal of the IV and of all blocks, the last of
    /// which is padded.
    pub fn sealed_bytes(user_id_bytes: usize) -> usize {
        2 * (16 + (user_id_bytes / 16 + 1) * 16)
    }

    /// The user id in a text that was sealed with any of the keys; none if with none of them. O(keys).
    pub fn open(&self, text: &str) -> Option<String> {
        let bytes = from_hex(text)?;
        let mut keys = std::iter::once(&self.keys).chain(&self.old);
        keys.find_map(|keys| keys.open(&bytes))
    }
}

impl Keys {
    fn new(passphrase: &str) -> Keys {
        let params = Params::new(19 << 10, 2, 1, Some(64)).expect("the parameters are in range");
        let mut keys = [0; 64];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), b"peerhub user id v1", &mut keys)
            .expect("a passphrase below 4 GiB and 64 bytes of output are in range");
        let (encryption_key, mac_key) = keys.split_at(32);
        Keys {
            encryption_key: encryption_key.try_into().expect("32 of 64 bytes"),
            mac_key: mac_key.try_into().expect("32 of 64 bytes"),
        }
    }

    fn open(&self, bytes: &[u8]) -> Option<String> {
        let (iv, sealed) = bytes.split_first_chunk::<16>()?;
        let opened = cbc::Decryptor::<Aes256>::new(&self.encryption_key.into(), &(*iv).into())
            .decrypt_padded_vec::<Pkcs7>(sealed)
            .ok();
        // Bad padding takes as long as a bad MAC, or the time would tell what a changed text decrypts to.
        let authentic: bool = self
            .iv(opened.as_deref().unwrap_or(sealed))
            .ct_eq(iv)
            .into();
        let opened = opened.filter(|_| authentic)?;
        String::from_utf8(opened).ok()
    }

    fn iv(&self, user_id: &[u8]) -> [u8; 16] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.mac_key).expect("HMAC takes keys of every length");
        mac.update(user_id);
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        *tag.first_chunk().expect("16 of 32 bytes")
    }
}

impl fmt::Debug for UserIdCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserIdCipher")
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn from_hex(text: &str) -> Option<Vec<u8>> {
    // An IV and at least one block.
    if text.len() < 64 || !text.len().is_multiple_of(32) {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealing_hides_repeats_and_is_recognised() {
        let cipher = UserIdCipher::new("a passphrase", &[]);
        let long = "x".repeat(200);
        for id in ["someone@example.org", "a", &long, "ä\0ö"] {
            let sealed = cipher.seal(id);
            assert!(sealed.bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert_eq!(sealed.len(), UserIdCipher::sealed_bytes(id.len()));
            assert_eq!(cipher.seal(id), sealed, "equal ids give equal texts");
            assert_eq!(cipher.open(&sealed).as_deref(), Some(id));
        }
        let (one, other) = (cipher.seal("one"), cipher.seal("two"));
        assert_ne!(one[..32], other[..32], "ids share no IV");
    }

    #[test]
    fn what_was_sealed_with_older_keys_opens() {
        let texts = |texts: &[&str]| {
            texts
                .iter()
                .map(|&text| text.to_owned())
                .collect::<Vec<_>>()
        };
        let first = UserIdCipher::new("first", &[]);
        let second = UserIdCipher::new("second", &texts(&["first"]));
        let third = UserIdCipher::new("third", &texts(&["second", "first"]));
        let sealed = [&first, &second, &third].map(|cipher| cipher.seal("someone"));
        assert!(sealed[0] != sealed[1] && sealed[1] != sealed[2]);
        for text in &sealed {
            assert_eq!(third.open(text).as_deref(), Some("someone"));
        }
        assert_eq!(second.open(&sealed[0]).as_deref(), Some("someone"));
        assert_eq!(
            second.open(&sealed[2]),
            None,
            "keys of the future are unknown"
        );
        assert_eq!(format!("{third:?}"), "UserIdCipher");
    }

    #[test]
    fn what_was_tampered_with_is_not_opened() {
        let cipher = UserIdCipher::new("a passphrase", &["an old one".to_owned()]);
        let sealed = cipher.seal("someone@example.org");
        for place in 0..sealed.len() {
            let mut forged = sealed.clone().into_bytes();
            forged[place] = if forged[place] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).expect("hexadecimal digits");
            assert_eq!(cipher.open(&forged), None, "digit {place}");
        }
        assert_eq!(UserIdCipher::new("another", &[]).open(&sealed), None);
        for text in ["", "00", &"0".repeat(64), &"g".repeat(64), "someone"] {
            assert_eq!(cipher.open(text), None);
        }
    }
}
