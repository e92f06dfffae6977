//! The small grammars: what checkpassword reads (`proto::checkpassword`), qmail's control
//! files (`proto::control`), and the values and keys of tcprules (`proto::ucspi_rules`).
//! Each says what a model says, and what one half writes the other reads.

use proto::checkpassword::reader::{Credentials, RecordError};
use proto::checkpassword::{LIMIT, Record};
use proto::{control, ucspi_rules};
use std::net::IpAddr;

/// The same octets for all.
pub fn check(input: &[u8]) {
    credentials(input);
    control_file(input);
    instructions(input);
    keys(input);
}

fn credentials(input: &[u8]) {
    let strings: Vec<&[u8]> = input.split(|&octet| octet == 0).collect();
    let read = Credentials::decode(input);
    match (&read, strings.as_slice()) {
        (Err(RecordError::TooLong), _) => assert!(input.len() > LIMIT),
        (Ok(read), [user, password, timestamp, _, ..]) => {
            assert_eq!([read.user, read.password, read.timestamp], [*user, password, timestamp]);
            assert_eq!(format!("{read:?}"), "[credentials]", "shows a password");
        }
        (Err(RecordError::CutOff), [] | [_] | [_, _] | [_, _, _]) => {}
        _ => panic!("{:?} of {} strings", read.is_ok(), strings.len()),
    }
    let [user, password, timestamp, ..] = strings.as_slice() else { return };
    let length = user.len() + password.len() + timestamp.len() + 3;
    let record = Record::new(user, password, timestamp);
    let is_sound = !user.is_empty() && !password.is_empty() && length <= LIMIT;
    assert_eq!(record.is_some(), is_sound);
    if let Some(record) = record {
        let read = Credentials::decode(record.expose()).expect("a record can be read");
        assert_eq!([read.user, read.password, read.timestamp], [*user, password, timestamp]);
        assert!(!format!("{record:?}").contains(&format!("{password:?}")), "shows a password");
    }
    // What holds a NUL is never offered.
    assert!(Record::new(input, b"x", b"").is_none() || !input.contains(&0));
    assert!(Record::new(b"x", input, b"").is_none() || !input.contains(&0));
}

fn control_file(input: &[u8]) {
    let trimmed = |line: &[u8]| -> Vec<u8> {
        let mut line = line.to_vec();
        while line.last().is_some_and(|last| b" \t\r".contains(last)) {
            line.pop();
        }
        line
    };
    let all: Vec<Vec<u8>> = input.split(|&octet| octet == b'\n').map(trimmed).collect();
    assert_eq!(control::one_line(input), all[0]);
    let mut kept = control::list(input);
    for (number, line) in all.iter().enumerate() {
        if !line.is_empty() && line[0] != b'#' {
            assert_eq!(kept.next(), Some((number + 1, line.as_slice())));
        }
    }
    assert_eq!(kept.next(), None);
    assert!(
        control::lines(input)
            .iter()
            .map(Vec::as_slice)
            .eq(control::list(input).map(|(_, line)| line))
    );
    let digits = input.iter().take_while(|octet| octet.is_ascii_digit());
    let number = digits.fold(None, |number: Option<u128>, digit| {
        let number = number.unwrap_or(0).saturating_mul(10);
        Some(number.saturating_add(u128::from(digit - b'0')))
    });
    assert_eq!(control::seconds(input), number.and_then(|number| number.try_into().ok()));
}

fn instructions(input: &[u8]) {
    let Ok(read) = ucspi_rules::instructions(input) else { return };
    let mut written = Vec::new();
    for (name, value) in &read.environment {
        assert!(!name.is_empty() && !name.contains(&b'=') && !name.contains(&0));
        assert!(!value.contains(&0));
        written.extend([b"+", &name[..], b"=", value, b"\0"].concat());
    }
    // All that was there has been understood.
    let refuses = input.split(|&octet| octet == 0).filter(|part| part == b"D").count();
    assert_eq!(refuses > 0, read.refuse);
    assert_eq!(written.len() + 2 * refuses, input.len());
    let again = ucspi_rules::instructions(&written).map(|again| again.environment);
    assert_eq!(again, Ok(read.environment));
}

/// The keys for an address are for somebody, none is there twice, and the one for everybody
/// is the last.
fn keys(input: &[u8]) {
    let _any_octets_can_be_asked_for = ucspi_rules::written(input);
    let ip: IpAddr = match (input.first_chunk::<16>(), input.first_chunk::<4>()) {
        (Some(octets), _) => (*octets).into(),
        (None, Some(octets)) => (*octets).into(),
        (None, None) => return,
    };
    let keys = ucspi_rules::keys(ip);
    let address = ip.to_canonical().to_string();
    assert!(keys.iter().take(2).any(|key| key == address.as_bytes()));
    assert_eq!(keys.last().map(Vec::as_slice), Some(&b""[..]), "the rule for all is the last");
    for key in &keys {
        assert!(ucspi_rules::written(key).is_some(), "{key:?} is for {ip}");
        assert_eq!(keys.iter().filter(|other| *other == key).count(), 1, "{key:?}");
    }
}
