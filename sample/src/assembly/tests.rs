//! Samples of recordings of one party, whose voice is known.

use fastrand::Rng;
use wav::{Channel, Encoding, Format, NotAudio};

use super::*;
use crate::call::{Call, Counts};
use crate::decibel::power;
use crate::frame::Class;
use crate::origin::Origin;
use crate::report::CallReport;
use crate::sums::ac_power;
use crate::tests::calls::{RATE, VOICES, amplified, decibels_to_factor, decode, level, noise, resampled, wav_file};
use crate::utterances::Utterance;

/// A voice of this length at a level, in dBFS.
fn voice(n: usize, seconds: f64, level_dbfs: f32) -> Vec<f32> {
    let gain = decibels_to_factor(level_dbfs) / level(&VOICES[n]);
    let endless = VOICES[n].iter().cycle().take((seconds * f64::from(RATE)) as usize);
    amplified(&endless.copied().collect::<Vec<f32>>(), gain)
}

/// The take of a recording of one party.
fn take(samples: &[f32], rate: u32) -> Result<Take, Problem> {
    let employee_channel = Some(Channel::First);
    let mut call = Call::traced(Origin { track: Some("inbound".into()), employee_channel, ..Origin::default() });
    call.push(&wav_file(Encoding::Float32, rate, &[samples]))?;
    call.finish()
}

fn assembled(takes: impl IntoIterator<Item = Result<Take, Problem>>) -> Result<Sample, Box<Report>> {
    let mut assembly = Assembly::default();
    takes.into_iter().for_each(|take| assembly.add(take));
    assembly.finish()
}

fn sample(recordings: &[&[f32]]) -> Result<Sample, Box<Report>> {
    assembled(recordings.iter().map(|samples| take(samples, RATE)))
}

/// The code, the figure and the limit of the refusal.
fn refusal(recordings: &[&[f32]]) -> (&'static str, f64, f64) {
    let report = sample(recordings).map(|_| ()).unwrap_err();
    assert_eq!((report.verdict, report.sample_seconds), (Verdict::Refused, 0.0));
    assert!(report.warnings.is_empty() && report.before.is_none() && report.after.is_none());
    let problem = report.problem.expect("a refusal has a reason");
    let measure = problem.measure().expect("there is a figure");
    (problem.code(), measure.figure, measure.limit)
}

fn with_noise(samples: &[f32], dbfs: f32) -> Vec<f32> {
    let noise = noise(&mut Rng::with_seed(1), decibels_to_factor(dbfs), samples.len());
    samples.iter().zip(noise).map(|(sample, noise)| sample + noise).collect()
}

fn clipped(seconds: f64) -> Vec<f32> {
    amplified(&amplified(&voice(0, seconds, -20.0), 12.0), 0.4)
}

/// A take of this many frames of speech at 8 kHz and of half as many pauses, as even noise of these levels in dBFS.
fn even(speech_frames: usize, speech_dbfs: f64, pauses_dbfs: f64) -> Take {
    // Every stretch of this sequence has all values between −1 and 1, each as often; its mean power is 1/3.
    let sequence = |n: usize| (2.0 * (n as f64 * 0.618_033_988_749_895).fract() - 1.0) as f32;
    let amplitude = |class| (3.0 * power(if class == Class::Speech { speech_dbfs } else { pauses_dbfs })).sqrt() as f32;
    let utterance = |(first_frame, frames): (u64, usize)| {
        let classes = [vec![Class::Speech; frames], vec![Class::Pause; frames / 2]].concat();
        let frame = |(n, &class): (usize, &Class)| (128 * n..).take(128).map(move |n| amplitude(class) * sequence(n));
        Utterance { first_frame, samples: classes.iter().enumerate().flat_map(frame).collect(), classes }
    };
    let lengths = (0..speech_frames).step_by(250).map(|from| (2 * from as u64, 250.min(speech_frames - from)));
    Take {
        format: Format { encoding: Encoding::Float32, channels: 1, rate: RATE },
        channel: None,
        rate: RATE,
        utterances: lengths.map(utterance).collect(),
        counts: Counts { all: 10_000, speech: speech_frames as u64, other_party: 1_000, sound: 500 },
        alike_percent: 0.0,
        trace: None,
    }
}

