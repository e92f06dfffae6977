//! An engine: all TLS of its connections, on one thread, without a key.
//!
//! Started by the listener with the control channel as descriptor 0 and the
//! keyholder's channel as descriptor 1. It jails itself before it is told anything,
//! and from then on has only the descriptors that it is handed.

mod channel;
mod conversation;
mod desk;
mod dispatch;
mod ending;
mod facts;
mod held_back;
mod local_socket;
mod login;
mod relay;
mod session;
mod signatures;
mod sockets;
mod tickets;
mod tls;
mod transport;
mod unread;
mod waiting;
mod wide_reads;

pub(crate) use ending::{Cut, Fault};
pub use facts::variables as fact_variables;

use proto::channel::LONGEST;
use proto::channel::engine::{FromEngine, ToEngine};
use proto::channel::keyholder::Certificate;
use proto::exit_code;
use proto::names::Variable;
use rustls::server::ProducesTickets;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use unix::descriptor_passing::{Received, await_message};
use unix::jail::{self, NoIdentity, Profile};
use zeroize::Zeroizing;

use crate::NoRandomOctets;
use crate::environment;
use crate::last_words;
use channel::Channel;
use dispatch::{Dialogs, Dispatcher};
use session::Handshakes;
use signatures::{Keyholder, Probe};
use tickets::Tickets;

/// The name under which the program is this process.
pub const NAME: &str = "tlsserver-engine";

/// Runs until the listener has no more connections for it and its own have ended.
#[must_use]
pub fn run() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            last_words::report(&FromEngine::Says(why.to_string()).encode());
            ExitCode::from(exit_code::TEMPORARY)
        }
    }
}

/// Why it cannot go on.
enum Fatal {
    System(io::Error),
    Identity(NoIdentity),
    NoRandomOctets(NoRandomOctets),
    Jail(jail::Failure),
    NoSignatures,
    Tls(rustls::Error),
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(reason) => reason.fmt(f),
            Self::Identity(why) => why.fmt(f),
            Self::NoRandomOctets(why) => why.fmt(f),
            Self::Jail(why) => why.fmt(f),
            Self::NoSignatures => f.write_str("the keyholder does not sign"),
            Self::Tls(why) => why.fmt(f),
        }
    }
}

impl From<io::Error> for Fatal {
    fn from(reason: io::Error) -> Self {
        Self::System(reason)
    }
}

fn start() -> Result<(), Fatal> {
    unix::open_descriptors::close_others(&[]);
    // A process that was started as /proc/self/exe would be called "exe".
    jail::set_name(c"tlsserver-engin");
    unix::disposition::ignore_hangups();
    let variables = environment::inherited();
    let identity = environment::jail_identity(&variables).map_err(Fatal::Identity)?;
    let seconds = environment::value(&variables, Variable::HandshakeSeconds);
    let seconds = seconds.and_then(|text| text.to_str()?.parse().ok()).unwrap_or(60);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let control = io::stdin().as_fd().try_clone_to_owned()?;
    let keyholder = io::stdout().as_fd().try_clone_to_owned()?;
    signatures::bound(&keyholder)?;
    crate::warm_up().map_err(Fatal::NoRandomOctets)?;
    let clients = environment::value(&variables, Variable::Clients);
    let clients = clients.and_then(|text| text.to_str()?.parse().ok()).unwrap_or(u64::MAX);
    last_words::leave_the_log(|words| FromEngine::Says(words).encode())?;
    let profile = Profile::Server { clients };
    jail::enter(profile, Some(identity)).map_err(Fatal::Jail)?;

    let tickets = Arc::new(Tickets::default());
    if environment::value(&variables, Variable::NoTickets).is_none() {
        tickets.turn();
    }
    let Some(Setup { certificates, dialogs, monitor }) = receive_setup(&control)? else {
        return Ok(());
    };
    let (reports, outgoing) = mpsc::unbounded_channel();
    let keyholder = Arc::new(Keyholder::new(keyholder, reports.clone()));
    let probe = Probe::by_first(&certificates);
    if !probe.is_none_or(|probe| keyholder.works(probe)) {
        return Err(Fatal::NoSignatures);
    }
    let shown = tls::Shown::default();
    // It is the same in all of them.
    let spoken = dialogs.values().next().map(|dialog| dialog.before_login.protocol);
    let config =
        tls::server_config(certificates, &keyholder, tickets.clone(), shown.clone(), spoken);
    let acceptor = TlsAcceptor::from(Arc::new(config.map_err(Fatal::Tls)?));
    let handshakes = Handshakes { acceptor, shown, limit: Duration::from_secs(seconds) };
    let _ = reports.send(FromEngine::Ready);
    let signatures = (keyholder, probe);
    let mut dispatcher = Dispatcher::new(handshakes, signatures, dialogs, reports);
    if tickets.enabled() {
        runtime.spawn(async move { tickets.take_turns().await });
    }
    Ok(runtime.block_on(async {
        if let Some(received) = monitor {
            dispatcher.dispatch(ToEngine::Monitor, received);
        }
        let is_to_end = dispatcher.is_to_end();
        tokio::select! {
            served = serve(control, dispatcher, outgoing) => served,
            () = is_to_end => Ok(()),
        }
    })?)
}

/// What is said before the beginning.
#[derive(Default)]
struct Setup {
    certificates: Vec<Certificate>,
    dialogs: Dialogs,
    /// With the channel to the monitor, where there is one by then.
    monitor: Option<Received>,
}

/// Takes it; none where the listener is gone already.
fn receive_setup(control: &OwnedFd) -> io::Result<Option<Setup>> {
    let mut setup = Setup::default();
    let mut buffer = vec![0; LONGEST];
    loop {
        let received = await_message(control, &mut buffer)?;
        if received.length == 0 {
            return Ok(None);
        }
        match buffer.get(..received.length).and_then(ToEngine::decode) {
            Some(ToEngine::Certificate(certificate)) => setup.certificates.push(certificate),
            Some(ToEngine::Dialog(id, dialog)) => drop(setup.dialogs.insert(id, dialog)),
            Some(ToEngine::Monitor) => setup.monitor = Some(received),
            Some(ToEngine::Begin) => return Ok(Some(setup)),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

async fn serve(
    control: OwnedFd,
    mut dispatcher: Dispatcher,
    outgoing: mpsc::UnboundedReceiver<FromEngine>,
) -> io::Result<()> {
    let mut control = Channel::new(control, outgoing, |message| Zeroizing::new(message.encode()))?;
    let mut buffer = vec![0; LONGEST];
    loop {
        let message = control.receive(&mut buffer).await?;
        if message.length == 0 {
            break;
        }
        let decoded = buffer.get(..message.length).and_then(ToEngine::decode);
        dispatcher.dispatch(decoded.ok_or(io::ErrorKind::InvalidData)?, message);
    }
    // Nothing new will come. It ends with the last session. Where the listener is gone, what
    // runs may finish unreported.
    drop(dispatcher);
    control.finish().await;
    Ok(())
}
