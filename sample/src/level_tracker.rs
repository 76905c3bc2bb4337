//! The levels of the noise, of the employee's speech and of its echo, and what the level of a frame says by itself.

use crate::decibel::power;
use crate::noise_floor::NoiseFloor;

/// Speech is at least this far above the noise, in dB.
const ABOVE_NOISE: f64 = 1.0;
/// The beginning and the end of a word are at least this far above the noise, in dB.
const EDGE_ABOVE_NOISE: f64 = 2.0;
/// A syllable is at least this far above the noise, in dB, and no steady noise is.
const SYLLABLE_ABOVE_NOISE: f64 = 5.5;
/// The employee is never this much softer than usual, in dB: it is somebody in the background.
const SOFTEST_SPEECH: f64 = 35.0;
/// Level of an employee of whom nothing was heard yet, in dBFS.
const USUAL_SPEECH: f64 = -24.0;
/// Frames that the level of speech is averaged over.
const SPEECH_MEMORY: f64 = 300.0;
/// Words drown in the noise where speech is less than this above it, in dB.
const NOISY: f64 = 17.0;

/// A party counts as heard this far above the noise of its line, in dB.
const HEARD_ABOVE_NOISE: f64 = 10.0;
/// The other party does no harm this far below the employee's usual level, in dB: its crosstalk is beyond hearing.
const HARMLESS: f64 = 26.0;
/// Crosstalk of the employee into the other channel is at least this much softer, in dB.
const CROSSTALK: f64 = 16.0;
/// Decay of the employee's echo on the other channel, in dB a frame.
const ECHO_DECAY: f64 = 1.0;
/// The echo of the other party on the employee's channel is at least this much softer than the employee, in dB.
const ECHO: f64 = 12.0;

/// A sound that is no speech is remarkable when it is this far above the noise, in dB, and not much softer than speech.
const LOUD_ABOVE_NOISE: f64 = 15.0;
/// A remarkable sound is at most this much softer than the employee's usual level, in dB.
const LOUD_BELOW_SPEECH: f64 = 20.0;

/// A frame by its levels alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Level {
    /// Loud enough for the employee's speech.
    pub may_be_speech: bool,
    /// Loud enough for the employee's speech if its neighbour is that.
    pub may_be_edge: bool,
    /// As loud as a syllable.
    pub is_prominent: bool,
    /// Too loud for a pause, whatever it is.
    pub is_remarkable: bool,
    /// The other party is heard, and that is no echo of the employee.
    pub is_other_party: bool,
}

/// Follows the levels of a call.
pub struct LevelTracker {
    employee_floor: NoiseFloor,
    other_floor: NoiseFloor,
    speech_level: f64,
    speech_frames: f64,
    /// The employee's level as it may still echo on the other channel.
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
    /// Takes the mean power of the next frame of either channel, and says what they mean.
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

    /// Learns how loud the employee speaks, from a frame of that power that is clearly speech.
    pub fn learn_speech(&mut self, power: f64) {
        self.speech_frames = (self.speech_frames + 1.0).min(SPEECH_MEMORY);
        self.speech_level += (power - self.speech_level) / self.speech_frames;
    }

    /// The usual level of the employee's speech: mean power.
    pub fn speech_level(&self) -> f64 {
        self.speech_level
    }

    /// Whether words begin and end in the noise.
    pub fn is_noisy(&self) -> bool {
        self.speech_level < self.employee_floor.power() * power(NOISY)
    }

    /// Whether this power of the employee's channel is so low that it may be the echo of the other party.
    pub fn may_be_echo(&self, employee: f64) -> bool {
        employee < self.speech_level * power(-ECHO)
    }

    /// Whether either party is clearly above the noise of its line.
    pub fn is_anybody_heard(&self, employee: f64, other: f64) -> bool {
        employee > self.employee_floor.power() * power(HEARD_ABOVE_NOISE)
            || other > self.other_floor.power() * power(HEARD_ABOVE_NOISE)
    }
}
