//! What is sent: a mark, a number, and filler that must arrive as it went.

use crate::rig::speech::{read_spelt, spelt};

/// Stands in no message before the payload.
const MARK: &[u8] = b"@@";
/// Four bits each: enough for every number of a load.
const LETTERS: usize = 12;
/// The shortest payload, in bytes.
pub const BYTES_LEAST: usize = MARK.len() + LETTERS;

/// Makes payloads of one size and finds them in messages.
pub struct Stamps {
    text: String,
    /// Where payloads were found lately: the same server puts them in the same places, one for each kind of message.
    places: [usize; 2],
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// None of ours: the server's own.
    Nothing,
    /// Ours, whole.
    Number(u64),
    /// Ours, but not as it was sent.
    Torn,
}

impl Stamps {
    /// Payloads of `size` bytes, or as few as there can be.
    pub fn new(size: usize) -> Stamps {
        let filler = "x".repeat(size.saturating_sub(BYTES_LEAST));
        Stamps {
            text: format!("@@{}{filler}", spelt(0, LETTERS)),
            places: [0; 2],
        }
    }

    /// The payload with this number.
    pub fn payload(&mut self, number: u64) -> &str {
        let digits = MARK.len()..BYTES_LEAST;
        self.text.replace_range(digits, &spelt(number, LETTERS));
        &self.text
    }

    /// Looks for a payload.
    #[inline]
    pub fn find(&mut self, message: &[u8]) -> Found {
        let is_at = |place: usize| {
            message
                .get(place..)
                .is_some_and(|rest| rest.starts_with(MARK))
        };
        let place = match self.places.into_iter().find(|&place| is_at(place)) {
            Some(place) => place,
            None => {
                let mut pairs = message.windows(MARK.len());
                let Some(place) = pairs.position(|pair| pair == MARK) else {
                    return Found::Nothing;
                };
                self.places = [place, self.places[0]];
                place
            }
        };
        let Some(payload) = message.get(place..place + self.text.len()) else {
            return Found::Torn;
        };
        let (stamp, filler) = payload.split_at(BYTES_LEAST);
        if filler == &self.text.as_bytes()[BYTES_LEAST..] {
            Found::Number(read_spelt(&stamp[MARK.len()..]))
        } else {
            Found::Torn
        }
    }
}
