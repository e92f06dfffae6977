//! The helper behind rule "how input is cut never changes output": every decoder
//! and dialog is run over each of its test inputs at every split point.

use alloc::vec::Vec;
use core::fmt::Debug;

/// Runs `decode` on `input` whole, in two pieces cut at every point, and octet by
/// octet; the output must always be the same. Returns it.
pub(crate) fn at_every_split<T: PartialEq + Debug>(
    input: &[u8],
    decode: impl Fn(&[&[u8]]) -> T,
) -> T {
    let whole = decode(&[input]);
    for at in 0..=input.len() {
        let (left, right) = input.split_at(at);
        assert_eq!(decode(&[left, right]), whole, "cut at {at} of {}", input.len());
    }
    let octets: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(decode(&octets), whole, "octet by octet");
    whole
}
