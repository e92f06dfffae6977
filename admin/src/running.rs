//! A service's server while somebody looks at it: on a free port of this machine,
//! and gone with whoever started it.

use crate::deadline_lines::{Lines, Silence};
use crate::ending::{self, Guard};
use crate::outcome::Error;
use crate::programs;
use crate::run_script::{RunScript, Word};
use crate::temporary;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, PipeReader, pipe};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, exit};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;
use unix::deadline::Deadline;
use unix::log::Reason;
use unix::parent_death::end_with_parent;
use unix::private_mounts::PrivateMounts;
use unix::process::has_ended;
use unix::regular_file::read;

/// A server and all that it started.
#[derive(Debug)]
struct Running {
    child: Child,
    /// Ends when nobody is left who could log.
    logged: Receiver<Infallible>,
}

/// How long a server may take to say where it listens.
const START: Duration = Duration::from_secs(60);
/// Seconds that conversations have to come to their end.
const GRACE: u64 = 5;

impl Running {
    /// Starts what the run script becomes; returns it with where it listens.
    fn start(path: &Path, script: &RunScript, log: &Path) -> Result<(Self, SocketAddr), Error> {
        let script_name = path.display();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let (words, mut address) = script.command_here().ok_or_else(|| {
            Error::new(format!("{script_name}: no tlsserver in it that could be tried here"))
        })?;
        if let Some((word, why)) = unknown(script) {
            let (line, text) = (word.line, &word.text);
            let file = word.file.as_deref().unwrap_or(path).display();
            return Err(Error::new(format!("{file}:{line}: {text}: {why}")));
        }
        let mut command = command(script, &words);
        command.stdout(Stdio::piped());
        // Paths may begin there, as they do with supervisors.
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        let mut running = Self::run(command, log)?;
        let mut lines = Lines::of(running.child.stdout.take(), START).map_err(|error| {
            Error::new(format!("unable to wait for its server's start: {}", Reason(&error)))
        })?;
        let line = match lines.next() {
            Ok(line) => line,
            Err(Silence::End) => String::new(),
            Err(Silence::TooLate | Silence::TooLong) => {
                let seconds = START.as_secs();
                return Err(Error::new(format!(
                    "its server does not start: no answer within {seconds} s"
                )));
            }
        };
        let port = line.trim().parse().map_err(|_| {
            running.is_silent();
            let said = std::fs::read_to_string(log).unwrap_or_default();
            let said = said.lines().last().unwrap_or("it said nothing").to_owned();
            Error::new(format!("{script_name}: its server does not start: {said}"))
        })?;
        address.set_port(port);
        Ok((running, address))
    }

    /// Starts a program. The command ends with that: it holds an end of the pipe, and the log
    /// would never be over.
    fn run(mut command: Command, log: &Path) -> Result<Self, Error> {
        let no_file = |error| Error::file("unable to make", log, &error);
        let file = File::options().create(true).append(true).open(log).map_err(no_file)?;
        let (output, standard_error) = pipe().map_err(no_file)?;
        let logged = copy(output, file).map_err(no_file)?;
        command.stdin(Stdio::null()).stderr(standard_error).process_group(0);
        end_with_parent(&mut command);
        let started = command.spawn();
        let name = Path::new(command.get_program());
        let child = started.map_err(|error| Error::file("unable to start", name, &error))?;
        Ok(Self { child, logged })
    }

    /// Waits until nobody is left who could log: whoever ran the server may be gone while
    /// others have something to say.
    fn is_silent(&self) {
        let _ = self.logged.recv_timeout(Duration::from_secs(GRACE));
    }
}

/// Copies what is logged into a file, in a thread; tells when that is all.
fn copy(mut output: PipeReader, mut file: File) -> io::Result<Receiver<Infallible>> {
    let (sender, receiver) = channel();
    Builder::new().spawn(move || {
        let _ = io::copy(&mut output, &mut file);
        drop(sender);
    })?;
    Ok(receiver)
}

