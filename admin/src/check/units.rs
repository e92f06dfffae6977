//! systemd's units: those that `init` made beside the run scripts, and those of the system that run
//! these scripts. Each is looked at as it takes effect, with its drop-ins.

mod enabled;
mod given;
mod load_path;
mod unit;

use super::findings::Findings;
use super::service::Service;
use super::who::Who;
use super::{folder, real_path, writers};
use crate::programs;
use load_path::{Found, LoadPath};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use unit::{Setting, Unit};
use unix::regular_file::read;

/// Looks at them, and has the services know what they give to their scripts.
pub(super) fn check(home: &Path, services: &mut [Service], findings: &mut Findings) {
    check_readable(&home.join("systemd"), findings);
    let path = LoadPath::of_system();
    path.check(findings);
    let made = Units::load(LoadPath::of_folder(home.join("systemd")), services, |_| true);
    let scripts = home.join("service");
    let system = Units::load(path, services, |path| {
        path.starts_with(&scripts) || services.iter().any(|service| is_script(path, service))
    });
    for units in [&made, &system] {
        units.check(services, findings);
    }
    for file in system.all().flat_map(|unit| &unit.files) {
        if let Ok(found) = file.metadata() {
            writers::check(file, &found, &Who::Starter, findings);
        }
    }
    enabled::check(&system, &scripts, services, findings);
    for service in services {
        if let Some((unit, _)) = system.of(service).or_else(|| made.of(service)) {
            given::learn(service, unit);
        }
        // Where another supervisor runs it, the script says where it listens.
        if let Some((unit, Some(socket))) = system.of(service)
            && system.is_enabled(unit)
        {
            given::learn_sockets(service, socket);
        }
    }
}

/// Those that are made for these services are here to be read.
fn check_readable(folder: &Path, findings: &mut Findings) {
    for path in folder::entries(folder, findings).into_iter().flatten() {
        if let Some(Err(error)) = path.is_file().then(|| read(&path)) {
            findings.unusable(&path, &error);
        }
    }
}

fn is_script(path: &Path, service: &Service) -> bool {
    real_path(path) == real_path(&service.path)
}

/// The name of a service: its folder's.
fn name(service: &Service) -> Option<&str> {
    service.path.parent()?.file_name()?.to_str()
}

/// Those of a load path that run, or are to run, these services.
struct Units {
    path: LoadPath,
    /// They are services, with their sockets.
    units: Vec<(Unit, Option<Unit>)>,
    /// Templates' instances for which there is no service.
    strays: Vec<Unit>,
    /// Names of services that cannot be started, and the file that says so.
    masked: Vec<(String, PathBuf)>,
    /// Files and folders of theirs that cannot be read, and why.
    unreadable: Vec<(PathBuf, io::Error)>,
    /// Units that are enabled, each with the link that says so.
    enabled: BTreeMap<String, PathBuf>,
}

impl Units {
    /// Those that run what is ours.
    fn load(path: LoadPath, services: &[Service], is_ours: impl Fn(&Path) -> bool) -> Self {
        let instances: Vec<_> = services.iter().filter_map(name).collect();
        let (mut units, mut strays, mut masked) = (Vec::new(), Vec::new(), Vec::new());
        let mut unreadable = Vec::new();
        for name in path.services(&instances) {
            match path.load(&name) {
                Some(Found::Masked(file)) => masked.push((name, file)),
                // Whether another is ours is not known.
                Some(Found::Unreadable(file, error)) if name.starts_with("acceptutils@") => {
                    unreadable.push((file, error));
                }
                Some(Found::Unit(mut unit)) if commands(&unit).iter().any(|path| is_ours(path)) => {
                    unreadable.append(&mut unit.unreadable);
                    let instance =
                        name.split_once('@').and_then(|(_, rest)| rest.strip_suffix(".service"));
                    let is_stray = instance.is_some_and(|one| !instances.contains(&one))
                        && scripts(&unit).iter().any(|script| !script.exists());
                    if is_stray {
                        strays.push(unit);
                        continue;
                    }
                    let mut socket = None;
                    match path.load(&socket_of(&unit)) {
                        Some(Found::Unit(found)) => {
                            unreadable.append(&mut socket.insert(found).unreadable);
                        }
                        Some(Found::Unreadable(file, error)) => unreadable.push((file, error)),
                        Some(Found::Masked(_)) | None => {}
                    }
                    units.push((unit, socket));
                }
                _ => {}
            }
        }
        let enabled = path.enabled();
        Self { path, units, strays, masked, unreadable, enabled }
    }

