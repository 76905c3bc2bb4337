//! Properties of every sample, over random calls made of real voices.

pub mod calls;
mod pipeline;

use fastrand::Rng;

use self::calls::{Conversation, decode, resampled};
use crate::*;

/// The origin of a recording whose employee's channel is known.
fn on(channel: Channel) -> Origin {
    Origin { employee_channel: Some(channel), ..Origin::default() }
}

/// Reads a recording in pieces of the sizes that `next_size` gives.
fn read(wav: &[u8], origin: Origin, mut next_size: impl FnMut() -> usize) -> Result<Take, Problem> {
    let (mut call, mut rest) = (Call::new(origin), wav);
    while !rest.is_empty() {
        let piece;
        (piece, rest) = rest.split_at(next_size().min(rest.len()));
        call.push(piece)?;
    }
    call.finish()
}

fn read_whole(wav: &[u8], origin: Origin) -> Result<Take, Problem> {
    read(wav, origin, || usize::MAX)
}

/// The sample of recordings, the newest first.
fn sample(takes: impl IntoIterator<Item = Result<Take, Problem>>) -> Result<Sample, Box<Report>> {
    let mut assembly = Assembly::default();
    takes.into_iter().for_each(|take| assembly.add(take));
    assembly.finish()
}

fn json(report: &Report) -> String {
    serde_json::to_string(report).expect("a report is serialisable")
}

/// A random call for each seed, with its encoding. Unusual rates are rarer.
fn random_calls(seeds: std::ops::Range<u64>) -> impl Iterator<Item = (u64, Conversation, Encoding)> {
    seeds.map(|seed| {
        let mut rng = Rng::with_seed(seed);
        let rate = [8_000, 8_000, 8_000, 11_025, 16_000, 22_050, 48_000][rng.usize(..7)];
        let encoding = Encoding::ALL[rng.usize(..Encoding::ALL.len())];
        (seed, Conversation::random(&mut rng).at(rate), encoding)
    })
}

#[test]
fn every_sample_is_within_the_vendors_limits_and_made_of_the_employees_channel_alone() {
    let mut samples = 0;
    for (seed, conversation, encoding) in random_calls(0..6) {
        let wav = conversation.employee_second(encoding);
        let Ok(sample) = sample([read_whole(&wav, on(Channel::Second))]) else { continue };
        samples += 1;
        let (_, _, employee) = decode(&wav);
        check(
            &format!("seed {seed}, {encoding:?} at {} Hz", conversation.rate),
            &sample,
            &[(conversation.rate, employee)],
        );
    }
    assert!(samples >= 4, "only {samples} of the calls gave a sample");
}

#[test]
fn a_sample_of_two_calls_is_made_of_both_in_their_order() {
    let mut samples = 0;
    for seed in 100..102 {
        let mut rng = Rng::with_seed(seed);
        let calls = [(); 2].map(|()| Conversation::random(&mut rng).employee_first(Encoding::MuLaw));
        let takes = calls.each_ref().map(|wav| read_whole(wav, on(Channel::First)));
        let Ok(sample) = sample(takes) else { continue };
        samples += usize::from(sample.pieces.iter().any(|piece| piece.recording == 1));
        check(&format!("seed {seed}"), &sample, &calls.map(|wav| (8_000, decode(&wav).1)));
    }
    assert!(samples > 0, "none of the samples is of two calls");
}

/// Compares a sample with the employee's channel of each recording.
fn check(case: &str, sample: &Sample, recordings: &[(u32, Vec<f32>)]) {
    let (format, audio, _) = decode(&sample.wav);
    let rate = format.rate;
    assert_eq!((format.encoding, format.channels), (Encoding::Pcm16, 1), "{case}");
    assert!(audio.len() <= (LONGEST * f64::from(rate)) as usize, "{case}: {} samples", audio.len());
    let after = sample.report.after.expect("there is a sample");
    assert!(after.true_peak_dbtp <= -3.0, "{case}: {after:?}");
    assert!((-23.0..=-18.0).contains(&after.rms_dbfs), "{case}: {after:?}");

    let mut end = 0;
    for (n, piece) in sample.pieces.iter().enumerate() {
        assert_eq!(piece.from, end, "{case}: the pieces fill the sample without a gap");
        end = piece.to;
        let previous = n.checked_sub(1).map(|n| &sample.pieces[n]);
        if let Some(previous) = previous {
            let [then, now] = [previous, piece].map(|piece| (piece.recording, piece.first_frame));
            assert!(then < now, "{case}: {now:?} comes after {then:?}");
            assert!(then.0 < now.0 || previous.end_frame <= now.1, "{case}: frames are taken twice");
            assert!(then.0 < now.0 || previous.gain == piece.gain, "{case}: a recording has one gain");
        }
    }
    assert_eq!(end, audio.len(), "{case}");

    for (recording, (recorded_rate, channel)) in recordings.iter().enumerate() {
        let channel = if *recorded_rate == rate { channel.clone() } else { resampled(channel, *recorded_rate, rate) };
        let pieces: Vec<&Piece> = sample.pieces.iter().filter(|piece| piece.recording == recording).collect();
        check_pieces(case, &audio, rate, &pieces, &channel);
    }
}

