//! Certificates that are good and those that are not.

use super::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::ffi::OsStringExt;
use std::process::Command;
use tempfile::TempDir;
use test_support::certificate::Pem;
use test_support::folder::{make_fifo, set_mode, write_secret};
use test_support::run::succeeds;

struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, pem: &str) -> Vec<u8> {
        let path = self.directory.path().join(name);
        write_secret(&path, pem);
        path.into_os_string().into_vec()
    }

    /// A certificate, with its key before it.
    fn both(&self, name: &str) -> Vec<u8> {
        let (certificate, key) = pem();
        self.write(name, &format!("{key}{certificate}"))
    }

    fn complaint(&self, variables: &Variables) -> String {
        let complaint = load(variables).err().unwrap().to_string();
        complaint.replace(self.directory.path().to_str().unwrap(), "DIR")
    }
}

fn pem_in(years: std::ops::Range<i32>) -> (String, String) {
    let pem = Pem::with(&["mail.example.org"], |wanted| {
        wanted.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        wanted.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    });
    (pem.certificate, pem.key)
}

fn pem() -> (String, String) {
    pem_in(2020..4000)
}

#[test]
fn one_file_may_hold_both_and_names_are_told_apart() {
    let files = Files::new();
    let both = files.both("both.pem");
    let (second, second_key) = pem();
    let variables = vec![
        ("CERTFILE".into(), both),
        ("CERTFILE:MX.example.org".into(), files.write("second.pem", &second)),
        ("KEYFILE:MX.example.org".into(), files.write("second.key", &second_key)),
    ];
    let certificates = load(&variables).unwrap().certificates;
    let names: Vec<_> = certificates.iter().map(|one| one.name.as_deref()).collect();
    assert_eq!(names, [None, Some("mx.example.org")]);
    assert_eq!(certificates[0].schemes, [u16::from(SignatureScheme::ECDSA_NISTP256_SHA256)]);
}

