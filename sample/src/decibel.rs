//! Power and decibels.

/// The level of a mean power. 0 dBFS is the power of a square wave at full scale, so a sine at full scale has −3 dBFS RMS
/// (as `astats` counts).
pub fn decibels(power: f64) -> f64 {
    10.0 * power.max(1e-12).log10()
}

/// The factor of power that so many decibels are.
pub fn power(decibels: f64) -> f64 {
    10_f64.powf(decibels / 10.0)
}