#[test]
fn from_30_s_of_speech_there_is_a_sample_and_from_60_s_it_is_not_short() {
    for (frames, minimum, enough) in
        [(1_874, false, false), (1_875, true, false), (3_749, true, false), (3_750, true, true)]
    {
        let mut assembly = Assembly::default();
        assembly.add(Ok(even(frames, -20.0, -60.0)));
        assert_eq!((assembly.has_minimum(), assembly.has_enough()), (minimum, enough), "{frames} frames");
        match assembly.finish() {
            Ok(sample) => {
                let (report, seconds) = (sample.report, frames as f64 * 0.016);
                assert!(minimum && (report.speech_seconds - seconds).abs() < 1e-9, "{frames} frames");
                assert_eq!((report.verdict == Verdict::Good, report.warnings.is_empty()), (enough, enough));
                assert!((report.sample_seconds - 1.5 * seconds).abs() < 0.1, "{}", report.sample_seconds);
            }
            Err(report) => {
                assert!(!minimum, "{frames} frames");
                let figure = report.problem.and_then(Problem::measure).map(|measure| measure.figure);
                assert_eq!(figure, Some(29.984));
            }
        }
    }
}

#[test]
fn the_noise_is_named_and_removed_where_speech_is_less_than_25_db_above_it() {
    // The noise is in the speech as well, so 25.1 dB above it are a ratio of 25.08 dB.
    for (pauses_dbfs, is_noisy) in [(-45.1, false), (-44.9, true)] {
        let report = assembled([Ok(even(3_750, -20.0, pauses_dbfs))]).map_err(|r| r.problem).expect("a sample").report;
        assert_eq!((report.remove_background_noise, report.verdict == Verdict::Usable), (is_noisy, is_noisy));
        assert_eq!(report.warnings.contains(&Warning::Noisy), is_noisy);
        let floor = report.noise_floor_dbfs.expect("there are pauses");
        assert!((floor - pauses_dbfs).abs() < 0.1, "{floor}");
        let snr = report.snr_db.expect("there are pauses");
        assert!((snr + 20.0 + pauses_dbfs).abs() < 0.1, "{snr}");
    }
}

#[test]
fn of_two_calls_the_figures_are_those_of_both_weighed_by_their_speech() {
    let quiet_line = || Ok(even(2_500, -20.0, -50.0));
    let noisy_line = || Ok(even(1_250, -30.0, -50.0));
    let unread = || Err(Problem::RecordingMissing);
    for takes in [[quiet_line(), noisy_line(), unread()], [unread(), noisy_line(), quiet_line()]] {
        let report = assembled(takes).map_err(|report| report.problem).expect("a sample").report;
        // Shares of noise of 0.001 and 0.01: two parts of one, and one part of the other.
        let share: f64 = (2.0 * 0.001 + 0.01) / 3.0;
        let snr = report.snr_db.expect("there are pauses");
        assert!((snr - (decibels(1.0 - share) - decibels(share))).abs() < 0.1, "{snr}");
        assert_eq!((report.speech_seconds, report.recordings.len()), (60.0, 3));
    }
}

#[test]
fn a_refused_sample_has_the_figures_of_the_speech_that_was_passed_over() {
    let report = assembled([Ok(even(2_000, -20.0, -28.0))]).map(|_| ()).unwrap_err();
    assert_eq!((report.problem.map(Problem::code), report.speech_seconds), (Some("sample_too_noisy"), 0.0));
    let floor = report.noise_floor_dbfs.expect("there are pauses");
    assert!((floor + 28.0).abs() < 0.1, "{floor}");
    // The noise is in the speech as well, so 8 dB above it are a ratio of 7.25 dB.
    let snr = report.snr_db.expect("there are pauses");
    assert!((snr - 7.25).abs() < 0.1, "{snr}");
    let of_nothing = assembled([Ok(even(0, -20.0, -60.0))]).map(|_| ()).unwrap_err();
    assert_eq!((of_nothing.noise_floor_dbfs, of_nothing.snr_db, of_nothing.clipped_percent), (None, None, None));
    let recording = &of_nothing.recordings[0];
    assert_eq!((recording.speech_rms_dbfs, recording.snr_db, recording.taken_seconds), (None, None, 0.0));
}

