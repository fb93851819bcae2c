//! Recorded talks, replayed byte for byte through the real tick, over sockets in memory and a false clock.
//!
//! Each file in the folders of `tests/transcripts`, one for each dialect, is replayed whole; then with every input cut at every byte and every output
//! leaving in small pieces; then with inputs cut at random. The result must be the same. How a file is written is said
//! in `tests/transcripts/README.md`.

mod support;

use peerhub::Config;
use peerhub::config::SETTINGS;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use support::Dice;
use support::memory_socket::Wire;
use support::test_hub::{BEGIN_UNIX_MS, TestHub};
use support::test_peer::{Heard, TestPeer};

/// How bytes travel.
#[derive(Clone, Copy, Debug)]
enum Travel {
    Whole,
    /// In each direction one byte at a time.
    Bytewise,
    /// In pieces that these dice cut.
    Cut(u64),
}

#[test]
fn every_talk_goes_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let dialects = listing(&folder).into_iter().filter(|path| path.is_dir());
    let paths: Vec<PathBuf> = dialects.flat_map(|folder| listing(&folder)).collect();
    assert!(paths.len() > 40, "the transcripts are there");
    let mut failures = String::new();
    for path in paths {
        let name = path.strip_prefix(&folder).expect("it is below").display();
        let text = std::fs::read_to_string(&path).expect("a transcript is UTF-8");
        for travel in [
            Travel::Whole,
            Travel::Bytewise,
            Travel::Cut(1),
            Travel::Cut(2),
        ] {
            // A broken invariant stops that file only, so that one run tells of all.
            let replayed = std::panic::catch_unwind(|| replay(&text, travel))
                .unwrap_or_else(|_| Err(" the hub panics, see above".into()));
            if let Err(failure) = replayed {
                let _ = write!(
                    failures,
                    "\n{name}:{failure}\n  (bytes travel: {travel:?})\n"
                );
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the transcripts are there");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a folder can be listed").path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn a_talk_that_goes_otherwise_is_noticed() {
    let talk = include_str!("transcripts/ok/notify-one.txt");
    assert_eq!(replay(talk, Travel::Whole), Ok(()));
    for (from, to, complaint) in [
        (
            "\"peer\":\"{id:A}\",\"content\":\"hello\"",
            "\"content\":\"hello\",\"peer\":\"{id:A}\"",
            "expected",
        ),
        (
            "\"messageid\":\"n1\",\"name\":\"greet\",\"peer\":\"{id:A}\"",
            "\"messageid\":\"{fresh}\",\"name\":\"greet\",\"peer\":\"{id:A}\"",
            "expected",
        ),
        (
            "\nB< {\"type\":\"notify\"",
            "\n#< {\"type\":\"notify\"",
            "nobody expected",
        ),
        (
            "\nB< {\"type\":\"notify\"",
            "\nA< {\"type\":\"notify\"",
            "nothing",
        ),
    ] {
        let other = talk.replacen(from, to, 1);
        assert_ne!(other, talk, "the talk has {from}");
        let failure = replay(&other, Travel::Whole).expect_err("the talk goes otherwise");
        assert!(failure.contains(complaint), "{failure}");
    }
}

fn replay(text: &str, travel: Travel) -> Result<(), String> {
    let mut stage = Stage::new(settings(text)?, travel);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        stage
            .play(line)
            .map_err(|failure| format!("{}: {line}\n  {failure}", number + 1))?;
    }
    stage
        .nothing_is_left()
        .map_err(|failure| format!("end: {failure}"))
}

/// The settings that a file's header lines make: `# --probe-time 500`.
fn settings(text: &str) -> Result<Config, String> {
    let mut config = Config {
        nudge_interval_ms: 0,
        ping_interval_ms: 0,
        ..Config::default()
    };
    // A node that makes its id takes random bytes, and the talks of other dialects would be about other phases and ids.
    config.relay.id = Some("7".repeat(40));
    for line in text.lines().filter_map(|line| line.strip_prefix("# --")) {
        let (name, value) = line.trim().split_once(' ').unwrap_or((line.trim(), "true"));
        let setting = SETTINGS
            .iter()
            .find(|setting| setting.name == name)
            .ok_or_else(|| format!("there is no setting --{name}"))?;
        setting.set(&mut config, &[value.to_owned()])?;
    }
    config.check().map_err(|error| error.to_string())?;
    Ok(config)
}

/// Where a talk is replayed.
struct Stage {
    hub: TestHub,
    actors: BTreeMap<char, Actor>,
    /// What placeholders stand for.
    bound: BTreeMap<String, String>,
    travel: Travel,
    dice: Dice,
}

struct Actor {
    peer: TestPeer,
    /// What it was told and no line has spoken of yet, with the time.
    heard: VecDeque<(Heard, u64)>,
}

impl Stage {
    fn new(mut config: Config, travel: Travel) -> Stage {
        let seed = match travel {
            Travel::Whole | Travel::Bytewise => 0,
            Travel::Cut(seed) => {
                // Small enough that most inputs take several reads.
                config.read_buffer_bytes = 64;
                seed
            }
        };
        Stage {
            hub: TestHub::new(config, 7),
            actors: BTreeMap::new(),
            bound: BTreeMap::new(),
            travel,
            dice: Dice::new(seed),
        }
    }

    fn play(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix('@') {
            self.nothing_is_left()?;
            return self.pass_time(rest.trim());
        }
        let mut letters = line.chars();
        let (Some(name), Some(sign)) = (letters.next(), letters.next()) else {
            return Err("no such line".into());
        };
        let rest = letters.as_str();
        if sign != '<' {
            self.nothing_is_left()?;
        }
        match sign {
            '<' => self.expect(name, rest.trim_start()),
            '+' => self.connect(name, rest.trim(), TestPeer::new),
            '~' => self.connect(name, rest.trim(), |wire, _| TestPeer::of_lines(wire)),
            '?' => {
                let (method, rest) = rest.trim().split_once(' ').ok_or("no such request")?;
                let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
                let (path, body) = (self.fill_in(path)?, self.fill_in(body)?);
                self.connect(name, "", |wire, _| {
                    TestPeer::of_request(wire, method, &path, &body)
                })
            }
            '*' => self.join(name, rest.trim()),
            '>' | '!' => {
                self.act(name, sign, rest)?;
                self.settle();
                Ok(())
            }
            _ => Err("no such line".into()),
        }
    }

    fn connect(
        &mut self,
        name: char,
        rest: &str,
        speak: impl FnOnce(Wire, &str) -> TestPeer,
    ) -> Result<(), String> {
        let mut words = rest.split_whitespace();
        let address = match words.next() {
            Some(address) if address != "-" => address.parse().map_err(|_| "no such address")?,
            Some(_) | None => std::net::IpAddr::from([10, 0, 0, name as u8 - b'A' + 1]),
        };
        let window = match self.travel {
            Travel::Whole => usize::MAX,
            Travel::Bytewise => 1,
            Travel::Cut(_) => 1 + self.dice.below(100) as usize,
        };
        let wire = self
            .hub
            .connect(address, window)
            .ok_or("the hub lets nobody in")?;
        let path = self.fill_in(words.next().unwrap_or("/"))?;
        let actor = Actor {
            peer: speak(wire, &path),
            heard: VecDeque::new(),
        };
        self.actors.insert(name, actor);
        self.settle();
        Ok(())
    }

    /// The beginning that most talks share; `accept.txt` and `initiate.txt` pin it line by line.
    fn join(&mut self, name: char, linkage: &str) -> Result<(), String> {
        for line in [
            "N+".to_owned(),
            r#"N< {"type":"accept","messageid":"{fresh}","peer":"{id:N}","content":{"id":"{id:N}","deboutChannel":"w2dutnc-k7vsj2og"}}"#.to_owned(),
            format!(r#"N> {{"type":"initiate","messageid":"1","content":{{"id":"{{id:N}}","options":{{"peerInitiationReceiver":true,"peerInitiationSender":true}},"linkageKey":"{linkage}"}}}}"#),
            r#"N< {"type":"confirm","messageid":"{fresh}","peer":"{id:N}","content":{"userid":""}}"#.to_owned(),
        ] {
            let line = line.replacen('N', &name.to_string(), 1).replace("{id:N}", &format!("{{id:{name}}}"));
            self.play(&line)?;
        }
        self.bound.insert(
            format!("card:{name}"),
            format!(
                r#"{{"id":"{}","userid":"","linkageKey":"{linkage}","tags":[],"properties":{{}},"remoteAddress":"10.0.0.{}"}}"#,
                self.bound[&format!("id:{name}")],
                name as u8 - b'A' + 1
            ),
        );
        Ok(())
    }

    fn act(&mut self, name: char, sign: char, rest: &str) -> Result<(), String> {
        let rest = self.fill_in(rest)?;
        let actor = self.actors.get_mut(&name).ok_or("nobody has that name")?;
        let peer = &mut actor.peer;
        let (word, argument) = rest.split_once(' ').unwrap_or((&rest, ""));
        match (sign, word) {
            ('>', "") => peer.say(argument),
            ('>', "binary") => peer.say_binary(argument.as_bytes()),
            ('>', "binary-hex") => peer.say_binary(&unhex(argument)?),
            ('>', "fragments") => {
                let middle = argument.char_indices().nth(argument.chars().count() / 2);
                let (first, last) = argument.split_at(middle.map_or(0, |(place, _)| place));
                peer.send_frame(0x01, first.as_bytes());
                peer.send_frame(0x80, last.as_bytes())
            }
            ('>', "ping") => peer.send_frame(0x89, argument.as_bytes()),
            ('>', "pong") => peer.send_frame(0x8a, argument.as_bytes()),
            ('>', "close") => {
                let code: u16 = argument.parse().map_err(|_| "no such code")?;
                peer.send_frame(0x88, &code.to_be_bytes())
            }
            ('>', "bytes") => peer.wire().send(&unhex(argument)?),
            ('!', "") if argument == "ends" => {
                peer.wire().end();
                0
            }
            ('!', "") if argument == "resets" => {
                peer.wire().reset();
                0
            }
            ('!', "") if argument == "is deaf to pings" => {
                peer.answers_pings = false;
                0
            }
            ('!', "") if argument == "hears pings" => {
                peer.answers_pings = true;
                0
            }
            _ => return Err("no such line".into()),
        };
        Ok(())
    }

    fn advance(&mut self, ms: u64) {
        let Stage {
            hub,
            actors,
            travel,
            dice,
            ..
        } = self;
        hub.advance(ms, |hub| pump(hub, actors, *travel, dice));
    }

    /// `+500` lets so many ms pass, a letter as much as it takes until that peer is told something.
    fn pass_time(&mut self, how: &str) -> Result<(), String> {
        if let Some(ms) = how.strip_prefix('+') {
            let ms = ms.parse().map_err(|_| "no such time")?;
            self.advance(ms);
            return Ok(());
        }
        let name = how.chars().next().ok_or("no such line")?;
        while self
            .actors
            .get(&name)
            .ok_or("nobody has that name")?
            .heard
            .is_empty()
        {
            let next = self.hub.next_tick().ok_or("nothing will ever happen")?;
            self.advance(next - self.hub.elapsed_ms());
            if self.hub.elapsed_ms() > 86_400_000 {
                return Err("nothing happens within a day".into());
            }
        }
        Ok(())
    }

    fn settle(&mut self) {
        let Stage {
            hub,
            actors,
            travel,
            dice,
            ..
        } = self;
        hub.settle(|hub| pump(hub, actors, *travel, dice));
    }

    fn expect(&mut self, name: char, expected: &str) -> Result<(), String> {
        let actor = self.actors.get_mut(&name).ok_or("nobody has that name")?;
        let Some((heard, unix_ms)) = actor.heard.pop_front() else {
            return Err("expected this, but there is nothing".into());
        };
        let got = match heard {
            Heard::Text(text) => text,
            Heard::Ping => "ping".into(),
            Heard::Pong(payload) => format!("pong {}", String::from_utf8_lossy(&payload)),
            Heard::Close(code, reason) => {
                let code = code.map_or(String::new(), |code| code.to_string());
                format!("close {code} {reason}").trim_end().into()
            }
            Heard::Refused(status) => format!("refused {status}"),
            Heard::Answer(status, body) => {
                let first_line = body.lines().next().unwrap_or_default();
                format!("{status} {first_line}").trim_end().into()
            }
            Heard::Gone => "gone".into(),
            Heard::Binary(_) | Heard::Bytes(_) => {
                unreachable!("nobody in a talk is sent bytes")
            }
        };
        self.compare(expected, &got, unix_ms)
            .map_err(|what| format!("expected: {expected}\n  got:      {got}\n  {what}"))
    }

    /// Compares byte by byte; a placeholder takes what it may stand for.
    fn compare(&mut self, expected: &str, got: &str, unix_ms: u64) -> Result<(), String> {
        let mut rest = got;
        for part in parts(expected) {
            let text = match part {
                Part::Plain(text) => text.to_owned(),
                Part::Placeholder("now") => unix_ms.to_string(),
                Part::Placeholder(name) if self.bound.contains_key(name) => {
                    self.bound[name].clone()
                }
                Part::Placeholder("text") => json_string(rest)?.to_owned(),
                Part::Placeholder(name) => {
                    let taken = take(name, rest, unix_ms)?;
                    let known = self.bound.values().any(|known| known == taken);
                    if known {
                        return Err(format!("{taken} is not fresh"));
                    }
                    let name = match name {
                        "fresh" | "uuid" | "digits" => format!("{name} {taken}"),
                        name => name.to_owned(),
                    };
                    self.bound.insert(name, taken.to_owned());
                    taken.to_owned()
                }
            };
            rest = rest
                .strip_prefix(text.as_str())
                .ok_or_else(|| format!("{text} does not come at: {rest}"))?;
        }
        match rest {
            "" => Ok(()),
            rest => Err(format!("too much: {rest}")),
        }
    }

    /// Replaces placeholders by what they stand for.
    fn fill_in(&self, text: &str) -> Result<String, String> {
        parts(text)
            .into_iter()
            .map(|part| match part {
                Part::Plain(text) => Ok(text.to_owned()),
                Part::Placeholder(name) => match name.split_once(" times ") {
                    Some((text, count)) => {
                        Ok(text.repeat(count.parse().map_err(|_| "no such number")?))
                    }
                    None => self
                        .bound
                        .get(name)
                        .cloned()
                        .ok_or(format!("nothing is known of {name}")),
                },
            })
            .collect()
    }

    fn nothing_is_left(&self) -> Result<(), String> {
        for (name, actor) in &self.actors {
            if let Some((heard, _)) = actor.heard.front() {
                return Err(format!(
                    "{name} has been told what nobody expected: {heard:?}"
                ));
            }
        }
        Ok(())
    }
}

/// Moves everybody's bytes on; whether there were any.
fn pump(
    hub: &TestHub,
    actors: &mut BTreeMap<char, Actor>,
    travel: Travel,
    dice: &mut Dice,
) -> bool {
    let mut moved = false;
    for actor in actors.values_mut() {
        let wire = actor.peer.wire().clone();
        if wire.is_flying() && !wire.has_unread() {
            moved = true;
            wire.arrive(match travel {
                Travel::Whole => usize::MAX,
                Travel::Bytewise => 1,
                Travel::Cut(_) => 1 + dice.below(200) as usize,
            });
        }
        let heard = actor.peer.pump(usize::MAX);
        moved |= !heard.is_empty();
        actor
            .heard
            .extend(heard.into_iter().map(|heard| (heard, hub.unix_ms())));
    }
    moved
}

enum Part<'a> {
    Plain(&'a str),
    Placeholder(&'a str),
}

/// Cuts a text at its placeholders: braces around a small letter, which JSON never has.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut plain = 0;
    for (open, _) in text.match_indices('{') {
        let inner = &text[open + 1..];
        if inner.starts_with(|first: char| first.is_ascii_lowercase() || first == '[')
            && let Some((name, _)) = inner.split_once('}')
            && !name.contains('"')
        {
            parts.push(Part::Plain(&text[plain..open]));
            parts.push(Part::Placeholder(name));
            plain = open + name.len() + 2;
        }
    }
    parts.push(Part::Plain(&text[plain..]));
    parts
}

/// The beginning of `text` that an unbound placeholder may stand for.
fn take<'a>(name: &str, text: &'a str, unix_ms: u64) -> Result<&'a str, String> {
    let kind = name.split(':').next().unwrap_or(name);
    let is_hex = |letter: char| matches!(letter, '0'..='9' | 'a'..='f');
    match kind {
        "fresh" | "id" => {
            let id = text.get(..16).ok_or("no id comes")?;
            let (random, time) = id.split_at(8);
            let letters = random[..7]
                .chars()
                .all(|letter| matches!(letter, 'a'..='z' | '0'..='9'));
            let good = letters
                && !random.starts_with(|first: char| first.is_ascii_digit())
                && random.ends_with('-');
            let made_ms = u64::from_str_radix(time, 36).unwrap_or_default();
            match good && made_ms == unix_ms {
                true => Ok(id),
                false => Err(format!(
                    "{id} is no id of {unix_ms}, {} ms after the beginning",
                    unix_ms - BEGIN_UNIX_MS
                )),
            }
        }
        "uuid" => {
            let uuid = text.get(..36).ok_or("no UUID comes")?;
            let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
            let good = lengths == [8, 4, 4, 4, 12]
                && uuid.chars().all(|letter| letter == '-' || is_hex(letter))
                && uuid.as_bytes()[14] == b'4'
                && b"89ab".contains(&uuid.as_bytes()[19]);
            match good {
                true => Ok(uuid),
                false => Err(format!("{uuid} is no UUID of version 4")),
            }
        }
        "digits" => {
            let is_digit = |letter: char| letter.is_ascii_digit();
            match text.find(|letter| !is_digit(letter)).unwrap_or(text.len()) {
                0 => Err("no digits come".into()),
                length => Ok(&text[..length]),
            }
        }
        "secret" | "sealed" => {
            let length = text.find(|letter| !is_hex(letter)).unwrap_or(text.len());
            match (kind, length) {
                ("secret", 32) => Ok(&text[..length]),
                ("sealed", 64..) if length % 32 == 0 => Ok(&text[..length]),
                _ => Err(format!("{} is no {kind} text", &text[..length])),
            }
        }
        _ => Err(format!("nothing is known of {name}")),
    }
}

/// The JSON string that `text` begins with.
fn json_string(text: &str) -> Result<&str, String> {
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    match strings.next() {
        Some(Ok(_)) => Ok(&text[..strings.byte_offset()]),
        Some(Err(_)) | None => Err(format!("no string comes at: {text}")),
    }
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let bytes = text
        .split_whitespace()
        .map(|pair| u8::from_str_radix(pair, 16));
    bytes
        .collect::<Result<_, _>>()
        .map_err(|_| "no such bytes".into())
}
