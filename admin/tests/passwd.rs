//! `acceptutils passwd`, as built: by a program, by a person at a terminal, and the
//! hash as Dovecot reads it.

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use test_support::folder::Folder;
use test_support::needs;
use test_support::needs::is_root;
use test_support::process::signal;
use test_support::run::{output, stdout};
use test_support::talking::Talking;
use test_support::wait::until;

const PROGRAM: &str = env!("CARGO_BIN_EXE_acceptutils");

/// Runs `passwd FILE` with these further arguments, `input` on standard input.
fn passwd(file: &Path, arguments: &[&str], input: &str) -> Output {
    output(Command::new(PROGRAM).arg("passwd").arg(file).args(arguments), input.as_bytes())
}

#[track_caller]
fn succeeds(output: &Output, line: &str) {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{line}\n"));
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[track_caller]
fn fails(output: &Output, code: i32, text: &str) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(text), "{text:?}: {output:?}");
}

/// Whether Dovecot takes `password` for the hash in this field.
fn dovecot_takes(hash: &str, password: &str) -> bool {
    let command = ["-O", "pw", "-t", hash, "-p", password];
    output(Command::new("doveadm").args(command), b"").status.success()
}

#[test]
fn a_new_file_a_new_user_another_password() {
    let folder = Folder::make();
    let file = folder.path("users");
    let new = ["--stdin", "--uid", "1000", "--gid", "100", "--home", "/home/al", "al"];
    succeeds(&passwd(&file, &new, "first\n"), &format!("added al to {}", file.display()));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let first = folder.read("users");
    assert!(
        first.starts_with("al:{ARGON2ID}$argon2id$v=19$m=")
            && first.ends_with(":1000:100::/home/al:\n")
    );
    let changed = passwd(&file, &["--stdin", "al"], "second");
    succeeds(&changed, &format!("changed the password of al in {}", file.display()));
    let second = folder.read("users");
    assert!(second != first && second.ends_with(":1000:100::/home/al:\n"), "{second}");
    // Whom root's checkpassword-file would never serve is not made.
    let added = passwd(&file, &["bob", "--stdin"], "third\r\n");
    if is_root() {
        fails(&added, 1, "acceptutils: bob: a new user, who needs --uid: ");
        assert_eq!(folder.read("users"), second);
    } else {
        assert!(String::from_utf8_lossy(&added.stdout).contains("without a uid"), "{added:?}");
        assert!(folder.read("users").starts_with(&second));
    }
    // Only the password of who is there changes.
    let output = passwd(&file, &["al", "--stdin", "--uid", "5", "--gid", "5"], "x");
    fails(&output, 1, "al: there already, so --uid, --gid and --home would change nothing");
}

#[test]
fn dovecot_takes_the_password_and_no_other() {
    needs!("doveadm");
    let folder = Folder::make();
    for password in ["secret", " a:b $ ", "pässwörd€"] {
        let new = ["--stdin", "--uid", "7", "--gid", "7", "al"];
        let _ = std::fs::remove_file(folder.path("users"));
        passwd(&folder.path("users"), &new, &format!("{password}\n"));
        let line = folder.read("users");
        let hash = line.split(':').nth(1).unwrap();
        assert!(dovecot_takes(hash, password), "{password:?}: {hash}");
        assert!(!dovecot_takes(hash, "Secret"), "{hash}");
    }
}

