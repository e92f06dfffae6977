//! The client's address, as a UCSPI server says it: where `PROTO` is `TCP6`, some say it under
//! names of its own only.

use crate::environment::Environment;
use proto::names::Variable;

/// Whether the names are those for IPv6.
#[must_use]
pub fn is_named_for_ipv6(environment: &Environment) -> bool {
    environment.get(Variable::Proto) == Some(b"TCP6")
}

/// The address, as it is written there.
#[must_use]
pub fn address(environment: &Environment) -> Option<&[u8]> {
    environment.get(match is_named_for_ipv6(environment) {
        true => Variable::Tcp6RemoteIp,
        false => Variable::TcpRemoteIp,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_says_by_which_name() {
        let mut environment = Environment::default();
        assert_eq!(address(&environment), None);
        environment.set(Variable::TcpRemoteIp, Some(b"192.0.2.7"));
        environment.set(Variable::Tcp6RemoteIp, Some(b"2001:db8::7"));
        for (protocol, seen) in
            [("TCP", "192.0.2.7"), ("TLS", "192.0.2.7"), ("TCP6", "2001:db8::7")]
        {
            environment.set(Variable::Proto, Some(protocol.as_bytes()));
            assert_eq!(address(&environment), Some(seen.as_bytes()), "{protocol}");
        }
    }
}
