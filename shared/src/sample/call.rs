//! One recording, from its bytes to what may be taken of it.

use super::HIGHEST_RATE;
use super::activity::{Activity, Class, Frame, HORIZON, Measured};
use super::report::{Measure, Problem};
use super::resample::Resampler;
use super::speech::SpeechDetector;
use super::sums::swing;
use super::utterances::{Utterance, Utterances};
use super::wav::{Format, WavReader};
use super::whose::{Channel, Likeness, Origin};

/// From here on, in percent of the frames in which anybody is heard, two channels hold the same mix.
const ALIKE: f64 = 80.0;

/// A recording that is being read. Its memory does not grow with the recording's length.
pub struct Call {
    origin: Origin,
    reader: WavReader,
    /// Since the header was read.
    listening: Option<Listening>,
    problem: Option<Problem>,
    trace: Option<Vec<Frame>>,
}

/// What may be taken of a recording.
pub struct Take {
    /// What the header said.
    pub format: Format,
    /// The channel that was taken; `None` of a recording of one party.
    pub channel: Option<Channel>,
    /// Samples a second of the utterances.
    pub rate: u32,
    /// The best of the employee's speech, in its order, at most [`super::LONGEST`] seconds.
    pub utterances: Vec<Utterance>,
    /// Frames of 16 ms of each class.
    pub counts: Counts,
    /// Share of the frames that are alike in both channels, in percent.
    pub alike_percent: f64,
    /// Every frame, if asked for.
    pub trace: Option<Vec<Frame>>,
}

/// How many frames were understood as what.
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
        Self { origin, reader: WavReader::default(), listening: None, problem: None, trace: None }
    }

    /// Keeps what is understood of every frame: for a picture, and for tests. Grows by 45 KB a minute.
    pub fn traced(origin: Origin) -> Self {
        Self { trace: Some(Vec::new()), ..Self::new(origin) }
    }

    /// Takes the next bytes of the WAV file, however they are cut.
    ///
    /// # Errors
    /// What is wrong with the recording, as soon as it is known. There is no sense in reading on then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let Self { origin, reader, listening, problem, trace } = self;
        if let Some(problem) = problem {
            return Err(*problem);
        }
        let mut chosen = Ok(());
        let read = reader.push(bytes, |format, first, second| {
            if listening.is_none() && chosen.is_ok() {
                chosen = origin.choose(format.channels).map(|channel| {
                    *listening = Some(Listening::new(format.rate, channel));
                });
            }
            if let Some(listening) = listening {
                let (employee, other) =
                    if listening.channel == Some(Channel::Second) { (second, first) } else { (first, second) };
                listening.push(employee, other, trace);
            }
        });
        *problem = read.err().map(Problem::from).or(chosen.err());
        problem.map_or(Ok(()), Err)
    }

    /// What there is to take, after the last byte.
    ///
    /// # Errors
    /// What is wrong with the recording; too little speech is not yet an error here.
    pub fn finish(mut self) -> Result<Take, Problem> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let format = self.reader.finish()?;
        let mut listening = match self.listening {
            Some(listening) => listening,
            // A header without a single sample.
            None => Listening::new(format.rate, self.origin.choose(format.channels)?),
        };
        listening.finish(&mut self.trace);
        let alike_percent = listening.likeness.percent();
        if format.channels == 2 && alike_percent >= ALIKE {
            return Err(Problem::MixedSpeakers(Measure { figure: alike_percent, limit: ALIKE, unit: "percent" }));
        }
        Ok(Take {
            format,
            channel: listening.channel,
            rate: listening.rate,
            utterances: listening.utterances.finish(),
            counts: listening.counts,
            alike_percent,
            trace: self.trace,
        })
    }
}

/// From samples to utterances.
struct Listening {
    channel: Option<Channel>,
    rate: u32,
    employee: Track,
    other: Track,
    detector: SpeechDetector,
    activity: Activity,
    likeness: Likeness,
    utterances: Utterances,
    /// Frames that were measured.
    frames: u64,
    counts: Counts,
}

