//! The class of each frame: the employee speaks, pauses, or something else is heard.

use crate::decibel::decibels;
use crate::frame::{Class, Frame};
use crate::level_tracker::LevelTracker;
use crate::window::{HORIZON, Measured, Window};

/// Frames before and after detected speech that also count as speech, since words begin and end softly.
const LEAD_IN: usize = 2;
const LEAD_OUT: usize = 4;
/// The same two numbers where there is noise, which hides more of the beginnings and ends of words.
const LEAD_IN_NOISE: usize = 5;
const LEAD_OUT_NOISE: usize = 9;

/// Classifies frames with a delay of [`HORIZON`] frames.
pub struct Activity {
    window: Window,
    levels: LevelTracker,
    /// The number of frames that were taken and not yet given back.
    pending: usize,
    /// The number of frames until the first one is in the middle of the window.
    ahead: usize,
}

impl Default for Activity {
    fn default() -> Self {
        Self { window: Window::default(), levels: LevelTracker::default(), pending: 0, ahead: HORIZON }
    }
}

impl Activity {
    /// Takes the next frame. Gives back the one [`HORIZON`] frames before it.
    pub fn push(&mut self, measured: Measured) -> Option<Frame> {
        let frame = self.advance(measured);
        if self.ahead == 0 {
            return Some(frame);
        }
        self.ahead -= 1;
        self.pending += 1;
        None
    }

    /// Gives back the next of the last frames, after the end of the input; `None` when there are no more.
    pub fn finish(&mut self) -> Option<Frame> {
        self.pending = self.pending.checked_sub(1)?;
        for _ in 0..std::mem::take(&mut self.ahead) {
            self.advance(Measured::default());
        }
        Some(self.advance(Measured::default()))
    }

    /// True if either party is clearly above its noise in the newest frame.
    pub fn is_anybody_heard(&self) -> bool {
        let newest = self.window.newest().measured;
        self.levels.is_anybody_heard(newest.employee, newest.other)
    }

    /// The usual mean power of the employee's speech.
    pub fn speech_level(&self) -> f64 {
        self.levels.speech_level()
    }

    fn advance(&mut self, measured: Measured) -> Frame {
        let level = self.levels.push(measured.employee, measured.other);
        self.window.push(measured, level);
        let class = self.classify();
        let middle = *self.window.middle();
        if class == Class::Speech && middle.level.may_be_speech && middle.level.is_prominent {
            self.levels.learn_speech(middle.measured.employee);
        }
        let level = |power| decibels(power) as f32;
        Frame { class, employee: level(middle.measured.employee), other: level(middle.measured.other) }
    }

    /// The class of the frame in the middle.
    fn classify(&self) -> Class {
        let (window, middle) = (&self.window, self.window.middle());
        let may_be_echo = || self.levels.may_be_echo(middle.measured.employee);
        let (lead_in, lead_out) =
            if self.levels.is_noisy() { (LEAD_IN_NOISE, LEAD_OUT_NOISE) } else { (LEAD_IN, LEAD_OUT) };
        let has_speech = window.has_speech(lead_out, lead_in);
        if window.is_other_party() || (window.is_after_other_party() && may_be_echo()) {
            Class::OtherParty
        } else if has_speech && window.is_held_tone() {
            Class::Sound
        } else if has_speech {
            Class::Speech
        } else if middle.level.is_remarkable && !window.has_speech(LEAD_OUT + 1, LEAD_OUT + 1) {
            // A loud frame closer to speech than this is part of the speech, and not another sound.
            Class::Sound
        } else {
            Class::Pause
        }
    }
}

#[cfg(test)]
mod tests;
