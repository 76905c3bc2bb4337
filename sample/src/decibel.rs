//! Power and decibels.

/// The level of a mean power, in dBFS. 0 dBFS is the power of a square wave at full scale, so a sine at full scale has
/// −3 dBFS RMS, as in ffmpeg's `astats`.
pub fn decibels(power: f64) -> f64 {
    10.0 * power.max(1e-12).log10()
}

/// The ratio of powers that a number of decibels stands for.
pub fn power(decibels: f64) -> f64 {
    10_f64.powf(decibels / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_wave_at_full_scale_has_0_dbfs_a_sine_3_less_and_silence_120_less() {
        assert_eq!(decibels(1.0), 0.0);
        assert!((decibels(0.5) + 3.01).abs() < 0.001, "{}", decibels(0.5));
        assert!((decibels(0.0) + 120.0).abs() < 1e-9 && decibels(0.0) == decibels(1e-13));
    }

    #[test]
    fn ten_decibels_are_ten_times_the_power() {
        assert_eq!([power(0.0), power(10.0), power(20.0)], [1.0, 10.0, 100.0]);
        assert!((decibels(power(-37.5)) + 37.5).abs() < 1e-9);
    }
}
