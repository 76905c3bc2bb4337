//! One recording, from its bytes to the speech that may be taken of it.

use wav::{Channel, Format, WavReader};

use crate::activity::Activity;
use crate::frame::{Class, Frame, first_sample};
use crate::likeness::Likeness;
use crate::origin::Origin;
use crate::problem::{Measure, Problem};
use crate::speech_detector::SpeechDetector;
use crate::sums::ac_power;
use crate::track::Track;
use crate::utterances::{Utterance, Utterances};
use crate::window::{HORIZON, Measured};

/// The highest rate that is kept, in Hz: no telephone codec carries more.
const HIGHEST_RATE: u32 = 16_000;
/// Two channels hold the same mix if at least this share of the frames is alike, in percent of the frames in which
/// anybody is heard.
const ALIKE: f64 = 80.0;

/// A recording that is being read. Its memory does not grow with the recording's length.
pub struct Call {
    origin: Origin,
    reader: WavReader,
    /// Present once the header was read.
    analysis: Option<Analysis>,
    problem: Option<Problem>,
    trace: Option<Vec<Frame>>,
}

/// The speech that may be taken of a recording.
pub struct Take {
    /// The format that the header states.
    pub format: Format,
    /// The channel that was taken; `None` for a recording of one party.
    pub channel: Option<Channel>,
    /// Samples a second of the utterances.
    pub rate: u32,
    /// The best of the employee's speech, in the order of the call, at most [`crate::LONGEST`] seconds.
    pub utterances: Vec<Utterance>,
    /// The number of frames of each class.
    pub counts: Counts,
    /// Share of the frames that are alike in both channels, in percent.
    pub alike_percent: f64,
    /// Every frame, if the call is traced.
    pub trace: Option<Vec<Frame>>,
}

/// Numbers of frames, by their class.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "the names are those of the classes")]
pub struct Counts {
    pub all: u64,
    pub speech: u64,
    pub other_party: u64,
    pub sound: u64,
}

impl Call {
    /// Begins a recording of which `origin` is known.
    pub fn new(origin: Origin) -> Self {
        Self { origin, reader: WavReader::default(), analysis: None, problem: None, trace: None }
    }

    /// Begins a recording and keeps every frame, for a picture or for tests. The memory grows by 45 KB a minute.
    pub fn traced(origin: Origin) -> Self {
        Self { trace: Some(Vec::new()), ..Self::new(origin) }
    }

    /// Takes the next bytes of the WAV file, however they are cut.
    ///
    /// # Errors
    /// The recording's problem, as soon as it is known. Reading on is of no use then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let Self { origin, reader, analysis, problem, trace } = self;
        if let Some(problem) = problem {
            return Err(*problem);
        }
        let mut chosen = Ok(());
        let read = reader.push(bytes, |format, first, second| {
            if analysis.is_none() && chosen.is_ok() {
                chosen = origin.choose(format.channels).map(|channel| {
                    *analysis = Some(Analysis::new(format.rate, channel));
                });
            }
            if let Some(analysis) = analysis {
                let (employee, other) =
                    if analysis.channel == Some(Channel::Second) { (second, first) } else { (first, second) };
                analysis.push(employee, other, trace);
            }
        });
        *problem = read.err().map(Problem::from).or(chosen.err());
        problem.map_or(Ok(()), Err)
    }

    /// Gives the take, after the last byte.
    ///
    /// # Errors
    /// The recording's problem; too little speech is not yet an error here.
    pub fn finish(mut self) -> Result<Take, Problem> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let format = self.reader.finish()?;
        let mut analysis = match self.analysis {
            Some(analysis) => analysis,
            // The file has a header and not a single sample.
            None => Analysis::new(format.rate, self.origin.choose(format.channels)?),
        };
        analysis.finish(&mut self.trace);
        let alike_percent = analysis.likeness.percent();
        if format.channels == 2 && alike_percent >= ALIKE {
            return Err(Problem::MixedSpeakers(Measure { figure: alike_percent, limit: ALIKE, unit: "percent" }));
        }
        Ok(Take {
            format,
            channel: analysis.channel,
            rate: analysis.rate,
            utterances: analysis.utterances.finish(),
            counts: analysis.counts,
            alike_percent,
            trace: self.trace,
        })
    }
}

