//! Fills a [`Config`]: flag over environment variable over settings file over default.
//!
//! Runs once, at start, called by `main`; the only part of this room that reads files. Every value that is given is
//! checked, also one that a stronger source overrides, so that a mistake does not wait until the day the flag is gone.

use super::settings::variable;
use super::value::{nearest, quote};
use super::{Config, ConfigError, Form, Origin, SETTINGS, Setting, preset, render, value};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// What the command line asks for.
#[derive(Debug)]
pub enum Wish {
    /// To serve with these settings.
    Serve {
        /// The settings, checked.
        config: Box<Config>,
        /// Whether somebody has chosen the addresses to listen on, be it by the file.
        listen_chosen: bool,
        /// What looks like a mistake but need not be one, a line each, for the log.
        remarks: Vec<String>,
    },
    /// To print this text to standard output and exit with 0: help, version or settings.
    Print(String),
}

/// Reads the settings from `arguments` (the first is the program's name), `variables` and the file that they name.
/// Variables that do not begin with `PEERHUB_` are ignored, but for PeerServer's own in its preset, and so are empty ones.
///
/// # Errors
/// The first mistake of the operator: file before environment before command line before what contradicts.
pub fn load(
    arguments: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Wish, ConfigError> {
    let flags = match render::command().try_get_matches_from(arguments) {
        Ok(flags) => flags,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            return Ok(Wish::Print(error.to_string()));
        }
        Err(error) => return Err(ConfigError::Usage(usage_problem(&error))),
    };
    let variables = known_variables(variables);
    let mut loading = Loading::default();
    let is_peerserver = wants_peerserver(&flags, &variables)?;
    if is_peerserver {
        loading.config = Config::peerserver();
    }
    if let Some(path) = flags
        .get_one::<OsString>("config")
        .or(variables.get("PEERHUB_CONFIG"))
    {
        loading.take_file(Path::new(path))?;
    }
    if is_peerserver {
        for variable in &preset::PEERSERVER_VARIABLES {
            if let Some(text) = variables.get(variable.name) {
                loading.take_foreign(variable, text)?;
            }
        }
    }
    for setting in SETTINGS {
        if let Some(text) = variables.get(&setting.variable()) {
            loading.take(setting, Origin::Variable, [text.as_os_str()])?;
        }
    }
    for setting in SETTINGS {
        if let Some(texts) = flags.get_many::<OsString>(setting.name) {
            loading.take(setting, Origin::Flag, texts.map(OsString::as_os_str))?;
        }
    }
    loading.open_secrets()?;
    loading.check()?;
    if flags.get_flag("print-config") {
        return Ok(Wish::Print(render::toml_text(&loading.config)));
    }
    loading.remark_unknown(&variables);
    Ok(Wish::Serve {
        config: Box::new(loading.config),
        listen_chosen: loading.origins.contains_key("listen"),
        remarks: loading.remarks,
    })
}

/// Whether the flag asks for PeerServer's defaults, or else the variable.
fn wants_peerserver(
    flags: &clap::ArgMatches,
    variables: &BTreeMap<String, OsString>,
) -> Result<bool, ConfigError> {
    let (name, text) = match flags.get_one::<OsString>("peerserver") {
        Some(text) => ("--peerserver", text),
        None => match variables.get("PEERHUB_PEERSERVER") {
            Some(text) => ("PEERHUB_PEERSERVER", text),
            None => return Ok(false),
        },
    };
    value::read_switch(&text.to_string_lossy())
        .map_err(|problem| ConfigError::Usage(format!("{name}: {problem}")))
}

/// An I/O error in lower case and without its number: `no such file or directory`.
pub fn plain_words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text
        .split_once(" (os error")
        .map_or(text.as_str(), |(words, _)| words);
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// The configuration so far, and where its values came from.
#[derive(Default)]
struct Loading {
    config: Config,
    origins: BTreeMap<&'static str, Origin>,
    remarks: Vec<String>,
}

