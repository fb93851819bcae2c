//! The house rules that a machine can check: which room imports which, where the clock and chance may be asked, and what no
//! source file holds (`HOUSE_STYLE.md`, sections 3, 5 and 6).
//!
//! Every check is a function from source text to complaints, so that each one is also shown a text that it must refuse.

use std::fs;
use std::path::{Path, PathBuf};

/// One source file of the crate.
struct Source {
    /// Its path below `src`, with `/`.
    path: String,
    /// Everything.
    text: String,
    /// Without comments, and with nothing between the quotes of strings and characters. Lines stay where they are.
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code: code_of(text),
        }
    }

    /// The room that the file is in.
    fn room(&self) -> &str {
        let first = self.path.split('/').next().expect("a path has a part");
        first.trim_end_matches(".rs")
    }

    /// The file's module path.
    fn module(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = self.path.trim_end_matches(".rs").split('/').collect();
        if matches!(parts.last(), Some(&("mod" | "lib" | "main"))) {
            parts.pop();
        }
        parts
    }

    /// The code up to its unit tests, which may use more than the code itself.
    fn tested_code(&self) -> &str {
        let end = self.code.find("#[cfg(test)]\nmod tests");
        &self.code[..end.unwrap_or(self.code.len())]
    }

    /// A complaint about a place in the code.
    fn complain(&self, at: usize, what: impl std::fmt::Display) -> String {
        let line = 1 + self.code[..at].matches('\n').count();
        format!("src/{}:{line}: {what}", self.path)
    }
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let mut entries: Vec<PathBuf> = fs::read_dir(folder)
            .expect("src can be read")
            .map(|entry| entry.expect("src can be read").path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    assert!(paths.len() > 40, "the sources are found");
    paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&root).expect("it is below src");
            let name = name.to_str().expect("names are plain").replace('\\', "/");
            Source::new(&name, &fs::read_to_string(path).expect("it can be read"))
        })
        .collect()
}

/// Blanks comments and the insides of strings and characters. Lines and lengths stay.
fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let blank = |code: &mut Vec<u8>, from: usize, to: usize| {
        for byte in &mut code[from..to] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let begins_word = at == 0 || !is_name(bytes[at - 1]);
        let hashes = rest
            .iter()
            .skip_while(|&&byte| byte == b'b')
            .skip(1)
            .take_while(|&&byte| byte == b'#')
            .count();
        let raw = ["r", "br"].iter().find_map(|prefix| {
            let opening = format!("{prefix}{}\"", "#".repeat(hashes));
            (begins_word && rest.starts_with(opening.as_bytes())).then_some(opening.len())
        });
        let (from, to) = if rest.starts_with(b"//") {
            let length = rest.iter().position(|&byte| byte == b'\n');
            (at, at + length.unwrap_or(rest.len()))
        } else if rest.starts_with(b"/*") {
            let length = text[at..].find("*/").map_or(rest.len(), |end| end + 2);
            (at, at + length)
        } else if let Some(opening) = raw {
            let closing = format!("\"{}", "#".repeat(hashes));
            let length = text[at + opening..].find(&closing).expect("strings end");
            (at + opening, at + opening + length + closing.len())
        } else if rest[0] == b'"' {
            let mut end = 1;
            while rest[end] != b'"' {
                end += if rest[end] == b'\\' { 2 } else { 1 };
            }
            (at + 1, at + end + 1)
        } else if rest[0] == b'\'' && rest.get(1) == Some(&b'\\') {
            // The character after the backslash may be a quote itself.
            let end = 3 + rest[3..]
                .iter()
                .position(|&byte| byte == b'\'')
                .expect("characters end");
            (at + 1, at + end + 1)
        } else if rest[0] == b'\'' {
            // One character and a quote make a character; anything else is a lifetime.
            let character = text[at + 1..].chars().next().map_or(1, char::len_utf8);
            match rest.get(1 + character) {
                Some(b'\'') => (at + 1, at + character + 2),
                _ => (at + 1, at + 1),
            }
        } else {
            at += 1;
            continue;
        };
        blank(&mut code, from, to);
        at = to.max(at + 1);
    }
    String::from_utf8(code).expect("whole characters are blanked")
}

