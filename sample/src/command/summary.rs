//! A summary of the recordings and the sample, in a few lines.

use std::fmt::Write;

use sample::{CallReport, Measure, Problem, Report};

use crate::recording::Recording;

/// Seconds of a frame.
pub const FRAME: f64 = 0.016;

/// A few lines for each recording.
pub fn of_recordings(recordings: &[Recording], report: &Report) -> String {
    let mut lines = String::new();
    for (recording, found) in recordings.iter().zip(&report.recordings) {
        _ = writeln!(lines, "{}: {}", recording.name, of_format(recording));
        if found.problem.is_none() {
            _ = writeln!(lines, "  {}", of_call(found));
        }
    }
    lines
}

/// Length, format and channel of a recording.
pub fn of_format(recording: &Recording) -> String {
    let Some(format) = recording.format else { return "not a WAV".to_owned() };
    let encoding = serde_json::to_value(format.encoding).ok();
    let encoding = encoding.as_ref().and_then(|encoding| encoding.as_str()).unwrap_or_default();
    let channels = match (format.channels, recording.channel) {
        (1, _) => "one channel".to_owned(),
        (_, None) => "two channels".to_owned(),
        (_, Some(channel)) => format!("the employee on channel {} of two", u8::from(channel)),
    };
    format!("{:.1} s, {encoding} at {} kHz, {channels}", recording.seconds(), f64::from(format.rate) / 1_000.0)
}

/// The findings in a recording.
fn of_call(found: &CallReport) -> String {
    format!(
        "{:.1} s of speech, {:.1} s of the other party, {:.1} s of other sounds; taken: {:.1} s{}",
        found.speech_seconds,
        found.other_party_seconds,
        found.sound_seconds,
        found.taken_seconds,
        found.gain_db.map_or(String::new(), |gain| format!(", {gain:+.1} dB"))
    )
}

/// The verdict on the sample.
pub fn of_sample(report: &Report) -> String {
    let warnings: Vec<String> = report.warnings.iter().filter_map(|&warning| in_words(warning)).collect();
    let mut lines = format!(
        "a sample of {:.1} s: {}{}\n  {}",
        report.sample_seconds,
        in_words(report.verdict).unwrap_or_default(),
        if warnings.is_empty() { String::new() } else { format!(" ({})", warnings.join(", ")) },
        of_quality(report)
    );
    if let (Some(before), Some(after)) = (report.before, report.after) {
        _ = write!(
            lines,
            "\n  speech {:.1} → {:.1} dBFS, all of it {:.1} → {:.1} dBFS, peak {:.1} → {:.1} dBTP",
            before.speech_rms_dbfs,
            after.speech_rms_dbfs,
            before.rms_dbfs,
            after.rms_dbfs,
            before.true_peak_dbtp,
            after.true_peak_dbtp
        );
    }
    lines
}

/// Speech, noise and clipping.
pub fn of_quality(report: &Report) -> String {
    let mut figures = format!("{:.1} s of speech", report.speech_seconds);
    if let Some(snr) = report.snr_db {
        _ = write!(figures, ", {snr:.0} dB above the noise");
    }
    if let Some(clipped) = report.clipped_percent {
        _ = write!(figures, ", {clipped:.2} % clipped");
    }
    figures
}

/// The reason why there is no sample.
pub fn of_refusal(recordings: &[Recording], report: &Report) -> String {
    let mut lines = report.problem.map_or(String::new(), of_problem);
    for recording in recordings {
        let Some(speech) = &recording.speech else { continue };
        for (channel, frames) in (1..).zip(speech) {
            let seconds = frames.iter().filter(|&&is_speech| is_speech).count() as f64 * FRAME;
            _ = write!(lines, "\n  {}: {seconds:.1} s of speech on channel {channel}", recording.name);
        }
    }
    lines
}

/// Code, figure and limit.
pub fn of_problem(problem: Problem) -> String {
    let code = problem.code();
    match (problem, problem.measure()) {
        (Problem::NotAudio(reason), _) => format!("{code}: {reason}"),
        (_, Some(Measure { figure, limit, unit })) => {
            format!("{code}: {figure:.1} {unit}, the limit is {limit} {unit}")
        }
        (_, None) => code.to_owned(),
    }
}

/// The name that the report has for something.
fn in_words(value: impl serde::Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}
