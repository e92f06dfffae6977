//! Behind sslserver, of ucspi-ssl: which variables it sets and which descriptors it opens and
//! closes differs from other TLS servers, and with `-n` from without.
//!
//! sslserver is a stand-in, as no package of Debian's has the real one. It does with
//! descriptors and variables what `sslserver.c` does of ucspi-ssl 0.84 and all later versions
//! that were read, and relays in the clear. Earlier ones set no `SSLCTLFD`.

#![expect(clippy::expect_used, reason = "clippy sees a test only in the functions marked as one")]

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use acceptance::stage::Alone;
use command_fds::{CommandFdExt, FdMapping};
use test_support::run::OwnChild;
use test_support::talking::{Patient, pair, reply};

/// The numbers that it comes to: 3 was the listener's, and is free again.
const READ: i32 = 3;
const ACCEPTED: i32 = 4;
const WRITE: i32 = 7;
const CONTROL: i32 = 9;

/// Logs in, whoever it is, to a session that says how TLS is.
const SHOWS_TLS: &str = r#"printf '%s|%s|%s\n' "$SSL_PROTOCOL" "$FIXSMTPIOTLS" "$SSLCTLFD""#;
/// An SMTP server that says the same to NOOP.
const SERVER: &str = r#"printf '220 ready\r\n'; while read -r verb rest; do case $verb in
    NOOP*) printf '250 %s|%s|%s\r\n' "$SSL_PROTOCOL" "$FIXSMTPIOTLS" "$SSLCTLFD";;
    *) printf '250 ok\r\n';; esac; done"#;

/// The stand-in.
#[derive(Clone, Copy)]
struct Sslserver {
    /// `-n`: TLS begins when the program asks.
    delayed: bool,
    /// `-s`: what was negotiated is in the environment.
    tells: bool,
    /// What somebody between it and the program has done.
    between: Between,
}

/// Not sslserver's doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    Nothing,
    /// A relay by pipes, such as recordio.
    Pipes,
    /// This number was closed.
    Closed(i32),
    /// This number leads somewhere.
    Opened(i32),
    /// Descriptors 0 and 1 are a socket.
    Socket,
}

impl Sslserver {
    const DELAYED: Self = Self { delayed: true, tells: false, between: Between::Nothing };
    const AT_ONCE: Self = Self { delayed: false, tells: true, between: Between::Nothing };

    fn runs(self, program: &[&str], ucspitls: Option<&str>) -> Session {
        let alone = Alone::with(&[]).expect("the programs");
        let mut command = alone.command(program[0], &program[1..]);
        if let Some(value) = ucspitls {
            command.env("UCSPITLS", value);
        }
        if self.tells && !self.delayed {
            command.env("SSL_PROTOCOL", "TLSv1.3").env("SSL_CIPHER", "TLS_AES_128_GCM_SHA256");
        }
        for (name, number) in [("SSLCTLFD", CONTROL), ("SSLREADFD", READ), ("SSLWRITEFD", WRITE)] {
            command.env(name, number.to_string());
        }
        let (reader, writer, control) = self.gives(&mut command);
        let child = OwnChild(command.spawn().expect("starts"));
        let reader = Patient(File::from(reader));
        Session { reader, writer, control, _child: child, _alone: alone }
    }

    /// The program's descriptors; and the client's, and the other end of the control socket.
    fn gives(self, command: &mut Command) -> (OwnedFd, OwnedFd, UnixStream) {
        let (client, accepted) = UnixStream::pair().expect("two sockets");
        let (control, theirs) = pair();
        let mut mappings = Mappings::default();
        mappings.add(ACCEPTED, accepted.try_clone().expect("a descriptor"));
        mappings.add(CONTROL, theirs);
        let both = |end: UnixStream| {
            (OwnedFd::from(end.try_clone().expect("a descriptor")), OwnedFd::from(end))
        };
        let (input, to_program) = pipe().expect("a pipe");
        let (from_program, output) = pipe().expect("a pipe");
        let (ours, theirs) = if self.delayed && self.between == Between::Pipes {
            mappings.add(READ, pipe().expect("a pipe").0);
            mappings.add(WRITE, pipe().expect("a pipe").1);
            pipes(input, to_program, from_program, output)
        } else if self.delayed {
            mappings.add(READ, input);
            mappings.add(WRITE, output);
            drop((to_program, from_program));
            (both(client), both(accepted))
        } else if self.between == Between::Socket {
            (both(client), both(accepted))
        } else {
            pipes(input, to_program, from_program, output)
        };
        match self.between {
            Between::Closed(number) => mappings.remove(number),
            Between::Opened(number) => mappings.add(number, pipe().expect("a pipe").0),
            _ => {}
        }
        command.fd_mappings(mappings.0).expect("each number once");
        command.stdin(theirs.0).stdout(theirs.1);
        (ours.0, ours.1, control)
    }
}

/// A pair of descriptors to read from and to write to.
type Ends = (OwnedFd, OwnedFd);

