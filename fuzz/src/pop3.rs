//! The login dialog as POP3 speaks it (`proto::login`): all that happens, replies to the
//! octet and logins to the record, is what a model says; see [`super::smtp`].

use crate::auth::{self, Try};
use crate::lines::{self, Model, Spoken};
use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::ucspi_tls::Tls;

/// See `login::check`.
pub fn check(input: &[u8]) {
    lines::check::<Pop3>(input);
}

#[derive(Default)]
struct Pop3 {
    user: Option<Vec<u8>>,
}

const SYNTAX: &str = "-ERR authup syntax error";

impl Spoken for Pop3 {
    const PROTOCOL: Protocol = Protocol::Pop3;
    const GREETING: &'static str = "+OK mx.example";
    const NO_HTTP: &'static str = "-ERR authup HTTP is not spoken here";
    const TOO_LONG: &'static str = "-ERR authup line too long";
    const MALFORMED: &'static str = "-ERR authup malformed auth input";
    const UNKNOWN_MECHANISM: &'static str = "-ERR authup auth type unimplemented";
    const CANCELLED: &'static str = "-ERR authup auth exchange cancelled";
    const BEGIN_TLS: &'static str = "+OK starting TLS negotiation";
    const NO_TLS: &'static str = "-ERR authup TLS temporarily not available";
    const CHALLENGE: &'static str = "+ ";
    const TIMESTAMP: &'static str = "<7.9@mx.example>";

    fn command(model: &mut Model<'_, Self>, line: &[u8]) {
        let space = line.iter().position(|&octet| octet == b' ').unwrap_or(line.len());
        let spaces = line[space..].iter().take_while(|&&octet| octet == b' ').count();
        let argument = &line[space + spaces..];
        let verb = line[..space].to_ascii_uppercase();
        match (verb.as_slice(), model.own.user.clone()) {
            (b"CAPA", _) => {
                let stls = if model.offers_tls() { "STLS|" } else { "" };
                let login = if model.tls == Tls::Required { "" } else { "USER|SASL PLAIN LOGIN|" };
                model.say(&format!("+OK capability list follows|{stls}{login}CAP1|CAP2|."));
            }
            (b"STLS", _) if !model.offers_tls() => model.say("-ERR STLS not available"),
            (b"STLS", _) if !argument.is_empty() => model.say(SYNTAX),
            (b"STLS", _) => model.start_tls(),
            (b"USER" | b"AUTH", _) if model.tls == Tls::Required => {
                model.say("-ERR authup Must start TLS first");
            }
            (b"AUTH", _) => model.auth(auth::begin(argument)),
            (b"PASS", None) => model.say("-ERR authup USER first"),
            (b"USER" | b"PASS", _) if argument.is_empty() => model.say(SYNTAX),
            (b"USER", _) => {
                model.own.user = Some(argument.to_vec());
                model.say("+OK ");
            }
            (b"PASS", Some(user)) => {
                model.attempt(&Try { user, password: argument.to_vec(), for_oneself: true });
            }
            (b"NOOP", _) => model.say("+OK "),
            (b"QUIT", _) => {
                model.say("+OK ");
                model.end(0);
            }
            _ => model.say("-ERR authup authorization first"),
        }
    }

    fn refusal(outcome: Outcome, _again: bool) -> &'static str {
        match outcome {
            Outcome::Completed(_) => "",
            Outcome::Refused => "-ERR [AUTH] authup authorization failed",
            Outcome::Temporary => "-ERR [SYS/TEMP] authup temporary authentication failure",
            Outcome::TooManyFailures => "-ERR [SYS/TEMP] authup too many failures, try later",
            Outcome::TimedOut => "-ERR authup timeout",
            Outcome::Controls => "-ERR authup unable to read controls",
            Outcome::Crashed => "-ERR authup aack, child crashed",
            Outcome::NotStarted => "-ERR [SYS/TEMP] authup unable to start the mail server",
            Outcome::CannotOpenPipe => "-ERR authup unable to open pipe",
            Outcome::CannotWritePipe => "-ERR authup unable to write pipe",
            Outcome::CannotRun => "-ERR authup unable to fork",
            Outcome::CannotWait => "-ERR authup unable to wait for child",
        }
    }
}
