//! What the port answers to plain HTTP, route by route.

use std::hash::RandomState;
use std::sync::atomic::{AtomicU64, Ordering};

use peerhub::Config;
use peerhub::dialect::{Lent, Mail, Worlds};
use peerhub::hub::id::FreshIds;
use peerhub::web::{Behind, HubStatus, Web};
use peerhub::wire::{Response, parse_head};

const UP: HubStatus = HubStatus {
    peers: 3,
    connections: 5,
    uptime_ms: 77,
    ready: true,
    mesh: None,
    counters: None,
};

/// A clock that goes on by 7 ms each time it is read.
fn clock_ms() -> u64 {
    static NOW_MS: AtomicU64 = AtomicU64::new(0);
    NOW_MS.fetch_add(7, Ordering::Relaxed)
}

/// Answers a request with the given request line, header lines and body.
fn ask(line: &str, fields: &str, body: &str, status: &HubStatus) -> Response {
    ask_hub(&Config::default(), line, fields, body, status)
}

/// The same, of a hub with these settings.
fn ask_hub(config: &Config, line: &str, fields: &str, body: &str, status: &HubStatus) -> Response {
    let request = format!("{line} HTTP/1.1\r\nHost: hub\r\n{fields}\r\n");
    let (head, _) = parse_head(request.as_bytes(), 16 << 10)
        .expect("a sound head")
        .expect("a whole head");
    let web = Web::new("1.2.3", clock_ms, config);
    assert_eq!(web.wants_body(&head), line == "POST /api");
    let (mut ids, mut mail) = (FreshIds::default(), Mail::default());
    ids.top_up(0, |stock| stock.fill(7));
    let mut worlds = Worlds::new(config, &RandomState::new(), 0, &mut ids);
    let behind = Behind {
        status: *status,
        worlds: &mut worlds,
        lent: Lent {
            now: 0,
            ids: &mut ids,
            mail: &mut mail,
        },
    };
    let mut response = web.answer(&head, body.as_bytes(), behind);
    web.cors().dress(&head, &mut response);
    response
}

/// Asks as a browser asks for a page.
fn get(path: &str) -> Response {
    ask(&format!("GET {path}"), BROWSER, "", &UP)
}

const BROWSER: &str = "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n";

fn call(body: &str) -> (u16, serde_json::Value) {
    let response = ask("POST /api", "Content-Type: application/json\r\n", body, &UP);
    assert_eq!(header(&response, "Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(response.content_type, "application/json");
    let answer = serde_json::from_slice(&response.body).expect("an answer in JSON");
    (response.status, answer)
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let field = response.headers.iter().find(|(found, _)| *found == name);
    field.map(|(_, value)| value.as_ref())
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).expect("a body of text")
}

#[test]
fn files_have_types_and_tags_and_are_everybodys() {
    let cases = [
        ("/", "text/html; charset=utf-8"),
        ("/ok-peerconnection.js", "text/javascript; charset=utf-8"),
        (
            "/ok-peerconnection-min.js",
            "text/javascript; charset=utf-8",
        ),
        ("/ok-peerconnection.mjs", "text/javascript; charset=utf-8"),
        (
            "/ok-peerconnection.d.ts",
            "application/typescript; charset=utf-8",
        ),
        ("/favicon.ico", "image/svg+xml"),
        ("/peero.html", "text/html; charset=utf-8"),
        ("/peero.js", "text/javascript; charset=utf-8"),
        ("/peero.d.ts", "application/typescript; charset=utf-8"),
    ];
    for (path, content_type) in cases {
        let response = get(path);
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.content_type, content_type, "{path}");
        assert_eq!(
            header(&response, "Cache-Control"),
            Some("no-cache"),
            "{path}"
        );
        assert_eq!(
            header(&response, "Access-Control-Allow-Origin"),
            Some("*"),
            "{path}"
        );
        assert!(!response.body.is_empty(), "{path}");

        let etag = header(&response, "ETag").expect("a tag");
        let again = ask(
            &format!("GET {path}?query"),
            &format!("{BROWSER}If-None-Match: \"other\", W/{etag}\r\n"),
            "",
            &UP,
        );
        assert_eq!(again.status, 304, "{path}");
        assert_eq!(header(&again, "ETag"), Some(etag), "{path}");
        let changed = ask(
            &format!("HEAD {path}"),
            &format!("{BROWSER}If-None-Match: \"other\"\r\n"),
            "",
            &UP,
        );
        assert_eq!(changed, response, "{path}");
    }
}