/// The paths that begin with `crate` or `super`, as module paths from the crate's root, each with its place. A group of a
/// `use` gives a path for each of its members.
fn own_paths(source: &Source) -> Vec<(usize, Vec<String>)> {
    let code = source.tested_code();
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].bytes().next_back().unwrap_or(b' ');
            if before.is_ascii_alphanumeric() || before == b'_' || before == b':' {
                continue;
            }
            let mut paths = Vec::new();
            expand(&code[at..], &mut Vec::new(), &mut paths);
            found.extend(paths.into_iter().map(|path| (at, resolve(source, &path))));
        }
    }
    found
}

/// Reads the path that `text` begins with, groups included, into `paths`; the rest of the text.
fn expand<'a>(text: &'a str, prefix: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    let depth = prefix.len();
    let mut rest = text;
    if let Some(group) = text.strip_prefix('{') {
        rest = group.trim_start();
        while !rest.starts_with('}') && !rest.is_empty() {
            rest = expand(rest, prefix, paths).trim_start();
            if let Some(member) = rest.strip_prefix("as ") {
                let name = member.find(|c: char| !c.is_alphanumeric() && c != '_');
                rest = member[name.unwrap_or(member.len())..].trim_start();
            }
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        rest = rest.strip_prefix('}').unwrap_or(rest);
    } else {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
        let name = &text[..end.unwrap_or(text.len())];
        rest = &rest[name.len()..];
        prefix.push(name.to_owned());
        match rest.strip_prefix("::") {
            Some(deeper) => rest = expand(deeper, prefix, paths),
            None => {
                paths.push(prefix.clone());
                // Something that is no path, such as a star.
                if name.is_empty() {
                    rest = rest.get(1..).unwrap_or("");
                }
            }
        }
    }
    prefix.truncate(depth);
    rest
}

/// A path as seen from the crate's root.
fn resolve(source: &Source, path: &[String]) -> Vec<String> {
    let mut from: Vec<String> = source.module().into_iter().map(str::to_owned).collect();
    let mut path = path;
    while let Some((first, rest)) = path.split_first() {
        match first.as_str() {
            "crate" => from.clear(),
            "super" => drop(from.pop()),
            _ => break,
        }
        path = rest;
    }
    from.extend(path.iter().cloned());
    from
}

/// What each room may import of ours.
const ROOMS: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("index", &[]),
    ("wheel", &["index"]),
    ("hub", &["index", "wheel", "config::Scope"]),
    ("wire", &[]),
    (
        "web",
        &["wire", "dialect", "hub::id", "hub::Millis", "config"],
    ),
    ("dialect", &["hub", "index", "wheel", "config"]),
    (
        "net",
        &["config", "dialect", "hub", "index", "web", "wheel", "wire"],
    ),
    (
        "fuzzing",
        &[
            "config", "dialect", "hub", "index", "net", "web", "wheel", "wire",
        ],
    ),
    ("planted", &[]),
    ("main", &[]),
    (
        "lib",
        &[
            "config", "dialect", "fuzzing", "hub", "index", "net", "web", "wheel", "wire",
        ],
    ),
];

/// The folders of the dialects, none of which may import another.
const DIALECTS: &[&str] = &["ok", "peerjs", "relay", "netpeer", "peero"];

