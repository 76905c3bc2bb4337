//! The pipeline of this version, as it is written down in `pipeline.txt`: what becomes of some calls.

use std::fmt::Write as _;

use expect_test::expect_file;
use fastrand::Rng;

use super::calls::{Conversation, decibels_to_factor, decode, level, noise};
use super::on;
use crate::frame::Class;
use crate::*;

/// Samples in 16 ms at 8 kHz.
const FRAME: usize = 128;

/// The samples that are written down: each with its name and the recordings that it is made of, the newest first.
fn samples() -> [(&'static str, Vec<Vec<u8>>); 3] {
    let call = |seed, seconds: usize| {
        let mut call = Conversation::random(&mut Rng::with_seed(seed));
        call.employee.truncate(seconds * 62 * FRAME);
        call.other.truncate(seconds * 62 * FRAME);
        call
    };
    let plain = call(500, 70).employee_first(Encoding::MuLaw);
    let crosstalk = in_noise(with_crosstalk(call(501, 70))).at(48_000).employee_first(Encoding::Pcm16);
    let loud = clipped(call(502, 40)).at(11_025).employee_first(Encoding::Float32);
    let older = call(503, 50).employee_first(Encoding::ALaw);
    [
        ("a call", vec![plain]),
        ("crosstalk and noise, 48 kHz", vec![crosstalk]),
        ("two calls, the newest loud and at 11 025 Hz", vec![loud, older]),
    ]
}

/// Each party is also heard on the other's line, 25 dB softer.
fn with_crosstalk(mut call: Conversation) -> Conversation {
    let leak = decibels_to_factor(-25.0);
    for (employee, other) in call.employee.iter_mut().zip(&mut call.other) {
        (*employee, *other) = (*employee + leak * *other, *other + leak * *employee);
    }
    call
}

/// The employee's line is noisy from the middle of the call on.
fn in_noise(mut call: Conversation) -> Conversation {
    let half = call.employee.len() / 2;
    let noise = noise(&mut Rng::with_seed(1), 0.1 * level(&call.employee), half);
    call.employee[half..].iter_mut().zip(noise).for_each(|(sample, noise)| *sample += noise);
    call
}

/// A few of the employee's highest peaks are cut off.
fn clipped(mut call: Conversation) -> Conversation {
    let gain = 0.12 / level(&call.employee);
    call.employee.iter_mut().for_each(|sample| *sample = (*sample * gain).clamp(-0.6, 0.6));
    call
}

/// The classes as run lengths, such as `.31 S120 O40`: speech, the other party, another sound, or a pause.
fn runs(trace: &[Frame]) -> String {
    let letter = |class| match class {
        Class::Pause => '.',
        Class::Speech => 'S',
        Class::Sound => 'n',
        Class::OtherParty => 'O',
    };
    let runs = trace.chunk_by(|one, next| one.class == next.class);
    runs.map(|run| format!("{}{}", letter(run[0].class), run.len())).collect::<Vec<_>>().join(" ")
}

/// The level of each second, in dBFS. A thousandth of a decibel is more than compilers and processors differ by.
fn levels(wav: &[u8]) -> String {
    let (format, audio, _) = decode(wav);
    let power = |second: &[f32]| second.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>();
    let of = |second: &[f32]| format!("{:.3}", 10.0 * (power(second) / second.len() as f64).log10());
    audio.chunks(format.rate as usize).map(of).collect::<Vec<_>>().join(" ")
}

/// Writes down what becomes of recordings.
fn described(recordings: &[Vec<u8>]) -> String {
    let (mut assembly, mut text) = (Assembly::default(), String::new());
    for wav in recordings {
        let mut call = Call::traced(on(Channel::First));
        let take = call.push(wav).and_then(|()| call.finish());
        if let Ok(trace) = take.as_ref().map(|take| take.trace.as_deref().unwrap_or_default()) {
            writeln!(text, "frames {}", runs(trace)).expect("text takes text");
        }
        assembly.add(take);
    }
    let report = match assembly.finish() {
        Ok(sample) => {
            for piece in &sample.pieces {
                let Piece { recording, first_frame, end_frame, from, to, gain } = piece;
                writeln!(text, "piece {recording}: {first_frame}..{end_frame} at {from}..{to} × {gain:.3}")
                    .expect("text takes text");
            }
            writeln!(text, "levels {}", levels(&sample.wav)).expect("text takes text");
            sample.report
        }
        Err(report) => *report,
    };
    text + &serde_json::to_string_pretty(&report).expect("a report is serialisable") + "\n"
}

#[test]
fn the_same_recordings_give_the_same_sample_unless_the_version_is_raised() {
    let mut text = format!("version {PIPELINE_VERSION}\n");
    for (name, recordings) in samples() {
        text += &format!("\n{name}\n{}", described(&recordings));
    }
    let known = include_str!("pipeline.txt");
    if known.lines().next() == text.lines().next() {
        let difference = known.lines().zip(text.lines()).find(|(known, found)| known != found);
        assert_eq!(difference, None, "the pipeline has changed, so PIPELINE_VERSION must be raised");
        assert_eq!(known.lines().count(), text.lines().count());
    }
    // After the version was raised, `UPDATE_EXPECT=1 cargo test -p sample` writes the file.
    expect_file!["pipeline.txt"].assert_eq(&text);
}
