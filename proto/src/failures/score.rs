//! Scores: 1 for each refusal, halved with every half-life that passes.
//!
//! Fixed-point, 16 bits before the point and 16 behind it, so that every program
//! computes the same. Rounded to the nearest, which is wrong by half of a 65,536th
//! for each refusal that is counted.

/// A refusal, as a score.
pub const ONE: u32 = 1 << 16;

/// 2 to the power of -1/2, -1/4, -1/8 … in units of 2 to the power of -32.
const ROOTS: [u64; 18] = [
    0xb504_f334,
    0xd744_fccb,
    0xeac0_c6e8,
    0xf525_7d15,
    0xfa83_b2db,
    0xfd3e_0c0d,
    0xfe9e_115c,
    0xff4e_cb59,
    0xffa7_5652,
    0xffd3_a752,
    0xffe9_d2b3,
    0xfff4_e91c,
    0xfffa_747f,
    0xfffd_3a3b,
    0xfffe_9d1d,
    0xffff_4e8e,
    0xffff_a747,
    0xffff_d3a3,
];

/// Six bits of the part of a half-life are looked up at once.
const BITS: u32 = 6;
const STEPS: [[u64; 1 << BITS]; 3] = [products(0), products(1), products(2)];

/// The products of all choices among six roots.
#[allow(clippy::indexing_slicing, reason = "computed by the compiler, which sees it fail")]
const fn products(step: usize) -> [u64; 1 << BITS] {
    let mut all = [1 << 32; 1 << BITS];
    let mut choice = 0;
    while choice < all.len() {
        let mut bit = 0;
        while bit < BITS as usize {
            if choice >> (BITS as usize - 1 - bit) & 1 == 1 {
                all[choice] = (all[choice] * ROOTS[step * BITS as usize + bit]) >> 32;
            }
            bit += 1;
        }
        choice += 1;
    }
    all
}

/// What is left of a score after so many seconds. A half-life of 0 leaves nothing.
#[must_use]
pub fn faded(score: u32, seconds: u32, half_life: u32) -> u32 {
    if seconds == 0 || score == 0 {
        return score;
    }
    let Some(halvings) = seconds.checked_div(half_life).filter(|&halvings| halvings < 32) else {
        return 0;
    };
    // The part of a half-life, in units of 2 to the power of -18.
    let part = (u64::from(seconds % half_life) << (3 * BITS)) / u64::from(half_life);
    let [first, second, third] =
        [2, 1, 0].map(|step| (part >> (step * BITS)) as usize % (1 << BITS));
    let [one, two, three] = &STEPS;
    let factor = |step: &[u64; 1 << BITS], at: usize| step.get(at).copied().unwrap_or(0);
    let times = |one: u64, other: u64| ((u128::from(one) * u128::from(other)) >> 32) as u64;
    let left = times(times(factor(one, first), factor(two, second)), factor(three, third));
    let shift = 32 + halvings;
    let rounded = (u64::from(score) * left).saturating_add(1 << (shift - 1)) >> shift;
    u32::try_from(rounded).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(score: u32, seconds: u32, half_life: u32) -> f64 {
        f64::from(score) * (-f64::from(seconds) / f64::from(half_life)).exp2()
    }

    #[test]
    fn scores_fade_as_they_should() {
        let mut at = 1_u32;
        for half_life in [1_u32, 7, 60, 21_600, 86_400, 31_536_000] {
            for score in [1, ONE, 10 * ONE, 100 * ONE + 17, u32::MAX] {
                for _ in 0..200 {
                    at = at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let seconds = at % half_life.saturating_mul(4).max(1);
                    let (found, exact) =
                        (faded(score, seconds, half_life), exact(score, seconds, half_life));
                    // Half a unit, and a 262,144th of a half-life.
                    let off = (f64::from(found) - exact).abs();
                    assert!(
                        off <= 0.6 + exact * 3e-6,
                        "{score} {seconds} {half_life}: {found} {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_fades_at_once_and_all_in_the_end() {
        assert_eq!(faded(u32::MAX, 0, 21_600), u32::MAX);
        assert_eq!(faded(ONE, 21_600, 21_600), ONE / 2);
        assert_eq!(faded(u32::MAX, u32::MAX, 1), 0);
        assert_eq!(faded(u32::MAX, 33 * 60, 60), 0);
        assert_eq!(faded(ONE, 1, 0), 0);
        assert_eq!(faded(ONE, 0, 0), ONE);
    }
}
