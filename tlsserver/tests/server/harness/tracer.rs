//! System calls that fail in a process that runs, which strace sees to.

use std::process::{Child, Command, Stdio};
use test_support::log::Log;

/// Traces the processes until it is dropped.
pub(crate) struct Tracer(Child);

impl Tracer {
    /// Has system calls of these processes fail, each process's counted by themselves;
    /// `inject` as in strace(1).
    pub(crate) fn attach(processes: &[u32], inject: &str) -> Self {
        // The filter of a jailed process knows getpid, and not strace's usual -1.
        let inject = format!("inject={inject}:syscall=getpid");
        let mut strace = Command::new("strace");
        strace.args(["-o", "/dev/null", "-e", "signal=none", "-e", &inject]);
        for process in processes {
            strace.args(["-p", &process.to_string()]);
        }
        let mut tracer = strace.stderr(Stdio::piped()).spawn().unwrap();
        let said = Log::of(tracer.stderr.take().unwrap());
        said.wait_for_count(" attached", processes.len());
        Self(tracer)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
