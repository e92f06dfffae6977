//! See [`tools::fixsmtpio`].

#![no_main]

unix::program!(tools::fixsmtpio::main, tools::fixsmtpio::USAGE);
