//! The conditions under which the pipeline is measured, with a demand for each.

use crate::corpus::Corpus;
use crate::g711::Codec;
use crate::noise::NoiseKind;
use crate::plan::{CallPlan, Clipping, Layout, Side, Sound};
use crate::seconds;
use crate::tone::Tone;
use crate::wav::Encoding;

/// Calls that have something in common.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The name in the table.
    pub name: String,
    /// The calls, one for each voice of an employee.
    pub plans: Vec<CallPlan>,
    /// The encoding of the calls.
    pub encoding: Encoding,
    /// The demand on them.
    pub demand: Demand,
}

/// A demand on the pipeline. With each, the other party is at least 40 dB below the employee in a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Demand {
    /// The employee's speech is found: at least this precision, and this recall.
    Speech(f64, f64),
    /// Almost nothing is taken for speech, and there is no sample.
    NoSpeech,
    /// There is no sample; the reason has this code.
    Refusal(&'static str),
    /// There is no demand: the condition is only measured.
    Nothing,
}

/// The demand at a signal-to-noise ratio of 20 dB and better.
const CLEAR: Demand = Demand::Speech(0.95, 0.95);
/// The demand at 10 dB.
const NOISY: Demand = Demand::Speech(0.92, 0.95);

/// Sounds that are not speech, each at a usual level.
fn sounds(corpus: &Corpus) -> Vec<(String, Sound)> {
    let mut sounds = vec![
        ("ring 440+480 Hz".to_owned(), Sound::Tone(Tone::RingAmerican, -20.0)),
        ("ring 425 Hz".to_owned(), Sound::Tone(Tone::RingEuropean, -20.0)),
        ("DTMF".to_owned(), Sound::Tone(Tone::Dtmf, -15.0)),
        ("comfort noise".to_owned(), Sound::ComfortNoise(-45.0)),
        ("switched comfort noise".to_owned(), Sound::SwitchedComfortNoise(-50.0)),
        ("digital silence".to_owned(), Sound::DigitalSilence),
    ];
    let music = corpus.music.iter().enumerate();
    sounds.extend(music.map(|(number, music)| (music.name.replace('-', " "), Sound::Music(number, -23.0))));
    sounds
}

/// All conditions, each with a call of this length, in seconds, for each of these voices.
#[must_use]
pub fn all(corpus: &Corpus, employees: &[usize], length: f64) -> Vec<Condition> {
    let mut conditions = Conditions { corpus, employees, length, all: Vec::new() };
    conditions.noises();
    conditions.other_party();
    conditions.levels();
    conditions.formats();
    conditions.sounds();
    conditions.all
}

struct Conditions<'a> {
    corpus: &'a Corpus,
    employees: &'a [usize],
    length: f64,
    all: Vec<Condition>,
}

