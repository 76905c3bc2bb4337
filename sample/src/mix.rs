//! The audio of the sample: stretches of speech, joined, brought to one level and kept below the peak.

use wav::{Encoding, Format};

use crate::decibel::{decibels, power};
use crate::frame::Class;
use crate::high_pass::HighPass;
use crate::limiter::limited_gain;
use crate::report::Levels;
use crate::resample::Resampler;
use crate::true_peak::true_peak;
use crate::utterances::Utterance;

/// The level of the sample's speech, RMS in dBFS. The whole sample, with its pauses, is then within the vendor's window
/// of −23 to −18.
const TARGET_LEVEL: f64 = -20.5;
/// The limiter's ceiling, in dBTP: a little below the −3 that are asked for, since samples are rounded after it.
const CEILING: f64 = -3.1;
/// Raised-cosine fade on either side of a join, in seconds.
const FADE: f64 = 0.01;
/// The most rounds in which the gain is raised again, by as much as the limiter has lowered the level.
const ROUNDS: usize = 4;
/// The largest factor by which the gain is raised for that: more would flatten the voice.
const MOST_GIVEN_BACK: f32 = 1.5;

/// A stretch of the sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// The number of the recording, from 0 in the order in which they were added.
    pub recording: usize,
    /// The first frame of 16 ms in that recording.
    pub first_frame: u64,
    /// The frame after its last.
    pub end_frame: u64,
    /// The place of its first sample in the audio.
    pub from: usize,
    /// The place after its last sample in the audio.
    pub to: usize,
    /// The gain of all of it, as a factor, before fades and limiter.
    pub gain: f32,
}

/// The audio that is being put together.
pub struct Mix {
    rate: u32,
    /// The samples of all recordings, each with its recording's gain.
    samples: Vec<f32>,
    pieces: Vec<Piece>,
    /// The stretches of speech, from one sample to another.
    speech: Vec<(usize, usize)>,
    high_pass: HighPass,
    before: Power,
    before_peak: f32,
}

/// The finished audio.
pub struct Mixed {
    /// Samples a second.
    pub rate: u32,
    pub samples: Vec<i16>,
    pub pieces: Vec<Piece>,
    pub before: Levels,
    pub after: Levels,
}

impl Mixed {
    /// A WAV file of 16-bit PCM.
    pub fn wav(&self) -> Vec<u8> {
        let format = Format { encoding: Encoding::Pcm16, channels: 1, rate: self.rate };
        let bytes = u32::try_from(2 * self.samples.len()).expect("a sample is two minutes long at most");
        let mut file = wav::header(format, bytes);
        file.reserve_exact(bytes as usize);
        file.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        file
    }
}

