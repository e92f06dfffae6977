//! The relay dialog (`proto::relay`) between a client and a server that say anything at
//! any time, close when they like, and read as slowly as they like.
//!
//! Output is independent of the cuts; each step takes or gives something; what waits and
//! what is held has a bound, whatever arrives; who has closed is not read again. That
//! what goes through is right is for [`super::session`], where the server is one.

use crate::choices::Choices;
use crate::cuts::pieces;
use crate::memory;
use crate::octets::Octets;
use crate::pump::{Out, Pump};
use proto::relay::rules::Rules;
use proto::relay::{End, Introduction, RelayConfig};
use proto::smtp::data::BareNewline;
use proto::smtp::hello::Hello;
use proto::ucspi_tls::Tls;
use std::borrow::Cow;

/// The rules that real services run.
const PRODUCTION: &[u8] = include_bytes!("../../proto/src/relay/production-rules");
/// The most that arrives from both sides in one run, in octets.
const MOST: usize = 192 * 1024;
/// The most that the dialog and its driver here may hold, in octets, but for the rules:
/// two windows and two queues, each of them twice while it grows, and the requests that
/// wait for their replies.
const HELD: usize = 288 * 1024;

#[derive(Debug, Clone, Copy)]
struct Scene<'a> {
    tls: Tls,
    can_start: bool,
    logged_in: bool,
    is_introduced: bool,
    bare_newline: BareNewline,
    rules: &'a [u8],
    /// What happens, each to its end before the next.
    events: Choices<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Happens {
    ClientSays,
    ServerSays,
    ClientCloses,
    ServerCloses,
}

/// Choices: TLS, whether it can start and somebody has logged in, and has greeted, bare line feeds,
/// and rules; sizes of pieces; then what happens, see [`happens`], each up to 0xFF.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let tls = choices.one_of(&[Tls::Available, Tls::Required, Tls::Absent, Tls::On]);
    let (can_start, logged_in, is_introduced) = choices.one_of(&[
        (true, false, false),
        (false, false, false),
        (true, true, false),
        (true, true, true),
    ]);
    let ways =
        [BareNewline::Pass, BareNewline::Normalize, BareNewline::Reject, BareNewline::AcceptEnd];
    let bare_newline = choices.one_of(&ways);
    let own = choices.part();
    let rules = if own.is_empty() { PRODUCTION } else { own };
    let rules = if Rules::parse(rules).is_ok() { rules } else { b"" };
    let sizes = choices.part();
    let scene =
        Scene { tls, can_start, logged_in, is_introduced, bare_newline, rules, events: choices };
    let whole = keep(scene, &[]);
    assert_eq!(keep(scene, &[1]), whole, "octet by octet");
    assert_eq!(keep(scene, sizes), whole, "in pieces of {sizes:?}");
    // The same with much more of it, and with sides that read slowly.
    let slowly = usize::from(sizes.first().copied().unwrap_or(7)).max(4);
    for reads in [usize::MAX, slowly] {
        let most = HELD + 24 * rules.len();
        memory::at_most(most, || play(scene, &[], reads, true, |_, _| {}));
    }
}

fn keep(scene: Scene<'_>, sizes: &[u8]) -> (Octets, Octets, Option<End>) {
    let (mut at_client, mut at_server, mut ended) = (Octets::default(), Octets::default(), None);
    play(scene, sizes, usize::MAX, false, |out, octets| match out {
        Out::ToClient => at_client.0.extend_from_slice(octets),
        Out::ToServer => at_server.0.extend_from_slice(octets),
        Out::Fresh => {
            at_client.0.extend_from_slice(b"[tls]");
            at_server.0.extend_from_slice(b"[fresh]");
        }
        Out::Ended(end) => ended = Some(end),
    });
    (at_client, at_server, ended)
}

/// `reads`: how much each side takes at once. `often`: what is said many times is said
/// so often.
fn play(scene: Scene<'_>, sizes: &[u8], reads: usize, often: bool, out: impl FnMut(Out, &[u8])) {
    let Scene { tls, can_start, logged_in, is_introduced, bare_newline, rules, mut events } = scene;
    let length = rules.len();
    let mut rules = Rules::parse(rules).unwrap_or_default();
    rules.set_environment(|name| logged_in && name == b"AUTHUP_USER");
    let introduction = is_introduced.then(|| Introduction {
        hello: Hello::decode(b"EHLO client").unwrap(),
        literal: Some(b"[192.0.2.7]".to_vec()),
    });
    let greeting = b"mx".to_vec();
    let config = RelayConfig { greeting, rules, tls, logged_in, introduction, bare_newline };
    let mut pump = Pump::new(config, (), length, reads, out);
    if !can_start {
        pump.tls_cannot_start();
    }
    let advance = if reads == usize::MAX { Pump::go } else { Pump::go_as_far_as_needed };
    let mut left = MOST;
    while !events.rest().is_empty() {
        let (says, happening) = happens(events.part(), often);
        // What was said before TLS is lost with it, cut or not.
        let fresh = pump.fresh;
        match happening {
            Happens::ClientCloses => pump.client_closes(),
            Happens::ServerCloses => pump.server_closes(),
            Happens::ClientSays => each_piece(&says, sizes, &mut left, |piece| {
                // Who is made to wait says no more, or it would fill our memory.
                if pump.fresh == fresh && !(often && pump.client_waits()) {
                    pump.client_says(piece);
                    advance(&mut pump);
                }
            }),
            Happens::ServerSays => each_piece(&says, sizes, &mut left, |piece| {
                if pump.fresh == fresh && !(often && pump.server_waits()) {
                    pump.server_says(piece);
                    advance(&mut pump);
                }
            }),
        }
        advance(&mut pump);
    }
    pump.go();
}

/// Up to `left` octets in pieces of these sizes; without sizes, of 4 KiB.
fn each_piece(octets: &[u8], sizes: &[u8], left: &mut usize, each: impl FnMut(&[u8])) {
    let octets = &octets[..octets.len().min(*left)];
    *left -= octets.len();
    if sizes.is_empty() {
        octets.chunks(4096).for_each(each);
    } else {
        pieces(octets, sizes).into_iter().for_each(each);
    }
}

/// One thing that happens, by its first octet: `S`, the server says what follows; `s`,
/// the server closes; `c`, the client closes; `L` and `K`, the server and the client say
/// it many times, up to 31 KiB of it, as the next octet
/// tells; anything else, the client says
/// what follows.
fn happens(event: &[u8], often: bool) -> (Cow<'_, [u8]>, Happens) {
    let many = |kib: u8, says: &[u8]| {
        let times = usize::from(kib % 32) * 1024 / says.len().max(1);
        Cow::Owned(says.repeat(if often { times } else { times.min(3) }))
    };
    match event {
        [b'c', ..] => (Cow::default(), Happens::ClientCloses),
        [b's', ..] => (Cow::default(), Happens::ServerCloses),
        [b'S', says @ ..] => (says.into(), Happens::ServerSays),
        [b'L', kib, says @ ..] => (many(*kib, says), Happens::ServerSays),
        [b'K', kib, says @ ..] => (many(*kib, says), Happens::ClientSays),
        [_, says @ ..] => (says.into(), Happens::ClientSays),
        [] => (Cow::default(), Happens::ClientSays),
    }
}
