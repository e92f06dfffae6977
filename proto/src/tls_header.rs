//! The header line that tells the reader of a message how it was protected on its
//! way in.

use crate::civil_time::CivilTime;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Which program of ours stood before the mail server.
#[derive(Debug, Clone, Copy)]
pub enum Front<'a> {
    /// fixsmtpio: incoming mail.
    Fixsmtpio,
    /// authup: submission, by this user.
    Authup(&'a [u8]),
    /// Neither.
    Unknown,
}

/// The header line, its line feed included. `seconds` since the epoch. What the
/// values hold beyond printable ASCII, and what would end or escape a comment, is
/// replaced by `?`: a header says nothing but what we mean.
#[must_use]
pub fn received(protocol: &[u8], cipher: &[u8], front: Front<'_>, seconds: u64) -> String {
    let front = match front {
        Front::Fixsmtpio => String::from(" acceptutils fixsmtpio"),
        Front::Authup(user) => format!(" acceptutils authup {}", plain(user)),
        Front::Unknown => String::new(),
    };
    let (protocol, cipher) = (plain(protocol), plain(cipher));
    let date = CivilTime::from_seconds(seconds);
    format!("Received: (ucspitls{front} {protocol} {cipher}); {date}\n")
}

fn plain(value: &[u8]) -> String {
    let replaced: Vec<u8> = value
        .iter()
        .map(|&byte| match byte {
            b'(' | b')' | b'\\' => b'?',
            b' '..=b'~' => byte,
            _ => b'?',
        })
        .collect();
    String::from_utf8_lossy(&replaced).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_front() {
        let line = |front| received(b"TLSv1.3", b"TLS_AES_128_GCM_SHA256", front, 0);
        let end = " TLSv1.3 TLS_AES_128_GCM_SHA256); 1 Jan 1970 00:00:00 -0000\n";
        assert_eq!(line(Front::Unknown), format!("Received: (ucspitls{end}"));
        let fixsmtpio = format!("Received: (ucspitls acceptutils fixsmtpio{end}");
        assert_eq!(line(Front::Fixsmtpio), fixsmtpio);
        let authup = format!("Received: (ucspitls acceptutils authup alice{end}");
        assert_eq!(line(Front::Authup(b"alice")), authup);
    }

    #[test]
    fn d23_a_user_name_cannot_forge_a_header() {
        let line = received(b"", b"", Front::Authup(b"a\r\nX-Spam: no\n(\\)\xc3\xa9~ "), 0);
        assert!(
            line.starts_with("Received: (ucspitls acceptutils authup a??X-Spam: no??????~   ); ")
        );
        assert_eq!(line.matches('\n').count(), 1);
    }
}
