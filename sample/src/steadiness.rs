//! The steadiness of a sound: ringing, keys and hold music hold their tones, and no voice does.

use rustfft::algorithm::Radix4;
use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftDirection};

/// The rate at which steadiness is measured, in Hz: that of the telephone band.
pub const STEADINESS_RATE: u32 = 8_000;
/// Samples of a frame at that rate.
pub const STEADINESS_FRAME: usize = 128;

/// Compares the peaks of two spectra, 160 ms apart. The partials of a held tone keep their frequency and their level.
/// Those of a monotonous voice may keep their frequency, but the vowels change their levels.
pub struct Steadiness {
    /// The algorithm is named here, because `FftPlanner` would link those for all other lengths as well: a tenth of the
    /// program that makes samples.
    fft: Radix4<f32>,
    window: Vec<f32>,
    /// The last [`SPAN`] samples.
    samples: Vec<f32>,
    /// The windowed samples, and then their transform: those at even places are the real parts and those at odd places the
    /// imaginary ones, so that half the length is enough.
    halves: Vec<Complex32>,
    scratch: Vec<Complex32>,
    /// The turn of each bin between an even place and the odd one after it.
    turns: Vec<Complex32>,
    /// The levels of the peaks in the last measurements, the newest last; [`NO_PEAK`] in the other bins.
    past: [Vec<f32>; COMPARED],
    /// The value of the last measured frame, for the next one: only every second frame is measured.
    last: Option<f32>,
}

/// Samples of a spectrum: 64 ms, in which the partials of every voice are separate.
const SPAN: usize = 512;
/// The distance between two spectra that are compared, in measurements.
const COMPARED: usize = 5;
/// The compared bins of 15.6 Hz: 280 to 3420 Hz.
const BAND: std::ops::Range<usize> = 18..220;
/// A bin is compared with the mean of this many bins on either side.
const NEAR: usize = 10;
/// A peak is this much above that mean, in nepers of power: 6.5 dB.
const PROMINENCE: f32 = 1.5;
/// A peak is the one that was there before if its level has changed by less than this, in nepers of power: 4.3 dB.
const AS_LOUD: f32 = 1.0;
const NO_PEAK: f32 = f32::NEG_INFINITY;

impl Steadiness {
    /// Before the first frame: silence.
    pub fn new() -> Self {
        let fft = Radix4::new(SPAN / 2, FftDirection::Forward);
        let turn = 2.0 * std::f32::consts::PI / SPAN as f32;
        Self {
            window: (0..SPAN).map(|n| 0.5 - 0.5 * (turn * n as f32).cos()).collect(),
            samples: vec![0.0; SPAN],
            halves: vec![Complex32::ZERO; SPAN / 2],
            scratch: vec![Complex32::ZERO; fft.get_inplace_scratch_len()],
            turns: (0..SPAN / 2).map(|n| Complex32::cis(-turn * n as f32)).collect(),
            past: std::array::from_fn(|_| vec![NO_PEAK; BAND.len()]),
            last: None,
            fft,
        }
    }

    /// The steadiness of the next frame: the share of its peaks, by amplitude, that had the same frequency and level
    /// 160 ms ago. It is 1 for a held tone and nearly 0 for a voice.
    pub fn next(&mut self, frame: &[f32]) -> f32 {
        self.samples.copy_within(frame.len().., 0);
        self.samples[SPAN - frame.len()..].copy_from_slice(frame);
        if let Some(last) = self.last.take() {
            return last;
        }
        let powers = self.powers();
        let peaks = peaks(&powers.iter().map(|&power| fast_ln(power)).collect::<Vec<f32>>());
        let (mut all, mut held) = (0.0, 0.0);
        for (n, level) in peaks.iter().enumerate().filter(|(_, level)| **level > NO_PEAK) {
            let amplitude = powers[n].sqrt();
            all += amplitude;
            held += if (level - self.past[0][n]).abs() < AS_LOUD { amplitude } else { 0.0 };
        }
        self.past.rotate_left(1);
        self.past[COMPARED - 1] = peaks;
        let share = if all > 0.0 { held / all } else { 0.0 };
        self.last = Some(share);
        share
    }

    fn powers(&mut self) -> Vec<f32> {
        let pairs = self.samples.chunks_exact(2).zip(self.window.chunks_exact(2));
        let windowed = pairs.map(|(pair, shape)| Complex32::new(pair[0] * shape[0], pair[1] * shape[1]));
        self.halves.iter_mut().zip(windowed).for_each(|(place, pair)| *place = pair);
        self.fft.process_with_scratch(&mut self.halves, &mut self.scratch);
        // The power of 16-bit rounding noise. It is added so that silence has no peaks.
        const FLOOR: f32 = 1e-8;
        BAND.map(|n| self.bin(n).norm_sqr() + FLOOR).collect()
    }

    /// A bin of the spectrum of all samples. The transform of real numbers is symmetric, and that of imaginary ones
    /// antisymmetric, which tells the even places from the odd ones.
    fn bin(&self, n: usize) -> Complex32 {
        let (one, mirrored) = (self.halves[n], self.halves[SPAN / 2 - n].conj());
        let (even, odd) = ((one + mirrored) * 0.5, (one - mirrored) * -Complex32::I * 0.5);
        even + self.turns[n] * odd
    }
}

/// The natural logarithm up to a constant, to within 0.1, from the bits of the number: exact enough, and fast.
fn fast_ln(value: f32) -> f32 {
    value.to_bits() as f32 * (std::f32::consts::LN_2 / 8_388_608.0)
}

