//! What a TLS server reports (`proto::ucspi_tls`): read up to the first two NULs wherever
//! it is cut; no name but its own is taken, and no value that ends early; what our server
//! writes reads back; what is held has a bound.

use crate::choices::Choices;
use crate::cuts::in_any_pieces;
use crate::memory;
use proto::ucspi_tls::server::Encoder;
use proto::ucspi_tls::{Decoder, Fact, LIMIT, LONGEST, Progress, is_fact_name};

/// Sizes of pieces; then how many KiB of filling, and what arrives.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let sizes = choices.part();
    let kib = usize::from(choices.octet() % 160);
    let arriving = choices.rest();
    let read = in_any_pieces(arriving, sizes, decode);
    let end = arriving.windows(2).position(|two| two == b"\0\0");
    let expected = match end {
        Some(end) => Ok(facts(&arriving[..end])),
        None => Err(Progress::NeedInput),
    };
    assert_eq!(read, expected);
    encode(read.as_deref().unwrap_or_default());
    // Long before it, a report has to be given up.
    let filling = [&b"SSL_A=".repeat(kib * 1024 / 6), arriving].concat();
    let ends = filling.windows(2).position(|two| two == b"\0\0").map(|at| at + 2);
    let progress = memory::at_most(4 * LIMIT, || Decoder::default().push(&filling));
    assert_eq!(
        progress,
        match ends {
            _ if filling[..ends.unwrap_or(filling.len())]
                .split(|&octet| octet == 0)
                .any(|fact| fact.len() > LONGEST) =>
                Progress::TooLong,
            Some(_) => Progress::Done,
            None => Progress::NeedInput,
        }
    );
}

fn decode(pieces: &[&[u8]]) -> Result<Vec<Fact>, Progress> {
    let mut decoder = Decoder::default();
    let mut progress = Progress::NeedInput;
    for piece in pieces {
        progress = decoder.push(piece);
    }
    if progress == Progress::Done { Ok(decoder.into_facts()) } else { Err(progress) }
}

/// The facts between NULs.
fn facts(report: &[u8]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for entry in report.split(|&octet| octet == 0) {
        let equals = entry.iter().position(|&octet| octet == b'=').unwrap_or(entry.len());
        let (name, value) = (&entry[..equals], entry.get(equals + 1..));
        let text = String::from_utf8_lossy(name);
        let is_plain = text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        let is_one = is_plain && is_listed(&text);
        assert_eq!(is_fact_name(name), is_one);
        if is_one {
            facts.push(Fact { name: name.to_vec(), value: value.map(<[u8]>::to_vec) });
        }
    }
    facts
}

/// No name that a library reads is among them.
fn is_listed(name: &str) -> bool {
    assert!(!is_fact_name(b"SSL_CERT_FILE") && !is_fact_name(b"SSL_CERT_DIR"));
    let Some(name) = name.strip_prefix("SSL_") else { return false };
    match name {
        "PROTOCOL" | "CIPHER" | "COMPRESS_METHOD" | "SECURE_RENEG" => true,
        "SRP_USER" | "SRP_USERINFO" | "VERSION_INTERFACE" | "VERSION_LIBRARY" => true,
        _ => ["CIPHER_", "CLIENT_", "PEER_CERT_", "SERVER_", "SESSION_", "TLS_"]
            .iter()
            .any(|family| name.starts_with(family)),
    }
}

/// What was read is written again, and reads as the same.
fn encode(facts: &[Fact]) {
    let mut encoder = Encoder::default();
    let present: Vec<&Fact> = facts.iter().filter(|fact| fact.value.is_some()).collect();
    for fact in &present {
        let name = std::str::from_utf8(&fact.name).expect("names are ASCII");
        encoder.push(name, fact.value.as_deref().unwrap_or_default());
        encoder.push(name, b"a\0b");
    }
    let again = decode(&[&encoder.finish()]).expect("a report ends");
    assert!(again.iter().eq(present));
}
