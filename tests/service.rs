//! The program under a service manager, which is this test: sockets that are handed over, what the manager is told, and
//! the unit files of the README.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/live.rs"]
mod live;

use folder::Folder;
use live::{PATIENCE, Program, Raw, TestPeer, command, handshake, shell, tcp};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

/// The program, whose standard input becomes its third descriptor: a socket that a manager hands over.
fn handed(flags: &[&str]) -> Command {
    let mut command = shell(
        r#"exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=web; exec "$0" "$@""#,
    );
    command.args(flags);
    command
}

fn input(socket: impl Into<OwnedFd>) -> Stdio {
    Stdio::from(socket.into())
}

fn start_handed(socket: &TcpListener, flags: &[&str]) -> Program {
    let socket = socket.try_clone().expect("a descriptor is free");
    Program::run_with(handed(flags), input(socket))
}

fn bound() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    (socket, address)
}

#[test]
fn who_connects_between_two_hubs_is_not_refused() {
    let (socket, address) = bound();
    let mut first = start_handed(&socket, &["--drain-time", "1m", "--close-timeout", "1m"]);
    assert_eq!(first.addresses, [address]);
    let mut peer = TestPeer::join(address, "between");
    let mut mute = Raw::connect(address);
    mute.send(handshake("/")).answer();
    mute.frame();
    first.signal(Signal::TERM);
    assert_eq!(peer.closed().expect("it is told").0, 1001);
    assert_eq!(mute.close_code(), 1001);
    // One comes while the first takes leave, one when it has ended. Both ask before there is anybody to answer.
    let newcomer = || {
        let mut stream = tcp(address);
        stream.write_all(handshake("/").as_bytes()).unwrap();
        Raw::over(stream)
    };
    let mut early = newcomer();
    drop(mute);
    assert_eq!(first.exit().code(), Some(0));
    let mut late = newcomer();
    let second = start_handed(&socket, &[]);
    for newcomer in [&mut early, &mut late] {
        assert_eq!(newcomer.answer().status, 101);
        let (_, accept) = newcomer.frame();
        assert!(String::from_utf8(accept).unwrap().contains("accept"));
    }
    second.signal(Signal::TERM);
    assert_eq!(early.close_code(), 1001);
}

#[test]
fn a_handed_socket_takes_the_place_of_the_default_and_stands_beside_what_is_chosen() {
    let (socket, address) = bound();
    let mut alone = start_handed(&socket, &[]);
    assert_eq!(alone.addresses, [address]);
    let log = alone.log.join("\n");
    assert!(log.contains("--listen is not set and has no say"), "{log}");
    alone.signal(Signal::KILL);
    alone.exit();

    let mut both = start_handed(&socket, &["--listen", "127.0.0.1:0"]);
    assert_eq!(both.addresses.len(), 2, "{:?}", both.log);
    for &address in &both.addresses {
        TestPeer::join(address, "both");
    }
    both.signal(Signal::KILL);
    both.exit();

    let same = start_handed(&socket, &["--listen", &address.to_string()]);
    assert_eq!(same.addresses, [address]);
    TestPeer::join(address, "same");
}

#[test]
fn sockets_for_another_process_are_not_ours() {
    let mut command = command();
    command.args(["--listen", "127.0.0.1:0"]);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let program = Program::run(command);
    assert_eq!(program.addresses.len(), 1);
    TestPeer::join(program.address(), "own");
}

#[test]
fn what_is_no_listening_socket_keeps_it_from_starting() {
    let (listener, address) = bound();
    let connected = TcpStream::connect(address).expect("it listens");
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    for (input, problem) in [
        (Stdio::null(), "is not a socket"),
        (input(datagrams), "is not a valid tcp socket"),
        (input(connected), "it does not listen"),
    ] {
        let output = handed(&[]).stdin(input).output().expect("it starts");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        let begins = errors.starts_with("peerhub: socket 1 of the service manager: ");
        assert!(begins && errors.contains(problem), "{errors}");
    }
    drop(listener);
}

/// A manager that is told things.
struct Manager {
    socket: UnixDatagram,
    folder: Folder,
}

impl Manager {
    fn new(name: &str) -> Manager {
        let folder = Folder::new(name);
        let socket = UnixDatagram::bind(folder.0.join("n")).expect("the folder is there");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager { socket, folder }
    }

    fn start(&self, flags: &[&str], variables: &[(&str, &str)]) -> Program {
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0"]).args(flags);
        command.env("NOTIFY_SOCKET", self.folder.0.join("n"));
        command.envs(variables.iter().copied());
        Program::run(command)
    }

    /// What it is told next.
    fn told(&self) -> String {
        let mut buffer = [0; 1_000];
        let bytes = self.socket.recv(&mut buffer).expect("it is told something");
        String::from_utf8(buffer[..bytes].to_vec()).unwrap()
    }
}

