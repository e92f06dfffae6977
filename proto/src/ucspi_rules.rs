//! The rules of tcpserver and sslserver: which keys are looked up for a client, and what a
//! value says.
//!
//! The file (`-x rules.cdb`, made by `tcprules`) is opened by the caller. The keys
//! are tried in order and the first that is found decides. They are the keys of three
//! packages, each with a tcprules of its own, none of which takes a key for something else:
//!
//! - ucspi-tcp: an IPv4 address, and its beginnings, each ended by a dot;
//! - Debian's ucspi-tcp-ipv6: the same of an IPv6 address, with colons, as its tcpserver
//!   writes it;
//! - ucspi-tcp6: an IPv6 address in full, and networks in the form `ADDRESS/BITS`, each as a row
//!   of its bits.
//!
//! Names of clients, and what an ident server says of them, are not looked up. Whoever looks
//! over a file asks [`written`] which keys are for nobody.

use crate::variables::Variables;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str;

/// The keys for a client, in the order in which they are to be tried: its address, the
/// beginnings of that, the networks that it is in, and what is for everybody.
#[must_use]
pub fn keys(client: IpAddr) -> Vec<Vec<u8>> {
    let mut keys: Vec<_> = match client.to_canonical() {
        IpAddr::V4(address) => with_beginnings(&address.to_string(), '.').collect(),
        IpAddr::V6(address) => keys_by_text(address),
    }
    .into_iter()
    .map(String::into_bytes)
    .collect();
    keys.extend(networks(client.to_canonical()));
    keys.push(Vec::new());
    keys
}

/// The address as the log has it, as tcpserver of ucspi-tcp-ipv6 writes it, and in full, and
/// the beginnings of the first two, the longest first.
fn keys_by_text(address: Ipv6Addr) -> Vec<String> {
    let mut keys: Vec<String> = with_beginnings(&address.to_string(), ':').collect();
    if let Some(other) = with_one_group_left_out(address) {
        keys.extend(with_beginnings(&other, ':'));
        // An address has no more colons than its beginnings, but does not end in one.
        let colons = |key: &str| key.matches(':').count();
        keys.sort_by_key(|key| (key.ends_with(':'), Reverse(colons(key))));
    }
    let groups = address.segments().map(|group| format!("{group:04X}"));
    keys.insert(0, groups.join(":"));
    // Forms can be the same, and an address can end in "::" as its longest beginning does.
    keys.dedup();
    keys
}

/// As ucspi-tcp-ipv6 writes an address where that differs from how others do: it leaves a
/// zero out also where that has none beside it. RFC 5952 does not.
fn with_one_group_left_out(address: Ipv6Addr) -> Option<String> {
    let groups = address.segments();
    let left_out = groups.iter().position(|group| *group == 0)?;
    if groups.windows(2).any(|pair| pair == [0, 0]) {
        return None;
    }
    let (before, after) = groups.split_at(left_out);
    let text = |groups: &[u16]| {
        let groups: Vec<_> = groups.iter().map(|group| format!("{group:x}")).collect();
        groups.join(":")
    };
    Some(format!("{}::{}", text(before), text(after.get(1..)?)))
}

/// "192.168.1.7", "192.168.1.", "192.168.", "192.": a text, and that cut back to each separator.
fn with_beginnings(text: &str, separator: char) -> impl Iterator<Item = String> {
    let cut = text.rmatch_indices(separator).filter_map(|(at, _)| text.get(..=at));
    core::iter::once(text).chain(cut).map(String::from)
}

/// How ucspi-tcp6 writes the networks that an address is in, the smallest first. Some of its
/// versions end each with a NUL.
fn networks(address: IpAddr) -> impl Iterator<Item = Vec<u8>> {
    let row = row_of_bits(address);
    let without_bits = 1;
    (without_bits + 1..=row.len()).rev().flat_map(move |length| {
        let network = row.get(..length).unwrap_or_default().to_vec();
        let mut ended = network.clone();
        ended.push(0);
        [ended, network]
    })
}

