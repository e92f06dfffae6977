//! Where connections come from: a socket bound here, or those that the supervisor
//! passed (`LISTEN_FDS`).

use proto::names::Variable;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketFlags, SocketType, acceptfrom_with, bind, getsockname,
    listen, socket_with, sockopt,
};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::read_to_string;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use unix::descriptor::unblock;
use unix::environment::inherited;

use super::report::Event;
use crate::environment::{Variables, value};
use crate::log::Log;
use crate::options::{Family, Options};

/// A socket that is listened on.
#[derive(Debug)]
pub(super) struct Listening {
    descriptor: OwnedFd,
    /// How many connections may wait, where that is ours to say: none for a socket of the
    /// supervisor's.
    backlog: Option<i32>,
}

impl Listening {
    /// Its connections have these options from the beginning.
    fn new(descriptor: OwnedFd, backlog: Option<i32>) -> Self {
        // Records are written whole; to wait for more would only delay the last.
        let _ = sockopt::set_tcp_nodelay(&descriptor, true);
        let _ = sockopt::set_socket_keepalive(&descriptor, true);
        Self { descriptor, backlog }
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Why there is no socket, or no address; shown as the log has it.
#[derive(Debug)]
pub struct Failure {
    /// The host, the port, both of them as an address, or a variable.
    what: OsString,
    why: Why,
}

/// What is wrong with it.
#[derive(Debug)]
enum Why {
    System(io::Error),
    NoName,
    NoAddress,
    NoAddressOfFamily,
    NoPort,
    NoService,
    NotListening,
    NotTcp,
    NotANumber(OsString),
}

fn failure(what: impl AsRef<OsStr>, why: Why) -> Failure {
    Failure { what: what.as_ref().to_owned(), why }
}

impl<E: Into<io::Error>> From<E> for Why {
    fn from(reason: E) -> Self {
        Self::System(reason.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unable to listen: {}: {}", self.what.display(), self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(reason) => reason.fmt(f),
            Self::NoName => f.write_str("not a name"),
            Self::NoAddress => f.write_str("has no address"),
            Self::NoAddressOfFamily => f.write_str("has no address of that kind"),
            Self::NoPort => f.write_str("not a port"),
            Self::NoService => f.write_str("no such service"),
            Self::NotListening => f.write_str("not a listening socket"),
            Self::NotTcp => f.write_str("not a TCP socket"),
            Self::NotANumber(text) => write!(f, "not a number: {}", text.display()),
        }
    }
}

/// Opens what is to be listened on, not blocking.
pub(super) fn open(
    options: &Options,
    variables: &Variables,
    log: Log,
) -> Result<Vec<Listening>, Failure> {
    let passed = passed(variables)?;
    if !passed.is_empty() {
        let listening = |descriptor| Listening::new(descriptor, None);
        return Ok(passed.into_iter().map(listening).collect());
    }
    let mut address = host_of(&options.host, options.family)?;
    address.set_port(port(&options.port)?);
    let mut bound = bound_to(address, options.backlog);
    if let (Err(Errno::AFNOSUPPORT), Some(ipv4)) = (&bound, without_ipv6(address, options.family)) {
        Event::NoIpv6(ipv4).log(log);
        (address, bound) = (ipv4, bound_to(ipv4, options.backlog));
    }
    let bound = bound.map_err(|reason| failure(address.to_string(), reason.into()))?;
    Ok(vec![Listening::new(bound, Some(options.backlog))])
}

/// What a host and a port on the command line mean.
pub(super) fn address(
    said: &OsStr,
    number: &OsStr,
    family: Option<Family>,
) -> Result<SocketAddr, Failure> {
    let mut address = host_of(said, family)?;
    address.set_port(port(number)?);
    Ok(address)
}

/// What every address is where the kernel has no IPv6; none where some of IPv6 were meant.
fn without_ipv6(address: SocketAddr, family: Option<Family>) -> Option<SocketAddr> {
    let is_every = family.is_none() && address.ip() == Ipv6Addr::UNSPECIFIED;
    is_every.then(|| (Ipv4Addr::UNSPECIFIED, address.port()).into())
}

fn bound_to(address: SocketAddr, backlog: i32) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // `::` is every address, IPv4 too, whatever the system's default is.
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    bind(&socket, &address)?;
    listen(&socket, backlog)?;
    Ok(socket)
}

/// As [`host`], but of one kind only: 0 is every address of that, and IPv6's are IPv4's, too.
fn host_of(said: &OsStr, family: Option<Family>) -> Result<SocketAddr, Failure> {
    let Some(family) = family else { return host(said) };
    let text = said.to_str().ok_or_else(|| failure(said, Why::NoName))?;
    match (family, text) {
        (Family::V4, "0" | "" | ":0" | "::") => return Ok((Ipv4Addr::UNSPECIFIED, 0).into()),
        (Family::V6, "0" | "" | ":0" | "::") => return Ok((Ipv6Addr::UNSPECIFIED, 0).into()),
        _ => {}
    }
    let is_one = |address: &SocketAddr| address.is_ipv4() == (family == Family::V4);
    let mut found = (text, 0).to_socket_addrs().map_err(|reason| failure(said, reason.into()))?;
    found.find(is_one).ok_or_else(|| failure(said, Why::NoAddressOfFamily))
}

/// `0` is every IPv4 address, `:0` is sslserver's `::`; otherwise an address, as `fe80::1%eth0`
/// with its interface, or a name and its first address. Without a port.
fn host(host: &OsStr) -> Result<SocketAddr, Failure> {
    let text = host.to_str().ok_or_else(|| failure(host, Why::NoName))?;
    if text == "0" || text.is_empty() {
        return Ok((Ipv4Addr::UNSPECIFIED, 0).into());
    }
    if text == ":0" {
        return Ok((Ipv6Addr::UNSPECIFIED, 0).into());
    }
    let mut found = (text, 0).to_socket_addrs().map_err(|reason| failure(host, reason.into()))?;
    found.next().ok_or_else(|| failure(host, Why::NoAddress))
}

/// A number or a service's name.
fn port(port: &OsStr) -> Result<u16, Failure> {
    let failed = |why| failure(port, why);
    let text = port.to_str().ok_or_else(|| failed(Why::NoPort))?;
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(failed(Why::NoPort));
    }
    let services = read_to_string("/etc/services").map_err(|reason| failed(reason.into()))?;
    service(&services, text).ok_or_else(|| failed(Why::NoService))
}

