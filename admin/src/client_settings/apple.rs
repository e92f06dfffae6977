//! Apple's configuration profile with one mail account, `com.apple.mail.managed`.
//!
//! What it does not say the device asks for: the password always, address and user name
//! where the profile is for everybody.

use super::{LoginName, Settings};
use crate::services::Offer;
use crate::xml::escaped;
use std::fmt::Write;

/// The profile; none where there is no service to fetch mail by, or none to send.
pub(super) fn profile(settings: &Settings) -> Option<String> {
    let imap = settings.of("imap").next();
    let fetch = imap.or_else(|| settings.of("pop3").next())?;
    let send = settings.of("submission").next()?;
    let Settings { host, domain, address, .. } = settings;
    let mut account = String::new();
    let mut string = |key: &str, value: &str| {
        let _ = writeln!(account, "      <key>{key}</key><string>{}</string>", escaped(value));
    };
    string("PayloadType", "com.apple.mail.managed");
    string("PayloadIdentifier", &format!("{domain}.mail.account"));
    string("PayloadUUID", &uuid(&format!("account of {domain} at {host}")));
    string("PayloadDisplayName", domain);
    string("EmailAccountDescription", domain);
    string("EmailAccountType", if imap.is_some() { "EmailTypeIMAP" } else { "EmailTypePOP" });
    let user = address.as_deref().map(|address| match settings.login_name {
        LoginName::Local => address.split('@').next().unwrap_or(address),
        LoginName::Address => address,
    });
    if let Some(address) = address {
        string("EmailAddress", address);
    }
    for (prefix, Offer { port, .. }) in
        [("IncomingMailServer", fetch), ("OutgoingMailServer", send)]
    {
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(account, "      <key>{prefix}{key}</key>{value}");
        };
        line("Authentication", "<string>EmailAuthPassword</string>");
        line("HostName", &format!("<string>{}</string>", escaped(host)));
        line("PortNumber", &format!("<integer>{port}</integer>"));
        // Whether TLS begins at once or by STARTTLS, the device finds out.
        line("UseSSL", "<true/>");
        if let Some(user) = user {
            line("Username", &format!("<string>{}</string>", escaped(user)));
        }
    }
    account.push_str(
        "      <key>OutgoingPasswordSameAsIncomingPassword</key><true/>\n      \
         <key>PayloadVersion</key><integer>1</integer>\n",
    );
    Some(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n  \
           <key>PayloadType</key><string>Configuration</string>\n  \
           <key>PayloadIdentifier</key><string>{domain}.mail</string>\n  \
           <key>PayloadUUID</key><string>{uuid}</string>\n  \
           <key>PayloadDisplayName</key><string>Mail of {domain}</string>\n  \
           <key>PayloadVersion</key><integer>1</integer>\n  \
           <key>PayloadContent</key>\n  <array>\n    <dict>\n{account}    </dict>\n  </array>\n\
         </dict>\n</plist>\n",
        domain = escaped(domain),
        uuid = uuid(&format!("profile of {domain} at {host}")),
    ))
}

/// A UUID that is the same for the same text, so that a profile that is installed again
/// takes the place of the old one. Version 8 of RFC 9562: of our own making.
fn uuid(text: &str) -> String {
    // FNV-1a over 128 bits: it need be no secret, and not hard to find.
    let hash = text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, octet| {
        (hash ^ u128::from(octet)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    let hash = (hash & !(0xf << 76) & !(0b11 << 62)) | (0x8 << 76) | (0b10 << 62);
    let digits = format!("{hash:032X}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_their_form() {
        let one = uuid("a");
        assert_eq!(one, uuid("a"));
        assert_ne!(one, uuid("b"));
        let lengths: Vec<_> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        let (version, variant) = (one.as_bytes()[14], one.as_bytes()[19]);
        assert!(version == b'8' && b"89AB".contains(&variant), "{one}");
    }
}
