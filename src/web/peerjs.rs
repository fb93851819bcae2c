//! PeerJS over plain HTTP: fresh ids, the list of ids, and what clients of the 0.3 line post before their WebSocket opens.
//!
//! Everything lies below the path of the setting. With the path `/` that is where the start page is too: who asks for
//! HTML gets the page, everybody else what a PeerServer says of itself. Source: `PROTOCOLS.md` section 2, "HTTP".

use super::{Behind, Field, Guarded, NO_CACHE};
use crate::config::Config;
use crate::dialect::Lost;
use crate::dialect::peerjs::query::decode_part;
use crate::dialect::peerjs::{Author, Posting, base};
use crate::wire::{Head, Response};
use std::borrow::Cow;

/// The settings that matter here.
#[derive(Debug)]
pub(super) struct Site {
    base: String,
    keys: Vec<String>,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// What the server says of itself.
    About,
    /// A fresh id.
    Id,
    /// The ids of a key.
    Peers {
        /// The key.
        key: &'a str,
    },
    /// Where a client posts what it cannot say by WebSocket.
    Post {
        /// The key, the id and the token, as they stand in the path.
        author: [&'a str; 3],
        /// What it posts; `id` asks for a stream of what there is for it.
        what: &'a str,
    },
}

impl Site {
    /// None if PeerJS is not spoken.
    pub(super) fn of(config: &Config) -> Option<Site> {
        config.peerjs.on.then(|| Site {
            base: base(config).to_owned(),
            keys: config.peerjs.keys.clone(),
        })
    }

    /// Whether this path is one of PeerJS, or would be with another base.
    pub(super) fn owns(&self, path: &str) -> bool {
        self.route(path).is_some() || self.meant(path).is_some()
    }

    /// Where a path leads. A slash at its end does not matter.
    pub(super) fn route<'a>(&self, path: &'a str) -> Option<Route<'a>> {
        let below = path.strip_prefix(&*self.base)?;
        if matches!(below, "" | "/") {
            return Some(Route::About);
        }
        let below = below.strip_prefix('/')?;
        let mut parts = below.strip_suffix('/').unwrap_or(below).split('/');
        let parts = [(); 5].map(|()| parts.next().filter(|part| !part.is_empty()));
        match parts {
            [Some(_), Some("id"), None, None, None] => Some(Route::Id),
            [Some(key), Some("peers"), None, None, None] => Some(Route::Peers { key }),
            [Some(key), Some(id), Some(token), Some(what), None] => {
                let known = ["id", "offer", "answer", "candidate", "leave"].contains(&what);
                let author = [key, id, token];
                known.then_some(Route::Post { author, what })
            }
            _ => None,
        }
    }

    /// The path that would have worked, if this one is a PeerJS client's with a wrong base.
    pub(super) fn meant(&self, path: &str) -> Option<String> {
        let (before, last) = path.rsplit_once('/')?;
        let (_, key) = before.rsplit_once('/').unwrap_or(("", ""));
        let is_known = self.keys.iter().any(|known| known == key);
        let key = match last {
            "id" if is_known || key == "peerjs" => key,
            "peers" if is_known => key,
            "peers" => self.keys.first()?,
            _ => return None,
        };
        let meant = format!("{}/{key}/{last}", self.base);
        (meant != path).then_some(meant)
    }

    /// Lines for the list of what works here.
    pub(super) fn describe(&self, text: &mut String) {
        let key = self.keys.first().map_or("peerjs", |key| key);
        let path = format!("{}/{key}/id", self.base);
        text.push_str(&format!("  GET  {path:<27} a fresh id for PeerJS\n"));
    }
}

impl<'a> Route<'a> {
    /// The methods that are answered.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Route::About | Route::Id | Route::Peers { .. } => "GET, HEAD, OPTIONS",
            Route::Post { .. } => "POST, OPTIONS",
        }
    }

    /// Whether a method, OPTIONS excepted, is among them.
    pub(super) fn allows(&self, method: &str) -> bool {
        match self {
            Route::About | Route::Id | Route::Peers { .. } => matches!(method, "GET" | "HEAD"),
            Route::Post { .. } => method == "POST",
        }
    }

    /// What about it asks for a token.
    pub(super) fn guarded(&self) -> Option<Guarded<'a>> {
        match *self {
            Route::About | Route::Id => None,
            Route::Peers { .. } => Some(Guarded::Listing),
            Route::Post {
                author: [_, id, token],
                ..
            } => Some(Guarded::Post { id, token }),
        }
    }

    /// Whether the body is part of what is asked.
    pub(super) fn wants_body(&self) -> bool {
        matches!(self, Route::Post { what, .. } if *what != "id")
    }

    /// Answers a request of a method that it allows.
    pub(super) fn answer(&self, body: &[u8], behind: Behind<'_>) -> Response {
        let Behind { worlds, lent, .. } = behind;
        let Some(realm) = &mut worlds.peerjs else {
            return Response::text(404, "PeerJS is not spoken here.\n");
        };
        match *self {
            Route::About => json(ABOUT),
            Route::Id => Response {
                content_type: "text/html; charset=utf-8",
                ..uncached(200, realm.fresh_id(lent.ids).as_str().to_owned())
            },
            Route::Peers { key } => match realm.listed(&decode_part(key)) {
                Some(ids) => json(list(&ids)),
                None => uncached(401, "The ids of this key are not listed.\n"),
            },
            Route::Post { author, what } => {
                let author = author.map(decode_part);
                let [key, id, token] = [&*author[0], &*author[1], &*author[2]];
                if what == "id" {
                    // To hold it open would cost a connection for each client, for what its WebSocket brings anyway.
                    return uncached(200, "");
                }
                let Ok(text) = std::str::from_utf8(body) else {
                    return uncached(400, "A message is UTF-8 text.\n");
                };
                match realm.post(Author { key, id, token }, text, lent) {
                    Posting::Taken => uncached(200, ""),
                    Posting::Refused(fault) => uncached(400, format!("{}\n", fault.text)),
                    Posting::NoRoom => uncached(503, "No more messages can wait at present.\n"),
                }
            }
        }
    }
}

