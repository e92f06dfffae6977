//! Two lines that say all of a login and of a session, for programs that read logs: what
//! `control/logformat` asks for. People's programs match their keys.
//!
//! Called by whoever runs login programs, who says what happens and when: times are those
//! since the session's begin.

use super::outcome::Outcome;
use super::protocol::Protocol;
use crate::logfmt::Pairs;
use crate::sasl::Mechanism;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Who the client is, as much as is known.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// The protocol.
    pub protocol: Protocol,
    /// Its address.
    pub address: Option<&'a [u8]>,
    /// Its port.
    pub port: Option<&'a [u8]>,
    /// The port that it came to.
    pub local_port: Option<&'a [u8]>,
    /// Seconds since 1970 at the session's begin. With the process's number, which is used
    /// again, it names the session.
    pub start: u64,
}

/// What is known of a session.
#[derive(Debug)]
pub struct Summary {
    client: Pairs,
    tls: Pairs,
    /// Logins that were asked for.
    tries: u32,
    login: Option<Login>,
    /// Who has logged in.
    user: Option<Vec<u8>>,
}

/// A login that has not ended.
#[derive(Debug)]
struct Login {
    user: Vec<u8>,
    mechanism: Option<Mechanism>,
    since: Duration,
}

/// What the TLS server reported that is said, and by which keys.
const TLS: [(&str, &str); 3] =
    [("tls", "SSL_PROTOCOL"), ("cipher", "SSL_CIPHER"), ("sni", "SSL_TLS_SNI_SERVERNAME")];

impl Summary {
    /// Of a session that begins.
    #[must_use]
    pub fn new(client: Client<'_>) -> Self {
        let pairs = Pairs::default()
            .with_some("addr", client.address)
            .with_some("port", client.port)
            .with_some("service", client.local_port.map(service))
            .with("proto", client.protocol.name().as_bytes())
            .with_number("start", client.start);
        Self { client: pairs, tls: Pairs::default(), tries: 0, login: None, user: None }
    }

    /// TLS is on; `fact` is what the TLS server reported by a name.
    pub fn negotiated<'a>(&mut self, fact: impl Fn(&str) -> Option<&'a [u8]>) {
        self.tls = TLS.iter().fold(Pairs::default(), |pairs, (key, name)| {
            let value = fact(name).filter(|value| !value.is_empty());
            pairs.with_some(key, value)
        });
    }

    /// A login is asked for: the user, as the login program hears of him, and the SASL
    /// mechanism, if it was by one.
    pub fn login_begins(&mut self, user: &[u8], mechanism: Option<Mechanism>, now: Duration) {
        self.tries = self.tries.saturating_add(1);
        self.login = Some(Login { user: user.to_vec(), mechanism, since: now });
    }

    /// It has ended so; `None`: nobody waits for its end any more. The line, where none was
    /// written of it yet: a session is its login's good end, and later ends are no more its.
    pub fn login_ends(&mut self, outcome: Option<Outcome>, now: Duration) -> Option<String> {
        let Login { user, mechanism, since } = self.login.take()?;
        let result = outcome.map_or("abandoned", result);
        let pairs = Pairs::default()
            .with("user", &user)
            .with_some("mech", mechanism.map(|mechanism| mechanism.name().as_bytes()))
            .with_number("try", self.tries)
            .with_seconds("secs", now.saturating_sub(since))
            .and(&self.tls)
            .and(&self.client);
        if matches!(outcome, Some(Outcome::Completed(_))) {
            self.user = Some(user);
        }
        Some(format!("login result={result} {pairs}"))
    }

    /// The session has ended, with this exit code. The line.
    #[must_use]
    pub fn session_ends(&self, code: u8, now: Duration) -> String {
        let pairs = Pairs::default()
            .with_some("user", self.user.as_deref())
            .with_number("tries", self.tries)
            .with_seconds("secs", now)
            .and(&self.tls)
            .and(&self.client);
        format!("session code={code} {pairs}")
    }
}

/// What a login's end is called. One word for all steps of ours that failed: another line
/// says which it was.
const fn result(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed(_) => "good",
        Outcome::Refused => "refused",
        Outcome::Temporary => "temporary",
        Outcome::TooManyFailures => "too-many-failures",
        Outcome::TimedOut => "timed-out",
        Outcome::Controls => "controls",
        Outcome::Crashed => "crashed",
        Outcome::NotStarted => "not-started",
        Outcome::CannotOpenPipe
        | Outcome::CannotWritePipe
        | Outcome::CannotRun
        | Outcome::CannotWait => "not-tried",
    }
}

/// The name of mail's services (RFC 6335's registry), or else the port itself.
fn service(port: &[u8]) -> &[u8] {
    match port {
        b"25" => b"smtp",
        b"587" => b"submission",
        b"465" => b"submissions",
        b"110" => b"pop3",
        b"995" => b"pop3s",
        b"143" => b"imap",
        b"993" => b"imaps",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn summary() -> Summary {
        Summary::new(Client {
            protocol: Protocol::Smtp,
            address: Some(b"192.0.2.7"),
            port: Some(b"50123"),
            local_port: Some(b"587"),
            start: 1_795_676_400,
        })
    }

    #[test]
    fn d63_a_login_s_line_says_all_of_it_and_comes_once() {
        let mut summary = summary();
        summary.negotiated(|name| match name {
            "SSL_PROTOCOL" => Some(b"TLSv1.3"),
            "SSL_CIPHER" => Some(b"TLS_AES_128_GCM_SHA256"),
            "SSL_TLS_SNI_SERVERNAME" => Some(b"mail.example.org"),
            _ => None,
        });
        assert_eq!(summary.login_ends(Some(Outcome::Refused), MS), None);
        summary.login_begins(b"al\n", Some(Mechanism::Plain), 100 * MS);
        assert_eq!(
            summary.login_ends(Some(Outcome::Refused), 134 * MS).unwrap(),
            String::from(r#"login result=refused user="al\u000a" mech=PLAIN try=1 secs=0.034 "#)
                + "tls=TLSv1.3 cipher=TLS_AES_128_GCM_SHA256 sni=mail.example.org "
                + "addr=192.0.2.7 port=50123 service=submission proto=smtp start=1795676400"
        );
        summary.login_begins(b"al", None, 200 * MS);
        let good = summary.login_ends(Some(Outcome::Completed(0)), 201 * MS).unwrap();
        assert!(good.starts_with("login result=good user=al try=2 secs=0.001 tls="), "{good}");
        assert_eq!(summary.login_ends(Some(Outcome::Crashed), 900 * MS), None);
        let over = summary.session_ends(14, 12_400 * MS);
        assert!(over.starts_with("session code=14 user=al tries=2 secs=12.400 tls="), "{over}");
    }

    #[test]
    fn d63_what_is_not_known_is_left_out() {
        let (address, port, local_port) = (None, None, Some(&b"2525"[..]));
        let client = Client { protocol: Protocol::Pop3, address, port, local_port, start: 7 };
        let mut summary = Summary::new(client);
        summary.negotiated(|_| Some(b""));
        summary.login_begins(b"al", None, MS);
        assert_eq!(
            summary.login_ends(None, MS).unwrap(),
            "login result=abandoned user=al try=1 secs=0.000 service=2525 proto=pop3 start=7"
        );
        assert_eq!(
            summary.session_ends(1, MS),
            "session code=1 tries=1 secs=0.001 service=2525 proto=pop3 start=7"
        );
    }
}
