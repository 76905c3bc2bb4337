//! Measures how much a frame sounds like speech: by the score of a neural detector, and by the steadiness of the sound.
//!
//! The detector takes held tones for speech: ringing, keys, hold music. A voice never holds a tone, so steadiness
//! separates the two.

use earshot::Detector;

use crate::decibel::{decibels, power};
use crate::resample::Resampler;
use crate::steadiness::{STEADINESS_FRAME, STEADINESS_RATE, Steadiness};

/// Measures how much each frame of 16 ms sounds like speech.
pub struct SpeechDetector {
    detector: Box<Detector>,
    steadiness: Steadiness,
    /// Resamplers to the detector's rate and to the one at which steadiness is measured; `None` if the audio has that
    /// rate already.
    resamplers: [Option<Resampler>; 2],
    /// At either rate, the samples that wait until their frame is complete.
    waiting: [Vec<f32>; 2],
    /// The number of frames in `waiting` that were measured.
    answered: usize,
}

/// The rate that the detector was trained on, in Hz.
const DETECTOR_RATE: u32 = 16_000;
/// Samples of a frame at that rate.
const DETECTOR_FRAME: usize = 256;
/// The detector works best on speech of this level, RMS in dBFS; at other levels it takes noise for speech, or misses
/// speech.
const BEST_LEVEL: f64 = -29.0;
/// The largest gain, up or down, that brings speech to that level, in dB.
const MOST_GAIN: f64 = 24.0;

impl SpeechDetector {
    /// A detector for audio of `rate` Hz.
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

    /// Takes silence after the last samples, so that the last whole frame is complete at either rate.
    pub fn finish(&mut self) {
        for (resampler, waiting) in self.resamplers.iter_mut().zip(&mut self.waiting) {
            if let Some(resampler) = resampler {
                resampler.finish(waiting);
            }
        }
    }

    /// The score and the steadiness of the next frame, if it is complete. `speech_level` is the mean power of the
    /// employee's speech so far.
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
