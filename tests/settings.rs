//! Settings from flags, environment and file, in the library and through the binary, and the README's table of them.

#[path = "support/folder.rs"]
mod folder;

use folder::Folder;
use peerhub::Config;
use peerhub::config::{
    ConfigError, Form, SETTINGS, Setting, Wish, load, markdown_table, toml_text,
};
use std::ffi::OsString;
use std::fs;
use std::process::{Command, Output};

fn wish(flags: &[&str], variables: &[(&str, &str)]) -> Result<Wish, ConfigError> {
    let arguments = ["peerhub"].iter().chain(flags).map(OsString::from);
    load(
        arguments,
        variables
            .iter()
            .map(|(name, text)| (name.into(), text.into())),
    )
}

fn served(flags: &[&str], variables: &[(&str, &str)]) -> (Config, Vec<String>) {
    match wish(flags, variables) {
        Ok(Wish::Serve {
            config, remarks, ..
        }) => (*config, remarks),
        other => panic!("{flags:?} {variables:?}: {other:?}"),
    }
}

fn config(flags: &[&str], variables: &[(&str, &str)]) -> Config {
    served(flags, variables).0
}

fn problem(flags: &[&str], variables: &[(&str, &str)]) -> String {
    let text = wish(flags, variables)
        .expect_err(&format!("{flags:?} {variables:?}"))
        .to_string();
    assert!(!text.contains('\n'), "more than one line: {text}");
    text
}

/// A value that is not the default, as it is shown, for each kind of setting.
fn other_value(setting: &Setting) -> &'static str {
    match (&setting.form, setting.show(&Config::default()).as_str()) {
        (Form::Switch(_), "true") => "false",
        (Form::Switch(_), _) => "true",
        (Form::Time(..), _) => "121s",
        (Form::Size(..), _) => "3KiB",
        (Form::Count(..), _) => "77",
        (Form::Choice(place), default) => place(&mut Config::default())
            .words()
            .split('|')
            .find(|word| *word != default)
            .expect("a choice has more than one word"),
        (Form::Addresses(_), _) => "127.0.0.2:1,[::1]:2",
        (Form::Secret(_) | Form::Secrets(_), _) => "correct horse",
        (Form::Text(_, word) | Form::Maybe(_, word) | Form::Texts(_, word), _) => {
            match word.placeholder {
                "KEY" => "mine,yours",
                "KIND" => "messages,notifies",
                "PATH" => "/my/app",
                "JSON" => r#"{"round":[1,"two"]}"#,
                "HEX" => "0123456789abcdef0123456789abcdef01234567",
                "URL" => "ws://relay.example.org:8000/peer-relay",
                "ORIGIN" => "https://app.example.org,https://*.example.org:8443",
                "serve|refuse|redirect" => "refuse",
                "ADDR|RANGE" => "10.0.0.0/8,loopback",
                _ => "plain",
            }
        }
    }
}

/// The value as it stands in a file: some as TOML's own types, to see that these are read too.
fn in_file(setting: &Setting, value: &str) -> String {
    match setting.form {
        Form::Switch(_) | Form::Count(..) => format!("{} = {value}\n", setting.name),
        Form::Text(..) | Form::Maybe(..) => format!("{} = '{value}'\n", setting.name),
        Form::Addresses(_) | Form::Texts(..) => format!(
            "{} = [\"{}\"]\n",
            setting.name,
            value.replace(',', "\", \"")
        ),
        Form::Secrets(_) => format!("{} = [\"{value}\"]\n", setting.name),
        Form::Time(..) | Form::Size(..) | Form::Choice(_) | Form::Secret(_) => {
            format!("{} = \"{value}\"\n", setting.name)
        }
    }
}

/// Only this setting differs from the defaults, and it has this value.
fn assert_only(config: &Config, setting: &Setting, value: &str, way: &str) {
    let default = Config::default();
    for any in SETTINGS {
        let expected = match (any.name == setting.name, &any.form) {
            (true, Form::Secret(_) | Form::Secrets(_)) => "set".to_owned(),
            (true, _) => value.to_owned(),
            (false, _) => any.show(&default),
        };
        assert_eq!(
            any.show(config),
            expected,
            "{} after {} by {way}",
            any.name,
            setting.name
        );
    }
}

#[test]
fn every_setting_can_be_set_in_all_three_ways() {
    let folder = Folder::new("settings-three-ways");
    for setting in SETTINGS {
        let value = other_value(setting);
        let flag = format!("--{}={value}", setting.name);
        assert_only(&config(&[&flag], &[]), setting, value, "flag");
        assert_only(
            &config(&[], &[(&setting.variable(), value)]),
            setting,
            value,
            "variable",
        );
        let file = folder.file("peerhub.toml", in_file(setting, value));
        assert_only(&config(&["--config", &file], &[]), setting, value, "file");
        assert_only(
            &config(&[], &[("PEERHUB_CONFIG", &file)]),
            setting,
            value,
            "file named by variable",
        );
    }
}