/// Finds a TCP service by its name or an alias, in the form of services(5).
fn service(services: &str, wanted: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let line = line.split('#').next()?;
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let port = words.next()?.strip_suffix("/tcp")?;
        (name == wanted || words.any(|alias| alias == wanted)).then(|| port.parse().ok())?
    })
}

/// Closes what whoever started us left open, but for the sockets that were passed: none of
/// it is for the programs that will be run. To be called before anything is opened.
pub(super) fn close_what_is_not_passed() {
    let number = |one| inherited(one).and_then(|text| text.to_str()?.parse::<u32>().ok());
    let is_passed = number(Variable::ListenPid) == Some(std::process::id());
    let count = number(Variable::ListenFds).filter(|_| is_passed).unwrap_or(0);
    unix::open_descriptors::close_from(i32::try_from(count).unwrap_or(0).saturating_add(3));
}

fn passed(variables: &Variables) -> Result<Vec<OwnedFd>, Failure> {
    let Some(count) = count_of_passed(variables, std::process::id())? else {
        return Ok(Vec::new());
    };
    let failed = |why| failure(Variable::ListenFds.name(), why);
    let sockets = unix::listen_fds::take(count);
    if !usize::try_from(count).is_ok_and(|count| count == sockets.len()) {
        return Err(failed(Why::NotListening));
    }
    for socket in &sockets {
        if !sockopt::socket_acceptconn(socket).unwrap_or(false) {
            return Err(failed(Why::NotListening));
        }
        if getsockname(socket).ok().and_then(internet).is_none() {
            return Err(failed(Why::NotTcp));
        }
        unblock(socket).map_err(|reason| failed(reason.into()))?;
    }
    Ok(sockets)
}

