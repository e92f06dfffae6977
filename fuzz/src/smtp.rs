//! The login dialog as SMTP speaks it (`proto::login`): all that happens, replies to the
//! octet and logins to the record, is what a model says that reads the client's lines at
//! leisure. So replies are paired, none holds an octet of the client's (nor, therefore, of
//! a password), and nothing is tried that was not asked for.

use crate::auth;
use crate::lines::{self, Model, Spoken};
use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::ucspi_tls::Tls;

/// See `login::check`.
pub fn check(input: &[u8]) {
    lines::check::<Smtp>(input);
}

#[derive(Default)]
struct Smtp {
    /// What is handed on: EHLO or HELO, and the name.
    hello: Option<String>,
}

impl Spoken for Smtp {
    const PROTOCOL: Protocol = Protocol::Smtp;
    const GREETING: &'static str = "220 mx.example ESMTP";
    const NO_HTTP: &'static str = "421 authup HTTP is not spoken here (#4.5.0)";
    const TOO_LONG: &'static str = "500 authup line too long (#5.5.2)";
    const MALFORMED: &'static str = "501 authup malformed auth input (#5.5.4)";
    const UNKNOWN_MECHANISM: &'static str = "504 authup auth type unimplemented (#5.5.1)";
    const CANCELLED: &'static str = "501 authup auth exchange cancelled (#5.0.0)";
    const BEGIN_TLS: &'static str = "220 Ready to start TLS (#5.7.0)";
    const NO_TLS: &'static str = "454 authup TLS temporarily not available (#4.7.0)";
    const CHALLENGE: &'static str = "334 ";
    const TIMESTAMP: &'static str = "";

    fn command(model: &mut Model<'_, Self>, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let (verb, argument) = text.split_once(' ').unwrap_or((&text, ""));
        let argument = argument.trim_start_matches(' ');
        let verb = verb.to_ascii_uppercase();
        if matches!(verb.as_str(), "EHLO" | "HELO") {
            let name = argument.trim_end_matches(|letter: char| letter.is_ascii_whitespace());
            let is_word = !name.is_empty() && name.bytes().all(|octet| (33..127).contains(&octet));
            let name = if is_word && name.len() <= 255 { name } else { "[IPv6:2001:db8::1]" };
            model.own.hello = Some(format!("{verb} {name}"));
        }
        match verb.as_str() {
            "HELO" => model.say("250 mx.example"),
            "EHLO" => ehlo(model),
            "STARTTLS" if !model.offers_tls() => model.say("502 unimplemented (#5.5.1)"),
            "STARTTLS" if !argument.is_empty() => model.say("501 authup syntax error (#5.5.4)"),
            "STARTTLS" => model.start_tls(),
            "AUTH" if model.tls == Tls::Required => {
                model.say("530 authup Must start TLS first (#5.7.0)");
            }
            "AUTH" => model.auth(auth::begin(&line[4..])),
            "HELP" => model.say("214 authup, of acceptutils: see its manual page, authup(8)"),
            "NOOP" | "RSET" => model.say("250 ok"),
            "QUIT" => {
                model.say("221 mx.example");
                model.end(0);
            }
            _ => model.say("530 authup authentication required (#5.7.1)"),
        }
    }

    fn refusal(outcome: Outcome, again: bool) -> &'static str {
        match outcome {
            Outcome::Completed(_) => "",
            Outcome::Refused => "535 authup authorization failed (#5.7.0)",
            Outcome::Temporary if again => "421 authup temporary authentication failure (#4.7.0)",
            Outcome::Temporary => "454 authup temporary authentication failure (#4.7.0)",
            Outcome::TooManyFailures => "454 authup too many failures, try later (#4.7.0)",
            Outcome::TimedOut => "451 authup timeout (#4.4.2)",
            Outcome::Controls => "421 authup unable to read controls (#4.3.0)",
            Outcome::Crashed => "454 authup aack, child crashed (#4.3.0)",
            Outcome::NotStarted => "421 authup unable to start the mail server (#4.3.0)",
            Outcome::CannotOpenPipe => "454 authup unable to open pipe (#4.3.0)",
            Outcome::CannotWritePipe => "454 authup unable to write pipe (#4.3.0)",
            Outcome::CannotRun => "454 authup unable to fork (#4.3.0)",
            Outcome::CannotWait => "454 authup unable to wait for child (#4.3.0)",
        }
    }

    fn hands_on(&self) -> Option<String> {
        Some(format!("AUTHUP_HELO={}", self.hello.as_ref()?))
    }
}

fn ehlo(model: &mut Model<'_, Smtp>) {
    let starttls = if model.offers_tls() { "250-STARTTLS|" } else { "" };
    let auth = match (model.tls, model.scene.auth_equals) {
        (Tls::Required, _) => "",
        (_, false) => "250-AUTH LOGIN PLAIN|",
        (_, true) => "250-AUTH LOGIN PLAIN|250-AUTH=LOGIN PLAIN|",
    };
    model.say(&format!("250-mx.example|{starttls}{auth}250-CAP1|250 CAP2"));
}
