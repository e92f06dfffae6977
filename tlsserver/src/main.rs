//! The program; which of the four processes this is, it learns from its own name.

use std::process::ExitCode;
use tlsserver::options::usage;

fn main() -> ExitCode {
    unix::state::begin();
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    if name == tlsserver::engine::NAME {
        tlsserver::engine::run()
    } else if name == tlsserver::keyholder::NAME {
        tlsserver::keyholder::run()
    } else if name == tlsserver::monitor::NAME {
        tlsserver::monitor::run(arguments)
    } else {
        let first = std::env::args_os().nth(1);
        if unix::about::answers(first.as_deref(), &usage(), env!("CARGO_PKG_VERSION")) {
            return ExitCode::SUCCESS;
        }
        tlsserver::listener::run(arguments)
    }
}
