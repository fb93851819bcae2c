//! The table of settings as clap's command, as TOML and as Markdown.
//!
//! Pure: reads the table and a [`Config`], writes text. Secrets are never written.

use super::settings::variable;
use super::{Config, Form, SETTINGS, Setting};
use clap::{Arg, ArgAction, Command, value_parser};
use std::ffi::OsString;
use std::fmt::Write;

/// A flag that is about the program, not a setting of the hub.
pub(super) struct ProgramFlag {
    pub(super) name: &'static str,
    pub(super) short: Option<char>,
    pub(super) placeholder: Option<&'static str>,
    pub(super) has_variable: bool,
    pub(super) help: &'static str,
}

/// The flags that are about the program.
pub(super) const PROGRAM_FLAGS: [ProgramFlag; 5] = [
    ProgramFlag {
        name: "config",
        short: None,
        placeholder: Some("FILE"),
        has_variable: true,
        help: "Reads settings from a TOML file whose keys are the flags",
    },
    ProgramFlag {
        name: "peerserver",
        short: None,
        placeholder: Some("true|false"),
        has_variable: true,
        help: "Takes PeerServer's defaults: every address, port PORT or 9000",
    },
    ProgramFlag {
        name: "print-config",
        short: None,
        placeholder: None,
        has_variable: false,
        help: "Prints the settings in force as such a file, but no secrets",
    },
    ProgramFlag {
        name: "help",
        short: Some('h'),
        placeholder: None,
        has_variable: false,
        help: "Prints help and exits: -h the most used flags, --help all of them",
    },
    ProgramFlag {
        name: "version",
        short: Some('V'),
        placeholder: None,
        has_variable: false,
        help: "Prints the version and exits",
    },
];

/// The command line. Values stay raw texts, since flags, variables and file share one reader.
pub(super) fn command() -> Command {
    let default = Config::default();
    let command = Command::new("peerhub")
        .version(env!("CARGO_PKG_VERSION"))
        .about("One server through which peers find each other and talk")
        .override_usage("peerhub [FLAGS]")
        .after_help("All flags, their ranges and environment variables: peerhub --help")
        .after_long_help(
            "A flag counts more than its environment variable, that more than the file, that more than the default.\n\
             RUST_LOG sets what is logged: error, warn, info (default), debug or trace.\n\
             Exit codes: 0 stopped in order, 1 failed while running, 2 could not start, 130 forced by a second signal.",
        )
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_version_flag(true);
    let settings = SETTINGS
        .iter()
        .map(|setting| setting_argument(setting, &default));
    command
        .args(settings)
        .args(PROGRAM_FLAGS.iter().map(program_argument))
}

fn setting_argument(setting: &'static Setting, default: &Config) -> Arg {
    let shown_default = shown_default(setting, default);
    let short_help = match &shown_default {
        Some(default) => format!("{} [default {default}]", setting.help),
        None => setting.help.to_owned(),
    };
    let facts = [
        shown_default.map(|default| format!("default {default}")),
        setting.describe_range(),
        Some(setting.variable()),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    let argument = Arg::new(setting.name)
        .long(setting.name)
        .value_name(setting.placeholder())
        .value_parser(value_parser!(OsString))
        .action(ArgAction::Set)
        .help_heading(setting.group.title())
        .hide_short_help(!setting.common)
        .help(short_help)
        .long_help(format!("{}\n[{}]", setting.help, facts.join("; ")));
    match setting.form {
        Form::Switch(_) => argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        _ if setting.is_list() => argument.action(ArgAction::Append),
        _ => argument,
    }
    .hide_default_value(true)
}

fn program_argument(flag: &'static ProgramFlag) -> Arg {
    let mut argument = Arg::new(flag.name)
        .long(flag.name)
        .help(flag.help)
        .help_heading("Program");
    if let Some(letter) = flag.short {
        argument = argument.short(letter);
    }
    if flag.has_variable {
        argument = argument.long_help(format!("{}\n[{}]", flag.help, variable(flag.name)));
    }
    match (flag.placeholder, flag.name) {
        (Some(name), "peerserver") => argument
            .value_name(name)
            .value_parser(value_parser!(OsString))
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .hide_default_value(true),
        (Some(name), _) => argument
            .value_name(name)
            .value_parser(value_parser!(OsString))
            .action(ArgAction::Set),
        (None, "help") => argument.action(ArgAction::Help),
        (None, "version") => argument.action(ArgAction::Version),
        (None, _) => argument.action(ArgAction::SetTrue),
    }
}

fn shown_default(setting: &Setting, default: &Config) -> Option<String> {
    let shown = setting.show(default);
    (!shown.is_empty()).then_some(shown)
}

/// The settings as a file that `--config` reads back to the same settings, secrets excepted: these are a comment.
pub fn toml_text(config: &Config) -> String {
    let mut text = format!("# Settings of peerhub {}\n", env!("CARGO_PKG_VERSION"));
    let mut group = None;
    for setting in SETTINGS {
        if group != Some(setting.group) {
            group = Some(setting.group);
            write!(text, "\n# {}\n\n", setting.group.title())
                .expect("a String takes all that is written");
        }
        let line = toml_line(setting, config);
        writeln!(text, "# {}\n{line}", setting.help).expect("a String takes all that is written");
    }
    text
}

fn toml_line(setting: &Setting, config: &Config) -> String {
    let (name, shown) = (setting.name, setting.show(config));
    match setting.form {
        Form::Switch(_) | Form::Count(..) => format!("{name} = {shown}"),
        Form::Time(..) | Form::Size(..) if shown.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{name} = {shown}")
        }
        Form::Time(..) | Form::Size(..) | Form::Choice(_) => format!("{name} = \"{shown}\""),
        Form::Addresses(_) | Form::Texts(..) => {
            let quoted: Vec<String> = shown
                .split(',')
                .filter(|text| !text.is_empty())
                .map(|text| toml::Value::String(text.to_owned()).to_string())
                .collect();
            format!("{name} = [{}]", quoted.join(", "))
        }
        Form::Maybe(..) if shown.is_empty() => format!("# {name} is not set"),
        Form::Text(..) | Form::Maybe(..) => {
            format!("{name} = {}", toml::Value::String(shown))
        }
        Form::Secret(_) | Form::Secrets(_) if shown.is_empty() => format!("# {name} is not set"),
        Form::Secret(_) | Form::Secrets(_) => format!("# {name} is set, and withheld here"),
    }
}

/// The table for the README, without a line break at its end.
pub fn markdown_table() -> String {
    let default = Config::default();
    let mut rows = vec![
        "| Flag (key in the file) | Variable | Default | Allowed | What it does |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    let code = |text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            format!("`{}`", text.replace('|', "\\|"))
        }
    };
    for setting in SETTINGS {
        let allowed = setting
            .describe_range()
            .unwrap_or_else(|| code(setting.placeholder()));
        rows.push(format!(
            "| {} | {} | {} | {allowed} | {} |",
            code(&format!("--{}", setting.name)),
            code(&setting.variable()),
            code(&setting.show(&default)),
            setting.help,
        ));
    }
    for flag in &PROGRAM_FLAGS {
        let short = flag
            .short
            .map(|letter| format!(", `-{letter}`"))
            .unwrap_or_default();
        let variable = if flag.has_variable {
            variable(flag.name)
        } else {
            String::new()
        };
        rows.push(format!(
            "| {}{short} | {} | | {} | {} |",
            code(&format!("--{}", flag.name)),
            code(&variable),
            code(flag.placeholder.unwrap_or_default()),
            flag.help,
        ));
    }
    rows.join("\n")
}
