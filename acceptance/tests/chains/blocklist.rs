//! What blocklistd is told: a stand-in listens in its place, in a mount namespace of
//! the server's own, so that nothing of this machine is touched.

use std::fs::{self, Permissions};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use acceptance::chain::{Chain, ROOT, Server};
use acceptance::peer::Peer;
use anyhow::{Context, Result, ensure};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, getpeername, recvmsg};
use test_support::run::hand_over;
use test_support::service::AS_NOBODY;
use test_support::talking::Talking;
use test_support::wait::PATIENCE;

use crate::{Test, logs};

pub(crate) const TESTS: &[Test] = &[
    ("blocklistd hears of logins behind tcpserver", &["tcpserver", ROOT], |chain| {
        bare_logins(chain, "127.0.0.1", "127.0.0.7")
    }),
    ("blocklistd hears of logins over IPv6", &["tcpserver", ROOT], |chain| {
        bare_logins(chain, "::1", "::1")
    }),
    ("blocklistd hears of logins over STARTTLS", &["python3", ROOT], over_starttls),
    (
        "blocklistd hears nothing of TLS from the first octet",
        &["python3", "tcpserver", ROOT],
        over_tls_at_once,
    ),
    (
        "blocklistd hears nothing from behind a load balancer",
        &["tcpserver", ROOT],
        behind_a_load_balancer,
    ),
    ("blocklistd hears nothing of trouble that may pass", &["tcpserver", ROOT], of_trouble),
];

/// What a datagram says: that a login failed, or that it was good.
const FAILED: u32 = 1;
const GOOD: u32 = 2;

/// Stands in for blocklistd, which Debian does not have.
struct StandIn {
    socket: UnixDatagram,
}

impl StandIn {
    fn new(chain: &Chain<'_>) -> Result<Self> {
        let folder = chain.path("run");
        fs::create_dir(&folder)?;
        let path = folder.join("blocklistd.sock");
        let socket = UnixDatagram::bind(&path)?;
        fs::set_permissions(path, Permissions::from_mode(0o666))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket })
    }

    /// The next datagram, and the descriptors that came along.
    fn next(&self) -> Result<(Vec<u8>, Vec<OwnedFd>)> {
        let mut datagram = vec![0; 512];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut pieces = [IoSliceMut::new(&mut datagram)];
        let got = recvmsg(&self.socket, &mut pieces, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(came) = message {
                descriptors.extend(came);
            }
        }
        datagram.truncate(got.bytes);
        Ok((datagram, descriptors))
    }

    /// Fails unless the next datagram is exactly this one, as libblocklist would have sent
    /// it, and the network's socket comes with it.
    fn hears(&self, kind: u32, client: SocketAddr, port: u16) -> Result<()> {
        let (datagram, descriptors) = self.next()?;
        let address = socket_address(SocketAddr::new(client.ip(), port));
        let length = 16 + 128 + "authup".len();
        let header = [u32::try_from(length)?, 1, kind, u32::try_from(address.len())?];
        let mut expected: Vec<u8> = header.iter().flat_map(|word| word.to_ne_bytes()).collect();
        expected.extend(&address);
        expected.resize(16 + 128, 0);
        expected.extend(b"authup");
        ensure!(datagram == expected, "{datagram:?}\nis not\n{expected:?}");
        let [socket] = &descriptors[..] else {
            anyhow::bail!("{} descriptors", descriptors.len());
        };
        let peer = getpeername(socket)?.context("a socket of nobody's")?;
        let peer = SocketAddr::try_from(peer)?;
        ensure!(peer == client, "the socket is that of {peer}, not of {client}");
        Ok(())
    }
}

/// `struct sockaddr_in` or `sockaddr_in6` of Linux.
fn socket_address(address: SocketAddr) -> Vec<u8> {
    let family: u16 = if address.is_ipv4() { 2 } else { 10 };
    let mut octets = [family.to_ne_bytes(), address.port().to_be_bytes()].concat();
    match address.ip() {
        IpAddr::V4(ip) => octets.extend([&ip.octets()[..], &[0; 8]].concat()),
        IpAddr::V6(ip) => octets.extend([&[0; 4], &ip.octets()[..], &[0; 4]].concat()),
    }
    octets
}

/// Starts a server that sees the stand-in's folder as /run.
fn start(chain: &Chain<'_>, server: &Command) -> Result<Server> {
    let mut command = chain.command("unshare");
    let script = "mount --bind \"$0\" /run && exec \"$@\"";
    command.args(["--mount", "--", "sh", "-c", script]).arg(chain.path("run"));
    if !chain.begins_as_root() {
        // Who mounts is root; who serves is not.
        command = undropped(&command);
        command.args(AS_NOBODY);
    }
    chain.start(hand_over(&mut command, server))
}

/// The same command, without the user that it would run as.
fn undropped(command: &Command) -> Command {
    let mut same = Command::new("env");
    hand_over(same.env_clear(), command);
    same
}

/// Good logins go to a program that says so and ends.
const WELCOME: [&str; 3] = ["sh", "-c", "printf '235 welcome\\r\\n'"];

