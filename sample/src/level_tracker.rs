//! Tracks the levels of the noise, of the employee's speech and of its echo, and judges each frame by its level alone.

use crate::decibel::power;
use crate::noise_floor::NoiseFloor;

/// Speech is at least this far above the noise, in dB.
const ABOVE_NOISE: f64 = 1.0;
/// The beginning and the end of a word are at least this far above the noise, in dB. It is more than for speech, because
/// the detector's score may be lower there.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decibel::decibels;

    /// Two lines whose noise has these levels, in dBFS, before anybody was heard.
    fn lines(employee: f64, other: f64) -> LevelTracker {
        let mut levels = LevelTracker::default();
        (0..60).for_each(|_| _ = levels.push(power(employee), power(other)));
        levels
    }

    /// The judgement of a frame of these levels on quiet lines.
    fn judged(noise: [f64; 2], employee: f64, other: f64) -> Level {
        lines(noise[0], noise[1]).push(power(employee), power(other))
    }

    /// Checks that something holds above a level, and not below it.
    fn assert_above(dbfs: f64, what: &str, holds: impl Fn(f64) -> bool) {
        assert!(holds(dbfs + 0.1), "{what} above {dbfs} dBFS");
        assert!(!holds(dbfs - 0.1), "{what} below {dbfs} dBFS");
    }

    #[test]
    fn on_a_quiet_line_speech_is_at_most_35_db_softer_than_usual() {
        let quiet = |dbfs| judged([-75.0; 2], dbfs, -75.0);
        assert_above(-59.0, "speech", |dbfs| quiet(dbfs).may_be_speech);
        assert_above(-59.0, "the edge of a word", |dbfs| quiet(dbfs).may_be_edge);
        assert_above(-59.0, "a syllable", |dbfs| quiet(dbfs).is_prominent);
    }

    #[test]
    fn on_a_noisy_line_speech_is_louder_than_the_noise_and_a_syllable_more_so() {
        let noisy = |dbfs| judged([-40.0, -75.0], dbfs, -75.0);
        assert_above(-39.0, "speech", |dbfs| noisy(dbfs).may_be_speech);
        assert_above(-38.0, "the edge of a word", |dbfs| noisy(dbfs).may_be_edge);
        assert_above(-34.5, "a syllable", |dbfs| noisy(dbfs).is_prominent);
    }

    #[test]
    fn a_sound_is_too_loud_for_a_pause_20_db_below_speech_and_15_db_above_the_noise() {
        assert_above(-44.0, "a sound", |dbfs| judged([-75.0; 2], dbfs, -75.0).is_remarkable);
        assert_above(-25.0, "a sound in noise", |dbfs| judged([-40.0, -75.0], dbfs, -75.0).is_remarkable);
    }

    #[test]
    fn the_other_party_is_heard_26_db_below_the_employees_speech_and_10_db_above_its_own_noise() {
        assert_above(-50.0, "the other party", |dbfs| judged([-75.0; 2], -75.0, dbfs).is_other_party);
        assert_above(-35.0, "the other party in noise", |dbfs| judged([-75.0, -45.0], -75.0, dbfs).is_other_party);
    }

    #[test]
    fn the_employees_echo_on_the_other_line_is_16_db_softer_and_fades_by_1_db_a_frame() {
        for (frames_ago, limit) in [(0, -26.0), (1, -27.0), (10, -36.0), (24, -50.0), (50, -50.0)] {
            assert_above(limit, "the other party", |dbfs| {
                let mut levels = lines(-75.0, -75.0);
                let spoken = (0..frames_ago).map(|n| if n == 0 { -10.0 } else { -75.0 });
                spoken.for_each(|employee| _ = levels.push(power(employee), power(-75.0)));
                levels.push(power(if frames_ago == 0 { -10.0 } else { -75.0 }), power(dbfs)).is_other_party
            });
        }
    }

    #[test]
    fn the_usual_level_is_the_mean_of_the_speech_and_of_the_last_5_s_where_there_is_more() {
        let mut levels = LevelTracker::default();
        assert!((decibels(levels.speech_level()) + 24.0).abs() < 1e-9, "it is assumed before anything is heard");
        levels.learn_speech(0.1);
        assert_eq!(levels.speech_level(), 0.1);
        levels.learn_speech(0.3);
        assert!((levels.speech_level() - 0.2).abs() < 1e-12);
        (0..1_000).for_each(|_| levels.learn_speech(0.2));
        levels.learn_speech(0.5);
        assert!((levels.speech_level() - 0.201).abs() < 1e-12, "one of 300 frames: {}", levels.speech_level());
        (0..3_000).for_each(|_| levels.learn_speech(0.01));
        assert!((levels.speech_level() - 0.01).abs() < 1e-4, "{}", levels.speech_level());
    }

    #[test]
    fn speech_moves_the_limits_that_are_relative_to_it() {
        let levels = || {
            let mut levels = lines(-75.0, -75.0);
            levels.learn_speech(power(-34.0));
            levels
        };
        assert_above(-69.0, "speech", |dbfs| levels().push(power(dbfs), power(-75.0)).may_be_speech);
        assert_above(-54.0, "a sound", |dbfs| levels().push(power(dbfs), power(-75.0)).is_remarkable);
        assert_above(-60.0, "the other party", |dbfs| levels().push(power(-75.0), power(dbfs)).is_other_party);
        assert_above(-46.0, "the employee, and no echo", |dbfs| !levels().may_be_echo(power(dbfs)));
    }

    #[test]
    fn noise_hides_the_ends_of_words_less_than_17_db_below_the_speech() {
        assert_above(-41.0, "the noise", |noise| lines(noise, -75.0).is_noisy());
    }

    #[test]
    fn a_party_is_heard_10_db_above_the_noise_of_its_own_line() {
        let levels = lines(-60.0, -50.0);
        assert_above(-50.0, "the employee", |dbfs| levels.is_anybody_heard(power(dbfs), power(-50.0)));
        assert_above(-40.0, "the other party", |dbfs| levels.is_anybody_heard(power(-60.0), power(dbfs)));
    }
}
