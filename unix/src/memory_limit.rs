//! Whether a program has the memory that it needs (`softlimit -m`, `ulimit -v`): told at its
//! start, for where an allocation fails later it ends without a word of its own.

use std::hint::black_box;

/// What a program of a connection may come to need: its windows and its lines, with some
/// room for the C library. A little less than the heap takes from the system at a time, so that
/// what the heap notes behind it lies in the last page, which it uses anyway.
const ROOM: usize = 512 * 1024 - 512;

/// Whether there is room for a program of a connection. Nothing of it is touched.
#[must_use]
pub fn has_room() -> bool {
    let mut room = Vec::<u8>::new();
    let has_room = room.try_reserve_exact(ROOM).is_ok();
    // It is not to be seen that nobody uses it.
    black_box(room.as_ptr());
    has_room
}
