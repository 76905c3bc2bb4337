//! Endless noises of known power.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use crate::corpus::Voice;
use crate::filter::{Biquad, TelephoneBand};
use crate::{SAMPLE_RATE, rms};

/// The kind of a noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseKind {
    /// The noise of a line: a hiss that falls off above 1 kHz, like comfort noise (RFC 3389).
    Line,
    /// The same power at every frequency.
    White,
    /// The same power in every octave: rooms, ventilation.
    Pink,
    /// A fall of 12 dB an octave from 250 Hz on: a car.
    Car,
    /// All voices of the corpus that are not in the call, talking at once.
    Babble,
}

/// Noise of power 1, measured after the telephone band if the noise passes through it.
#[derive(Debug, Clone)]
pub struct Noise<'a> {
    source: Source<'a>,
    band: Option<TelephoneBand>,
    gain: f32,
}

#[derive(Debug, Clone)]
enum Source<'a> {
    Coloured(Gaussian, Colour),
    Voices(Vec<Speaker<'a>>),
}

impl<'a> Noise<'a> {
    /// The same seed gives the same noise. Only [`NoiseKind::Babble`] uses the voices.
    pub fn new(kind: NoiseKind, band_limited: bool, seed: u64, voices: impl IntoIterator<Item = &'a Voice>) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let colour = match kind {
            NoiseKind::White => Colour::White,
            NoiseKind::Pink => Colour::Pink([0.0; 6]),
            NoiseKind::Car => Colour::LowPass(Biquad::low_pass(250.0, 0.71)),
            NoiseKind::Line => Colour::LowPass(Biquad::low_pass(1_000.0, 0.5)),
            NoiseKind::Babble => {
                let speakers = voices.into_iter().map(|voice| Speaker::new(voice, &mut random)).collect();
                return Self::babble(speakers, band_limited);
            }
        };
        let band = band_limited.then(TelephoneBand::new);
        // The power of filtered white noise is the energy of the filter's impulse response, which is over after 2 s.
        let (mut impulse, mut filter) = (colour.clone(), band.clone());
        let answer = (0..2 * SAMPLE_RATE).map(|n| limit(&mut filter, impulse.filter(if n == 0 { 1.0 } else { 0.0 })));
        let energy: f32 = answer.map(|sample| sample * sample).sum();
        Self { source: Source::Coloured(Gaussian(random), colour), band, gain: 1.0 / energy.sqrt() }
    }

    fn babble(speakers: Vec<Speaker<'a>>, band_limited: bool) -> Self {
        let mut noise =
            Self { source: Source::Voices(speakers), band: band_limited.then(TelephoneBand::new), gain: 1.0 };
        let mut trial = noise.clone();
        let trial: Vec<f32> = (0..60 * SAMPLE_RATE).map(|_| trial.next_sample()).collect();
        noise.gain = 1.0 / rms(&trial);
        noise
    }

    /// The next sample.
    pub fn next_sample(&mut self) -> f32 {
        let sample = match &mut self.source {
            Source::Coloured(gaussian, colour) => colour.filter(gaussian.next_sample()),
            Source::Voices(speakers) => speakers.iter_mut().map(Speaker::next_sample).sum(),
        };
        limit(&mut self.band, sample) * self.gain
    }
}

fn limit(band: &mut Option<TelephoneBand>, sample: f32) -> f32 {
    band.as_mut().map_or(sample, |band| band.process(sample))
}

/// White noise of power 1 with a nearly normal distribution: the sum of four uniform ones.
#[derive(Debug, Clone)]
struct Gaussian(Pcg64Mcg);

impl Gaussian {
    fn next_sample(&mut self) -> f32 {
        let bits = self.0.next_u64();
        let sum: u32 = (0..4).map(|n| (bits >> (16 * n)) as u32 & 0xFFFF).sum();
        (sum as f32 / 32_767.5 - 4.0) * 0.75_f32.sqrt()
    }
}

/// A filter that colours white noise.
#[derive(Debug, Clone)]
enum Colour {
    White,
    Pink([f32; 6]),
    LowPass(Biquad),
}

impl Colour {
    fn filter(&mut self, white: f32) -> f32 {
        match self {
            Self::White => white,
            Self::Pink(state) => pink(white, state),
            Self::LowPass(section) => section.process(white),
        }
    }
}

/// Paul Kellet's filter, 3 dB an octave down: <https://www.firstpr.com.au/dsp/pink-noise/>. At 8 kHz it is accurate
/// from 2 Hz on.
fn pink(white: f32, state: &mut [f32; 6]) -> f32 {
    const POLES: [(f32, f32); 6] = [
        (0.998_86, 0.055_517_9),
        (0.993_32, 0.075_075_9),
        (0.969_00, 0.153_852),
        (0.866_50, 0.310_485_6),
        (0.550_00, 0.532_952_2),
        (-0.761_6, -0.016_898),
    ];
    for (state, (pole, gain)) in state.iter_mut().zip(POLES) {
        *state = pole * *state + gain * white;
    }
    state.iter().sum::<f32>() + 0.536_2 * white
}

/// One voice of the babble. All are equally loud; each is repeated, and begins at a place of its own.
#[derive(Debug, Clone)]
struct Speaker<'a> {
    samples: &'a [f32],
    gain: f32,
    next: usize,
}

impl<'a> Speaker<'a> {
    fn new(voice: &'a Voice, random: &mut Pcg64Mcg) -> Self {
        let next = random.next_u32() as usize % voice.samples.len();
        Self { samples: &voice.samples, gain: 1.0 / voice.level, next }
    }

    fn next_sample(&mut self) -> f32 {
        let sample = self.samples[self.next] * self.gain;
        self.next = (self.next + 1) % self.samples.len();
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Corpus;
    use crate::decibels;

    #[test]
    fn every_noise_has_power_1_with_and_without_the_band() {
        let corpus = Corpus::load();
        for kind in [NoiseKind::Line, NoiseKind::White, NoiseKind::Pink, NoiseKind::Car, NoiseKind::Babble] {
            for band_limited in [false, true] {
                let mut noise = Noise::new(kind, band_limited, 7, &corpus.voices);
                let samples: Vec<f32> = (0..60 * SAMPLE_RATE).map(|_| noise.next_sample()).collect();
                // Pink noise without the band has much of its power below 1 Hz, so a minute of it varies.
                assert!(decibels(rms(&samples)).abs() < 0.3, "{kind:?}: {} dB", decibels(rms(&samples)));
            }
        }
    }
}
