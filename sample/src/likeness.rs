//! Detects two channels that carry the same: a mono mix that was written twice.

use crate::decibel::{decibels, power};

/// Compares the levels of two channels.
///
/// In a call people take turns, so the difference between the channels' levels jumps; in a mix it stays the same.
#[derive(Default)]
pub struct Likeness {
    /// The number of frames with each difference of levels, in steps of 1 dB from −[`WIDEST`].
    differences: [u64; 2 * WIDEST + 1],
}

/// Beyond this difference, in dB, one channel has only crosstalk of the other.
const WIDEST: usize = 12;
/// Frames below this level, in dBFS, are not compared.
const AUDIBLE: f64 = -50.0;
/// Codecs change the levels of the same signal by up to this much, in dB.
const SAME: usize = 2;

impl Likeness {
    /// Takes a frame's mean power in both channels.
    pub fn add(&mut self, first: f64, second: f64) {
        if first.max(second) < power(AUDIBLE) {
            return;
        }
        let difference = (decibels(first) - decibels(second)).round() + WIDEST as f64;
        // Larger differences go into the outermost steps, which are not counted.
        self.differences[difference.clamp(0.0, 2.0 * WIDEST as f64) as usize] += 1;
    }

    /// The percentage of frames whose difference is within [`SAME`] of the most frequent one.
    pub fn percent(&self) -> f64 {
        let all: u64 = self.differences.iter().sum();
        let inner = &self.differences[1..2 * WIDEST];
        let most = inner.windows(2 * SAME + 1).map(|near| near.iter().sum()).max().unwrap_or(0);
        if all == 0 { 0.0 } else { 100.0 * most as f64 / all as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(frames: impl Iterator<Item = (f64, f64)>) -> f64 {
        let mut likeness = Likeness::default();
        frames.for_each(|(first, second)| likeness.add(power(first), power(second)));
        likeness.percent()
    }

    #[test]
    fn the_same_twice_is_alike_also_at_another_level() {
        let levels = || (0..1_000).map(|n| -20.0 - f64::from(n % 25));
        assert_eq!(percent(levels().map(|level| (level, level))), 100.0);
        assert_eq!(percent(levels().map(|level| (level, level - 6.4))), 100.0);
    }

    #[test]
    fn turns_are_not_alike_and_neither_is_crosstalk_of_one_speaker() {
        assert_eq!(percent((0..1_000).map(|n| if n % 200 < 100 { (-25.0, -60.0) } else { (-65.0, -22.0) })), 0.0);
        assert_eq!(percent((0..1_000).map(|_| (-22.0, -42.0))), 0.0);
        assert_eq!(percent(std::iter::empty()), 0.0);
    }

    #[test]
    fn a_codec_may_change_the_difference_by_2_db_either_way() {
        let spread = |step: i32| percent((0..1_000).map(move |n| (-30.0, -30.0 + f64::from(step * (n % 5 - 2)))));
        assert_eq!(spread(1), 100.0);
        assert_eq!(spread(2), 60.0, "of −4, −2, 0, 2 and 4 dB, three are within 2 dB of the middle");
    }

    #[test]
    fn only_frames_in_which_a_channel_is_above_50_dbfs_below_full_scale_are_compared() {
        let with_noise =
            |noise: f64| percent((0..100).map(move |n| if n < 50 { (noise, noise) } else { (-22.0, -42.0) }));
        assert_eq!((with_noise(-50.1), with_noise(-49.9)), (0.0, 50.0));
        assert_eq!(percent((0..10).map(|_| (-49.0, -51.0))), 100.0, "one channel is enough");
    }
}