impl Listening {
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
        self.understand(trace);
    }

    fn finish(&mut self, trace: &mut Option<Vec<Frame>>) {
        self.other.finish();
        self.detector.push(self.employee.finish());
        self.detector.finish();
        self.understand(trace);
        while let Some(frame) = self.activity.finish() {
            self.sort(frame, trace);
        }
    }

    fn understand(&mut self, trace: &mut Option<Vec<Frame>>) {
        while let Some((score, steadiness)) = self.detector.next(self.activity.speech_level()) {
            let (from, to) = (self.start_of(self.frames), self.start_of(self.frames + 1));
            let employee = swing(self.employee.samples(from, to));
            let other = swing(self.other.samples(from, to));
            self.frames += 1;
            if let Some(frame) = self.activity.push(Measured { employee, other, score, steadiness }) {
                self.sort(frame, trace);
            }
            if self.activity.anybody_heard() {
                self.likeness.add(employee, other);
            }
        }
        let needed = self.start_of(self.frames.saturating_sub(HORIZON as u64));
        self.employee.forget(needed);
        self.other.forget(needed);
    }

    /// Puts a frame that is understood where it belongs.
    fn sort(&mut self, frame: Frame, trace: &mut Option<Vec<Frame>>) {
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

    /// Where a frame begins, in samples of the call.
    fn start_of(&self, frame: u64) -> u64 {
        // 16 ms are 2/125 s.
        frame * u64::from(self.rate) * 2 / 125
    }
}

/// The last samples of one channel.
struct Track {
    resampler: Option<Resampler>,
    samples: Vec<f32>,
    /// Number of the first of them in the call.
    first: u64,
}

impl Track {
    fn new(rate: u32, kept: u32) -> Self {
        let resampler = (rate != kept).then(|| Resampler::new(rate, kept));
        Self { resampler, samples: Vec::new(), first: 0 }
    }

    /// Takes samples; gives back what they became.
    fn push(&mut self, samples: &[f32]) -> &[f32] {
        let old = self.samples.len();
        match &mut self.resampler {
            Some(resampler) => resampler.push(samples, &mut self.samples),
            None => self.samples.extend_from_slice(samples),
        }
        &self.samples[old..]
    }

    fn finish(&mut self) -> &[f32] {
        let old = self.samples.len();
        if let Some(resampler) = &mut self.resampler {
            resampler.finish(&mut self.samples);
        }
        &self.samples[old..]
    }

    /// Those from one number to another, as far as they are there: a recording may lack the second channel.
    fn samples(&self, from: u64, to: u64) -> &[f32] {
        let place = |number: u64| (number.saturating_sub(self.first) as usize).min(self.samples.len());
        &self.samples[place(from)..place(to)]
    }

    /// Moves what remains only when as much again is forgotten, so that each sample is moved once.
    fn forget(&mut self, before: u64) {
        let forgotten = (before.saturating_sub(self.first) as usize).min(self.samples.len());
        if 2 * forgotten >= self.samples.len() {
            self.samples.drain(..forgotten);
            self.first += forgotten as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::super::NotAudio;
    use super::super::tests::calls::{Conversation, VOICES, chunk, format, noise, riff, wav_file};
    use super::super::wav::Encoding;
    use super::*;

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
        let empty = riff(&[chunk(b"fmt ", &format(7, 1, 8_000, 8)), chunk(b"data", &[])]);
        let take = take(one_party(), &empty).expect("it is a WAV");
        assert_eq!((take.counts.all, take.utterances.len(), take.alike_percent), (0, 0, 0.0));
        let stereo = riff(&[chunk(b"fmt ", &format(7, 2, 8_000, 8)), chunk(b"data", &[])]);
        assert_eq!(self::take(Origin::default(), &stereo).err(), Some(Problem::EmployeeChannelUnknown));
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
                let listening = call.listening.as_ref().expect("there is audio");
                let seconds = |track: &Track| track.samples.len() as f64 / f64::from(listening.rate);
                assert!(seconds(&listening.employee) < 9.0 && seconds(&listening.other) < 9.0);
            }
        }
    }
}
