//! The hub behind nginx, Caddy and HAProxy, with the very configurations that the README shows.
//!
//! Each file of `tests/proxies` is run with other ports put in, and a real hub behind it; clients come from loopback
//! addresses of their own. A proxy that is not installed fails its test, unless `PEERHUB_SKIP_PROXIES` is set.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/live.rs"]
mod live;

use folder::Folder;
use live::{PATIENCE, Raw, TestHub, TestPeer, get, handshake, quiet, tcp_from};
use peerhub::Config;
use peerhub::config::ProxyProtocol;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tungstenite::Message;

/// The configurations, each with the flags of the hub behind it and the language that the README marks it as.
const CONFIGURATIONS: [(&str, &str, &str); 4] = [
    ("nginx.conf", "--trusted-proxy loopback", "nginx"),
    ("Caddyfile", "--trusted-proxy loopback", "caddyfile"),
    ("haproxy-http.cfg", "--trusted-proxy loopback", "haproxy"),
    (
        "haproxy-tcp.cfg",
        "--trusted-proxy loopback --proxy-protocol require",
        "haproxy",
    ),
];

/// What clients claim of themselves.
const LIES: [(&str, &str); 4] = [
    ("X-Forwarded-For", "203.0.113.9"),
    ("Forwarded", "for=203.0.113.9"),
    ("X-Real-IP", "203.0.113.9"),
    ("X-Forwarded-For", "127.0.0.1"),
];

/// A proxy as a process of its own. Killed when dropped.
struct Proxy {
    address: SocketAddr,
    child: Child,
    _folder: Folder,
}

impl Proxy {
    /// Starts one with a file of `tests/proxies` in front of a hub, and waits until it listens. In the file, `changes` are
    /// made, each of which must be possible.
    fn start(test: &str, name: &str, hub: SocketAddr, changes: &[(&str, &str)]) -> Proxy {
        let folder = Folder::new(&format!("proxies-{test}"));
        let unused = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = unused.local_addr().expect("it is bound");
        drop(unused);
        let mut text = configuration(name);
        let listening = match name {
            "nginx.conf" => ("listen 80;", format!("listen {address};")),
            "Caddyfile" => (
                ":80 {",
                format!(":{} {{\n    bind 127.0.0.1", address.port()),
            ),
            _ => ("bind :80\n", format!("bind {address}\n")),
        };
        let ports = [
            (listening.0, &*listening.1),
            ("127.0.0.1:3007", &hub.to_string()),
        ];
        for (shown, used) in ports.iter().chain(changes) {
            assert_eq!(
                text.matches(shown).count(),
                1,
                "{shown:?} is in {name} once"
            );
            text = text.replace(shown, used);
        }
        let child = match name {
            "nginx.conf" => nginx(&folder, &text),
            "Caddyfile" => caddy(&folder, &text),
            _ => haproxy(&folder, &text),
        };
        let mut proxy = Proxy {
            address,
            child,
            _folder: folder,
        };
        proxy.wait_until_it_listens();
        proxy
    }

    /// The system tells nobody that somebody else listens, so it is asked until it is so.
    fn wait_until_it_listens(&mut self) {
        let begun = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                panic!("the proxy has ended: {status}");
            }
            assert!(begun.elapsed() < PATIENCE, "the proxy does not listen");
            std::thread::yield_now();
        }
    }

    /// A connection to it from this address.
    fn from(&self, client: &str) -> TcpStream {
        tcp_from(client.parse::<IpAddr>().expect("an address"), self.address)
    }

    /// A peer that comes through it, and makes false claims about where it comes from.
    fn peer(&self, client: &str) -> TestPeer {
        let mut peer = TestPeer::with_fields(self.from(client), "/", &LIES);
        peer.initiate("all", json!({}));
        peer
    }

    /// The status with which a WebSocket of this client is answered.
    fn status(&self, client: &str) -> u16 {
        let mut raw = Raw::over(self.from(client));
        raw.send(handshake("/")).answer().status
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn nginx(folder: &Folder, text: &str) -> Child {
    let site = folder.file("site.conf", text);
    let root = folder.0.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("    {name}_temp_path {root}/{name};\n"))
        .collect();
    let whole = format!(
        "daemon off;\nmaster_process off;\npid {root}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{temporary}    \
         access_log off;\n    proxy_read_timeout 1s;\n    include {site};\n}}\n"
    );
    let file = folder.file("nginx.conf", whole);
    let mut command = program("nginx");
    command
        .args(["-e", "stderr", "-p"])
        .arg(&folder.0)
        .arg("-c")
        .arg(file);
    spawn(command)
}

