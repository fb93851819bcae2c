//! What the port answers to plain HTTP: the start page, the browser client, its JSON interface and a health check.
//!
//! Beside the message path: a request that is no WebSocket upgrade ends here and never reaches the hub. This room
//! makes answers out of requests and of what it is told about the hub; it reads no socket, and the one clock that
//! it has is the function it was built with. Paths and answers are those of PROTOCOLS.md section 1, "HTTP beside it".
//!
//! [`Web::answer`] routes; the files are in `assets`, `POST /api` in `api`, `/healthz` in `health`, the list of dialects in
//! `spoken`; `peerjs` is what clients of PeerJS ask for, and `plaintext` what those are told who come without TLS. Which pages may read an answer, whoever made it, is for `cors` to
//! say.

mod api;
mod assets;
mod cors;
mod health;
mod peerjs;
mod plaintext;
mod spoken;

use std::borrow::Cow;

use crate::config::{Config, Plaintext};
use crate::dialect::{Lent, Lost, Worlds};
use crate::wire::{Head, Response};

use assets::Asset;
pub use cors::Cors;
pub use health::{Counters, HubStatus};

/// Everything that the port answers to plain HTTP. Built once.
#[derive(Debug)]
pub struct Web {
    assets: Vec<Asset>,
    cors: Cors,
    /// What is spoken beside HTTP, for people.
    spoken: String,
    version: &'static str,
    clock_ms: fn() -> u64,
    peerjs: Option<peerjs::Site>,
}

/// What is behind the answers, for as long as one is made.
#[derive(Debug)]
pub struct Behind<'a> {
    /// How the hub is.
    pub status: HubStatus,
    /// Those whom requests ask for or speak to.
    pub worlds: &'a mut Worlds,
    /// What the worlds need for that.
    pub lent: Lent<'a>,
}

/// What tells of others, or speaks in somebody's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarded<'a> {
    /// How the hub is: everybody may know, but operators are told more.
    Health,
    /// The list of ids.
    Listing,
    /// A message of somebody, as he stands in the path.
    Post {
        /// His id, with the escapes of a path.
        id: &'a str,
        /// His token, likewise.
        token: &'a str,
    },
}

