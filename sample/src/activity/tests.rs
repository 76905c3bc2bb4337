//! Classes of frames whose measurements are made up.

use super::*;
use crate::decibel::power;
use crate::window::{AFTER_OTHER, ANSWER_DELAY, BEFORE_OTHER, SHORTEST_GAP, STEADINESS_DELAY, SUPPORT};

/// The classes of frames that are given as runs of the same measurement. The result has one letter for each frame:
/// `S`peech, `.` pause, `n`oise or other sound, `O`ther party.
fn classified(runs: &[(Sort, usize)]) -> String {
    let mut activity = Activity::default();
    let measured: Vec<Measured> =
        runs.iter().flat_map(|&(sort, frames)| (0..frames).map(move |n| sort.frame(n))).collect();
    // The detector and the steadiness answer late.
    let late = |n: usize, delay: usize| n.checked_sub(delay).map_or_else(Measured::default, |n| measured[n]);
    let answered = |n: usize| Measured {
        score: late(n, ANSWER_DELAY).score,
        steadiness: late(n, STEADINESS_DELAY).steadiness,
        ..measured[n]
    };
    let late: Vec<Measured> = (0..measured.len()).map(answered).collect();
    let mut frames: Vec<Frame> = late.iter().filter_map(|&measured| activity.push(measured)).collect();
    frames.extend(std::iter::from_fn(|| activity.finish()));
    assert_eq!(frames.len(), measured.len(), "each frame is classified once");
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

/// The sound on both lines.
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
    /// The employee and the other party at once.
    Both,
    /// A ringing tone on the employee's line: the detector takes it for speech.
    Ringing,
    /// A loud sound that the detector does not take for speech, such as a door.
    Bang,
    /// The other party's echo on the employee's line.
    Echo,
    /// The employee's echo on the other line.
    EchoOfEmployee,
}

impl Sort {
    fn frame(self, n: usize) -> Measured {
        // Speech swells in syllables of 0.2 s, and noise is never even.
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

/// The share of a letter in a span.
fn share(classes: &str, span: std::ops::Range<usize>, letter: char) -> f64 {
    let (all, found) = (span.len(), classes[span].chars().filter(|&class| class == letter).count());
    found as f64 / all as f64
}

#[test]
fn a_turn_of_the_employee_is_speech_from_its_beginning_to_its_end() {
    let classes = classified(&[(Quiet, 300), (Employee, 120), (Quiet, 300)]);
    let expected = [".".repeat(300 - LEAD_IN), "S".repeat(120 + LEAD_IN + LEAD_OUT), ".".repeat(300 - LEAD_OUT)];
    assert_eq!(classes, expected.concat());
}

#[test]
fn a_recording_shorter_than_the_horizon_is_classified_as_well() {
    let expected = [".".repeat(20 - LEAD_IN), "S".repeat(80 + LEAD_IN + LEAD_OUT), ".".repeat(20 - LEAD_OUT)];
    assert_eq!(classified(&[(Quiet, 20), (Employee, 80), (Quiet, 20)]), expected.concat());
    assert_eq!(classified(&[(Quiet, 1)]), ".");
    assert_eq!(classified(&[]), "");
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
    let gap = |frames| classified(&[(Quiet, 300), (Employee, 120), (Quiet, frames), (Employee, 120), (Quiet, 300)]);
    assert_eq!(share(&gap(SHORTEST_GAP - 1), 300..540, 'S'), 1.0);
    assert_eq!(share(&gap(60), 426..476, '.'), 1.0);
}

#[test]
fn a_few_frames_that_sound_like_speech_are_a_click() {
    let classes = classified(&[(Quiet, 300), (Employee, SUPPORT - 1), (Quiet, 300)]);
    assert!(!classes.contains('S'), "{classes}");
}

#[test]
fn the_other_party_is_never_taken_for_the_employee() {
    let classes = classified(&[(Quiet, 300), (Other, 120), (Quiet, 300)]);
    assert_eq!(share(&classes, 300..420, 'O'), 1.0);
    assert!(!classes.contains('S'));
}

#[test]
fn what_is_said_while_the_other_party_speaks_is_theirs() {
    let classes = classified(&[(Quiet, 300), (Employee, 80), (Both, 40), (Employee, 80), (Quiet, 300)]);
    assert_eq!(share(&classes, 380..420, 'O'), 1.0);
    assert_eq!(share(&classes, 300..370, 'S'), 1.0);
    assert_eq!(share(&classes, 430..500, 'S'), 1.0);
    assert_eq!(&classes[380 - BEFORE_OTHER + 1..380], "O".repeat(BEFORE_OTHER - 1), "their first sound is soft");
}

#[test]
fn what_is_left_of_the_other_party_on_the_employees_line_is_not_the_employees() {
    let runs = [(Quiet, 300), (Employee, 120), (Quiet, 100), (Other, 120), (Echo, AFTER_OTHER - 3), (Quiet, 300)];
    let classes = classified(&runs);
    assert_eq!(share(&classes, 520..640 + AFTER_OTHER - 3, 'S'), 0.0);
}

#[test]
fn what_is_left_of_the_employee_on_the_other_line_is_not_the_other_partys() {
    let classes = classified(&[(Quiet, 300), (EchoOfEmployee, 200), (Quiet, 300)]);
    assert_eq!(share(&classes, 300..500, 'S'), 1.0);
    assert!(!classes.contains('O'));
}

#[test]
fn a_held_tone_is_a_sound_though_the_detector_takes_it_for_speech() {
    let classes = classified(&[(Quiet, 300), (Employee, 200), (Quiet, 200), (Ringing, 120), (Quiet, 300)]);
    assert_eq!(share(&classes, 700..820, 'n'), 1.0);
    assert_eq!(share(&classes, 300..500, 'S'), 1.0);
}

#[test]
fn a_voice_next_to_a_held_tone_is_speech_all_the_same() {
    for runs in [[(Ringing, 60), (Employee, 120)], [(Employee, 120), (Ringing, 60)]] {
        let classes = classified(&[&[(Quiet, 300)], &runs[..], &[(Quiet, 300)]].concat());
        let voice = if runs[0].1 == 120 { 300..420 } else { 360..480 };
        assert!(!classes[voice.clone()].contains('.'), "{classes}");
        // Half a second is lost.
        assert!(share(&classes, voice, 'S') > 0.65, "{classes}");
        assert!(classes.matches('S').count() < 130, "{classes}");
    }
}

#[test]
fn a_loud_noise_is_a_sound_unless_it_is_next_to_speech() {
    let classes = classified(&[(Quiet, 300), (Employee, 120), (Quiet, 100), (Bang, 30), (Quiet, 300)]);
    assert_eq!(share(&classes, 520..550, 'n'), 1.0);
    for (frames, is_sound) in [(4, false), (5, false), (LEAD_OUT + 2, true)] {
        let after = classified(&[(Quiet, 300), (Employee, 120), (Bang, frames), (Quiet, 300)]);
        let before = classified(&[(Quiet, 300), (Bang, frames), (Employee, 120), (Quiet, 300)]);
        assert_eq!([after.contains('n'), before.contains('n')], [is_sound; 2], "{after}, {before}");
    }
}

#[test]
fn somebody_in_the_background_is_not_the_employee() {
    let classes = classified(&[(Quiet, 300), (Employee, 300), (Quiet, 200), (Soft, 120), (Quiet, 300)]);
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
        activity.is_anybody_heard()
    };
    let found = [Quiet, Employee, Quiet, Other, Quiet].map(&mut heard);
    assert_eq!(found, [false, true, false, true, false]);
}
