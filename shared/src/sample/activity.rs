//! Who does what, frame by frame: the employee speaks, pauses, or something else is heard.

use std::collections::VecDeque;

use super::floor::NoiseFloor;
use super::{decibels, power};

/// Frames a second: 16 ms, what the detector of speech works in.
pub const FRAMES_PER_SECOND: f64 = 62.5;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nobody speaks.
    Pause,
    /// The employee speaks, alone.
    Speech,
    /// On the employee's channel something is heard that is not speech: ringing, music, a key.
    Sound,
    /// The other party speaks, or is still heard: over the employee's line, or over the employee.
    OtherParty,
}

/// A frame of 16 ms, as it was understood.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// What it holds.
    pub class: Class,
    /// Level of the employee's channel, in dBFS.
    pub employee: f32,
    /// Level of the other channel, in dBFS; −120 where there is none.
    pub other: f32,
}

/// What is measured of a frame.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    /// Mean power of the employee's channel.
    pub employee: f64,
    /// Mean power of the other channel.
    pub other: f64,
    /// What the detector says: 0 to 1. It answers [`ANSWER_DELAY`] frames late.
    pub score: f32,
    /// How much of the sound is where it was 160 ms before, and as loud, 0 to 1: of a sound [`STEADINESS_DELAY`] frames ago.
    pub steadiness: f32,
}

/// Frames that a decision looks ahead, and back: 1.6 s.
pub const HORIZON: usize = 100;

/// Frames between a sound and the detector's answer to it.
const ANSWER_DELAY: usize = 2;
/// Scores from here on are speech …
const SPEECH_SCORE: f32 = 0.5;
/// … if so many frames within [`SUPPORT_REACH`] on either side are, too: fewer are a click or a cough.
const SUPPORT: usize = 6;
const SUPPORT_REACH: usize = 12;
/// … and so many of them are this far above the noise, in dB: a syllable is, and no steady noise.
const SYLLABLE: usize = 3;
const SYLLABLE_ABOVE_FLOOR: f64 = 5.5;
/// Next to speech, scores from here on are speech as well …
const EDGE_SCORE: f32 = 0.2;
/// … where the frame is this far above the noise, in dB.
const EDGE_ABOVE_FLOOR: f64 = 2.0;
/// Between the median of them and the louder ones, in dB, lies at least this much: speech swells, a switched noise does not.
const SWELL: f64 = 2.5;
/// Speech is at least this far above the noise, in dB.
const ABOVE_NOISE: f64 = 1.0;
/// Speech has no gaps of fewer frames than this: the closure of a consonant, a breath.
const SHORTEST_GAP: usize = 18;
/// Frames before and after, in which words begin and end …
const LEAD_IN: usize = 2;
const LEAD_OUT: usize = 4;
/// … and drown, where speech is less than this above the noise, in dB: then there are more of them.
const NOISY: f64 = 17.0;
const LEAD_IN_NOISE: usize = 5;
const LEAD_OUT_NOISE: usize = 9;
/// What is softer than the employee usually is by this much, in dB, is not the employee.
const SOFTEST_SPEECH: f64 = 35.0;
/// How loud an employee is, in dBFS, of whom nothing was heard yet.
const USUAL_SPEECH: f64 = -24.0;
/// Frames that the level of speech is averaged over.
const SPEECH_MEMORY: f64 = 300.0;

/// Frames between the middle of two spectra that are compared and the end of the later one.
const STEADINESS_DELAY: usize = 7;
/// Frames on either side over which steadiness is averaged, the loud ones counting more: 3 s.
const STEADY_REACH: usize = HORIZON - STEADINESS_DELAY;
/// No voice is as steady as this for so long; ringing, keys, drums and music are …
pub(super) const STEADY: f32 = 0.10;
/// … but next to one of them a voice seems to be. It is less steady than this before or after it …
const UNSTEADY: f32 = 0.07;
/// … and not steady where it is, within half a second on either side.
const THERE_REACH: usize = 30;

