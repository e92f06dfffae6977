//! The bare servers of `make bench`, stand-ins that do as little as a server can: what
//! is measured is what stands before them. A package of its own, so that it is linked
//! statically, without the load generator, and starts as fast as a program can.
//!
//! ```text
//! bench-stand-in smtp | pop3 | imap   serves one connection on descriptors 0 and 1
//! bench-stand-in yes-smtp | yes-pop3  the same as a checkpassword that says yes to
//!                                     every login, and is the mail server itself
//! bench-stand-in preauth              an IMAP server that can only greet
//! ```

mod imap;
mod pop3;
mod smtp;
mod stream;

use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;

use imap::Opening;
use stream::Stream;

fn main() -> ExitCode {
    let role = std::env::args_os().nth(1).unwrap_or_default();
    let served = match role.to_str() {
        Some("smtp") => smtp::serve(Stream::new(), "220 stand-in ESMTP\r\n"),
        Some("pop3") => pop3::serve(Stream::new()),
        Some("imap") => match std::env::var_os("IMAPLOGINTAG") {
            Some(tag) => imap::serve(Stream::new(), &Opening::Answer(&tag)),
            None => imap::serve(Stream::new(), &Opening::Greeting),
        },
        Some("preauth") => imap::serve(Stream::new(), &Opening::Preauth),
        Some("yes-smtp") => read_login().and_then(|()| smtp::serve(Stream::new(), "235 yes\r\n")),
        Some("yes-pop3") => read_login().and_then(|()| pop3::serve(Stream::new())),
        _ => return ExitCode::from(100),
    };
    // A peer that is gone is no fault of ours, and nobody reads what we could say.
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(111) }
}

/// Takes the user name and the password, as every checkpassword does.
fn read_login() -> io::Result<()> {
    let mut login = [0; 512];
    let mut descriptor = File::open("/dev/fd/3")?;
    while descriptor.read(&mut login)? > 0 {}
    Ok(())
}
