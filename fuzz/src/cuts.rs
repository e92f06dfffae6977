//! How input is cut never changes output.

use std::fmt::Debug;

/// Runs `decode` on `input` whole, octet by octet, and in pieces of the sizes that
/// `sizes` tells, again and again; the output must always be the same. Returns it.
pub fn in_any_pieces<T: PartialEq + Debug>(
    input: &[u8],
    sizes: &[u8],
    mut decode: impl FnMut(&[&[u8]]) -> T,
) -> T {
    let whole = decode(&[input]);
    assert_eq!(decode(&pieces(input, &[1])), whole, "octet by octet");
    assert_eq!(decode(&pieces(input, sizes)), whole, "in pieces of {sizes:?}");
    whole
}

/// `input` in pieces of these sizes, from the first again behind the last; 0 stands for
/// a piece of 256 octets.
#[must_use]
pub fn pieces<'a>(input: &'a [u8], sizes: &[u8]) -> Vec<&'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    let (mut pieces, mut rest) = (Vec::new(), input);
    while !rest.is_empty() {
        let size = sizes.next().map_or(256, |&size| if size == 0 { 256 } else { size.into() });
        let (piece, more) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    pieces
}