#[test]
fn a_recording_has_its_own_figures() {
    let report = assembled([Ok(even(2_000, -20.0, -60.0))]).map_err(|r| r.problem).expect("a sample").report;
    let CallReport { seconds, speech_seconds, other_party_seconds, sound_seconds, .. } = report.recordings[0];
    assert_eq!([seconds, speech_seconds, other_party_seconds, sound_seconds], [160.0, 32.0, 16.0, 8.0]);
    let recording = &report.recordings[0];
    assert_eq!(recording.taken_seconds, 48.0, "with the pauses");
    let level = recording.speech_rms_dbfs.expect("there is speech");
    assert!((level + 20.0).abs() < 0.05, "{level}");
    let gain = recording.gain_db.expect("it was taken");
    assert!((gain + 0.5).abs() < 0.1, "{gain}");
    let peak = recording.true_peak_dbtp.expect("there is speech");
    assert!((-16.0..-6.0).contains(&peak), "{peak}");
}

#[test]
fn two_minutes_are_filled_and_an_older_recording_has_only_the_room_that_is_left() {
    // With its pauses, the first has half of the 7 500 frames that two minutes are, and the second more than all.
    let takes = [Ok(even(2_500, -20.0, -60.0)), Ok(even(6_000, -20.0, -60.0)), Ok(even(2_500, -20.0, -60.0))];
    let report = assembled(takes).map_err(|report| report.problem).expect("a sample").report;
    let taken: Vec<f64> = report.recordings.iter().map(|recording| recording.taken_seconds).collect();
    assert_eq!((taken, report.sample_seconds), (vec![60.0, 60.0, 0.0], 120.0));
}

#[test]
fn more_than_a_thousandth_of_clipped_samples_is_named() {
    for (clipped_frames, is_named) in [(1, false), (4, true)] {
        let mut take = even(2_000, -20.0, -60.0);
        let speech = take.utterances[0].samples.iter_mut().take(clipped_frames * 128);
        speech.for_each(|sample| *sample = 0.9_f32.copysign(*sample));
        let report = assembled([Ok(take)]).map_err(|report| report.problem).expect("a sample").report;
        assert_eq!(report.warnings.contains(&Warning::Clipped), is_named, "{:?}", report.clipped_percent);
    }
}

#[test]
fn a_minute_of_clean_speech_is_good() {
    let sample = sample(&[&voice(0, 80.0, -25.0)]).map_err(|report| report.problem).expect("a sample");
    let report = sample.report;
    assert_eq!((report.verdict, report.problem, &report.warnings[..]), (Verdict::Good, None, &[][..]));
    assert!(!report.remove_background_noise && report.clipped_percent < Some(0.05));
    assert!(report.speech_seconds > 60.0 && report.speech_seconds < report.sample_seconds);
    assert_eq!(report.sample_seconds * f64::from(RATE), decode(&sample.wav).1.len() as f64);
}

#[test]
fn half_a_minute_is_enough_but_short() {
    let report = sample(&[&voice(0, 45.0, -25.0)]).map_err(|report| report.problem).expect("a sample").report;
    assert_eq!((report.verdict, &report.warnings[..]), (Verdict::Usable, &[Warning::Short][..]));
}

#[test]
fn less_is_too_short() {
    let (code, figure, limit) = refusal(&[&voice(0, 25.0, -25.0)]);
    assert_eq!((code, limit), ("sample_too_short", 30.0));
    assert!((15.0..25.0).contains(&figure), "{figure}");
    assert_eq!(refusal(&[&[0.0; 8_000]]), ("sample_too_short", 0.0, 30.0));
    let nothing = assembled([]).map(|_| ()).unwrap_err();
    assert_eq!(nothing.problem.map(Problem::code), Some("sample_too_short"));
}

#[test]
fn who_is_hardly_heard_is_too_quiet() {
    let (code, figure, limit) = refusal(&[&voice(0, 40.0, -53.0)]);
    assert_eq!((code, limit), ("sample_too_quiet", -50.0));
    assert!((-54.0..-50.0).contains(&figure), "{figure}");
}

#[test]
fn a_voice_without_its_peaks_is_clipped() {
    let (code, figure, limit) = refusal(&[&clipped(40.0)]);
    assert_eq!((code, limit), ("sample_clipped", 1.0));
    assert!(figure > 1.0, "{figure}");
}

