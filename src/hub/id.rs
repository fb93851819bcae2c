//! Ids, secrets and phases that the hub makes, out of random bytes that it is given.
//!
//! An id has 16 characters, `R-T`: T is the time in milliseconds since 1970 in base 36, R are random characters of
//! `[a-z0-9]` of which the first is a letter. Clients read the time of a message from its id, so T starts at index 8 as
//! long as it has 8 characters, which it has until the year 2059. Source: `PROTOCOLS.md` section 1, "Id format".

use std::fmt;

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const LETTERS: u64 = 26;

/// A fresh id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Id([u8; 16]);

impl Id {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id is made of ASCII characters")
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A UUID, as its 36 characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Uuid([u8; 36]);

impl Uuid {
    /// The UUID as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a UUID is made of ASCII characters")
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A resume secret: 128 random bits. It shows itself in no log.
#[derive(Clone, Copy)]
pub struct Secret([u8; 16]);

impl Secret {
    /// Digits of the secret as text.
    pub const HEX_BYTES: usize = 32;

    /// The secret as its owner gets it: 32 hexadecimal digits.
    pub fn to_hex(self) -> [u8; Self::HEX_BYTES] {
        let mut hex = [0; Self::HEX_BYTES];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        hex
    }

    /// Whether `text` is this secret, in a time that does not tell where they differ.
    pub fn matches(&self, text: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.to_hex().as_slice(), text.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A stock of random bytes and the present time, from which ids are made. Its `Debug` text does not tell what comes.
pub struct FreshIds {
    stock: Vec<u8>,
    used: usize,
    time: [u8; 8],
}

impl Default for FreshIds {
    fn default() -> FreshIds {
        FreshIds {
            stock: Vec::new(),
            used: 0,
            time: [b'0'; 8],
        }
    }
}

impl fmt::Debug for FreshIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FreshIds")
    }
}

impl FreshIds {
    /// Bytes that are always there before the hub is asked for something: far more than the few ids that one command makes.
    const RESERVE: usize = 1024;

    /// Sets the time that ids carry, ms since 1970.
    pub fn set_time(&mut self, mut unix_ms: u64) {
        for digit in self.time.iter_mut().rev() {
            *digit = DIGITS[(unix_ms % 36) as usize];
            unix_ms /= 36;
        }
    }

    /// Refills the stock if it runs low; `fill` must fill all it is given with random bytes. `claims` are those that are
    /// open: the next thing that the hub does may end all of them, and give everybody whom it lets in a secret. The stock
    /// is four times what must be there, so that a byte used costs O(1).
    pub fn top_up(&mut self, claims: usize, fill: impl FnOnce(&mut [u8])) {
        let least = Self::RESERVE + claims * size_of::<Secret>();
        if self.stock.len() - self.used < least {
            self.stock.resize(4 * least, 0);
            self.stock.shrink_to(4 * least);
            fill(&mut self.stock);
            self.used = 0;
        }
    }

    /// A fresh id.
    pub fn id(&mut self) -> Id {
        let mut id = [b'-'; 16];
        // 26 * 36^6 is below 2^36, so 64 bits taken modulo it favour no id by more than 2^-28.
        let mut number = self.number();
        id[0] = b'a' + (number % LETTERS) as u8;
        number /= LETTERS;
        for place in &mut id[1..7] {
            *place = DIGITS[(number % 36) as usize];
            number /= 36;
        }
        id[8..].copy_from_slice(&self.time);
        Id(id)
    }

    /// A fresh secret.
    pub fn secret(&mut self) -> Secret {
        Secret(self.take())
    }

    /// A random number, for phases.
    pub fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// A fresh UUID of version 4 (RFC 9562 section 5.4).
    pub fn uuid(&mut self) -> Uuid {
        let mut bytes: [u8; 16] = self.take();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut text = [b'-'; 36];
        let mut places = text.iter_mut();
        for (index, byte) in bytes.into_iter().enumerate() {
            if [4, 6, 8, 10].contains(&index) {
                places.next();
            }
            for digit in [byte >> 4, byte & 15] {
                *places.next().expect("32 digits and 4 hyphens") = DIGITS[usize::from(digit)];
            }
        }
        Uuid(text)
    }

    /// `N` random bytes; at most as many as one id or secret has, several times in one command.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        let bytes = self.stock[self.used..self.used + N]
            .try_into()
            .expect("a range of N bytes has N bytes");
        // A secret must not stay in memory longer than its owner.
        self.stock[self.used..self.used + N].fill(0);
        self.used += N;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form_that_clients_read() {
        let mut ids = FreshIds::default();
        ids.set_time(1_790_000_000_000);
        ids.top_up(0, |stock| {
            for (place, byte) in stock.iter_mut().enumerate() {
                *byte = (place * 151 % 251) as u8;
            }
        });
        for _ in 0..100 {
            let id = ids.id();
            let (random, time) = id.as_str().split_once('-').expect("a hyphen");
            assert_eq!(random.len(), 7);
            assert!(random.starts_with(|first: char| first.is_ascii_lowercase()));
            assert_eq!(u64::from_str_radix(time, 36), Ok(1_790_000_000_000));
        }
    }

    #[test]
    fn uuids_say_that_they_are_random() {
        let mut ids = FreshIds::default();
        ids.top_up(0, |stock| {
            for (place, byte) in stock.iter_mut().enumerate() {
                *byte = (place * 151 % 251) as u8;
            }
        });
        for _ in 0..20 {
            let uuid = ids.uuid();
            let lengths: Vec<usize> = uuid.as_str().split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12]);
            assert_eq!(uuid.as_str().as_bytes()[14], b'4');
            assert!(b"89ab".contains(&uuid.as_str().as_bytes()[19]));
        }
    }

    #[test]
    fn a_secret_matches_itself_only() {
        let mut ids = FreshIds::default();
        ids.top_up(0, |stock| stock.fill(0xa7));
        let secret = ids.secret();
        assert!(secret.matches(&"a7".repeat(16)));
        assert!(!secret.matches(&"a7".repeat(15)));
        assert!(!secret.matches(""));
        assert!(!secret.matches(&"a8".repeat(16)));
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert_eq!(format!("{ids:?}"), "FreshIds");
    }
}