    fn all(&self) -> impl Iterator<Item = &Unit> {
        self.units.iter().flat_map(|(unit, socket)| [Some(unit), socket.as_ref()]).flatten()
    }

    /// Whether systemd is told to start it, or to open its socket.
    fn is_enabled(&self, unit: &Unit) -> bool {
        self.enabled.contains_key(&unit.name) || self.enabled.contains_key(&socket_of(unit))
    }

    /// The one that runs this service, and its socket: of several one that is enabled.
    fn of(&self, service: &Service) -> Option<&(Unit, Option<Unit>)> {
        let runs = |unit| scripts(unit).iter().any(|script| is_script(script, service));
        let all = || self.units.iter().filter(|(unit, _)| runs(unit));
        all().find(|(unit, _)| self.is_enabled(unit)).or_else(|| all().next())
    }

    fn check(&self, services: &[Service], findings: &mut Findings) {
        self.unreadable.iter().for_each(|(path, error)| findings.unusable(path, error));
        self.all().for_each(|unit| check_sections(unit, findings));
        self.check_programs(findings);
        for (unit, socket) in &self.units {
            check_count(unit, findings);
            if scripts(unit).iter().all(|script| script.exists()) {
                check_folder(unit, services, findings);
                check_assertions(unit, findings);
                let socket = socket.as_ref();
                // Without a port it is none, and the service opens its own.
                let socket =
                    socket.filter(|socket| !socket.list("Socket", "ListenStream").is_empty());
                socket.iter().for_each(|socket| check_assertions(socket, findings));
            }
        }
    }

    /// Of a template, one instance whose program is there is enough.
    fn check_programs(&self, findings: &mut Findings) {
        let mut commands: Vec<(&Setting, bool)> = Vec::new();
        for (unit, _) in &self.units {
            for setting in unit.list("Service", "ExecStart") {
                let path = unit.expand(program(setting));
                let is_there =
                    path.is_none_or(|path| programs::find(&path, programs::USUAL).is_some());
                match commands.iter_mut().find(|(known, _)| known.is_at(setting)) {
                    Some((_, is_one_there)) => *is_one_there |= is_there,
                    None => commands.push((setting, is_there)),
                }
            }
        }
        for (setting, _) in commands.into_iter().filter(|(_, is_there)| !is_there) {
            let text = format!("{}: not a program, or not there", program(setting));
            findings.error(setting.place(), text);
        }
    }
}

fn socket_of(unit: &Unit) -> String {
    unit.name.replace(".service", ".socket")
}

/// What it starts; signs before it say how.
fn program(setting: &Setting) -> &str {
    let first = setting.value.split_whitespace().next().unwrap_or_default();
    first.trim_start_matches(['-', '@', ':', '+', '!', '|']).trim_matches(['"', '\''])
}

/// The files that commands of the unit name, with those that a drop-in has taken back.
fn commands(unit: &Unit) -> Vec<PathBuf> {
    let values = unit.all("Service", "ExecStart").map(|setting| setting.value.as_str());
    let words = values.flat_map(str::split_whitespace);
    let words =
        words.map(|word| word.trim_start_matches(['-', '@', ':', '+', '!', '|', '"', '\'']));
    let paths =
        words.filter(|word| word.starts_with('/')).map(|word| word.trim_end_matches(['"', '\'']));
    paths.filter_map(|path| unit.expand(path)).map(PathBuf::from).collect()
}

/// What the unit starts.
fn scripts(unit: &Unit) -> Vec<PathBuf> {
    let commands = unit.list("Service", "ExecStart").into_iter();
    commands.filter_map(|setting| unit.expand(program(setting))).map(PathBuf::from).collect()
}