#[test]
fn a_voice_in_noise_is_too_noisy_and_in_a_little_noise_usable() {
    let speech = voice(1, 45.0, -20.0);
    let (code, figure, limit) = refusal(&[&with_noise(&speech, -28.0)]);
    assert_eq!((code, limit), ("sample_too_noisy", 10.0));
    assert!((5.0..10.0).contains(&figure), "{figure}");

    let report = sample(&[&with_noise(&speech, -40.0)]).map_err(|report| report.problem).expect("a sample").report;
    assert!(report.remove_background_noise && report.warnings.contains(&Warning::Noisy));
    let snr = report.snr_db.expect("it was measured");
    assert!((17.0..23.0).contains(&snr), "{snr}");
}

#[test]
fn what_was_wrong_with_the_recording_is_what_is_wrong_with_the_sample() {
    let mixed = Measure { figure: 97.5, limit: 80.0, unit: "percent" };
    let channel_unknown = Problem::EmployeeChannelUnknown;
    let not_audio = Problem::NotAudio(NotAudio("it is not a WAV file"));
    let mixed = Problem::MixedSpeakers(mixed);
    for problem in [Problem::RecordingMissing, channel_unknown, not_audio, mixed, Problem::Synthetic] {
        let report = assembled([Err(problem)]).map(|_| ()).unwrap_err();
        assert_eq!((report.problem, report.verdict), (Some(problem), Verdict::Refused));
        assert_eq!(report.recordings[0].problem, Some(problem));
    }
}

#[test]
fn two_calls_of_different_levels_come_out_at_one() {
    let sample = sample(&[&voice(0, 25.0, -14.0), &voice(0, 25.0, -40.0)]).map_err(|r| r.problem).expect("a sample");
    let audio = decode(&sample.wav).1;
    let level = |recording: usize| {
        let pieces = sample.pieces.iter().filter(|piece| piece.recording == recording);
        let samples: Vec<f32> = pieces.flat_map(|piece| audio[piece.from..piece.to].to_vec()).collect();
        decibels(ac_power(&samples))
    };
    assert!((level(0) - level(1)).abs() < 1.0, "{} and {}", level(0), level(1));
    assert!(sample.pieces.is_sorted_by_key(|piece| (piece.recording, piece.first_frame)), "newest first");
    let gains: Vec<f64> = sample.report.recordings.iter().filter_map(|recording| recording.gain_db).collect();
    assert!((gains[1] - gains[0] - 26.0).abs() < 1.0, "{gains:?}");
    assert_eq!(sample.report.recordings.len(), 2);
}

#[test]
fn an_older_call_fills_up_what_the_newest_lacks_and_no_more() {
    let (mut assembly, newest) = (Assembly::default(), voice(0, 60.0, -20.0));
    assembly.add(take(&newest, RATE));
    assert!(!assembly.has_enough());
    assembly.add(take(&voice(0, 100.0, -20.0), RATE));
    assert!(assembly.has_enough());
    let sample = assembly.finish().map_err(|report| report.problem).expect("a sample");
    assert!((110.0..=120.0).contains(&sample.report.sample_seconds), "{}", sample.report.sample_seconds);
    let taken: Vec<f64> = sample.report.recordings.iter().map(|recording| recording.taken_seconds).collect();
    assert!(taken[0] > 50.0 && (taken[0] + taken[1] - sample.report.sample_seconds).abs() < 0.01, "{taken:?}");
}

#[test]
fn an_unusable_newest_call_is_passed_over_when_an_older_one_is_good() {
    let good = || take(&voice(0, 45.0, -25.0), RATE);
    let noisy = take(&with_noise(&voice(1, 40.0, -20.0), -28.0), RATE);
    let codes = ["sample_too_noisy", "sample_clipped", "employee_channel_unknown", "sample_synthetic"];
    let unheard = [Err(Problem::EmployeeChannelUnknown), Err(Problem::Synthetic)];
    let unusable = [noisy, take(&clipped(40.0), RATE)].into_iter().chain(unheard);
    for (code, newest) in codes.into_iter().zip(unusable) {
        let sample = assembled([newest, good()]).map_err(|report| report.problem).expect("a sample");
        assert_eq!(sample.report.problem, None);
        assert_eq!(sample.report.recordings[0].problem.map(Problem::code), Some(code));
        assert_eq!((sample.report.recordings[0].taken_seconds, sample.report.recordings[0].gain_db), (0.0, None));
        assert!(sample.pieces.iter().all(|piece| piece.recording == 1));
    }
}