/// The levels of the local maxima that stand out from the bins around them; [`NO_PEAK`] elsewhere.
fn peaks(levels: &[f32]) -> Vec<f32> {
    let mut peaks = vec![NO_PEAK; levels.len()];
    for n in 1..levels.len() - 1 {
        if levels[n] > levels[n - 1] && levels[n] >= levels[n + 1] {
            let near = &levels[n.saturating_sub(NEAR)..(n + NEAR + 1).min(levels.len())];
            if levels[n] > near.iter().sum::<f32>() / near.len() as f32 + PROMINENCE {
                peaks[n] = levels[n];
            }
        }
    }
    peaks
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use fastrand::Rng;

    use super::*;
    use crate::decibel::power;
    use crate::window::STEADY;

    /// The mean steadiness of a sound of three seconds with partials of 120 Hz. `level` gives the level of a partial,
    /// from 0 to 1, by its number and the number of samples that have passed.
    fn steadiness(mut level: impl FnMut(usize, usize) -> f32) -> f32 {
        let mut steadiness = Steadiness::new();
        let partial = |n: usize, at: usize| (TAU * (120 * n * at) as f32 / STEADINESS_RATE as f32).sin() * 0.02;
        let mut sample = |at| (3..25).map(|n| level(n, at) * partial(n, at)).sum::<f32>();
        let samples: Vec<f32> = (0..3 * STEADINESS_RATE as usize).map(&mut sample).collect();
        let frames: Vec<f32> = samples.chunks_exact(STEADINESS_FRAME).map(|frame| steadiness.next(frame)).collect();
        frames.iter().sum::<f32>() / frames.len() as f32
    }

    #[test]
    fn the_powers_are_those_of_the_windowed_samples_as_fourier_defines_them() {
        let mut random = Rng::with_seed(1);
        let mut steadiness = Steadiness::new();
        steadiness.samples.fill_with(|| random.f32() - 0.5);
        let powers = steadiness.powers();
        for (power, n) in powers.iter().zip(BAND) {
            let bin = (0..SPAN).map(|at| {
                let turn = Complex32::cis(-TAU * (n * at % SPAN) as f32 / SPAN as f32);
                let hann = 0.5 - 0.5 * (TAU * at as f32 / SPAN as f32).cos();
                turn * steadiness.samples[at] * hann
            });
            assert!((bin.sum::<Complex32>().norm_sqr() - power).abs() < 1e-3, "bin {n}");
        }
    }

    #[test]
    fn a_held_chord_is_steady() {
        assert!(steadiness(|_, _| 1.0) > 0.9);
        // It may fade away, as a plucked string's does.
        assert!(steadiness(|_, at| (-(at as f32) / STEADINESS_RATE as f32).exp()) > 0.9);
    }

    #[test]
    fn what_is_softer_than_the_rounding_of_16_bits_has_no_peaks() {
        assert_eq!(steadiness(|_, _| 1e-5), 0.0);
    }

    /// The places of the peaks among 61 levels that are 0 but for these.
    fn places(levels: &[(usize, f32)]) -> Vec<usize> {
        let mut all = [0.0; 61];
        levels.iter().for_each(|&(n, level)| all[n] = level);
        let found = peaks(&all);
        let places: Vec<usize> = (0..all.len()).filter(|&n| found[n] > NO_PEAK).collect();
        assert!(places.iter().all(|&n| found[n] == all[n]), "a peak has its own level");
        places
    }

    #[test]
    fn a_peak_is_higher_than_its_neighbours_and_of_two_that_are_as_high_the_first() {
        assert_eq!(places(&[(29, 4.0), (30, 9.0), (31, 4.0)]), [30]);
        assert_eq!(places(&[(30, 9.0), (31, 9.0)]), [30]);
        assert_eq!(places(&[(28, 4.0), (29, 6.0), (30, 8.0)]), [30], "the slope is none");
        assert_eq!(places(&[(30, 8.0), (31, 6.0), (32, 4.0)]), [30]);
        assert_eq!(places(&[(20, 9.0), (40, 9.0)]), [20, 40]);
        assert!(places(&[(0, 9.0), (60, 9.0)]).is_empty(), "at the ends there is no neighbour to compare with");
    }

    #[test]
    fn a_peak_stands_out_by_6_5_db_from_the_mean_of_ten_bins_on_either_side() {
        // The level itself is one of the 21 bins.
        let least = 1.5 * 21.0 / 20.0;
        assert!(places(&[(30, least - 0.01)]).is_empty());
        assert_eq!(places(&[(30, least + 0.01)]), [30]);
        for (other, counts) in [(19, false), (20, true), (40, true), (41, false)] {
            let places = places(&[(30, least + 0.1), (other, 20.0)]);
            assert_eq!(places.contains(&30), !counts, "a bin {other} with a peak at 30");
        }
        // Near the end of the band there are fewer bins: here 12.
        let least = 1.5 * 12.0 / 11.0;
        assert!(places(&[(1, least - 0.01)]).is_empty() && places(&[(59, least - 0.01)]).is_empty());
        assert_eq!(places(&[(1, least + 0.01), (59, least + 0.01)]), [1, 59]);
    }

    #[test]
    fn a_voice_is_not_steady_though_it_keeps_its_pitch() {
        // The sound changes its formants every 80 ms.
        let mut random = Rng::with_seed(1);
        let sounds: Vec<[f32; 25]> =
            (0..38).map(|_| std::array::from_fn(|_| power(-40.0 * random.f64()) as f32)).collect();
        let steadiness = steadiness(|n, at| sounds[at / 640][n]);
        assert!(steadiness < STEADY, "{steadiness}");
    }
}