/// Turns samples into utterances.
struct Analysis {
    channel: Option<Channel>,
    rate: u32,
    employee: Track,
    other: Track,
    detector: SpeechDetector,
    activity: Activity,
    likeness: Likeness,
    utterances: Utterances,
    /// The number of frames that were measured.
    frames: u64,
    counts: Counts,
}

impl Analysis {
    fn new(rate: u32, channel: Option<Channel>) -> Self {
        let kept = rate.min(HIGHEST_RATE);
        Self {
            channel,
            rate: kept,
            employee: Track::new(rate, kept),
            other: Track::new(rate, kept),
            detector: SpeechDetector::new(kept),
            activity: Activity::default(),
            likeness: Likeness::default(),
            utterances: Utterances::default(),
            frames: 0,
            counts: Counts::default(),
        }
    }

    fn push(&mut self, employee: &[f32], other: &[f32], trace: &mut Option<Vec<Frame>>) {
        self.other.push(other);
        self.detector.push(self.employee.push(employee));
        self.classify(trace);
    }

    fn finish(&mut self, trace: &mut Option<Vec<Frame>>) {
        self.other.finish();
        self.detector.push(self.employee.finish());
        self.detector.finish();
        self.classify(trace);
        while let Some(frame) = self.activity.finish() {
            self.collect(frame, trace);
        }
    }

    fn classify(&mut self, trace: &mut Option<Vec<Frame>>) {
        while let Some((score, steadiness)) = self.detector.next(self.activity.speech_level()) {
            let (from, to) = (self.start_of(self.frames), self.start_of(self.frames + 1));
            let employee = ac_power(self.employee.samples(from, to));
            let other = ac_power(self.other.samples(from, to));
            self.frames += 1;
            if let Some(frame) = self.activity.push(Measured { employee, other, score, steadiness }) {
                self.collect(frame, trace);
            }
            if self.activity.is_anybody_heard() {
                self.likeness.add(employee, other);
            }
        }
        let needed = self.start_of(self.frames.saturating_sub(HORIZON as u64));
        self.employee.forget(needed);
        self.other.forget(needed);
    }

    /// Counts a classified frame, and passes its samples on.
    fn collect(&mut self, frame: Frame, trace: &mut Option<Vec<Frame>>) {
        let (from, to) = (self.start_of(self.counts.all), self.start_of(self.counts.all + 1));
        self.utterances.push(frame.class, self.employee.samples(from, to));
        self.counts.all += 1;
        match frame.class {
            Class::Speech => self.counts.speech += 1,
            Class::OtherParty => self.counts.other_party += 1,
            Class::Sound => self.counts.sound += 1,
            Class::Pause => {}
        }
        if let Some(trace) = trace {
            trace.push(frame);
        }
    }

