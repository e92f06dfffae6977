//! See [`checkpassword::file`].

#![no_main]

unix::program!(checkpassword::file::main, checkpassword::file::USAGE);
