//! Decides by the frames around a frame whether it belongs to speech, to a held tone, or to the other party.

use std::collections::VecDeque;

use crate::decibel::power;
use crate::level_tracker::Level;

/// A decision looks this many frames ahead and back: 1.6 s.
pub const HORIZON: usize = 100;
/// The index of the newest frame in the window. The frame that is decided is in the middle, at [`HORIZON`].
pub const NEWEST: usize = 2 * HORIZON;

/// The detector's score for a sound comes this many frames later.
pub const ANSWER_DELAY: usize = 2;
/// A frame with at least this score is speech if enough frames around it are, too.
const SPEECH_SCORE: f32 = 0.5;
/// Fewer frames that sound like speech, within [`SUPPORT_REACH`] on either side, are a click or a cough.
pub const SUPPORT: usize = 6;
const SUPPORT_REACH: usize = 12;
/// At least this many of those frames must be as loud as a syllable.
const SYLLABLE: usize = 3;
/// Minimum rise, in dB, from the 1/3 to the 5/6 quantile of the power of those frames: speech swells, a switched noise
/// does not.
const SWELL: f64 = 2.5;
/// A frame next to speech is speech from this score on.
const EDGE_SCORE: f32 = 0.2;
/// A shorter gap in speech than this, in frames, belongs to the speech: it is the closure of a consonant, or a breath.
pub const SHORTEST_GAP: usize = 18;

/// The delay of the steadiness in frames: from the middle between two compared spectra to the end of the later one.
pub const STEADINESS_DELAY: usize = 7;
/// Steadiness is averaged over this many frames on either side, together 3 s. Loud frames count more.
const STEADY_REACH: usize = HORIZON - STEADINESS_DELAY;
/// Ringing, keys, drums and music have at least this mean steadiness over [`STEADY_REACH`], and no voice has.
pub const STEADY: f32 = 0.10;
/// A voice next to such a sound seems steady, but its mean steadiness before or after the frame is less than this.
const UNSTEADY: f32 = 0.07;
/// Such a voice is also less steady than [`STEADY`] within this many frames on either side: half a second.
const VOICE_REACH: usize = 30;

/// The other party speaks if it is heard in this many of five frames; fewer are a click.
const OTHER_SUPPORT: usize = 3;
/// This many frames before the other party's speech already count as its speech.
pub const BEFORE_OTHER: usize = 3;
/// The other party's echo may be heard for this many frames after its speech.
pub const AFTER_OTHER: usize = 15;

/// The measurements of a frame.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    /// Mean power of the employee's channel.
    pub employee: f64,
    /// Mean power of the other channel.
    pub other: f64,
    /// The detector's answer to the sound [`ANSWER_DELAY`] frames ago, 0 to 1.
    pub score: f32,
    /// The steadiness of the sound [`STEADINESS_DELAY`] frames ago, 0 to 1.
    pub steadiness: f32,
}

/// A frame with its findings so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard {
    /// The measurements.
    pub measured: Measured,
    /// The judgement by the levels, and by the detector once it has answered.
    pub level: Level,
    /// The amplitude of the employee's channel.
    amplitude: f32,
    /// The steadiness of this very frame.
    steadiness: f32,
    /// True if the frames around it make it speech of somebody on the employee's channel.
    is_speech: bool,
}

/// The last frames. The one that is decided next is in the middle; the newest is the last.
pub struct Window {
    frames: VecDeque<Heard>,
}

impl Default for Window {
    fn default() -> Self {
        Self { frames: VecDeque::from(vec![Heard::default(); NEWEST + 1]) }
    }
}

impl Window {
    /// Takes the newest frame; the oldest one goes.
    pub fn push(&mut self, measured: Measured, level: Level) {
        let amplitude = measured.employee.sqrt() as f32;
        self.frames.pop_front();
        self.frames.push_back(Heard { measured, level, amplitude, steadiness: 0.0, is_speech: false });
        self.find_speech();
    }

    /// The frame that is decided.
    pub fn middle(&self) -> &Heard {
        &self.frames[HORIZON]
    }

    /// The newest frame.
    pub fn newest(&self) -> &Heard {
        &self.frames[NEWEST]
    }

