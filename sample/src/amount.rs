//! The amount of speech in a sample.

/// Length of the longest sample, in seconds.
pub const LONGEST: f64 = 120.0;
/// If there is less speech than this, in seconds, the next older recording is sampled as well.
pub const ENOUGH: f64 = 60.0;
/// Least speech in a sample, in seconds.
pub const SHORTEST: f64 = 30.0;
