//! See [`tools::authup`].

fn main() -> std::process::ExitCode {
    tools::authup::main()
}
