//! The command line: tcpserver's and sslserver's, so that their run scripts work.
//!
//! Only parsing: what an option means for the server is said at [`Options`].

mod interface;
mod table;
mod value;

use interface::on_interface;
use lexopt::{Arg, Parser};
use proto::login::protocol::Protocol;
use proto::network::{IPV6_CUSTOMER, Network};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use value::of_option;

pub use table::{names, usage};

use crate::log::Verbosity;

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// With the first octet; the program has the decrypted stream.
    Immediate,
    /// `-n`: once the program asks (UCSPI-TLS).
    Delayed,
}

/// Which kind of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4's.
    V4,
    /// IPv6's, and no IPv4 ones as such.
    V6,
}

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `-n`, `-N`.
    pub mode: Mode,
    /// `-c`: connections at most.
    pub limit: usize,
    /// `-C`: connections at most from one address; none: a quarter of all.
    pub limit_per_address: Option<usize>,
    /// `--ipv6-prefix`: bits of an IPv6 address that are one client's.
    pub ipv6_prefix: u8,
    /// `-x`: the rules.
    pub rules: Option<PathBuf>,
    /// `-X`: with no rules file, everybody may connect.
    pub missing_rules_allow: bool,
    /// `-u`: the program's user.
    pub user: Option<u32>,
    /// `-g`: the program's group.
    pub group: Option<u32>,
    /// `-U`: both of them from `$UID` and `$GID`.
    pub identity_from_environment: bool,
    /// `-b`: connections that may wait to be accepted.
    pub backlog: i32,
    /// `-l`: the program's `TCPLOCALHOST`.
    pub local_name: Option<OsString>,
    /// `-B`: what a client reads before anything that the program writes.
    pub banner: Option<OsString>,
    /// `-1`: the port is printed once the server is ready.
    pub print_port: bool,
    /// `-v`, `-q`, `-Q`.
    pub verbosity: Verbosity,
    /// `-t`: bound on a handshake.
    pub handshake_timeout: Duration,
    /// `--proxy-protocol`: every connection begins with a PROXY header, of one of these;
    /// of anybody, where there are none.
    pub proxy_protocol: Option<Vec<Network>>,
    /// `--engines`: how many; none: one for each core, at most four.
    pub engines: Option<usize>,
    /// `--no-tickets`: sessions are not resumed.
    pub no_tickets: bool,
    /// `--login`: the protocol that engines speak until the client has logged in, with
    /// the program as login program; none: the program speaks from the start.
    pub login: Option<Protocol>,
    /// `--tries`: after how many refused logins a session ends; none: as the protocol has
    /// it.
    pub tries: Option<u32>,
    /// `--checks`: how many login programs may run that have not said yet whether the
    /// login is good; none: four for each core.
    pub checks: Option<usize>,
    /// `--linger`: how long sessions may go on once the server was told to end.
    pub linger: Duration,
    /// What was asked for by an option that has no effect here, for the log.
    pub without_effect: Vec<char>,
    /// What was asked for by an option that has an effect with `--login` only.
    pub for_login: Vec<&'static str>,
    /// `-I`: an interface of this machine.
    interface: Option<String>,
    /// Where to listen; what `-I` says, where it applies, is in it.
    pub host: OsString,
    /// The port's number or service name.
    pub port: OsString,
    /// `-4`, `-6`: the only addresses to listen on; none: what the host says.
    pub family: Option<Family>,
    /// The program and its arguments; never empty.
    pub program: Vec<OsString>,
}

impl Options {
    fn new() -> Self {
        Self {
            mode: Mode::Immediate,
            limit: 40,
            limit_per_address: None,
            ipv6_prefix: IPV6_CUSTOMER,
            rules: None,
            missing_rules_allow: false,
            user: None,
            group: None,
            identity_from_environment: false,
            backlog: 512,
            local_name: None,
            banner: None,
            print_port: false,
            verbosity: Verbosity::Errors,
            handshake_timeout: Duration::from_secs(60),
            proxy_protocol: None,
            engines: None,
            no_tickets: false,
            login: None,
            tries: None,
            checks: None,
            linger: Duration::from_secs(600),
            without_effect: Vec::new(),
            for_login: Vec::new(),
            interface: None,
            family: None,
            host: OsString::new(),
            port: OsString::new(),
            program: Vec::new(),
        }
    }

