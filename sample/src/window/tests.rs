//! Decisions about frames whose judgements and measurements are made up.

use super::*;

/// A frame that is as loud as a syllable and sounds like speech.
const SYLLABIC: Sound = Sound { dbfs: -25.0, score: 0.9, prominent: true };
/// A frame that is loud enough for the end of a word, and hardly sounds like speech.
const FADING: Sound = Sound { dbfs: -45.0, score: 0.3, prominent: false };
const SILENCE: Sound = Sound { dbfs: -75.0, score: 0.01, prominent: false };

/// The sound in a frame.
#[derive(Clone, Copy)]
struct Sound {
    dbfs: f64,
    score: f32,
    prominent: bool,
}

impl Sound {
    fn louder_by(self, decibels: f64) -> Self {
        Self { dbfs: self.dbfs + decibels, ..self }
    }

    fn level(self) -> Level {
        let is_loud = self.dbfs > -60.0;
        Level { may_be_speech: is_loud, may_be_edge: is_loud, is_prominent: self.prominent, ..Level::default() }
    }
}

/// Finds the speech in sounds with silence before and after them. The result has an `S` for each frame of speech.
fn speech(sounds: &[Sound]) -> String {
    let (mut window, mut found) = (Window::default(), String::new());
    let sounds = [sounds, &[SILENCE; NEWEST]].concat();
    for (n, sound) in sounds.iter().enumerate() {
        // The detector answers late.
        let score = n.checked_sub(ANSWER_DELAY).map_or(0.0, |n| sounds[n].score);
        let measured = Measured { employee: power(sound.dbfs), score, ..Measured::default() };
        window.push(measured, sound.level());
        found.push(if n >= HORIZON && window.has_speech(0, 0) { 'S' } else { '.' });
    }
    found[HORIZON..].trim_end_matches('.').to_owned()
}

/// Syllables whose levels swell by this much, in dB, from the third to the last sixth of six frames.
fn swelling(decibels: f64) -> [Sound; 6] {
    [0.0, 0.0, 0.0, 0.0, 0.0, decibels].map(|more| SYLLABIC.louder_by(more))
}

#[test]
fn the_window_does_not_grow() {
    let mut window = Window::default();
    (0..10_000).for_each(|_| window.push(Measured::default(), Level::default()));
    assert_eq!(window.frames.len(), NEWEST + 1);
}

#[test]
fn six_frames_that_sound_like_speech_are_speech_if_three_are_as_loud_as_a_syllable() {
    let frames = |prominent: usize| {
        let mut frames = swelling(6.0);
        frames.iter_mut().skip(prominent).for_each(|frame| frame.prominent = false);
        frames
    };
    assert_eq!(speech(&frames(6)), "SSSSSS");
    assert_eq!(speech(&frames(6)[1..]), "", "five are a click");
    assert_eq!(speech(&frames(3)), "SSSSSS");
    assert_eq!(speech(&frames(2)), "");
}

#[test]
fn speech_swells_by_two_and_a_half_decibels_in_its_upper_two_thirds() {
    assert_eq!(speech(&swelling(2.6)), "SSSSSS");
    assert_eq!(speech(&swelling(2.4)), "");
    let mut soft_beginning = swelling(0.0);
    (soft_beginning[0], soft_beginning[1]) = (SYLLABIC.louder_by(-20.0), SYLLABIC.louder_by(-20.0));
    assert_eq!(speech(&soft_beginning), "", "the lowest third does not count");
}

#[test]
fn a_word_begins_and_ends_softly_for_as_long_as_it_is_heard() {
    let soft = [FADING; 25];
    let word = [&soft[..], &swelling(6.0), &soft].concat();
    assert_eq!(speech(&word), "S".repeat(word.len()));
    assert_eq!(speech(&soft), "", "without a syllable it is none");
}

/// A window of frames of the same amplitude, with the steadiness that each has.
fn steady(steadiness: impl Fn(usize) -> f32) -> Window {
    let heard = |n| Heard { amplitude: 1.0, steadiness: steadiness(n), ..Heard::default() };
    Window { frames: (0..=NEWEST).map(heard).collect() }
}

#[test]
fn a_tone_is_held_from_its_first_frame_to_its_last() {
    assert!(steady(|_| 0.2).is_held_tone() && !steady(|_| 0.05).is_held_tone());
    assert!(steady(|n| if n < HORIZON { 0.0 } else { 0.9 }).is_held_tone(), "it begins here");
    assert!(steady(|n| if n > HORIZON { 0.0 } else { 0.9 }).is_held_tone(), "it ends here");
}

#[test]
fn a_voice_that_a_tone_follows_or_goes_before_is_no_tone_half_a_second_away_from_it() {
    let after = |distance: usize| steady(move |n| if n > HORIZON + distance { 0.9 } else { 0.0 });
    let before = |distance: usize| steady(move |n| if n + distance < HORIZON { 0.9 } else { 0.0 });
    for tone in [after, before] {
        assert!(!tone(30).is_held_tone() && !tone(24).is_held_tone(), "half a second away");
        assert!(tone(5).is_held_tone(), "next to it");
    }
}

#[test]
fn a_tone_longer_ago_than_a_second_and_a_half_says_nothing() {
    let mut window = steady(|n| if n > HORIZON + 30 { 0.35 } else { 0.0 });
    assert!(!window.is_held_tone(), "a voice before a tone");
    window
        .frames
        .range_mut(..HORIZON - STEADY_REACH)
        .for_each(|heard| (heard.amplitude, heard.steadiness) = (50.0, 1.0));
    assert!(!window.is_held_tone(), "a loud tone long before it changes nothing");
}

/// A window with the other party in these frames, counted from the one in the middle.
fn others(frames: &[isize]) -> Window {
    let mut window = Window::default();
    frames.iter().for_each(|&n| window.frames[HORIZON.strict_add_signed(n)].level.is_other_party = true);
    window
}

#[test]
fn the_other_party_speaks_in_three_of_five_frames_or_in_two_that_follow() {
    for (frames, speaks) in [
        (&[0][..], false),
        (&[-2, -1], false),
        (&[-2, 2], false),
        (&[-2, 0, 2], true),
        (&[-3, -2, -1], false),
        (&[0, 1], true),
        (&[2, 3], true),
        (&[3, 4], false),
    ] {
        assert_eq!(others(frames).is_other_party(), speaks, "{frames:?}");
    }
}

#[test]
fn the_other_partys_echo_may_be_heard_for_a_quarter_of_a_second() {
    for (frames, is_after) in [
        (&[-15, -14, -13][..], true),
        (&[-16, -15, -14], false),
        (&[-40, -30, -20, -16], false),
        (&[-2, -1, 0], true),
        (&[-1, 0, 1], false),
    ] {
        assert_eq!(others(frames).is_after_other_party(), is_after, "{frames:?}");
    }
}
