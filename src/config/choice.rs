//! Settings that are one of a few words.
//!
//! Owns the words of each such setting: `Form::Choice` in the table leads here.

use super::{Excess, Plaintext, ProxyProtocol, Scope};
use std::fmt::Debug;

/// A value that has one of a few words.
pub trait Choice: Debug {
    /// All its words, with bars between them.
    fn words(&self) -> &'static str;

    /// Its word.
    fn word(&self) -> &'static str;

    /// Takes the value that has this word; false if none has.
    fn choose(&mut self, word: &str) -> bool;
}

/// Gives each value its word.
macro_rules! words {
    ($($kind:ident { $first:ident = $first_word:literal $(, $value:ident = $word:literal)+ })+) => {$(
        impl Choice for $kind {
            fn words(&self) -> &'static str {
                concat!($first_word $(, "|", $word)+)
            }

            fn word(&self) -> &'static str {
                match self {
                    $kind::$first => $first_word,
                    $($kind::$value => $word,)+
                }
            }

            fn choose(&mut self, word: &str) -> bool {
                match word {
                    $first_word => *self = $kind::$first,
                    $($word => *self = $kind::$value,)+
                    _ => return false,
                }
                true
            }
        }
    )+};
}

words! {
    Scope { Hub = "hub", Linkage = "linkage" }
    ProxyProtocol { Off = "off", Accept = "accept", Require = "require" }
    Plaintext { Serve = "serve", Refuse = "refuse", Redirect = "redirect" }
    Excess { Delay = "delay", Drop = "drop", Close = "close" }
}
