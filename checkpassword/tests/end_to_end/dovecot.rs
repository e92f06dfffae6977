//! Dovecot as the one who asks: its `passdb checkpassword` has spoken the interface
//! for many years, so it is the yardstick for it.

use crate::support::{Account, Folder, tool};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use test_support::needs;

/// A Dovecot of the test's own, with nothing but its login service.
struct Dovecot {
    master: Child,
    config: String,
}

impl Dovecot {
    /// Starts it, with `command` for its checkpassword, run as `user`, and waits until
    /// it listens.
    fn start(folder: &Folder, user: &str, command: &str) -> Self {
        let base = folder.0.path().display();
        let config = folder.write(
            "dovecot.conf",
            &format!(
                "base_dir = {base}/run\nstate_dir = {base}/state\nlog_path = /dev/stderr\n\
                 protocols =\nssl = no\nfirst_valid_uid = 1\nauth_failure_delay = 0\n\
                 service auth {{\n user = {user}\n}}\n\
                 service anvil {{\n unix_listener anvil-auth-penalty {{\n  mode = 0\n }}\n}}\n\
                 passdb {{\n driver = checkpassword\n args = {command}\n}}\n\
                 userdb {{\n driver = prefetch\n}}\n"
            ),
        );
        let config = config.into_os_string().into_string().unwrap();
        let mut master = Command::new("dovecot")
            .args(["-F", "-c", &config])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(master.stderr.take().unwrap()).lines();
        let dovecot = Self { master, config };
        assert!(log.by_ref().any(|line| line.unwrap().contains("starting up")), "it starts");
        // Whoever logs must find a reader.
        std::thread::spawn(move || log.for_each(drop));
        dovecot
    }

    fn login(&self, user: &str, password: &str) -> Output {
        let arguments = ["-c", &self.config, "auth", "login", user, password];
        Command::new("doveadm").args(arguments).output().unwrap()
    }

    fn accepts(&self, user: &str, password: &str, facts: &[String]) {
        let output = self.login(user, password);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        for fact in facts {
            assert!(text.lines().any(|line| line.trim() == *fact), "{fact} is not in {text}");
        }
    }

    fn refuses(&self, user: &str, password: &str) {
        let output = self.login(user, password);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&format!("passdb: {user} auth failed")), "{output:?}");
        // 77 is sysexits.h's EX_NOPERM; trouble would be EX_TEMPFAIL.
        assert_eq!(output.status.code(), Some(77), "{output:?}");
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.master.id().to_string()).status();
        let _ = self.master.wait();
    }
}

/// Its client at the end of the chain.
const REPLY: &str = "/usr/lib/dovecot/checkpassword-reply";

/// That wants to be told that the user has changed on
/// purpose, and is, by its variable for that.
const AS_ROOT: &str = "/usr/bin/env INSECURE_SETUID=1";

#[test]
fn asks_checkpassword_file() {
    needs!("root", REPLY, "doveadm");
    let folder = Folder::new();
    let home = folder.0.path().display();
    let hash = tool(&["doveadm", "-O", "pw", "-s", "ARGON2ID", "-p", "secret"], "");
    let users = folder.write("users", &format!("al@example.org:{hash}:54321:54322::{home}:\n"));
    let program = folder.path("checkpassword-file");
    let command = format!("{AS_ROOT} {} -f {}", program.display(), users.display());
    let dovecot = Dovecot::start(&folder, "root", &command);
    let facts = ["uid=54321".to_owned(), "gid=54322".to_owned(), format!("home={home}")];
    dovecot.accepts("al@example.org", "secret", &facts);
    dovecot.refuses("al@example.org", "wrong");
    dovecot.refuses("nobody@example.org", "secret");
}

/// As Dovecot runs it by itself: as an ordinary user, who stays what it is.
#[test]
fn asks_checkpassword_file_as_an_ordinary_user() {
    needs!("root", REPLY, "doveadm");
    let folder = Folder::new();
    let hash = tool(&["doveadm", "-O", "pw", "-s", "SHA512-CRYPT", "-p", "secret"], "");
    let users = folder.write("users", &format!("al:{hash}\nother:{hash}:54321:54321\n"));
    let program = folder.path("checkpassword-file");
    let command = format!("{} -f {}", program.display(), users.display());
    let dovecot = Dovecot::start(&folder, "dovecot", &command);
    let facts = [format!("uid={}", tool(&["id", "-u", "dovecot"], "")), "home=/".to_owned()];
    dovecot.accepts("al", "secret", &facts);
    dovecot.refuses("al", "wrong");
    dovecot.refuses("other", "secret");
}

#[test]
fn asks_checkpassword_pam() {
    needs!("root", REPLY, "doveadm");
    let folder = Folder::new();
    let account = Account::new(&[], "secret");
    let program = folder.path("checkpassword-pam");
    // Dovecot's own PAM service: Debian's, made of the same two includes as ours.
    let command = format!("{AS_ROOT} {} -s dovecot", program.display());
    let dovecot = Dovecot::start(&folder, "root", &command);
    let facts = [
        format!("uid={}", account.id("-u")),
        format!("gid={}", account.id("-g")),
        format!("home=/home/{}", account.name),
    ];
    dovecot.accepts(&account.name, "secret", &facts);
    dovecot.refuses(&account.name, "wrong");
}
