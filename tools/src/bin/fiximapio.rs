//! See [`tools::fiximapio`].

#![no_main]

unix::program!(tools::fiximapio::main, tools::fiximapio::USAGE);
