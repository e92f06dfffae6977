//! What runs on the machines: the services, HAProxy, and clients.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use acceptance::chain::Chain;
use rustix::process::Signal;
use test_support::log::Log;
use test_support::run::Master;
use test_support::server::{Server, haproxy};
use test_support::service::with_certificate;
use test_support::talking::Talking;
use test_support::wait::for_end;

use crate::network::{Network, SERVICE};

/// A message, as clients send it.
const MESSAGE: &str = "From: bob@example.org\r\nTo: eve@example.org\r\n\r\nhello\r\n";

/// A machine with the service on ports 587 and 995. All of them have the same users
/// file, certificate and mailboxes, as if these were shared.
pub(crate) struct Machine {
    pub(crate) number: usize,
    pub(crate) log: Log,
    services: [Server; 2],
}

impl Machine {
    pub(crate) fn start(chain: &Chain<'_>, network: &Network, number: usize) -> Self {
        let log = Log::default();
        let start = |tls, port, protocol, server: &[&str]| {
            let [ip, netns, exec, name] = network.on(&format!("mail{number}"));
            let mut command = chain.command(&ip);
            command
                .args([&netns, &exec, &name, "tlsserver", tls])
                .args(["-1vc", "400", &proxy_protocol(), "-l", "mail.example.org", "0", port])
                .args(chain.login(protocol, &[&["checknotroot"], server].concat()));
            with_certificate(&mut command, chain).env("UCSPITLS", "!").stderr(Stdio::piped());
            let mut service = Server::start(&mut command).expect("a port");
            log.follow(service.child.stderr.take().expect("a log"));
            service
        };
        let services = [
            start("-n", "587", "smtp", &["fixsmtpio", "smtpfront-echo"]),
            start("-N", "995", "pop3", &["pop3front-maildir", "Maildir"]),
        ];
        Self { number, log, services }
    }

    /// Connections that this machine's system has taken so far.
    pub(crate) fn opened(&self) -> usize {
        let [submission, _] = &self.services;
        let counts = fs::read_to_string(format!("/proc/{}/net/snmp", submission.pid()));
        let counts = counts.expect("/proc/PID/net/snmp");
        let mut tcp = counts.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let names = tcp.next().expect("names").split(' ');
        let mut named = names.zip(tcp.next().expect("values").split(' '));
        let opened = named.find(|(name, _)| *name == "PassiveOpens").expect("PassiveOpens");
        opened.1.parse().expect("a number")
    }

    /// Tells both services to take nothing new and to end when they are done.
    pub(crate) fn terminate(&self) {
        for service in &self.services {
            service.signal(Signal::TERM).expect("it runs");
        }
    }

    /// Waits until both have ended as they should.
    pub(crate) fn has_ended(&mut self) {
        for service in &mut self.services {
            assert_eq!(for_end(&mut service.child).code(), Some(0));
        }
    }
}

/// tlsserver's option, as docs/scaling.md has it for the configuration that is shipped.
fn proxy_protocol() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scaling.md");
    let page = fs::read_to_string(page).expect("a page");
    let option = page.split_whitespace().find(|word| word.starts_with("--proxy-protocol="));
    option.expect("the option").to_owned()
}

/// Starts HAProxy with the configuration as it is shipped.
pub(crate) fn balancer(chain: &Chain<'_>, network: &Network) -> Master {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/haproxy/haproxy.cfg");
    let [ip, netns, exec, name] = network.on("balancer");
    let mut command = chain.command(&ip);
    command.args([&netns, &exec, &name, "haproxy"]).stdin(Stdio::null());
    haproxy(&mut command, &shipped)
}

/// Runs a client of Debian's on the client's machine, who logs in as bob.
fn client(chain: &Chain<'_>, network: &Network, words: &[&str], input: &str) -> Result<(), String> {
    let (on, trust) =
        (network.on("client"), format!("--tls-trust-file={}", chain.name("server.cert")));
    let (host, ask) = (format!("--host={SERVICE}"), "--passwordeval=echo pass word".to_owned());
    let name = "--tls-host-override=mail.example.org".to_owned();
    let usual = [name, host, trust, ask, "--tls=on".into(), "--user=bob".into()];
    let on: Vec<&str> = on.iter().map(String::as_str).collect();
    let (program, rest) = words.split_at(1);
    let usual: Vec<&str> = usual.iter().map(String::as_str).collect();
    let words = [&on[..], program, &usual, rest].concat();
    let output = chain.client(&words, input.as_bytes()).map_err(|why| why.to_string())?;
    if output.status.success() { Ok(()) } else { Err(chain.told(&output)) }
}

/// Sends a message by msmtp, through port 587.
pub(crate) fn sends(chain: &Chain<'_>, network: &Network) -> Result<(), String> {
    let words = ["msmtp", "--port=587", "--tls-starttls=on", "--auth=plain"];
    let mail = ["--from=bob@example.org", "eve@example.org"];
    client(chain, network, &[&words[..], &mail].concat(), MESSAGE)
}

/// Looks for mail by mpop, through port 995.
pub(crate) fn fetches(chain: &Chain<'_>, network: &Network) -> Result<(), String> {
    let words = ["mpop", "--port=995", "--tls-starttls=off", "--auth=user", "--keep=on"];
    let seen = format!("--uidls-file={}", chain.name("client/uidls"));
    let more = ["--delivery=mbox,/dev/null", &seen];
    client(chain, network, &[&words[..], &more].concat(), "")
}

/// A session that goes on.
pub(crate) struct Held(Talking);

impl Held {
    pub(crate) fn log_in(chain: &Chain<'_>, network: &Network) -> Self {
        let [ip, netns, exec, name] = network.on("client");
        let mut command = chain.command(&ip);
        command
            .args([&netns, &exec, &name, "openssl", "s_client", "-quiet", "-crlf"])
            .args(["-starttls", "smtp", "-connect", &format!("{SERVICE}:587")])
            .args(["-verify_hostname", "mail.example.org", "-verify_return_error", "-CAfile"])
            .arg(chain.path("server.cert"));
        let mut held = Self(Talking::start(command.stderr(Stdio::null())));
        // Base64 of NUL bob NUL pass word.
        held.says("AUTH PLAIN AGJvYgBwYXNzIHdvcmQ=", "235 ");
        held
    }

    /// Says a line, and reads up to the reply.
    fn says(&mut self, line: &str, reply: &str) {
        self.0.say(&format!("{line}\n"));
        self.0.up_to_line(reply);
    }

    pub(crate) fn sends_a_message(&mut self) {
        self.says("MAIL FROM:<bob@example.org>", "250 ");
        self.says("RCPT TO:<eve@example.org>", "250 ");
        self.says("DATA", "354 ");
        self.says("Subject: late\n\nhello\n.", "250 Received");
        self.says("QUIT", "221 ");
    }
}
