//! What PeerJS clients ask for over plain HTTP, route by route. That what they post is heard is for the transcripts.

use std::hash::RandomState;

use peerhub::Config;
use peerhub::dialect::{Arrival, Dialect, Lent, Mail, Worlds};
use peerhub::hub::id::FreshIds;
use peerhub::index::ConnKey;
use peerhub::web::{Behind, HubStatus, Web};
use peerhub::wire::{Response, parse_head};

/// A hub with these clients, by key and id.
struct Hub {
    web: Web,
    worlds: Worlds,
    ids: FreshIds,
    mail: Mail,
}

impl Hub {
    fn new(config: Config, clients: &[(&str, &str)]) -> Hub {
        let mut ids = FreshIds::default();
        let mut state = 1_u8;
        ids.top_up(0, |stock| {
            stock.fill_with(|| {
                state = state.wrapping_mul(5).wrapping_add(7);
                state
            });
        });
        let mut hub = Hub {
            web: Web::new("1.2.3", || 0, &config),
            worlds: Worlds::new(&config, &RandomState::new(), 0, &mut ids),
            ids,
            mail: Mail::default(),
        };
        for (number, (key, id)) in clients.iter().enumerate() {
            let query = format!("key={key}&id={id}&token=t");
            let arrival = Arrival {
                conn: ConnKey::at(number),
                remote: ([192, 0, 2, 1], 1).into(),
                local_port: 1,
                query: &query,
                has_fixed_id: false,
            };
            let lent = Lent {
                now: 0,
                ids: &mut hub.ids,
                mail: &mut hub.mail,
            };
            let joined = hub.worlds.join(Dialect::PeerJs, arrival, lent);
            assert!(joined.is_some(), "{key} {id}");
        }
        hub
    }

    fn ask(&mut self, line: &str, fields: &str) -> Response {
        let request = format!("{line} HTTP/1.1\r\nHost: hub\r\n{fields}\r\n");
        let (head, _) = parse_head(request.as_bytes(), 16 << 10)
            .expect("a sound head")
            .expect("a whole head");
        let status = HubStatus {
            peers: 0,
            connections: 0,
            uptime_ms: 0,
            ready: true,
            mesh: None,
            counters: None,
        };
        let behind = Behind {
            status,
            worlds: &mut self.worlds,
            lent: Lent {
                now: 0,
                ids: &mut self.ids,
                mail: &mut self.mail,
            },
        };
        self.web.answer(&head, b"", behind)
    }
}

fn with_path(path: &str) -> Config {
    let mut config = Config::default();
    config.peerjs.path = path.to_owned();
    config
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).expect("a body of text")
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let field = response.headers.iter().find(|(found, _)| *found == name);
    field.map(|(_, value)| value.as_ref())
}

const PAGE: &str = "Accept: Text/HTML,*/*;q=0.8\r\n";
const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

#[test]
fn the_root_is_a_page_for_browsers_and_a_server_for_clients() {
    let mut hub = Hub::new(Config::default(), &[]);
    for method in ["GET", "HEAD"] {
        for (fields, content_type) in [(PAGE, HTML), ("", JSON), ("Accept: */*\r\n", JSON)] {
            let response = hub.ask(&format!("{method} /"), fields);
            assert_eq!(
                (response.status, response.content_type),
                (200, content_type)
            );
            assert_eq!(header(&response, "Vary"), Some("Accept"));
        }
    }
    let told: serde_json::Value = serde_json::from_slice(&hub.ask("GET /", "").body).expect("JSON");
    for field in ["name", "description", "website"] {
        assert!(told[field].is_string(), "{field}");
    }
    // Elsewhere nothing else is there.
    let mut hub = Hub::new(with_path("/app"), &[]);
    for path in ["/app", "/app/"] {
        assert_eq!(hub.ask(&format!("GET {path}"), PAGE).content_type, JSON);
    }
    let root = hub.ask("GET /", "");
    assert_eq!((root.content_type, header(&root, "Vary")), (HTML, None));
    // And without PeerJS there is a page only.
    let mut off = Config::default();
    off.peerjs.on = false;
    let mut hub = Hub::new(off, &[]);
    assert_eq!(hub.ask("GET /", "").content_type, HTML);
    assert_eq!(hub.ask("GET /peerjs/id", "").status, 404);
}

#[test]
fn ids_are_fresh() {
    let mut hub = Hub::new(Config::default(), &[]);
    let mut seen: Vec<String> = Vec::new();
    for path in ["/peerjs/id", "/other/id?ts=1&version=1.5.5", "/peerjs/id/"] {
        let response = hub.ask(&format!("GET {path}"), "");
        assert_eq!((response.status, response.content_type), (200, HTML));
        assert_eq!(header(&response, "Cache-Control"), Some("no-store"));
        assert_eq!(text(&response).len(), 36);
        seen.push(text(&response).to_owned());
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 3);
    // An id that would come is somebody's already: another comes.
    let next = text(&Hub::new(Config::default(), &[]).ask("GET /peerjs/id", "")).to_owned();
    let mut hub = Hub::new(Config::default(), &[("peerjs", &next)]);
    assert_ne!(text(&hub.ask("GET /peerjs/id", "")), next);
}

#[test]
fn ids_are_listed_if_they_may_be() {
    let clients = [("one", "b"), ("two", "x"), ("one", "a%20%22")];
    for allow_discovery in [false, true] {
        let mut config = Config::default();
        config.peerjs.keys = vec!["one".to_owned(), "two".to_owned()];
        config.peerjs.allow_discovery = allow_discovery;
        let mut hub = Hub::new(config, &clients);
        for (path, list) in [
            ("/one/peers", Some(r#"["b","a \""]"#)),
            ("/two/peers/", Some(r#"["x"]"#)),
            ("/three/peers", None),
        ] {
            let response = hub.ask(&format!("GET {path}"), "");
            match list.filter(|_| allow_discovery) {
                Some(list) => {
                    assert_eq!((response.status, response.content_type), (200, JSON));
                    assert_eq!(text(&response), list);
                }
                None => assert_eq!(response.status, 401, "{path}"),
            }
        }
    }
}

#[test]
fn wrong_paths_and_methods_hear_what_would_have_worked() {
    let mut hub = Hub::new(with_path("/app"), &[]);
    for (path, meant) in [
        ("/peerjs/id", "/app/peerjs/id"),
        ("/other/peerjs/id", "/app/peerjs/id"),
        ("/peers", "/app/peerjs/peers"),
    ] {
        let response = hub.ask(&format!("GET {path}"), "");
        assert_eq!(response.status, 404, "{path}");
        assert!(text(&response).contains(&format!("  {meant}\n")), "{path}");
    }
    for (line, allowed) in [
        ("POST /app/peerjs/id", "GET, HEAD, OPTIONS"),
        ("PUT /app", "GET, HEAD, OPTIONS"),
        ("GET /app/k/a/t/offer", "POST, OPTIONS"),
    ] {
        let response = hub.ask(line, "");
        assert_eq!(response.status, 405, "{line}");
        assert_eq!(header(&response, "Allow"), Some(allowed), "{line}");
    }
    assert_eq!(hub.ask("OPTIONS /app/k/a/t/offer", "").status, 204);
    // Whatever the hub answers to others is in the list that everybody gets who is lost.
    let lost = hub.ask("GET /nothing", "");
    assert!(text(&lost).contains("/app/peerjs/id"));
}