/// Settings that are passed over because of where they stand.
fn check_sections(unit: &Unit, findings: &mut Findings) {
    /// Where these settings belong.
    const SECTIONS: [(&str, &[&str]); 2] = [
        ("Unit", &["After", "AssertPathExists", "Requires", "StartLimitIntervalSec", "Wants"]),
        (
            "Service",
            &[
                "Environment",
                "EnvironmentFile",
                "ExecReload",
                "ExecStart",
                "Group",
                "Restart",
                "User",
                "WorkingDirectory",
            ],
        ),
    ];
    for setting in &unit.settings {
        let name = &setting.name;
        let Some(section) = &setting.section else {
            let text = format!("{name}: in no section, so systemd passes it over");
            findings.warning(setting.place(), text);
            continue;
        };
        let right = SECTIONS.iter().find(|(_, names)| names.contains(&name.as_str()));
        if let Some((right, _)) = right.filter(|(right, _)| right != section)
            && ["Unit", "Service", "Install"].contains(&section.as_str())
        {
            let text = format!(
                "{name}: in [{section}], so systemd passes it over: it belongs in [{right}]"
            );
            findings.warning(setting.place(), text);
        }
    }
}

/// There is one command, unless it is one that ends.
fn check_count(unit: &Unit, findings: &mut Findings) {
    let is_oneshot = unit.one("Service", "Type").is_some_and(|kind| kind.value == "oneshot");
    let last = unit.all("Service", "ExecStart").next_back();
    match (unit.list("Service", "ExecStart").as_slice(), last) {
        ([], Some(last)) => {
            findings.error(last.place(), "no ExecStart is left, so systemd refuses the unit");
        }
        ([_, second, ..], _) if !is_oneshot => {
            let text = "ExecStart: a second one, so systemd refuses the unit: write an empty \
                        ExecStart= before it";
            findings.error(second.place(), text);
        }
        _ => {}
    }
}

/// The scripts are started in `/` unless the unit says where, and not where other supervisors
/// start them.
fn check_folder(unit: &Unit, services: &[Service], findings: &mut Findings) {
    let Some(command) = unit.list("Service", "ExecStart").pop() else { return };
    let said = unit.all("Service", "WorkingDirectory").next_back();
    let value = said.map(|said| said.value.as_str()).filter(|value| !value.is_empty());
    let may_lack = value.is_none_or(|value| value.starts_with('-'));
    let folder = unit.expand(value.map_or("/", |value| value.trim_start_matches('-')));
    // `~` is somebody's home.
    let Some(folder) = folder.map(PathBuf::from).filter(|folder| folder.is_absolute()) else {
        return;
    };
    let (value, said) = (value.unwrap_or_default(), said.unwrap_or(command));
    if !may_lack && !folder.is_dir() {
        let text = format!(
            "WorkingDirectory: {value}: not there, so systemd cannot start {}",
            program(command)
        );
        return findings.error(unit.to_blame(said, command).place(), text);
    }
    let paths = scripts(unit);
    let is_run = |service: &&Service| paths.iter().any(|path| is_script(path, service));
    let is_elsewhere = |service: &&Service| {
        let own = service.path.parent().and_then(|folder| folder.canonicalize().ok());
        own != folder.canonicalize().ok()
    };
    let mut run = services.iter().filter(is_run).filter(is_elsewhere);
    let found = run.find_map(|service| Some((&service.path, service.file_from_its_folder()?)));
    if let Some((script, file)) = found {
        let why = if value.is_empty() { "no ".to_owned() } else { String::new() };
        let what = if value.is_empty() { String::new() } else { format!(": {value}") };
        let (script, file, folder) = (script.display(), file.display(), folder.display());
        let text = format!(
            "{why}WorkingDirectory{what}: systemd looks for {file} of {script} in {folder}"
        );
        findings.warning(said.place(), text);
    }
}

/// Files that must be there, or systemd does not start the unit. What is in `/run` may come.
fn check_assertions(unit: &Unit, findings: &mut Findings) {
    let command = unit.list("Service", "ExecStart").pop();
    for setting in unit.list("Unit", "AssertPathExists") {
        let path = unit.expand(&setting.value).map(PathBuf::from);
        let is_there = |path: &PathBuf| path.starts_with("/run") || path.exists();
        // One that is not absolute has a sign before it.
        if path.is_none_or(|path| !path.is_absolute() || is_there(&path)) {
            continue;
        }
        let text = format!("AssertPathExists: {}: not there, so systemd", setting.value);
        match command {
            // Where a drop-in leads elsewhere, it has to say this, too.
            Some(command) => {
                let text = format!("{text} does not start {}", program(command));
                findings.error(unit.to_blame(setting, command).place(), text);
            }
            None => findings.warning(setting.place(), format!("{text} does not open the port")),
        }
    }
}