#[test]
fn flag_over_variable_over_file_over_default() {
    let folder = Folder::new("settings-precedence");
    let file = folder.file(
        "peerhub.toml",
        "max-tags = 2\nmax-channels = 2\nmax-json-depth = 20\ndebout = true\n",
    );
    let flags = ["--max-tags=4", "--debout=false", "--config", &file];
    let read = config(
        &flags,
        &[("PEERHUB_MAX_TAGS", "3"), ("PEERHUB_MAX_CHANNELS", "3")],
    );
    assert_eq!(
        (
            read.limits.tags,
            read.limits.channels,
            read.limits.json_depth
        ),
        (4, 3, 20)
    );
    assert!(!read.debout);
    assert_eq!(
        read.limits.pending_requests,
        Config::default().limits.pending_requests
    );

    let other = folder.file("other.toml", "max-tags = 9\n");
    assert_eq!(
        config(&["--config", &other], &[("PEERHUB_CONFIG", &file)])
            .limits
            .tags,
        9
    );
}

#[test]
fn forms_that_scripts_use() {
    assert!(config(&["--debout"], &[]).debout);
    assert!(
        config(&["--debout", "--listen", ":1"], &[]).debout,
        "a switch does not take the next word"
    );
    assert_eq!(
        config(&["--max-tags=4", "--max-tags", "5"], &[])
            .limits
            .tags,
        5,
        "the last one counts"
    );
    let listen = |flags: &[&str], variables: &[(&str, &str)]| {
        config(flags, variables)
            .listen
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        listen(&["--listen", "localhost:1", "--listen", "[::]:2"], &[]),
        ["127.0.0.1:1", "[::]:2"]
    );
    assert_eq!(
        listen(&[], &[("PEERHUB_LISTEN", "3, :4")]),
        ["127.0.0.1:3", "0.0.0.0:4"]
    );
    assert_eq!(
        listen(&["--listen", "5"], &[("PEERHUB_LISTEN", "3,:4")]),
        ["127.0.0.1:5"],
        "a flag replaces the list"
    );
    for (text, expected) in [
        ("true", true),
        ("YES", true),
        ("on", true),
        ("1", true),
        ("false", false),
        ("no", false),
        ("off", false),
        ("0", false),
    ] {
        assert_eq!(
            config(&[], &[("PEERHUB_REMOTE_ADDRESS", text)]).remote_address,
            expected,
            "{text}"
        );
    }
    assert_eq!(
        config(&[], &[("PEERHUB_MAX_TAGS", "")]),
        Config::default(),
        "an empty variable is none"
    );
    assert_eq!(
        config(&["--nudge-interval=0", "--ping-interval", "250"], &[]).ping_interval_ms,
        250
    );
}

#[test]
fn numbers_in_the_file() {
    let folder = Folder::new("settings-numbers");
    let file = folder.file(
        "peerhub.toml",
        "max-message-bytes = 0x1_0000\nnudge-interval = 1_500\nlisten = \"1\"\nmax-tags = \"7\"",
    );
    let read = config(&["--config", &file], &[]);
    assert_eq!(
        (
            read.limits.message_bytes,
            read.nudge_interval_ms,
            read.limits.tags
        ),
        (65_536, 1_500, 7)
    );
    assert_eq!(read.listen, ["127.0.0.1:1".parse().unwrap()]);
}

