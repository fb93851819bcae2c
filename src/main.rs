//! The program: reads the settings, starts the log, binds, serves, and turns how it ended into an exit code.
//!
//! Everything of worth is in the library; here are only standard output, standard error and the exit codes:
//! 0 stopped in order, 1 failed while running, 2 could not start, 130 stopped at once by a second signal.

use log::{info, warn};
use peerhub::config::{self, Choice, Wish};
use peerhub::{Config, Ended, Server, Service};
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// The operator's mistake: a setting, a file, an address that cannot be had.
const CANNOT_START: u8 = 2;
/// Anything that goes wrong later.
const FAILED: u8 = 1;
/// The second signal, as shells count: 128 and SIGINT's number.
const FORCED: u8 = 130;

fn main() -> ExitCode {
    match config::load(std::env::args_os(), std::env::vars_os()) {
        Ok(Wish::Serve {
            config,
            listen_chosen,
            remarks,
        }) => serve(*config, listen_chosen, &remarks),
        Ok(Wish::Print(text)) => print(&text),
        Err(error) => fail(CANNOT_START, error),
    }
}

fn serve(config: Config, listen_chosen: bool, remarks: &[String]) -> ExitCode {
    let log_settings = env_logger::Env::default().default_filter_or("info");
    env_logger::Builder::from_env(log_settings)
        .format_timestamp_millis()
        .init();
    // Before there is another thread, since this changes the environment.
    let mut service = match Service::from_environment() {
        Ok(service) => service,
        Err(error) => return fail(CANNOT_START, error),
    };
    if !listen_chosen && service.replace_listen() > 0 {
        info!(
            "the service manager hands over what to listen on; --listen is not set and has no say"
        );
    }
    let mut server = match Server::bind_under(service, config.clone()) {
        Ok(server) => server,
        Err(error) => return fail(CANNOT_START, error),
    };
    // Whoever has read that it listens may already stop it.
    if let Err(error) = server.stop_on_signals() {
        return fail(CANNOT_START, config::plain_words(&error));
    }
    info!("peerhub {}", env!("CARGO_PKG_VERSION"));
    for &address in server.local_addrs() {
        info!("listening on {address}");
        info!(
            "open {} in a browser",
            config::browser_url(&config, address)
        );
    }
    if config.tls.is_on() {
        let plaintext = config.tls.plaintext().word();
        info!("https and wss are spoken; with those who come without TLS it is: {plaintext}");
    }
    for caution in remarks
        .iter()
        .chain(&config::cautions(&config, server.local_addrs()))
    {
        warn!("{caution}");
    }
    match server.run() {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Forced) => ExitCode::from(FORCED),
        Err(error) => fail(FAILED, config::plain_words(&error)),
    }
}

/// A reader that has seen enough (`peerhub --help | head -1`) is no failure.
fn print(text: &str) -> ExitCode {
    let mut output = io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(
            FAILED,
            format_args!("cannot print: {}", config::plain_words(&error)),
        ),
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// Says why on one line, whatever `RUST_LOG` silences. If standard error is gone too, the exit code still tells.
fn fail(code: u8, error: impl Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "peerhub: {error}");
    ExitCode::from(code)
}
