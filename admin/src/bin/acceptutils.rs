//! The administrator's tool.

fn main() -> std::process::ExitCode {
    admin::main()
}
