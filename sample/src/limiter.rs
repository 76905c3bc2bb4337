//! The limiter, which keeps the true peak down without being heard.

use crate::true_peak::oversampled;

/// The time before and after a peak in which the limiter changes the gain, in seconds. A shorter one would click, a
/// longer one would pump.
const BEND: f64 = 0.008;

/// The factor for each sample that keeps the true peak of `gain × samples` at or below `ceiling`.
///
/// It looks ahead: the gain falls before a peak and rises after it, along a raised cosine. Elsewhere it is `gain`.
pub fn limited_gain(samples: &[f32], rate: u32, gain: f32, ceiling: f32) -> Vec<f32> {
    let reach = (BEND * f64::from(rate)) as usize;
    let bend: Vec<f32> =
        (0..=reach).map(|n| 0.5 + 0.5 * (std::f32::consts::PI * n as f32 / (reach + 1) as f32).cos()).collect();
    let mut gains = vec![gain; samples.len()];
    // A peak between two samples lowers the gain at both. The lowest gain counts where dips overlap.
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
    use crate::true_peak::true_peak;

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

    /// The gains around one peak, which is at the 1 000th of 2 000 samples at 8 kHz. The gain elsewhere is 2.
    fn around_a_peak() -> Vec<f32> {
        let mut samples = vec![0.0; 2_000];
        samples[1_000] = 0.9;
        limited_gain(&samples, 8_000, 2.0, 0.7)
    }

    #[test]
    fn the_gain_falls_during_8_ms_before_a_peak_and_rises_as_slowly_after_it() {
        let gains = around_a_peak();
        assert!((gains[1_000] - 0.7 / 0.9).abs() < 1e-3, "{}", gains[1_000]);
        assert!(gains[..=999].is_sorted_by(|one, next| one >= next) && gains[1_001..].is_sorted());
        // 8 ms are 64 samples, and the peak between the samples reaches one further.
        for (at, bent) in [(934, false), (935, true), (1_065, true), (1_066, false)] {
            assert_eq!(gains[at] < 2.0, bent, "{} at {at}", gains[at]);
        }
        let halfway = (gains[1_033] + gains[1_034]) / 2.0 - (2.0 + gains[1_000]) / 2.0;
        assert!(halfway.abs() < 0.001, "{halfway}");
        let steepest = gains.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(steepest < 0.06, "{steepest}");
    }

    #[test]
    fn a_peak_between_two_samples_lowers_the_gain_at_both() {
        let mut samples = vec![0.0; 400];
        (samples[200], samples[201]) = (0.6, 0.6);
        let gains = limited_gain(&samples, 8_000, 1.0, 0.6);
        assert!(true_peak(&samples) > 0.7);
        assert!(gains[200] < 0.9 && gains[200] == gains[201], "{} and {}", gains[200], gains[201]);
    }

    #[test]
    fn a_peak_at_the_very_end_is_limited_as_well() {
        for place in 0..4 {
            let mut samples = vec![0.0; 200];
            samples[199 - place] = 0.9;
            let gains = limited_gain(&samples, 8_000, 2.0, 0.7);
            let gain = gains[199 - place];
            assert!((gain - 0.7 / 0.9).abs() < 1e-3, "{gain} at {place} before the end");
        }
    }

    #[test]
    fn of_nothing_there_is_nothing_to_limit() {
        assert!(limited_gain(&[], 8_000, 1.0, 0.7).is_empty());
    }
}
