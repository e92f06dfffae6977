//! Dovecot as the one who asks: its `passdb checkpassword` has spoken the interface
//! for many years, so it is the yardstick for it.

use crate::support::{Account, Folder, folder, tool};
use test_support::dovecot::Dovecot;
use test_support::needs;

/// Dovecot, and what it says of logins.
struct Asking(Dovecot);

impl Asking {
    /// With `command` for its checkpassword, run as `user`.
    fn start(folder: &Folder, user: &str, command: &str) -> Self {
        let databases = format!(
            "passdb {{\n driver = checkpassword\n args = {command}\n}}\n\
             userdb {{\n driver = prefetch\n}}\n"
        );
        Self(Dovecot::start(folder, user, &databases))
    }

    fn accepts(&self, user: &str, password: &str, facts: &[String]) {
        let output = self.0.auth("login", user, password);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        for fact in facts {
            assert!(text.lines().any(|line| line.trim() == *fact), "{fact} is not in {text}");
        }
    }

    fn refuses(&self, user: &str, password: &str) {
        let output = self.0.auth("login", user, password);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&format!("passdb: {user} auth failed")), "{output:?}");
        // 77 is sysexits.h's EX_NOPERM; trouble would be EX_TEMPFAIL.
        assert_eq!(output.status.code(), Some(77), "{output:?}");
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
    let folder = folder();
    let home = folder.display();
    let hash = tool(&["doveadm", "-O", "pw", "-s", "ARGON2ID", "-p", "secret"], "");
    let users = folder.write("users", format!("al@example.org:{hash}:54321:54322::{home}:\n"));
    let program = folder.path("checkpassword-file");
    let command = format!("{AS_ROOT} {} -f {}", program.display(), users.display());
    let dovecot = Asking::start(&folder, "root", &command);
    let facts = ["uid=54321".to_owned(), "gid=54322".to_owned(), format!("home={home}")];
    dovecot.accepts("al@example.org", "secret", &facts);
    dovecot.refuses("al@example.org", "wrong");
    dovecot.refuses("nobody@example.org", "secret");
}

/// As Dovecot runs it by itself: as an ordinary user, who stays what it is.
#[test]
fn asks_checkpassword_file_as_an_ordinary_user() {
    needs!("root", REPLY, "doveadm");
    let folder = folder();
    let hash = tool(&["doveadm", "-O", "pw", "-s", "SHA512-CRYPT", "-p", "secret"], "");
    let users = folder.write("users", format!("al:{hash}\nother:{hash}:54321:54321\n"));
    let program = folder.path("checkpassword-file");
    let command = format!("{} -f {}", program.display(), users.display());
    let dovecot = Asking::start(&folder, "dovecot", &command);
    let facts = [format!("uid={}", tool(&["id", "-u", "dovecot"], "")), "home=/".to_owned()];
    dovecot.accepts("al", "secret", &facts);
    dovecot.refuses("al", "wrong");
    dovecot.refuses("other", "secret");
}

#[test]
fn asks_checkpassword_pam() {
    needs!("root", REPLY, "doveadm");
    let folder = folder();
    let account = Account::new(&[], "secret");
    let program = folder.path("checkpassword-pam");
    // Dovecot's own PAM service: Debian's, made of the same two includes as ours.
    let command = format!("{AS_ROOT} {} -s dovecot", program.display());
    let dovecot = Asking::start(&folder, "root", &command);
    let facts = [
        format!("uid={}", account.id("-u")),
        format!("gid={}", account.id("-g")),
        format!("home=/home/{}", account.name),
    ];
    dovecot.accepts(&account.name, "secret", &facts);
    dovecot.refuses(&account.name, "wrong");
}
