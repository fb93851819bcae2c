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

    /// This map with some values set; names that are there keep their place. O(bytes of both).
    pub fn with<'a>(&'a self, newer: impl IntoIterator<Item = (&'a str, &'a str)>) -> TokenMap {
        let newer: Vec<(&str, &str)> = newer.into_iter().collect();
        // To look through a few is quicker than to hash all the names that are there already.
        let is_few = newer.len() <= 8;
        let mut newest: Vec<(&str, &str)> = Vec::with_capacity(newer.len());
        let mut places: HashMap<&str, usize> = HashMap::new();
        let place_of = |newest: &[(&str, &str)], places: &HashMap<&str, usize>, name| match is_few {
            true => newest.iter().position(|one| one.0 == name),
            false => places.get(name).copied(),
        };
        for (name, value) in newer {
            if let Some(place) = place_of(&newest, &places, name) {
                newest[place].1 = value;
                continue;
            }
            if !is_few {
                places.insert(name, newest.len());
            }
            newest.push((name, value));
        }
        let newest_bytes = newest
            .iter()
            .map(|(name, value)| name.len() + value.len() + 2);
        let mut text = String::with_capacity(self.0.len() + newest_bytes.sum::<usize>());
        let mut is_known = vec![false; newest.len()];
        for (name, value) in self.iter() {
            let place = place_of(&newest, &places, name);
            push(&mut text, name);
            push(&mut text, place.map_or(value, |place| newest[place].1));
            if let Some(place) = place {
                is_known[place] = true;
            }
        }
        let added = newest
            .iter()
            .zip(is_known)
            .filter(|(_, is_known)| !is_known);
        for ((name, value), _) in added {
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

    #[test]
    fn a_map_merges_many_as_one_after_the_other() {
        let names: Vec<String> = (0..40)
            .map(|number| format!("{}", number * 7 % 30))
            .collect();
        let former = TokenMap::default().with((20..50).map(|n| (names[n % 40].as_str(), "0")));
        let values = ["1", "2", "3"];
        let newer = names.iter().zip(values.iter().cycle());
        let at_once = former.with(newer.clone().map(|(name, value)| (name.as_str(), *value)));
        let mut in_turn = former;
        for (name, value) in newer {
            in_turn = in_turn.with([(name.as_str(), *value)]);
        }
        assert_eq!(at_once, in_turn);
    }
}
