//! Checks a password against a users file and becomes the next program.

fn main() -> std::process::ExitCode {
    unix::state::begin();
    checkpassword::file::main()
}
