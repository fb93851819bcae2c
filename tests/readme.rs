//! What the README lists is what the program has: the codes by which the hub tells of faults and of failed requests, and
//! those with which it closes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Collects the codes, `E_` and capitals, that stand between these two texts.
fn codes(text: &str, before: &str, after: &str) -> BTreeSet<String> {
    let is_code = |word: &str| {
        let name = word.strip_prefix("E_");
        name.is_some_and(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        })
    };
    text.match_indices(before)
        .filter_map(|(at, _)| text[at + before.len()..].split_once(after))
        .map(|(word, _)| word)
        .filter(|word| is_code(word))
        .map(str::to_owned)
        .collect()
}

/// Whatever these two find in all Rust files below a folder.
fn in_source<T: Ord>(folder: &Path, find: &impl Fn(&str) -> BTreeSet<T>) -> BTreeSet<T> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            found.append(&mut in_source(&path, find));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source is text");
            found.append(&mut find(&text));
        }
    }
    found
}

/// The numbers that can be close codes: those of RFC 6455 and those that applications choose.
fn close_codes(text: &str) -> BTreeSet<u16> {
    let numbers = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let codes = numbers.filter_map(|word| word.parse::<u16>().ok());
    codes
        .filter(|code| matches!(code, 1000..=1015 | 4000..=4999))
        .collect()
}

/// The close codes in a source: numbers that follow soon after the word, up to the end of what is said, comments and unit
/// tests apart.
fn close_codes_in_source(text: &str) -> BTreeSet<u16> {
    let code = text.split("#[cfg(test)]\nmod tests").next();
    let lines = code.expect("a split has a first part").lines();
    let lines = lines.map(|line| line.split("//").next().expect("the same"));
    let code = lines.collect::<Vec<_>>().join("\n").to_lowercase();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("close") {
        let rest = &code[at..];
        let end = rest.find([';', '}']).unwrap_or(rest.len());
        let soon = rest
            .char_indices()
            .nth(100)
            .map_or(rest.len(), |(at, _)| at);
        found.append(&mut close_codes(&rest[..end.min(soon)]));
    }
    found
}

fn readme() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("README.md")).expect("README.md can be read")
}

/// The text of a chapter.
fn chapter<'a>(readme: &'a str, heading: &str) -> &'a str {
    let (_, rest) = readme
        .split_once(&format!("\n## {heading}\n"))
        .expect("there is such a chapter");
    let (chapter, _) = rest.split_once("\n## ").expect("another follows");
    chapter
}

#[test]
fn the_readme_lists_the_codes_of_the_hub_and_no_others() {
    let readme = readme();
    let behaviour = chapter(&readme, "ok-peerhub: the hub's own protocol");
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut in_rooms = BTreeSet::new();
    // The other dialects have no word for a code: theirs are for the log.
    for room in ["hub", "dialect/json", "dialect/ok", "net"] {
        in_rooms.append(&mut in_source(&src.join(room), &|text| {
            codes(text, "\"", "\"")
        }));
    }
    assert!(in_rooms.len() > 10, "{in_rooms:?}");
    assert_eq!(codes(behaviour, "\n| `", "` |"), in_rooms);
}

#[test]
fn the_readme_lists_the_close_codes_and_no_others() {
    let readme = readme();
    let rows = chapter(&readme, "Close codes").lines();
    let firsts = rows.filter_map(|row| row.strip_prefix("| ")?.split(" | ").next());
    let listed: BTreeSet<u16> = firsts.flat_map(close_codes).collect();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut in_rooms = BTreeSet::new();
    for room in ["dialect", "hub", "net", "wire"] {
        in_rooms.append(&mut in_source(&src.join(room), &close_codes_in_source));
    }
    assert!(in_rooms.len() > 8, "{in_rooms:?}");
    assert_eq!(listed, in_rooms);
}

#[test]
fn close_codes_are_found_where_they_are() {
    let found = |text| close_codes_in_source(text).into_iter().collect::<Vec<_>>();
    assert_eq!(found("const CLOSE_LATE: u16 = 1008;"), [1008]);
    assert_eq!(found("self.close(\n    key,\n    4410,\n    why);"), [4410]);
    assert_eq!(found("Close { code: 1000, reason } 1001"), [1000]);
    assert_eq!(found("let a = 1002; // close 1003"), []);
    assert_eq!(found("close(key); 1007; close_ms: 1_000, closed: 999"), []);
    assert_eq!(found("#[cfg(test)]\nmod tests { close(1009) }"), []);
}
