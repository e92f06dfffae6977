//! Records for the domain's zone: where its mail goes (RFC 5321), where clients find their
//! services (RFC 6186 and 8314), and who sends in its name (RFC 7208).

use super::Settings;
use std::fmt::Write;

/// The records, as a zone file has them. Addresses are for the administrator to fill in.
pub(super) fn records(settings: &Settings) -> String {
    let Settings { host, domain, offers, .. } = settings;
    let mut text = format!(
        "; In the zone of {domain}; replace 192.0.2.7 and 2001:db8::7 by the server's addresses.\n\
         {domain}. IN MX 10 {host}.\n\
         {host}. IN A 192.0.2.7\n\
         {host}. IN AAAA 2001:db8::7\n\
         ; Clients that look for their services, TLS from the first octet first.\n"
    );
    let has_imap = settings.of("imap").next().is_some();
    for offer in offers {
        // RFC 6186, section 3.3: of IMAP and POP3 the one with the lower number.
        let later = if has_imap && offer.name.starts_with("pop3") { 20 } else { 0 };
        let priority = later + if offer.at_once { 0 } else { 10 };
        let (name, port) = (offer.name, offer.port);
        let _ = writeln!(text, "_{name}._tcp.{domain}. IN SRV {priority} 1 {port} {host}.");
    }
    let _ = write!(
        text,
        "; Thunderbird fetches http://autoconfig.{domain}/mail/config-v1.1.xml\n\
         autoconfig.{domain}. IN CNAME {host}.\n\
         ; Only the mail exchanger sends in the domain's name. DKIM is the mail server's.\n\
         {domain}. IN TXT \"v=spf1 mx -all\"\n\
         _dmarc.{domain}. IN TXT \"v=DMARC1; p=none; rua=mailto:postmaster@{domain}\"\n\
         ; At whoever gave you the addresses: PTR of each, to {host}.\n"
    );
    text
}
