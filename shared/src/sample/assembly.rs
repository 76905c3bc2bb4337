//! What was taken of one or more calls → one sample and its report.

use super::activity::FRAMES_PER_SECOND;
use super::call::Take;
use super::measure::Measures;
use super::mix::{Mix, Piece};
use super::report::{CallReport, Measure, Problem, Report, Verdict, Warning};
use super::utterances::{Utterance, best};
use super::{ENOUGH, LONGEST, PIPELINE_VERSION, decibels};

/// Least speech in a sample, in seconds.
const SHORTEST: f64 = 30.0;
/// Below this signal-to-noise ratio, in dB, the vendor is asked to remove the noise.
const NOISY: f64 = 25.0;
/// More than this, in percent of the samples of speech, is worth a warning.
const SOME_CLIPPED: f64 = 0.1;

/// A voice sample: mono, at most [`LONGEST`] seconds.
pub struct Sample {
    /// A WAV file of 16-bit PCM.
    pub wav: Vec<u8>,
    /// Where each stretch of it comes from.
    pub pieces: Vec<Piece>,
    /// How it came about.
    pub report: Report,
}

/// Puts a sample together out of what was taken of recordings. One that is too noisy, too quiet or clipped is passed
/// over, and so is one that could not be read.
#[derive(Default)]
pub struct Assembly {
    parts: Vec<Part>,
}

/// One recording's share.
struct Part {
    rate: u32,
    utterances: Vec<Utterance>,
    measures: Measures,
    report: CallReport,
}

impl Assembly {
    /// Adds the next older recording: what was taken of it, or why nothing could be.
    pub fn add(&mut self, take: Result<Take, Problem>) {
        let taken: usize = self.parts.iter().map(Part::frames).sum();
        let room = ((LONGEST * FRAMES_PER_SECOND) as usize).saturating_sub(taken);
        self.parts.push(match take {
            Ok(take) => Part::new(take, room),
            Err(problem) => Part::unusable(problem),
        });
    }

    /// Whether there is enough speech, so that no older recording is needed.
    pub fn has_enough(&self) -> bool {
        self.speech_seconds() >= ENOUGH
    }

    /// Whether there is as much speech as a voice needs.
    pub fn will_do(&self) -> bool {
        self.speech_seconds() >= SHORTEST
    }

    /// Makes the sample.
    ///
    /// # Errors
    /// The report of why there is none. Its problem is the newest recording's own, if it has one.
    pub fn finish(mut self) -> Result<Sample, Box<Report>> {
        let figure = self.speech_seconds();
        if figure < SHORTEST {
            let too_short = Problem::TooShort(Measure { figure, limit: SHORTEST, unit: "seconds" });
            let newest = self.parts.first().and_then(|part| part.report.problem);
            return Err(Box::new(self.report(Some(newest.unwrap_or(too_short)))));
        }
        let mut mix = Mix::new(self.parts.iter().find(|part| part.frames() > 0).map_or(0, |part| part.rate));
        for (recording, part) in self.parts.iter_mut().enumerate() {
            for utterance in std::mem::take(&mut part.utterances) {
                mix.add(recording, &utterance, part.rate, part.measures.speech);
            }
        }
        let mixed = mix.finish();
        for piece in &mixed.pieces {
            self.parts[piece.recording].report.gain_db = Some(decibels(f64::from(piece.gain).powi(2)));
        }
        let mut report = self.report(None);
        report.before = Some(mixed.before);
        report.after = Some(mixed.after);
        report.sample_seconds = mixed.samples.len() as f64 / f64::from(mixed.rate);
        report.sampling_rate_hz = Some(mixed.rate);
        Ok(Sample { wav: super::wav::write(&mixed.samples, mixed.rate), pieces: mixed.pieces, report })
    }

    fn speech_seconds(&self) -> f64 {
        self.used().map(|part| part.measures.seconds()).sum()
    }

