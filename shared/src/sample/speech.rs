//! Does a frame sound like speech? Two measures: a neural detector's score, and how steady the sound is.
//!
//! The detector takes held tones for speech: ringing, keys, hold music. Voices never hold a tone, so the second measure
//! tells them apart.

use std::sync::Arc;

use earshot::Detector;
use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

use super::resample::Resampler;
use super::{decibels, power};

/// Tells of each frame of 16 ms how much it sounds like speech.
pub struct SpeechDetector {
    detector: Box<Detector>,
    steadiness: Steadiness,
    /// To the detector's rate, and to that at which steadiness is measured; none where the audio has it already.
    resamplers: [Option<Resampler>; 2],
    /// What waits for a frame to be complete, at either rate; and how many frames of it were answered.
    waiting: [Vec<f32>; 2],
    answered: usize,
}

/// What the detector was trained on, in Hz, and its frame.
const DETECTOR_RATE: u32 = 16_000;
const DETECTOR_FRAME: usize = 256;
/// The detector hears speech best at this level, RMS in dBFS; at others it takes noise for speech, or misses it.
const BEST_LEVEL: f64 = -29.0;
/// Most that speech is brought up or down to that, in dB.
const MOST_GAIN: f64 = 24.0;

/// Steadiness is that of the telephone band, in Hz, and its frame.
const STEADINESS_RATE: u32 = 8_000;
const STEADINESS_FRAME: usize = 128;

impl SpeechDetector {
    /// For audio of `rate` Hz.
    pub fn new(rate: u32) -> Self {
        let to = |other: u32| (rate != other).then(|| Resampler::new(rate, other));
        Self {
            detector: Detector::default_boxed(),
            steadiness: Steadiness::new(),
            resamplers: [to(DETECTOR_RATE), to(STEADINESS_RATE)],
            waiting: Default::default(),
            answered: 0,
        }
    }

    /// Takes the next samples.
    pub fn push(&mut self, samples: &[f32]) {
        let frames = std::mem::take(&mut self.answered);
        self.waiting[0].drain(..frames * DETECTOR_FRAME);
        self.waiting[1].drain(..frames * STEADINESS_FRAME);
        for (resampler, waiting) in self.resamplers.iter_mut().zip(&mut self.waiting) {
            match resampler {
                Some(resampler) => resampler.push(samples, waiting),
                None => waiting.extend_from_slice(samples),
            }
        }
    }

    /// Takes silence after the last samples, so that every whole frame is complete.
    pub fn finish(&mut self) {
        for (resampler, waiting) in self.resamplers.iter_mut().zip(&mut self.waiting) {
            if let Some(resampler) = resampler {
                resampler.finish(waiting);
            }
        }
    }

    /// Score and steadiness of the next frame, if it is complete. `speech_level` is the mean power that the employee's
    /// speech has had so far.
    pub fn next(&mut self, speech_level: f64) -> Option<(f32, f32)> {
        let [for_detector, for_steadiness] = &mut self.waiting;
        let frame = for_detector[self.answered * DETECTOR_FRAME..].get_mut(..DETECTOR_FRAME)?;
        let for_steadiness = for_steadiness[self.answered * STEADINESS_FRAME..].get(..STEADINESS_FRAME)?;
        let steadiness = self.steadiness.next(for_steadiness);
        let gain = (BEST_LEVEL - decibels(speech_level)).clamp(-MOST_GAIN, MOST_GAIN);
        let factor = power(gain).sqrt() as f32;
        frame.iter_mut().for_each(|sample| *sample = (*sample * factor).clamp(-1.0, 1.0));
        let score = self.detector.predict_f32(frame);
        self.answered += 1;
        Some((score, steadiness))
    }
}

/// Compares the peaks of two spectra, 160 ms apart: a held tone has its partials where they were, and as loud. Those of
/// a monotonous voice may stay where they are; its vowels still make them louder and softer.
struct Steadiness {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// The last [`SPAN`] samples.
    samples: Vec<f32>,
    windowed: Vec<f32>,
    spectrum: Vec<Complex32>,
    /// Levels of the peaks of the last measurements, the newest last; [`NO_PEAK`] in the other bins.
    past: [Vec<f32>; COMPARED],
    /// Every second frame is measured; the other takes over its value.
    last: Option<f32>,
}

