//! The name of a certificate's subject on one line, as OpenSSL's `X509_NAME_oneline` has it,
//! which is what `SSL_SERVER_S_DN` is with other servers: `/C=DE/O=Example/CN=mail.example.org`.
//! Octets that are not printable ASCII, and the backslash, are shown as in the log, with
//! lower-case digits.

use proto::escape::Escaped;
use std::fmt::Write;
use x509_cert::name::Name;

/// Octets that are said at most; who has more to say of a server is not passed on.
const LONGEST: usize = 1024;

/// OpenSSL's short names, by their numbers. What is not here is said by number.
const SHORT: &str = include_str!("short-names");

/// The line, of printable ASCII; empty where the subject is, or where it is too long.
pub(super) fn on_one_line(subject: &Name) -> String {
    let mut line = String::new();
    for part in subject.0.iter().flat_map(|parts| parts.0.iter()) {
        let number = part.oid.to_string();
        let mut names = SHORT.lines().filter_map(|line| line.split_once(' '));
        let short = names.find(|(known, _)| *known == number).map(|(_, short)| short);
        let _ = write!(line, "/{}={}", short.unwrap_or(&number), Escaped(part.value.value()));
    }
    if line.len() > LONGEST { String::new() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use test_support::run::output;
    use x509_cert::Certificate;
    use x509_cert::der::Decode;

    /// The subject of a certificate that OpenSSL makes of this.
    fn subject(of: &str) -> String {
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"]);
        openssl.args(["ec_paramgen_curve:P-256", "-keyout", "/dev/null", "-utf8"]);
        let made = output(openssl.args(["-outform", "DER", "-subj", of]), b"");
        assert!(made.status.success(), "{made:?}");
        on_one_line(&Certificate::from_der(&made.stdout).unwrap().tbs_certificate.subject)
    }

    #[test]
    fn it_is_what_openssl_writes() {
        for line in [
            "/CN=mail.example.org",
            "/C=DE/ST=Bayern/L=Ulm/O=Example, Inc./OU=Mail/CN=mail.example.org",
            "/DC=org/DC=example/UID=7/emailAddress=a@example.org",
            "/jurisdictionC=DE/serialNumber=1/postalCode=3",
        ] {
            assert_eq!(subject(line), line);
        }
        assert_eq!(subject("/O=M\u{fc}ller/CN=a"), "/O=M\\xc3\\xbcller/CN=a");
        assert_eq!(subject("/"), "");
        assert_eq!(subject(&"/OU=0123456789012345678901234567890".repeat(40)), "");
    }
}
