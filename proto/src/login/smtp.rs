//! SMTP before a login: RFC 5321, RFC 3207 (STARTTLS), RFC 4954 (AUTH).

use super::dialog::{Dialog, State};
use super::reply::Refusal;
use crate::line::verb_and_argument;
use crate::sasl::Mechanism;
use crate::smtp::hello::{Hello, Verb};
use alloc::vec::Vec;

impl Dialog {
    pub(super) fn smtp_command(&mut self, line: &[u8]) {
        let (verb, argument) = verb_and_argument(line);
        match verb.to_ascii_lowercase().as_slice() {
            b"helo" => {
                self.said.hello = Some(Hello::said(Verb::Helo, argument));
                self.say_with_greeting(b"250 ");
            }
            b"ehlo" => {
                self.said.hello = Some(Hello::said(Verb::Ehlo, argument));
                self.ehlo();
            }
            b"starttls" => self.start_tls(argument),
            b"auth" => self.auth(argument),
            b"help" => self.send(b"214 authup, of acceptutils: see its manual page, authup(8)\r\n"),
            b"noop" | b"rset" => self.send(b"250 ok\r\n"),
            b"quit" => {
                self.say_with_greeting(b"221 ");
                self.state = State::Ended(0);
            }
            _ => self.refuse(Refusal::AuthenticationRequired),
        }
    }

    fn say_with_greeting(&mut self, code: &[u8]) {
        let reply = [code, &self.config.greeting, b"\r\n"].concat();
        self.send(&reply);
    }

    fn ehlo(&mut self) {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        lines.push(self.config.greeting.clone());
        if self.config.tls.is_offered() {
            lines.push(b"STARTTLS".to_vec());
        }
        // RFC 4954, section 4: not where it would be refused.
        if !self.must_start_tls() {
            let mechanisms = Mechanism::ALL.map(Mechanism::name).join(" ");
            lines.push([b"AUTH ", mechanisms.as_bytes()].concat());
            if self.config.auth_equals {
                lines.push([b"AUTH=", mechanisms.as_bytes()].concat());
            }
        }
        lines.extend_from_slice(&self.config.capabilities);
        let last = lines.len() - 1;
        for (at, line) in lines.iter().enumerate() {
            self.send(if at == last { b"250 " } else { b"250-" });
            self.send(line);
            self.send(b"\r\n");
        }
    }
}