#[test]
fn what_is_wrong_is_said_with_the_files_name() {
    let files = Files::new();
    let (certificate, key) = pem();
    let certificate = files.write("cert", &certificate);
    let key = files.write("key", &key);
    let other = files.write("other", &pem().1);
    let garbage =
        files.write("garbage", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    let missing = files.directory.path().join("missing").into_os_string().into_vec();
    for (certificate, key, complaint) in [
        (&missing, &key, "certificate: DIR/missing: No such file or directory (os error 2)"),
        (
            &certificate,
            &missing,
            "certificate: DIR/missing: No such file or directory (os error 2)",
        ),
        (&key, &key, "certificate: DIR/key: no certificate in it"),
        (&certificate, &certificate, "certificate: DIR/cert: no private key in it"),
        (&certificate, &other, "certificate: DIR/cert: the key in DIR/other does not match it"),
    ] {
        let variables =
            vec![("CERTFILE".into(), certificate.clone()), ("KEYFILE".into(), key.clone())];
        assert_eq!(files.complaint(&variables), complaint);
    }
    let complaint = files.complaint(&vec![("CERTFILE".into(), garbage)]);
    assert!(complaint.starts_with("certificate: DIR/garbage: not a PEM file"), "{complaint}");
    assert_eq!(files.complaint(&vec![]), "certificate: CERTFILE: not set in the environment");
}

/// Without TLS there is something to serve, too.
#[test]
fn whatever_time_it_is_certificates_are_read() {
    let files = Files::new();
    for (years, from) in [(2001..2002, 978_307_200), (3000..3001, 32_503_680_000)] {
        let (certificate, key) = pem_in(years);
        let both = files.write("both", &format!("{key}{certificate}"));
        let loaded = load(&vec![("CERTFILE".into(), both)]).unwrap();
        assert_eq!(loaded.validities[0].from, from);
        assert!(loaded.validities[0].to > from);
        assert!(loaded.validities[0].file.ends_with("/both"));
    }
}

#[test]
fn a_second_certificate_for_the_same_name_has_its_own_variables() {
    let files = Files::new();
    let [first, second, named, both] = ["1", "2", "3", "4"].map(|name| files.both(name));
    let variables = vec![
        ("CERTFILE2:a.example.org".into(), both),
        ("CERTFILE2".into(), second),
        ("CERTFILE:a.example.org".into(), named),
        ("CERTFILE".into(), first),
    ];
    let loaded = load(&variables).unwrap();
    let files: Vec<_> = loaded.validities.iter().map(|one| one.file.rsplit('/').next()).collect();
    assert_eq!(files, [Some("1"), Some("2"), Some("3"), Some("4")]);
    let names: Vec<_> = loaded.certificates.iter().map(|one| one.name.as_deref()).collect();
    assert_eq!(names, [None, None, Some("a.example.org"), Some("a.example.org")]);
}

#[test]
fn a_certificate_with_its_chain_goes_before_another() {
    let files = Files::new();
    let (certificate, key) = pem();
    let both = files.write("both", &format!("{key}{certificate}"));
    let chain = files.write("chain", &format!("{certificate}{}", pem().0));
    let key = files.write("key", &key);
    for (others, used) in [
        (&[("CERTCHAINFILE", &chain), ("KEYFILE", &key)][..], "chain"),
        (&[("CERTCHAINFILE", &chain), ("KEYFILE", &key), ("CERTFILE", &both)], "chain"),
        (&[("CERTCHAINFILE", &both)], "both"),
        (&[("CERTCHAINFILE", &Vec::new()), ("CERTFILE", &both)], "both"),
    ] {
        let variables: Variables =
            others.iter().map(|(name, file)| ((*name).into(), (*file).clone())).collect();
        let loaded = load(&variables).unwrap();
        assert_eq!(loaded.certificates.len(), 1);
        assert!(loaded.validities[0].file.ends_with(&format!("/{used}")), "{others:?}");
        let links = if used == "chain" { 2 } else { 1 };
        assert_eq!(loaded.certificates[0].chain.len(), links);
        assert_eq!(loaded.warnings, <[String; 0]>::default());
    }
}

#[test]
fn an_empty_variable_is_not_set() {
    let files = Files::new();
    let both = files.both("both");
    let empty = || Vec::new();
    let complaint = "certificate: CERTFILE: not set in the environment";
    assert_eq!(files.complaint(&vec![("CERTFILE".into(), empty())]), complaint);
    let variables = vec![
        ("CERTFILE".into(), both),
        ("KEYFILE".into(), empty()),
        ("CERTFILE2".into(), empty()),
        ("KEYFILE2".into(), empty()),
        ("CERTFILE:a.example.org".into(), empty()),
    ];
    let loaded = load(&variables).unwrap();
    assert_eq!((loaded.certificates.len(), loaded.warnings.len()), (1, 0));
}

#[test]
fn what_can_never_be_used_is_said() {
    let files = Files::new();
    let [first, second, named] = ["1", "2", "3"].map(|name| files.both(name));
    let said = |variables: &Variables| {
        let folder = files.directory.path().to_str().unwrap();
        let warnings = load(variables).unwrap().warnings;
        warnings.iter().map(|line| line.replace(folder, "DIR")).collect::<Vec<_>>()
    };
    let mut variables = vec![
        ("CERTFILE".into(), first.clone()),
        ("KEYFILE2".into(), first.clone()),
        ("CERTFILE:a.example.org".into(), named),
        ("KEYFILE:b.example.org".into(), first.clone()),
        ("KEYFILE2:a.example.org".into(), first),
    ];
    let expected = [
        "certificate: KEYFILE2: not used, as CERTFILE2 is not set",
        "certificate: KEYFILE:b.example.org: not used, as CERTFILE:b.example.org is not set",
        "certificate: KEYFILE2:a.example.org: not used, as CERTFILE2:a.example.org is not set",
    ];
    assert_eq!(said(&variables), expected);
    variables
        .retain(|(name, _)| [&b"CERTFILE"[..], b"CERTFILE:a.example.org"].contains(&&name[..]));
    variables.push(("CERTFILE2".into(), second));
    let expected = ["certificate: DIR/2: never used: DIR/1 has the same kind of key"];
    assert_eq!(said(&variables), expected);
}

#[test]
fn a_pipe_keeps_nobody_waiting() {
    let files = Files::new();
    let pipe = files.directory.path().join("pipe");
    make_fifo(&pipe);
    let variables = vec![("CERTFILE".into(), pipe.into_os_string().into_vec())];
    assert_eq!(files.complaint(&variables), "certificate: DIR/pipe: not a regular file");
    let variables = vec![("CERTFILE".into(), "/dev/null".into())];
    assert_eq!(files.complaint(&variables), "certificate: /dev/null: not a regular file");
}

#[test]
fn a_key_that_others_can_read_is_used_and_said() {
    let files = Files::new();
    let (certificate, key) = pem();
    let certificate = files.write("cert", &certificate);
    let key = files.write("key", &key);
    let variables = vec![("CERTFILE".into(), certificate.clone()), ("KEYFILE".into(), key.clone())];
    for (mode, is_said) in [(0o644, true), (0o602, true), (0o640, false), (0o400, false)] {
        set_mode(OsStr::from_bytes(&key).as_ref(), mode);
        set_mode(OsStr::from_bytes(&certificate).as_ref(), 0o644);
        let warnings = load(&variables).unwrap().warnings;
        let said = format!("/key: mode {mode:o}: everybody can read or change the key");
        assert_eq!(warnings.len(), usize::from(is_said), "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.ends_with(&said)), "{warnings:?}");
    }
}

/// As administrators make them who follow an old page.
#[test]
fn what_no_library_takes_is_said_in_words() {
    let files = Files::new();
    for words in [
        "req -x509 -nodes -out short -newkey rsa:1024 -subj /CN=a -keyout k",
        "req -new -nodes -out request -newkey rsa:2048 -subj /CN=a -keyout old.key",
        "x509 -req -in request -signkey old.key -out old",
        "rsa -in old.key -traditional -aes128 -passout pass:x -out 1",
        "pkcs8 -topk8 -in old.key -passout pass:x -out 2",
        "req -x509 -nodes -out new -newkey rsa:2048 -subj /CN=a -keyout new.key",
    ] {
        let mut openssl = Command::new("openssl");
        succeeds(openssl.args(words.split(' ')).current_dir(&files.directory));
    }
    for (certificate, key, complaint) in [
        ("short", "k", "short: the key is of RSA and 1024 bits: at least 2048 are needed"),
        ("old", "old.key", "old: the certificate is of X.509 version 1, which is not supported"),
        ("new", "1", "1: the private key in it is encrypted"),
        ("new", "2", "2: the private key in it is encrypted"),
    ] {
        let path = |name: &str| files.directory.path().join(name).into_os_string().into_vec();
        let variables = vec![("CERTFILE".into(), path(certificate)), ("KEYFILE".into(), path(key))];
        assert_eq!(files.complaint(&variables), format!("certificate: DIR/{complaint}"));
    }
}
