//! The command line of `peerhub token`, which makes a token for trying out.
//!
//! Reads no file: a secret is never on the command line, only where it is.

use super::load::usage_problem;
use super::{ConfigError, Wish, value};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `peerhub token` is to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenWish {
    /// A fresh secret for the file of `--token-secret-file`.
    Secret,
    /// A token.
    Token(Box<MakeToken>),
}

/// A token to be made. Lists that are empty are left out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MakeToken {
    /// The file with what it is signed with.
    pub key_file: PathBuf,
    /// Whether that is a private key in PEM, and not a shared secret.
    pub is_private_key: bool,
    /// Who it is for.
    pub sub: Option<String>,
    /// The one peer id that he may have.
    pub peer: Option<String>,
    /// Patterns of linkage keys.
    pub linkages: Vec<String>,
    /// Patterns of channels to publish to.
    pub publish: Vec<String>,
    /// Patterns of channels to subscribe to.
    pub subscribe: Vec<String>,
    /// Patterns of dialects.
    pub dialects: Vec<String>,
    /// Whether he may watch the debug stream.
    pub debout: bool,
    /// Whether he may use what is for operators.
    pub admin: bool,
    /// For how long it holds, ms.
    pub expires_ms: u64,
    /// For whom it is made.
    pub audiences: Vec<String>,
    /// By whom it is made.
    pub issuer: Option<String>,
}

/// The word that asks for it.
pub(super) const NAME: &str = "token";

/// Reads the arguments after the program's name, the first of which is [`NAME`].
pub(super) fn wish(
    arguments: &[OsString],
    variables: BTreeMap<String, OsString>,
) -> Result<Wish, ConfigError> {
    let flags = match command().try_get_matches_from(arguments) {
        Ok(flags) => flags,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return Ok(Wish::Print(error.to_string()));
        }
        Err(error) => {
            let problem = usage_problem(&error).replace("peerhub --help", "peerhub token --help");
            return Err(ConfigError::Usage(problem));
        }
    };
    if flags.get_flag("new-secret") {
        return Ok(Wish::Token(TokenWish::Secret));
    }
    make(&flags, &variables).map(|wanted| Wish::Token(TokenWish::Token(Box::new(wanted))))
}

fn make(
    flags: &ArgMatches,
    variables: &BTreeMap<String, OsString>,
) -> Result<MakeToken, ConfigError> {
    let file = |name| flags.get_one::<OsString>(name);
    let (key_file, is_private_key) = match (file("private-key"), file("secret-file")) {
        (Some(_), Some(_)) => {
            return Err(usage("--private-key and --secret-file exclude each other"));
        }
        (Some(file), None) => (file, true),
        (None, Some(file)) => (file, false),
        (None, None) => match variables.get("PEERHUB_TOKEN_SECRET_FILE") {
            Some(file) => (file, false),
            None => {
                return Err(usage(
                    "a token is signed: give --secret-file FILE or --private-key FILE",
                ));
            }
        },
    };
    let one = |name| flags.get_one::<String>(name).cloned();
    let many = |name| {
        let texts = flags.get_many::<String>(name).into_iter().flatten();
        texts.cloned().collect()
    };
    let expires = one("expires").unwrap_or_else(|| EXPIRES.to_owned());
    let expires_ms = value::read_time(&expires)
        .map_err(|problem| ConfigError::Usage(format!("--expires: {problem}")))?;
    if !(1_000..=EXPIRES_MS_MAX).contains(&expires_ms) {
        return Err(usage("--expires: a token holds for 1s to ten years"));
    }
    Ok(MakeToken {
        key_file: key_file.into(),
        is_private_key,
        sub: one("sub"),
        peer: one("peer"),
        linkages: many("linkage"),
        publish: many("publish"),
        subscribe: many("subscribe"),
        dialects: many("dialect"),
        debout: flags.get_flag("debout"),
        admin: flags.get_flag("admin"),
        expires_ms,
        audiences: many("audience"),
        issuer: one("issuer"),
    })
}

fn usage(problem: &str) -> ConfigError {
    ConfigError::Usage(format!("{problem}; see peerhub token --help"))
}

fn command() -> Command {
    let text = |name: &'static str, placeholder: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(placeholder).help(help)
    };
    let file = |name, help| text(name, "FILE", help).value_parser(value_parser!(OsString));
    let list = |name, help| text(name, "PATTERN", help).action(ArgAction::Append);
    let switch = |name: &'static str, help: &'static str| {
        let argument = Arg::new(name).long(name).help(help);
        argument.action(ArgAction::SetTrue)
    };
    Command::new(NAME)
        .bin_name("peerhub token")
        .about("Prints a token for trying out, or a secret to sign tokens with")
        .override_usage("peerhub token --secret-file FILE [FLAGS]\n       peerhub token --new-secret")
        .after_help(
            "A PATTERN is a name, or the beginning of one and a star: room-*. Without any, everything is allowed.\n\
             Without a key, the file of PEERHUB_TOKEN_SECRET_FILE is used.",
        )
        .arg(file("secret-file", "Signs with the secret in this file (HS256)"))
        .arg(file(
            "private-key",
            "Signs with the private key in this file, in PEM: Ed25519, P-256 or RSA",
        ))
        .arg(text("sub", "NAME", "The user that it is for: his user id"))
        .arg(text("peer", "ID", "The one peer id that he may have"))
        .arg(list("linkage", "Linkage keys that he may join"))
        .arg(list("publish", "Channels that he may publish to"))
        .arg(list("subscribe", "Channels that he may subscribe to"))
        .arg(list(
            "dialect",
            "What he may speak: ok, peerjs, peer-relay, peero or echo",
        ))
        .arg(switch("debout", "Lets him watch the debug stream"))
        .arg(switch("admin", "Lets him use what is for operators"))
        .arg(text("expires", "TIME", "For how long it holds [default 1h]"))
        .arg(text("audience", "TEXT", "For whom it is made (aud)").action(ArgAction::Append))
        .arg(text("issuer", "TEXT", "By whom it is made (iss)"))
        .arg(switch("new-secret", "Prints 32 random bytes for a secret file"))
}

/// For how long a token holds.
const EXPIRES: &str = "1h";
/// Longer than anybody tries something out.
const EXPIRES_MS_MAX: u64 = 10 * 366 * 86_400_000;