/// How many sockets the supervisor has passed; none where they are another process's.
fn count_of_passed(variables: &Variables, own: u32) -> Result<Option<u32>, Failure> {
    let number = |one: Variable| {
        let Some(text) = value(variables, one) else { return Ok(None) };
        let number = text.to_str().and_then(|text| text.parse::<u32>().ok());
        number.map(Some).ok_or_else(|| failure(one.name(), Why::NotANumber(text.to_owned())))
    };
    let is_ours = number(Variable::ListenPid)? == Some(own);
    if is_ours { number(Variable::ListenFds) } else { Ok(None) }
}

/// Has the system let nobody wait for the socket behind those who do now, and says how many
/// those may be. That is as far as it goes on Linux: when one was taken, the next one may wait.
/// Nothing happens to a socket of the supervisor's, whose queue is for whoever comes after us.
pub(super) fn close_queue(socket: &Listening) -> usize {
    let Some(backlog) = socket.backlog.filter(|_| listen(&socket.descriptor, 0).is_ok()) else {
        return 0;
    };
    // One more may wait than is said, and none at all is as many as the system allows.
    let most = u16::try_from(backlog).unwrap_or(u16::MAX);
    usize::from(most) + 1
}

/// The port of a listening socket.
pub(super) fn local_port(socket: &Listening) -> Option<u16> {
    internet(getsockname(&socket.descriptor).ok()?).map(|address| address.port())
}

/// A connection: the socket and its two addresses.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) socket: OwnedFd,
    pub(super) remote: SocketAddr,
    pub(super) local: SocketAddr,
}

/// Why nothing was accepted.
#[derive(Debug)]
pub(super) enum Refusal {
    /// This process or the system has no room for one more, for now.
    Exhausted(io::Error),
    /// It is no listening socket any more, and never will be again.
    Broken(io::Error),
}

/// Takes a connection; none where there is no more for now, or where the next one was gone
/// before it could be taken.
pub(super) fn accept(listening: &Listening) -> Result<Option<Accepted>, Refusal> {
    let (socket, remote) = match acceptfrom_with(&listening.descriptor, SocketFlags::CLOEXEC) {
        Ok((socket, remote)) => (socket, remote.and_then(internet)),
        Err(reason) => return refusal(reason).map_or(Ok(None), Err),
    };
    let local = match getsockname(&socket) {
        Ok(local) => internet(local),
        // It is closed, and not without a word.
        Err(reason @ (Errno::NOBUFS | Errno::NOMEM)) => {
            return Err(Refusal::Exhausted(reason.into()));
        }
        Err(_) => None,
    };
    let (Some(remote), Some(local)) = (remote, local) else { return Ok(None) };
    Ok(Some(Accepted { socket, remote, local }))
}

/// What an error of accept(2) says of the listener: nothing, where it is the connection's.
fn refusal(reason: Errno) -> Option<Refusal> {
    match reason {
        Errno::AGAIN | Errno::INTR => None,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => {
            Some(Refusal::Exhausted(reason.into()))
        }
        Errno::CONNABORTED | Errno::PROTO | Errno::NOPROTOOPT | Errno::PERM | Errno::TIMEDOUT => {
            None
        }
        Errno::NETDOWN | Errno::NETUNREACH | Errno::HOSTDOWN | Errno::HOSTUNREACH => None,
        #[cfg(target_os = "linux")]
        Errno::NONET => None,
        _ => Some(Refusal::Broken(reason.into())),
    }
}

/// The address, with IPv4 as IPv4 also where it came in IPv6's clothes.
fn internet(address: SocketAddrAny) -> Option<SocketAddr> {
    SocketAddr::try_from(address).ok().map(canonical)
}

