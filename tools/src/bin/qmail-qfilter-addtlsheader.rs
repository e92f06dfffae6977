//! See [`tools::addtlsheader`].

#![no_main]

unix::program!(tools::addtlsheader::main, tools::addtlsheader::USAGE);
