//! The share of one recording in the sample.

use crate::call::Take;
use crate::decibel::decibels;
use crate::frame::FRAMES_PER_SECOND;
use crate::problem::Problem;
use crate::report::CallReport;
use crate::speech_quality::SpeechQuality;
use crate::utterances::{Utterance, best};

/// One recording's share.
pub struct Part {
    /// Samples a second.
    pub rate: u32,
    /// The stretches that are taken.
    pub utterances: Vec<Utterance>,
    /// The quality of these stretches, or of all speech that was found if none is taken.
    pub quality: SpeechQuality,
    /// Its part of the report.
    pub report: CallReport,
}

impl Part {
    /// Takes the best stretches that there is room for, in frames.
    pub fn new(take: Take, room: usize) -> Self {
        let all = SpeechQuality::of(&take.utterances);
        let problem = all.problem();
        let utterances = best(take.utterances, if problem.is_none() { room } else { 0 });
        let quality = if problem.is_none() { SpeechQuality::of(&utterances) } else { all };
        let mut part = Self { rate: take.rate, utterances, quality, report: CallReport::default() };
        let seconds = |frames: u64| frames as f64 / FRAMES_PER_SECOND;
        part.report = CallReport {
            problem,
            format: Some(take.format),
            channel: take.channel,
            seconds: seconds(take.counts.all),
            speech_seconds: seconds(take.counts.speech),
            other_party_seconds: seconds(take.counts.other_party),
            sound_seconds: seconds(take.counts.sound),
            taken_seconds: seconds(part.frames() as u64),
            alike_percent: take.alike_percent,
            ..CallReport::default()
        };
        if all.speech_frames > 0 {
            part.report.speech_rms_dbfs = Some(decibels(all.speech));
            part.report.true_peak_dbtp = Some(decibels(f64::from(all.true_peak).powi(2)));
            part.report.noise_floor_dbfs = Some(decibels(all.noise));
            part.report.snr_db = Some(all.snr());
            part.report.clipped_percent = Some(all.clipped_percent);
        }
        part
    }

    /// The part of a recording of which nothing can be taken.
    pub fn unusable(problem: Problem) -> Self {
        let report = CallReport { problem: Some(problem), ..CallReport::default() };
        Self { rate: 0, utterances: Vec::new(), quality: SpeechQuality::default(), report }
    }

    /// The number of frames that are taken, pauses included.
    pub fn frames(&self) -> usize {
        self.utterances.iter().map(|utterance| utterance.classes.len()).sum()
    }
}
