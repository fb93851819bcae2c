//! What is spoken on this port beside HTTP, and under which address: for the start page and for the text about what works.
//!
//! Made once, out of the settings. Must not: know the hub's own name, which only those who call it know. The page's
//! script puts in by what name it was called: `{host}` (with the port), `{hostname}`, `{port}`, `{ws}` (`ws` or `wss`) and
//! `{secure}` (`true` or `false`) stand for it.

use crate::config::Config;

/// One dialect that is on.
pub(super) struct Spoken {
    name: &'static str,
    about: &'static str,
    /// What its clients are told so as to find the hub; several ways if there are several worlds.
    forms: Vec<String>,
    /// The path of its WebSocket, for the text; none if it has none.
    socket: Option<String>,
    /// A page that shows it at work, and what the link to it says.
    page: Option<(&'static str, &'static str)>,
}

/// The dialects that are on. The hub's own always is.
pub(super) fn all(config: &Config) -> Vec<Spoken> {
    let mut spoken = vec![Spoken {
        name: "ok-peerhub",
        about: "the hub's own: the peers of one linkage key see each other, and all that is above",
        forms: vec!["{ws}://{host}/".to_owned()],
        socket: Some("every other path".to_owned()),
        page: None,
    }];
    if config.peerjs.on {
        let path = &config.peerjs.path;
        let form = |key| {
            format!(
                "new Peer({{ host: \"{{hostname}}\", port: {{port}}, path: \"{path}\", key: \"{key}\", \
                 secure: {{secure}} }})"
            )
        };
        spoken.push(Spoken {
            name: "PeerJS",
            about: "in the place of a PeerServer",
            forms: config.peerjs.keys.iter().map(form).collect(),
            socket: Some(format!("{}/peerjs?key=…", path.trim_end_matches('/'))),
            page: None,
        });
    }
    if config.relay.on {
        spoken.push(Spoken {
            name: "peer-relay",
            about: "a node that is always there: give its URL as bootstrap",
            forms: vec!["{ws}://{host}/peer-relay".to_owned()],
            socket: Some("/peer-relay".to_owned()),
            page: None,
        });
    }
    if config.netpeer.on {
        spoken.push(Spoken {
            name: "net-peer",
            about: "a member of the mesh through which newcomers can always enter, on plain TCP",
            forms: vec!["{hostname}:{port}".to_owned()],
            socket: None,
            page: None,
        });
    }
    if config.peero.on {
        spoken.push(Spoken {
            name: "peero",
            about: "WebRTC discovery and signalling",
            forms: vec!["{ws}://{host}/peero".to_owned()],
            socket: Some("/peero".to_owned()),
            page: Some(("/peero.html", "two tabs connected directly")),
        });
    }
    if config.echo {
        spoken.push(Spoken {
            name: "echo",
            about: "sends back what comes, for diagnostics",
            forms: vec!["{ws}://{host}/echo".to_owned()],
            socket: Some("/echo".to_owned()),
            page: None,
        });
    }
    spoken
}

/// The items of the start page's list.
pub(super) fn items(spoken: &[Spoken]) -> String {
    let mut html = String::new();
    for one in spoken {
        let Spoken { name, about, .. } = one;
        html.push_str(&format!("\t\t\t<li><b>{name}</b>: {}.", escaped(about)));
        if let Some((path, title)) = one.page {
            html.push_str(&format!(" Try it: <a href=\"{path}\">{title}</a>."));
        }
        for form in &one.forms {
            let form = escaped(form);
            html.push_str(&format!("<br><code data-form=\"{form}\">{form}</code>"));
        }
        html.push_str("</li>\n");
    }
    html
}

/// Lines for the text about what works.
pub(super) fn lines(spoken: &[Spoken]) -> String {
    let mut text = String::from("and WebSocket upgrades:\n");
    // The hub's own takes what the others leave.
    for one in spoken.iter().skip(1).chain(spoken.first()) {
        if let Some(path) = &one.socket {
            text.push_str(&format!("  {path:<32} {}\n", one.name));
        }
    }
    for one in spoken.iter().filter(|one| one.socket.is_none()) {
        text.push_str(&format!("and {} on plain TCP.\n", one.name));
    }
    text
}

/// As the text or an attribute of an HTML element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_is_not_listed() {
        let mut config = Config::default();
        let names =
            |config: &Config| -> Vec<&str> { all(config).iter().map(|one| one.name).collect() };
        let with_all = ["ok-peerhub", "PeerJS", "peer-relay", "net-peer", "peero"];
        assert_eq!(names(&config), with_all);
        config.peerjs.on = false;
        config.netpeer.on = false;
        config.echo = true;
        assert_eq!(
            names(&config),
            ["ok-peerhub", "peer-relay", "peero", "echo"]
        );
        let text = lines(&all(&config));
        assert!(
            text.contains("  /peero ") && !text.contains("net-peer"),
            "{text}"
        );
    }

    #[test]
    fn peerjs_is_listed_with_every_key_and_its_path() {
        let mut config = Config::default();
        config.peerjs.keys = vec!["one".to_owned(), "two".to_owned()];
        config.peerjs.path = "/my/app".to_owned();
        let spoken = all(&config);
        assert_eq!(
            spoken[1].forms[1],
            r#"new Peer({ host: "{hostname}", port: {port}, path: "/my/app", key: "two", secure: {secure} })"#
        );
        assert!(lines(&spoken).contains("  /my/app/peerjs?key=… "));
        let html = items(&spoken);
        assert!(
            html.contains("path: &quot;/my/app&quot;, key: &quot;one&quot;"),
            "{html}"
        );
    }
}