/// A mark that says which addresses these are, and an octet for each bit: `0`, or for the ones of
/// an IPv4 address the character that belongs to the bit's place, of an IPv6 address the
/// next one in a row.
fn row_of_bits(address: IpAddr) -> Vec<u8> {
    const OF_PLACES: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz123456";
    match address {
        IpAddr::V4(address) => {
            let bits = OF_PLACES.iter().enumerate().map(|(place, one)| {
                let is_one = address.to_bits() << place >> 31 == 1;
                if is_one { *one } else { b'0' }
            });
            core::iter::once(b'_').chain(bits).collect()
        }
        IpAddr::V6(address) => {
            let mut ones = b'`'..=u8::MAX;
            let bits = (0..128).map(|place| {
                let is_one = address.to_bits() << place >> 127 == 1;
                if is_one { ones.next().unwrap_or_default() } else { b'0' }
            });
            core::iter::once(b'^').chain(bits).collect()
        }
    }
}

/// What has been written before the colon for a key, where there are clients for which it is
/// looked up.
#[must_use]
pub fn written(key: &[u8]) -> Option<String> {
    let (client, text) = match key.split_first() {
        None => return Some(String::new()),
        Some((b'_', bits)) => {
            network(bits, |bits| Ipv4Addr::from_bits((bits >> 96) as u32).into())?
        }
        Some((b'^', bits)) => network(bits, |bits| Ipv6Addr::from_bits(bits).into())?,
        Some(_) => {
            let text = str::from_utf8(key).ok()?;
            if let Ok(address) = text.parse::<IpAddr>() {
                (address, address.to_string())
            } else {
                (somebody_in(text)?, text.into())
            }
        }
    };
    is_for(client, key).then_some(text)
}

fn is_for(client: IpAddr, key: &[u8]) -> bool {
    keys(client).iter().any(|known| known == key)
}

/// The network's first address, and its text.
fn network(bits: &[u8], address: fn(u128) -> IpAddr) -> Option<(IpAddr, String)> {
    let bits = bits.strip_suffix(b"\0").unwrap_or(bits);
    if bits.len() > 128 {
        return None;
    }
    let ones = bits.iter().zip((0..128).rev()).filter(|(bit, _)| **bit != b'0');
    let address = address(ones.map(|(_, place)| 1 << place).sum());
    Some((address, format!("{address}/{}", bits.len())))
}

/// An address with this beginning, as far as there is one.
fn somebody_in(beginning: &str) -> Option<IpAddr> {
    let rests = [".", ":"].into_iter().flat_map(|separator| {
        (1..8).flat_map(move |groups| {
            let rest = alloc::vec!["1"; groups].join(separator);
            [format!("{separator}{rest}"), rest]
        })
    });
    let somebody = rests.filter_map(|rest| format!("{beginning}{rest}").parse().ok());
    somebody.into_iter().find(|address| is_for(*address, beginning.as_bytes()))
}

/// What a rule says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instructions {
    /// The connection is refused.
    pub refuse: bool,
    /// What is added to the program's environment.
    pub environment: Variables,
}

/// A value that is not a row of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Reads a value: a row of `D` (refuse) and `+NAME=value` (set a variable), each
/// ended by NUL, as `tcprules` writes them.
///
/// # Errors
/// When it is anything else: an unknown instruction, a missing NUL, no name.
pub fn instructions(value: &[u8]) -> Result<Instructions, Malformed> {
    let mut found = Instructions::default();
    let mut rest = value;
    while !rest.is_empty() {
        let end = memchr::memchr(0, rest).ok_or(Malformed)?;
        let (instruction, after) = rest.split_at(end);
        match instruction.split_first() {
            Some((b'D', [])) => found.refuse = true,
            Some((b'+', setting)) => found.environment.push(variable(setting)?),
            _ => return Err(Malformed),
        }
        rest = after.get(1..).unwrap_or_default();
    }
    Ok(found)
}

