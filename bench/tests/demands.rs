//! The table in short: a few voices, shorter calls, and of the conditions those that everything else follows from.

use bench::conditions::{Condition, all};
use bench::corpus::Corpus;
use bench::measure::{TABLE_HEAD, measure, table_line};

/// Employees' voices in the corpus: a woman, a man in a studio, a man in a room.
const EMPLOYEES: [usize; 3] = [0, 2, 6];
/// Seconds of a call in which there is enough to find.
const SHORT: f64 = 45.0;
/// Seconds of a call that gives a sample.
const LONG: f64 = 90.0;

#[track_caller]
fn assert_demands(length: f64, is_meant: impl Fn(&Condition) -> bool) {
    let corpus = Corpus::load();
    let conditions: Vec<Condition> = all(&corpus, &EMPLOYEES, length).into_iter().filter(is_meant).collect();
    assert!(!conditions.is_empty(), "no condition has such a name");
    let mut failures = Vec::new();
    for condition in conditions {
        let outcome = measure(&corpus, &condition);
        if !outcome.meets(condition.demand) {
            failures.push(table_line(&condition, &outcome));
        }
    }
    assert!(failures.is_empty(), "\n{TABLE_HEAD}\n{}", failures.join("\n"));
}

fn named<const N: usize>(names: [&str; N]) -> impl Fn(&Condition) -> bool {
    move |condition| names.contains(&condition.name.as_str())
}

#[test]
fn speech_is_found_over_noise_of_20_db_and_of_10_db() {
    assert_demands(SHORT, named(["pink noise, 20 dB", "white noise, 10 dB", "car noise, 10 dB"]));
}

#[test]
fn speech_is_found_in_either_channel_and_however_the_samples_are_written() {
    assert_demands(SHORT, named(["employee in the second channel", "WAV of µ-law", "WAV of A-law"]));
}

#[test]
fn ringing_keys_and_comfort_noise_are_not_speech() {
    let sounds = ["ring 440+480 Hz", "ring 425 Hz", "DTMF", "comfort noise", "switched comfort noise"];
    let during_a_call = |sound: &str| format!("{sound}, a third of the call");
    assert_demands(SHORT, |condition| sounds.iter().any(|sound| condition.name == during_a_call(sound)));
}

#[test]
fn music_on_hold_is_not_speech() {
    let is_music = |name: &str| name.starts_with("music") && name.ends_with("a third of the call");
    assert_demands(SHORT, |condition| is_music(&condition.name));
}

#[test]
fn of_the_other_party_nothing_is_heard_in_the_sample() {
    assert_demands(LONG, named(["crosstalk both ways, -25 dB", "double talk 50 %, crosstalk -25 dB"]));
}

#[test]
fn a_mix_of_both_is_refused_and_so_is_a_clipped_voice() {
    assert_demands(SHORT, named(["mono mix", "fake stereo", "clipped after +20 dB, then -8 dB"]));
}
