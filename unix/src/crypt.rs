//! The system's password hashes, crypt(3): what its PAM modules compute, at the speed at which
//! they compute it.
//!
//! Called by checkpassword-pam, for whom only the time matters.

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::sync::Mutex;
use zeroize::Zeroizing;

#[expect(unsafe_code, reason = "nobody else declares it")]
#[cfg_attr(not(any(target_vendor = "apple", target_os = "openbsd")), link(name = "crypt"))]
unsafe extern "C" {
    fn crypt(password: *const c_char, setting: *const c_char) -> *const c_char;
}

/// It returns memory of its own, the same at each call.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Computes a password's hash, with the salt of this one and at its cost, and throws it away.
///
/// # Errors
/// The system's: it does not know this kind of hash, or has no memory, which not every system
/// says apart.
pub fn compute(password: &[u8], like: &str) -> io::Result<()> {
    let setting = CString::new(like)?;
    let mut terminated = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    terminated.extend_from_slice(password);
    terminated.push(0);
    let password = CStr::from_bytes_until_nul(&terminated).map_err(io::Error::other)?;
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    #[expect(unsafe_code, reason = "a C library's")]
    // SAFETY: two strings that end, and stay until it returns.
    let hash = unsafe { crypt(password.as_ptr(), setting.as_ptr()) };
    if hash.is_null() {
        return Err(io::Error::last_os_error());
    }
    #[expect(unsafe_code, reason = "a C library's")]
    // SAFETY: a string that ends, which stays until the next call, and that waits for us.
    let is_failure = unsafe { CStr::from_ptr(hash) }.to_bytes().starts_with(b"*");
    if is_failure { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computes_what_the_system_knows() {
        assert!(compute(b"secret", "$6$salt$").is_ok());
        assert!(compute(b"", "$6$rounds=9000$salt$x").is_ok());
        for unknown in ["", "*0", "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$"] {
            assert!(compute(b"secret", unknown).is_err(), "{unknown}");
        }
    }
}
