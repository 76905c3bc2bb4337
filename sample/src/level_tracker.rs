//! Tracks the levels of the noise, of the employee's speech and of its echo, and judges each frame by its level alone.

use crate::decibel::power;
use crate::noise_floor::NoiseFloor;

/// Speech is at least this far above the noise, in dB.
const ABOVE_NOISE: f64 = 1.0;
/// The beginning and the end of a word are at least this far above the noise, in dB.
const EDGE_ABOVE_NOISE: f64 = 2.0;
/// A syllable is at least this far above the noise, in dB; steady noise never is.
const SYLLABLE_ABOVE_NOISE: f64 = 5.5;
/// A voice that is this much softer than the employee's usual level, in dB, is somebody in the background.
const SOFTEST_SPEECH: f64 = 35.0;
/// The level that is assumed before the employee was heard, in dBFS.
const USUAL_SPEECH: f64 = -24.0;
/// Frames that the level of speech is averaged over.
const SPEECH_MEMORY: f64 = 300.0;
/// Noise hides the beginnings and ends of words if speech is less than this far above it, in dB.
const NOISY: f64 = 17.0;

/// A party counts as heard this far above the noise of its line, in dB.
const HEARD_ABOVE_NOISE: f64 = 10.0;
/// The other party is ignored this far below the employee's usual level, in dB, since its crosstalk is then inaudible.
const HARMLESS: f64 = 26.0;
/// Crosstalk of the employee into the other channel is at least this much softer, in dB.
const CROSSTALK: f64 = 16.0;
/// Decay of the employee's echo on the other channel, in dB a frame.
const ECHO_DECAY: f64 = 1.0;
/// The echo of the other party on the employee's channel is at least this much softer than the employee, in dB.
const ECHO: f64 = 12.0;

/// A sound that is not speech is too loud for a pause if it is this far above the noise, in dB, and also above
/// [`LOUD_BELOW_SPEECH`].
const LOUD_ABOVE_NOISE: f64 = 15.0;
/// A sound that is too loud for a pause is at most this much softer than the employee's usual level, in dB.
const LOUD_BELOW_SPEECH: f64 = 20.0;

/// The judgement of a frame by its levels alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Level {
    /// The frame is loud enough for the employee's speech.
    pub may_be_speech: bool,
    /// The frame is loud enough for the employee's speech if the frame next to it is speech.
    pub may_be_edge: bool,
    /// The frame is as loud as a syllable.
    pub is_prominent: bool,
    /// The frame is too loud for a pause.
    pub is_remarkable: bool,
    /// The other party is heard, and it is not the employee's echo.
    pub is_other_party: bool,
}

/// Follows the levels of a call.
pub struct LevelTracker {
    employee_floor: NoiseFloor,
    other_floor: NoiseFloor,
    speech_level: f64,
    speech_frames: f64,
    /// The power of the employee's speech that may still echo on the other channel, before [`CROSSTALK`].
    echo: f64,
}

impl Default for LevelTracker {
    fn default() -> Self {
        Self {
            employee_floor: NoiseFloor::default(),
            other_floor: NoiseFloor::default(),
            speech_level: power(USUAL_SPEECH),
            speech_frames: 0.0,
            echo: 0.0,
        }
    }
}

impl LevelTracker {
    /// Takes the mean power of the next frame in each channel, and judges the frame.
    pub fn push(&mut self, employee: f64, other: f64) -> Level {
        self.employee_floor.add(employee);
        self.other_floor.add(other);
        self.echo = employee.max(self.echo * power(-ECHO_DECAY));
        let floor = self.employee_floor.power();
        let audible = (self.other_floor.power() * power(HEARD_ABOVE_NOISE)).max(self.speech_level * power(-HARMLESS));
        let remarkable = (floor * power(LOUD_ABOVE_NOISE)).max(self.speech_level * power(-LOUD_BELOW_SPEECH));
        let softest = self.speech_level * power(-SOFTEST_SPEECH);
        Level {
            may_be_speech: employee > softest.max(floor * power(ABOVE_NOISE)),
            may_be_edge: employee > softest.max(floor * power(EDGE_ABOVE_NOISE)),
            is_prominent: employee > softest.max(floor * power(SYLLABLE_ABOVE_NOISE)),
            is_remarkable: employee > remarkable,
            is_other_party: other > audible && other > self.echo * power(-CROSSTALK),
        }
    }

    /// Updates the employee's usual level by the power of a frame that is clearly speech.
    pub fn learn_speech(&mut self, power: f64) {
        self.speech_frames = (self.speech_frames + 1.0).min(SPEECH_MEMORY);
        self.speech_level += (power - self.speech_level) / self.speech_frames;
    }

    /// The usual mean power of the employee's speech.
    pub fn speech_level(&self) -> f64 {
        self.speech_level
    }

    /// True if the noise hides the beginnings and ends of words.
    pub fn is_noisy(&self) -> bool {
        self.speech_level < self.employee_floor.power() * power(NOISY)
    }

    /// True if this power of the employee's channel is so low that it may be the echo of the other party.
    pub fn may_be_echo(&self, employee: f64) -> bool {
        employee < self.speech_level * power(-ECHO)
    }

    /// True if either party is clearly above the noise of its line.
    pub fn is_anybody_heard(&self, employee: f64, other: f64) -> bool {
        employee > self.employee_floor.power() * power(HEARD_ABOVE_NOISE)
            || other > self.other_floor.power() * power(HEARD_ABOVE_NOISE)
    }
}
