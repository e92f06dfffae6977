//! qmail-qfilter-addtlsheader: copies a message, and puts the TLS facts in front of
//! it. It runs for every message, so it starts fast and lets the kernel copy.

use crate::fail;
use proto::names::Variable;
use proto::tls_header::{Front, received};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};
use unix::client;
use unix::environment::Environment;
use unix::log::Reason;

const NAME: &str = "qmail-qfilter-addtlsheader";
/// How it is called.
pub const USAGE: &str = "usage: qmail-qfilter-addtlsheader";

/// Runs the filter. Exit code 1 where the message could not be copied whole:
/// qmail-qfilter then has the message refused for now.
#[must_use]
pub fn main(_words: &mut dyn Iterator<Item = OsString>) -> u8 {
    match header(&Environment::inherited())
        .map_or(Ok(()), |line| write(&line))
        .and_then(|()| copy())
    {
        Ok(()) => 0,
        Err(reason) => fail(NAME, format_args!("unable to copy message: {}", Reason(&reason))),
    }
}

fn header(environment: &Environment) -> Option<String> {
    let protocol = environment.get(Variable::SslProtocol)?;
    let cipher = environment.get(Variable::SslCipher)?;
    let front = if environment.has(Variable::FixsmtpioTls) {
        Front::Fixsmtpio
    } else {
        environment.get(Variable::AuthupUser).map_or(Front::Unknown, Front::Authup)
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(received(protocol, cipher, front, now.as_secs()))
}

fn write(line: &str) -> io::Result<()> {
    output()?.write_all(line.as_bytes())
}

fn copy() -> io::Result<()> {
    let mut input = File::from(client::input().try_clone_to_owned()?);
    io::copy(&mut input, &mut output()?).map(drop)
}

/// Descriptor 1 without the buffer that std keeps before it.
fn output() -> io::Result<File> {
    Ok(File::from(client::output().try_clone_to_owned()?))
}
