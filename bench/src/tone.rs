//! The tones of a telephone line.

use std::f32::consts::{FRAC_1_SQRT_2, TAU};

use crate::SAMPLE_RATE;

/// The kind of a tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Ringback of North America: 440 + 480 Hz, 2 s on, 4 s off.
    RingAmerican,
    /// Ringback of most of Europe: 425 Hz, 1 s on, 4 s off.
    RingEuropean,
    /// Every key of a touch-tone telephone, over and over: 100 ms on, 100 ms off (ITU-T Q.23, Q.24).
    Dtmf,
}

impl Tone {
    /// RMS while the tone sounds.
    #[must_use]
    pub fn level(self) -> f32 {
        match self {
            Self::RingEuropean => FRAC_1_SQRT_2,
            Self::RingAmerican | Self::Dtmf => 0.5,
        }
    }

    /// The value of the tone this many samples after it began, within ±1.
    #[must_use]
    pub fn at(self, sample: usize) -> f32 {
        let ms = sample * 1_000 / SAMPLE_RATE;
        match self {
            Self::RingAmerican if ms % 6_000 < 2_000 => two(sample, [440, 480]),
            Self::RingEuropean if ms % 5_000 < 1_000 => two(sample, [425, 425]),
            Self::Dtmf if ms % 200 < 100 => two(sample, dtmf(ms / 200 % 16)),
            _ => 0.0,
        }
    }
}

/// The sum of two sines of half the amplitude. Frequencies in whole hertz repeat every second, so the phase stays
/// exact.
fn two(sample: usize, hertz: [usize; 2]) -> f32 {
    let sine = |hertz| (TAU * (sample * hertz % SAMPLE_RATE) as f32 / SAMPLE_RATE as f32).sin();
    hertz.map(sine).iter().sum::<f32>() / 2.0
}

/// The frequencies of a key. Each row has four keys.
fn dtmf(key: usize) -> [usize; 2] {
    const ROWS: [usize; 4] = [697, 770, 852, 941];
    const COLUMNS: [usize; 4] = [1_209, 1_336, 1_477, 1_633];
    [ROWS[key / 4], COLUMNS[key % 4]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rms;

    #[test]
    fn a_tone_sounds_for_its_time_at_its_level() {
        for (tone, on, off) in [(Tone::RingAmerican, 2.0, 4.0), (Tone::RingEuropean, 1.0, 4.0), (Tone::Dtmf, 0.1, 0.1)]
        {
            let [on, off] = [on, off].map(|seconds| (seconds * SAMPLE_RATE as f32) as usize);
            let samples: Vec<f32> = (0..on + off).map(|sample| tone.at(sample)).collect();
            assert!((rms(&samples[..on]) - tone.level()).abs() < 0.01, "{tone:?}");
            assert_eq!(rms(&samples[on..]), 0.0, "{tone:?}");
        }
    }
}