#[test]
fn what_cannot_be_done_leaves_the_file_as_it_was() {
    let folder = Folder::make();
    let file = folder.path("users");
    let before = "# ours\nal:!:1:1::/home/al:\n";
    std::fs::write(&file, before).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let run = |arguments: &[&str], input: &str| passwd(&file, arguments, input);
    let signs = "with a colon or a control character in it";
    for (user, why) in [
        ("a:b", format!("a:b: {signs}\n")),
        ("a\nb", format!("a\\x0ab: {signs}\n")),
        ("#a", "#a: begins with #\n".to_owned()),
        ("", "empty\n".to_owned()),
    ] {
        let expected = format!("acceptutils: unusable user name: {why}");
        fails(&run(&["--stdin", user], "x\n"), 1, &expected);
    }
    fails(&run(&["--stdin", "al"], "\n"), 1, "unusable password: empty");
    fails(&run(&["--stdin", "al"], ""), 1, "unusable password: empty");
    fails(&run(&["--stdin", "al"], &"x".repeat(500)), 1, "unusable password: too long");
    fails(&run(&["--stdin", "--home", "Maildir", "bo"], "x"), 1, "unusable home folder: Maildir: ");
    fails(&run(&["--stdin", "--uid", "1000", "bo"], "x"), 1, "--uid 1000: a number needs --gid");
    fails(&run(&["--stdin", "--uid", "0", "--gid", "1", "bo"], "x"), 1, "--uid 0: root is never");
    fails(&run(&["--stdin", "--uid", "root", "bo"], "x"), 1, "--uid root: root is never");
    fails(&run(&["--stdin", "--uid", "no one", "bo"], "x"), 1, "--uid no one: no user of the");
    fails(
        &run(&["--stdin", "--uid", "7", "--gid", "no", "bo"], "x"),
        1,
        "--gid no: no group of the",
    );
    fails(&run(&["--stdin", "--gid", "7", "bo"], "x"), 2, "--uid");
    fails(&run(&[], ""), 2, "USER");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o660)).unwrap();
    fails(&run(&["--stdin", "al"], "x"), 1, "users: its group or others can write it");
    assert_eq!(folder.read("users"), before);
    let missing = folder.path("no/users");
    let why = "no/users: No such file or directory: its folder is missing: ";
    fails(&passwd(&missing, &["--stdin", "al"], "x"), 1, why);
    assert_eq!(std::fs::read_dir(&*folder).unwrap().count(), 1, "nothing is left behind");
}

/// Another's link could lead root to any file.
#[test]
fn root_changes_no_file_to_which_another_leads() {
    needs!("root");
    let folder = Folder::make();
    let theirs = folder.path("theirs");
    std::fs::create_dir(&theirs).unwrap();
    std::os::unix::fs::chown(&theirs, Some(7), None).unwrap();
    std::fs::write(folder.path("users"), "# roots\n").unwrap();
    std::os::unix::fs::symlink(folder.path("users"), theirs.join("users")).unwrap();
    let options = ["al", "--stdin", "--uid=7", "--gid=7", "--home=/"];
    let expected = format!("{}: belongs to user 7, who can change it\n", theirs.display());
    for name in ["users", "new"] {
        fails(&passwd(&theirs.join(name), &options, "secret\n"), 1, &expected);
    }
    assert_eq!(folder.read("users"), "# roots\n");
    assert!(!theirs.join("new").exists());
}

#[test]
fn without_a_terminal_it_says_so() {
    needs!("setsid");
    let folder = Folder::make();
    let mut command = Command::new("setsid");
    command.args(["--wait", PROGRAM, "passwd"]).arg(folder.path("users"));
    let output = output(command.args(["al", "--uid", "7", "--gid", "7"]), b"");
    let expected = "acceptutils: unable to read password: no terminal to ask at: use --stdin\n";
    fails(&output, 1, expected);
}

/// The program at a terminal, which `script` makes.
struct Terminal {
    script: Talking,
    seen: String,
    device: String,
}

impl Terminal {
    fn open(folder: &Folder) -> Self {
        let options = if folder.path("users").exists() { "" } else { "--uid 7 --gid 7" };
        let users = folder.path("users");
        Self::run(&format!("tty; {PROGRAM} passwd {} al {options}", users.display()))
    }

    /// Runs what first says which terminal it is.
    fn run(command: &str) -> Self {
        let mut script = Command::new("script");
        let mut script = Talking::start(script.args(["-q", "-e", "-c", command, "/dev/null"]));
        let device = script.line().trim().to_owned();
        Self { script, seen: String::new(), device }
    }

    /// Waits for a prompt, and for the echo to be off behind it.
    fn prompts(&mut self, prompt: &str) {
        self.seen += &self.script.up_to(prompt);
        assert!(self.seen.ends_with(prompt), "{}", self.seen);
        until("end of the echo", || self.echoes(), |echoes| !echoes);
    }

    /// The same; types a line.
    fn answer(&mut self, prompt: &str, line: impl AsRef<[u8]>) {
        self.prompts(prompt);
        self.script.say_octets(&[line.as_ref(), b"\n"].concat());
    }

    fn echoes(&self) -> bool {
        let state = stdout(&output(Command::new("stty").args(["-a", "-F", &self.device]), b""));
        !state.split_whitespace().any(|word| word == "-echo")
    }

