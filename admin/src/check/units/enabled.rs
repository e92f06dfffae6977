//! Which services systemd starts: of those that it is told to start, whether they are there, and of
//! those that are there, which it does not start.

use super::{Units, load_path, name, scripts};
use crate::check::findings::Findings;
use crate::check::service::Service;
use std::path::Path;

/// Looks. Where no unit of these services is enabled, another supervisor may run them, or they
/// may still be tried.
pub(super) fn check(units: &Units, folder: &Path, services: &[Service], findings: &mut Findings) {
    for unit in &units.strays {
        let Some(script) = scripts(unit).pop() else { continue };
        let script = script.display();
        if let Some(link) = units.enabled.get(&unit.name) {
            findings.warning(link, format!("enabled, and {script} is not there"));
        } else if let Some(drop_ins) = units.path.own_drop_ins(&unit.name) {
            findings.warning(&drop_ins, format!("for a service that is not there: {script}"));
        }
    }
    let starts =
        |service: &&Service| units.of(service).is_some_and(|(unit, _)| units.is_enabled(unit));
    if !services.iter().any(|service| starts(&service)) {
        return;
    }
    let mask = |service: &Service| {
        let is_of = |unit: &str| {
            let templates = units.units.iter().map(|(unit, _)| load_path::template(&unit.name));
            name(service).is_some_and(|name| unit.ends_with(&format!("@{name}.service")))
                && templates.into_iter().any(|known| known == load_path::template(unit))
        };
        units.masked.iter().find(|(unit, _)| is_of(unit)).map(|(_, file)| file)
    };
    let mut others = Vec::new();
    for service in services.iter().filter(|service| !starts(service)) {
        match mask(service) {
            Some(file) => {
                let text = format!("masked, so systemd does not start {}", service.path.display());
                findings.note(file, text);
            }
            None => others.extend(name(service)),
        }
    }
    if !others.is_empty() {
        findings.note(
            folder,
            format!("not enabled by a link, so systemd may not start them: {}", others.join(", ")),
        );
    }
}