impl Loading {
    fn take<'a>(
        &mut self,
        setting: &'static Setting,
        origin: Origin,
        texts: impl IntoIterator<Item = &'a OsStr>,
    ) -> Result<(), ConfigError> {
        let texts: Option<Vec<String>> = texts
            .into_iter()
            .map(|text| text.to_str().map(str::to_owned))
            .collect();
        let texts = texts.ok_or_else(|| "is not UTF-8 text".to_owned());
        self.origins.insert(setting.name, origin);
        let outcome = texts.and_then(|texts| setting.set(&mut self.config, &texts));
        outcome.map_err(|problem| self.wrong(setting.name, problem))
    }

    fn take_foreign(
        &mut self,
        variable: &preset::ForeignVariable,
        text: &OsStr,
    ) -> Result<(), ConfigError> {
        let (setting, origin) = (variable.setting(), Origin::Foreign(variable.name));
        let text = (variable.translate)(&text.to_string_lossy()).map_err(|problem| {
            ConfigError::Value {
                setting: setting.name,
                origin: Some(origin.clone()),
                problem,
            }
        })?;
        self.take(setting, origin, [OsStr::new(&text)])
    }

    fn take_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let at = |text: &str, offset: usize| {
            text.bytes()
                .take(offset)
                .filter(|byte| *byte == b'\n')
                .count()
                + 1
        };
        let text = read_text(path).map_err(|problem| {
            ConfigError::File(format!(
                "{}: cannot read the settings: {problem}",
                path.display()
            ))
        })?;
        let table = DeTable::parse(&text).map_err(|error| {
            let line = at(&text, error.span().map_or(0, |span| span.start));
            ConfigError::File(format!(
                "{}:{line}: {}",
                path.display(),
                error.message().replace('\n', "; ")
            ))
        })?;
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let line = at(&text, key.span().start);
            let name: &str = key.get_ref();
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
                let is_flag = render::PROGRAM_FLAGS.iter().any(|flag| flag.name == name);
                let hint = match nearest(name, SETTINGS.iter().map(|setting| setting.name)) {
                    _ if is_flag => format!("--{name} is a flag of the program, not a setting"),
                    Some(near) => format!("did you mean {near}?"),
                    None => {
                        "the keys are the flags of peerhub --help without their dashes".to_owned()
                    }
                };
                let place = path.display();
                return Err(ConfigError::File(format!(
                    "{place}:{line}: there is no setting {}; {hint}",
                    quote(name)
                )));
            };
            let origin = Origin::File(path.to_owned(), line);
            let texts =
                file_texts(setting, value.get_ref()).map_err(|problem| ConfigError::Value {
                    setting: setting.name,
                    origin: Some(origin.clone()),
                    problem,
                })?;
            self.take(setting, origin, texts.iter().map(OsStr::new))?;
        }
        Ok(())
    }

    /// Replaces each secret that is the path of a file by the file's trimmed content.
    fn open_secrets(&mut self) -> Result<(), ConfigError> {
        for setting in SETTINGS {
            match setting.form {
                Form::Secret(place) => {
                    if let Some(text) = place(&mut self.config).take() {
                        *place(&mut self.config) = Some(self.open_secret(setting, text)?);
                    }
                }
                Form::Secrets(place) => {
                    let texts = std::mem::take(place(&mut self.config));
                    let secrets = texts
                        .into_iter()
                        .map(|text| self.open_secret(setting, text));
                    *place(&mut self.config) = secrets.collect::<Result<_, _>>()?;
                }
                Form::Switch(_)
                | Form::Time(..)
                | Form::Size(..)
                | Form::Count(..)
                | Form::Choice(_)
                | Form::Addresses(_)
                | Form::Text(..)
                | Form::Maybe(..)
                | Form::Texts(..) => {}
            }
        }
        Ok(())
    }

    /// The content of the file that a secret names, or else the text itself.
    fn open_secret(
        &mut self,
        setting: &'static Setting,
        text: String,
    ) -> Result<String, ConfigError> {
        let name = setting.name;
        let path = PathBuf::from(&text);
        match std::fs::metadata(&path) {
            Ok(_) => {
                let read = read_text(&path).and_then(|content| match content.trim() {
                    "" => Err("the file is empty".to_owned()),
                    secret => Ok(secret.to_owned()),
                });
                let problem = |problem| format!("cannot read {}: {problem}", quote(&text));
                return read.map_err(|words| self.wrong(name, problem(words)));
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let problem = format!("cannot read {}: {}", quote(&text), plain_words(&error));
                return Err(self.wrong(name, problem));
            }
            Err(_) => {}
        }
        if path.is_absolute() || text.starts_with("./") || text.starts_with("../") {
            self.remarks.push(format!(
                "{name} looks like a path, but there is no such file: the path itself is the key"
            ));
        }
        if self.origins.get(name) == Some(&Origin::Flag) {
            let variable = setting.variable();
            self.remarks.push(format!("--{name} is a passphrase on the command line, which other users of the machine can read: name a file that holds it, or set {variable}"));
        }
        Ok(text)
    }

    /// Checks the whole, and says of a value that is wrong where it came from.
    fn check(&self) -> Result<(), ConfigError> {
        self.config.check().map_err(|error| match error {
            ConfigError::Value {
                setting, problem, ..
            } => self.wrong(setting, problem),
            ConfigError::Usage(_) | ConfigError::File(_) => error,
        })
    }

    /// Variables that resemble a setting's. Others are let pass: container platforms set `PEERHUB_PORT` and the like for a
    /// service of this name.
    fn remark_unknown(&mut self, variables: &BTreeMap<String, OsString>) {
        let mut known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
        known.extend(
            render::PROGRAM_FLAGS
                .iter()
                .filter(|flag| flag.has_variable)
                .map(|flag| variable(flag.name)),
        );
        let own = variables
            .keys()
            .filter(|name| name.starts_with("PEERHUB_") && !known.contains(name));
        for name in own {
            let own_part = name.trim_start_matches("PEERHUB_");
            let candidates = known.iter().map(|name| name.trim_start_matches("PEERHUB_"));
            if let Some(near) = nearest(own_part, candidates) {
                self.remarks.push(format!(
                    "the variable {name} sets nothing; did you mean PEERHUB_{near}?"
                ));
            }
        }
    }

    fn wrong(&self, setting: &'static str, problem: String) -> ConfigError {
        ConfigError::Value {
            setting,
            origin: self.origins.get(setting).cloned(),
            problem,
        }
    }
}