    /// What was shown in all, and the exit code.
    fn close(self) -> (String, Option<i32>) {
        let (rest, status) = self.script.end();
        (self.seen + &rest, status.code())
    }
}

#[test]
fn a_person_is_asked_twice_and_sees_nothing() {
    needs!("script", "stty");
    let folder = Folder::make();
    let mut terminal = Terminal::open(&folder);
    terminal.answer("New password for al: ", "correct horse");
    terminal.answer("The same again: ", "correct horse");
    let (shown, code) = terminal.close();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("added al to ") && !shown.contains("horse"), "{shown}");
    assert!(folder.read("users").starts_with("al:{ARGON2ID}$argon2id$"));

    let mut terminal = Terminal::open(&folder);
    let before = folder.read("users");
    terminal.answer("New password for al: ", "correct horse");
    terminal.answer("The same again: ", "wrong horse");
    let (shown, code) = terminal.close();
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("the two passwords are not the same"), "{shown}");
    assert_eq!(folder.read("users"), before);
}

/// As a terminal sends it that knows no UTF-8, or another octet that is none.
#[test]
fn a_password_is_the_octets_that_are_typed() {
    needs!("script", "stty");
    for typed in [&b"p\xe4ssw\xf6rd"[..], "p\u{e4}ssw\u{f6}rd \u{20ac}".as_bytes(), b" \x80\xff "] {
        let folder = Folder::make();
        let mut terminal = Terminal::open(&folder);
        for prompt in ["New password for al: ", "The same again: "] {
            terminal.answer(prompt, typed);
        }
        let (shown, code) = terminal.close();
        assert_eq!(code, Some(0), "{shown}");
        let line = folder.read("users");
        let hash = line.split(':').nth(1).unwrap().trim_start_matches("{ARGON2ID}");
        let hash = PasswordHash::new(hash).unwrap();
        assert!(Argon2::default().verify_password(typed, &hash).is_ok(), "{typed:?}: {shown}");
    }
}

/// Keys that mean something to other programs, and more than is taken: neither is left out, and
/// nothing of it is left to the shell.
#[test]
fn a_password_that_cannot_be_taken_as_it_is_typed_is_refused() {
    needs!("script", "stty");
    let folder = Folder::make();
    let program = format!("{PROGRAM} passwd {} al --uid 7 --gid 7", folder.path("users").display());
    let command = format!("tty; {program}; echo ended $?; read line; echo \"left $line\"");
    let long = "x".repeat(600);
    for (typed, why) in [
        ("correct \x1ahorse", "with a control character in it"),
        ("correct\x1b[D horse", "with a control character in it"),
        (long.as_str(), "unusable password: too long"),
    ] {
        let mut terminal = Terminal::run(&command);
        terminal.answer("New password for al: ", typed);
        terminal.seen += &terminal.script.up_to("ended 1");
        assert!(terminal.seen.contains(why), "{typed:?}: {}", terminal.seen);
        terminal.script.say("nothing\n");
        let (shown, _) = terminal.close();
        assert!(shown.contains("\nleft nothing\r\n"), "{typed:?}: {shown}");
    }
    assert!(!folder.path("users").exists());
}

/// By the key, which the shell around the program hears, too, and by signals.
#[test]
fn a_prompt_that_is_interrupted_leaves_the_terminal_as_it_was() {
    needs!("script", "stty");
    let folder = Folder::make();
    let users = folder.path("users");
    let program = format!("{PROGRAM} passwd {} al --uid 7 --gid 7", users.display());
    let command =
        format!("trap : INT; tty; sh -c 'echo $$; exec {program}'; echo ended $?; stty -a");
    for (how, code) in [(None, 130), (Some(Signal::TERM), 143), (Some(Signal::HUP), 129)] {
        let mut terminal = Terminal::run(&command);
        let pid = terminal.script.line().trim().parse().unwrap();
        terminal.prompts("New password for al: ");
        match how {
            None => terminal.script.say("\x03"),
            Some(how) => signal(pid, how),
        }
        let (shown, _) = terminal.close();
        assert!(shown.contains(&format!("ended {code}\r\n")), "{shown}");
        let state: Vec<_> = shown.split_whitespace().collect();
        for setting in ["echo", "icanon", "isig"] {
            assert!(state.contains(&setting), "{setting}: {shown}");
        }
    }
    assert!(!users.exists());
}
