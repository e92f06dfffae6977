//! Services that would listen at one place: the second of them cannot.

use super::findings::Findings;
use super::service::Service;
use crate::run_script::Role;
use std::net::{IpAddr, SocketAddr};

/// Looks.
pub(super) fn check<'a>(services: impl Iterator<Item = &'a Service>, findings: &mut Findings) {
    let mut taken: Vec<(&Service, SocketAddr)> = Vec::new();
    for service in services {
        let links = service.script.links();
        let Some(server) = links.iter().find(|link| link.role() == Role::Server) else {
            continue;
        };
        let listens = service.listens(server).into_iter().filter(|_| service.row_is_known());
        // A free one is another each time.
        let listens: Vec<_> = listens.filter(|(here, _)| here.port() != 0).collect();
        for (here, place) in &listens {
            if let Some((other, _)) = taken.iter().find(|(_, there)| meet(*there, *here)) {
                let (port, other) = (here.port(), other.path.display());
                let text = format!("port {port}: {other} listens there, too: only one of them can");
                findings.warning(*place, text);
            }
        }
        taken.extend(listens.into_iter().map(|(here, _)| (service, here)));
    }
}

/// `::` is every address, of IPv4 as well.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip(), other.ip());
    let covers = |all: IpAddr, it: IpAddr| all.is_unspecified() && (all.is_ipv6() || it.is_ipv4());
    one.port() == other.port() && (a == b || covers(a, b) || covers(b, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_is_taken_once() {
        for (one, other, is_taken) in [
            ("192.0.2.1:25", "192.0.2.1:25", true),
            ("192.0.2.1:25", "192.0.2.2:25", false),
            ("192.0.2.1:25", "192.0.2.1:587", false),
            ("0.0.0.0:25", "192.0.2.1:25", true),
            ("0.0.0.0:25", "[2001:db8::1]:25", false),
            ("[::]:25", "[2001:db8::1]:25", true),
            ("[::]:25", "0.0.0.0:25", true),
            ("[::]:25", "192.0.2.1:25", true),
        ] {
            let (a, b) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!((meet(a, b), meet(b, a)), (is_taken, is_taken), "{one} {other}");
        }
    }
}
