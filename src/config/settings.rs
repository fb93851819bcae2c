//! What a setting is: its form and range, and how text gets into its place in a [`Config`] and out again.
//!
//! The entries themselves are in `table`. Used by `load` and `render`, and by [`Config::check`] for programs that embed
//! the hub, so that all of them refuse the same values in the same words.

use super::value::{self, quote};
use super::word::Word;
use super::{Choice, Config};
use std::net::SocketAddr;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The flag without its dashes, which is also the key in the file: `nudge-interval`.
    pub name: &'static str,
    /// The heading it stands under.
    pub group: Group,
    /// One sentence without its full stop.
    pub help: &'static str,
    /// What its values look like and where they go.
    pub form: Form,
    /// Whether the short help (`-h`) shows it.
    pub common: bool,
}

/// The headings of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Where it listens and what it serves.
    Serving,
    /// Who may come in, by tokens.
    Tokens,
    /// What peers are told and may do.
    Peers,
    /// PeerJS.
    PeerJs,
    /// peer-relay.
    Relay,
    /// net-peer.
    NetPeer,
    /// peero.
    Peero,
    /// Times.
    Times,
    /// Bounds.
    Bounds,
    /// Rates.
    Rates,
}

/// What a setting's values look like, and its place in a [`Config`].
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// True or false.
    Switch(fn(&mut Config) -> &mut bool),
    /// Milliseconds.
    Time(fn(&mut Config) -> &mut u64, Range),
    /// Bytes.
    Size(fn(&mut Config) -> &mut usize, Range),
    /// A number of things.
    Count(fn(&mut Config) -> &mut usize, Range),
    /// One or more addresses with ports.
    Addresses(fn(&mut Config) -> &mut Vec<SocketAddr>),
    /// One of a few words.
    Choice(fn(&mut Config) -> &mut dyn Choice),
    /// Text that is never shown, or the path of a file that holds it.
    Secret(fn(&mut Config) -> &mut Option<String>),
    /// Any number of such texts. A variable holds one, since any text may have commas in it.
    Secrets(fn(&mut Config) -> &mut Vec<String>),
    /// A text.
    Text(fn(&mut Config) -> &mut String, Word),
    /// A text or nothing.
    Maybe(fn(&mut Config) -> &mut Option<String>, Word),
    /// Any number of texts, without commas in them.
    Texts(fn(&mut Config) -> &mut Vec<String>, Word),
}

/// The numbers that a setting may have, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub least: u64,
    /// The most.
    pub most: u64,
    /// What 0 means, where it is allowed beside the range.
    pub zero: Option<&'static str>,
}

impl Range {
    /// From the least to the most, without 0 unless it lies between.
    pub(super) const fn of(least: u64, most: u64) -> Range {
        Range {
            least,
            most,
            zero: None,
        }
    }

    /// The same range, and 0 with this meaning.
    pub(super) const fn or_zero(self, meaning: &'static str) -> Range {
        Range {
            zero: Some(meaning),
            ..self
        }
    }

    fn holds(self, number: u64) -> bool {
        (self.least..=self.most).contains(&number) || (number == 0 && self.zero.is_some())
    }

    fn describe(self, show: fn(u64) -> String) -> String {
        let (least, most) = (show(self.least), show(self.most));
        match self.zero {
            Some(meaning) => format!("{least} to {most}, or 0: {meaning}"),
            None => format!("{least} to {most}"),
        }
    }
}

