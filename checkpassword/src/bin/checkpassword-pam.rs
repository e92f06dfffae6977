//! Checks a password by PAM and becomes the next program.

fn main() -> std::process::ExitCode {
    unix::state::begin();
    checkpassword::pam::main()
}
