//! Settings that are one of a few words.
//!
//! Owns the words of each such setting: `Form::Choice` in the table leads here.

use super::{Excess, Scope};
use std::fmt::Debug;

/// A value that has one of a few words.
pub trait Choice: Debug {
    /// Its word.
    fn word(&self) -> &'static str;

    /// Takes the value that has this word; false if none has.
    fn choose(&mut self, word: &str) -> bool;
}

/// Gives each value its word.
macro_rules! words {
    ($($kind:ident { $($value:ident = $word:literal),+ $(,)? })+) => {$(
        impl Choice for $kind {
            fn word(&self) -> &'static str {
                match self {
                    $($kind::$value => $word,)+
                }
            }

            fn choose(&mut self, word: &str) -> bool {
                match word {
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
    Excess { Delay = "delay", Drop = "drop", Close = "close" }
}
