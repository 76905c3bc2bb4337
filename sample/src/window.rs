//! The frames before and after one, and what they say of it: whether it belongs to speech, to a held tone, or to the other
//! party.

use std::collections::VecDeque;

use crate::decibel::power;
use crate::level_tracker::Level;

/// Frames that a decision looks ahead, and back: 1.6 s.
pub const HORIZON: usize = 100;
/// Place of the newest frame in the window; the frame that is decided is in the middle, at [`HORIZON`].
pub const NEWEST: usize = 2 * HORIZON;

/// Frames between a sound and the detector's answer to it.
pub const ANSWER_DELAY: usize = 2;
/// Scores from here on are speech, if enough frames around them are, too.
const SPEECH_SCORE: f32 = 0.5;
/// Fewer frames that sound like speech, within [`SUPPORT_REACH`] on either side, are a click or a cough.
pub const SUPPORT: usize = 6;
const SUPPORT_REACH: usize = 12;
/// So many of these frames are as loud as a syllable.
const SYLLABLE: usize = 3;
/// Minimum rise of these frames, in dB, from the 1/3 to the 5/6 quantile of their power: speech swells, a switched noise
/// does not.
const SWELL: f64 = 2.5;
/// Next to speech, scores from here on are speech as well.
const EDGE_SCORE: f32 = 0.2;
/// Speech has no gaps of fewer frames than this: a shorter one is the closure of a consonant, or a breath.
pub const SHORTEST_GAP: usize = 18;

/// Frames between the middle of two spectra that are compared and the end of the later one.
pub const STEADINESS_DELAY: usize = 7;
/// Frames on either side over which steadiness is averaged, the loud ones counting more: 3 s.
const STEADY_REACH: usize = HORIZON - STEADINESS_DELAY;
/// Ringing, keys, drums and music are as steady as this for so long, and no voice is.
pub const STEADY: f32 = 0.10;
/// A voice next to one of these seems steady, but is less steady than this before or after it.
const UNSTEADY: f32 = 0.07;
/// That voice is not steady within so many frames on either side either: half a second.
const VOICE_REACH: usize = 30;

/// Frames of the other party, of five, that make it speech and not a click.
const OTHER_SUPPORT: usize = 3;
/// Frames before the other party's speech that are not trusted.
pub const BEFORE_OTHER: usize = 3;
/// Frames after the other party's speech in which its echo may be heard.
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
    /// The share of the sound [`STEADINESS_DELAY`] frames ago that was there 160 ms before that, and as loud, 0 to 1.
    pub steadiness: f32,
}

/// A frame with what was found out about it so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard {
    /// As it was measured.
    pub measured: Measured,
    /// By its levels; where the detector has answered, also by that.
    pub level: Level,
    /// Of the employee's channel.
    amplitude: f32,
    /// Of this very frame.
    steadiness: f32,
    /// With what is around it, it is speech of somebody on the employee's channel.
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

    /// Whether there is speech among the middle frame, so many before it, and so many after it.
    pub fn has_speech(&self, before: usize, after: usize) -> bool {
        self.frames.range(HORIZON - before..=HORIZON + after).any(|near| near.is_speech)
    }

    /// Completes the frames that the newest measurements answer to; then marks the one before them that its neighbours
    /// support.
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

    /// Whether the frames around this one that sound like speech are syllables.
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

    /// Marks a frame as speech, with the edge before it, and the gap before that if it is short.
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

    /// Whether the frame in the middle is of ringing or music: steady for longer than a voice is.
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

    /// Whether the other party speaks in the frame in the middle, or is just about to.
    pub fn is_other_party(&self) -> bool {
        self.count_others(HORIZON - 2, HORIZON + 2) >= OTHER_SUPPORT
            || self.count_others(HORIZON, HORIZON + BEFORE_OTHER) > 1
    }

    /// Whether the other party has just spoken, so that its echo may be heard in the frame in the middle.
    pub fn is_after_other_party(&self) -> bool {
        self.count_others(HORIZON - AFTER_OTHER, HORIZON) >= OTHER_SUPPORT
    }

    fn count_others(&self, from: usize, to: usize) -> usize {
        self.frames.range(from..=to).filter(|near| near.level.is_other_party).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_does_not_grow() {
        let mut window = Window::default();
        (0..10_000).for_each(|_| window.push(Measured::default(), Level::default()));
        assert_eq!(window.frames.len(), NEWEST + 1);
    }
}
