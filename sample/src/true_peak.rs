//! The true peak of a signal: its highest value, also between its samples.

use crate::resample::Resampler;

/// The factor of oversampling. Four times the rate finds the peaks between the samples to within half a decibel at the
/// top of the band.
///
/// Source: <https://www.itu.int/rec/R-REC-BS.1770>, annex 2
const OVERSAMPLING: u32 = 4;
/// The number of samples that are measured at a time, which bounds the memory.
const BLOCK: usize = 4_096;

/// The highest absolute value of the signal between and at its samples, as a factor of full scale.
pub fn true_peak(samples: &[f32]) -> f32 {
    let mut peak = 0.0;
    oversampled(samples, |_, value| peak = f32::max(peak, value));
    peak
}

/// Calls `on_value` for four places of each sample, with the number of the sample and the absolute value of the signal.
pub fn oversampled(samples: &[f32], mut on_value: impl FnMut(usize, f32)) {
    // Only the ratio matters.
    let mut resampler = Resampler::new(1, OVERSAMPLING);
    let (mut values, mut n) = (Vec::new(), 0);
    let mut report = |values: &mut Vec<f32>| {
        for value in values.drain(..) {
            on_value(n / OVERSAMPLING as usize, value.abs());
            n += 1;
        }
    };
    for block in samples.chunks(BLOCK) {
        resampler.push(block, &mut values);
        report(&mut values);
    }
    resampler.finish(&mut values);
    report(&mut values);
}

#[cfg(test)]
mod tests {
    use std::f32::consts::PI;

    use super::*;

    /// A sine at a quarter of the sampling rate, shifted by an eighth of a turn, so that every sample is 3 dB below the
    /// peak.
    fn sine_between_samples(amplitude: f32) -> Vec<f32> {
        (0..8_000).map(|n| amplitude * (PI / 2.0 * n as f32 + PI / 4.0).sin()).collect()
    }

    #[test]
    fn a_peak_between_the_samples_is_found() {
        let samples = sine_between_samples(0.5);
        assert!(samples.iter().all(|sample| sample.abs() < 0.36));
        // The band-limited signal overshoots at the abrupt beginning and end of the tone.
        let inner = &true_peak(&samples[..]);
        assert!((0.5..0.62).contains(inner), "{inner}");
    }

    #[test]
    fn each_sample_has_four_values_of_which_the_first_is_its_own() {
        let samples = sine_between_samples(0.5);
        let mut values = Vec::new();
        oversampled(&samples, |at, value| values.push((at, value)));
        assert_eq!(values.len(), 4 * samples.len());
        for (n, &(at, value)) in values.iter().enumerate() {
            assert_eq!(at, n / 4);
            assert!(n % 4 > 0 || value == samples[at].abs());
        }
    }

    #[test]
    fn nothing_has_no_peak() {
        assert_eq!(true_peak(&[]), 0.0);
    }
}