    fn used(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.report.problem.is_none())
    }

    /// A mean over the recordings that are used (or of all, when none is), by how much speech each has; `None` if no
    /// speech was found.
    fn mean(&self, of: impl Fn(&Measures) -> f64) -> Option<f64> {
        let nothing_used = self.speech_seconds() == 0.0;
        let parts = || self.parts.iter().filter(|part| nothing_used || part.report.problem.is_none());
        let weigh = |part: &Part| part.measures.speech_frames as f64;
        let sum: f64 = parts().map(|part| weigh(part) * of(&part.measures)).sum();
        let weights: f64 = parts().map(weigh).sum();
        (weights > 0.0).then(|| sum / weights)
    }

    /// Everything that is known before anything is mixed.
    fn report(&self, problem: Option<Problem>) -> Report {
        // Each recording is brought to the same level, and its noise with it.
        let noise_share = self.mean(|measures| measures.noise / measures.speech.max(f64::MIN_POSITIVE));
        let snr_db = noise_share.map(|noise| decibels(1.0 - noise) - decibels(noise));
        let clipped_percent = self.mean(|measures| measures.clipped_percent);
        let speech_seconds = self.speech_seconds();
        let is_noisy = snr_db.is_some_and(|snr| snr < NOISY);
        let conditions = [
            (speech_seconds < ENOUGH, Warning::Short),
            (is_noisy, Warning::Noisy),
            (clipped_percent.is_some_and(|share| share > SOME_CLIPPED), Warning::Clipped),
        ];
        let warnings: Vec<Warning> =
            conditions.into_iter().filter_map(|(holds, warning)| holds.then_some(warning)).collect();
        Report {
            pipeline_version: PIPELINE_VERSION,
            verdict: match (problem, &warnings[..]) {
                (Some(_), _) => Verdict::Refused,
                (None, []) => Verdict::Good,
                (None, _) => Verdict::Usable,
            },
            problem,
            warnings: if problem.is_some() { Vec::new() } else { warnings },
            speech_seconds,
            sample_seconds: 0.0,
            sampling_rate_hz: None,
            channel: self.parts.first().and_then(|part| part.report.channel),
            snr_db,
            clipped_percent,
            noise_floor_dbfs: self.mean(|measures| measures.noise).map(decibels),
            remove_background_noise: is_noisy,
            before: None,
            after: None,
            recordings: self.parts.iter().map(|part| part.report.clone()).collect(),
        }
    }
}

impl Part {
    /// Takes the best that there is room for.
    fn new(take: Take, room: usize) -> Self {
        let all = Measures::of(&take.utterances);
        let problem = all.problem();
        let utterances = best(take.utterances, if problem.is_none() { room } else { 0 });
        let measures = if problem.is_none() { Measures::of(&utterances) } else { all };
        let mut part = Self { rate: take.rate, utterances, measures, report: CallReport::default() };
        let seconds = |frames: u64| frames as f64 / FRAMES_PER_SECOND;
        part.report = CallReport {
            problem,
            format: Some(take.format),
            channel: take.channel,
            seconds: seconds(take.counts.all),
            speech_seconds: seconds(take.counts.speech),
            other_party_seconds: seconds(take.counts.other_party),
            sound_seconds: seconds(take.counts.sound),
            taken_seconds: seconds(part.frames() as u64),
            alike_percent: take.alike_percent,
            ..CallReport::default()
        };
        if all.speech_frames > 0 {
            part.report.speech_rms_dbfs = Some(decibels(all.speech));
            part.report.true_peak_dbtp = Some(decibels(f64::from(all.true_peak).powi(2)));
            part.report.noise_floor_dbfs = Some(decibels(all.noise));
            part.report.snr_db = Some(all.snr());
            part.report.clipped_percent = Some(all.clipped_percent);
        }
        part
    }

    fn unusable(problem: Problem) -> Self {
        let report = CallReport { problem: Some(problem), ..CallReport::default() };
        Self { rate: 0, utterances: Vec::new(), measures: Measures::default(), report }
    }

    fn frames(&self) -> usize {
        self.utterances.iter().map(|utterance| utterance.classes.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::super::call::Call;
    use super::super::sums::swing;
    use super::super::tests::calls::{
        RATE, VOICES, amplified, decibels_to_factor, decode, level, noise, resampled, wav_file,
    };
    use super::super::wav::Encoding;
    use super::super::whose::{Channel, Origin};
    use super::super::{Class, NotAudio};
    use super::*;

    /// So many seconds of a voice at a level, in dBFS.
    fn voice(n: usize, seconds: f64, level_dbfs: f32) -> Vec<f32> {
        let gain = decibels_to_factor(level_dbfs) / level(&VOICES[n]);
        let endless = VOICES[n].iter().cycle().take((seconds * f64::from(RATE)) as usize);
        amplified(&endless.copied().collect::<Vec<f32>>(), gain)
    }

    /// What is taken of a recording of one party.
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

    /// Code, figure and limit of the refusal.
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
        let sample =
            sample(&[&voice(0, 25.0, -14.0), &voice(0, 25.0, -40.0)]).map_err(|r| r.problem).expect("a sample");
        let audio = decode(&sample.wav).1;
        let level = |recording: usize| {
            let pieces = sample.pieces.iter().filter(|piece| piece.recording == recording);
            let samples: Vec<f32> = pieces.flat_map(|piece| audio[piece.from..piece.to].to_vec()).collect();
            decibels(swing(&samples))
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
}
