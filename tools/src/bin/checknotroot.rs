//! See [`tools::checknotroot`].

#![no_main]

unix::program!(tools::checknotroot::main, tools::checknotroot::USAGE);
