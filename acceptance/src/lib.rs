//! The test bench: plays transcripts (`cases/`) against the built programs.
//!
//! A case is one sequence of lines that one thread plays: what the client sends
//! and gets, what the programs behind saw and answered, what was logged, how it
//! ended. Nothing sleeps: each step waits for its event, and a watchdog turns a
//! wait without end into a failure. Whatever goes wrong is an error that says so, and
//! the test's failure. `README.md` beside this package describes the lines of a case
//! for its writer.
//!
//! - [`text`]: how bytes and expectations are written in a case,
//! - [`case`]: the grammar of a case file,
//! - [`stand_in`]: the program that plays checkpassword, servers and programs behind,
//! - [`stage`]: one run's folder, control files, descriptors and process,
//! - [`channel`]: the pump that moves bytes between the stage and the transcript,
//! - [`play`]: plays a case on a stage,
//! - [`programs`]: where the built programs are,
//! - [`peer`]: a client that says what it is told,
//! - [`chain`]: a mail service from real parts, for the tests with real clients,
//! - [`processes`]: what /proc says of the programs while they run,
//! - [`rows`]: which rows of the list of differences have a test.

#![forbid(unsafe_code)]
#![expect(clippy::missing_errors_doc, reason = "said above, once")]

pub mod case;
pub mod chain;
pub mod channel;
pub mod connected;
pub mod peer;
pub mod play;
pub mod processes;
pub mod programs;
pub mod rows;
pub mod stage;
pub mod stand_in;
pub mod suite;
pub mod text;
