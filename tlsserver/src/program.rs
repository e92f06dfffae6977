//! Starting the program: which descriptors and variables it gets.
//!
//! Everything that this process has open closes on exec; what the program is to
//! have beyond 0, 1 and 2 is opened for inheritance just before it is started and
//! closed here just after. There is one thread, so no other child can get it.

use proto::channel::listener::Client;
use proto::names::Variable;
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{SendFlags, send};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use unix::descriptor::unblock;
use unix::descriptor_passing::stream_pair;
use unix::search_path;
use unix::spawn::Start;

use crate::environment::{Variables, is_for_login_program, is_for_program, only, value};
use crate::options::Options;

/// Which program, as whom, with what.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    variables: Variables,
    user: Option<u32>,
    group: Option<u32>,
    local_name: Option<OsString>,
    /// What a client reads before anything that it writes.
    banner: Option<OsString>,
}

/// Why a program cannot be run, found at the start.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// A variable that is to say whom it runs as.
    NotANumber(&'static str),
    /// Its number would change nothing.
    NotAnId(&'static str),
    NoProgram,
    NotFound(OsString),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber(name) => write!(f, "-U: {name} is not a number in the environment"),
            Self::NotAnId(name) => write!(f, "-U: {name}: 4294967295 is nobody's number"),
            Self::NoProgram => f.write_str("no program"),
            Self::NotFound(name) => write!(f, "unable to find {}", name.display()),
        }
    }
}

/// A connection as its program sees it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) remote: SocketAddr,
    pub(crate) local: SocketAddr,
    /// What the rules add to the environment.
    pub(crate) added: Variables,
}

/// A program that runs, and the engine's ends of what it was given.
#[derive(Debug)]
pub(crate) struct Running<const N: usize> {
    pub(crate) pid: u32,
    pub(crate) ends: [OwnedFd; N],
}

impl Program {
    /// Finds the program, so that what is not there is said at the start.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn find(options: &Options, variables: &Variables) -> Result<Self, Unusable> {
        let number = |one: Variable| {
            let name = one.name();
            let found = value(variables, one).and_then(|text| text.to_str()?.parse().ok());
            match found.ok_or(Unusable::NotANumber(name))? {
                u32::MAX => Err(Unusable::NotAnId(name)),
                number => Ok(number),
            }
        };
        let (user, group) = if options.identity_from_environment {
            (Some(number(Variable::Uid)?), Some(number(Variable::Gid)?))
        } else {
            (options.user, options.group)
        };
        let name = options.program.first().ok_or(Unusable::NoProgram)?;
        let path = search_path::find(name, value(variables, Variable::Path))
            .ok_or_else(|| Unusable::NotFound(name.clone()))?;
        Ok(Self {
            path,
            arguments: options.program.clone(),
            variables: only(variables, is_for_program),
            user,
            group,
            local_name: options.local_name.clone(),
            banner: options.banner.clone(),
        })
    }

    /// Whether it is started as somebody else than this process.
    pub(crate) const fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// The program's path, for the log.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Starts it with the client's socket as 0 and 1 and the UCSPI-TLS descriptors.
    /// The ends are those of the control socket, of what it will read, and of what
    /// it will write.
    pub(crate) fn start_delayed(&self, peer: &Peer, client: &OwnedFd) -> io::Result<Running<3>> {
        self.greet(client)?;
        let mut variables = self.variables_for(peer.remote, peer.local, &peer.added);
        let control = engine_pair()?;
        let input = engine_pair()?;
        let output = engine_pair()?;
        let named = unix::ucspi_tls::NAMES.into_iter().zip([&control, &input, &output]);
        for (variable, (_, program_end)) in named {
            fcntl_setfd(program_end, FdFlags::empty())?;
            variables.push((variable.name().into(), program_end.as_raw_fd().to_string().into()));
        }
        let pid = self.start(&variables, client.try_clone()?, client.try_clone()?, None)?;
        Ok(Running { pid, ends: [control.0, input.0, output.0] })
    }

    /// Starts it with the decrypted stream as 0 and 1, and what is known of the
    /// handshake in its environment.
    pub(crate) fn start_secured(&self, peer: &Peer, facts: &Variables) -> io::Result<Running<2>> {
        let (input, program_input) = engine_pair()?;
        let (output, program_output) = engine_pair()?;
        self.greet(&program_output)?;
        let mut variables = self.variables_for(peer.remote, peer.local, &peer.added);
        variables.extend_from_slice(facts);
        let pid = self.start(&variables, program_input, program_output, None)?;
        Ok(Running { pid, ends: [input, output] })
    }

    /// Writes the banner where the program will write, as sslserver does: nothing is in a
    /// socket so new that would keep it waiting.
    fn greet(&self, output: &OwnedFd) -> io::Result<()> {
        let Some(banner) = self.banner.as_deref().map(OsStr::as_encoded_bytes) else {
            return Ok(());
        };
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match send(output, banner, flags) {
            Ok(written) if written < banner.len() => Err(io::ErrorKind::WriteZero.into()),
            // Who has gone already is the program's to notice.
            Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
            Err(reason) => Err(reason.into()),
        }
    }

    /// Starts it with these, and no other descriptors but what is open to all children.
    /// `errors`: descriptor 2, where that is not this process's own.
    ///
    /// # Errors
    /// Why it cannot be run.
    pub(crate) fn start(
        &self,
        variables: &Variables,
        input: OwnedFd,
        output: OwnedFd,
        errors: Option<OwnedFd>,
    ) -> io::Result<u32> {
        let Self { path: program, arguments: words, user, group, .. } = self;
        let (user, group) = (*user, *group);
        Start { program, words, variables, input, output, errors, user, group }.spawn()
    }

    /// What a client's login program has for an environment.
    pub(crate) fn variables_for_login(&self, client: &Client) -> Variables {
        let added = only(&client.added, is_for_login_program);
        self.variables_for(client.remote, client.local, &added)
    }

    fn variables_for(&self, remote: SocketAddr, local: SocketAddr, added: &Variables) -> Variables {
        let mut variables = self.variables.clone();
        let address = [
            (Variable::Proto, "TCP".to_owned()),
            (Variable::TcpRemoteIp, remote.ip().to_string()),
            (Variable::TcpRemotePort, remote.port().to_string()),
            (Variable::TcpLocalIp, local.ip().to_string()),
            (Variable::TcpLocalPort, local.port().to_string()),
            // The same by sslserver's names.
            (Variable::SslRemoteIp, remote.ip().to_string()),
            (Variable::SslRemotePort, remote.port().to_string()),
            (Variable::SslLocalIp, local.ip().to_string()),
            (Variable::SslLocalPort, local.port().to_string()),
        ];
        variables.extend(address.map(|(one, value)| (one.name().into(), value.into())));
        let own = |name: &OsString| (Variable::TcpLocalHost.name().into(), name.as_bytes().into());
        variables.extend(self.local_name.as_ref().map(own));
        variables.extend_from_slice(added);
        variables
    }
}

