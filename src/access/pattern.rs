//! Patterns of names: an exact name, or all that begin in a certain way.
//!
//! Three forms and no more, so that nobody has to guess what one holds: `room-7`, `room-*`, `*`.

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This name.
    Exact(Box<str>),
    /// Every name that begins with this.
    Prefix(Box<str>),
}

/// A list of patterns, or none at all, which allows every name. An empty list allows none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(Option<Box<[Pattern]>>);

impl Pattern {
    /// Reads a pattern; none if a star stands anywhere but at its end.
    pub fn read(text: &str) -> Option<Pattern> {
        let (name, is_prefix) = match text.strip_suffix('*') {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.contains('*') {
            return None;
        }
        Some(match is_prefix {
            true => Pattern::Prefix(name.into()),
            false => Pattern::Exact(name.into()),
        })
    }

    /// Whether this name is meant. O(name).
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Pattern::Exact(exact) => **exact == *name,
            Pattern::Prefix(prefix) => name.starts_with(&**prefix),
        }
    }

    /// The same pattern for names that are written as JSON strings. The lone star holds for what is no string, too.
    fn as_json(&self) -> Pattern {
        let quote =
            |text: &str| serde_json::to_string(text).expect("a string can be written as JSON");
        match self {
            Pattern::Exact(exact) => Pattern::Exact(quote(exact).into()),
            Pattern::Prefix(prefix) if prefix.is_empty() => self.clone(),
            Pattern::Prefix(prefix) => {
                let quoted = quote(prefix);
                let open = &quoted[..quoted.len() - 1];
                Pattern::Prefix(open.into())
            }
        }
    }
}

impl Patterns {
    /// These patterns and no others.
    pub fn of(patterns: Vec<Pattern>) -> Patterns {
        Patterns(Some(patterns.into()))
    }

    /// Whether this name is allowed. O(patterns).
    pub fn allow(&self, name: &str) -> bool {
        let patterns = self.0.as_deref();
        patterns.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(name)))
    }

    /// The same patterns for names that are written as JSON strings, as the hub knows its channels.
    pub fn as_json(&self) -> Patterns {
        let patterns = self.0.as_deref();
        Patterns(patterns.map(|patterns| patterns.iter().map(Pattern::as_json).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_what_they_allow() {
        let cases: [(&str, &[&str], &[&str]); 5] = [
            ("room", &["room"], &["", "roo", "rooms", "Room", "*"]),
            (
                "room-*",
                &["room-", "room-7", "room-*"],
                &["room", "my-room-7"],
            ),
            ("*", &["", "anything", "*"], &[]),
            ("", &[""], &["a"]),
            ("ä\"*", &["ä\"", "ä\"b"], &["ä"]),
        ];
        for (text, allowed, refused) in cases {
            let pattern = Pattern::read(text).expect(text);
            for name in allowed {
                assert!(pattern.matches(name), "{text} {name}");
                let token = serde_json::to_string(name).unwrap();
                assert!(pattern.as_json().matches(&token), "{text} {token}");
            }
            for name in refused {
                assert!(!pattern.matches(name), "{text} {name}");
                let token = serde_json::to_string(name).unwrap();
                assert!(!pattern.as_json().matches(&token), "{text} {token}");
            }
        }
        for text in ["a*b", "**", "*a", "a**"] {
            assert_eq!(Pattern::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_is_not_the_string_that_reads_like_it() {
        let five = Patterns::of(vec![Pattern::read("5").unwrap()]).as_json();
        assert!(five.allow("\"5\"") && !five.allow("5"));
        let all = Patterns::of(vec![Pattern::read("*").unwrap()]).as_json();
        assert!(all.allow("5") && all.allow("\"5\""));
        assert!(Patterns::default().allow("5") && !Patterns::of(Vec::new()).allow("5"));
    }
}