/// Checks that each piece has the channel's frames, filtered above 20 Hz, times its gain. It may be softer only in the
/// fades of 10 ms at joins, and where the limiter lowers a peak.
fn check_pieces(case: &str, audio: &[f32], rate: u32, pieces: &[&Piece], channel: &[f32]) {
    let start_of = |frame: u64| (frame * u64::from(rate) * 2 / 125) as usize;
    let milliseconds = |count: usize| count * rate as usize / 1_000;
    let (mut compared, mut all) = (0, 0);
    let mut filtered: Option<Filtered> = None;
    for (n, piece) in pieces.iter().enumerate() {
        let source = &channel[start_of(piece.first_frame)..start_of(piece.end_frame).min(channel.len())];
        let piece_audio = &audio[piece.from..piece.to];
        assert_eq!(piece_audio.len(), source.len(), "{case}: a frame lasts 16 ms");
        let joined_before = n > 0 && pieces[n - 1].end_frame == piece.first_frame;
        let joined_after = pieces.get(n + 1).is_some_and(|next| next.first_frame == piece.end_frame);
        let filter = match &mut filtered {
            Some(filter) if joined_before => filter,
            other => other.insert(Filtered::new(rate, source[0])),
        };
        let expected: Vec<f32> = source.iter().map(|&sample| piece.gain * filter.next(sample)).collect();
        let fades = [joined_before, joined_after].map(|joined| if joined { 0 } else { milliseconds(10) });
        // The limiter changes the gain up to this far on either side of a peak.
        let reach = milliseconds(10);
        let mut last_peak = None;
        for n in 0..expected.len() + reach {
            if expected.get(n).is_some_and(|sample| sample.abs() > 0.4) {
                last_peak = Some(n);
            }
            let Some(at) = n.checked_sub(reach) else { continue };
            let (found, wanted) = (piece_audio[at], expected[at]);
            let rounding = 1.5 / 32_768.0;
            assert!(
                found.abs() <= wanted.abs() + rounding && found * wanted >= -rounding,
                "{case}: {found} at {at} of {piece:?}, not {wanted} or softer"
            );
            let in_fade = at < fades[0] || at + fades[1] >= expected.len();
            let near_peak = last_peak.is_some_and(|peak| peak + reach >= at);
            // A peak of the next piece may lower the gain here.
            let at_edge = at < reach || at + reach >= expected.len();
            all += 1;
            if !in_fade && !near_peak && !at_edge {
                compared += 1;
                assert!((found - wanted).abs() <= rounding, "{case}: {found} at {at} of {piece:?}, not {wanted}");
            }
        }
    }
    assert!(2 * compared >= all, "{case}: only {compared} of {all} samples are neither faded nor limited");
}

/// The high-pass filter as it is specified: one pole at 20 Hz, beginning without an offset.
struct Filtered {
    pole: f64,
    last: (f64, f64),
}

impl Filtered {
    fn new(rate: u32, first: f32) -> Self {
        Self { pole: (-std::f64::consts::TAU * 20.0 / f64::from(rate)).exp(), last: (first.into(), 0.0) }
    }

    fn next(&mut self, sample: f32) -> f32 {
        let (last, passed) = self.last;
        let now = f64::from(sample) - last + self.pole * passed;
        self.last = (sample.into(), now);
        now as f32
    }
}

#[test]
fn however_the_bytes_are_cut_the_sample_and_its_report_are_the_same() {
    for (seed, conversation, encoding) in random_calls(200..203) {
        let wav = conversation.employee_first(encoding);
        let mut rng = Rng::with_seed(seed);
        let whole = sample([read_whole(&wav, on(Channel::First))]);
        let mut size = || {
            let longest = 10_usize.pow(rng.u32(1..6));
            rng.usize(1..=longest)
        };
        let cut = sample([read(&wav, on(Channel::First), &mut size)]);
        assert_same(seed, whole, cut);
    }
}

#[test]
fn with_its_channels_swapped_the_recording_gives_the_same_sample() {
    for (seed, conversation, encoding) in random_calls(300..303) {
        let first = sample([read_whole(&conversation.employee_first(encoding), on(Channel::First))]);
        let second = sample([read_whole(&conversation.employee_second(encoding), on(Channel::Second))]);
        assert_same(seed, first, second);
    }
}

/// Checks that two results are the same to the last bit, except for the number of the channel.
fn assert_same(seed: u64, one: Result<Sample, Box<Report>>, another: Result<Sample, Box<Report>>) {
    let [one, another] = [one, another].map(|sample| {
        let (audio, report) = match sample {
            Ok(sample) => ((sample.wav, sample.pieces), Box::new(sample.report)),
            Err(report) => (Default::default(), report),
        };
        (audio, json(&report).replace(r#""channel":2"#, r#""channel":1"#))
    });
    assert_eq!(one.1, another.1, "seed {seed}");
    assert!(one.0 == another.0, "seed {seed}: the audio differs");
}
