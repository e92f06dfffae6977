//! What `docs/switching.md` says, tried: where a machine comes from, and where it is then.
//! Most of its paths end in chains that other files try.

use std::fs;
use std::path::{Path, PathBuf};

use acceptance::chain::{Chain, Server};
use anyhow::{Context, Result, ensure};
use test_support::needs::skipped;
use test_support::service::{give_to_nobody, with_certificate};

use crate::chains::introduction::SENDS;
use crate::chains::sending::python;
use crate::chains::unpacked::{download, unpack};
use crate::{BOB, BOB_IS_IN, BOB_TO_EVE, Test, body, by_python, holds, logs, message, swaks_sends};

pub(crate) const TESTS: &[Test] = &[
    (
        "switching from the C programs: their run script, rules and control files",
        &["swaks", "smtpfront-echo", "tcprules"],
        from_c,
    ),
    (
        "switching from a patched qmail: a server with AUTH of its own",
        &["python3", "exim4"],
        own_auth,
    ),
    ("submission by swaks to Postfix", &["swaks", "apt-get", "dpkg"], postfix),
];

fn rules_of_the_c_package(chain: &Chain<'_>) -> Result<()> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/src/relay/production-rules");
    fs::copy(rules, chain.path("home/control/fixsmtpio"))?;
    Ok(())
}

fn sends(chain: &Chain<'_>, server: &Server) -> Result<String> {
    swaks_sends(chain, server, "switched", BOB_TO_EVE, &[&BOB[..], &["--tls"]].concat())
}

/// A run script of theirs with one name changed, the rules that they came with, and
/// nothing that only ours know.
fn from_c(chain: &Chain<'_>) -> Result<()> {
    rules_of_the_c_package(chain)?;
    let (compiled, temporary) = (chain.name("client/rules.cdb"), chain.name("client/rules.tmp"));
    chain.succeeds(&["tcprules", &compiled, &temporary], b":allow\n")?;

    let mut command = chain.command("tlsserver");
    command.args(["-1", "-ne", "-vRl0", "-x", &compiled, "-c", "40", "127.0.0.1", "0"]);
    command.args(chain.login("smtp", &["fixsmtpio", "smtpfront-echo"]));
    let server = chain.start(with_certificate(&mut command, chain).env("UCSPITLS", "!"))?;
    holds(&sends(chain, &server)?, "235 ok, go ahead (#2.0.0)")?;
    logs(chain, "tlsserver: status: 1/40")?;
    logs(chain, BOB_IS_IN)
}

/// The server behind goes on offering AUTH, as a patched qmail-smtpd does, and as Exim can
/// be told to; nobody sees it.
fn own_auth(chain: &Chain<'_>) -> Result<()> {
    let authenticator = "begin authenticators\nplain:\n  driver = plaintext\n  public_name = PLAIN\n  \
                         server_prompts = :\n  server_condition = false\n";
    let config = fs::read_to_string(chain.path("exim.conf"))? + authenticator;
    fs::write(chain.path("auth.conf"), config)?;
    let config = chain.name("auth.conf");
    let offers = chain.succeeds(&["exim4", "-C", &config, "-bs"], b"EHLO client\r\nQUIT\r\n")?;
    holds(&String::from_utf8_lossy(&offers), "250-AUTH PLAIN")?;

    let server = ["fixsmtpio", "exim4", "-C", &config, "-odf", "-bs"];
    let server = chain.tls_server("!", &chain.login("smtp", &server))?;
    let sends = "print(client.ehlo())\n\
        client.sendmail('bob@example.org', ['bob@example.org'], sys.stdin.buffer.read())";
    let said = python(chain, &server, sends)?;
    ensure!(!said.contains("AUTH") && !said.contains("STARTTLS"), "offered again: {said}");
    holds(&said, "(221, b'mail.example.org')")?;
    own_auth_of_strangers(chain, &config)
}

/// Port 25: nobody is offered what the relay would not let through.
fn own_auth_of_strangers(chain: &Chain<'_>, config: &str) -> Result<()> {
    let front = ["fixsmtpio", "exim4", "-C", config, "-odf", "-bs"];
    let server = chain.tls_server("", &[chain.nobody(), &front].concat())?;
    let program = "client = smtplib.SMTP('localhost', port)\n\
         for turn in (1, 2):\n  client.ehlo()\n  assert not client.has_extn('auth'), client.esmtp_features\n  \
         reply = client.docmd('AUTH', 'PLAIN AGJvYgBwYXNz')\n  assert reply[0] == 502, reply\n  \
         if turn == 1: client.starttls(context=trust)\n\
         print(client.quit())";
    holds(&by_python(chain, server.port, program, "")?, "(221, b'mail.example.org')")
}

/// Postfix, which Debian does not install beside Exim: unpacked, with a queue of its own,
/// and without its daemons. So a message ends where its `sendmail` hands it over.
struct Postfix {
    folder: PathBuf,
    programs: PathBuf,
}

