//! See [`tools::authup`].

#![no_main]

unix::program!(tools::authup::main, tools::authup::USAGE);
