//! Looking a peer up in the rules file. It is opened for every connection, as
//! tcpserver does, so that a new one holds from the next connection on.
//!
//! It is read and never mapped: who writes it in place can have connections refused for as
//! long as that takes, and nothing else.

use proto::cdb::{Lookup, Progress};
use proto::ucspi_rules::{Instructions, instructions, keys};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use unix::regular_file::RegularFile;

/// What the rules say about a peer; no rule: it may connect.
///
/// # Errors
/// When the file cannot be read, changes meanwhile, or says what is no rule: nobody may
/// connect then.
pub(super) fn look_up(file: &Path, peer: IpAddr) -> io::Result<Instructions> {
    let rules = RegularFile::open(file)?;
    let found = first_of(&rules, peer)?;
    if !rules.is_as_opened()? {
        return Err(io::Error::other("it changed while it was read"));
    }
    Ok(found)
}

fn first_of(rules: &RegularFile, peer: IpAddr) -> io::Result<Instructions> {
    // Names of peers are not looked up, so no `=HOST` key is ever tried.
    for key in keys(&peer.to_string(), None) {
        if let Some(found) = value_of(rules, key.as_bytes())? {
            let malformed = |_| io::Error::other(format!("malformed rule for \"{key}\""));
            return instructions(&found).map_err(malformed);
        }
    }
    Ok(Instructions::default())
}

fn value_of(rules: &RegularFile, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let malformed = || io::Error::other("not a file of tcprules");
    let (mut lookup, mut wanted) = Lookup::new(key);
    loop {
        let mut octets = vec![0; wanted.length];
        rules.read_exact_at(wanted.at, &mut octets).map_err(|reason| match reason.kind() {
            io::ErrorKind::UnexpectedEof => malformed(),
            _ => reason,
        })?;
        match lookup.push(&octets).map_err(|_| malformed())? {
            Progress::Wants(next) => wanted = next,
            Progress::Found(value) => return Ok(Some(value)),
            Progress::Absent => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cdb2::CDBWriter;

    #[test]
    fn the_closest_key_decides() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rules.cdb");
        let mut writer = CDBWriter::create(file.to_str().unwrap()).unwrap();
        for (key, value) in
            [("192.0.2.7", "+RELAYCLIENT=\0"), ("192.0.2.", "D\0"), ("10.", "x"), ("", "+A=b\0")]
        {
            writer.add(key.as_bytes(), value.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        let found = |peer: &str| look_up(&file, peer.parse().unwrap());
        assert_eq!(found("192.0.2.7").unwrap().environment, [(b"RELAYCLIENT".to_vec(), vec![])]);
        assert!(found("192.0.2.8").unwrap().refuse);
        assert_eq!(found("::1").unwrap().environment, [(b"A".to_vec(), b"b".to_vec())]);
        assert_eq!(found("10.1.1.1").unwrap_err().to_string(), "malformed rule for \"10.\"");
    }

    #[test]
    fn no_file_and_no_rules_file_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rules.cdb");
        let peer = "192.0.2.7".parse().unwrap();
        assert_eq!(look_up(&file, peer).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(&file, "short").unwrap();
        assert!(look_up(&file, peer).is_err());
        std::fs::write(&file, [0xff; 4096]).unwrap();
        assert!(look_up(&file, peer).is_err());
    }
}