#[test]
fn a_bad_value_is_named_with_its_origin_and_what_would_be_right() {
    let folder = Folder::new("settings-bad-values");
    let text = problem(&["--nudge-interval", "10 parsecs"], &[]);
    assert_eq!(
        text,
        "--nudge-interval: \"10 parsecs\" is not a time: write whole 250ms, 10s, 2m or 1h, or a bare number of milliseconds"
    );
    let text = problem(&[], &[("PEERHUB_MAX_QUEUE_BYTES", "5")]);
    assert_eq!(
        text,
        "PEERHUB_MAX_QUEUE_BYTES: 5 is out of range: allowed is 1KiB to 1GiB"
    );
    let file = folder.file(
        "peerhub.toml",
        "# comment\nmax-tags = 5\n\nmax-channels = -1\n",
    );
    let text = problem(&["--config", &file], &[]);
    assert_eq!(
        text,
        format!("{file}:4: max-channels: \"-1\" is not a count: write a whole number such as 100")
    );

    let cases = [
        ("--listen=nowhere", "ADDR:PORT"),
        ("--listen=1,1", "twice"),
        ("--debout=maybe", "true or false"),
        ("--scope=galaxy", "hub or linkage"),
        ("--encryption-key=", "is empty"),
        ("--max-connections=0", "allowed is 1 to 4000000"),
        ("--probe-time=0", "allowed is 1ms to 1h"),
        (
            "--nudge-interval=9",
            "allowed is 10ms to 24h, or 0: no nudges",
        ),
        ("--max-message-bytes=2GiB", "allowed is 64 to 1GiB"),
        ("--max-message-bytes=999999999999GiB", "is not a size"),
        ("--drain-time=\n", "is not a time"),
    ];
    for (flag, part) in cases {
        let text = problem(&[flag], &[]);
        let (name, _) = flag.split_once('=').unwrap();
        assert!(
            text.starts_with(&format!("{name}: ")) && text.contains(part),
            "{flag}: {text}"
        );
    }
    let overridden = problem(&["--max-tags=5"], &[("PEERHUB_MAX_TAGS", "five")]);
    assert!(
        overridden.starts_with("PEERHUB_MAX_TAGS: "),
        "a mistake shows although a flag overrides it: {overridden}"
    );
}

#[test]
fn every_range_ends_where_it_says() {
    for setting in SETTINGS {
        let (Form::Time(_, range) | Form::Size(_, range) | Form::Count(_, range)) = &setting.form
        else {
            continue;
        };
        let accepts = |number: u64| {
            setting
                .set(&mut Config::default(), &[number.to_string()])
                .is_ok()
        };
        assert!(
            accepts(range.least) && accepts(range.most),
            "{}",
            setting.name
        );
        assert!(
            !accepts(range.most + 1) && !accepts(u64::MAX),
            "{}",
            setting.name
        );
        assert!(
            range.least <= 1 || !accepts(range.least - 1),
            "{}",
            setting.name
        );
        assert_eq!(accepts(0), range.zero.is_some(), "{}", setting.name);
    }
}

#[test]
fn an_embedding_program_is_checked_by_the_same_ranges() {
    assert_eq!(Config::default().check(), Ok(()));
    let mut wrong = Config::default();
    wrong.limits.json_depth = 0;
    let text = wrong.check().unwrap_err().to_string();
    assert_eq!(
        text,
        "max-json-depth: 0 is out of range: allowed is 4 to 10000"
    );
    let wrong = Config {
        listen: Vec::new(),
        ..Config::default()
    };
    assert!(
        wrong
            .check()
            .unwrap_err()
            .to_string()
            .starts_with("listen: names no address")
    );
    let wrong = Config {
        encryption_key: Some(String::new()),
        ..Config::default()
    };
    assert!(
        wrong
            .check()
            .unwrap_err()
            .to_string()
            .starts_with("encryption-key: is empty")
    );
}

#[test]
fn the_default_request_timeout_may_not_exceed_the_longest() {
    let text = problem(&["--request-timeout=11m"], &[]);
    assert_eq!(
        text,
        "--request-timeout: 11m is longer than max-request-timeout, which is 10m: shorten the one or lengthen the other"
    );
    assert_eq!(
        problem(&[], &[("PEERHUB_MAX_REQUEST_TIMEOUT", "1s")]),
        "request-timeout: 2m is longer than max-request-timeout, which is 1s: shorten the one or lengthen the other"
    );
    assert_eq!(
        config(&["--request-timeout=10m"], &[]).request_timeout_ms,
        600_000
    );
}