impl Mix {
    /// Begins a sample of `rate` Hz.
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            samples: Vec::new(),
            pieces: Vec::new(),
            speech: Vec::new(),
            high_pass: HighPass::new(rate),
            before: Power::default(),
            before_peak: 0.0,
        }
    }

    /// Appends a stretch of a recording of `rate` Hz. `speech` is the mean power of that recording's speech.
    pub fn add(&mut self, recording: usize, utterance: &Utterance, rate: u32, speech: f64) {
        let gain = (power(TARGET_LEVEL) / speech).sqrt() as f32;
        let resampled = (rate != self.rate).then(|| resampled(&utterance.samples, rate, self.rate));
        let samples = resampled.as_ref().unwrap_or(&utterance.samples);
        let piece = Piece {
            recording,
            first_frame: utterance.first_frame,
            end_frame: utterance.end_frame(),
            from: self.samples.len(),
            to: self.samples.len() + samples.len(),
            gain,
        };
        if !self.pieces.last().is_some_and(|last| follows(last, &piece)) {
            self.high_pass.start_at(samples.first().copied().unwrap_or(0.0));
        }
        self.samples.extend(samples.iter().map(|&sample| self.high_pass.pass(sample)));
        self.measure_before(&piece, utterance);
        self.samples[piece.from..].iter_mut().for_each(|sample| *sample *= gain);
        self.pieces.push(piece);
    }

    fn measure_before(&mut self, piece: &Piece, utterance: &Utterance) {
        let (frames, length) = (utterance.classes.len(), piece.to - piece.from);
        let place = |frame: usize| piece.from + frame * length / frames;
        for (n, &class) in utterance.classes.iter().enumerate() {
            let (from, to) = (place(n), place(n + 1));
            self.before.add(&self.samples[from..to], class == Class::Speech);
            match self.speech.last_mut() {
                _ if class != Class::Speech => {}
                Some(last) if last.1 == from => last.1 = to,
                _ => self.speech.push((from, to)),
            }
        }
        self.before_peak = self.before_peak.max(true_peak(&self.samples[piece.from..]));
    }

    /// Fades the joins, finds the gain that gives the level, and limits the peaks.
    pub fn finish(mut self) -> Mixed {
        self.fade_joins();
        let (mut boost, mut ceiling) = (1.0_f32, CEILING);
        let mut round = 0;
        loop {
            let mut gains = limited_gain(&self.samples, self.rate, boost, factor(ceiling));
            gains.iter_mut().zip(&self.samples).for_each(|(gain, sample)| *gain *= sample);
            let samples: Vec<i16> = gains.iter().map(|sample| (sample * 32_768.0).round() as i16).collect();
            drop(gains);
            let after = self.levels(&samples);
            round += 1;
            let missing = TARGET_LEVEL - after.speech_rms_dbfs;
            let excess = after.true_peak_dbtp - (CEILING + 0.1);
            if round > ROUNDS || (missing.abs() < 0.05 && excess <= 0.0) {
                self.pieces.iter_mut().for_each(|piece| piece.gain *= boost);
                let before = self.before.levels(self.before_peak);
                return Mixed { rate: self.rate, samples, pieces: self.pieces, before, after };
            }
            boost = (boost * factor(missing)).min(MOST_GIVEN_BACK);
            ceiling -= excess.max(0.0);
        }
    }

    fn fade_joins(&mut self) {
        let length = (FADE * f64::from(self.rate)) as usize;
        let shape = |n: usize| 0.5 - 0.5 * (std::f32::consts::PI * (n as f32 + 0.5) / length as f32).cos();
        for (n, piece) in self.pieces.iter().enumerate() {
            let samples = &mut self.samples[piece.from..piece.to];
            if n == 0 || !follows(&self.pieces[n - 1], piece) {
                samples.iter_mut().take(length).enumerate().for_each(|(n, sample)| *sample *= shape(n));
            }
            if !self.pieces.get(n + 1).is_some_and(|next| follows(piece, next)) {
                samples.iter_mut().rev().take(length).enumerate().for_each(|(n, sample)| *sample *= shape(n));
            }
        }
    }

    fn levels(&self, samples: &[i16]) -> Levels {
        let samples: Vec<f32> = samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
        let mut power = Power::default();
        let mut pause = 0;
        for &(from, to) in &self.speech {
            power.add(&samples[pause..from], false);
            power.add(&samples[from..to], true);
            pause = to;
        }
        power.add(&samples[pause..], false);
        power.levels(true_peak(&samples))
    }
}

/// True if a stretch goes on where another ended, so that the join cannot be heard.
fn follows(first: &Piece, second: &Piece) -> bool {
    first.recording == second.recording && first.end_frame == second.first_frame
}

fn resampled(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let (mut resampler, mut output) = (Resampler::new(from, to), Vec::new());
    resampler.push(samples, &mut output);
    resampler.finish(&mut output);
    output
}

/// The ratio of amplitudes that a number of decibels stands for.
fn factor(decibels: f64) -> f32 {
    power(decibels).sqrt() as f32
}

/// Adds up the power of speech and of pauses, each by itself.
#[derive(Default)]
struct Power {
    speech: (f64, usize),
    pauses: (f64, usize),
}

impl Power {
    fn add(&mut self, samples: &[f32], is_speech: bool) {
        let (sum, count) = if is_speech { &mut self.speech } else { &mut self.pauses };
        *sum += samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>();
        *count += samples.len();
    }

    fn levels(&self, peak: f32) -> Levels {
        let mean = |sum: f64, count: usize| decibels(sum / count.max(1) as f64);
        Levels {
            speech_rms_dbfs: mean(self.speech.0, self.speech.1),
            rms_dbfs: mean(self.speech.0 + self.pauses.0, self.speech.1 + self.pauses.1),
            true_peak_dbtp: decibels(f64::from(peak).powi(2)),
        }
    }
}

#[cfg(test)]
mod tests;