/// The other party counts as speaking this far above their noise floor, in dB …
const ABOVE_FLOOR: f64 = 10.0;
/// … but not this far below the employee's usual level: what is left of it by crosstalk is beyond hearing.
const HARMLESS: f64 = 26.0;
/// Crosstalk of the employee into the other channel is at least this much softer, in dB.
const CROSSTALK: f64 = 16.0;
/// How fast the employee's last level fades from the echo on the other channel, in dB a frame.
const ECHO_DECAY: f64 = 1.0;
/// Frames of the other party, of five, that make it speech and not a click.
const OTHER_SUPPORT: usize = 3;
/// Frames before and after the other party's speech that are not trusted.
const BEFORE_OTHER: usize = 3;
const AFTER_OTHER: usize = 15;
/// After the other party's speech, what is this much softer than the employee, in dB, may be its echo.
const ECHO: f64 = 12.0;

/// A sound that is no speech is remarkable when it is this far above the noise floor, in dB …
const LOUD_ABOVE_FLOOR: f64 = 15.0;
/// … and less than this below the employee's usual level. Nearer to speech than four frames, it is part of it.
const LOUD_BELOW_SPEECH: f64 = 20.0;

/// Understands frames, [`HORIZON`] frames after they are given.
pub struct Activity {
    /// The frame that is understood next is in the middle; the newest is the last.
    window: VecDeque<Heard>,
    employee_floor: NoiseFloor,
    other_floor: NoiseFloor,
    speech_level: f64,
    speech_frames: f64,
    /// The employee's level as it may still echo on the other channel.
    echo: f64,
    /// Frames that were given and not yet given back.
    pending: usize,
    /// Frames until the first one that was given is in the middle.
    ahead: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    measured: Measured,
    /// Of the employee's channel.
    amplitude: f32,
    /// Of this very frame.
    steadiness: f32,
    /// By the detector alone.
    speechlike: bool,
    /// May be speech if its neighbour is.
    edge: bool,
    /// Far above the noise.
    prominent: bool,
    /// As understood with what is around it.
    speech: bool,
    other: bool,
    loud: bool,
}

/// Place of the newest frame in the window.
const NEWEST: usize = 2 * HORIZON;

