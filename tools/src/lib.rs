//! The four programs: drivers that join `proto`, which decides, to `unix`, which acts.

#![forbid(unsafe_code)]
