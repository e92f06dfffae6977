//! `acceptutils check` of services that do not hear everybody: behind a load balancer, or with
//! rules.

use crate::check::{Good, good};
use crate::support::{PASSWORD, al_logs_in, ends_with, run_with};
use std::process::Command;
use test_support::run::output;

/// It is tried as a load balancer would, where that can be.
#[test]
fn a_service_behind_a_load_balancer_is_tried_with_its_header() {
    let Good { dir, folder: _folder } = good();
    let script = dir.join("service/submission/run");
    let text = std::fs::read_to_string(&script).unwrap();
    for option in ["--proxy-protocol", "--proxy-protocol=192.0.2.7,2001:db8::/64"] {
        std::fs::write(&script, text.replace(" -n -v", &format!(" {option} -n -v"))).unwrap();
        al_logs_in(&script);
    }
    // The service that runs hears nobody else.
    let arguments = ["check", script.to_str().unwrap(), "--login", "al", "--running", "--stdin"];
    let said = ends_with(&run_with(&arguments, PASSWORD), 0);
    let expected = "/run: not tried: ";
    assert!(said.contains(expected) && !said.contains("logged in"), "{said}");
}

/// Rules that let clients in, and change nothing that a login needs.
#[test]
fn nothing_is_said_against_rules_that_are_right() {
    let Good { dir, folder: _folder } = good();
    let script = dir.join("service/submission/run");
    let text = std::fs::read_to_string(&script).unwrap();
    let rules = "127.:allow,UCSPITLS=\"\"\n10.:allow,RELAYCLIENT=\"\",UCSPITLS=\"!\"\n:deny\n";
    let mut tcprules = Command::new("tcprules");
    tcprules.args(["rules.cdb", "tmp"]).current_dir(script.parent().unwrap());
    ends_with(&output(&mut tcprules, rules.as_bytes()), 0);
    for options in ["-x rules.cdb", "-X -x no-such.cdb"] {
        std::fs::write(&script, text.replace(" -n -v", &format!(" {options} -n -v"))).unwrap();
        al_logs_in(&script);
    }
}
