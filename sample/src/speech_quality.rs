//! The level, the noise and the clipping of the speech that is taken of a call, as it was recorded.

use crate::decibel::decibels;
use crate::frame::{Class, FRAMES_PER_SECOND};
use crate::problem::{Measure, Problem};
use crate::sums::ac_power;
use crate::true_peak::true_peak;
use crate::utterances::Utterance;

/// The least level of speech, RMS in dBFS: softer speech was coded with only a few bits.
const QUIETEST: f64 = -50.0;
/// Least signal-to-noise ratio, in dB.
const NOISIEST: f64 = 10.0;
/// The largest share of clipped samples, in percent of the samples of speech.
const MOST_CLIPPED: f64 = 1.0;
/// The least speech for which a level means something, in seconds.
const MEASURABLE: f64 = 1.0;

/// Measurements of the stretches that are taken of one call.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpeechQuality {
    /// Frames of speech.
    pub speech_frames: usize,
    /// Mean power of the frames of speech.
    pub speech: f64,
    /// Power of the noise in the pauses.
    pub noise: f64,
    /// Samples at the ceiling, in percent of those of speech.
    pub clipped_percent: f64,
    /// The true peak, as a factor of full scale.
    pub true_peak: f32,
}

impl SpeechQuality {
    /// Measures stretches of speech; without any, everything is 0.
    pub fn of(utterances: &[Utterance]) -> Self {
        let mut measures = Self::default();
        let (mut pauses, mut ceiling) = (Vec::new(), Ceiling::default());
        for utterance in utterances {
            for (class, samples) in utterance.frames() {
                if class == Class::Speech {
                    measures.speech_frames += 1;
                    measures.speech += ac_power(samples);
                    ceiling.add(samples);
                } else {
                    pauses.push(ac_power(samples));
                }
            }
            measures.true_peak = measures.true_peak.max(true_peak(&utterance.samples));
        }
        measures.speech /= measures.speech_frames.max(1) as f64;
        measures.noise = lower_quartile(pauses);
        measures.clipped_percent = ceiling.clipped_percent();
        measures
    }

    /// Speech in seconds.
    pub fn seconds(&self) -> f64 {
        self.speech_frames as f64 / FRAMES_PER_SECOND
    }

    /// Power of the speech alone over that of the noise, in dB.
    pub fn snr(&self) -> f64 {
        decibels((self.speech - self.noise).max(0.0)) - decibels(self.noise)
    }

    /// The reason why this speech must not be cloned, whatever its amount.
    pub fn problem(&self) -> Option<Problem> {
        if self.seconds() < MEASURABLE {
            return None;
        }
        let level = decibels(self.speech);
        if level < QUIETEST {
            return Some(Problem::TooQuiet(Measure { figure: level, limit: QUIETEST, unit: "dBFS" }));
        }
        if self.clipped_percent > MOST_CLIPPED {
            let measure = Measure { figure: self.clipped_percent, limit: MOST_CLIPPED, unit: "percent" };
            return Some(Problem::Clipped(measure));
        }
        (self.snr() < NOISIEST).then(|| Problem::TooNoisy(Measure { figure: self.snr(), limit: NOISIEST, unit: "dB" }))
    }
}

/// The lower quartile of the pauses' powers. It measures the noise, since louder pauses hold breaths and the ends of
/// words.
fn lower_quartile(mut powers: Vec<f64>) -> f64 {
    powers.sort_by(f64::total_cmp);
    powers.get(powers.len() / 4).copied().unwrap_or(0.0)
}

/// Finds the level at which peaks are cut off: full scale, or less if the audio was attenuated afterwards.
///
/// Speech reaches a level more rarely the higher it is. At a ceiling, samples pile up instead.
struct Ceiling {
    /// The number of samples with each absolute value, in steps of a sixteenth of an octave (0.3 to 0.5 dB).
    steps: [u64; STEPS],
}

