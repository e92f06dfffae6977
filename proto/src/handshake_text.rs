//! What a TLS server signs in a handshake, told from everything else.
//!
//! The process that has the private key asks here before it signs anything: whoever asks
//! it to sign may have been taken over. Most octets are the asker's choice, so what counts
//! is what else they could be: nothing that reads as DER is signed, as certificates,
//! requests for them, lists of revoked ones and OCSP's answers do.

use alloc::vec::Vec;

/// How a TLS 1.3 server's text begins (RFC 8446, 4.4.3); a transcript's hash follows.
const BLANKS: usize = 64;
const CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\0";
/// SHA-256 and SHA-384, which is what TLS 1.3's cipher suites have.
const HASHES: [usize; 2] = [32, 48];

/// The two randoms before TLS 1.2's parameters (RFC 8422, 5.4).
const RANDOMS: usize = 64;
/// A curve by its name.
const NAMED_CURVE: u8 = 3;
/// The curves that engines offer, by their numbers.
const X25519: u16 = 29;
const SECP256R1: u16 = 23;
const SECP384R1: u16 = 24;
/// How a point begins that is not compressed (RFC 8422, 5.4.1).
const UNCOMPRESSED: u8 = 4;

/// A text that a handshake has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeText {
    /// The content of TLS 1.3's `CertificateVerify`.
    Tls13,
    /// The randoms and parameters of TLS 1.2's `ServerKeyExchange`, by ECDHE.
    Tls12,
}

impl HandshakeText {
    /// Which it is; none where it is something else, or could be.
    ///
    /// Of honest TLS 1.2 handshakes one in some millions is refused, as its client's
    /// random happens to begin a structure that ends where the text ends.
    #[must_use]
    pub fn of(text: &[u8]) -> Option<Self> {
        if is_tls13(text) {
            Some(Self::Tls13)
        } else if is_tls12(text) && !is_der(text) {
            Some(Self::Tls12)
        } else {
            None
        }
    }

    /// TLS 1.3's text for a transcript that is none: to have something signed that serves
    /// no handshake.
    #[must_use]
    pub fn of_no_handshake() -> Vec<u8> {
        [&[b' '; BLANKS], CONTEXT, &[0; 32]].concat()
    }

    /// Whether it may be signed by this `SignatureScheme` (RFC 8446, 4.2.3): PKCS#1 v1.5
    /// is not for TLS 1.3, and what is not named there, or has SHA-1, for neither.
    #[must_use]
    pub const fn may_have(self, scheme: u16) -> bool {
        match scheme {
            // rsa_pkcs1
            0x0401 | 0x0501 | 0x0601 => matches!(self, Self::Tls12),
            // ecdsa, rsa_pss_rsae, ed25519
            0x0403 | 0x0503 | 0x0603 | 0x0804..=0x0807 => true,
            _ => false,
        }
    }
}

fn is_tls13(text: &[u8]) -> bool {
    let Some((blanks, rest)) = text.split_at_checked(BLANKS) else { return false };
    blanks.iter().all(|&octet| octet == b' ')
        && rest.strip_prefix(CONTEXT).is_some_and(|hash| HASHES.contains(&hash.len()))
}

fn is_tls12(text: &[u8]) -> bool {
    let Some(&[NAMED_CURVE, high, low, count, ref key @ ..]) = text.get(RANDOMS..) else {
        return false;
    };
    let is_point = key.first() == Some(&UNCOMPRESSED);
    let length = match u16::from_be_bytes([high, low]) {
        X25519 => 32,
        SECP256R1 if is_point => 65,
        SECP384R1 if is_point => 97,
        _ => return false,
    };
    usize::from(count) == length && key.len() == length
}

/// Whether the octets are one SEQUENCE or SET, to the last of them, of whole elements.
fn is_der(octets: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;
    let Some((SEQUENCE | SET, mut elements, [])) = element(octets) else { return false };
    while !elements.is_empty() {
        let Some((_, _, rest)) = element(elements) else { return false };
        elements = rest;
    }
    true
}

