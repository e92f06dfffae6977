//! The login dialog as POP3 speaks it (`proto::login`): all that happens, replies to the
//! octet and logins to the record, is what a model says; see [`super::smtp`].

use crate::login::{self, Event, Scene};
use crate::octets::Octets;
use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::ucspi_tls::Tls;

/// See [`login::check`].
pub fn check(input: &[u8]) {
    login::check(input, Protocol::Pop3, model);
}

fn model(scene: Scene<'_>, says: &[u8]) -> Vec<Event> {
    let (mut tls, mut user) = (scene.tls, None::<Vec<u8>>);
    let (mut refused, mut turn) = (0, 0);
    let mut events = vec![reply("+OK <7.9@mx.example>")];
    for line in says.split_inclusive(|&octet| octet == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let space = line.iter().position(|&octet| octet == b' ').unwrap_or(line.len());
        let spaces = line[space..].iter().take_while(|&&octet| octet == b' ').count();
        let argument = &line[space + spaces..];
        let offers = matches!(tls, Tls::Available | Tls::Required);
        let verb = line[..space].to_ascii_uppercase();
        match verb.as_slice() {
            _ if line.len() > 4_096 => events.push(reply("-ERR authup line too long")),
            b"CAPA" => {
                let stls = if offers { "STLS|" } else { "" };
                let login = if tls == Tls::Required { "" } else { "USER|" };
                let list = format!("+OK capability list follows|{stls}{login}CAP1|CAP2|.");
                events.push(reply(&list));
            }
            b"STLS" if !offers => events.push(reply("-ERR STLS not available")),
            b"USER" if tls == Tls::Required => {
                events.push(reply("-ERR authup Must start TLS first"));
            }
            b"PASS" if user.is_none() => events.push(reply("-ERR authup USER first")),
            b"STLS" if !argument.is_empty() => events.push(reply("-ERR authup syntax error")),
            b"USER" | b"PASS" if argument.is_empty() => {
                events.push(reply("-ERR authup syntax error"));
            }
            b"STLS" => {
                events.push(Event::CheckTls);
                if scene.tls_can_start(turn) {
                    events.push(reply("+OK starting TLS negotiation"));
                    events.push(Event::StartTls);
                    (tls, user) = (Tls::On, None);
                } else {
                    events.push(reply("-ERR authup TLS temporarily not available"));
                }
                turn += 1;
            }
            b"USER" => {
                user = Some(argument.to_vec());
                events.push(reply("+OK "));
            }
            b"PASS" => {
                let user = user.as_deref().unwrap_or_default();
                let record = [user, b"\0", argument, b"\0<7.9@mx.example>\0"].concat();
                let nuls = record.iter().filter(|&&octet| octet == 0).count();
                if nuls != 3 || record.len() > 512 {
                    events.push(reply("-ERR authup malformed auth input"));
                    continue;
                }
                events.push(Event::Attempt(user.into(), Some(Octets(record))));
                refused += 1;
                let (text, code) = answer(scene.outcome(turn), refused < scene.tries);
                turn += 1;
                events.extend(text.map(reply));
                if let Some(code) = code {
                    events.push(Event::End(code));
                    break;
                }
            }
            b"NOOP" => events.push(reply("+OK ")),
            b"QUIT" => {
                events.extend([reply("+OK "), Event::End(0)]);
                break;
            }
            _ => events.push(reply("-ERR authup authorization first")),
        }
    }
    events
}

fn reply(lines: &str) -> Event {
    Event::Reply(Octets(format!("{}\r\n", lines.replace('|', "\r\n")).into_bytes()))
}

/// What is said of an attempt, and the exit code where the session is over.
fn answer(outcome: Outcome, tries_remain: bool) -> (Option<&'static str>, Option<u8>) {
    let text = match outcome {
        Outcome::Completed(code) => return (None, Some(code)),
        Outcome::Refused => "-ERR authup authorization failed",
        Outcome::Temporary => "-ERR [SYS/TEMP] authup temporary authentication failure",
        Outcome::TimedOut => "-ERR authup timeout",
        Outcome::Controls => "-ERR authup unable to read controls",
        Outcome::Crashed => "-ERR authup aack, child crashed",
        Outcome::CannotOpenPipe => "-ERR authup unable to open pipe",
        Outcome::CannotWritePipe => "-ERR authup unable to write pipe",
        Outcome::CannotRun => "-ERR authup unable to fork",
        Outcome::CannotWait => "-ERR authup unable to wait for child",
    };
    let goes_on = tries_remain && matches!(outcome, Outcome::Refused | Outcome::Temporary);
    (Some(text), (!goes_on).then_some(1))
}