const STEPS: usize = 256;
/// This share of the loudest samples may be clicks above the ceiling.
const STRAY: f64 = 1e-4;
/// Samples pile up in a step that has more than this many times the samples of the step below it.
const PILE: u64 = 2;

impl Default for Ceiling {
    fn default() -> Self {
        Self { steps: [0; STEPS] }
    }
}

impl Ceiling {
    fn add(&mut self, samples: &[f32]) {
        for sample in samples {
            // The exponent and the first four bits of the mantissa are a logarithm that costs nothing. The outermost
            // steps are those of 1.0 and 2^-16.
            let step = (sample.abs().to_bits() >> 19) as usize;
            self.steps[step.saturating_sub(111 * 16).min(STEPS - 1)] += 1;
        }
    }

    fn clipped_percent(&self) -> f64 {
        let all: u64 = self.steps.iter().sum();
        let stray = (STRAY * all as f64) as u64;
        let mut above = 0;
        for step in (1..STEPS).rev() {
            above += self.steps[step];
            if above > stray {
                let usual = PILE * self.steps[step - 1];
                return if above > usual { 100.0 * above as f64 / all as f64 } else { 0.0 };
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;
    use wav::Encoding;

    use super::*;
    use crate::tests::calls::{VOICES, amplified, coded, decibels_to_factor, level, noise, utterance};

    fn measures(samples: &[f32]) -> SpeechQuality {
        SpeechQuality::of(&[utterance(0, samples)])
    }

    #[test]
    fn peaks_cut_off_at_full_scale_are_found() {
        for voice in VOICES.iter() {
            let measures = measures(&amplified(voice, 1.0 / level(voice)));
            assert!(measures.clipped_percent > 5.0, "{measures:?}");
            let Some(Problem::Clipped(measure)) = measures.problem() else { panic!("{measures:?}") };
            assert_eq!((measure.figure, measure.limit), (measures.clipped_percent, 1.0));
        }
    }

    #[test]
    fn peaks_that_were_cut_off_are_found_after_the_voice_was_softened_and_coded() {
        for voice in VOICES.iter().map(|voice| &voice[..160_000]) {
            for softened in [0.7, 0.06] {
                let clipped = amplified(&amplified(voice, 1.0 / level(voice)), softened);
                for samples in [coded(Encoding::MuLaw, &clipped), coded(Encoding::ALaw, &clipped), clipped] {
                    let measures = measures(&samples);
                    assert!(measures.clipped_percent > 5.0, "at {softened}: {measures:?}");
                }
            }
        }
    }

    #[test]
    fn clean_speech_is_not_clipped_at_any_level_nor_in_any_code() {
        for voice in VOICES.iter().map(|voice| &voice[..160_000]) {
            let peak = voice.iter().fold(0.0, |peak, sample| f32::max(peak, sample.abs()));
            for loudest in [0.95, 0.58, 0.1] {
                let samples = amplified(voice, loudest / peak);
                for samples in [coded(Encoding::MuLaw, &samples), coded(Encoding::ALaw, &samples), samples] {
                    // The limit is half of that of the warning, since the few loudest samples may lie close together by
                    // chance.
                    let clipped_percent = measures(&samples).clipped_percent;
                    assert!(clipped_percent < 0.05, "{clipped_percent} at {loudest}");
                }
            }
        }
    }

    #[test]
    fn a_click_above_the_ceiling_hides_nothing() {
        let mut samples = amplified(&amplified(&VOICES[0], 1.0 / level(&VOICES[0])), 0.5);
        (0..samples.len()).step_by(20_000).for_each(|n| samples[n] = 0.99);
        assert!(measures(&samples).clipped_percent > 5.0);
    }

    #[test]
    fn noise_is_measured_in_the_pauses_and_the_ratio_is_that_of_the_speech_alone() {
        let mut rng = Rng::with_seed(1);
        for snr in [30.0, 20.0, 10.0] {
            let voice = &VOICES[0];
            let clean = utterance(0, voice);
            let floor =
                (SpeechQuality::of(std::slice::from_ref(&clean)).speech).sqrt() as f32 * decibels_to_factor(-snr);
            let noisy = voice.iter().zip(noise(&mut rng, floor, voice.len())).map(|(sample, noise)| sample + noise);
            let measures = SpeechQuality::of(&[Utterance { samples: noisy.collect(), ..clean }]);
            assert!((measures.snr() - f64::from(snr)).abs() < 1.0, "{} instead of {snr}", measures.snr());
            assert!((decibels(measures.noise) - decibels(f64::from(floor).powi(2))).abs() < 1.0, "{measures:?}");
            assert!(measures.problem().is_none() || snr < 11.0);
        }
    }

    #[test]
    fn an_offset_is_neither_speech_nor_noise() {
        let voice = &VOICES[2];
        let moved: Vec<f32> = voice.iter().map(|sample| 0.5 * sample + 0.1).collect();
        let classes = utterance(0, voice).classes;
        let [moved, plain] = [moved, amplified(voice, 0.5)]
            .map(|samples| SpeechQuality::of(&[Utterance { first_frame: 0, classes: classes.clone(), samples }]));
        assert!((decibels(moved.speech) - decibels(plain.speech)).abs() < 0.01);
        assert!(decibels(moved.noise) < -70.0, "{moved:?}");
    }

    #[test]
    fn a_ceiling_is_a_level_with_more_than_twice_the_samples_of_the_one_below_it() {
        let percent = |below: usize| {
            let mut ceiling = Ceiling::default();
            ceiling.add(&vec![0.1; 900 - below]);
            ceiling.add(&vec![-0.49; below]);
            ceiling.add(&[[0.5, -0.5]; 50].concat());
            ceiling.clipped_percent()
        };
        assert_eq!([0, 49, 50, 60].map(percent), [10.0, 10.0, 0.0, 0.0]);
    }

    #[test]
    fn what_is_at_a_limit_is_good_enough_and_what_is_beyond_it_is_not() {
        // Powers of two, so that ten times the noise is exact.
        let noise = 0.5_f64.powi(12);
        let good = SpeechQuality { speech_frames: 1_000, speech: 11.0 * noise, noise, ..SpeechQuality::default() };
        assert_eq!((good.snr(), good.problem()), (10.0, None));
        assert_eq!(SpeechQuality { speech: 1e-5, noise: 0.0, ..good }.problem(), None);
        assert_eq!(SpeechQuality { clipped_percent: 1.0, ..good }.problem(), None);
        for (worse, code) in [
            (SpeechQuality { speech: 10.9 * noise, ..good }, "sample_too_noisy"),
            (SpeechQuality { speech: 0.99e-5, noise: 0.0, ..good }, "sample_too_quiet"),
            (SpeechQuality { clipped_percent: 1.01, ..good }, "sample_clipped"),
        ] {
            assert_eq!(worse.problem().map(Problem::code), Some(code));
        }
    }

    #[test]
    fn nothing_is_said_of_less_than_a_second() {
        let hiss = noise(&mut Rng::with_seed(2), 1e-4, 128 * 62);
        let classes = vec![Class::Speech; 62];
        let short = Utterance { first_frame: 0, classes, samples: hiss };
        assert_eq!(SpeechQuality::of(std::slice::from_ref(&short)).problem(), None);
        assert!(matches!(SpeechQuality::of(&[short.clone(), short]).problem(), Some(Problem::TooQuiet(_))));
    }

    #[test]
    fn of_nothing_there_is_nothing_to_measure() {
        let nothing = SpeechQuality::of(&[]);
        assert_eq!((nothing.speech_frames, nothing.speech, nothing.noise), (0, 0.0, 0.0));
        assert_eq!((nothing.clipped_percent, nothing.true_peak, nothing.problem()), (0.0, 0.0, None));
    }
}