    /// Reads the command line, without the program's own name.
    ///
    /// # Errors
    /// What cannot be understood, as a sentence.
    pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        let mut options = Self::new();
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(host) => {
                    options.host = on_interface(host, options.interface.as_deref());
                    let mut rest = parser.raw_args()?;
                    options.port = rest.next().ok_or("no port")?;
                    options.program = rest.collect();
                    if options.program.is_empty() {
                        return Err("no program".into());
                    }
                    return Ok(options);
                }
                Arg::Short(letter) if table::REFUSED.contains(&letter) => {
                    let why = "client certificates cannot be required";
                    return Err(format!("-{letter}: {why}").into());
                }
                Arg::Short(letter) => {
                    let read = table::short(&mut options, letter, &mut parser);
                    read.map_err(|error| of_option(&format!("-{letter}"), error))?;
                }
                Arg::Long(name) => {
                    let name = name.to_owned();
                    let read = table::long(&mut options, &name, &mut parser);
                    read.map_err(|error| of_option(&format!("--{name}"), error))?;
                }
            }
        }
        Err("no host".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(OsString::from)).map_err(|e| e.to_string())
    }

    #[test]
    fn the_command_lines_of_deployed_run_scripts() {
        let options = parse(
            "-ne -vRl0 -x rules.cdb -c 40 -u 101 -g 102 0 587 authup -t 5 smtp checkpassword",
        )
        .unwrap();
        let expected = Options {
            mode: Mode::Delayed,
            verbosity: Verbosity::Status,
            local_name: Some("0".into()),
            rules: Some("rules.cdb".into()),
            user: Some(101),
            group: Some(102),
            host: "0".into(),
            port: "587".into(),
            program: ["authup", "-t", "5", "smtp", "checkpassword"].map(Into::into).to_vec(),
            ..Options::new()
        };
        assert_eq!(options, expected);
        let options = parse("-ne -vRl0 0 110 qmail-authup pop3 checkpassword").unwrap();
        assert_eq!(options.mode, Mode::Delayed);
        assert_eq!(parse("-eRHl0 -Xx r.cdb :: pop3s x").unwrap().mode, Mode::Immediate);
        assert_eq!(parse("-b 0 0 25 x").unwrap().backlog, 0);
    }

    #[test]
    fn options_of_our_own() {
        let options = parse(
            "--proxy-protocol --no-tickets --engines 2 --login smtp --tries 3 --checks 2 \
             --linger 7 -C3 -t 5 -1 ::1 0 prog",
        )
        .unwrap();
        assert!(options.no_tickets);
        assert!(options.proxy_protocol == Some(Vec::new()) && options.print_port);
        assert_eq!(options.engines, Some(2));
        assert_eq!(options.login, Some(Protocol::Smtp));
        assert_eq!((options.tries, options.checks), (Some(3), Some(2)));
        assert_eq!(options.for_login, ["tries", "checks", "linger"]);
        assert_eq!(options.linger, Duration::from_secs(7));
        assert_eq!((options.limit_per_address, options.ipv6_prefix), (Some(3), 64));
        assert_eq!(options.handshake_timeout, Duration::from_secs(5));
    }

    #[test]
    fn an_interface_is_one_of_this_machine() {
        for line in ["-Ilo fe80::1 25 prog", "-I lo fe80::1 25 prog", "-RI lo fe80::1 25 prog"] {
            assert_eq!(parse(line).unwrap().host, "fe80::1%lo", "{line}");
        }
        assert_eq!(parse("-I lo ::1 25 prog").unwrap().host, "::1");
        // The letter of older sslservers.
        let options = parse("-vI 0 25 prog").unwrap();
        assert_eq!((options.host, options.verbosity), ("0".into(), Verbosity::Status));
        assert_eq!(parse("-I 1 25 prog").unwrap().host, "1");
        assert_eq!(parse("-Iens 0 465 prog").unwrap_err(), "-I: ens: no such interface");
        assert_eq!(parse("-Ivn 0 25 prog").unwrap_err(), "-I: vn: no such interface");
    }

    #[test]
    fn load_balancers_by_address() {
        let options = parse("--proxy-protocol=192.0.2.1,2001:db8::/32 --ipv6-prefix 56 0 25 p");
        let options = options.unwrap();
        let networks = ["192.0.2.1", "2001:db8::/32"].map(|text| Network::parse(text).unwrap());
        assert_eq!(options.proxy_protocol.as_deref(), Some(&networks[..]));
        assert_eq!(options.ipv6_prefix, 56);
    }

    #[test]
    fn what_has_no_effect_is_remembered() {
        let options = parse("-hpr -3s -V -w 5 -Bhello -S6Z 0 25 prog").unwrap();
        assert_eq!(options.without_effect, ['h', 'p', 'r', '3', 's', 'V', 'w']);
        assert_eq!(options.banner, Some("hello".into()));
        assert_eq!((options.family, options.port), (Some(Family::V6), "25".into()));
    }

    #[test]
    fn what_cannot_be_understood() {
        for (line, complaint) in [
            ("", "no host"),
            ("0", "no port"),
            ("0 25", "no program"),
            ("-c 0 0 25 prog", "-c: must be at least 1"),
            ("-C 0 0 25 prog", "-C: must be at least 1"),
            ("-t 0 0 25 prog", "-t: must be at least 1"),
            ("-T 0 0 25 prog", "-T: must be at least 1"),
            ("--engines 0 0 25 prog", "--engines: must be at least 1"),
            ("--checks 0 0 25 prog", "--checks: must be at least 1"),
            ("--ipv6-prefix 0 0 25 prog", "--ipv6-prefix: must be at least 1"),
            ("-t 4294967296 0 25 prog", "-t: too long"),
            ("-T 4294967296 0 25 prog", "-T: too long"),
            ("-b -1 0 25 prog", "-b: not a number: -1"),
            ("-c many 0 25 prog", "-c: not a number: many"),
            ("-c -1 0 25 prog", "-c: not a number: -1"),
            ("-c 99999999999999999999 0 25 prog", "-c: too large: 99999999999999999999"),
            ("-b 4294967295 0 25 prog", "-b: too large: 4294967295"),
            ("-u 4294967296 0 25 prog", "-u: too large: 4294967296"),
            ("-u 4294967295 0 25 prog", "-u: 4294967295 is nobody's number"),
            ("-g 4294967295 0 25 prog", "-g: 4294967295 is nobody's number"),
            ("--tries 4294967296 0 25 prog", "--tries: too large: 4294967296"),
            ("--linger 4294967296 0 25 prog", "--linger: too large: 4294967296"),
            ("-i 0 25 prog", "-i: client certificates cannot be required"),
            ("-m 0 25 prog", "-m: client certificates cannot be required"),
            ("-nz 0 25 prog", "-z: client certificates cannot be required"),
            ("-J 0 25 prog", "invalid option '-J'"),
            (&format!("-B{} 0 25 prog", "x".repeat(4097)), "-B: more than 4096 octets"),
            ("--login nntp 0 25 prog", "--login: not smtp, pop3 or imap"),
            ("--ipv6-prefix 129 0 25 prog", "--ipv6-prefix: more than 128"),
            ("--engines 1025 0 25 prog", "--engines: more than 1024"),
            (
                "--proxy-protocol=here 0 25 prog",
                "--proxy-protocol: here: neither an address nor ADDRESS/BITS",
            ),
            ("--fast 0 25 prog", "invalid option '--fast'"),
        ] {
            assert_eq!(parse(line).unwrap_err(), complaint, "{line}");
        }
        let mut line = ["-c", "7", "0", "25", "prog"].map(OsString::from);
        line[1] = std::os::unix::ffi::OsStringExt::from_vec(vec![0xff]);
        let wrong = Options::parse(line.into_iter()).unwrap_err().to_string();
        assert_eq!(wrong, "-c: not a number: \u{fffd}");
    }
}