#[test]
fn without_a_good_one_the_newest_calls_problem_is_named() {
    let (short, clipped) = (voice(0, 10.0, -20.0), clipped(40.0));
    assert_eq!(refusal(&[&clipped, &short]).0, "sample_clipped");
    assert_eq!(refusal(&[&short, &clipped]).0, "sample_too_short");
    let report = assembled([take(&short, RATE), take(&short, RATE)]).map(|_| ()).unwrap_err();
    let one = take(&short, RATE).expect("there is speech").counts.speech as f64 / FRAMES_PER_SECOND;
    assert!((report.speech_seconds - 2.0 * one).abs() < 2.0, "both count: {}", report.speech_seconds);
}

#[test]
fn an_offset_is_gone_from_the_sample() {
    let moved: Vec<f32> = voice(2, 45.0, -30.0).iter().map(|sample| sample + 0.1).collect();
    let audio = decode(&sample(&[&moved]).map_err(|report| report.problem).expect("a sample").wav).1;
    let mean = audio.iter().sum::<f32>() / audio.len() as f32;
    assert!(mean.abs() < 1e-3, "{mean}");
}

#[test]
fn no_pause_is_longer_than_0_4_s_and_every_join_is_faded() {
    let (mut samples, voice) = (Vec::new(), voice(0, 60.0, -20.0));
    for (n, part) in voice.chunks(40_000).enumerate() {
        samples.extend_from_slice(part);
        samples.resize(samples.len() + 4_000 * (n % 4), 0.0);
    }
    let mut take = take(&samples, RATE).expect("speech");
    let classes = take.trace.take().expect("it was asked for");
    let sample = assembled([Ok(take)]).map_err(|report| report.problem).expect("a sample");
    let frames = sample.pieces.iter().flat_map(|piece| piece.first_frame..piece.end_frame);
    let taken: Vec<Class> = frames.map(|frame| classes[frame as usize].class).collect();
    let longest = taken.split(|&class| class == Class::Speech).map(<[Class]>::len).max();
    assert!((20..=25).contains(&longest.unwrap_or(0)), "{longest:?} frames of 16 ms");
    assert!(taken.iter().all(|class| matches!(class, Class::Speech | Class::Pause)));

    let (audio, mut joins) = (decode(&sample.wav).1, 0);
    for (piece, next) in sample.pieces.iter().zip(&sample.pieces[1..]) {
        if piece.end_frame != next.first_frame {
            joins += 1;
            assert!(audio[piece.to - 1].abs().max(audio[next.from].abs()) < 1e-3);
        }
    }
    assert!(joins > 3, "{joins}");
}

#[test]
fn no_sample_is_longer_than_two_minutes_at_any_rate() {
    // A frame is no whole number of samples at 11 025 Hz.
    for rate in [8_000, 11_025, 16_000] {
        let long = resampled(&voice(0, 150.0, -20.0), RATE, rate);
        let sample = assembled([take(&long, rate), take(&long, rate)]).map_err(|r| r.problem).expect("a sample");
        let (format, audio, _) = decode(&sample.wav);
        assert_eq!((format.rate, sample.report.sampling_rate_hz), (rate, Some(rate)));
        assert!((110 * rate as usize..=120 * rate as usize).contains(&audio.len()), "{} at {rate}", audio.len());
    }
}

#[test]
fn the_newest_calls_rate_is_the_samples() {
    let wide = resampled(&voice(0, 30.0, -20.0), RATE, 16_000);
    let takes = [take(&voice(0, 30.0, -20.0), RATE), take(&wide, 16_000)];
    let sample = assembled(takes).map_err(|report| report.problem).expect("a sample");
    assert_eq!(sample.report.sampling_rate_hz, Some(8_000));
    let after = sample.report.after.expect("there is a sample");
    assert!((after.speech_rms_dbfs + 20.5).abs() < 0.3 && after.true_peak_dbtp <= -3.0, "{after:?}");
}
