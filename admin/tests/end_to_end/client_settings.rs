//! `acceptutils client-settings`, as built, read by others than its author.

use crate::support::{fails, service, succeeds};
use std::process::Command;
use test_support::needs;

/// What a few lines of Python make of a file.
fn python(program: &str, file: &str) -> String {
    test_support::run::succeeds(Command::new("python3").args(["-c", program, file]))
}

#[test]
fn clients_are_told_of_the_services_that_there_are() {
    needs!("python3");
    let (folder, dir) = service();
    let dir_name = dir.to_str().unwrap();
    let print = |words: &[&str]| succeeds(&[&["client-settings"], words].concat());
    let autoconfig = print(&["thunderbird", dir_name]);
    let file = dir.join("client/config-v1.1.xml");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), autoconfig);
    let servers = "import sys, xml.etree.ElementTree as tree\n\
        for server in tree.parse(sys.argv[1]).getroot()[0].findall('*[@type]'):\n  \
        print(server.get('type'), *(server.find(key).text for key in \
        ('hostname', 'port', 'socketType', 'username')))";
    assert_eq!(
        python(servers, file.to_str().unwrap()),
        "imap mail.example.org 993 SSL %EMAILLOCALPART%\n\
         imap mail.example.org 143 STARTTLS %EMAILLOCALPART%\n\
         pop3 mail.example.org 995 SSL %EMAILLOCALPART%\n\
         pop3 mail.example.org 110 STARTTLS %EMAILLOCALPART%\n\
         smtp mail.example.org 465 SSL %EMAILLOCALPART%\n\
         smtp mail.example.org 587 STARTTLS %EMAILLOCALPART%\n"
    );

    let words = ["apple", dir_name, "--address", "al@example.org", "--login-name", "address"];
    let profile = folder.path().join("al.mobileconfig");
    std::fs::write(&profile, print(&words)).unwrap();
    let account = "import plistlib, sys\n\
        account = plistlib.load(open(sys.argv[1], 'rb'))['PayloadContent'][0]\n\
        print(*(account[key] for key in ('EmailAddress', 'IncomingMailServerPortNumber', \
        'OutgoingMailServerPortNumber', 'IncomingMailServerUsername')))";
    assert_eq!(
        python(account, profile.to_str().unwrap()),
        "al@example.org 993 465 al@example.org\n"
    );
    assert!(dir.join("client/example.org.mobileconfig").exists());
    let zone = print(&["dns", dir_name, "--domain", "example.net"]);
    assert!(zone.contains("example.net. IN MX 10 mail.example.org.\n"), "{zone}");

    for (words, said) in [
        (["--domain", ""], "--domain : not the name of a domain"),
        (["--domain", "a b"], "--domain a b: not the name of a domain"),
        (["--address", ""], "--address : not an address, as USER@DOMAIN"),
        (["--address", "nodomain"], "--address nodomain: not an address, as USER@DOMAIN"),
        (["--address", "@example.org"], "--address @example.org: not an address, as USER@DOMAIN"),
        (["--address", "al@"], "--address al@: not an address, as USER@DOMAIN"),
    ] {
        let refused = fails(&[&["client-settings", "apple", dir_name], &words[..]].concat());
        assert_eq!(refused, format!("acceptutils: {said}\n"));
    }

    let me = dir.join("control/me");
    std::fs::write(&me, "192.0.2.7\n").unwrap();
    let refused = fails(&["client-settings", "dns", dir_name]);
    let why = "192.0.2.7: an address: DNS records need the server's name";
    assert_eq!(refused, format!("acceptutils: {}: {why}\n", me.display()));
    let by_address = print(&["thunderbird", dir_name]);
    assert!(by_address.contains("<domain>192.0.2.7</domain>"), "{by_address}");

    std::fs::remove_dir_all(dir.join("service")).unwrap();
    let nothing = fails(&["client-settings", "dns", dir_name]);
    assert!(nothing.contains("no service for users"), "{nothing}");
}