#[test]
fn the_pages_name_what_may_run() {
    for path in ["/", "/peero.html"] {
        let response = get(path);
        let policy = header(&response, "Content-Security-Policy").expect("a policy");
        let inline_scripts = text(&response)
            .split("<script")
            .skip(1)
            .filter_map(|element| element.split_once('>'))
            .filter(|(tag, _)| !tag.contains("src="))
            .count();
        assert!(inline_scripts > 0);
        assert_eq!(policy.matches("'sha256-").count(), inline_scripts);
        assert!(policy.contains("connect-src 'self' ws: wss:"));
        assert!(!text(&response).contains("{{"), "{path} is filled in");
    }
}

#[test]
fn what_is_off_is_neither_listed_nor_served() {
    let all = get("/");
    for listed in [
        "{host}/peero",
        "/peero.html",
        "new Peer(",
        "/peer-relay",
        "net-peer",
    ] {
        assert!(text(&all).contains(listed), "{listed}");
    }
    let mut config = Config::default();
    config.peero.on = false;
    config.peerjs.on = false;
    config.relay.on = false;
    config.netpeer.on = false;
    let get = |path: &str| ask_hub(&config, &format!("GET {path}"), BROWSER, "", &UP);
    let few = get("/");
    for unlisted in ["/peero", "new Peer(", "/peer-relay", "net-peer"] {
        assert!(!text(&few).contains(unlisted), "{unlisted}");
    }
    assert_ne!(header(&few, "ETag"), header(&all, "ETag"));
    for path in ["/peero.html", "/peero.js", "/peero.d.ts"] {
        let response = get(path);
        assert_eq!(response.status, 404, "{path}");
        assert!(!text(&response).contains("peero"), "{}", text(&response));
    }
}

