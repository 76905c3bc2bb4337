//! Compares the pipeline's results under a condition with the labels.

use std::collections::BTreeMap;

use sample::{Assembly, Call, Channel, Class, Origin, Piece, Report, Sample, Verdict};

use crate::conditions::{Condition, Demand};
use crate::corpus::Corpus;
use crate::plan::{CallPlan, Layout};
use crate::render::{Render, Samples};
use crate::score::Agreement;
use crate::seconds;
use crate::wav::Encoding;

/// The largest level of the other party in a sample, in dB relative to the employee.
const MOST_LEAKAGE: f64 = -40.0;
/// The largest share of the frames that may be taken for speech in a call without speech.
const FEW: f64 = 0.05;

/// The results of the calls of a condition.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The agreement of the frames in which the employee speaks alone with those that were taken for it. Calls that
    /// were not read to their end do not count.
    pub agreement: Agreement,
    /// The number of calls that gave a sample.
    pub samples: usize,
    /// The energy of the other party's voice in a sample relative to the employee's, in dB, in the worst of the
    /// samples. `None` if the other party is in none.
    pub leakage_db: Option<f64>,
    /// Seconds of speech that were found in all calls.
    pub speech_seconds: f64,
    /// Seconds of all samples.
    pub sample_seconds: f64,
    /// The number of calls with each verdict, or with each code of a reason for having no sample.
    pub verdicts: BTreeMap<String, usize>,
}

impl Outcome {
    /// True if the demand is met.
    #[must_use]
    pub fn meets(&self, demand: Demand) -> bool {
        let at_least = |figure: Option<f64>, least: f64| figure.is_some_and(|figure| figure >= least);
        let clean = self.leakage_db.is_none_or(|leakage| leakage <= MOST_LEAKAGE);
        clean
            && match demand {
                Demand::Speech(precision, recall) => {
                    at_least(self.agreement.precision(), precision) && at_least(self.agreement.recall(), recall)
                }
                Demand::NoSpeech => {
                    self.samples == 0 && self.agreement.false_alarm_share().is_none_or(|share| share <= FEW)
                }
                Demand::Refusal(code) => self.samples == 0 && self.verdicts.keys().eq([code]),
                Demand::Nothing => true,
            }
    }

    fn add(&mut self, Heard { call, classes, sample }: Heard) {
        if let Some(classes) = classes {
            let found = classes.iter().filter(|class| **class == Class::Speech).count();
            self.speech_seconds += seconds(found);
            // Frames at the very end that were not classified count as not taken.
            let taken = classes.iter().map(|class| *class == Class::Speech).chain(std::iter::repeat(false));
            self.agreement += Agreement::of(call.employee_alone.iter().copied().zip(taken));
        }
        let verdict = match sample {
            Ok(sample) => {
                self.samples += 1;
                self.leakage_db = self.leakage_db.into_iter().chain(call.leakage_db(&sample.pieces)).reduce(f64::max);
                self.sample_seconds += sample.report.sample_seconds;
                match sample.report.verdict {
                    Verdict::Good => "good",
                    Verdict::Usable => "usable",
                    Verdict::Refused => "refused",
                }
            }
            Err(report) => report.problem.map_or("refused", |problem| problem.code()),
        };
        *self.verdicts.entry(verdict.to_owned()).or_default() += 1;
    }
}

/// Renders a condition's calls and has the pipeline read them.
#[must_use]
pub fn measure(corpus: &Corpus, condition: &Condition) -> Outcome {
    let mut outcome = Outcome::default();
    for plan in &condition.plans {
        outcome.add(hear(corpus, plan, condition.encoding));
    }
    outcome
}

/// The sample of a call, if there is one.
#[must_use]
pub fn sample_of(corpus: &Corpus, plan: &CallPlan, encoding: Encoding) -> Option<Sample> {
    hear(corpus, plan, encoding).sample.ok()
}

/// A call, and what the pipeline made of it.
struct Heard {
    call: LabelledCall,
    /// The class of each frame; `None` if the call was not read to its end.
    classes: Option<Vec<Class>>,
    sample: Result<Sample, Box<Report>>,
}

fn hear(corpus: &Corpus, plan: &CallPlan, encoding: Encoding) -> Heard {
    let mut reading = Call::traced(origin(plan.layout));
    let call = LabelledCall::play(corpus, plan, encoding, |bytes| {
        // A problem is not lost here: `finish` gives it again.
        let _ = reading.push(bytes);
    });
    let mut take = reading.finish();
    let trace = take.as_mut().ok().and_then(|take| take.trace.take());
    let classes = trace.map(|frames| frames.iter().map(|frame| frame.class).collect());
    let mut assembly = Assembly::default();
    assembly.add(take);
    Heard { call, classes, sample: assembly.finish() }
}

/// The origin of a call with this layout, as Twilio and the deployment would describe it.
#[must_use]
pub fn origin(layout: Layout) -> Origin {
    let usual = if layout == Layout::EmployeeSecond { Channel::Second } else { Channel::First };
    Origin {
        track: Some("both".to_owned()),
        source: Some("DialVerb".to_owned()),
        employee_channel: None,
        usual_channel: Some(usual),
    }
}