impl Setting {
    /// Puts what was written into the configuration. `texts` are several only for forms that are lists; of the others the
    /// last counts. A secret is taken literally: [`load`](super::load) looks for the file before.
    ///
    /// # Errors
    /// What is wrong and what would be right, to be read after the setting's name. The configuration may then hold the
    /// refused value and must not be used.
    pub fn set(&self, config: &mut Config, texts: &[String]) -> Result<(), String> {
        let text = texts.last().map_or("", String::as_str);
        match &self.form {
            Form::Switch(place) => *place(config) = value::read_switch(text)?,
            Form::Time(place, _) => *place(config) = value::read_time(text)?,
            Form::Size(place, _) => *place(config) = whole(value::read_size(text)?),
            Form::Count(place, _) => *place(config) = whole(value::read_count(text)?),
            Form::Addresses(place) => {
                *place(config) = value::read_addresses(texts.iter().map(String::as_str))?
            }
            Form::Choice(place) => choose(place(config), text)?,
            Form::Secret(place) => *place(config) = Some(text.to_owned()),
            Form::Secrets(place) => *place(config) = texts.to_vec(),
            Form::Maybe(place, word) => *place(config) = Some((word.read)(text)),
            Form::Text(place, word) => *place(config) = (word.read)(text),
            Form::Texts(place, word) => {
                let pieces = texts.iter().flat_map(|text| text.split(','));
                *place(config) = pieces.map(word.read).collect();
            }
        }
        self.check(config)
    }

    /// Whether this setting's value is in its range.
    ///
    /// # Errors
    /// What is wrong and what would be right, to be read after the setting's name.
    pub fn check(&self, config: &Config) -> Result<(), String> {
        let mut config = config.clone();
        let (number, range) = match &self.form {
            Form::Switch(_) | Form::Choice(_) => return Ok(()),
            Form::Addresses(place) => return check_addresses(place(&mut config)),
            Form::Secret(place) => {
                return place(&mut config).as_deref().map_or(Ok(()), check_secret);
            }
            Form::Secrets(place) => return check_secrets(place(&mut config)),
            Form::Text(place, word) => return (word.check)(place(&mut config)),
            Form::Maybe(place, word) => {
                return place(&mut config).as_deref().map_or(Ok(()), word.check);
            }
            Form::Texts(place, word) => return check_texts(place(&mut config), word),
            Form::Time(place, range) => (*place(&mut config), *range),
            Form::Size(place, range) | Form::Count(place, range) => {
                (*place(&mut config) as u64, *range)
            }
        };
        if range.holds(number) {
            return Ok(());
        }
        let show = self.number_shower();
        Err(format!(
            "{} is out of range: allowed is {}",
            show(number),
            range.describe(show)
        ))
    }

    /// The value in the form in which it can be written; a secret only as `set` or nothing.
    pub fn show(&self, config: &Config) -> String {
        let mut config = config.clone();
        let show = self.number_shower();
        match &self.form {
            Form::Switch(place) => place(&mut config).to_string(),
            Form::Time(place, _) => show(*place(&mut config)),
            Form::Size(place, _) | Form::Count(place, _) => show(*place(&mut config) as u64),
            Form::Addresses(place) => {
                let shown: Vec<String> = place(&mut config)
                    .iter()
                    .map(SocketAddr::to_string)
                    .collect();
                shown.join(",")
            }
            Form::Choice(place) => place(&mut config).word().to_owned(),
            Form::Secret(place) => place(&mut config).as_ref().map_or("", |_| "set").to_owned(),
            Form::Secrets(place) => place(&mut config).first().map_or("", |_| "set").to_owned(),
            Form::Text(place, _) => place(&mut config).clone(),
            Form::Maybe(place, _) => place(&mut config).clone().unwrap_or_default(),
            Form::Texts(place, _) => place(&mut config).join(","),
        }
    }

    /// Whether several values may be given.
    pub fn is_list(&self) -> bool {
        matches!(
            self.form,
            Form::Addresses(_) | Form::Texts(..) | Form::Secrets(_)
        )
    }

    /// What may be written, in a few words; nothing where the placeholder of the help says it all.
    pub fn describe_range(&self) -> Option<String> {
        match &self.form {
            Form::Time(_, range) | Form::Size(_, range) | Form::Count(_, range) => {
                Some(range.describe(self.number_shower()))
            }
            Form::Switch(_)
            | Form::Choice(_)
            | Form::Addresses(_)
            | Form::Secret(_)
            | Form::Secrets(_)
            | Form::Text(..)
            | Form::Maybe(..)
            | Form::Texts(..) => None,
        }
    }