/// The first element: its tag, its content, and what is behind it. As lenient as any
/// reader of certificates is about how a length is written.
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, octets) = octets.split_first()?;
    let (&first, octets) = octets.split_first()?;
    let (length, octets) = match first {
        0..0x80 => (usize::from(first), octets),
        // The text has fewer than 256 octets, and leading zeros are no more than it has.
        0x80.. => {
            let (count, octets) = octets.split_at_checked(usize::from(first & 0x7F))?;
            let count = count.iter().fold(0_usize, |length, &octet| {
                length.saturating_mul(256).saturating_add(usize::from(octet))
            });
            (count, octets)
        }
    };
    let (content, rest) = octets.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn tls13(hash: usize) -> Vec<u8> {
        [vec![b' '; 64], CONTEXT.to_vec(), vec![7; hash]].concat()
    }

    fn tls12(curve: u16, first: u8, count: u8) -> Vec<u8> {
        let curve = curve.to_be_bytes();
        let key = [vec![first], vec![1; usize::from(count) - 1]].concat();
        [vec![9; 64], vec![NAMED_CURVE], curve.to_vec(), vec![count], key].concat()
    }

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
        [head, content.to_vec()].concat()
    }

    /// What a certificate authority signs, in the shortest form; `issuer` is its name.
    /// Wherever the serial number spans the octets that tell the curve, it reads as a
    /// handshake's text to whoever looks no further.
    fn certificate(issuer: &[u8], curve: u16, count: u8) -> Vec<u8> {
        let validity = [der(0x17, b"260101000000Z"), der(0x17, b"360101000000Z")].concat();
        let ed25519 = der(0x30, &der(6, &[0x2B, 0x65, 0x70]));
        let key = [ed25519.clone(), der(3, &[0; 33])].concat();
        let behind =
            [ed25519, der(0x30, issuer), der(0x30, &validity), der(0x30, b""), der(0x30, &key)]
                .concat();
        let whole = 68 + usize::from(count);
        let head = [if whole < 130 { 2 } else { 3 }, 2].into_iter().sum::<usize>();
        let mut serial = vec![1; whole - head - behind.len()];
        let at = 64 - head;
        serial[at] = NAMED_CURVE;
        serial[at + 1..at + 3].copy_from_slice(&curve.to_be_bytes());
        serial[at + 3] = count;
        if let Some(first) = serial.get_mut(at + 4) {
            *first = UNCOMPRESSED;
        }
        der(0x30, &[der(2, &serial), behind].concat())
    }

    #[test]
    fn a_handshake_is_signed() {
        for text in [tls13(32), tls13(48), HandshakeText::of_no_handshake()] {
            assert_eq!(HandshakeText::of(&text), Some(HandshakeText::Tls13), "{text:?}");
        }
        for text in [tls12(X25519, 1, 32), tls12(SECP256R1, 4, 65), tls12(SECP384R1, 4, 97)] {
            assert_eq!(HandshakeText::of(&text), Some(HandshakeText::Tls12), "{text:?}");
        }
    }

    #[test]
    fn nothing_else_is() {
        let client = [vec![b' '; 64], b"TLS 1.3, client CertificateVerify\0".to_vec(), vec![7; 32]];
        let mut another_kind = tls12(X25519, 1, 32);
        another_kind[64] = 1;
        for text in [
            vec![],
            tls13(31),
            tls13(33),
            [tls13(32), vec![0]].concat(),
            tls13(48)[1..].to_vec(),
            client.concat(),
            another_kind,
            vec![3; 100],
            // secp521r1 is not offered, nor x448; nor is one curve's length another's.
            tls12(25, 4, 133),
            tls12(30, 1, 56),
            tls12(X25519, 4, 65),
            tls12(SECP256R1, 4, 32),
            tls12(SECP256R1, 4, 97),
            // Compressed points.
            tls12(SECP256R1, 2, 33),
            tls12(SECP256R1, 3, 65),
            tls12(SECP384R1, 2, 97),
            tls12(200, 4, 200),
        ] {
            assert_eq!(HandshakeText::of(&text), None, "{text:?}");
        }
        for whole in [tls12(X25519, 1, 32), tls12(SECP256R1, 4, 65), tls13(32)] {
            let longer = [&whole[..], b"\0"].concat();
            for text in (0..whole.len()).map(|end| &whole[..end]).chain([&longer[..]]) {
                assert_eq!(HandshakeText::of(text), None, "{text:?}");
            }
        }
    }

    #[test]
    fn no_certificate_is() {
        // With any curve and length, as the shape alone was once enough; and as one that
        // has the very shape, which fits where its issuer has no name.
        let name = der(0x31, &der(0x30, &[der(6, &[0x55, 4, 3]), der(12, b"ca")].concat()));
        for forged in [certificate(&name, 0x0101, 120), certificate(b"", SECP384R1, 97)] {
            assert_eq!(HandshakeText::of(&forged), None, "{forged:?}");
        }
        assert!(is_tls12(&certificate(b"", SECP384R1, 97)), "the shape alone would do");
    }

    #[test]
    fn no_list_of_revoked_certificates_is() {
        let mut list = vec![];
        list.extend(der(0x30, &der(6, &[0x2B, 0x65, 0x70])));
        list.extend(der(0x30, b""));
        list.extend(der(0x17, b"260101000000Z"));
        list.extend(der(0x17, b"360101000000Z"));
        let date = der(0x17, b"260101000000Z");
        let at = 64 - (2 + list.len() + 4 + 2);
        let mut serial = vec![1; 100 - 2 - list.len() - 4 - 2 - date.len()];
        serial[at..at + 4].copy_from_slice(&[NAMED_CURVE, 0, 29, 32]);
        list.extend(der(0x30, &der(0x30, &[der(2, &serial), date].concat())));
        let list = der(0x30, &list);
        assert!(is_tls12(&list), "the shape alone would do");
        assert_eq!(HandshakeText::of(&list), None);
        // However its length is written.
        for length in [&[0x81, 98][..], &[0x82, 0, 98]] {
            let mut longer = [&[0x30], length, &list[2..]].concat();
            assert!(is_der(&longer));
            longer.pop();
            assert!(!is_der(&longer));
        }
    }

    #[test]
    fn pkcs1_is_not_for_tls13_and_sha1_for_nothing() {
        use HandshakeText::{Tls12, Tls13};
        for scheme in 0..=u16::MAX {
            let tls13 = [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807];
            let only_tls12 = [0x0401, 0x0501, 0x0601];
            assert_eq!(Tls13.may_have(scheme), tls13.contains(&scheme), "{scheme:#06x}");
            let either = tls13.contains(&scheme) || only_tls12.contains(&scheme);
            assert_eq!(Tls12.may_have(scheme), either, "{scheme:#06x}");
        }
    }
}
