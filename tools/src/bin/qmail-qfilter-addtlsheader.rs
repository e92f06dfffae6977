//! See [`tools::addtlsheader`].

fn main() -> std::process::ExitCode {
    tools::addtlsheader::main()
}