impl Default for Activity {
    fn default() -> Self {
        Self {
            window: VecDeque::from(vec![Heard::default(); NEWEST]),
            employee_floor: NoiseFloor::default(),
            other_floor: NoiseFloor::default(),
            speech_level: power(USUAL_SPEECH),
            speech_frames: 0.0,
            echo: 0.0,
            pending: 0,
            ahead: HORIZON,
        }
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

    /// Gives back one of the last frames, after which nothing comes; `None` when there are no more.
    pub fn finish(&mut self) -> Option<Frame> {
        self.pending = self.pending.checked_sub(1)?;
        for _ in 0..std::mem::take(&mut self.ahead) {
            self.advance(Measured::default());
        }
        Some(self.advance(Measured::default()))
    }

    /// Whether either party is clearly above its noise, as of the newest frame.
    pub fn anybody_heard(&self) -> bool {
        self.window.back().is_some_and(|heard| {
            heard.measured.employee > self.employee_floor.power() * power(ABOVE_FLOOR)
                || heard.measured.other > self.other_floor.power() * power(ABOVE_FLOOR)
        })
    }

    /// How loud the employee usually speaks: mean power.
    pub fn speech_level(&self) -> f64 {
        self.speech_level
    }

    fn advance(&mut self, measured: Measured) -> Frame {
        let heard = self.hear(measured);
        self.window.push_back(heard);
        self.find_speech();
        let frame = self.understand();
        self.window.pop_front();
        frame
    }

    /// What can be told of the newest frame by itself.
    fn hear(&mut self, measured: Measured) -> Heard {
        let Measured { employee, other, .. } = measured;
        self.employee_floor.add(employee);
        self.other_floor.add(other);
        self.echo = employee.max(self.echo * power(-ECHO_DECAY));
        let floor = self.employee_floor.power();
        let audible = (self.other_floor.power() * power(ABOVE_FLOOR)).max(self.speech_level * power(-HARMLESS));
        let remarkable = (floor * power(LOUD_ABOVE_FLOOR)).max(self.speech_level * power(-LOUD_BELOW_SPEECH));
        let softest = self.speech_level * power(-SOFTEST_SPEECH);
        Heard {
            measured,
            amplitude: employee.sqrt() as f32,
            steadiness: 0.0,
            speechlike: employee > softest.max(floor * power(ABOVE_NOISE)),
            edge: employee > softest.max(floor * power(EDGE_ABOVE_FLOOR)),
            prominent: employee > softest.max(floor * power(SYLLABLE_ABOVE_FLOOR)),
            speech: false,
            other: other > audible && other > self.echo * power(-CROSSTALK),
            loud: employee > remarkable,
        }
    }

    /// Completes the frames that the newest measurements answer to; then the one before them that its neighbours support.
    fn find_speech(&mut self) {
        let Measured { score, steadiness, .. } = self.window[NEWEST].measured;
        self.window[NEWEST - STEADINESS_DELAY].steadiness = steadiness;
        let answered = &mut self.window[NEWEST - ANSWER_DELAY];
        answered.speechlike &= score >= SPEECH_SCORE;
        answered.edge &= score >= EDGE_SCORE;

        let at = NEWEST - ANSWER_DELAY - SUPPORT_REACH;
        let continues = self.window[at].edge && self.window[at - 1].speech;
        if continues || (self.window[at].speechlike && self.is_supported(at)) {
            self.mark_speech(at);
        }
    }

    /// Whether the speech-like frames around this one are syllables.
    fn is_supported(&self, at: usize) -> bool {
        let near = self.window.range(at - SUPPORT_REACH..=at + SUPPORT_REACH).filter(|heard| heard.speechlike);
        let (mut powers, mut prominent) = ([0.0; 2 * SUPPORT_REACH + 1], 0);
        let mut frames = 0;
        for heard in near {
            powers[frames] = heard.measured.employee;
            frames += 1;
            prominent += usize::from(heard.prominent);
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
        self.window[at].speech = true;
        while first > HORIZON && self.window[first - 1].edge && !self.window[first - 1].speech {
            first -= 1;
            self.window[first].speech = true;
        }
        let gap = self.window.range(first - SHORTEST_GAP..first).rev().position(|heard| heard.speech);
        self.window.range_mut(first - gap.unwrap_or(0)..first).for_each(|heard| heard.speech = true);
    }

    /// What the frame in the middle is.
    fn understand(&mut self) -> Frame {
        let heard = self.window[HORIZON];
        let noisy = self.speech_level < self.employee_floor.power() * power(NOISY);
        let (lead_in, lead_out) = if noisy { (LEAD_IN_NOISE, LEAD_OUT_NOISE) } else { (LEAD_IN, LEAD_OUT) };
        let has_speech = self.window.range(HORIZON - lead_out..=HORIZON + lead_in).any(|near| near.speech);
        let class = if self.is_other_party(&heard) {
            Class::OtherParty
        } else if has_speech && self.is_held() {
            Class::Sound
        } else if has_speech {
            Class::Speech
        } else if heard.loud && count(&self.window, HORIZON, LEAD_OUT + 1, |near| near.speech) == 0 {
            Class::Sound
        } else {
            Class::Pause
        };
        if class == Class::Speech && heard.speechlike && heard.prominent {
            self.speech_frames = (self.speech_frames + 1.0).min(SPEECH_MEMORY);
            self.speech_level += (heard.measured.employee - self.speech_level) / self.speech_frames;
        }
        let level = |power| decibels(power) as f32;
        Frame { class, employee: level(heard.measured.employee), other: level(heard.measured.other) }
    }

    /// Whether the frame in the middle is of ringing or music: steady for longer than a voice is.
    fn is_held(&self) -> bool {
        const AT: usize = HORIZON;
        let mean = |from: usize, to: usize| {
            let sum = |(held, all), heard: &Heard| (held + heard.amplitude * heard.steadiness, all + heard.amplitude);
            let (held, all) = self.window.range(from..=to).fold((0.0, 0.0), sum);
            if all > 0.0 { held / all } else { 0.0 }
        };
        let is_voice = || {
            let before_or_after = mean(AT - STEADY_REACH, AT).min(mean(AT, AT + STEADY_REACH));
            before_or_after < UNSTEADY && mean(AT - THERE_REACH, AT + THERE_REACH) < STEADY
        };
        mean(AT - STEADY_REACH, AT + STEADY_REACH) >= STEADY && !is_voice()
    }

    fn is_other_party(&self, heard: &Heard) -> bool {
        let others = |from: usize, to: usize| self.window.range(from..=to).filter(|near| near.other).count();
        if others(HORIZON - 2, HORIZON + 2) >= OTHER_SUPPORT || others(HORIZON, HORIZON + BEFORE_OTHER) > 1 {
            return true;
        }
        let may_be_echo = heard.measured.employee < self.speech_level * power(-ECHO);
        may_be_echo && others(HORIZON - AFTER_OTHER, HORIZON) >= OTHER_SUPPORT
    }
}

fn count(window: &VecDeque<Heard>, at: usize, reach: usize, is: impl Fn(&Heard) -> bool) -> usize {
    window.range(at - reach..=at + reach).filter(|heard| is(heard)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Classes of frames given as runs of the same measurement, written one letter a frame: `S`peech, `.` pause,
    /// `n`oise or other sound, `O`ther party.
    fn understood(runs: &[(Sort, usize)]) -> String {
        let mut activity = Activity::default();
        let measured: Vec<Measured> =
            runs.iter().flat_map(|&(sort, frames)| (0..frames).map(move |n| sort.frame(n))).collect();
        // Both answer late.
        let late = |n: usize, delay: usize| n.checked_sub(delay).map_or_else(Measured::default, |n| measured[n]);
        let answered = |n: usize| Measured {
            score: late(n, ANSWER_DELAY).score,
            steadiness: late(n, STEADINESS_DELAY).steadiness,
            ..measured[n]
        };
        let late: Vec<Measured> = (0..measured.len()).map(answered).collect();
        let mut frames: Vec<Frame> = late.iter().filter_map(|&measured| activity.push(measured)).collect();
        frames.extend(std::iter::from_fn(|| activity.finish()));
        assert_eq!(frames.len(), measured.len(), "each frame is understood once");
        for (frame, measured) in frames.iter().zip(&measured) {
            assert_eq!(frame.employee, decibels(measured.employee) as f32);
            assert_eq!(frame.other, decibels(measured.other) as f32);
        }
        let letter = |frame: Frame| match frame.class {
            Class::Pause => '.',
            Class::Speech => 'S',
            Class::Sound => 'n',
            Class::OtherParty => 'O',
        };
        frames.into_iter().map(letter).collect()
    }

    /// What both lines carry.
    #[derive(Clone, Copy)]
    enum Sort {
        /// The noise of the lines, −75 dBFS.
        Quiet,
        /// The employee, −25 dBFS and swelling, as the detector likes it.
        Employee,
        /// Somebody in the background: 40 dB softer.
        Soft,
        /// The other party, as loud.
        Other,
        /// Both at once.
        Both,
        /// A ringing tone on the employee's line: the detector takes it for speech.
        Ringing,
        /// Loud, and not for the detector: a door.
        Bang,
        /// What the employee's line gives back of the other party.
        Echo,
        /// What the other line gives back of the employee.
        EchoOfEmployee,
    }

    impl Sort {
        fn frame(self, n: usize) -> Measured {
            // Syllables of 0.2 s; and noise is never even.
            let swelling = [0.0, 6.0, 3.0, -3.0, 0.0, 4.0, -6.0, -3.0, 2.0, 5.0, -2.0, -4.0][n % 12];
            let line = -75.0 + [0.0, 0.7, -0.6, 0.3][n % 4];
            let (employee, other, score, steadiness) = match self {
                Self::Quiet => (line, line, 0.01, 0.05),
                Self::Employee => (-25.0 + swelling, line, 0.95, 0.07),
                Self::Soft => (-66.0 + swelling, line, 0.95, 0.1),
                Self::Other => (line, -25.0 + swelling, 0.02, 0.05),
                Self::Both => (-25.0 + swelling, -25.0 - swelling, 0.9, 0.1),
                Self::Ringing => (-25.0 + 0.5 * swelling, line, 0.95, 0.95),
                Self::Bang => (-25.0 + swelling, line, 0.05, 0.05),
                Self::Echo => (-50.0 + swelling, line, 0.9, 0.1),
                Self::EchoOfEmployee => (-25.0 + swelling, -50.0 + swelling, 0.95, 0.1),
            };
            Measured { employee: power(employee), other: power(other), score, steadiness }
        }
    }

    use Sort::{Bang, Both, Echo, EchoOfEmployee, Employee, Other, Quiet, Ringing, Soft};

    /// How many of each letter lie in a span.
    fn share(classes: &str, span: std::ops::Range<usize>, letter: char) -> f64 {
        let (all, found) = (span.len(), classes[span].chars().filter(|&class| class == letter).count());
        found as f64 / all as f64
    }

    #[test]
    fn a_turn_of_the_employee_is_speech_from_its_beginning_to_its_end() {
        let classes = understood(&[(Quiet, 300), (Employee, 120), (Quiet, 300)]);
        let expected = [".".repeat(300 - LEAD_IN), "S".repeat(120 + LEAD_IN + LEAD_OUT), ".".repeat(300 - LEAD_OUT)];
        assert_eq!(classes, expected.concat());
    }

    #[test]
    fn a_recording_shorter_than_the_horizon_is_understood_as_well() {
        let expected = [".".repeat(20 - LEAD_IN), "S".repeat(80 + LEAD_IN + LEAD_OUT), ".".repeat(20 - LEAD_OUT)];
        assert_eq!(understood(&[(Quiet, 20), (Employee, 80), (Quiet, 20)]), expected.concat());
        assert_eq!(understood(&[(Quiet, 1)]), ".");
        assert_eq!(understood(&[]), "");
    }

    #[test]
    fn noise_is_a_pause_at_any_level() {
        for noise in [-90.0, -65.0, -45.0, -35.0] {
            let mut activity = Activity::default();
            let frame = |n: usize| power(noise + [0.0, 0.7, -0.6, 0.3][n % 4]);
            let measured = |n| Measured { employee: frame(n), other: frame(n + 1), score: 0.6, steadiness: 0.05 };
            let mut frames: Vec<Frame> = (0..1_000).filter_map(|n| activity.push(measured(n))).collect();
            frames.extend(std::iter::from_fn(|| activity.finish()));
            assert!(frames.iter().all(|frame| frame.class == Class::Pause), "at {noise} dBFS");
        }
    }

    #[test]
    fn a_short_gap_is_part_of_the_speech_and_a_longer_one_a_pause() {
        let gap = |frames| understood(&[(Quiet, 300), (Employee, 120), (Quiet, frames), (Employee, 120), (Quiet, 300)]);
        assert_eq!(share(&gap(SHORTEST_GAP - 1), 300..540, 'S'), 1.0);
        assert_eq!(share(&gap(60), 426..476, '.'), 1.0);
    }

    #[test]
    fn a_few_frames_that_sound_like_speech_are_a_click() {
        let classes = understood(&[(Quiet, 300), (Employee, SUPPORT - 1), (Quiet, 300)]);
        assert!(!classes.contains('S'), "{classes}");
    }

    #[test]
    fn the_other_party_is_never_taken_for_the_employee() {
        let classes = understood(&[(Quiet, 300), (Other, 120), (Quiet, 300)]);
        assert_eq!(share(&classes, 300..420, 'O'), 1.0);
        assert!(!classes.contains('S'));
    }

    #[test]
    fn what_is_said_while_the_other_party_speaks_is_theirs() {
        let classes = understood(&[(Quiet, 300), (Employee, 80), (Both, 40), (Employee, 80), (Quiet, 300)]);
        assert_eq!(share(&classes, 380..420, 'O'), 1.0);
        assert_eq!(share(&classes, 300..370, 'S'), 1.0);
        assert_eq!(share(&classes, 430..500, 'S'), 1.0);
        assert_eq!(&classes[380 - BEFORE_OTHER + 1..380], "O".repeat(BEFORE_OTHER - 1), "their first sound is soft");
    }

    #[test]
    fn what_is_left_of_the_other_party_on_the_employees_line_is_not_the_employees() {
        let runs = [(Quiet, 300), (Employee, 120), (Quiet, 100), (Other, 120), (Echo, AFTER_OTHER - 3), (Quiet, 300)];
        let classes = understood(&runs);
        assert_eq!(share(&classes, 520..640 + AFTER_OTHER - 3, 'S'), 0.0);
    }

    #[test]
    fn what_is_left_of_the_employee_on_the_other_line_is_not_the_other_partys() {
        let classes = understood(&[(Quiet, 300), (EchoOfEmployee, 200), (Quiet, 300)]);
        assert_eq!(share(&classes, 300..500, 'S'), 1.0);
        assert!(!classes.contains('O'));
    }

    #[test]
    fn a_held_tone_is_a_sound_though_the_detector_takes_it_for_speech() {
        let classes = understood(&[(Quiet, 300), (Employee, 200), (Quiet, 200), (Ringing, 120), (Quiet, 300)]);
        assert_eq!(share(&classes, 700..820, 'n'), 1.0);
        assert_eq!(share(&classes, 300..500, 'S'), 1.0);
    }

    #[test]
    fn a_voice_next_to_a_held_tone_is_speech_all_the_same() {
        for runs in [[(Ringing, 60), (Employee, 120)], [(Employee, 120), (Ringing, 60)]] {
            let classes = understood(&[&[(Quiet, 300)], &runs[..], &[(Quiet, 300)]].concat());
            let voice = if runs[0].1 == 120 { 300..420 } else { 360..480 };
            assert!(!classes[voice.clone()].contains('.'), "{classes}");
            // Half a second is lost.
            assert!(share(&classes, voice, 'S') > 0.65, "{classes}");
            assert!(classes.matches('S').count() < 130, "{classes}");
        }
    }

    #[test]
    fn a_loud_noise_is_a_sound_unless_it_is_next_to_speech() {
        let classes = understood(&[(Quiet, 300), (Employee, 120), (Quiet, 100), (Bang, 30), (Quiet, 300)]);
        assert_eq!(share(&classes, 520..550, 'n'), 1.0);
        let classes = understood(&[(Quiet, 300), (Employee, 120), (Bang, 4), (Quiet, 300)]);
        assert!(!classes.contains('n'));
    }

    #[test]
    fn somebody_in_the_background_is_not_the_employee() {
        let classes = understood(&[(Quiet, 300), (Employee, 300), (Quiet, 200), (Soft, 120), (Quiet, 300)]);
        assert_eq!(share(&classes, 700..1_220, 'S'), 0.0);
    }

    #[test]
    fn the_level_of_the_employees_speech_is_learnt() {
        let mut activity = Activity::default();
        let frames = (0..1_000).map(|n| if n % 100 < 80 { Employee } else { Quiet }.frame(n));
        frames.for_each(|frame| _ = activity.push(frame));
        let mean = (0..12).map(|n| Employee.frame(n).employee).sum::<f64>() / 12.0;
        assert!((decibels(activity.speech_level()) - decibels(mean)).abs() < 2.0);
    }

    #[test]
    fn somebody_is_heard_when_either_line_is_louder_than_its_noise() {
        let mut activity = Activity::default();
        let mut heard = |sort: Sort| {
            (0..30).for_each(|n| _ = activity.push(sort.frame(n)));
            activity.anybody_heard()
        };
        let found = [Quiet, Employee, Quiet, Other, Quiet].map(&mut heard);
        assert_eq!(found, [false, true, false, true, false]);
    }

    #[test]
    fn the_window_does_not_grow() {
        let mut activity = Activity::default();
        let frames = (0..10_000).map(|n| if n % 300 < 200 { Employee } else { Other }.frame(n));
        frames.for_each(|frame| _ = activity.push(frame));
        assert_eq!(activity.window.len(), NEWEST);
    }
}