impl Conditions<'_> {
    fn add(&mut self, name: impl Into<String>, demand: Demand, vary: impl Fn(&mut CallPlan)) -> &mut Condition {
        let voices = self.corpus.voices.len();
        let plan = |&employee: &usize| {
            let other = (employee + 1) % voices;
            let mut plan = CallPlan::new(self.corpus, [employee, other], self.length, employee as u64);
            vary(&mut plan);
            plan
        };
        let plans = self.employees.iter().map(plan).collect();
        self.all.push(Condition { name: name.into(), plans, encoding: Encoding::Pcm16, demand });
        self.all.last_mut().expect("what was just added")
    }

    fn noises(&mut self) {
        self.add("clean", CLEAR, |plan| plan.employee.noise = None);
        for kind in [NoiseKind::Line, NoiseKind::White, NoiseKind::Pink, NoiseKind::Car, NoiseKind::Babble] {
            for snr_db in [30.0, 20.0, 15.0, 10.0, 5.0] {
                let demand = match snr_db {
                    // Babble is speech, which differs from the employee's only by its level.
                    _ if kind == NoiseKind::Babble => Demand::Nothing,
                    20.0.. => CLEAR,
                    10.0.. => NOISY,
                    _ => Demand::Nothing,
                };
                let name = format!("{} noise, {snr_db} dB", format!("{kind:?}").to_lowercase());
                self.add(name, demand, |plan| plan.employee.noise = Some((kind, snr_db)));
            }
        }
    }

    fn other_party(&mut self) {
        let corpus = self.corpus;
        for crosstalk_db in [-40.0, -30.0, -25.0, -20.0, -15.0] {
            let name = format!("crosstalk, {crosstalk_db} dB");
            self.add(name, CLEAR, |plan| plan.employee.crosstalk_db = Some(crosstalk_db));
        }
        for crosstalk_db in [-30.0, -20.0] {
            let name = format!("crosstalk of the employee, {crosstalk_db} dB");
            self.add(name, CLEAR, |plan| plan.other.crosstalk_db = Some(crosstalk_db));
        }
        self.add("crosstalk both ways, -25 dB", CLEAR, |plan| {
            (plan.employee.crosstalk_db, plan.other.crosstalk_db) = (Some(-25.0), Some(-25.0));
        });
        for difference in [10.0, -10.0] {
            self.add(format!("other party {difference:+} dB, crosstalk -25 dB"), CLEAR, |plan| {
                plan.other.dbfs += difference;
                plan.employee.crosstalk_db = Some(-25.0);
            });
        }
        // Frames in which both speak do not count as the employee's, and it is right to leave out a little more around
        // them.
        for share in [0.2, 0.5] {
            self.add(format!("double talk {} %, crosstalk -25 dB", share * 100.0), Demand::Nothing, |plan| {
                plan.talk(corpus, share);
                (plan.employee.crosstalk_db, plan.other.crosstalk_db) = (Some(-25.0), Some(-25.0));
            });
        }
    }

    fn levels(&mut self) {
        for dbfs in [-12.0, -35.0, -42.0] {
            self.add(format!("employee at {dbfs} dBFS"), CLEAR, |plan| plan.employee.dbfs = dbfs);
        }
        for (before_db, after_db) in [(6.0, 0.0), (20.0, 0.0), (20.0, -8.0)] {
            let name = match after_db {
                0.0 => format!("clipped after {before_db:+} dB"),
                _ => format!("clipped after {before_db:+} dB, then {after_db:+} dB"),
            };
            let demand = if before_db > 10.0 { Demand::Refusal("sample_clipped") } else { CLEAR };
            self.add(name, demand, |plan| plan.employee.clipping = Some(Clipping { before_db, after_db }));
        }
    }

    fn formats(&mut self) {
        self.add("employee in the second channel", CLEAR, |plan| plan.layout = Layout::EmployeeSecond);
        self.add("without band limit and codec", CLEAR, |plan| {
            (plan.band_limited, plan.codec) = (false, Codec::Linear);
        });
        self.add("A-law", CLEAR, |plan| plan.codec = Codec::ALaw);
        self.add("WAV of µ-law", CLEAR, |plan| plan.codec = Codec::Linear).encoding = Encoding::MuLaw;
        self.add("WAV of A-law", CLEAR, |plan| plan.codec = Codec::Linear).encoding = Encoding::ALaw;
        for (name, layout) in [("mono mix", Layout::Mono), ("fake stereo", Layout::FakeStereo)] {
            self.add(name, Demand::Refusal("sample_mixed_speakers"), |plan| plan.layout = layout);
        }
    }

    fn sounds(&mut self) {
        for (name, sound) in sounds(self.corpus) {
            // This is so when the employee is called, or one party puts the other on hold.
            self.add(format!("{name}, a third of the call"), CLEAR, |plan| {
                let third = seconds(plan.frames) / 3.0;
                plan.interrupt(Side::Employee, sound, third, third);
            });
            self.add(format!("{name}, nothing else"), Demand::NoSpeech, |plan| {
                plan.employee.noise = None;
                plan.turns.clear();
                plan.interrupt(Side::Employee, sound, 1.0, seconds(plan.frames) - 2.0);
            });
        }
        self.add("line noise, nothing else", Demand::NoSpeech, |plan| plan.turns.clear());
        self.add("the other party, nothing else", Demand::NoSpeech, |plan| {
            plan.turns.retain(|turn| turn.side == Side::Other);
            plan.employee.crosstalk_db = Some(-25.0);
        });
    }
}