fn bare_logins(chain: &Chain<'_>, host: &str, from: &str) -> Result<()> {
    let stand_in = StandIn::new(chain)?;
    let server = start(chain, &chain.plain_command(host, &chain.login("smtp", &WELCOME)))?;
    let mut client = Peer::greeted(from.parse::<IpAddr>()?, server.port, "")?;
    let address = client.stream.socket().local_addr()?;
    client.log_in(b"bob", "guessed", "535 ")?;
    stand_in.hears(FAILED, address, server.port)?;
    client.log_in(b"bob", "pass word", "235 ")?;
    stand_in.hears(GOOD, address, server.port)
}

/// A client that logs in over TLS; by then descriptor 0 of authup is no network socket
/// any more. It says its address, and stays until its standard input ends.
fn tls_client(chain: &Chain<'_>, port: u16, connect: &str) -> Result<(Talking, SocketAddr)> {
    let program = format!(
        "import smtplib, ssl, sys\ntrust = ssl.create_default_context(cafile={:?})\nport = {port}\n\
         {connect}\nclient.ehlo()\nfor password in ['AGJvYgBndWVzc2Vk', 'AGJvYgBwYXNzIHdvcmQ=']:\n  \
         print(client.docmd('AUTH', 'PLAIN ' + password)[0], *client.sock.getsockname())\n\
         sys.stdout.flush()\nsys.stdin.read()\n",
        chain.name("server.cert"),
    );
    let mut client = Talking::start(chain.command("python3").args(["-c", &program]));
    let (failed, good) = (client.line(), client.line());
    ensure!(failed.starts_with("535 ") && good.starts_with("235 "), "{failed}, {good}");
    let words: Vec<&str> = good.trim_end().split(' ').collect();
    let [_, ip, port] = words[..] else { anyhow::bail!("no address in {good}") };
    Ok((client, SocketAddr::new(ip.parse()?, port.parse()?)))
}

fn over_starttls(chain: &Chain<'_>) -> Result<()> {
    let stand_in = StandIn::new(chain)?;
    let mut command = chain.tls_command(&["-n"], &chain.login("smtp", &WELCOME));
    let server = start(chain, command.env("UCSPITLS", "!"))?;
    let connect = "client = smtplib.SMTP('localhost', port)\nclient.starttls(context=trust)";
    let (client, address) = tls_client(chain, server.port, connect)?;
    stand_in.hears(FAILED, address, server.port)?;
    stand_in.hears(GOOD, address, server.port)?;
    ensure!(client.end().1.success(), "the client failed");
    Ok(())
}

/// Where descriptor 0 is not connected to the client, blocklistd could only go wrong: it
/// asks the socket for the address.
fn over_tls_at_once(chain: &Chain<'_>) -> Result<()> {
    let stand_in = StandIn::new(chain)?;
    let command = chain.tls_command(&[], &chain.login("smtp", &WELCOME));
    let server = start(chain, &command)?;
    let connect = "client = smtplib.SMTP_SSL('localhost', port, context=trust)";
    let (client, _) = tls_client(chain, server.port, connect)?;
    ensure!(client.end().1.success(), "the client failed");
    hears_of_another_first(chain, &stand_in)
}

fn behind_a_load_balancer(chain: &Chain<'_>) -> Result<()> {
    let stand_in = StandIn::new(chain)?;
    let refuse = ["authup", "smtp", "sh", "-c", "exit 1"];
    let server = start(chain, &chain.tls_command(&["-n", "--proxy-protocol"], &refuse))?;
    let header = format!("PROXY TCP4 192.0.2.7 127.0.0.1 4321 {}\r\n", server.port);
    Peer::greeted([127, 0, 0, 7], server.port, &header)?.log_in(b"bob", "pass word", "535 ")?;
    logs(chain, "(bob from 192.0.2.7)")?;
    hears_of_another_first(chain, &stand_in)
}

/// Fails unless nothing was heard before somebody else's failed login.
fn hears_of_another_first(chain: &Chain<'_>, stand_in: &StandIn) -> Result<()> {
    let refuses = chain.plain_command("127.0.0.1", &["authup", "smtp", "sh", "-c", "exit 1"]);
    let refuses = start(chain, &refuses)?;
    let mut client = Peer::greeted([127, 0, 0, 8], refuses.port, "")?;
    client.log_in(b"bob", "pass word", "535 ")?;
    stand_in.hears(FAILED, client.stream.socket().local_addr()?, refuses.port)
}

/// A database that is away makes nobody an attacker.
fn of_trouble(chain: &Chain<'_>) -> Result<()> {
    let stand_in = StandIn::new(chain)?;
    let away = chain.plain_command("127.0.0.1", &["authup", "smtp", "sh", "-c", "exit 111"]);
    let away = start(chain, &away)?;
    Peer::greeted([127, 0, 0, 7], away.port, "")?.log_in(b"bob", "pass word", "454 ")?;
    hears_of_another_first(chain, &stand_in)
}
