//! The level of the noise: the power when nobody speaks.

use std::collections::VecDeque;

/// Measures the power of the noise: the least power of the last seconds, since speech has pauses.
pub struct NoiseFloor {
    smoothed: f64,
    frames: usize,
    /// The least power of each of the last blocks; the current block is the last.
    least: VecDeque<f64>,
}

/// Frames in a block: 0.4 s.
const BLOCK: usize = 25;
/// Blocks that are kept: 3.2 s.
const BLOCKS: usize = 8;

impl Default for NoiseFloor {
    fn default() -> Self {
        Self { smoothed: 0.0, frames: 0, least: VecDeque::with_capacity(BLOCKS + 1) }
    }
}

impl NoiseFloor {
    /// Takes the mean power of the next frame.
    pub fn add(&mut self, power: f64) {
        self.smoothed = if self.frames == 0 { power } else { 0.7 * self.smoothed + 0.3 * power };
        if self.frames.is_multiple_of(BLOCK) {
            self.least.push_back(f64::MAX);
            if self.least.len() > BLOCKS {
                self.least.pop_front();
            }
        }
        self.frames += 1;
        if let Some(current) = self.least.back_mut() {
            *current = current.min(self.smoothed);
        }
    }

    /// The mean power of the noise now.
    pub fn power(&self) -> f64 {
        self.least.iter().copied().fold(f64::MAX, f64::min).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The floor after runs of frames, each with its power and length.
    fn after(runs: &[(f64, usize)]) -> f64 {
        let mut floor = NoiseFloor::default();
        runs.iter().for_each(|&(power, frames)| (0..frames).for_each(|_| floor.add(power)));
        assert!(floor.least.len() <= BLOCKS);
        floor.power()
    }

    #[test]
    fn the_floor_is_that_of_the_pauses_however_long_somebody_speaks_between_them() {
        let (noise, speech) = (1e-6, 1e-2);
        let floor = after(&[(noise, 100), (speech, 150), (noise, 50), (speech, 150)]);
        assert!((floor / noise - 1.0).abs() < 0.2, "{floor}");
    }

    #[test]
    fn a_single_soft_frame_is_not_the_noise_but_the_first_one_is_all_that_is_known() {
        let floor = after(&[(1e-4, 100), (0.0, 1), (1e-4, 10)]);
        assert!((floor / 0.7e-4 - 1.0).abs() < 1e-6, "{floor}");
        assert_eq!(after(&[(1e-4, 1)]), 1e-4);
        assert_eq!(after(&[]), 1.0, "before the first frame everything may be noise");
    }

    #[test]
    fn a_line_that_becomes_noisier_is_understood_after_three_seconds() {
        assert!(after(&[(1e-6, 1_000), (1e-4, BLOCK * (BLOCKS - 1))]) < 2e-6);
        assert!(after(&[(1e-6, 1_000), (1e-4, BLOCK * (BLOCKS + 1))]) > 0.9e-4);
    }
}
