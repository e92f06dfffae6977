//! See [`tools::checknotroot`].

fn main() -> std::process::ExitCode {
    tools::checknotroot::main()
}