fn pipes(
    input: PipeReader,
    to_program: PipeWriter,
    from_program: PipeReader,
    output: PipeWriter,
) -> (Ends, Ends) {
    ((from_program.into(), to_program.into()), (input.into(), output.into()))
}

#[derive(Default)]
struct Mappings(Vec<FdMapping>);

impl Mappings {
    fn add(&mut self, child_fd: i32, descriptor: impl Into<OwnedFd>) {
        self.0.push(FdMapping { parent_fd: descriptor.into(), child_fd });
    }

    fn remove(&mut self, number: i32) {
        self.0.retain(|mapping| mapping.child_fd != number);
    }
}

struct Session {
    reader: Patient<File>,
    writer: OwnedFd,
    control: UnixStream,
    _child: OwnChild,
    _alone: Alone,
}

impl Session {
    /// What is answered to a line: all up to the last line of a reply.
    fn says(&mut self, line: &str) -> String {
        let line = [line, "\r\n"].concat();
        let written = rustix::io::write(&self.writer, line.as_bytes()).expect("a line");
        assert_eq!(written, line.len());
        self.hears()
    }

    fn hears(&mut self) -> String {
        reply(&mut self.reader).expect("an answer")
    }
}

fn authup(server: Sslserver, ucspitls: Option<&str>) -> Session {
    let mut session = server.runs(&["authup", "smtp", "sh", "-c", SHOWS_TLS], ucspitls);
    assert_eq!(session.hears(), "220 mail.example.org ESMTP\r\n");
    session
}

fn fixsmtpio(server: Sslserver, ucspitls: Option<&str>) -> Session {
    let mut session = server.runs(&["fixsmtpio", "sh", "-c", SERVER], ucspitls);
    assert_eq!(session.hears(), "220 ready\r\n");
    session
}

const LEVELS: [Option<&str>; 4] = [None, Some("-"), Some(""), Some("!")];
const LOGIN: &str = "AUTH PLAIN AGFsaWNlAHNlY3JldA==";

#[test]
fn d29_without_n_tls_is_on() {
    for ucspitls in LEVELS {
        for tells in [true, false] {
            let what = format!("UCSPITLS={ucspitls:?} -s={tells}");
            let server = Sslserver { tells, ..Sslserver::AT_ONCE };
            let protocol = if tells { "TLSv1.3" } else { "" };
            let mut session = authup(server, ucspitls);
            let offer = session.says("EHLO client");
            assert!(offer.contains("AUTH LOGIN PLAIN"), "{what}: {offer}");
            assert!(!offer.contains("STARTTLS"), "{what}: {offer}");
            assert!(session.says("STARTTLS").starts_with("502 "), "{what}");
            assert_eq!(session.says(LOGIN), format!("{protocol}||\n"), "{what}");
            let mut session = fixsmtpio(server, ucspitls);
            assert_eq!(session.says("EHLO client"), "250 ok\r\n", "{what}");
            assert!(session.says("STARTTLS").starts_with("502 "), "{what}");
            assert_eq!(session.says("MAIL FROM:<>"), "250 ok\r\n", "{what}");
            assert_eq!(session.says("NOOP"), format!("250 {protocol}|1|\r\n"), "{what}");
        }
    }
}

#[test]
fn d29_with_n_tls_begins_when_it_is_asked_for() {
    for between in [Between::Nothing, Between::Pipes] {
        let mut session = authup(Sslserver { between, ..Sslserver::DELAYED }, Some("!"));
        let offer = session.says("EHLO client");
        assert!(offer.contains("STARTTLS") && !offer.contains("AUTH"), "{offer}");
        assert!(session.says(LOGIN).starts_with("530 "));
        assert!(session.says("STARTTLS").starts_with("220 "));
        let mut asked = [0];
        session.control.read_exact(&mut asked).expect("Y");
        assert_eq!(asked, *b"Y");
        session.control.write_all(b"\0\0").expect("no facts");
        let mut session = fixsmtpio(Sslserver { between, ..Sslserver::DELAYED }, Some("!"));
        assert!(session.says("EHLO client").contains("STARTTLS"));
        assert!(session.says("MAIL FROM:<>").starts_with("530 "));
    }
}

/// Variables alone prove nothing, whoever has set them.
#[test]
fn d29_all_that_sslserver_leaves_must_be_there() {
    for between in
        [Between::Closed(CONTROL), Between::Opened(READ), Between::Opened(WRITE), Between::Socket]
    {
        let mut session = authup(Sslserver { between, ..Sslserver::AT_ONCE }, Some("!"));
        assert!(session.says(LOGIN).starts_with("530 "));
        assert!(session.says("STARTTLS").starts_with("454 "));
        let mut session = fixsmtpio(Sslserver { between, ..Sslserver::AT_ONCE }, Some(""));
        assert_eq!(session.says("NOOP"), "250 ||\r\n");
    }
}