fn imports(source: &Source) -> Vec<String> {
    let room = source.room();
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![source.complain(0, "no rule says what this room may import")];
    };
    let mut complaints = Vec::new();
    for (at, path) in own_paths(source) {
        let path = path.join("::");
        let may = |whole: &str| path == whole || path.starts_with(&format!("{whole}::"));
        // A planted mistake may be anywhere, and is nothing outside tests.
        let is_allowed = may(room) || may("planted") || allowed.iter().any(|room| may(room));
        if !is_allowed {
            complaints.push(source.complain(at, format!("{room} must not import {path}")));
        }
        if let ["dialect", dialect, ..] = source.module()[..]
            && DIALECTS.contains(&dialect)
            && DIALECTS
                .iter()
                .any(|other| *other != dialect && may(&format!("dialect::{other}")))
        {
            let what = format!("the dialect {dialect} must not import {path}");
            complaints.push(source.complain(at, what));
        }
    }
    complaints
}

/// What each room may import of others, beside `std`. `net` and `fuzzing` may import everything.
const OTHERS: &[(&str, &[&str])] = &[
    ("config", &["clap", "ipnet", "toml", "serde", "serde_json"]),
    ("index", &["slab", "hashbrown"]),
    ("wheel", &[]),
    ("hub", &["hashbrown", "compact_str", "subtle"]),
    ("wire", &["tungstenite", "httparse", "proxy_header"]),
    ("web", &["serde", "serde_json", "sha2"]),
    (
        "dialect",
        &[
            "serde",
            "serde_json",
            "memchr",
            "aes",
            "argon2",
            "cbc",
            "hmac",
            "sha2",
            "subtle",
            "compact_str",
        ],
    ),
    ("main", &["peerhub", "log", "env_logger"]),
    ("lib", &[]),
];

/// The names of the crates that we depend on, as they are written in code.
fn dependencies() -> Vec<String> {
    let manifest = include_str!("../Cargo.toml");
    let (_, rest) = manifest
        .split_once("[dependencies]\n")
        .expect("there are dependencies");
    let section = rest.split("\n[").next().expect("a split has a first part");
    let lines = section.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| Some(line.split_once(" =")?.0.replace('-', "_")))
        .chain(["peerhub".to_owned()])
        .collect()
}

fn foreign_imports(source: &Source) -> Vec<String> {
    let Some((room, allowed)) = OTHERS.iter().find(|(room, _)| *room == source.room()) else {
        return Vec::new();
    };
    let mut complaints = Vec::new();
    for name in dependencies() {
        if allowed.contains(&&*name) {
            continue;
        }
        for at in words(source.tested_code(), &name) {
            let code = source.tested_code();
            let is_path = code[at + name.len()..].starts_with("::");
            let is_first = !code[..at].ends_with("::");
            let is_used = code[..at].ends_with("use ");
            if is_first && (is_path || is_used) {
                complaints.push(source.complain(at, format!("{room} must not import {name}")));
            }
        }
    }
    complaints
}

/// The places of a whole word.
fn words(code: &str, word: &str) -> Vec<usize> {
    let is_name =
        |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let (begins, ends) = (word.bytes().next(), word.bytes().next_back());
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|&at| {
            let before = code[..at].bytes().next_back();
            let after = code[at + word.len()..].bytes().next();
            let is_part = is_name(before) && is_name(begins) || is_name(after) && is_name(ends);
            !is_part
        })
        .collect()
}

/// Words that may stand only in one file, or in none.
const WORDS: &[(&str, Option<&str>)] = &[
    ("Instant", Some("net/driver.rs")),
    ("SystemTime", Some("net/driver.rs")),
    ("getrandom", Some("net/entropy.rs")),
    ("thread_local!", None),
    ("unsafe", None),
    ("dbg!", None),
    ("todo!", None),
    ("unimplemented!", None),
    ("println!", None),
    ("eprintln!", None),
    ("print!", None),
    ("static mut", None),
    ("Rc<RefCell", None),
    ("Rc<Cell", None),
    ("Arc<Mutex", None),
];

