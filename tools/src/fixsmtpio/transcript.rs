//! The transcript of `FIXSMTPIODEBUG`: what goes by, on standard error.

use proto::escape::Escaped;
use proto::names::Variable;
use proto::relay::{Seen, Watch};
use proto::smtp::reply::split_ending;
use std::ffi::OsString;
use std::path::Path;
use unix::environment::Environment;
use unix::process::Argv;

/// Writes each line that goes by, if it was asked to.
pub(super) struct Transcript {
    asked: bool,
    program: OsString,
    server: u32,
}

impl Transcript {
    pub(super) fn new(environment: &Environment, program: &Argv, server: u32) -> Self {
        let asked = environment.has(Variable::FixsmtpioDebug);
        let base = Path::new(program.name()).file_name().unwrap_or(program.name());
        Self { asked, program: base.to_owned(), server }
    }

    /// A fresh server goes on under this process id.
    pub(super) fn server_is_now(&mut self, server: u32) {
        self.server = server;
    }
}

impl Watch for Transcript {
    fn saw(&mut self, what: Seen, octets: &[u8]) {
        if !self.asked {
            return;
        }
        let way = match what {
            Seen::Request => '1',
            Seen::RequestOn => '2',
            Seen::Reply => '3',
            Seen::ReplyOn => '4',
            Seen::Data => 'D',
        };
        let (pid, program, server) = (std::process::id(), self.program.display(), self.server);
        for line in octets.split_inclusive(|&octet| octet == b'\n') {
            let text = Escaped(split_ending(line).0);
            unix::log::line(
                format_args!("fixsmtpio {pid} {program} {server} "),
                format_args!("{way}: {text}"),
            );
        }
    }
}
