//! The state that every program of ours begins in, and so also what it hands on by exec.
//!
//! Called by whatever is the first of a program, its `main` or what is before that. One
//! that changes something of it for itself starts others by [`crate::spawn`].

use crate::disposition;

/// Takes it on: no signal is blocked, and each does what the system has it do by default; those
/// that a failed write raises are ignored, and do it for what is started. Limits, umask, priority
/// and working folder are what whoever started us made them; ours change them for themselves
/// only, once they start nothing any more, but for checkpassword, which goes home.
///
/// To be called while there is one thread.
pub fn begin() {
    disposition::all_as_by_default();
    disposition::fail_at_writing();
}