fn caddy(folder: &Folder, text: &str) -> Child {
    let options = "{\n    admin off\n}\n";
    let file = folder.file("Caddyfile", format!("{options}{text}"));
    let mut command = program("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config", &file]);
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env(name, &folder.0);
    }
    spawn(command)
}

fn haproxy(folder: &Folder, text: &str) -> Child {
    let mut command = program("haproxy");
    command.args(["-db", "-f", &folder.file("haproxy.cfg", text)]);
    spawn(command)
}

/// A proxy's own words are shown with those of a test that fails.
fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().expect("the proxy starts")
}

/// A program that must be installed.
fn program(name: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Where servers are, which not everybody's path has.
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let found = folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    Command::new(found.unwrap_or_else(|| {
        panic!("{name} is not installed: install the Debian package {name}, or set PEERHUB_SKIP_PROXIES=1")
    }))
}

fn is_skipped() -> bool {
    std::env::var_os("PEERHUB_SKIP_PROXIES").is_some()
}

fn configuration(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/proxies")
        .join(name);
    std::fs::read_to_string(file).expect("the configuration is there")
}

/// The settings of a hub behind this configuration. Only one address of loopback is the proxy's: clients have others.
fn behind(name: &str) -> Config {
    let mut config = quiet();
    config.trusted_proxies = vec!["127.0.0.1".to_owned()];
    config.netpeer.state_time_ms = 0;
    if name == "haproxy-tcp.cfg" {
        config.proxy_protocol = ProxyProtocol::Require;
    }
    config
}

/// The addresses of the others, as the hub tells them, in the order in which they came.
fn addresses(onlooker: &mut TestPeer) -> Vec<String> {
    let address = |peer: &Value| {
        peer["remoteAddress"]
            .as_str()
            .expect("an address")
            .to_owned()
    };
    onlooker.settle();
    onlooker.peers().iter().map(address).collect()
}

/// Clients have their own addresses, whatever they claim, and are counted for them.
fn clients_are_known(test: &str, name: &str, changes: &[(&str, &str)]) {
    if is_skipped() {
        return;
    }
    let mut config = behind(name);
    config.limits.connections_per_address = 2;
    let hub = TestHub::start(config);
    let proxy = Proxy::start(test, name, hub.address, changes);
    assert_eq!(get(proxy.address, "/healthz").status, 200);
    let mut peers: Vec<TestPeer> = ["127.0.0.5", "127.0.0.6", "127.0.0.5"]
        .iter()
        .map(|client| proxy.peer(client))
        .collect();
    let stranger: IpAddr = [127, 0, 0, 7].into();
    // Who comes without the proxy is believed nothing.
    let mut onlooker = TestPeer::with_fields(tcp_from(stranger, hub.address), "/", &LIES);
    onlooker.initiate("all", json!({}));
    assert_eq!(
        addresses(&mut onlooker),
        ["127.0.0.5", "127.0.0.6", "127.0.0.5"]
    );
    assert_eq!(proxy.status("127.0.0.5"), 503, "there are two already");
    let mut direct = Raw::over(tcp_from([127, 0, 0, 5].into(), hub.address));
    assert_eq!(direct.send(handshake("/")).answer().status, 503);
    let mut other = proxy.peer("127.0.0.6");
    assert_eq!(addresses(&mut onlooker).len(), 4);

    // What is said goes through, large messages too.
    let large = "x".repeat(300_000);
    let to = peers[0].id.clone();
    other.send(json!({"type": "notify", "name": "large", "peer": to, "content": large}));
    let heard =
        std::iter::repeat_with(|| peers[0].next()).find(|message| message["type"] == "notify");
    assert_eq!(heard.expect("it goes on until it comes")["content"], large);
}

/// A WebSocket on which nothing is said stays open: the hub's pings outlive the proxy's patience.
fn silence_is_no_end(test: &str, name: &str, changes: &[(&str, &str)]) {
    if is_skipped() {
        return;
    }
    let mut config = behind(name);
    config.ping_interval_ms = 100;
    let hub = TestHub::start(config);
    let proxy = Proxy::start(test, name, hub.address, changes);
    let mut peer = proxy.peer("127.0.0.5");
    // They take more than twice the second that proxies are told to be patient for.
    let mut pings = 0;
    while pings < 25 {
        match peer.socket.read().expect("the connection stays") {
            Message::Ping(_) => pings += 1,
            other => panic!("instead of a ping came {other:?}"),
        }
    }
    peer.send(json!({"type": "retrievePeers", "messageid": "alive", "content": {}}));
    assert_eq!(peer.next()["messageid"], "alive");
}