/// The variables that may say something to us.
fn known_variables(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> BTreeMap<String, OsString> {
    let is_foreign = |name: &str| {
        preset::PEERSERVER_VARIABLES
            .iter()
            .any(|variable| variable.name == name)
    };
    let named = variables
        .into_iter()
        .filter_map(|(name, text)| Some((name.into_string().ok()?, text)));
    named
        .filter(|(name, text)| {
            (name.starts_with("PEERHUB_") || is_foreign(name)) && !text.is_empty()
        })
        .collect()
}

/// A value of the file as it would be written for a flag.
fn file_texts(setting: &Setting, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let wanted = setting.placeholder();
    let many = setting.is_list();
    match value {
        DeValue::String(text) => Ok(vec![text.clone().into_owned()]),
        DeValue::Boolean(switch) => Ok(vec![switch.to_string()]),
        DeValue::Integer(number) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            Ok(vec![read.map_or_else(
                |_| number.as_str().to_owned(),
                |number| number.to_string(),
            )])
        }
        DeValue::Array(items) if many => {
            let texts = items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned));
            texts
                .collect::<Option<_>>()
                .ok_or_else(|| format!("wants a list of texts, each {wanted}"))
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err(format!(
                "wants {wanted}, not {} {}",
                article(value.type_str()),
                value.type_str()
            ))
        }
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}

/// A small text file. The bound keeps a mistaken `/dev/zero` from filling the memory.
fn read_text(path: &Path) -> Result<String, String> {
    const MOST: u64 = 1 << 20;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path);
    let read = file.and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes));
    read.map_err(|error| plain_words(&error))?;
    if bytes.len() as u64 > MOST {
        return Err("it is longer than 1MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

/// One line out of clap's several.
fn usage_problem(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let written = context(ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if written.starts_with('-') => {
            match context(ContextKind::SuggestedArg) {
                Some(near) => format!("there is no flag {written}; did you mean {near}?"),
                None => format!("there is no flag {written}; see peerhub --help"),
            }
        }
        ErrorKind::UnknownArgument => {
            format!("{} belongs to no flag; see peerhub --help", quote(&written))
        }
        ErrorKind::InvalidValue
            if context(ContextKind::InvalidValue).is_some_and(|text| text.is_empty()) =>
        {
            format!("{written} wants a value")
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            format!(
                "{}; see peerhub --help",
                first.trim_start_matches("error: ")
            )
        }
    }
}
