//! A certificate's renewal, in the layout that certbot keeps: `live/NAME` holds links, each
//! renewal makes new files in `archive/NAME` and turns the links to them.

use crate::support::{PASSWORD, add_al, checked, folder, here, programs, run, stdout, succeeds};
use rcgen::SerialNumber;
use rustix::process::Signal;
use std::fs::{DirBuilder, File, rename};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime};
use test_support::certificate::Pem;
use test_support::folder::write_secret;
use test_support::needs;
use test_support::process::signal;

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
    client: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    serial: String,
}

impl Session {
    fn open(port: u16) -> Self {
        let address = format!("127.0.0.1:{port}");
        let mut client = Command::new("openssl")
            .args(["s_client", "-crlf", "-starttls", "smtp", "-connect", &address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = client.stdin.take().unwrap();
        let mut output = BufReader::new(client.stdout.take().unwrap());
        let certificate = until(&mut output, "-----END CERTIFICATE-----");
        let mut read = Command::new("openssl");
        let read = test_support::run::output(
            read.args(["x509", "-noout", "-serial"]),
            certificate.as_bytes(),
        );
        let serial = stdout(&read).trim().to_owned();
        Self { client, input, output, serial }
    }

    fn ask(&mut self, request: &str, reply: &str) {
        writeln!(self.input, "{request}").unwrap();
        until(&mut self.output, reply);
    }

    fn quit(mut self) {
        // openssl would take a capital Q for itself.
        self.ask("quit", "221 ");
        drop(self.input);
        self.output.read_to_string(&mut String::new()).unwrap();
        self.client.wait().unwrap();
    }
}

/// Reads up to a line that begins so; all that was read.
fn until(output: &mut impl BufRead, beginning: &str) -> String {
    let mut read = String::new();
    loop {
        let before = read.len();
        assert_ne!(output.read_line(&mut read).unwrap(), 0, "no {beginning} in {read}");
        if read[before..].starts_with(beginning) {
            return read;
        }
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

    let pipe = here(&service);
    let mut server = Command::new(service.join("run")).spawn().unwrap();
    let mut output = BufReader::new(File::open(pipe).unwrap());
    let mut port = String::new();
    output.read_line(&mut port).unwrap();
    let port = port.trim_end().parse().unwrap();
    let mut old = Session::open(port);
    assert_eq!(old.serial, "serial=01");

    renew(&certbot, 2, 90);
    // What the hook has the supervisor do.
    signal(server.id(), Signal::HUP);
    until(&mut output, "tlsserver: certificates reloaded");
    let new = Session::open(port);
    assert_eq!(new.serial, "serial=02");
    new.quit();
    says("valid for 89 days more\n");

    let login = format!("printf '\\0al\\0{PASSWORD}' | base64");
    let login = Command::new("sh").args(["-c", &login]).output().unwrap();
    old.ask("EHLO client.example", "250 ");
    old.ask(&format!("AUTH PLAIN {}", stdout(&login).trim()), "235 ");
    old.quit();
    signal(server.id(), Signal::TERM);
    output.read_to_string(&mut String::new()).unwrap();
    assert!(server.wait().unwrap().success());
    succeeds(&["check", dir_name]);
}