    /// The environment variable: `PEERHUB_NUDGE_INTERVAL`.
    pub fn variable(&self) -> String {
        variable(self.name)
    }

    /// What stands for the value in the help.
    pub fn placeholder(&self) -> &'static str {
        match &self.form {
            Form::Switch(_) => "true|false",
            Form::Time(..) => "TIME",
            Form::Size(..) => "SIZE",
            Form::Count(..) => "COUNT",
            Form::Choice(place) => place(&mut Config::default()).words(),
            Form::Addresses(_) => "ADDR:PORT",
            Form::Secret(_) | Form::Secrets(_) => "TEXT|FILE",
            Form::Text(_, word) | Form::Maybe(_, word) | Form::Texts(_, word) => word.placeholder,
        }
    }

    fn number_shower(&self) -> fn(u64) -> String {
        match self.form {
            Form::Time(..) => value::show_time,
            Form::Size(..) => value::show_size,
            Form::Count(..)
            | Form::Switch(_)
            | Form::Choice(_)
            | Form::Addresses(_)
            | Form::Secret(_)
            | Form::Secrets(_)
            | Form::Text(..)
            | Form::Maybe(..)
            | Form::Texts(..) => |number| number.to_string(),
        }
    }
}

impl Group {
    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Serving => "Serving",
            Group::Tokens => "Tokens",
            Group::Peers => "What peers are told",
            Group::PeerJs => "PeerJS",
            Group::Relay => "peer-relay",
            Group::NetPeer => "net-peer",
            Group::Peero => "peero",
            Group::Times => "Times (TIME is 250ms, 10s, 2m, 1h or a bare number of milliseconds)",
            Group::Bounds => "Bounds (SIZE is a number of bytes, or 64KiB, 1MiB, 1MB)",
            Group::Rates => "Rates (each is off unless set)",
        }
    }
}

/// The environment variable of a flag.
pub(super) fn variable(name: &str) -> String {
    format!("PEERHUB_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// A number that 32-bit targets cannot hold becomes the greatest they can, which every range refuses.
fn whole(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn choose(choice: &mut dyn Choice, text: &str) -> Result<(), String> {
    match choice.choose(&text.trim().to_ascii_lowercase()) {
        true => Ok(()),
        false => {
            let right = choice.words().replace('|', " or ");
            Err(format!("{} is no choice here: write {right}", quote(text)))
        }
    }
}

fn check_secret(secret: &str) -> Result<(), String> {
    match secret.is_empty() {
        false => Ok(()),
        true => Err(
            "is empty: write the passphrase or the path of a file that holds it, or leave it out"
                .to_owned(),
        ),
    }
}

fn check_secrets(secrets: &[String]) -> Result<(), String> {
    for (index, secret) in secrets.iter().enumerate() {
        check_secret(secret)?;
        if secrets[..index].contains(secret) {
            return Err("has the same passphrase twice: write each once".to_owned());
        }
    }
    Ok(())
}

fn check_addresses(addresses: &[SocketAddr]) -> Result<(), String> {
    if addresses.is_empty() {
        return Err("names no address: write at least one, such as 127.0.0.1:3007".to_owned());
    }
    for (index, address) in addresses.iter().enumerate() {
        if address.port() != 0 && addresses[..index].contains(address) {
            return Err(format!("{address} is there twice: write each address once"));
        }
    }
    Ok(())
}

fn check_texts(texts: &[String], word: &Word) -> Result<(), String> {
    for (index, text) in texts.iter().enumerate() {
        (word.check)(text)?;
        if texts[..index].contains(text) {
            return Err(format!("{} is there twice: write each once", quote(text)));
        }
    }
    Ok(())
}
