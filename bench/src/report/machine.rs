//! On what machine it was measured, and with which of Debian's packages.

use serde::Serialize;
use std::fs;
use std::process::Command;

/// Debian's packages beside which ours are measured.
const PEERS: &str = include_str!("../../peers");

/// The machine, as it says itself.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) is_virtual: bool,
    pub(crate) kernel: String,
    pub(crate) system: String,
    pub(crate) packages: Vec<String>,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let after = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let value = line.unwrap_or("unknown").trim_start_matches([' ', '\t', ':', '=']);
            value.trim_matches('"').to_owned()
        };
        let packages = said_by("dpkg-query", &packages_query());
        Self {
            date: said_by("date", &["-u", "+%F"]),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: after(&cpuinfo, "model name"),
            is_virtual: after(&cpuinfo, "flags").split(' ').any(|flag| flag == "hypervisor"),
            kernel: said_by("uname", &["-r"]),
            system: after(&release, "PRETTY_NAME"),
            packages: packages.lines().map(str::to_owned).collect(),
        }
    }

    /// In one sentence.
    pub(crate) fn sentence(&self) -> String {
        let kind = if self.is_virtual { ", a virtual machine" } else { "" };
        format!(
            "On {}: {} cores of {}{kind}, {}, Linux {}.",
            self.date, self.cores, self.processor, self.system, self.kernel
        )
    }
}

fn packages_query() -> Vec<&'static str> {
    let mut words = vec!["-W", "-f", "${Package} ${Version}\n"];
    words.extend(PEERS.split_whitespace());
    words
}

/// What a program prints; nothing where it cannot be run.
fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let octets = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&octets).trim().to_owned()
}