/// A pair of which the first end, the engine's, does not block.
fn engine_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (engine, program) = stream_pair()?;
    unblock(&engine)?;
    Ok((engine, program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{OFlags, fcntl_setfl};
    use std::fs::File;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    fn program(line: &[&str], variables: &[(&str, &str)]) -> Program {
        let words = ["-l", "mail.example.org", "0", "0"].iter().chain(line);
        let options = Options::parse(words.map(OsString::from)).unwrap();
        let variables: Variables =
            variables.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        Program::find(&options, &variables).unwrap()
    }

    fn peer() -> Peer {
        Peer {
            remote: "192.0.2.7:4321".parse().unwrap(),
            local: "[2001:db8::1]:587".parse().unwrap(),
            added: vec![(b"RELAYCLIENT".to_vec(), b"".to_vec())],
        }
    }

    #[test]
    fn a_secured_program_sees_its_peer_and_the_facts_and_nothing_else() {
        let program = program(
            &["env"],
            &[("PATH", "/usr/bin:/bin"), ("KEYFILE", "k"), ("SSL_PROTOCOL", "stale"), ("A", "b")],
        );
        let facts = vec![("SSL_PROTOCOL".into(), "TLSv1.3".into())];
        let running = program.start_secured(&peer(), &facts).unwrap();
        let mut output = UnixStream::from(running.ends.into_iter().next_back().unwrap());
        output.set_nonblocking(false).unwrap();
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "A=b",
                "PATH=/usr/bin:/bin",
                "PROTO=TCP",
                "RELAYCLIENT=",
                "SSLLOCALIP=2001:db8::1",
                "SSLLOCALPORT=587",
                "SSLREMOTEIP=192.0.2.7",
                "SSLREMOTEPORT=4321",
                "SSL_PROTOCOL=TLSv1.3",
                "TCPLOCALHOST=mail.example.org",
                "TCPLOCALIP=2001:db8::1",
                "TCPLOCALPORT=587",
                "TCPREMOTEIP=192.0.2.7",
                "TCPREMOTEPORT=4321",
            ]
        );
    }

    #[test]
    fn a_delayed_program_has_its_descriptors_and_no_others() {
        const COUNT: &str = "ls -1 /proc/self/fd | wc -l";
        let script = format!("cat <&$SSLREADFD >&$SSLWRITEFD; printf y >&$SSLCTLFD; {COUNT}");
        let program =
            program(&["/bin/bash", "--norc", "-c", &script], &[("PATH", "/usr/bin:/bin")]);
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut outside = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
        let client = OwnedFd::from(listening.accept().unwrap().0);
        let running = program.start_delayed(&peer(), &client).unwrap();
        drop(client);
        let [control, input, output] = running.ends.map(File::from);
        for end in [&control, &input, &output] {
            fcntl_setfl(end, OFlags::RDWR).unwrap();
        }
        (&input).write_all(b"through").unwrap();
        drop(input);
        let mut text = String::new();
        (&output).read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        let mut asked = [0];
        (&control).read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"y");
        text.clear();
        outside.read_to_string(&mut text).unwrap();
        // The three of the interface beside what any child of the test runner has.
        let any = Command::new("/bin/bash").args(["-c", COUNT]).output().unwrap().stdout;
        let any: usize = String::from_utf8(any).unwrap().trim().parse().unwrap();
        assert_eq!(text.trim().parse::<usize>().unwrap(), any + 3);
    }

    #[test]
    fn what_is_not_there_is_said_at_the_start() {
        let options = Options::parse(["0", "0", "no-such"].map(OsString::from).into_iter());
        let missing = Program::find(&options.unwrap(), &vec![]).unwrap_err();
        assert_eq!(missing.to_string(), "unable to find no-such");
    }
}