/// The labels of a call, frame by frame.
struct LabelledCall {
    employee_alone: Vec<bool>,
    own: Vec<f64>,
    foreign: Vec<f64>,
}

impl LabelledCall {
    /// Passes the bytes of a call's WAV on, and keeps the labels.
    fn play(corpus: &Corpus, plan: &CallPlan, encoding: Encoding, mut on_bytes: impl FnMut(&[u8])) -> Self {
        let energy = |samples: &Samples| samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>();
        let mut call = Self { employee_alone: Vec::new(), own: Vec::new(), foreign: Vec::new() };
        on_bytes(&encoding.header(plan));
        for frame in Render::new(corpus, plan) {
            call.employee_alone.push(frame.employee && !frame.other);
            call.own.push(energy(&frame.own));
            call.foreign.push(energy(&frame.foreign));
            on_bytes(&encoding.bytes(&frame));
        }
        call
    }

    /// The energy of the other party relative to the employee's in the stretches that were taken, in dB; `None` if the
    /// other party is not in them.
    fn leakage_db(&self, pieces: &[Piece]) -> Option<f64> {
        let taken = |energies: &[f64]| -> f64 {
            pieces.iter().flat_map(|piece| &energies[piece.first_frame as usize..piece.end_frame as usize]).sum()
        };
        let (foreign, own) = (taken(&self.foreign), taken(&self.own));
        (foreign > 0.0).then(|| 10.0 * (foreign / own).log10())
    }
}

/// The head of the table.
pub const TABLE_HEAD: &str = "\
| condition                                     | precision | recall | leakage, dB | speech, s | samples, s | verdicts
|-----------------------------------------------|----------:|-------:|------------:|----------:|-----------:|----------";

/// The condition's line in the table. A demand that is not met is marked.
#[must_use]
pub fn table_line(condition: &Condition, outcome: &Outcome) -> String {
    let share = |share: Option<f64>| share.map_or("–".to_owned(), |share| format!("{share:.3}"));
    let leakage = match outcome.leakage_db {
        _ if outcome.samples == 0 => "–".to_owned(),
        // A level that is below the resolution of 16 bits counts as none.
        None | Some(..-100.0) => "none".to_owned(),
        Some(leakage) => format!("{leakage:.1}"),
    };
    let verdicts: Vec<String> = outcome.verdicts.iter().map(|(verdict, times)| format!("{times} {verdict}")).collect();
    let failed = if outcome.meets(condition.demand) { "" } else { " **not as demanded**" };
    format!(
        "| {:<45} | {:>9} | {:>6} | {leakage:>11} | {:>9.0} | {:>10.0} | {}{failed}",
        condition.name,
        share(outcome.agreement.precision()),
        share(outcome.agreement.recall()),
        outcome.speech_seconds,
        outcome.sample_seconds,
        verdicts.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(found: usize, missed: usize, false_alarms: usize) -> Outcome {
        let agreement = Agreement { found, missed, false_alarms, rejected: 1_000 };
        Outcome { agreement, samples: 1, ..Outcome::default() }
    }

    #[test]
    fn both_precision_and_recall_are_demanded() {
        let demand = Demand::Speech(0.92, 0.95);
        assert!(outcome(950, 50, 82).meets(demand));
        assert!(!outcome(949, 51, 82).meets(demand));
        assert!(!outcome(950, 50, 83).meets(demand));
        assert!(!outcome(0, 0, 0).meets(demand), "nothing was measured");
    }

    #[test]
    fn whatever_is_demanded_the_other_party_must_not_be_in_the_sample() {
        for (leakage_db, is_met) in
            [(None, true), (Some(-40.0), true), (Some(-39.9), false), (Some(f64::INFINITY), false)]
        {
            assert_eq!(Outcome { leakage_db, ..outcome(1, 0, 0) }.meets(Demand::Nothing), is_met, "{leakage_db:?}");
        }
    }

    #[test]
    fn where_nobody_speaks_there_is_no_sample_and_where_it_is_refused_it_is_for_the_reason() {
        assert!(!outcome(0, 0, 0).meets(Demand::NoSpeech));
        assert!(Outcome { samples: 0, ..outcome(0, 0, 50) }.meets(Demand::NoSpeech));
        assert!(!Outcome { samples: 0, ..outcome(0, 0, 60) }.meets(Demand::NoSpeech));
        let refused =
            |code: &str| Outcome { samples: 0, verdicts: BTreeMap::from([(code.to_owned(), 7)]), ..Outcome::default() };
        assert!(refused("sample_clipped").meets(Demand::Refusal("sample_clipped")));
        assert!(!refused("sample_too_short").meets(Demand::Refusal("sample_clipped")));
    }

    #[test]
    fn leakage_is_what_the_taken_frames_hold() {
        let call =
            LabelledCall { employee_alone: vec![true; 4], own: vec![1.0; 4], foreign: vec![0.0, 0.0, 2e-4, 1.0] };
        let piece = |first_frame, end_frame| Piece { recording: 0, first_frame, end_frame, from: 0, to: 0, gain: 1.0 };
        assert_eq!(call.leakage_db(&[piece(0, 2)]), None);
        assert!((call.leakage_db(&[piece(0, 1), piece(2, 3)]).unwrap() + 40.0).abs() < 1e-9);
    }
}