    /// The first sample of a frame, in samples of the call.
    fn start_of(&self, frame: u64) -> u64 {
        first_sample(frame, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;
    use wav::{Encoding, NotAudio, header};

    use super::*;
    use crate::tests::calls::{Conversation, VOICES, noise, wav_file};

    const FIRST: Origin =
        Origin { track: None, source: None, employee_channel: Some(Channel::First), usual_channel: None };

    fn one_party() -> Origin {
        Origin { track: Some("inbound".into()), ..FIRST }
    }

    fn take(origin: Origin, wav: &[u8]) -> Result<Take, Problem> {
        let mut call = Call::new(origin);
        call.push(wav)?;
        call.finish()
    }

    #[test]
    fn what_is_wrong_is_told_again_whatever_follows() {
        let stereo = wav_file(Encoding::MuLaw, 8_000, &[&[0.0; 9], &[0.0; 9]]);
        let not_audio = Problem::NotAudio(NotAudio("it is not a WAV file"));
        let cases = [(b"<Error>404</Error>".as_slice(), not_audio), (&stereo, Problem::EmployeeChannelUnknown)];
        for (bytes, problem) in cases {
            let mut call = Call::new(Origin::default());
            assert_eq!(call.push(bytes), Err(problem));
            assert_eq!(call.push(&stereo), Err(problem));
            assert_eq!(call.finish().err(), Some(problem));
        }
    }

    #[test]
    fn a_recording_that_ends_in_its_header_is_no_audio() {
        let wav = wav_file(Encoding::Pcm16, 8_000, &[&VOICES[0]]);
        for bytes in [&b""[..], &wav[..11], &wav[..40]] {
            assert!(matches!(take(one_party(), bytes), Err(Problem::NotAudio(_))));
        }
    }

    #[test]
    fn a_recording_without_a_sample_holds_nothing() {
        let empty = |channels| header(Format { encoding: Encoding::MuLaw, channels, rate: 8_000 }, 0);
        let take = take(one_party(), &empty(1)).expect("it is a WAV");
        assert_eq!((take.counts.all, take.utterances.len(), take.alike_percent), (0, 0, 0.0));
        assert_eq!(self::take(Origin::default(), &empty(2)).err(), Some(Problem::EmployeeChannelUnknown));
    }

    #[test]
    fn a_mix_of_both_parties_is_refused_with_its_channels() {
        let wav = wav_file(Encoding::MuLaw, 8_000, &[&VOICES[0][..8_000]]);
        let problem = take(FIRST, &wav).map(|_| ()).unwrap_err();
        let measure = problem.measure().expect("there is a figure");
        assert_eq!((problem.code(), measure.figure, measure.limit), ("sample_mixed_speakers", 1.0, 2.0));
    }

    #[test]
    fn a_mix_that_was_written_twice_is_refused_and_a_conversation_is_not() {
        let conversation = Conversation::random(&mut Rng::with_seed(7));
        let mix: Vec<f32> =
            conversation.employee.iter().zip(&conversation.other).map(|(one, other)| (one + other) / 2.0).collect();
        let softer: Vec<f32> = mix.iter().map(|sample| sample / 2.0).collect();
        for second in [&mix, &softer] {
            let wav = wav_file(Encoding::MuLaw, 8_000, &[&mix, second]);
            let Err(Problem::MixedSpeakers(measure)) = take(FIRST, &wav) else { panic!("it was taken") };
            assert!(measure.figure >= 80.0 && measure.limit == 80.0, "{measure:?}");
        }
        let take = take(FIRST, &conversation.employee_first(Encoding::MuLaw)).expect("two parties");
        assert!(take.alike_percent < 40.0, "{}", take.alike_percent);
    }

    #[test]
    fn every_whole_frame_is_counted_and_traced_once() {
        let conversation = Conversation::random(&mut Rng::with_seed(8));
        for rate in [8_000, 11_025, 16_000, 48_000] {
            let cut = |samples: &[f32]| samples[..80_001].to_vec();
            let line =
                Conversation { employee: cut(&conversation.employee), other: cut(&conversation.other), ..conversation };
            let mut call = Call::traced(FIRST);
            call.push(&line.at(rate).employee_first(Encoding::Pcm16)).expect("two parties");
            let take = call.finish().expect("two parties");
            let trace = take.trace.expect("it was asked for");
            assert_eq!((take.counts.all, trace.len()), (625, 625), "10 s at {rate} Hz");
            let count = |class| trace.iter().filter(|frame| frame.class == class).count() as u64;
            let counts = [count(Class::Speech), count(Class::OtherParty), count(Class::Sound)];
            assert_eq!(counts, [take.counts.speech, take.counts.other_party, take.counts.sound]);
        }
    }

    #[test]
    fn utterances_are_the_recordings_own_samples() {
        let conversation = Conversation::random(&mut Rng::with_seed(9));
        let take = take(FIRST, &conversation.employee_first(Encoding::Float32)).expect("two parties");
        assert_eq!((take.rate, take.channel), (8_000, Some(Channel::First)));
        assert!(take.utterances.len() > 3);
        for utterance in &take.utterances {
            let span = utterance.first_frame as usize * 128..utterance.end_frame() as usize * 128;
            assert!(utterance.samples == conversation.employee[span]);
        }
    }

    #[test]
    fn the_memory_does_not_grow_with_the_recording() {
        let mut rng = Rng::with_seed(10);
        for rate in [8_000, 22_050, 44_100] {
            let second: Vec<f32> = noise(&mut rng, 0.01, rate as usize);
            let wav = wav_file(Encoding::Pcm16, rate, &[&second, &second]);
            let (header, audio) = wav.split_at(wav.len() - 4 * rate as usize);
            let mut call = Call::new(FIRST);
            call.push(&header[..header.len() - 4]).expect("a header");
            call.push(&u32::MAX.to_le_bytes()).expect("as long as it likes");
            for _ in 0..30 {
                call.push(audio).expect("audio");
                let analysis = call.analysis.as_ref().expect("there is audio");
                let seconds = |track: &Track| track.samples.len() as f64 / f64::from(analysis.rate);
                assert!(seconds(&analysis.employee) < 9.0 && seconds(&analysis.other) < 9.0);
            }
        }
    }
}
