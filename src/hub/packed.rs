//! Small sets and maps of tokens, each packed into one allocation, since every idle peer pays for its own.
//!
//! Tokens hold no NUL (see `command`), so NUL ends each. A change rewrites the whole: peers read far more often than they
//! change. Repetitions are found by hash, since a peer may send very many tokens before any bound is checked.

use std::collections::{HashMap, HashSet};

/// Tokens without repetition, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSet(Box<str>);

impl TokenSet {
    /// The tokens.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_terminator('\0')
    }

    /// This set with `more` at its end; what is there already stays where it is.
    pub fn with<'a>(&'a self, more: impl IntoIterator<Item = &'a str>) -> TokenSet {
        let mut known: HashSet<&str> = self.iter().collect();
        let mut text = String::from(&*self.0);
        for token in more {
            if known.insert(token) {
                push(&mut text, token);
            }
        }
        TokenSet(text.into())
    }

    /// This set without the tokens in `gone`.
    pub fn without<'a>(&self, gone: impl IntoIterator<Item = &'a str>) -> TokenSet {
        let gone: HashSet<&str> = gone.into_iter().collect();
        let mut text = String::new();
        for token in self.iter().filter(|token| !gone.contains(token)) {
            push(&mut text, token);
        }
        TokenSet(text.into())
    }

    /// Bytes of all tokens, with a byte for the end of each.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// How many tokens there are.
    pub fn count(&self) -> usize {
        self.iter().count()
    }
}

/// Names and values, both tokens, in the order in which the names first came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenMap(Box<str>);

impl TokenMap {
    /// The names with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.0)
    }

    /// This map with some values set; names that are there keep their place.
    pub fn with<'a>(&'a self, newer: impl IntoIterator<Item = (&'a str, &'a str)>) -> TokenMap {
        let mut entries: Vec<(&str, &str)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (name, value) in self.iter().chain(newer) {
            let place = *places.entry(name).or_insert(entries.len());
            match entries.get_mut(place) {
                Some(entry) => entry.1 = value,
                None => entries.push((name, value)),
            }
        }
        let mut text = String::with_capacity(
            entries
                .iter()
                .map(|(name, value)| name.len() + value.len() + 2)
                .sum(),
        );
        for (name, value) in entries {
            push(&mut text, name);
            push(&mut text, value);
        }
        TokenMap(text.into())
    }

    /// Bytes of all names and values, with a byte for the end of each.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

fn push(text: &mut String, token: &str) {
    debug_assert!(!token.contains('\0'), "tokens hold no NUL");
    text.push_str(token);
    text.push('\0');
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text.split_terminator('\0');
    std::iter::from_fn(move || Some((rest.next()?, rest.next()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_keeps_order_and_collapses_repetitions() {
        let set = TokenSet::default().with(["\"b\"", "\"a\"", "\"b\""]);
        assert_eq!(set.iter().collect::<Vec<_>>(), ["\"b\"", "\"a\""]);
        assert_eq!(set.with(["\"a\"", "5"]).count(), 3);
        let less = set.without(["\"b\""]);
        assert_eq!(less.iter().collect::<Vec<_>>(), ["\"a\""]);
        assert_eq!(TokenSet::default().count(), 0);
    }

    #[test]
    fn a_map_merges_shallowly_and_in_place() {
        let map = TokenMap::default().with([("\"x\"", "1"), ("\"y\"", "{}"), ("\"x\"", "2")]);
        let map = map.with([("\"y\"", "[ ]"), ("\"\"", "\"\"")]);
        assert_eq!(
            map.iter().collect::<Vec<_>>(),
            [("\"x\"", "2"), ("\"y\"", "[ ]"), ("\"\"", "\"\"")]
        );
    }
}
