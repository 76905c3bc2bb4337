//! Levels: RMS, true peak, and the limiter that keeps the peak down without being heard.

use super::resample::Resampler;

/// Measuring four times as often finds the peaks between the samples to within half a decibel at the top of the band.
///
/// Source: <https://www.itu.int/rec/R-REC-BS.1770>, annex 2
const OVERSAMPLING: u32 = 4;
/// Samples that are measured at a time; bounds the memory.
const BLOCK: usize = 4_096;
/// How long before and after a peak the limiter bends the level, in seconds: shorter is a click, longer is pumping.
const BEND: f64 = 0.008;

/// The highest absolute value of the signal between and at its samples, as a factor of full scale.
pub fn true_peak(samples: &[f32]) -> f32 {
    let mut peak = 0.0;
    oversampled(samples, |_, value| peak = f32::max(peak, value));
    peak
}

/// Calls back with the absolute value of the signal at four places for each sample, and the number of the sample.
fn oversampled(samples: &[f32], mut on_value: impl FnMut(usize, f32)) {
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

/// The factor for each sample that keeps the true peak of `gain × samples` at or below `ceiling`.
///
/// Looks ahead: the level bends down before a peak and back after it, along a raised cosine; elsewhere it is `gain`.
pub fn limited_gain(samples: &[f32], rate: u32, gain: f32, ceiling: f32) -> Vec<f32> {
    let reach = (BEND * f64::from(rate)) as usize;
    let bend: Vec<f32> =
        (0..=reach).map(|n| 0.5 + 0.5 * (std::f32::consts::PI * n as f32 / (reach + 1) as f32).cos()).collect();
    let mut gains = vec![gain; samples.len()];
    // A peak between two samples belongs to both; the deepest dip of a place counts.
    let mut dip = |at: usize, factor: f32| {
        for (distance, shape) in bend.iter().enumerate() {
            let bent = gain * (1.0 - (1.0 - factor) * shape);
            for place in [at.checked_sub(distance), Some(at + distance)].into_iter().flatten() {
                if let Some(gain) = gains.get_mut(place) {
                    *gain = gain.min(bent);
                }
            }
        }
    };
    let (mut last, mut loudest) = (0, 0.0_f32);
    oversampled(samples, |at, value| {
        if at != last {
            if loudest * gain > ceiling {
                let factor = ceiling / (loudest * gain);
                dip(last, factor);
                dip(last + 1, factor);
            }
            (last, loudest) = (at, 0.0);
        }
        loudest = loudest.max(value);
    });
    if loudest * gain > ceiling {
        dip(last, ceiling / (loudest * gain));
    }
    gains
}

#[cfg(test)]
mod tests {
    use std::f32::consts::PI;

    use super::*;

    /// A quarter of the sampling rate, an eighth of a turn off: every sample is 3 dB below the peak.
    fn sine_between_samples(amplitude: f32) -> Vec<f32> {
        (0..8_000).map(|n| amplitude * (PI / 2.0 * n as f32 + PI / 4.0).sin()).collect()
    }

    #[test]
    fn a_peak_between_the_samples_is_found() {
        let samples = sine_between_samples(0.5);
        assert!(samples.iter().all(|sample| sample.abs() < 0.36));
        // Where the tone begins and ends abruptly, the band-limited signal overshoots.
        let inner = &true_peak(&samples[..]);
        assert!((0.5..0.62).contains(inner), "{inner}");
    }

    #[test]
    fn the_limited_signal_stays_below_the_ceiling() {
        let samples: Vec<f32> =
            (0..16_000).map(|n| (PI * n as f32 / 20.0).sin() * if n % 1_600 < 60 { 0.9 } else { 0.1 }).collect();
        let gains = limited_gain(&samples, 8_000, 1.5, 0.7);
        let limited: Vec<f32> = samples.iter().zip(&gains).map(|(sample, gain)| sample * gain).collect();
        assert!(true_peak(&limited) <= 0.7 * 1.003, "{}", true_peak(&limited));
    }

    #[test]
    fn where_nothing_is_too_loud_the_gain_is_constant() {
        let mut samples = vec![0.1; 8_000];
        samples[4_000] = 0.9;
        let gains = limited_gain(&samples, 8_000, 2.0, 0.7);
        let far = gains.iter().enumerate().filter(|(n, _)| n.abs_diff(4_000) > 100);
        assert!(far.into_iter().all(|(_, &gain)| gain == 2.0));
        assert!(gains[4_000] <= 0.7 / 0.9);
    }

    #[test]
    fn nothing_has_no_peak() {
        assert_eq!(true_peak(&[]), 0.0);
        assert!(limited_gain(&[], 8_000, 1.0, 0.7).is_empty());
    }
}