#[test]
fn texts_are_refused_in_words_that_help() {
    let cases = [
        (
            "--allow-origin=app.example.org",
            r#""app.example.org" has no scheme: write"#,
        ),
        (
            "--allow-origin=https://a.example/",
            r#""https://a.example/" ends with a slash"#,
        ),
        (
            "--allow-origin=https://a.example,*",
            r#""*" is every origin"#,
        ),
        ("--allow-origin=", r#""" has no scheme"#),
        (
            "--trusted-proxy=10.0.0.0/33",
            r#""10.0.0.0/33" is not an address or a range"#,
        ),
        ("--peerjs-key=a b", r#""a b" is not a key: write"#),
        ("--peerjs-key=a,b,a", r#""a" is there twice"#),
        ("--peerjs-path=", r#""" is not a path: write"#),
        ("--peerjs-path=/a//b", r#""/a//b" is not a path: write"#),
        ("--peerjs-allow-discovery=perhaps", "true or false"),
        ("--peerjs-expire-timeout=9", "allowed is 10ms to 1h"),
        ("--relay-id=12", r#""12" is not a node's id: write 40"#),
        (
            "--relay-url=http://a.example",
            "is not the URL of a WebSocket: write",
        ),
        (
            "--relay-bootstrap=ws://a.example:0/",
            "is not the URL of a WebSocket without TLS: write",
        ),
        (
            "--relay-bootstrap=wss://a.example/",
            "is not the URL of a WebSocket without TLS: write",
        ),
        ("--netpeer-name=", "is empty: write a name"),
        ("--netpeer-state={a}", r#""{a}" is not JSON: "#),
        ("--netpeer-state-file=", "is empty: write the path"),
        ("--netpeer-port=65536", "allowed is 1 to 65535, or 0"),
    ];
    for (flag, part) in cases {
        let text = problem(&[flag], &[]);
        let (name, _) = flag.split_once('=').unwrap();
        assert!(
            text.starts_with(&format!("{name}: ")) && text.contains(part),
            "{flag}: {text}"
        );
    }
    let embedded = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    assert_eq!(
        embedded(|config| config.peerjs.keys.clear()),
        "peerjs-key: names no key: write at least one, such as peerjs"
    );
    assert_eq!(
        embedded(|config| config.netpeer.state = Some("[\n]".to_owned())),
        "netpeer-state: has a line break: write the JSON on one line"
    );
    assert!(
        embedded(|config| config.peerjs.path = "/myapp/".to_owned())
            .starts_with(r#"peerjs-path: "/myapp/" is not a path"#)
    );
}

#[test]
fn the_state_of_the_mesh_fits_a_message() {
    let state = format!("--netpeer-state=\"{}\"", "x".repeat(63));
    assert_eq!(
        problem(&[&state, "--max-message-bytes=64"], &[]),
        "--netpeer-state: has 65 bytes, which is more than max-message-bytes, 64: shorten the one or raise the other"
    );
    config(&[&state, "--max-message-bytes=65"], &[]);
}

#[test]
fn texts_are_read_as_people_write_them() {
    let flags = [
        "--peerjs-allow-discovery",
        "--netpeer-state",
        r#"{"a":1}"#,
        "--peerjs-expire-timeout",
        "5000",
    ];
    let read = config(&flags, &[("PEERHUB_PEERJS_KEY", "one, two")]);
    assert!(read.peerjs.allow_discovery);
    assert_eq!(read.netpeer.state.as_deref(), Some(r#"{"a":1}"#));
    assert_eq!(read.peerjs.expire_timeout_ms, 5_000);
    assert_eq!(read.peerjs.keys, ["one", "two"]);
    for (text, path) in [("/", "/"), ("myapp", "/myapp"), ("/myapp/", "/myapp")] {
        let read = config(&["--peerjs-path", text], &[]);
        assert_eq!(read.peerjs.path, path, "{text}");
    }
    let several = ["--peerjs-key=a", "--peerjs-key", "b,c"];
    assert_eq!(config(&several, &[]).peerjs.keys, ["a", "b", "c"]);

    let folder = Folder::new("settings-texts");
    let file = folder.file(
        "peerhub.toml",
        "peerjs-key = ['a', \"b\"]\nallow-origin = []\ntrusted-proxy = '::1'\nnetpeer-state = '''\n{\n \"a\": \"\\n\"\n}\n'''\n",
    );
    let read = config(&["--config", &file], &[]);
    assert_eq!(read.peerjs.keys, ["a", "b"]);
    assert!(read.allowed_origins.is_empty());
    assert_eq!(read.trusted_proxies, ["::1"]);
    assert_eq!(read.netpeer.state.as_deref(), Some(r#"{  "a": "\n" }"#));
    let cases = [
        (
            "peerjs-key = [1]",
            "peerjs-key: wants a list of texts, each KEY",
        ),
        (
            "peerjs-key = []",
            "peerjs-key: names no key: write at least one, such as peerjs",
        ),
        (
            "peerjs-path = ['/a']",
            "peerjs-path: wants PATH, not an array",
        ),
        (
            "netpeer-state = { a = 1 }",
            "netpeer-state: wants JSON, not a table",
        ),
        (
            "allow-origin = ['null']",
            "allow-origin: \"null\" is what all pages say",
        ),
        (
            "peerserver = true",
            "there is no setting \"peerserver\"; --peerserver is a flag",
        ),
    ];
    for (line, end) in cases {
        let file = folder.file("peerhub.toml", line);
        let text = problem(&["--config", &file], &[]);
        assert!(text.starts_with(&format!("{file}:1: {end}")), "{text}");
    }
}

#[test]
fn odd_texts_survive_being_printed() {
    let folder = Folder::new("settings-odd-texts");
    let states = [
        r#"{"a":"\"'\\é\n"}"#,
        r#""'''""#,
        r#""\"\"\"""#,
        "\"\u{7f}\"",
        "[1,\t2]",
    ];
    for state in states {
        let flags = [
            "--netpeer-state",
            state,
            "--netpeer-name",
            r#"it's "me" \o/"#,
            "--netpeer-state-file",
            "a\"'\\b\nc",
        ];
        let Ok(Wish::Print(printed)) = wish(&[&flags[..], &["--print-config"]].concat(), &[])
        else {
            panic!("{state}")
        };
        let file = folder.file("peerhub.toml", &printed);
        assert_eq!(
            config(&["--config", &file], &[]),
            config(&flags, &[]),
            "{printed}"
        );
    }
}

#[test]
fn the_peerserver_preset_is_other_defaults() {
    let plain = config(&["--peerserver"], &[]);
    assert_eq!(plain, Config::peerserver());
    let listens = |flags: &[&str], variables: &[(&str, &str)]| {
        let listen = config(flags, variables).listen;
        assert_eq!(listen.len(), 1);
        listen[0].to_string()
    };
    assert_eq!(listens(&["--peerserver"], &[]), "[::]:9000");
    let peerjs = &plain.peerjs;
    assert!(peerjs.on && !peerjs.allow_discovery);
    assert_eq!(
        (peerjs.path.as_str(), peerjs.keys.join(",").as_str()),
        ("/", "peerjs")
    );
    assert_eq!(
        (peerjs.expire_timeout_ms, peerjs.alive_timeout_ms),
        (5_000, 60_000)
    );
    assert_eq!(peerjs.concurrent_limit, 5_000);
    assert_eq!(config(&[], &[("PEERHUB_PEERSERVER", "true")]), plain);
    let off = config(&["--peerserver=false"], &[("PEERHUB_PEERSERVER", "1")]);
    assert_eq!(off, Config::default());

    // The variables of PeerServer count only there, less than ours and more than the file.
    let foreign = [("PORT", "81"), ("PEERSERVER_PATH", "/myapp/")];
    assert_eq!(served(&[], &foreign), (Config::default(), Vec::new()));
    assert_eq!(listens(&["--peerserver"], &foreign), "[::]:81");
    assert_eq!(config(&["--peerserver"], &foreign).peerjs.path, "/myapp");
    let folder = Folder::new("settings-peerserver");
    let file = folder.file(
        "peerhub.toml",
        "listen = ['82']\npeerjs-path = '/other'\npeerjs-key = 'mine'\n",
    );
    let flags = ["--peerserver", "--config", &file];
    assert_eq!(listens(&flags, &foreign), "[::]:81");
    let read = config(&flags, &foreign).peerjs;
    assert_eq!(
        (read.path.as_str(), read.keys.join(",").as_str()),
        ("/myapp", "mine")
    );
    assert_eq!(listens(&flags, &[]), "127.0.0.1:82");
    let ours = [
        ("PORT", "81"),
        ("PEERHUB_LISTEN", ":83"),
        ("PEERSERVER_PATH", "/a"),
        ("PEERHUB_PEERJS_PATH", "/b"),
    ];
    assert_eq!(listens(&["--peerserver"], &ours), "0.0.0.0:83");
    assert_eq!(config(&["--peerserver"], &ours).peerjs.path, "/b");
    assert_eq!(
        listens(&["--peerserver", "--listen=84"], &ours),
        "127.0.0.1:84"
    );

    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case<'_>; 4] = [
        (
            &["--peerserver"],
            &[("PORT", "http")],
            "PORT: \"http\" is not a port: write 0 to 65535",
        ),
        (
            &["--peerserver"],
            &[("PEERSERVER_PATH", "a b")],
            "PEERSERVER_PATH: \"/a b\" is not a path",
        ),
        (
            &["--peerserver=maybe"],
            &[],
            "--peerserver: \"maybe\" is not a switch",
        ),
        (
            &[],
            &[("PEERHUB_PEERSERVER", "maybe")],
            "PEERHUB_PEERSERVER: \"maybe\" is not a switch",
        ),
    ];
    for (flags, variables, beginning) in cases {
        let text = problem(flags, variables);
        assert!(text.starts_with(beginning), "{text}");
    }

    let Ok(Wish::Print(printed)) = wish(&["--print-config", "--peerserver"], &[]) else {
        panic!("nothing is printed")
    };
    assert!(
        printed.contains("\nlisten = [\"[::]:9000\"]\n"),
        "{printed}"
    );
    let file = folder.file("printed.toml", &printed);
    assert_eq!(config(&["--config", &file], &[]), Config::peerserver());
}

#[test]
fn a_command_line_of_peerserver_translates() {
    let flags = [
        "--peerserver",
        "--listen=127.0.0.1:9001",
        "--peerjs-path=/myapp",
        "--peerjs-key=mykey",
        "--peerjs-expire-timeout=4000",
        "--peerjs-alive-timeout=30000",
        "--peerjs-concurrent-limit=100",
        "--peerjs-allow-discovery",
        "--trusted-proxy=loopback",
        "--allow-origin=https://a.example",
        "--allow-origin=https://b.example",
    ];
    let mut expected = Config::peerserver();
    expected.listen = vec!["127.0.0.1:9001".parse().unwrap()];
    expected.trusted_proxies = vec!["loopback".to_owned()];
    expected.allowed_origins = vec![
        "https://a.example".to_owned(),
        "https://b.example".to_owned(),
    ];
    expected.peerjs.path = "/myapp".to_owned();
    expected.peerjs.keys = vec!["mykey".to_owned()];
    expected.peerjs.expire_timeout_ms = 4_000;
    expected.peerjs.alive_timeout_ms = 30_000;
    expected.peerjs.concurrent_limit = 100;
    expected.peerjs.allow_discovery = true;
    assert_eq!(config(&flags, &[]), expected);
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let folder = Folder::new("settings-unknown");
    let cases = [
        (
            "\nnudge_interval = 5",
            ":2: there is no setting \"nudge_interval\"; did you mean nudge-interval?",
        ),
        (
            "max-tag = 5",
            ":1: there is no setting \"max-tag\"; did you mean max-tags?",
        ),
        (
            "[limits]\ntags = 5",
            ":1: there is no setting \"limits\"; the keys are the flags of peerhub --help without their dashes",
        ),
        ("a = 1\nmax-tags = = 5", ":2: "),
        ("max-tags = 5\nmax-tags = 6", ":2: duplicate key"),
        ("max-tags = 1.5", ":1: max-tags: wants COUNT, not a float"),
        (
            "listen = [3007]",
            ":1: listen: wants a list of texts, each ADDR:PORT",
        ),
        ("max-tags = [1]", ":1: max-tags: wants COUNT, not an array"),
    ];
    for (content, end) in cases {
        let file = folder.file("peerhub.toml", content);
        let text = problem(&["--config", &file], &[]);
        let rest = text
            .strip_prefix(&file)
            .unwrap_or_else(|| panic!("{content:?}: {text}"));
        assert!(rest.starts_with(end), "{content:?}: {text}");
    }
    assert_eq!(
        problem(&["--deobut"], &[]),
        "there is no flag --deobut; did you mean --debout?"
    );
    assert_eq!(
        problem(&["--qqq"], &[]),
        "there is no flag --qqq; see peerhub --help"
    );
    assert_eq!(
        problem(&["stray"], &[]),
        "\"stray\" belongs to no flag; see peerhub --help"
    );
    assert!(problem(&["--max-tags"], &[]).contains("--max-tags <COUNT> wants a value"));
}

#[test]
fn a_mistyped_variable_is_remarked_upon_and_a_foreign_one_is_not() {
    let foreign = [
        ("PEERHUB_PORT", "tcp://10.0.0.1:3007"),
        ("PEERHUB_SERVICE_HOST", "10.0.0.1"),
        ("HOME", "/"),
    ];
    assert_eq!(served(&[], &foreign), (Config::default(), Vec::new()));
    let (read, remarks) = served(&[], &[("PEERHUB_NUDGE_INTERVALL", "5s")]);
    assert_eq!(read, Config::default());
    assert_eq!(
        remarks,
        ["the variable PEERHUB_NUDGE_INTERVALL sets nothing; did you mean PEERHUB_NUDGE_INTERVAL?"]
    );
}

#[test]
fn the_encryption_key_is_a_text_or_a_files_content() {
    let folder = Folder::new("settings-key");
    let key = |text: &str| {
        config(&[&format!("--encryption-key={text}")], &[])
            .encryption_key
            .unwrap()
    };
    assert_eq!(key("some text"), "some text");
    let file = folder.file("key", "  from the file\n\n");
    assert_eq!(key(&file), "from the file");

    let missing = format!("{file}-missing");
    let (read, remarks) = served(&[], &[("PEERHUB_ENCRYPTION_KEY", &missing)]);
    assert_eq!(read.encryption_key, Some(missing));
    assert!(
        remarks.len() == 1 && remarks[0].contains("looks like a path"),
        "{remarks:?}"
    );

    let directory = folder.0.to_str().unwrap().to_owned();
    let text = problem(&[], &[("PEERHUB_ENCRYPTION_KEY", &directory)]);
    assert!(
        text.starts_with("PEERHUB_ENCRYPTION_KEY: cannot read \"")
            && text.ends_with("is a directory"),
        "{text}"
    );
    let empty = folder.file("empty", " \n");
    assert!(problem(&[&format!("--encryption-key={empty}")], &[]).ends_with("the file is empty"));
    let binary = folder.file("binary", [0xff, 0xfe]);
    assert!(
        problem(&[&format!("--encryption-key={binary}")], &[]).ends_with("it is not UTF-8 text")
    );
    let overridden = config(
        &["--encryption-key=plain"],
        &[("PEERHUB_ENCRYPTION_KEY", &empty)],
    );
    assert_eq!(
        overridden.encryption_key.as_deref(),
        Some("plain"),
        "only the file of the key in force is read"
    );
}

#[test]
fn older_encryption_keys_are_texts_or_files_too() {
    let folder = Folder::new("settings-old-keys");
    let file = folder.file("old", "from the file\n");
    let flags = [
        "--encryption-key=new, and with a comma",
        "--encryption-key-old=an old one, with a comma",
        &format!("--encryption-key-old={file}"),
    ];
    let old = ["an old one, with a comma", "from the file"];
    assert_eq!(config(&flags, &[]).encryption_keys_old, old);
    let variable = [("PEERHUB_ENCRYPTION_KEY_OLD", old[0])];
    assert_eq!(config(&[], &variable).encryption_keys_old, old[..1]);
    let settings = format!(
        "encryption-key = 'new'\nencryption-key-old = ['{}', '{file}']\n",
        old[0]
    );
    let settings = folder.file("peerhub.toml", settings);
    assert_eq!(
        config(&["--config", &settings], &[]).encryption_keys_old,
        old
    );

    let twice = problem(
        &["--encryption-key-old=same", "--encryption-key-old=same"],
        &[],
    );
    assert!(
        twice.starts_with("--encryption-key-old: has the same passphrase twice"),
        "{twice}"
    );
    let both = problem(&["--encryption-key=same", "--encryption-key-old=same"], &[]);
    assert!(
        both.starts_with("--encryption-key-old: has the passphrase of encryption-key"),
        "{both}"
    );
    assert!(
        !twice.contains("same\"") && !both.contains("\"same"),
        "{twice} {both}"
    );
    assert!(problem(&["--encryption-key-old="], &[]).contains("is empty"));
}

#[test]
fn a_passphrase_on_the_command_line_is_remarked_on() {
    let folder = Folder::new("settings-command-line");
    let file = folder.file("key", "from the file\n");
    for name in ["encryption-key", "encryption-key-old"] {
        let variable = format!("PEERHUB_{}", name.to_uppercase().replace('-', "_"));
        let (_, remarks) = served(&[&format!("--{name}=correct horse")], &[]);
        assert!(
            remarks.len() == 1
                && remarks[0].starts_with(&format!("--{name} is a passphrase on the command line"))
                && remarks[0].ends_with(&variable)
                && !remarks[0].contains("horse"),
            "{remarks:?}"
        );
        let settings = folder.file("peerhub.toml", format!("{name} = 'correct horse'\n"));
        for (flags, variables) in [
            (vec![format!("--{name}={file}")], vec![]),
            (vec![], vec![(&*variable, "correct horse")]),
            (vec![format!("--config={settings}")], vec![]),
        ] {
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            assert_eq!(served(&flags, &variables).1, Vec::<String>::new());
        }
    }
}

#[test]
fn secrets_are_never_shown() {
    let secret = Config {
        encryption_key: Some("correct horse".to_owned()),
        encryption_keys_old: vec!["battery staple".to_owned()],
        ..Config::default()
    };
    let is_silent = |text: &str| !text.contains("horse") && !text.contains("staple");
    assert!(is_silent(&format!("{secret:?}")));
    let printed = toml_text(&secret);
    assert!(
        is_silent(&printed)
            && printed.contains("# encryption-key is set, and withheld here")
            && printed.contains("# encryption-key-old is set, and withheld here")
    );
    assert!(toml_text(&Config::default()).contains("# encryption-key is not set"));
}

#[test]
fn printed_settings_read_back_to_the_same() {
    let folder = Folder::new("settings-round-trip");
    let public = SETTINGS
        .iter()
        .filter(|setting| !matches!(setting.form, Form::Secret(_) | Form::Secrets(_)));
    let flags: Vec<String> = public
        .map(|setting| format!("--{}={}", setting.name, other_value(setting)))
        .collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let odd = [
        "--nudge-interval=0",
        "--ping-interval=1234",
        "--max-message-bytes=1000001",
    ];
    for flags in [&flags[..], &odd, &[]] {
        let Ok(Wish::Print(printed)) = wish(&[flags, &["--print-config"]].concat(), &[]) else {
            panic!("{flags:?}")
        };
        let file = folder.file("peerhub.toml", &printed);
        assert_eq!(
            config(&["--config", &file], &[]),
            config(flags, &[]),
            "{printed}"
        );
        let Ok(Wish::Print(again)) = wish(&["--config", &file, "--print-config"], &[]) else {
            panic!("{flags:?}")
        };
        assert_eq!(again, printed);
    }
}

#[test]
fn help_names_every_setting() {
    let Ok(Wish::Print(long)) = wish(&["--help"], &[]) else {
        panic!("no help")
    };
    let Ok(Wish::Print(short)) = wish(&["-h"], &[]) else {
        panic!("no short help")
    };
    let named = |text: &str, name: &str| {
        text.split_whitespace()
            .any(|word| word.split(['=', '[']).next() == Some(name))
    };
    for setting in SETTINGS {
        let flag = format!("--{}", setting.name);
        assert!(
            named(&long, &flag) && long.contains(&setting.variable()),
            "{flag} in the long help"
        );
        assert_eq!(
            named(&short, &flag),
            setting.common,
            "{flag} in the short help"
        );
    }
    assert!(
        long.contains("[default 10s; 10ms to 24h, or 0: no nudges; PEERHUB_NUDGE_INTERVAL]"),
        "{long}"
    );
    assert!(short.lines().count() < 48, "{short}");
}

/// Rewrites the README's table with `UPDATE_README=1`.
#[test]
fn the_readme_has_the_table_of_this_version() {
    const MARKS: (&str, &str) = ("<!-- options -->\n", "\n<!-- /options -->");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).unwrap();
    let (before, rest) = readme
        .split_once(MARKS.0)
        .expect("README.md has the opening mark");
    let (present, after) = rest
        .split_once(MARKS.1)
        .expect("README.md has the closing mark");
    let wanted = markdown_table();
    if std::env::var_os("UPDATE_README").is_some_and(|text| text == "1") {
        fs::write(path, [before, MARKS.0, &wanted, MARKS.1, after].concat()).unwrap();
        return;
    }
    assert_eq!(
        present, wanted,
        "run: UPDATE_README=1 cargo test --test settings readme"
    );
}

/// Runs the binary without the variables of whoever runs the tests.
fn run(flags: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerhub"));
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PEERHUB_"))
    {
        command.env_remove(name);
    }
    command
        .args(flags)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn the_binary_answers_a_mistake_with_one_line_and_exit_code_2() {
    let folder = Folder::new("settings-binary");
    let file = folder.file("peerhub.toml", "\n\nmax-tags = \"many\"");
    let missing = format!("{file}.missing");
    let directory = folder.0.to_str().unwrap();
    let cases = [
        (
            vec!["--nonsense"],
            vec![],
            "peerhub: there is no flag --nonsense; see peerhub --help\n".to_owned(),
        ),
        (
            vec!["--max-tags=many"],
            vec![],
            "peerhub: --max-tags: \"many\" is not a count: write a whole number such as 100\n"
                .to_owned(),
        ),
        (
            vec![],
            vec![("PEERHUB_SCOPE", "all")],
            "peerhub: PEERHUB_SCOPE: \"all\" is no choice here: write hub or linkage\n".to_owned(),
        ),
        (
            vec!["--config", &file],
            vec![],
            format!(
                "peerhub: {file}:3: max-tags: \"many\" is not a count: write a whole number such as 100\n"
            ),
        ),
        (
            vec!["--config", &missing],
            vec![],
            format!("peerhub: {missing}: cannot read the settings: no such file or directory\n"),
        ),
        (
            vec![],
            vec![("PEERHUB_CONFIG", directory)],
            format!("peerhub: {directory}: cannot read the settings: is a directory\n"),
        ),
        (
            vec!["--print-config", "--scope=all"],
            vec![],
            "peerhub: --scope: \"all\" is no choice here: write hub or linkage\n".to_owned(),
        ),
    ];
    for (flags, variables, expected) in cases {
        let output = run(&flags, &variables);
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(output.stdout.is_empty(), "{flags:?}");
    }
}

#[test]
fn the_binary_prints_what_it_is_asked_for_and_exits_with_0() {
    let cases: [(&[&str], &str); 5] = [
        (&["--help"], "PEERHUB_NUDGE_INTERVAL"),
        (&["-h"], "--listen"),
        (
            &["--version"],
            concat!("peerhub ", env!("CARGO_PKG_VERSION"), "\n"),
        ),
        (
            &["-V"],
            concat!("peerhub ", env!("CARGO_PKG_VERSION"), "\n"),
        ),
        (&["--print-config", "--max-tags=7"], "\nmax-tags = 7\n"),
    ];
    for (flags, part) in cases {
        let output = run(flags, &[]);
        assert_eq!(output.status.code(), Some(0), "{flags:?}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains(part),
            "{flags:?}"
        );
        assert!(output.stderr.is_empty(), "{flags:?}");
    }
}
