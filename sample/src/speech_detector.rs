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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::calls::{VOICES, amplified, level, resampled};

    /// The scores of all frames of audio, which comes in pieces, if the employee's speech has this level in dBFS.
    fn scores(rate: u32, samples: &[f32], piece: usize, speech: f64) -> Vec<f32> {
        let (mut detector, mut scores) = (SpeechDetector::new(rate), Vec::new());
        let mut answers = |detector: &mut SpeechDetector| {
            scores.extend(std::iter::from_fn(|| detector.next(power(speech))).map(|(score, _)| score));
        };
        for samples in samples.chunks(piece) {
            detector.push(samples);
            answers(&mut detector);
        }
        detector.finish();
        answers(&mut detector);
        scores
    }

    /// Four seconds of a voice, with this RMS in dBFS.
    fn voice(dbfs: f64) -> Vec<f32> {
        let voice = &VOICES[0][8_000..40_000];
        amplified(voice, power(dbfs).sqrt() as f32 / level(voice))
    }

    fn mean(scores: &[f32]) -> f32 {
        scores.iter().sum::<f32>() / scores.len() as f32
    }

    #[test]
    fn every_whole_frame_has_a_score_at_any_rate_however_the_audio_is_cut() {
        for rate in [8_000, 11_025, 16_000] {
            let samples = resampled(&voice(-30.0), 8_000, rate);
            let whole = scores(rate, &samples, samples.len(), -30.0);
            assert_eq!(whole.len(), 250, "at {rate} Hz");
            assert_eq!(whole, scores(rate, &samples, 777, -30.0), "at {rate} Hz");
        }
    }

    #[test]
    fn a_voice_sounds_like_speech_and_silence_does_not() {
        assert!(mean(&scores(8_000, &voice(-29.0), 800, -29.0)) > 0.5);
        assert!(mean(&scores(8_000, &[0.0; 8_000], 800, -29.0)) < 0.2);
    }

    #[test]
    fn a_voice_is_brought_to_the_detectors_level_within_24_db() {
        let best = scores(8_000, &voice(-29.0), 800, -29.0);
        let distance = |dbfs: f64, speech: f64| {
            let scores = scores(8_000, &voice(dbfs), 800, speech);
            mean(&scores.iter().zip(&best).map(|(one, other)| (one - other).abs()).collect::<Vec<f32>>())
        };
        for level in [-50.0, -40.0, -20.0] {
            assert!(distance(level, level) < 0.001, "{} at {level}", distance(level, level));
        }
        // 24 dB are added or taken away, and no more.
        assert_eq!(scores(8_000, &voice(-75.0), 800, -75.0), scores(8_000, &voice(-75.0), 800, -53.0));
        assert_eq!(scores(8_000, &voice(-9.0), 800, 6.0), scores(8_000, &voice(-9.0), 800, -5.0));
        assert_ne!(scores(8_000, &voice(-75.0), 800, -75.0), scores(8_000, &voice(-75.0), 800, -52.0));
        assert_ne!(scores(8_000, &voice(-9.0), 800, 6.0), scores(8_000, &voice(-9.0), 800, -6.0));
    }
}