#[test]
fn the_client_can_be_fetched_by_a_call() {
    let full = text(&get("/ok-peerconnection.js")).to_owned();
    let minimized = text(&get("/ok-peerconnection-min.js")).to_owned();
    let cases = [
        (
            r#"{"name":"getpeersource","parameters":{"minimized":false}}"#,
            "getpeersource",
            &full,
        ),
        (
            r#"{"name":"getpeersource","parameters":{"minimized":true}}"#,
            "getpeersource",
            &minimized,
        ),
        (
            r#" {"parameters":{"minimized":null,"x":1},"name":"GetPeerSource"} "#,
            "GetPeerSource",
            &minimized,
        ),
        (
            r#"{"name":"getpeersource","parameters":null}"#,
            "getpeersource",
            &minimized,
        ),
        (r#"{"name":"getpeersource"}"#, "getpeersource", &minimized),
    ];
    for (body, name, content) in cases {
        let (status, answer) = call(body);
        assert_eq!(status, 200);
        assert_eq!(answer["succeed"], true, "{body}");
        assert_eq!(answer["requestName"], name);
        assert_eq!(answer["content"], content.as_str(), "{body}");
        assert!(
            answer["elapsed"]
                .as_u64()
                .is_some_and(|elapsed| elapsed >= 7)
        );
        assert_eq!(answer.as_object().map(serde_json::Map::len), Some(4));
    }
}

#[test]
fn calls_that_fail_say_why() {
    let cases = [
        (r#"{"name":"reboot"}"#, 200, "unknownfunction"),
        (r#"{"name":7}"#, 200, "invalidcall"),
        (r#"{"parameters":{}}"#, 200, "invalidcall"),
        ("[]", 200, "invalidcall"),
        (
            r#"{"name":"getpeersource","parameters":{"minimized":"no"}}"#,
            200,
            "invalidparameters",
        ),
        (r#"{"name":"getpeersource""#, 400, "malformedjson"),
        ("", 400, "malformedjson"),
        ("{} {}", 400, "malformedjson"),
    ];
    for (body, status, code) in cases {
        let (found, answer) = call(body);
        assert_eq!(found, status, "{body}");
        assert_eq!(answer["succeed"], false, "{body}");
        assert_eq!(answer["error"]["code"], code, "{body}");
        assert!(answer["error"]["message"].is_string(), "{body}");
        assert!(answer["elapsed"].is_u64(), "{body}");
    }
    for fields in ["", "Content-Type: text/plain\r\n"] {
        let response = ask("POST /api", fields, "{}", &UP);
        assert_eq!(response.status, 415);
        assert!(text(&response).contains("application/json"));
    }
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert_eq!(call(&deep).1["error"]["code"], "invalidcall");
}

#[test]
fn health_tells_whether_the_hub_is_ready() {
    for (ready, status, word) in [(true, 200, "ok"), (false, 503, "draining")] {
        let response = ask("GET /healthz", "", "", &HubStatus { ready, ..UP });
        assert_eq!(response.status, status);
        assert_eq!(header(&response, "Cache-Control"), Some("no-store"));
        assert_eq!(header(&response, "Access-Control-Allow-Origin"), Some("*"));
        let answer: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        let expected = serde_json::json!({
            "status": word, "version": "1.2.3", "peers": 3, "connections": 5, "uptimeMs": 77,
        });
        assert_eq!(answer, expected);
    }
}

#[test]
fn other_methods_hear_what_would_have_worked() {
    let cases = [
        ("POST /", "GET, HEAD, OPTIONS"),
        ("DELETE /healthz", "GET, HEAD, OPTIONS"),
        ("get /ok-peerconnection.js", "GET, HEAD, OPTIONS"),
        ("GET /api", "POST"),
        ("PUT /api", "POST"),
        ("GET *", "OPTIONS"),
    ];
    for (line, allowed) in cases {
        let response = ask(line, "", "", &UP);
        assert_eq!(response.status, 405, "{line}");
        assert_eq!(header(&response, "Allow"), Some(allowed), "{line}");
        assert!(text(&response).contains("/ok-peerconnection.mjs"), "{line}");
    }
}

#[test]
fn preflights_are_answered() {
    let cases = [
        ("/api", "POST, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/ok-peerconnection.js", "GET, HEAD, OPTIONS"),
    ];
    for (path, methods) in cases {
        let fields = "Origin: http://page\r\nAccess-Control-Request-Method: POST\r\n";
        let response = ask(&format!("OPTIONS {path}"), fields, "", &UP);
        assert_eq!(response.status, 204, "{path}");
        assert_eq!(header(&response, "Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(
            header(&response, "Access-Control-Allow-Methods"),
            Some(methods)
        );
        assert_eq!(
            header(&response, "Access-Control-Allow-Headers"),
            Some("Content-Type")
        );
    }
    assert_eq!(ask("OPTIONS *", "", "", &UP).status, 204);
}

#[test]
fn unknown_paths_hear_what_is_there() {
    for line in [
        "GET /nothing",
        "POST /nothing",
        "OPTIONS /nothing",
        "GET /api/",
    ] {
        let response = ask(line, "", "", &UP);
        assert_eq!(response.status, 404, "{line}");
        assert_eq!(response.content_type, "text/plain; charset=utf-8");
        for known in [
            "/ok-peerconnection-min.js",
            "/healthz",
            "/api",
            "WebSocket upgrades",
            "/peerjs?key=",
            "/peer-relay",
            "/peero",
            "net-peer on plain TCP",
        ] {
            assert!(text(&response).contains(known), "{line} hears of {known}");
        }
    }
}
