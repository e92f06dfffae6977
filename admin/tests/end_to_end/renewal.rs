//! A certificate's renewal, in the layout that certbot keeps: `live/NAME` holds links, each
//! renewal makes new files in `archive/NAME` and turns the links to them.

use crate::support::{PASSWORD, add_al, checked, folder, here, programs, run, stdout, succeeds};
use rcgen::SerialNumber;
use rustix::process::Signal;
use std::fs::{DirBuilder, rename};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use test_support::certificate::Pem;
use test_support::folder::write_secret;
use test_support::needs;
use test_support::process::signal;
use test_support::run::{OwnChild, output};
use test_support::talking::Talking;
use test_support::wait::for_end;

const NAME: &str = "mail.example.org";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Obtains or renews: the files of this number, and the links to them.
fn renew(certbot: &Path, number: u8, days: u32) {
    let (live, archive) = (certbot.join("live").join(NAME), certbot.join("archive").join(NAME));
    let end = SystemTime::now() + DAY * days;
    let pem = Pem::with(&[NAME], |wanted| {
        wanted.serial_number = Some(SerialNumber::from(vec![number]));
        (wanted.not_before, wanted.not_after) = ((end - DAY * 90).into(), end.into());
    });
    for (name, contents) in [("fullchain", pem.certificate), ("privkey", pem.key)] {
        write_secret(&archive.join(format!("{name}{number}.pem")), &contents);
        let next = live.join("next");
        symlink(format!("../../archive/{NAME}/{name}{number}.pem"), &next).unwrap();
        rename(next, live.join(format!("{name}.pem"))).unwrap();
    }
}

/// A session by TLS, with the number of the certificate that was shown.
struct Session {
    client: Talking,
    serial: String,
}

impl Session {
    fn open(port: &str) -> Self {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-crlf", "-starttls", "smtp"]);
        client.args(["-connect", &format!("127.0.0.1:{port}")]).stderr(Stdio::null());
        let mut client = Talking::start(&mut client);
        let certificate = client.up_to_line("-----END CERTIFICATE-----");
        let mut read = Command::new("openssl");
        let read = output(read.args(["x509", "-noout", "-serial"]), certificate.as_bytes());
        Self { client, serial: stdout(&read).trim().to_owned() }
    }

    fn ask(&mut self, request: &str, reply: &str) {
        self.client.say(&format!("{request}\n"));
        self.client.up_to_line(reply);
    }

    fn quit(mut self) {
        // openssl would take a capital Q for itself.
        self.ask("quit", "221 ");
        self.client.end();
    }
}

#[test]
fn a_renewal_by_certbots_links_reaches_new_clients_and_loses_no_connection() {
    needs!("openssl");
    let folder = folder();
    let certbot = folder.path().join("letsencrypt");
    for inside in ["live", "archive"] {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(certbot.join(inside));
        made.unwrap();
        std::fs::create_dir(certbot.join(inside).join(NAME)).unwrap();
    }
    renew(&certbot, 1, 20);
    let live = certbot.join("live").join(NAME);
    let (certificate, key) = (live.join("fullchain.pem"), live.join("privkey.pem"));
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let (dir, bin) = (folder.path().join("service"), programs(folder.path()));
    let smtp = bin.join("demo-smtp-into-maildir");
    let (dir_name, bin, smtp) =
        (dir.to_str().unwrap(), bin.to_str().unwrap(), smtp.to_str().unwrap());
    let init = ["init", dir_name, "--host", NAME, "--cert", certificate, "--key", key];
    let init = [&init[..], &["--bin", bin, "--submission", smtp, "--jail-user", "daemon"]].concat();
    run(&init);
    add_al(&dir);
    let service = dir.join("service/submission");
    let script = std::fs::read_to_string(service.join("run")).unwrap();
    let expected = format!("export CERTFILE={certificate}\nexport KEYFILE={key}\n");
    assert!(script.contains(&expected), "{script}");
    let says = |text: &str| {
        let said = checked(&dir);
        assert!(said.contains(&format!(": {certificate}: {text}")), "{text}: {said}");
    };
    says("valid for 19 days more: it should have been renewed by now\n");

    let log = here(&service);
    let mut server = OwnChild(Command::new(service.join("run")).spawn().unwrap());
    let port = log.line(0);
    let mut old = Session::open(&port);
    assert_eq!(old.serial, "serial=01");

    renew(&certbot, 2, 90);
    // What the hook has the supervisor do.
    signal(server.id(), Signal::HUP);
    log.wait_for(&["tlsserver: certificates reloaded"]);
    let new = Session::open(&port);
    assert_eq!(new.serial, "serial=02");
    new.quit();
    says("valid for 89 days more\n");

    let login = output(&mut Command::new("base64"), format!("\0al\0{PASSWORD}").as_bytes());
    old.ask("EHLO client.example", "250 ");
    old.ask(&format!("AUTH PLAIN {}", stdout(&login).trim()), "235 ");
    old.quit();
    signal(server.id(), Signal::TERM);
    assert!(for_end(&mut server).success());
    succeeds(&["check", dir_name]);
}