impl Postfix {
    /// `None` where the package cannot be had.
    fn unpack(chain: &Chain<'_>) -> Result<Option<Self>> {
        let folder = chain.path("postfix");
        fs::create_dir(&folder)?;
        let Some(packages) = download("postfix", None, &["postfix"])? else { return Ok(None) };
        let programs = folder.join("programs");
        unpack(&packages, &programs)?;
        let postfix = Self { folder, programs };
        postfix.configure()?;
        Ok(Some(postfix))
    }

    fn configure(&self) -> Result<()> {
        for name in ["queue/public", "queue/pid", "data"] {
            fs::create_dir_all(self.folder.join(name))?;
        }
        self.make_queue()?;
        let (folder, programs) = (self.folder.display(), self.programs.display());
        let config = format!(
            "compatibility_level = 3.6\nmyhostname = mail.example.org\ninet_interfaces = loopback-only\n\
             queue_directory = {folder}/queue\ndata_directory = {folder}/data\nmeta_directory = {folder}\n\
             command_directory = {programs}/usr/sbin\ndaemon_directory = {programs}/usr/lib/postfix/sbin\n\
             shlib_directory = {programs}/usr/lib/postfix\nalias_maps =\n\
             mail_owner = mail\nsmtpd_helo_required = yes\ndefault_privs = daemon\nsetgid_group = adm\n\
             import_environment = MAIL_CONFIG LD_LIBRARY_PATH\n\
             export_environment = MAIL_CONFIG LD_LIBRARY_PATH PATH\n"
        );
        fs::write(self.folder.join("main.cf"), config)?;
        fs::write(self.folder.join("dynamicmaps.cf"), "")?;
        Ok(())
    }

    /// Where its `sendmail` hands messages over.
    fn make_queue(&self) -> Result<()> {
        let maildrop = self.folder.join("queue/maildrop");
        fs::create_dir(&maildrop)?;
        // Elsewhere postdrop may write there because it is setgid.
        give_to_nobody(&maildrop);
        Ok(())
    }

    /// `NAME=VALUE` for its programs.
    fn variables(&self) -> [String; 2] {
        let (folder, programs) = (self.folder.display(), self.programs.display());
        [format!("MAIL_CONFIG={folder}"), format!("LD_LIBRARY_PATH={programs}/usr/lib/postfix")]
    }

    fn program(&self, name: &str) -> String {
        self.programs.join("usr/sbin").join(name).display().to_string()
    }
}

fn postfix(chain: &Chain<'_>) -> Result<()> {
    let Some(postfix) = Postfix::unpack(chain)? else {
        skipped("Postfix", "apt-get cannot download it");
        return Ok(());
    };
    let [config, libraries] = postfix.variables();
    let sendmail = postfix.program("sendmail");
    let server = ["fixsmtpio", "env", &config, &libraries, &sendmail, "-bs"];
    let alone = [chain.nobody(), &server[1..]].concat();
    let server = chain.tls_server("!", &chain.login("smtp", &server))?;
    // Which it wants to have heard, and the client only says before its login.
    let alone = chain.succeeds(&alone, b"MAIL FROM:<a@b>\r\nQUIT\r\n")?;
    holds(&String::from_utf8_lossy(&alone), "503 5.5.1 Error: send HELO/EHLO first")?;
    python(chain, &server, SENDS)?;
    fs::remove_dir_all(postfix.folder.join("queue/maildrop"))?;
    postfix.make_queue()?;
    let said = sends(chain, &server)?;
    holds(&said, "235 ok, go ahead")?;
    holds(&said, "queued as")?;
    let mut queue = fs::read_dir(postfix.folder.join("queue/maildrop"))?;
    let message_file = queue.next().context("nothing was handed over")??.path();
    let message_file = message_file.display().to_string();
    let postcat = postfix.program("postcat");
    let shown =
        chain.succeeds(&["env", &config, &libraries, &postcat, "-bh", &message_file], b"")?;
    let sent = message("switched").replace("\r\n", "\n");
    ensure!(body(&shown) == body(sent.as_bytes()), "handed over: {}", shown.escape_ascii());
    postfix_is_offered_without_size(chain, &[config, libraries, sendmail])
}

/// Run by an ordinary user, it ends at a message that is announced as too large.
fn postfix_is_offered_without_size(chain: &Chain<'_>, words: &[String; 3]) -> Result<()> {
    let command = format!("env {} -bs", words.join(" "));
    let folder = chain.name("init");
    fs::create_dir(&folder)?;
    if !chain.begins_as_root() {
        give_to_nobody(Path::new(&folder));
    }
    let init = ["init", &folder, "--host", "mail.example.org", "--submission", &command];
    // Other mail programs here may have their warnings.
    chain.client(&[&["acceptutils"], &init[..]].concat(), b"")?;
    let listed = fs::read_to_string(chain.path("init/control/smtpcapabilities"))?;
    let listed: Vec<_> = listed.lines().filter(|line| !line.starts_with('#')).collect();
    ensure!(listed.contains(&"PIPELINING") && !listed.concat().contains("SIZE"), "{listed:?}");
    Ok(())
}
