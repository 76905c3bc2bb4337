//! The takes of one or more calls → one sample and its report.

use crate::amount::{ENOUGH, LONGEST, SHORTEST};
use crate::call::Take;
use crate::decibel::decibels;
use crate::frame::FRAMES_PER_SECOND;
use crate::mix::{Mix, Piece};
use crate::part::Part;
use crate::problem::{Measure, Problem};
use crate::report::{PIPELINE_VERSION, Report, Verdict, Warning};
use crate::speech_quality::SpeechQuality;

/// Below this signal-to-noise ratio, in dB, the vendor is asked to remove the noise.
const NOISY: f64 = 25.0;
/// A larger share of clipped samples of speech than this, in percent, gives a warning.
const SOME_CLIPPED: f64 = 0.1;

/// A voice sample: mono, at most [`LONGEST`] seconds.
pub struct Sample {
    /// A WAV file of 16-bit PCM.
    pub wav: Vec<u8>,
    /// The stretches that it is made of, each with its source.
    pub pieces: Vec<Piece>,
    /// The report of how it was made.
    pub report: Report,
}

/// Puts a sample together from the takes of recordings. A recording that is too noisy, too quiet or clipped is passed
/// over, and so is one that could not be read.
#[derive(Default)]
pub struct Assembly {
    parts: Vec<Part>,
}

impl Assembly {
    /// Adds the next older recording: its take, or the reason why there is none.
    pub fn add(&mut self, take: Result<Take, Problem>) {
        let taken: usize = self.parts.iter().map(Part::frames).sum();
        let room = ((LONGEST * FRAMES_PER_SECOND) as usize).saturating_sub(taken);
        self.parts.push(match take {
            Ok(take) => Part::new(take, room),
            Err(problem) => Part::unusable(problem),
        });
    }

    /// True if there is so much speech that no older recording is needed.
    pub fn has_enough(&self) -> bool {
        self.speech_seconds() >= ENOUGH
    }

    /// True if there is at least as much speech as a voice needs.
    pub fn has_minimum(&self) -> bool {
        self.speech_seconds() >= SHORTEST
    }

    /// Makes the sample.
    ///
    /// # Errors
    /// The report, with the reason why there is no sample: that of the newest recording, if it has a problem of its
    /// own.
    pub fn finish(mut self) -> Result<Sample, Box<Report>> {
        let figure = self.speech_seconds();
        if figure < SHORTEST {
            let too_short = Problem::TooShort(Measure { figure, limit: SHORTEST, unit: "seconds" });
            let newest = self.parts.first().and_then(|part| part.report.problem);
            return Err(Box::new(self.report(Some(newest.unwrap_or(too_short)))));
        }
        let mut mix = Mix::new(self.parts.iter().find(|part| part.frames() > 0).map_or(0, |part| part.rate));
        for (recording, part) in self.parts.iter_mut().enumerate() {
            for utterance in std::mem::take(&mut part.utterances) {
                mix.add(recording, &utterance, part.rate, part.quality.speech);
            }
        }
        let mixed = mix.finish();
        for piece in &mixed.pieces {
            self.parts[piece.recording].report.gain_db = Some(decibels(f64::from(piece.gain).powi(2)));
        }
        let mut report = self.report(None);
        report.before = Some(mixed.before);
        report.after = Some(mixed.after);
        report.sample_seconds = mixed.samples.len() as f64 / f64::from(mixed.rate);
        report.sampling_rate_hz = Some(mixed.rate);
        Ok(Sample { wav: mixed.wav(), pieces: mixed.pieces, report })
    }

    fn speech_seconds(&self) -> f64 {
        self.used().map(|part| part.quality.seconds()).sum()
    }

    fn used(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.report.problem.is_none())
    }

    /// The mean of a figure over the used recordings (or over all if none is used), weighted by the amount of speech in
    /// each; `None` if no speech was found.
    fn mean(&self, of: impl Fn(&SpeechQuality) -> f64) -> Option<f64> {
        let nothing_used = self.speech_seconds() == 0.0;
        let parts = || self.parts.iter().filter(|part| nothing_used || part.report.problem.is_none());
        let weigh = |part: &Part| part.quality.speech_frames as f64;
        let sum: f64 = parts().map(|part| weigh(part) * of(&part.quality)).sum();
        let weights: f64 = parts().map(weigh).sum();
        (weights > 0.0).then(|| sum / weights)
    }

    /// The report as far as it is known before the mix.
    fn report(&self, problem: Option<Problem>) -> Report {
        // Each recording is brought to the same level, so the mean is taken over the ratios of noise to speech.
        let noise_share = self.mean(|quality| quality.noise / quality.speech.max(f64::MIN_POSITIVE));
        let snr_db = noise_share.map(|noise| decibels(1.0 - noise) - decibels(noise));
        let clipped_percent = self.mean(|quality| quality.clipped_percent);
        let speech_seconds = self.speech_seconds();
        let is_noisy = snr_db.is_some_and(|snr| snr < NOISY);
        let conditions = [
            (speech_seconds < ENOUGH, Warning::Short),
            (is_noisy, Warning::Noisy),
            (clipped_percent.is_some_and(|share| share > SOME_CLIPPED), Warning::Clipped),
        ];
        let warnings: Vec<Warning> =
            conditions.into_iter().filter_map(|(holds, warning)| holds.then_some(warning)).collect();
        Report {
            pipeline_version: PIPELINE_VERSION,
            verdict: match (problem, &warnings[..]) {
                (Some(_), _) => Verdict::Refused,
                (None, []) => Verdict::Good,
                (None, _) => Verdict::Usable,
            },
            problem,
            warnings: if problem.is_some() { Vec::new() } else { warnings },
            speech_seconds,
            sample_seconds: 0.0,
            sampling_rate_hz: None,
            channel: self.parts.first().and_then(|part| part.report.channel),
            snr_db,
            clipped_percent,
            noise_floor_dbfs: self.mean(|quality| quality.noise).map(decibels),
            remove_background_noise: is_noisy,
            before: None,
            after: None,
            recordings: self.parts.iter().map(|part| part.report.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