/// The answer to who is not where he meant to be.
pub(super) fn misdirected(lost: &Lost) -> Response {
    let text = match lost {
        Lost::Elsewhere(path) => format!(
            "There is nothing of PeerJS here. This would have worked:\n  {path}\n\n\
             The option `path` of the client must be what the hub has as --peerjs-path.\n"
        ),
        Lost::Off => "PeerJS is switched off here (--peerjs=false).\n".to_owned(),
    };
    uncached(404, text)
}

/// The answer depends on what the client would rather have.
pub(super) const VARIES: Field = ("Vary", Cow::Borrowed("Accept"));

/// Whether the request is a browser's for a page.
pub(super) fn wants_page(head: &Head<'_>) -> bool {
    let accept = head.header_text("accept").unwrap_or_default();
    accept.to_ascii_lowercase().contains("text/html")
}

/// What the server says of itself, in the order of a PeerServer.
const ABOUT: &str = r#"{"name":"PeerJS Server","description":"Lets PeerJS clients find each other and agree on a connection.","website":"https://peerjs.com/"}"#;

fn list(ids: &[&str]) -> String {
    serde_json::to_string(ids).expect("texts can always be written as JSON")
}

fn json(body: impl Into<Cow<'static, str>>) -> Response {
    Response {
        content_type: "application/json; charset=utf-8",
        ..uncached(200, body)
    }
}

fn uncached(status: u16, body: impl Into<Cow<'static, str>>) -> Response {
    Response {
        headers: vec![NO_CACHE],
        ..Response::text(status, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(path: &str) -> Site {
        let mut config = Config::default();
        config.peerjs.path = path.to_owned();
        config.peerjs.keys = vec!["one".to_owned(), "two".to_owned()];
        Site::of(&config).expect("PeerJS is on")
    }

    #[test]
    fn paths_lead_somewhere() {
        let key = "k";
        let post = |what| Route::Post {
            author: ["k", "a", "t"],
            what,
        };
        let cases = [
            ("/", Some(Route::About)),
            ("/k/id", Some(Route::Id)),
            ("/k/id/", Some(Route::Id)),
            ("/k/peers", Some(Route::Peers { key })),
            ("/k/a/t/id", Some(post("id"))),
            ("/k/a/t/offer", Some(post("offer"))),
            ("/k/a/t/leave", Some(post("leave"))),
            ("/k/a/t/other", None),
            ("/k", None),
            ("//id", None),
            ("/k//id", None),
            ("/k//t/id", None),
            ("/k/a/t/id/x", None),
            ("/k/a/id", None),
            ("/k/ID", None),
            ("*", None),
        ];
        for (path, route) in cases {
            assert_eq!(site("/").route(path), route, "{path}");
            let below = format!("/my/app{path}");
            assert_eq!(site("/my/app").route(&below), route, "{below}");
        }
        assert_eq!(site("/my").route("/my"), Some(Route::About));
        for path in ["/k/id", "/myapp", "/myk/id", "/"] {
            assert_eq!(site("/my").route(path), None, "{path}");
        }
    }

    #[test]
    fn own_paths_are_known_whatever_their_base() {
        for path in [
            "/app",
            "/app/k/peers",
            "/app/k/a/t/leave",
            "/two/id",
            "/peers",
        ] {
            assert!(site("/app").owns(path), "{path}");
        }
        for path in ["/nothing", "/api", "/", "/apple", "/app/k/a/t/other"] {
            assert!(!site("/app").owns(path), "{path}");
        }
        let mut config = Config::default();
        config.peerjs.on = false;
        assert!(Site::of(&config).is_none());
    }

    #[test]
    fn wrong_bases_are_noticed() {
        let cases = [
            ("/two/id", Some("/my/two/id")),
            ("/other/peerjs/id", Some("/my/peerjs/id")),
            ("/peers", Some("/my/one/peers")),
            ("/a/b/two/peers", Some("/my/two/peers")),
            ("/other/id", None),
            ("/id", None),
            ("/my/two/id", None),
            ("/two/id/", None),
            ("id", None),
        ];
        for (path, meant) in cases {
            assert_eq!(site("/my").meant(path).as_deref(), meant, "{path}");
        }
    }
}
