//! The SMTP face of the login dialog: RFC 5321, RFC 3207 (STARTTLS), RFC 4954 (AUTH).

use super::reply::Refusal;
use super::{Dialog, Exchange, State};
use crate::line::verb_and_argument;
use crate::sasl::{self, Mechanism, Plain};
use crate::secret::Secret;
use alloc::vec::Vec;

/// Challenges of AUTH LOGIN: `Username:` and `Password:` in base64, as every
/// client expects them.
const ASK_USER: &[u8] = b"334 VXNlcm5hbWU6\r\n";
const ASK_PASSWORD: &[u8] = b"334 UGFzc3dvcmQ6\r\n";
/// The empty challenge keeps its space.
const ASK_PLAIN: &[u8] = b"334 \r\n";
const MECHANISMS: &[u8] = b"LOGIN PLAIN";

impl Dialog {
    pub(super) fn smtp_line(&mut self, line: &[u8]) {
        match core::mem::replace(&mut self.state, State::Command) {
            State::Exchange(exchange) => self.continuation(exchange, line),
            _ => self.smtp_command(line),
        }
    }

    fn smtp_command(&mut self, line: &[u8]) {
        let (verb, argument) = verb_and_argument(line);
        match verb.to_ascii_lowercase().as_slice() {
            b"helo" => self.say_with_greeting(b"250 "),
            b"ehlo" => self.ehlo(),
            b"starttls" => self.start_tls(argument),
            b"auth" => self.auth(argument),
            b"help" => self.say(b"214 authup, of acceptutils: see its manual page, authup(8)\r\n"),
            b"noop" | b"rset" => self.say(b"250 ok\r\n"),
            b"quit" => {
                self.say_with_greeting(b"221 ");
                self.state = State::Ended(0);
            }
            _ => self.refuse(Refusal::AuthenticationRequired),
        }
    }

    fn say_with_greeting(&mut self, code: &[u8]) {
        let reply = [code, &self.settings.greeting, b"\r\n"].concat();
        self.say(&reply);
    }

    fn ehlo(&mut self) {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        lines.push(self.settings.greeting.clone());
        if self.settings.tls.is_offered() {
            lines.push(b"STARTTLS".to_vec());
        }
        // RFC 4954, section 4: not where it would be refused.
        if !self.must_start_tls() {
            lines.push([b"AUTH ", MECHANISMS].concat());
            if self.settings.auth_equals {
                lines.push([b"AUTH=", MECHANISMS].concat());
            }
        }
        lines.extend_from_slice(&self.settings.capabilities);
        let last = lines.len() - 1;
        for (at, line) in lines.iter().enumerate() {
            self.say(if at == last { b"250 " } else { b"250-" });
            self.say(line);
            self.say(b"\r\n");
        }
    }

    fn auth(&mut self, argument: &[u8]) {
        if self.must_start_tls() {
            return self.refuse(Refusal::MustStartTls);
        }
        // Some clients put spaces where the grammar has none.
        let (name, initial) = verb_and_argument(trim_spaces(argument));
        let Some(mechanism) = Mechanism::named(name) else {
            return self.refuse(Refusal::AuthType);
        };
        let exchange = match mechanism {
            Mechanism::Plain => Exchange::Plain,
            Mechanism::Login => Exchange::LoginUser,
        };
        match (initial, mechanism) {
            (b"", Mechanism::Plain) => self.ask(exchange, ASK_PLAIN),
            (b"", Mechanism::Login) => self.ask(exchange, ASK_USER),
            // The empty string (RFC 4954, section 4), which says nothing here.
            (b"=", _) => self.refuse(Refusal::Malformed),
            (response, _) => self.response(exchange, response),
        }
    }

    fn ask(&mut self, exchange: Exchange, challenge: &[u8]) {
        self.say(challenge);
        self.state = State::Exchange(exchange);
    }

    fn continuation(&mut self, exchange: Exchange, line: &[u8]) {
        match line {
            b"*" => self.refuse(Refusal::Cancelled),
            response => self.response(exchange, response),
        }
    }

    fn response(&mut self, exchange: Exchange, response: &[u8]) {
        match sasl::decode(response) {
            Some(decoded) if !decoded.expose().is_empty() => self.decoded(exchange, &decoded),
            _ => self.refuse(Refusal::Malformed),
        }
    }

    fn decoded(&mut self, exchange: Exchange, response: &Secret) {
        match exchange {
            Exchange::Plain => match Plain::parse(response.expose()) {
                Some(plain) => self.attempt_plain(&plain),
                None => self.refuse(Refusal::Malformed),
            },
            Exchange::LoginUser => {
                let user = response.expose().to_vec();
                self.ask(Exchange::LoginPassword { user }, ASK_PASSWORD);
            }
            Exchange::LoginPassword { user } => self.attempt(&user, response.expose()),
        }
    }
}

fn trim_spaces(argument: &[u8]) -> &[u8] {
    let kept = argument.iter().rposition(|&byte| byte != b' ');
    argument.get(..kept.map_or(0, |at| at + 1)).unwrap_or_default()
}