#[test]
fn the_manager_is_told_of_the_beginning_the_life_and_the_end() {
    let manager = Manager::new("told");
    let watchdog = [("WATCHDOG_USEC", "20000")];
    let mut program = manager.start(&["--drain-time", "90s"], &watchdog);
    assert_eq!(manager.told(), "READY=1\n");
    let mut mute = Raw::connect(program.address());
    mute.send(handshake("/")).answer();
    mute.frame();
    for _ in 0..3 {
        assert_eq!(manager.told(), "WATCHDOG=1\n");
    }
    program.signal(Signal::TERM);
    let after = |begun: &str| {
        loop {
            match manager.told() {
                life if life == "WATCHDOG=1\n" => {}
                other => {
                    assert_eq!(other, begun);
                    break;
                }
            }
        }
    };
    after("STOPPING=1\nEXTEND_TIMEOUT_USEC=90000000\n");
    // It lives while it takes leave.
    assert_eq!(mute.close_code(), 1001);
    assert_eq!(manager.told(), "WATCHDOG=1\n");
    drop(mute);
    assert_eq!(program.exit().code(), Some(0));
}

#[test]
fn without_a_watchdog_there_are_no_signs_of_life_and_without_a_manager_it_serves_too() {
    let manager = Manager::new("still");
    let for_another = [("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    for variables in [&[][..], &for_another] {
        let mut program = manager.start(&["--drain-time", "2s"], variables);
        assert_eq!(manager.told(), "READY=1\n");
        TestPeer::join(program.address(), "quiet");
        program.signal(Signal::TERM);
        assert_eq!(manager.told(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=2000000\n");
        assert_eq!(program.exit().code(), Some(0));
    }
    drop(manager);

    let gone = Manager::new("gone");
    drop(gone.socket);
    let mut command = command();
    command.args(["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", gone.folder.0.join("n"));
    command.env("WATCHDOG_USEC", "20000");
    let mut program = Program::run(command);
    program.wait_for("cannot be told");
    TestPeer::join(program.address(), "gone");
    program.signal(Signal::TERM);
    assert_eq!(program.exit().code(), Some(0));
    let warnings = program
        .log
        .iter()
        .filter(|line| line.contains("cannot be told"));
    assert_eq!(warnings.count(), 1);
}

/// A unit file that the README shows: the block after the line that names it.
fn unit(name: &str) -> String {
    let readme = include_str!("../README.md");
    let (_, after) = readme
        .split_once(&format!("`/etc/systemd/system/{name}`:\n\n```ini\n"))
        .unwrap_or_else(|| panic!("the README shows {name}"));
    after
        .split_once("```")
        .expect("the block ends")
        .0
        .to_owned()
}

/// Section and key → values.
fn entries(unit: &str) -> BTreeMap<(String, String), Vec<String>> {
    let mut entries: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let mut section = String::new();
    let lines = unit.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.strip_suffix(']').expect("a heading ends").to_owned();
            continue;
        }
        let (key, value) = line.split_once('=').expect("a key and a value");
        assert!(
            !section.is_empty() && key.chars().all(char::is_alphanumeric),
            "{line}"
        );
        let key = (section.clone(), key.to_owned());
        entries.entry(key).or_default().push(value.to_owned());
    }
    entries
}

#[test]
fn the_units_of_the_readme_are_sound() {
    let (service, socket) = (unit("peerhub.service"), unit("peerhub.socket"));
    let value = |unit: &str, section: &str, key: &str| {
        let values = entries(unit).remove(&(section.to_owned(), key.to_owned()));
        let values = values.unwrap_or_else(|| panic!("{key} is set"));
        assert_eq!(values.len(), 1, "{key}");
        values[0].clone()
    };
    assert_eq!(value(&service, "Service", "Type"), "notify");
    assert_eq!(value(&service, "Service", "DynamicUser"), "yes");
    assert_eq!(value(&service, "Unit", "Requires"), "peerhub.socket");
    assert_eq!(value(&socket, "Socket", "ListenStream"), "3007");
    // The flags are those of this program.
    let exec = value(&service, "Service", "ExecStart");
    let mut words = exec.split_whitespace();
    assert_eq!(words.next(), Some("/usr/local/bin/peerhub"));
    let output = command().args(words).arg("--print-config").output();
    assert!(output.expect("it starts").status.success(), "{exec}");

    // Where systemd is, it has the last word.
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        return;
    }
    let folder = Folder::new("units");
    let program = env!("CARGO_BIN_EXE_peerhub");
    let service = service.replace("/usr/local/bin/peerhub", program);
    let paths = [
        folder.file("peerhub.service", &service),
        folder.file("peerhub.socket", &socket),
    ];
    let output = Command::new("/usr/bin/systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .args(&paths)
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{errors}");
}
