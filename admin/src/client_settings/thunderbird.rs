//! Thunderbird's autoconfig file, version 1.1 of the format, which other clients read, too.

use super::{LoginName, Settings};
use crate::services::Offer;
use crate::xml::escaped;

/// The file.
pub(super) fn file(settings: &Settings) -> String {
    let domain = escaped(&settings.domain);
    // The first one is what a client proposes.
    let incoming = ["imap", "pop3"].into_iter().flat_map(|kind| {
        settings.of(kind).map(move |offer| server(settings, offer, "incomingServer", kind))
    });
    let outgoing =
        settings.of("submission").map(|offer| server(settings, offer, "outgoingServer", "smtp"));
    let servers: String = incoming.chain(outgoing).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <clientConfig version=\"1.1\">\n  \
           <emailProvider id=\"{domain}\">\n    \
             <domain>{domain}</domain>\n    \
             <displayName>{domain}</displayName>\n    \
             <displayShortName>{domain}</displayShortName>\n\
         {servers}  \
           </emailProvider>\n\
         </clientConfig>\n"
    )
}

fn server(settings: &Settings, offer: &Offer, element: &str, kind: &str) -> String {
    let socket = if offer.at_once { "SSL" } else { "STARTTLS" };
    let user = match settings.login_name {
        LoginName::Local => "%EMAILLOCALPART%",
        LoginName::Address => "%EMAILADDRESS%",
    };
    // "Cleartext" is the password's form within TLS.
    format!(
        "    <{element} type=\"{kind}\">\n      \
               <hostname>{host}</hostname>\n      \
               <port>{port}</port>\n      \
               <socketType>{socket}</socketType>\n      \
               <username>{user}</username>\n      \
               <authentication>password-cleartext</authentication>\n    \
             </{element}>\n",
        host = escaped(&settings.host),
        port = offer.port
    )
}