impl Drop for Running {
    fn drop(&mut self) {
        // Not waited for yet: the number is still this child's, and its group's.
        let pid = Pid::from_child(&self.child);
        let _ = kill_process(pid, Signal::TERM);
        if !matches!(has_ended(self.child.id(), Deadline::after_seconds(GRACE)), Ok(true)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        self.is_silent();
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.child.wait();
        self.is_silent();
    }
}

/// What the script becomes, as a supervisor would start it: of the variables of whoever looks at
/// it here it has none, but that its programs are found.
fn command(script: &RunScript, words: &[String]) -> Command {
    let variables = script.variables.iter().filter_map(|word| word.text.split_once('='));
    let path = variables.clone().rfind(|(name, _)| *name == "PATH");
    let path = path.map_or_else(programs::supervisors_path, |(_, path)| path.to_owned());
    let program = words.first().map(String::as_str).unwrap_or_default();
    let found = programs::find(program, &path);
    let mut command = Command::new(found.unwrap_or_else(|| program.into()));
    command.args(words.iter().skip(1)).env_clear().env("PATH", path).envs(variables);
    command
}

#[derive(Debug)]
struct Contents {
    // In this order: first nobody uses the folder any more, then it goes.
    running: Vec<Running>,
    mounts: Option<PrivateMounts>,
    folder: temporary::Folder,
}

/// Servers and a folder that nothing is left of: not when this is dropped, and not
/// when a signal ends the program.
#[derive(Debug)]
pub(crate) struct Scene {
    contents: Arc<Mutex<Option<Contents>>>,
    folder: PathBuf,
    _cleared_at_a_signal: Guard,
}

impl Scene {
    /// An empty scene, with a folder that others may look into.
    pub(crate) fn new() -> Result<Self, Error> {
        let failed = |error| Error::file("unable to make a folder", &temporary::place(), &error);
        let contents = Arc::new(Mutex::new(None));
        // A signal that comes now waits until there is something to clear.
        let mut lock = contents.lock().unwrap_or_else(PoisonError::into_inner);
        let guard = end_with_signal(&contents).map_err(|error| {
            Error::new(format!("unable to wait for signals: {}", Reason(&error)))
        })?;
        let folder = temporary::folder().map_err(failed)?;
        let path = folder.path().to_owned();
        *lock = Some(Contents { running: Vec::new(), mounts: None, folder });
        drop(lock);
        Ok(Self { contents, folder: path, _cleared_at_a_signal: guard })
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the server of a run script, its log in a file of the folder; returns
    /// where it listens: on a free port.
    pub(crate) fn start(&self, script: &Path, log: &str) -> Result<SocketAddr, Error> {
        let text = read(script).map_err(|error| Error::read(script, error))?;
        let says = RunScript::read(&String::from_utf8_lossy(&text)).unwrap_or_default();
        self.start_as(script, &says, log)
    }

    /// The same where it is known what the script says, and what is set for it.
    pub(crate) fn start_as(
        &self,
        script: &Path,
        says: &RunScript,
        log: &str,
    ) -> Result<SocketAddr, Error> {
        self.with(|contents| {
            let log = contents.folder.path().join(log);
            let (running, address) = Running::start(script, says, &log)?;
            contents.running.push(running);
            Ok(address)
        })
    }

    /// Starts another program, its log in a file of the folder.
    pub(crate) fn run(&self, command: Command, log: &str) -> Result<(), Error> {
        self.with(|contents| {
            let running = Running::run(command, &contents.folder.path().join(log))?;
            contents.running.push(running);
            Ok(())
        })
    }

    /// Whoever is still among these mounts is ended with the servers.
    pub(crate) fn end_with(&self, mounts: PrivateMounts) -> Result<(), Error> {
        self.with(|contents| {
            contents.mounts = Some(mounts);
            Ok(())
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Contents) -> Result<T, Error>) -> Result<T, Error> {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        act(contents.as_mut().ok_or_else(|| Error::new("ended by a signal"))?)
    }

    /// Has nothing be left of it.
    ///
    /// # Errors
    /// That its folder is.
    pub(crate) fn end(&self) -> Result<(), Error> {
        // A signal that comes now waits until all is cleared.
        let mut lock = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Contents { running, mounts, folder }) = lock.take() else { return Ok(()) };
        drop((running, mounts));
        folder.close()
    }

    /// Ends the servers; what they logged is all there then.
    pub(crate) fn stop(&self) {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(contents) = contents.as_mut() {
            contents.running.clear();
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(self.contents.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// What is not known of a script, and so keeps it from being run here; and why.
fn unknown(script: &RunScript) -> Option<(&Word, &'static str)> {
    let mut words = script.command.iter().chain(&script.variables);
    let computed = words.find(|word| word.is_computed);
    let elsewhere = script.elsewhere.first();
    let doubtful = script.doubtful.iter().find(|word| word.text.contains('='));
    let computed = computed.map(|word| (word, word.why_computed()));
    let elsewhere = elsewhere.map(|word| match word.file {
        Some(_) => (word, "not read here"),
        None => (word, "only a shell knows what it sets"),
    });
    let doubtful = doubtful.map(|word| (word, "only a shell knows whether it holds"));
    computed.or(elsewhere).or(doubtful)
}

/// Has a signal clear the scene before it ends the program.
fn end_with_signal(contents: &Arc<Mutex<Option<Contents>>>) -> io::Result<Guard> {
    let contents = Arc::clone(contents);
    ending::before(move |signal| {
        let mut lock = contents.lock().unwrap_or_else(PoisonError::into_inner);
        drop(lock.take());
        // The lock is kept: nothing can be started any more.
        exit(128 + signal);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::read_to_string;
    use std::io::Write;
    use std::sync::TryLockError;
    use std::sync::mpsc::RecvTimeoutError;
    use test_support::folder::make_fifo;

    #[test]
    fn the_log_is_over_with_the_last_who_could_write_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::run(Command::new("true"), &folder.path().join("log")).unwrap();
        let over = running.logged.recv_timeout(START);
        assert_eq!(over, Err(RecvTimeoutError::Disconnected));
    }

    /// What is done about a signal takes the lock, and would end the program in the middle.
    #[test]
    fn a_signal_waits_for_the_end_of_a_scene() {
        /// Ends at SIGTERM, though not before it is let go.
        const SLOW: &str = "cat never & trap 'kill $!; echo >ending; read x <go; exit' TERM
            echo >ready; wait";
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["never", "ready", "ending", "go"] {
            make_fifo(&path(name));
        }
        let scene = Scene::new().unwrap();
        let (place, contents) = (scene.folder().to_owned(), Arc::clone(&scene.contents));
        let mut command = Command::new("sh");
        command.args(["-c", SLOW]).current_dir(folder.path());
        scene.run(command, "log").unwrap();
        read_to_string(path("ready")).unwrap();
        std::thread::scope(|scope| {
            let ends = scope.spawn(|| scene.end());
            read_to_string(path("ending")).unwrap();
            let is_free = !matches!(contents.try_lock(), Err(TryLockError::WouldBlock));
            let mut go = File::options().read(true).write(true).open(path("go")).unwrap();
            go.write_all(b"\n").unwrap();
            ends.join().unwrap().unwrap();
            assert!(!is_free);
        });
        assert!(!place.exists());
    }
}
