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
