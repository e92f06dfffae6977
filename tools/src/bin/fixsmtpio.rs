//! See [`tools::fixsmtpio`].

fn main() -> std::process::ExitCode {
    tools::fixsmtpio::main()
}
