//! What a token says, read strictly: a claim that is known must have its form, and no claim may be there twice. `null` is no
//! form of any: a list that somebody forgot to fill must not allow everything.
//!
//! For whom a token is (`aud`) the library judges; here it only must not be `null`. Claims that are not known are passed over.

use super::pattern::{Pattern, Patterns};
use super::verify::TokenFault;
use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer};

/// The claims that matter here.
#[derive(Deserialize)]
pub(super) struct Claims {
    /// Seconds since 1970, as `nbf`; with a fraction if they like (RFC 7519 section 2, NumericDate).
    #[serde(deserialize_with = "date")]
    pub(super) exp: Date,
    #[serde(default, deserialize_with = "maybe_date")]
    pub(super) nbf: Option<Date>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) iss: Option<String>,
    #[serde(default, rename = "aud", deserialize_with = "anything")]
    _aud: (),
    #[serde(default, deserialize_with = "not_null")]
    pub(super) sub: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) peer: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) linkages: Option<List>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) publish: Option<List>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) subscribe: Option<List>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) dialects: Option<List>,
    #[serde(default)]
    pub(super) debout: bool,
    #[serde(default)]
    pub(super) admin: bool,
}

/// A time, ms since 1970.
pub(super) type Date = u64;

/// A list of patterns.
pub(super) struct List(Vec<Pattern>);

impl List {
    /// The patterns of a claim; all names without it.
    pub(super) fn patterns(list: Option<List>) -> Patterns {
        list.map_or_else(Patterns::default, |List(patterns)| Patterns::of(patterns))
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<List, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        if texts.len() > PATTERNS_MAX {
            return Err(D::Error::custom("too many patterns"));
        }
        let patterns = texts.iter().map(|text| Pattern::read(text));
        let patterns: Option<Vec<Pattern>> = patterns.collect();
        let misplaced = || D::Error::custom("a star stands only at the end of a pattern");
        patterns.map(List).ok_or_else(misplaced)
    }
}

/// A text that is not too long to be kept for each peer.
pub(super) fn check_name(text: Option<&str>, bytes_max: usize) -> Result<(), TokenFault> {
    match text {
        Some(text) if text.is_empty() || text.len() > bytes_max => Err(TokenFault::Claims),
        Some(_) | None => Ok(()),
    }
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    // Dates before 1970 and after the year 9999 are mistakes, milliseconds among them.
    match (0.0..=253_402_300_799.0).contains(&seconds) {
        true => Ok((seconds * 1000.0) as Date),
        false => Err(D::Error::custom("no date")),
    }
}

fn maybe_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    date(deserializer).map(Some)
}

/// A claim that is there.
fn not_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A claim that is there, whatever it is.
fn anything<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let claim = Option::<IgnoredAny>::deserialize(deserializer)?;
    claim.map(|_| ()).ok_or_else(|| D::Error::custom("null"))
}

/// Patterns in one claim: more than anybody writes by hand, and few enough to be walked for each publication.
pub(super) const PATTERNS_MAX: usize = 64;
