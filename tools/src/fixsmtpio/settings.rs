//! What the administrator says: the environment and the control files.

use crate::qmail;
use crate::tls::Offer;
use proto::control::TIMEOUT;
use proto::names::{ControlFile, Variable};
use proto::relay::rules::{RuleError, Rules};
use proto::relay::{Introduction, RelayConfig};
use proto::smtp::data::BareNewline;
use proto::smtp::hello::{Hello, address_literal};
use proto::ucspi_tls::Tls;
use unix::control::Unreadable;
use unix::environment::Environment;
use unix::peer;

/// Seconds on top of `timeoutsmtpd`, so that a server with a timeout of its own
/// comes first.
const GRACE: u64 = 10;

/// Why we cannot start.
pub(super) enum Wrong {
    Unreadable(Unreadable),
    Rules(RuleError),
    BareNewline(Vec<u8>),
}

impl From<Unreadable> for Wrong {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

/// What the relay is told, and the seconds that a client may do nothing. The qmail
/// home becomes the working directory.
pub(super) fn read(
    environment: &mut Environment,
    offer: &Offer,
) -> Result<(RelayConfig, u64), Wrong> {
    let control = qmail::enter_home(environment)?;
    let greeting = control.greeting(ControlFile::SmtpGreeting)?.text;
    let contents = control.read(ControlFile::Fixsmtpio)?.unwrap_or_default();
    let mut rules = Rules::parse(&contents).map_err(Wrong::Rules)?;
    let seconds = control.timeout(ControlFile::TimeoutSmtpd, TIMEOUT)?.saturating_add(GRACE);
    let bare_newline = bare_newline(environment)?;
    let introduction = introduction(environment);
    let logged_in = is_logged_in(environment);
    // Inherited, it proves nothing.
    environment.take(Variable::FixsmtpioTls);
    if offer.level == Tls::On && !logged_in {
        environment.set(Variable::FixsmtpioTls, Some(b"1"));
    }
    rules.set_environment(|name| environment.named(name).is_some());
    let tls = offer.level;
    let config = RelayConfig { greeting, rules, tls, logged_in, introduction, bare_newline };
    Ok((config, seconds))
}

/// Whether somebody has logged in by a program before us.
pub(super) fn is_logged_in(environment: &Environment) -> bool {
    environment.has(Variable::AuthupUser)
}

/// Taken out: it is for us, and the server hears of it by SMTP.
fn introduction(environment: &mut Environment) -> Option<Introduction> {
    let hello = Hello::decode(&environment.take(Variable::AuthupHelo)?)?;
    let literal = peer::address(environment).and_then(address_literal);
    hello.name()?;
    Some(Introduction { hello, literal })
}

fn bare_newline(environment: &Environment) -> Result<BareNewline, Wrong> {
    match environment.get(Variable::FixsmtpioBareNewline) {
        None => Ok(BareNewline::Pass),
        Some(b"normalize") => Ok(BareNewline::Normalize),
        Some(b"reject") => Ok(BareNewline::Reject),
        Some(b"accept-end") => Ok(BareNewline::AcceptEnd),
        Some(other) => Err(Wrong::BareNewline(other.to_vec())),
    }
}