fn variable(setting: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
    let equals = memchr::memchr(b'=', setting).filter(|&at| at > 0).ok_or(Malformed)?;
    let (name, value) = setting.split_at(equals);
    Ok((name.to_vec(), value.get(1..).unwrap_or_default().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables::named;
    use alloc::vec;

    /// The keys that are no rows of bits.
    fn texts(client: &str) -> Vec<String> {
        let keys = keys(client.parse().unwrap()).into_iter();
        let texts = keys.filter(|key| !matches!(key.first(), Some(b'_' | b'^')));
        texts.map(|key| String::from_utf8(key).unwrap()).collect()
    }

    #[test]
    fn an_address_and_its_beginnings() {
        let expected = ["192.168.1.7", "192.168.1.", "192.168.", "192.", ""];
        assert_eq!(texts("192.168.1.7"), expected);
        assert_eq!(texts("::ffff:192.168.1.7"), expected, "mapped");
        let in_full = "2001:0DB8:0001:0001:0000:0000:0000:0001";
        let beginnings = ["2001:db8:1:1::", "2001:db8:1:1:", "2001:db8:1:", "2001:db8:", "2001:"];
        let expected = [&[in_full, "2001:db8:1:1::1"][..], &beginnings, &[""]].concat();
        assert_eq!(texts("2001:db8:1:1::1"), expected);
        let in_full = "0000:0000:0000:0000:0000:0000:0000:0001";
        assert_eq!(texts("::1"), [in_full, "::1", "::", ":", ""]);
    }

    /// As ucspi-tcp-ipv6's tcpserver was seen to write them in `TCPREMOTEIP`.
    #[test]
    fn d71_an_address_is_written_as_by_ucspi_tcp_ipv6() {
        for (client, written) in [
            ("::1", "::1"),
            ("2001:db8:0:1::1", "2001:db8:0:1::1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8::1:1:1:1:1"),
            ("2001:db8:1:0:0:1:0:0", "2001:db8:1::1:0:0"),
            ("1:0:0:1:0:0:0:1", "1:0:0:1::1"),
            ("2001:0:1:0:1:0:1:1", "2001::1:0:1:0:1:1"),
            ("2001:db8:1:2:3:4:5:0", "2001:db8:1:2:3:4:5::"),
            ("64:ff9b::102:304", "64:ff9b::102:304"),
            ("::102:304", "::102:304"),
            ("fe80::5", "fe80::5"),
        ] {
            let keys = texts(client);
            let mut beginnings: Vec<_> = with_beginnings(written, ':').collect();
            beginnings.dedup();
            let mut found = keys.iter().filter(|key| beginnings.contains(*key));
            assert!(beginnings.iter().all(|key| found.next() == Some(key)), "{client}: {keys:?}");
        }
    }

    #[test]
    fn whole_addresses_are_before_beginnings_and_long_ones_before_short_ones() {
        assert_eq!(
            texts("2001:db8:0:1:2:3:4:5"),
            [
                "2001:0DB8:0000:0001:0002:0003:0004:0005",
                "2001:db8:0:1:2:3:4:5",
                "2001:db8::1:2:3:4:5",
                "2001:db8:0:1:2:3:4:",
                "2001:db8::1:2:3:4:",
                "2001:db8:0:1:2:3:",
                "2001:db8::1:2:3:",
                "2001:db8:0:1:2:",
                "2001:db8::1:2:",
                "2001:db8:0:1:",
                "2001:db8::1:",
                "2001:db8:0:",
                "2001:db8::",
                "2001:db8:",
                "2001:",
                ""
            ]
        );
    }

    #[test]
    fn d71_networks_are_rows_of_bits_as_in_ucspi_tcp6() {
        for (client, row, network) in [
            ("10.1.2.3", &b"_0000e0g0"[..], "10.0.0.0/8"),
            ("192.0.2.127", b"_ab00000000000000000000w00", "192.0.2.0/25"),
            ("192.0.2.255", b"_ab00000000000000000000w0yz123456", "192.0.2.255/32"),
            ("2001:db8:1::1", b"^00`000000000000a0000bc0de0fgh000", "2001:db8::/32"),
        ] {
            let keys = keys(client.parse().unwrap());
            for key in [row.to_vec(), [row, b"\0"].concat()] {
                assert!(keys.contains(&key), "{client}: {network}");
                assert_eq!(written(&key).as_deref(), Some(network));
            }
        }
    }

    #[test]
    fn the_smallest_network_is_first_and_all_have_two_forms() {
        for (client, mark, bits) in [("10.1.2.3", b'_', 32), ("2001:db8::ffff", b'^', 128)] {
            let keys = keys(client.parse().unwrap()).into_iter();
            let rows: Vec<_> = keys.filter(|key| key.first() == Some(&mark)).collect();
            assert_eq!(rows.len(), 2 * bits);
            for (pair, length) in rows.chunks(2).zip((1..=bits).rev()) {
                assert_eq!(pair[0], [&pair[1][..], b"\0"].concat());
                assert_eq!(pair[1].len(), 1 + length);
            }
        }
        // Every bit of IPv6 can be a one, and each has a character of its own.
        let all = keys("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap());
        let longest = all.iter().find(|key| key.first() == Some(&b'^')).unwrap();
        assert_eq!(longest[1..129], (96..224).collect::<Vec<u8>>());
    }

    #[test]
    fn what_keys_are_for_somebody() {
        for key in [
            "",
            "10.",
            "10.1.",
            "10.1.2.",
            "10.1.2.3",
            "::1",
            "::",
            ":",
            "2001:",
            "2001:db8:",
            "2001:db8::",
            "2001:db8:0:",
            "2001:db8::1:",
            "2001:db8:0:1:",
            "2001:db8:1:2::3",
            "fe80:",
            "2001:db8:1:2:3:4:5:",
        ] {
            assert_eq!(written(key.as_bytes()).as_deref(), Some(key));
        }
        let key = b"2001:0DB8:0001:0001:0000:0000:0000:0001";
        assert_eq!(written(key).as_deref(), Some("2001:db8:1:1::1"));
        assert_eq!(written(b"_0000e0g0\0").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(written(b"_0000e0g0").as_deref(), Some("10.0.0.0/8"));
        for key in [
            "10",
            "10.1",
            "10.1.2.3.",
            "010.",
            "256.",
            ".",
            "10.0.0.0/8",
            "2001:db8",
            "2001:0db8:",
            "2001:DB8:",
            "2001:db8::/32",
            "2001:db8::0:1",
            "::ffff:10.1.2.3",
            "=",
            "=example.org",
            "=.org",
            "joe@10.1.2.3",
            "joe@",
            "_",
            "^",
            "_1",
            "^1",
            "_0000f",
            "no address",
            "12345:",
            "2001:db8:::",
        ] {
            assert_eq!(written(key.as_bytes()), None, "{key}");
        }
        assert_eq!(written(b"\xff"), None);
        assert_eq!(written(&[b'_'; 200]), None);
    }

    #[test]
    fn a_row_of_instructions() {
        assert_eq!(instructions(b""), Ok(Instructions::default()));
        assert_eq!(instructions(b"D\0"), Ok(Instructions { refuse: true, environment: vec![] }));
        assert_eq!(
            instructions(b"D\0+RELAYCLIENT=\0+A=b=c\0"),
            Ok(Instructions {
                refuse: true,
                environment: vec![
                    (b"RELAYCLIENT".to_vec(), vec![]),
                    (b"A".to_vec(), b"b=c".to_vec())
                ],
            })
        );
    }

    #[test]
    fn of_several_values_the_last_counts() {
        let added = instructions(b"+A=1\0+B=2\0+A=3\0").unwrap().environment;
        assert_eq!(named(&added, "A"), Some(&b"3"[..]));
        assert_eq!([named(&added, "B"), named(&added, "C")], [Some(&b"2"[..]), None]);
    }

    #[test]
    fn anything_else_is_malformed() {
        for value in
            [&b"x\0"[..], b"\0", b"D", b"+A=b", b"+A\0", b"+=b\0", b"+\0", b"DD\0", b"D\0z"]
        {
            assert_eq!(instructions(value), Err(Malformed), "{value:?}");
        }
    }
}
