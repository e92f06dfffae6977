//! `-I`: the interface that a link-local address is on, or a letter that says nothing.

use lexopt::Parser;
use std::ffi::{OsStr, OsString};
use std::net::{Ipv6Addr, ToSocketAddrs};

/// What `-I` names. tcpservers with IPv6 and newer sslservers take an interface there; to older
/// ones it is a letter without a value, and asks for what is always so. What stands behind it in
/// the same word could be either, and is refused where it is no interface.
pub(super) fn interface_of(parser: &mut Parser) -> Result<Option<String>, lexopt::Error> {
    let here = |word: &OsStr| word.to_str().filter(|name| is_interface(name)).map(str::to_owned);
    if let Some(word) = parser.optional_value() {
        let none = || format!("{}: no such interface", word.display()).into();
        return here(&word).ok_or_else(none).map(Some);
    }
    let mut rest = parser.raw_args()?;
    let interface = rest.peek().and_then(here);
    if interface.is_some() {
        rest.next();
    }
    Ok(interface)
}

/// As far as the resolver knows, who takes a number for one, too.
fn is_interface(name: &str) -> bool {
    let in_words = name.contains(|letter: char| letter.is_ascii_alphabetic());
    in_words && (format!("fe80::1%{name}"), 0).to_socket_addrs().is_ok()
}

/// A link-local address means something on an interface only; others need none.
pub(super) fn on_interface(host: OsString, interface: Option<&str>) -> OsString {
    let is_local = |text: &str| text.parse().is_ok_and(|ip: Ipv6Addr| ip.is_unicast_link_local());
    match interface {
        Some(interface) if host.to_str().is_some_and(is_local) => {
            format!("{}%{interface}", host.display()).into()
        }
        _ => host,
    }
}
