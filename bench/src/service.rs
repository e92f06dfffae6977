//! What clients and servers have in common: what is spoken, and who logs in.

/// Who logs in everywhere.
pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "password";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Smtp,
    Pop3,
    /// Each command has the same tag.
    Imap,
}
