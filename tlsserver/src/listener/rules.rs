//! Looking a peer up in the rules file. It is opened for every connection, as
//! tcpserver does, so that a new one holds from the next connection on.
//!
//! It is read and never mapped: who writes it in place can have connections refused for as
//! long as that takes, and nothing else.

use proto::cdb::{BEGINNING, Lookup, Progress, Wanted};
use proto::ucspi_rules::{Instructions, instructions, keys, written};
use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use unix::regular_file::RegularFile;

/// How often a file is read that changes meanwhile.
const TRIES: usize = 3;

/// A file that is no longer is read at once: keys are many, and nearly all of them not in it.
const AT_ONCE: usize = 64 * 1024;

/// What the rules say about a peer; no rule: it may connect.
///
/// # Errors
/// When the file cannot be read, changes meanwhile, or says what is no rule: nobody may
/// connect then.
pub(super) fn look_up(file: &Path, peer: IpAddr) -> io::Result<Instructions> {
    unchanged(file, |rules| first_of(rules, peer))
}

/// What `read` makes of a file that nobody changes meanwhile. One that another has just taken
/// the place of has changed, too: then the other is read.
fn unchanged<T>(file: &Path, mut read: impl FnMut(&RegularFile) -> io::Result<T>) -> io::Result<T> {
    for _ in 0..TRIES {
        let rules = RegularFile::open(file)?;
        let found = read(&rules);
        if rules.is_as_opened()? {
            return found;
        }
    }
    Err(io::Error::other("it changed while it was read"))
}

fn first_of(file: &RegularFile, peer: IpAddr) -> io::Result<Instructions> {
    let rules = Rules::read(file)?;
    for key in keys(peer) {
        if let Some(found) = rules.value_of(&key)? {
            let key = written(&key).unwrap_or_default();
            let malformed = |_| io::Error::other(format!("malformed rule for \"{key}\""));
            return instructions(&found).map_err(malformed);
        }
    }
    Ok(Instructions::default())
}

/// The file, and what was read of it for all keys: all, or what a look-up begins with.
struct Rules<'r> {
    file: &'r RegularFile,
    read: Vec<u8>,
}

impl<'r> Rules<'r> {
    fn read(file: &'r RegularFile) -> io::Result<Self> {
        let size = usize::try_from(file.size()).ok().filter(|size| *size <= AT_ONCE);
        let mut read = vec![0; size.unwrap_or_default().max(BEGINNING)];
        file.read_exact_at(0, &mut read).map_err(cut_off)?;
        Ok(Self { file, read })
    }

    fn value_of(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let (mut lookup, mut wanted) = Lookup::new(key);
        loop {
            match lookup.push(&self.octets(wanted)?).map_err(|_| malformed())? {
                Progress::Wants(next) => wanted = next,
                Progress::Found(value) => return Ok(Some(value)),
                Progress::Absent => return Ok(None),
            }
        }
    }

    fn octets(&self, wanted: Wanted) -> io::Result<Cow<'_, [u8]>> {
        let at = usize::try_from(wanted.at).ok();
        if let Some(read) = at.and_then(|at| self.read.get(at..at + wanted.length)) {
            return Ok(read.into());
        }
        let mut octets = vec![0; wanted.length];
        self.file.read_exact_at(wanted.at, &mut octets).map_err(cut_off)?;
        Ok(octets.into())
    }
}

fn malformed() -> io::Error {
    io::Error::other("not a file of tcprules")
}

fn cut_off(reason: io::Error) -> io::Error {
    if reason.kind() == io::ErrorKind::UnexpectedEof { malformed() } else { reason }
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

    /// As tcprules of ucspi-tcp6 makes them, which Debian does not have, by its source: of
    /// `2001:db8::7:allow`, `10.1.:allow`, `10.0.0.0/8:deny`, `2001:db8::/32:deny` and so on.
    #[test]
    fn d71_networks_and_addresses_of_ucspi_tcp6_are_known() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rules.cdb");
        for end in ["", "\0"] {
            let mut writer = CDBWriter::create(file.to_str().unwrap()).unwrap();
            for (key, value) in [
                ("2001:0DB8:0000:0000:0000:0000:0000:0007", "+A=address\0"),
                ("10.1.", "+A=class\0"),
                (&format!("_0000e0g0{end}"), "D\0"),
                (&format!("^00`000000000000a0000bc0de0fgh000{end}"), "D\0"),
                (&format!("^00`000000000000a0000bc0de0fgh000000000000000000i{end}"), "+A=48\0"),
                ("", "+A=others\0"),
            ] {
                writer.add(key.as_bytes(), value.as_bytes()).unwrap();
            }
            writer.finish().unwrap();
            for (peer, expected) in [
                ("2001:db8::7", Some("address")),
                ("2001:db8::8", None),
                ("2001:db8:1::8", Some("48")),
                ("2001:db8:2::8", None),
                ("2001:db9::8", Some("others")),
                ("10.1.2.3", Some("class")),
                ("10.2.2.3", None),
                ("11.2.2.3", Some("others")),
            ] {
                let found = look_up(&file, peer.parse().unwrap()).unwrap();
                assert_eq!(found.refuse, expected.is_none(), "{peer}");
                let name = expected.map(|name| (b"A".to_vec(), name.as_bytes().to_vec()));
                assert_eq!(found.environment, Vec::from_iter(name), "{peer}");
            }
        }
    }

    #[test]
    fn a_file_that_is_replaced_while_it_is_read_turns_nobody_away() {
        let directory = tempfile::tempdir().unwrap();
        let [file, next] = ["rules.cdb", "rules.tmp"].map(|name| directory.path().join(name));
        let write = |to: &Path, value: &[u8]| {
            let mut writer = CDBWriter::create(to.to_str().unwrap()).unwrap();
            writer.add(b"", value).unwrap();
            writer.finish().unwrap();
        };
        write(&file, b"+A=old\0");
        write(&next, b"+A=new\0");
        let peer = "192.0.2.7".parse().unwrap();
        let mut reads = 0;
        let found = unchanged(&file, |rules| {
            reads += 1;
            if reads == 1 {
                std::fs::rename(&next, &file)?;
            }
            first_of(rules, peer)
        });
        assert_eq!(found.unwrap().environment, [(b"A".to_vec(), b"new".to_vec())]);
        assert_eq!(reads, 2);
        // Nobody connects by rules that somebody goes on writing.
        let mut size = 4096;
        let found = unchanged(&file, |rules| {
            size += 1;
            std::fs::File::options().write(true).open(&file)?.set_len(size)?;
            first_of(rules, peer)
        });
        assert_eq!(found.unwrap_err().to_string(), "it changed while it was read");
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