fn forbidden_words(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (word, place) in WORDS {
        if *place == Some(&*source.path) {
            continue;
        }
        for at in words(source.tested_code(), word) {
            let where_else = place.map_or("nowhere".to_owned(), |path| format!("only in {path}"));
            complaints.push(source.complain(at, format!("`{word}` may stand {where_else}")));
        }
    }
    for word in ["TODO", "FIXME", "XXX", "HACK"] {
        for at in words(&source.text, word) {
            let line = 1 + source.text[..at].matches('\n').count();
            let path = &source.path;
            complaints.push(format!("src/{path}:{line}: {word}: open an issue instead"));
        }
    }
    complaints
}

/// Lines in a file, at most, so that nobody has to keep more in mind at once. Tests beside the code do not count.
const LINES_MAX: usize = 650;

fn shape(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    if !source.text.starts_with("//! ") {
        complaints.push(source.complain(0, "a file opens with what it owns, as a //! comment"));
    }
    let lines = source.tested_code().lines().count();
    if lines > LINES_MAX {
        complaints.push(source.complain(0, format!("{lines} lines are more than {LINES_MAX}")));
    }
    complaints
}

/// The names that are declared with a hashing type: fields, parameters and bindings.
fn hashed_names(code: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for kind in ["HashMap", "HashSet", "HashTable", "Names"] {
        for at in words(code, kind) {
            let after = &code[at + kind.len()..];
            // `name: HashMap<…>` or `name: &mut HashMap<…>`, or `name = HashMap::new()` and the like.
            let line = code[..at].rfind('\n').map_or(0, |end| end + 1);
            let before = code[line..at].trim_end_matches(|c: char| {
                c.is_alphanumeric() || matches!(c, '_' | ':' | '&' | ' ' | '<')
            });
            let declared = &code[line + before.len()..at];
            let name = match before.strip_suffix('=') {
                Some(bound) => bound
                    .trim()
                    .trim_start_matches("let ")
                    .trim_start_matches("mut "),
                None => declared.split(": ").next().unwrap_or("").trim(),
            };
            let name = name.split(':').next().unwrap_or("").trim();
            let name = name.rsplit(' ').next().unwrap_or("");
            let is_name = !name.is_empty()
                && name.chars().all(|c| c.is_alphanumeric() || c == '_')
                && name.starts_with(|c: char| c.is_lowercase());
            if is_name && (after.starts_with('<') || after.starts_with("::")) {
                names.push(name);
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// A hash map is for look-up: what is walked through in an order that nobody chose is seen by nobody.
fn hash_walks(source: &Source) -> Vec<String> {
    const WALKS: &[&str] = &[
        "iter",
        "iter_mut",
        "values",
        "values_mut",
        "into_values",
        "keys",
        "into_keys",
        "into_iter",
        "drain",
        "retain",
        "extract_if",
    ];
    let code = source.tested_code();
    let mut complaints = Vec::new();
    for name in hashed_names(code) {
        for at in words(code, name) {
            let after = code[at + name.len()..].trim_start();
            let called = after.strip_prefix('.').map(str::trim_start);
            let walked = called.is_some_and(|call| {
                WALKS.iter().any(|walk| {
                    call.strip_prefix(walk)
                        .is_some_and(|rest| rest.starts_with('('))
                })
            });
            let line = code[..at].rfind('\n').map_or(0, |end| end + 1);
            let named = |text: &str| {
                let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '&' | ' ');
                text.chars().all(fits)
            };
            let looped = code[line..].trim_start().starts_with("for ")
                && code[line..at]
                    .rsplit_once(" in ")
                    .is_some_and(|(_, over)| named(over))
                && after.starts_with('{');
            // A hash map may be made of something else of the same name.
            let made = code[line..at].rsplit_once(&format!("let {name}"));
            let is_made = made.is_some_and(|(_, since)| !since.contains(';'));
            if (walked || looped) && !is_made {
                complaints.push(
                    source.complain(at, format!("{name} is a hash map and is walked through")),
                );
            }
        }
    }
    complaints
}

type Check = fn(&Source) -> Vec<String>;

fn nobody_complains(check: Check) {
    let complaints: Vec<String> = sources().iter().flat_map(check).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Shows the check texts that it must refuse, and texts like them that it must not.
fn shown(check: Check, bad: &[(&str, &str)], good: &[(&str, &str)]) {
    for (path, text) in bad {
        let complaints = check(&Source::new(path, text));
        assert_eq!(complaints.len(), 1, "{path}: {text}: {complaints:?}");
    }
    for (path, text) in good {
        let complaints = check(&Source::new(path, text));
        assert!(complaints.is_empty(), "{path}: {text}: {complaints:?}");
    }
}

#[test]
fn rooms_import_what_they_may() {
    let found: usize = sources().iter().map(|source| own_paths(source).len()).sum();
    assert!(found > 100, "{found} paths in all of src");
    nobody_complains(imports);
    shown(
        imports,
        &[
            ("index/list.rs", "use crate::hub::Hub;"),
            ("wheel.rs", "use crate::{index::Arena, config::Scope};"),
            ("wheel.rs", "use super::net::Server;"),
            ("hub/mod.rs", "use crate::config::{Scope, Config};"),
            ("hub/peer.rs", "fn a() -> crate::wire::Frame {}"),
            ("hub/peer.rs", "use super::super::dialect::ok;"),
            ("wire/http.rs", "use crate::index::Arena;"),
            ("dialect/ok/inbound.rs", "use crate::net::Server;"),
            (
                "dialect/ok/inbound.rs",
                "use crate::dialect::peerjs::Reader;",
            ),
            ("dialect/ok/inbound.rs", "use super::super::relay::{self};"),
            ("web/mod.rs", "use crate::hub::Hub;"),
            ("config/load.rs", "use crate::net::{Server};"),
            ("net/driver.rs", "use crate::fuzzing::x;"),
            ("attic.rs", ""),
        ],
        &[
            ("wheel.rs", "use crate::index::{Arena, Key as Name, List};"),
            (
                "hub/mod.rs",
                "use crate::config::Scope;\nuse super::index::Key;",
            ),
            (
                "hub/peer.rs",
                "use super::{Hub, Millis};\n// crate::net::Server\n",
            ),
            (
                "wire/http.rs",
                "use super::response::{Response, write_field};",
            ),
            (
                "dialect/ok/inbound.rs",
                "use super::token;\nuse crate::hub::command::{self, Command};",
            ),
            (
                "net/talk.rs",
                "use crate::wire::{Incoming, frame};\nlet a = \"crate::fuzzing\";",
            ),
            (
                "index/arena.rs",
                "fn a() {}\n#[cfg(test)]\nmod tests { use crate::hub::Hub; }",
            ),
        ],
    );
}

#[test]
fn rooms_use_the_crates_that_they_may() {
    assert!(dependencies().len() > 15, "{:?}", dependencies());
    nobody_complains(foreign_imports);
    shown(
        foreign_imports,
        &[
            ("hub/mod.rs", "use mio::Poll;"),
            ("hub/mod.rs", "fn a() { log::info!(\"\"); }"),
            ("wire/mod.rs", "use serde_json;"),
            ("index/mod.rs", "use compact_str::CompactString;"),
            ("dialect/ok/token.rs", "use socket2::Socket;"),
        ],
        &[
            ("net/driver.rs", "use mio::Poll;"),
            (
                "hub/mod.rs",
                "use super::log::Log; let mio = 1; // mio::Poll\n",
            ),
            ("wire/mod.rs", "use std::fmt; use tungstenite::Bytes;"),
        ],
    );
}

#[test]
fn words_stand_where_they_may() {
    nobody_complains(forbidden_words);
    shown(
        forbidden_words,
        &[
            ("hub/mod.rs", "let now = std::time::Instant::now();"),
            ("net/switchboard.rs", "use std::time::SystemTime;"),
            ("hub/id.rs", "getrandom::fill(bytes);"),
            ("hub/id.rs", "static mut A: u8 = 0;"),
            ("net/conn.rs", "shared: Rc<RefCell<Hub>>,"),
            ("net/conn.rs", "unsafe { a() }"),
            ("net/conn.rs", "dbg!(a);"),
            ("net/conn.rs", "todo!()"),
            ("net/conn.rs", "// TODO: later"),
            ("net/conn.rs", "let a = \"FIXME\";"),
            ("main.rs", "println!(\"\");"),
        ],
        &[
            ("net/driver.rs", "use std::time::{Instant, SystemTime};"),
            ("net/entropy.rs", "getrandom::fill(bytes);"),
            (
                "hub/mod.rs",
                "// An Instant is not for here; nothing is unsafe.\nlet instant = \"unsafe\";",
            ),
        ],
    );
}

#[test]
fn files_have_a_header_and_an_end() {
    nobody_complains(shape);
    let long = format!("//! Long.\n{}", "fn a() {}\n".repeat(LINES_MAX));
    let tested = format!(
        "//! Long.\n#[cfg(test)]\nmod tests {{\n{}}}",
        "fn a() {}\n".repeat(LINES_MAX)
    );
    shown(
        shape,
        &[("hub/mod.rs", "use std::fmt;"), ("hub/mod.rs", &long)],
        &[("hub/mod.rs", "//! The rules."), ("hub/mod.rs", &tested)],
    );
}

#[test]
fn hash_maps_are_not_walked_through() {
    nobody_complains(hash_walks);
    let field = "struct A { names: HashMap<K, V> }\n";
    let bad = [
        "fn a(&self) { self.names.iter().count(); }",
        "fn a(&self) { self.names\n    .values_mut()\n    .count(); }",
        "fn a(&self) {\n    for (k, v) in &self.names {\n    }\n}",
        "fn a(&mut self) { self.names.retain(|_, _| true); }",
    ]
    .map(|walk| ("hub/mod.rs", format!("{field}{walk}")));
    let others = [
        "fn a(one: &mut HashTable<u8>) { one.drain(); }",
        "fn a() { let mut one = HashSet::new(); one.into_iter().next(); }",
        "fn a() { let one: HashSet<&str> = b(); one.iter(); }",
        "struct A { pub(super) ids: Names<PeerKey> } fn a(b: A) { b.ids.iter(); }",
    ]
    .map(|walk| ("hub/mod.rs", walk.to_owned()));
    let bad: Vec<(&str, &str)> = bad
        .iter()
        .chain(&others)
        .map(|(path, text)| (*path, &**text))
        .collect();
    let look_up = format!(
        "{field}fn a(&self) {{ self.names.get(&1); self.lanes.iter(); for a in self.list {{}} }}"
    );
    shown(hash_walks, &bad, &[("hub/mod.rs", &look_up)]);
}

#[test]
fn hash_maps_are_noticed_where_they_are() {
    let noticed: usize = sources()
        .iter()
        .map(|source| hashed_names(source.tested_code()).len())
        .sum();
    assert!(noticed >= 5, "{noticed} names of hash maps in all of src");
}

#[test]
fn comments_and_strings_are_no_code() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b\n */ c", "a     \n    c"),
        (r#"a("b\"c") d"#, r#"a("     ) d"#),
        (r###"a(r#"b"c"#, d)"###, r###"a(r#"     , d)"###),
        (r"a('\'', 'b', 'ö')", "a('   , '  , '   )"),
        ("a<'b>(c: &'b str)", "a<'b>(c: &'b str)"),
        ("b\"c\" for\"\"", "b\"   for\" "),
    ];
    for (text, code) in cases {
        assert_eq!(code_of(text), code, "{text}");
        assert_eq!(code_of(text).len(), text.len());
    }
}
