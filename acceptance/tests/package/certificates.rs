//! The commands of docs/certificates.md with certbot and lego as Debian has them, and a
//! certificate authority for tests, Pebble: a certificate, a service that has it, a renewal
//! whose hook has new clients shown the new one, while a session goes on.

use crate::changes::{Client, SERIAL};
use crate::machine::Machine;
use crate::{ANSWERS, fresh, package, root};
use test_support::needs::{is_installed, skipped};

/// Pebble, and a resolver that has every name be this machine.
const AUTHORITY: &str = r#"
set -e; mkdir -p /root/ca; cd /root/ca
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>&-
cat >pebble.json <<'END'
{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000",
  "certificate": "cert.pem", "privateKey": "key.pem", "httpPort": 80, "tlsPort": 443,
  "certificateValidityPeriod": 604800}}
END
systemd-run --quiet --collect pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 '' \
    -dns01 127.0.0.1:8053 -http01 '' -https01 '' -tlsalpn01 '' -management 127.0.0.1:8055
systemd-run --quiet --collect --working-directory=/root/ca --setenv=PEBBLE_VA_NOSLEEP=1 \
    --setenv=PEBBLE_WFE_NONCEREJECT=0 pebble -config pebble.json -dnsserver 127.0.0.1:8053
"#;
/// What has a client take this authority for the usual one.
const TRUST: &str = "export REQUESTS_CA_BUNDLE=/root/ca/cert.pem \
                     LEGO_CA_CERTIFICATES=/root/ca/cert.pem; ";
const SERVER: &str = "--server https://localhost:14000/dir";

/// The commands of a section, each with the lines that it goes on in.
fn commands(section: &str) -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/certificates.md")).unwrap();
    let begins = |heading: &str| page.find(heading).unwrap_or_else(|| panic!("{heading}"));
    let page = &page[begins(section)..];
    let end = page[1..].find("\n## ").map_or(page.len(), |end| end + 1);
    let blocks = page[..end].split("\n```sh\n").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap().to_owned()).collect()
}

/// A machine with the package, and the authority; none where one of them cannot be had.
fn with_authority(client: &str) -> Option<Machine> {
    let needed = [client, "pebble", "pebble-challtestsrv"];
    if let Some(missing) = needed.iter().find(|program| !is_installed(program)) {
        skipped(&format!("{client}'s certificates"), &format!("needs {missing}"));
        return None;
    }
    let machine = fresh(&format!("{client}'s certificates"))?;
    let package = package();
    machine.put(package);
    machine.succeeds("dpkg -i acceptutils_*.deb");
    machine.succeeds(AUTHORITY);
    machine.awaits("ss -Htln 'sport = :14000' | grep -q : && ss -Hnul 'sport = :8053' | grep -q :");
    Some(machine)
}

/// A service with this certificate, and what a client is shown.
fn serve(machine: &Machine, certificate: &str, key: &str) -> String {
    machine.succeeds(&format!(
        "acceptutils init /etc/acceptutils --host mail.example.org --cert {certificate} --key {key}"
    ));
    machine.types("acceptutils user add al --uid al", &ANSWERS);
    machine.succeeds("systemctl enable --now acceptutils@submission");
    machine.succeeds(SERIAL)
}

/// Renews; the hook is the client's to run.
fn renew(machine: &Machine, command: &str, old: &str) {
    let mut idler = Client::start(machine, "idler.py");
    machine.succeeds(&format!("{TRUST}{command}"));
    machine.awaits("journalctl --unit=acceptutils@submission | grep -q 'certificates reloaded'");
    assert_ne!(machine.succeeds(SERIAL), old, "the new certificate is not shown");
    assert_eq!(idler.asked("session"), "250");
}

#[test]
fn certbots_certificates() {
    let Some(machine) = with_authority("certbot") else { return };
    let [obtain, hook] = &commands("## certbot\n")[..] else { panic!() };
    let answers = "--non-interactive --agree-tos --register-unsafely-without-email";
    machine.succeeds(&format!("{TRUST}{obtain} {SERVER} {answers}"));
    let live = "/etc/letsencrypt/live/mail.example.org";
    let old = serve(&machine, &format!("{live}/fullchain.pem"), &format!("{live}/privkey.pem"));
    let [exim] = &commands("## Exim's or Postfix's port 25\n")[..] else { panic!() };
    machine.succeeds(exim);
    let by_exim = SERIAL.replace(":587", ":25");
    machine.awaits(&format!("test \"$({by_exim})\" = '{}'", old.trim_end()));
    // The hook that certbot remembers, as certbot's timer runs it.
    renew(&machine, "certbot renew --no-random-sleep-on-renew", &old);
    // And the one for a certificate that is there already.
    machine.succeeds(hook);
    machine.succeeds("sed -i /renew_hook/d /etc/letsencrypt/renewal/*.conf");
    let old = machine.succeeds(SERIAL);
    machine.awaits(&format!("test \"$({by_exim})\" = '{}'", old.trim_end()));
    machine.succeeds("journalctl --rotate && journalctl --vacuum-time=1s && systemctl restart acceptutils@submission");
    renew(&machine, "certbot renew --no-random-sleep-on-renew", &old);
}

#[test]
fn legos_certificates() {
    let Some(machine) = with_authority("lego") else { return };
    let [obtain, renews] = &commands("## lego\n")[..] else { panic!() };
    let to_ours = |command: &str| command.replacen("lego ", &format!("lego {SERVER} "), 1);
    machine.succeeds(renews);
    machine.succeeds(&format!("{TRUST}{}", to_ours(obtain)));
    let kept = "/etc/lego/certificates/mail.example.org";
    let old = serve(&machine, &format!("{kept}.crt"), &format!("{kept}.key"));
    let job = machine.succeeds("test -x /etc/cron.daily/lego && tail -n +2 /etc/cron.daily/lego");
    let at_once = to_ours(&job).replacen(" renew ", " renew --no-random-sleep ", 1);
    renew(&machine, &at_once, &old);
}