#[test]
fn nginx_names_its_clients() {
    clients_are_known("nginx", "nginx.conf", &[]);
}

#[test]
fn nginx_keeps_silent_websockets() {
    silence_is_no_end("nginx-silent", "nginx.conf", &[]);
}

#[test]
fn caddy_names_its_clients() {
    clients_are_known("caddy", "Caddyfile", &[]);
}

#[test]
fn caddy_keeps_silent_websockets() {
    silence_is_no_end("caddy-silent", "Caddyfile", &[]);
}

#[test]
fn haproxy_names_its_clients_in_a_header() {
    clients_are_known("haproxy-http", "haproxy-http.cfg", &[]);
}

#[test]
fn haproxy_keeps_silent_websockets() {
    let changes = [("timeout tunnel 1h", "timeout tunnel 1s")];
    silence_is_no_end("haproxy-http-silent", "haproxy-http.cfg", &changes);
}

#[test]
fn haproxy_names_its_clients_by_the_proxy_protocol() {
    clients_are_known("haproxy-tcp", "haproxy-tcp.cfg", &[]);
    let version_1 = [("send-proxy-v2", "send-proxy")];
    clients_are_known("haproxy-tcp-1", "haproxy-tcp.cfg", &version_1);
}

#[test]
fn haproxy_keeps_silent_connections() {
    let changes = [
        ("timeout client 1h", "timeout client 1s"),
        ("timeout server 1h", "timeout server 1s"),
    ];
    silence_is_no_end("haproxy-tcp-silent", "haproxy-tcp.cfg", &changes);
}

#[test]
fn net_peer_goes_through_haproxy() {
    if is_skipped() {
        return;
    }
    let name = "haproxy-tcp.cfg";
    let hub = TestHub::start(behind(name));
    let proxy = Proxy::start("haproxy-net-peer", name, hub.address, &[]);
    let enter = |member: &str, client: &str| {
        let presentation = json!({
            "senderName": member, "type": "@PRESENTATION", "content": {"port": 5001, "needNetworkInformation": true},
        });
        let mut raw = Raw::over(proxy.from(client));
        raw.send(format!("{presentation}\n"));
        let mut line = || {
            let mut bytes = Vec::new();
            while bytes.last() != Some(&b'\n') {
                bytes.extend(raw.take(1));
            }
            serde_json::from_slice::<Value>(&bytes).expect("a line of JSON")
        };
        let (hub, network) = (line(), line());
        (raw, hub, network)
    };
    let (_ann, hub_as_told, nobody) = enter("ann", "127.0.0.5");
    assert_eq!(
        hub_as_told["content"]["port"],
        proxy.address.port(),
        "what was dialled"
    );
    assert_eq!(nobody["content"]["network"]["hosts"], json!([]));
    let (_bob, _, network) = enter("bob", "127.0.0.6");
    let hosts = network["content"]["network"]["hosts"].to_string();
    assert!(
        hosts.contains("127.0.0.5") && !hosts.contains("127.0.0.1"),
        "{hosts}"
    );
}

#[test]
fn nobody_comes_in_under_another_name() {
    if is_skipped() {
        return;
    }
    let name = "haproxy-tcp.cfg";
    let hub = TestHub::start(behind(name));
    let proxy = Proxy::start("haproxy-lies", name, hub.address, &[]);
    let lie = format!("PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n{}", handshake("/"));
    // Behind the proxy's own header another one is no header, and of others none is read.
    for stream in [
        proxy.from("127.0.0.5"),
        tcp_from([127, 0, 0, 7].into(), hub.address),
    ] {
        assert_eq!(Raw::over(stream).send(&lie).answer().status, 400);
    }
    // Where the proxy must say for whom it comes, its address alone is worth nothing.
    let mut past_it = Raw::over(tcp_from([127, 0, 0, 1].into(), hub.address));
    assert!(past_it.send(handshake("/")).rest().is_empty());
}

#[test]
fn the_readme_shows_what_is_tested() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(file).expect("the README is there");
    for (name, flags, language) in CONFIGURATIONS {
        let block = format!("```{language}\n{}```\n", configuration(name));
        assert!(
            readme.contains(&block),
            "the README shows tests/proxies/{name} as it is"
        );
        assert!(readme.contains(&format!("`peerhub {flags}`")), "{flags}");
    }
}