    /// True if there is speech in the middle frame, in `before` frames before it, or in `after` frames after it.
    pub fn has_speech(&self, before: usize, after: usize) -> bool {
        self.frames.range(HORIZON - before..=HORIZON + after).any(|near| near.is_speech)
    }

    /// Adds the newest answers to the frames that they belong to. Then looks at the frame whose neighbours are all
    /// known now, and marks it as speech if they support that.
    fn find_speech(&mut self) {
        let Measured { score, steadiness, .. } = self.frames[NEWEST].measured;
        self.frames[NEWEST - STEADINESS_DELAY].steadiness = steadiness;
        let answered = &mut self.frames[NEWEST - ANSWER_DELAY].level;
        answered.may_be_speech &= score >= SPEECH_SCORE;
        answered.may_be_edge &= score >= EDGE_SCORE;

        let at = NEWEST - ANSWER_DELAY - SUPPORT_REACH;
        let continues = self.frames[at].level.may_be_edge && self.frames[at - 1].is_speech;
        if continues || (self.frames[at].level.may_be_speech && self.is_supported(at)) {
            self.mark_speech(at);
        }
    }

    /// True if the frames around this one that sound like speech are syllables.
    fn is_supported(&self, at: usize) -> bool {
        let near = self.frames.range(at - SUPPORT_REACH..=at + SUPPORT_REACH);
        let (mut powers, mut prominent) = ([0.0; 2 * SUPPORT_REACH + 1], 0);
        let mut frames = 0;
        for heard in near.filter(|heard| heard.level.may_be_speech) {
            powers[frames] = heard.measured.employee;
            frames += 1;
            prominent += usize::from(heard.level.is_prominent);
        }
        if frames < SUPPORT || prominent < SYLLABLE {
            return false;
        }
        let powers = &mut powers[..frames];
        powers.sort_unstable_by(f64::total_cmp);
        powers[frames * 5 / 6] >= powers[frames / 3] * power(SWELL)
    }

    /// Marks a frame as speech, with the soft beginning before it, and with a short gap before that.
    fn mark_speech(&mut self, at: usize) {
        let mut first = at;
        self.frames[at].is_speech = true;
        while first > HORIZON && self.frames[first - 1].level.may_be_edge && !self.frames[first - 1].is_speech {
            first -= 1;
            self.frames[first].is_speech = true;
        }
        let gap = self.frames.range(first - SHORTEST_GAP..first).rev().position(|heard| heard.is_speech);
        self.frames.range_mut(first - gap.unwrap_or(0)..first).for_each(|heard| heard.is_speech = true);
    }

    /// True if the frame in the middle belongs to ringing or music, which is steady for longer than a voice.
    pub fn is_held_tone(&self) -> bool {
        const AT: usize = HORIZON;
        let mean = |from: usize, to: usize| {
            let sum = |(held, all), heard: &Heard| (held + heard.amplitude * heard.steadiness, all + heard.amplitude);
            let (held, all) = self.frames.range(from..=to).fold((0.0, 0.0), sum);
            if all > 0.0 { held / all } else { 0.0 }
        };
        let is_voice = || {
            let before_or_after = mean(AT - STEADY_REACH, AT).min(mean(AT, AT + STEADY_REACH));
            before_or_after < UNSTEADY && mean(AT - VOICE_REACH, AT + VOICE_REACH) < STEADY
        };
        mean(AT - STEADY_REACH, AT + STEADY_REACH) >= STEADY && !is_voice()
    }

    /// True if the other party speaks in the frame in the middle, or begins to right after it.
    pub fn is_other_party(&self) -> bool {
        self.count_others(HORIZON - 2, HORIZON + 2) >= OTHER_SUPPORT
            || self.count_others(HORIZON, HORIZON + BEFORE_OTHER) > 1
    }

    /// True if the other party has just spoken, so that its echo may be heard in the frame in the middle.
    pub fn is_after_other_party(&self) -> bool {
        self.count_others(HORIZON - AFTER_OTHER, HORIZON) >= OTHER_SUPPORT
    }

    fn count_others(&self, from: usize, to: usize) -> usize {
        self.frames.range(from..=to).filter(|near| near.level.is_other_party).count()
    }
}

#[cfg(test)]
mod tests;