/// What a path leads to.
#[derive(Clone, Copy)]
enum Route<'a> {
    /// The start page and, for those who ask for no page, what a PeerServer says of itself.
    Root(&'a Asset),
    PeerJs(peerjs::Route<'a>),
    Asset(&'a Asset),
    Api,
    Health,
    /// The server itself: `OPTIONS *`.
    Server,
    Nothing,
}

impl Web {
    /// Builds the answers that never change and their entity tags. `version` is shown to people and scripts; `clock_ms` is
    /// a clock in milliseconds that never goes back, by which `POST /api` says how long it took; `config`, which is checked,
    /// says which dialects are on and which pages may come in.
    pub fn new(version: &'static str, clock_ms: fn() -> u64, config: &Config) -> Web {
        let spoken = spoken::all(config);
        Web {
            assets: assets::all(version, config, &spoken),
            spoken: spoken::lines(&spoken),
            cors: Cors::new(config),
            version,
            clock_ms,
            peerjs: peerjs::Site::of(config),
        }
    }

    /// Which pages may come in and read answers.
    pub fn cors(&self) -> &Cors {
        &self.cors
    }

    /// The answer to an upgrade of a PeerJS client that is not where it meant to be.
    pub fn misdirected(lost: &Lost) -> Response {
        peerjs::misdirected(lost)
    }

    /// The answer to a request, an upgrade or not, that came without TLS; none if it is to be served.
    pub fn without_tls(plaintext: Plaintext, head: &Head<'_>) -> Option<Response> {
        plaintext::answer(plaintext, head)
    }

    /// What about a request has to do with a token, where tokens are looked at.
    pub fn guarded<'a>(&self, head: &Head<'a>) -> Option<Guarded<'a>> {
        if head.path == HEALTH_PATH {
            return Some(Guarded::Health);
        }
        let route = self.peerjs.as_ref()?.route(head.path)?;
        route.guarded().filter(|_| route.allows(head.method))
    }

    /// Whether the answer to this request depends on its body. The body of any other request is to be read over, or
    /// the connection closed.
    pub fn wants_body(&self, head: &Head<'_>) -> bool {
        head.method == "POST"
            && match self.route(head.path) {
                Route::Api => true,
                Route::PeerJs(route) => route.wants_body(),
                Route::Root(_)
                | Route::Asset(_)
                | Route::Health
                | Route::Server
                | Route::Nothing => false,
            }
    }

    /// Answers one request. `body` is empty unless [`Web::wants_body`]. The answer to HEAD comes with the body, which
    /// [`Response::write`] leaves out.
    pub fn answer(&self, head: &Head<'_>, body: &[u8], behind: Behind<'_>) -> Response {
        let route = self.route(head.path);
        let reads = matches!(head.method, "GET" | "HEAD");
        match (route, head.method) {
            (Route::Nothing, _) => self.not_found(head.path),
            (_, "OPTIONS") => preflight(route),
            (Route::Root(page), _) if reads => {
                let mut response = match peerjs::wants_page(head) {
                    true => page.answer(head),
                    false => peerjs::Route::About.answer(body, behind),
                };
                response.headers.push(peerjs::VARIES);
                response
            }
            (Route::Asset(asset), _) if reads => asset.answer(head),
            (Route::Health, _) if reads => health::answer(&behind.status, self.version),
            (Route::Api, "POST") => api::answer(self, head, body),
            (Route::PeerJs(route), method) if route.allows(method) => {
                // Who posts does what it would do by WebSocket, and no browser stops a post.
                let refusal = match method {
                    "POST" => self.cors.refusal(head.origin()),
                    _ => None,
                };
                refusal.map_or_else(|| route.answer(body, behind), |fault| fault.response())
            }
            // With the path `/` a wrong base looks like the key, the id and the token of somebody who posts.
            (Route::PeerJs(_), _) if reads && self.meant(head.path).is_some() => {
                self.not_found(head.path)
            }
            _ => self.method_not_allowed(route),
        }
    }

    /// Where a path leads.
    fn route<'a>(&'a self, path: &'a str) -> Route<'a> {
        match path {
            API_PATH => Route::Api,
            HEALTH_PATH => Route::Health,
            "*" => Route::Server,
            _ => {
                let site = self.peerjs.as_ref();
                let below = site.and_then(|site| site.route(path));
                match (self.asset(path), below) {
                    (Some(page), Some(peerjs::Route::About)) => Route::Root(page),
                    (Some(asset), _) => Route::Asset(asset),
                    (None, Some(route)) => Route::PeerJs(route),
                    (None, None) => Route::Nothing,
                }
            }
        }
    }

    /// The path that would have worked, if this one is a PeerJS client's with a wrong base.
    fn meant(&self, path: &str) -> Option<String> {
        self.peerjs.as_ref()?.meant(path)
    }

    /// The file served at `path`. The files are few: a walk is as fast as a map.
    fn asset(&self, path: &str) -> Option<&Asset> {
        self.assets.iter().find(|asset| asset.path == path)
    }

    fn not_found(&self, path: &str) -> Response {
        if let Some(meant) = self.meant(path) {
            return peerjs::misdirected(&Lost::Elsewhere(meant));
        }
        Response {
            headers: vec![NO_CACHE],
            ..Response::text(404, format!("Nothing is here.\n\n{}", self.what_works()))
        }
    }

    fn method_not_allowed(&self, route: Route<'_>) -> Response {
        // The list is the original's for the JSON interface; a preflight is answered there all the same.
        let allowed = match route {
            Route::Api => "POST",
            Route::Root(_)
            | Route::PeerJs(_)
            | Route::Asset(_)
            | Route::Health
            | Route::Server
            | Route::Nothing => methods(route),
        };
        // Not by its name: in the path of a PeerJS client there is a token.
        let text = format!("This path answers {allowed}.\n\n{}", self.what_works());
        let mut response = if let Route::Api = route {
            api::fault(self, 405, "methodnotallowed", &text, (self.clock_ms)())
        } else {
            Response::text(405, text)
        };
        response.headers.push(("Allow", allowed.into()));
        response
    }

    /// A text that lists everything that the port answers.
    fn what_works(&self) -> String {
        let mut text = String::from("This is peerhub. What it answers:\n");
        for asset in &self.assets {
            text.push_str(&format!("  GET  {:<27} {}\n", asset.path, asset.about));
        }
        if let Some(site) = &self.peerjs {
            site.describe(&mut text);
        }
        text.push_str(&format!(
            "  GET  {HEALTH_PATH:<27} whether the hub is up, as JSON\n  \
               POST {API_PATH:<27} {{\"name\": \"getpeersource\", \"parameters\": {{\"minimized\": true}}}}\n{}",
            self.spoken
        ));
        text
    }
}

/// Answers what may be done here; `cors` adds what pages of another origin may.
fn preflight(route: Route<'_>) -> Response {
    Response {
        headers: vec![("Allow", methods(route).into())],
        ..Response::text(204, "")
    }
}

/// The methods that a route answers.
fn methods(route: Route<'_>) -> &'static str {
    match route {
        Route::PeerJs(route) => route.methods(),
        Route::Root(_) | Route::Asset(_) | Route::Health => "GET, HEAD, OPTIONS",
        Route::Api => "POST, OPTIONS",
        Route::Server => "OPTIONS",
        Route::Nothing => "",
    }
}

/// A header field of an answer.
type Field = (&'static str, Cow<'static, str>);

/// An answer that must not be kept.
const NO_CACHE: Field = ("Cache-Control", Cow::Borrowed("no-store"));

const API_PATH: &str = "/api";
const HEALTH_PATH: &str = "/healthz";
