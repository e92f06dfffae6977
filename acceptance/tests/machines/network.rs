//! The machines: network namespaces, joined to the load balancer's by a cable each.

use std::process::{self, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use test_support::run::output;

/// Where the clients are, on the same network as what they connect to.
pub(crate) const CLIENT: &str = "192.0.2.77";
/// What clients connect to: the load balancer.
pub(crate) const SERVICE: &str = "192.0.2.1";

/// Namespaces; they go with this.
pub(crate) struct Network {
    prefix: String,
    made: Vec<String>,
    _turn: MutexGuard<'static, ()>,
}

impl Network {
    /// Makes them, or says why that cannot be done here. There is one network at a time:
    /// a test copies the programs that it runs, and a program cannot be run while another
    /// thread's child, just forked, still holds it open for writing.
    pub(crate) fn make() -> Result<Self, String> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let prefix = format!("acceptutils-{}-", process::id());
        let mut network = Self { prefix, made: Vec::new(), _turn: turn };
        for name in ["balancer", "client", "mail1", "mail2"] {
            let name = network.name(name);
            ip(&["netns", "add", &name])?;
            network.made.push(name.clone());
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
        }
        network.cable(
            "clients",
            "client",
            &[&format!("{SERVICE}/24")],
            &[&format!("{CLIENT}/24")],
        )?;
        for number in 1..=2 {
            let (machine, address) = (format!("mail{number}"), format!("198.51.100.1{number}"));
            let here = ["198.51.100.1", "peer", &address];
            let there = [&address, "peer", "198.51.100.1"];
            network.cable(&machine, &machine, &here, &there)?;
        }
        Ok(network)
    }

    /// The full name of a machine.
    pub(crate) fn name(&self, machine: &str) -> String {
        format!("{}{machine}", self.prefix)
    }

    /// The words before a command that is to run on a machine.
    pub(crate) fn on(&self, machine: &str) -> [String; 4] {
        ["ip", "netns", "exec", &self.name(machine)].map(str::to_owned)
    }

    /// Pulls a machine's plug: what is sent to it stays unanswered.
    pub(crate) fn cut(&self, machine: &str) {
        ip(&["-n", &self.name(machine), "link", "set", "eth0", "down"]).expect("a cable");
    }

    fn cable(&self, end: &str, to: &str, here: &[&str], there: &[&str]) -> Result<(), String> {
        let (balancer, other) = (self.name("balancer"), self.name(to));
        ip(&[
            "link", "add", end, "netns", &balancer, "type", "veth", "peer", "name", "eth0",
            "netns", &other,
        ])?;
        for (machine, device, address) in [(&balancer, end, here), (&other, "eth0", there)] {
            ip(&[&["-n", machine, "addr", "add"], address, &["dev", device]].concat())?;
            ip(&["-n", machine, "link", "set", device, "up"])?;
        }
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.made {
            let _gone = ip(&["netns", "del", name]);
        }
    }
}

fn ip(words: &[&str]) -> Result<(), String> {
    let output = output(Command::new("ip").args(words), b"");
    if output.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("ip {}: {}", words.join(" "), said.trim()))
    }
}