/// `::ffff:192.0.2.7` is 192.0.2.7.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, TcpStream};

    #[test]
    fn services_by_name_and_alias() {
        let services =
            "# x\nsubmission 587/tcp # a\nsmtp\t25/tcp mail\npop3 110/udp\npop3 110/tcp\n";
        assert_eq!(service(services, "submission"), Some(587));
        assert_eq!(service(services, "mail"), Some(25));
        assert_eq!(service(services, "pop3"), Some(110));
        assert_eq!(service(services, "imap"), None);
    }

    #[test]
    fn numbers_of_no_port() {
        assert_eq!(port(OsStr::new("65535")).unwrap(), 65_535);
        for text in ["65536", "-1", "4294967321", ""] {
            let wrong = port(OsStr::new(text)).unwrap_err().to_string();
            assert!(wrong.ends_with(&format!("{text}: not a port")), "{wrong}");
        }
    }

    #[test]
    fn a_host_that_is_no_name_is_not_every_address() {
        use std::os::unix::ffi::OsStrExt;
        for family in [None, Some(Family::V4), Some(Family::V6)] {
            let wrong = host_of(OsStr::from_bytes(b"\xff.example.org"), family).unwrap_err();
            assert!(wrong.to_string().ends_with(": not a name"), "{wrong}");
        }
    }

    #[test]
    fn hosts() {
        let any = |text| host(OsStr::new(text)).unwrap();
        assert_eq!(any("0").ip(), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        for every in ["::", ":0"] {
            assert_eq!(any(every).ip(), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        }
        assert!(any("localhost").ip().is_loopback());
        assert!(matches!(any("fe80::1%lo"), SocketAddr::V6(local) if local.scope_id() == 1));
        let of =
            |text, family| host_of(OsStr::new(text), Some(family)).ok().map(|address| address.ip());
        assert_eq!(of("0", Family::V6), Some(Ipv6Addr::UNSPECIFIED.into()));
        assert_eq!(of("::", Family::V4), Some(Ipv4Addr::UNSPECIFIED.into()));
        assert_eq!(of("localhost", Family::V4), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(of("::1", Family::V6), Some(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(of("::1", Family::V4), None);
        assert_eq!(of("127.0.0.1", Family::V6), None);
    }

    #[test]
    fn what_the_supervisor_says_makes_sense_or_is_an_error() {
        let said = |pid: &str, count: &str| {
            let set = [("LISTEN_PID", pid), ("LISTEN_FDS", count)];
            let set = set.into_iter().filter(|(_, value)| *value != "unset");
            let variables = set.map(|(name, value)| (name.into(), value.into())).collect();
            count_of_passed(&variables, 7).map_err(|wrong| wrong.to_string())
        };
        assert_eq!(said("7", "2"), Ok(Some(2)));
        // Another's, or nobody's.
        for (pid, count) in [("8", "2"), ("8", "x"), ("unset", "2"), ("7", "unset")] {
            assert_eq!(said(pid, count), Ok(None), "{pid} {count}");
        }
        let wrong =
            |name: &str, text: &str| Err(format!("unable to listen: {name}: not a number: {text}"));
        for text in ["", "-1", "two", "2 ", "4294967296"] {
            assert_eq!(said("7", text), wrong("LISTEN_FDS", text));
            assert_eq!(said(text, "2"), wrong("LISTEN_PID", text));
        }
    }

    /// As many as there are, strangers could have kept a server that ends.
    #[test]
    fn who_waits_when_the_queue_is_closed_is_counted_and_nobody_who_comes_later() {
        const BACKLOG: i32 = 2;
        let bound = bound_to("127.0.0.1:0".parse().unwrap(), BACKLOG).unwrap();
        let listening = Listening::new(bound, Some(BACKLOG));
        let address = internet(getsockname(&listening.descriptor).unwrap()).unwrap();
        let connect = || TcpStream::connect(address).unwrap();
        let waiting: Vec<_> = (0..=BACKLOG).map(|_| connect()).collect();
        let most = close_queue(&listening);
        assert_eq!(most, waiting.len());
        for one in &waiting {
            let accepted = accept(&listening).unwrap().unwrap();
            assert_eq!(accepted.remote, one.local_addr().unwrap());
        }
        // There is always one more.
        let _later = connect();
        assert!(accept(&listening).unwrap().is_some());
        let passed = Listening::new(listening.descriptor, None);
        assert_eq!(close_queue(&passed), 0);
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let mapped = "[::ffff:192.0.2.7]:25".parse().unwrap();
        assert_eq!(canonical(mapped), "192.0.2.7:25".parse().unwrap());
    }
}
