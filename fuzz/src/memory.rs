//! How much memory something takes, counted by the allocator.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Runs `work`, which must at no time hold more than `most` octets on top of what is
/// held already. True of the whole process: only one check may run at a time.
///
/// # Panics
/// When it held more.
pub fn at_most<T>(most: usize, work: impl FnOnce() -> T) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let done = work();
    let held = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(held <= most, "{held} octets of memory held, and no more than {most} may be");
    done
}