/// 64 ms: the partials of every voice lie apart.
const SPAN: usize = 512;
/// Measurements that lie between two that are compared, one of them included.
const COMPARED: usize = 5;
/// Bins of 15.6 Hz: 280 to 3420 Hz.
const BAND: std::ops::Range<usize> = 18..220;
/// Bins on either side of one that it is held against …
const NEAR: usize = 10;
/// … and by how much a peak is above their mean, in nepers of power: 6.5 dB.
const PROMINENCE: f32 = 1.5;
/// A peak is the one that was there before if its level has changed by less than this, in nepers of power: 4.3 dB.
const AS_LOUD: f32 = 1.0;
const NO_PEAK: f32 = f32::NEG_INFINITY;

impl Steadiness {
    fn new() -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(SPAN);
        let turn = 2.0 * std::f32::consts::PI / SPAN as f32;
        Self {
            window: (0..SPAN).map(|n| 0.5 - 0.5 * (turn * n as f32).cos()).collect(),
            samples: vec![0.0; SPAN],
            windowed: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            past: std::array::from_fn(|_| vec![NO_PEAK; BAND.len()]),
            last: None,
            fft,
        }
    }

    /// The share of the amplitude of the frame's peaks that is in peaks that were there, as loud, 160 ms ago: 1 for a
    /// held tone, next to nothing for a voice.
    fn next(&mut self, frame: &[f32]) -> f32 {
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
        let windowed = self.samples.iter().zip(&self.window).map(|(sample, shape)| sample * shape);
        self.windowed.iter_mut().zip(windowed).for_each(|(place, sample)| *place = sample);
        self.fft.process(&mut self.windowed, &mut self.spectrum).expect("buffers that the plan has made");
        // As much as the rounding of 16 bits: silence has no peaks.
        const FLOOR: f32 = 1e-8;
        self.spectrum[BAND].iter().map(|bin| bin.norm_sqr() + FLOOR).collect()
    }
}

/// The logarithm to within 0.1, by the bits of the number: as exact as is needed, and free.
fn fast_ln(value: f32) -> f32 {
    value.to_bits() as f32 * (std::f32::consts::LN_2 / 8_388_608.0)
}

/// The levels of the local maxima that stand out of what is around them; [`NO_PEAK`] elsewhere.
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

    use super::super::activity::STEADY;
    use super::*;

    /// Mean steadiness of a sound of three seconds: partials of 120 Hz, each as loud as `level` says, from 0 to 1, of its
    /// number and of how many samples have passed.
    fn steadiness(mut level: impl FnMut(usize, usize) -> f32) -> f32 {
        let mut steadiness = Steadiness::new();
        let partial = |n: usize, at: usize| (TAU * (120 * n * at) as f32 / STEADINESS_RATE as f32).sin() * 0.02;
        let mut sample = |at| (3..25).map(|n| level(n, at) * partial(n, at)).sum::<f32>();
        let samples: Vec<f32> = (0..3 * STEADINESS_RATE as usize).map(&mut sample).collect();
        let frames: Vec<f32> = samples.chunks_exact(STEADINESS_FRAME).map(|frame| steadiness.next(frame)).collect();
        frames.iter().sum::<f32>() / frames.len() as f32
    }

    #[test]
    fn a_held_chord_is_steady() {
        assert!(steadiness(|_, _| 1.0) > 0.9);
        // It may fade away, as a plucked string's does.
        assert!(steadiness(|_, at| (-(at as f32) / STEADINESS_RATE as f32).exp()) > 0.9);
    }

    #[test]
    fn a_voice_is_not_steady_though_it_keeps_its_pitch() {
        // Sounds of 80 ms, each with other formants.
        let mut random = Rng::with_seed(1);
        let sounds: Vec<[f32; 25]> =
            (0..38).map(|_| std::array::from_fn(|_| power(-40.0 * random.f64()) as f32)).collect();
        let steadiness = steadiness(|n, at| sounds[at / 640][n]);
        assert!(steadiness < STEADY, "{steadiness}");
    }
}
