//! Compares voice activity detectors on the employee's channel. The choice of the pipeline's detector rests on this.

use std::fmt::{self, Write};

use earshot::Detector;

use crate::conditions::{Condition, Demand};
use crate::corpus::Corpus;
use crate::plan::Layout;
use crate::render::Render;
use crate::score::Agreement;
use crate::{FRAME, amplitude, conditions, decibels, rms};

/// Length of the calls, in seconds.
const CALL: f64 = 60.0;
/// Gains before `earshot`, in dB, since its score depends on the absolute level.
const GAINS: [f32; 3] = [0.0, -6.0, -12.0];
/// Thresholds of the score of `earshot`, from which on a frame counts as speech.
const THRESHOLDS: [f32; 3] = [0.4, 0.5, 0.6];

/// Measures the detectors under every condition in which there is speech to find, or none at all.
#[must_use]
pub fn report(corpus: &Corpus) -> String {
    let everybody: Vec<usize> = (0..corpus.voices.len()).collect();
    let mut report = String::new();
    let conditions = conditions::all(corpus, &everybody, CALL);
    write_report(corpus, &conditions, &mut report).expect("a string takes everything");
    report
}

fn write_report(corpus: &Corpus, conditions: &[Condition], report: &mut String) -> fmt::Result {
    writeln!(report, "Precision / recall, or the share of frames taken for speech where there is none.\n")?;
    write!(report, "{:<45}", "")?;
    for gain in GAINS {
        for threshold in THRESHOLDS {
            write!(report, " {:>13}", format!("{gain} dB, {threshold}"))?;
        }
    }
    writeln!(report, " {:>13}", "energy gate")?;
    for condition in conditions.iter().filter(|condition| !matches!(condition.demand, Demand::Refusal(_))) {
        write!(report, "{:<45}", condition.name)?;
        for agreement in agreements(corpus, condition) {
            let figure = |share: Option<f64>| format!("{:.3}", share.unwrap_or_default());
            let cell = match condition.demand {
                Demand::NoSpeech => figure(agreement.false_alarm_share()),
                _ => format!("{} / {}", figure(agreement.precision()), figure(agreement.recall())),
            };
            write!(report, " {cell:>13}")?;
        }
        writeln!(report)?;
    }
    Ok(())
}

/// The results of `earshot` at each gain and each threshold, and then of the gate.
fn agreements(corpus: &Corpus, condition: &Condition) -> Vec<Agreement> {
    let mut agreements = vec![Agreement::default(); GAINS.len() * THRESHOLDS.len() + 1];
    for plan in &condition.plans {
        let mut detectors = GAINS.map(Earshot::new);
        let (mut scores, mut levels, mut labels) = (GAINS.map(|_| Vec::new()), Vec::new(), Vec::new());
        let employees = usize::from(plan.layout == Layout::EmployeeSecond);
        for frame in Render::new(corpus, plan) {
            let samples = frame.channels[employees].map(|sample| f32::from(sample) / 32_768.0);
            labels.push(frame.employee && !frame.other);
            levels.push(decibels(rms(&samples).max(1e-6)));
            scores.iter_mut().zip(&mut detectors).for_each(|(scores, detector)| scores.push(detector.score(&samples)));
        }
        let mut decisions: Vec<Vec<bool>> = Vec::new();
        for scores in &scores {
            decisions.extend(THRESHOLDS.map(|threshold| late(scores).map(|score| score >= threshold).collect()));
        }
        decisions.push(gate(&levels));
        for (agreement, decisions) in agreements.iter_mut().zip(decisions) {
            *agreement += Agreement::of(labels.iter().copied().zip(decisions));
        }
    }
    agreements
}

/// Shifts the scores of `earshot`, which answers two frames late.
fn late(scores: &[f32]) -> impl Iterator<Item = f32> {
    scores.iter().skip(2).copied().chain([0.0; 2])
}

/// A plain level gate. A frame is speech if it is 6 dB above the 10 % quantile of the call's levels, and within 30 dB
/// of the 95 % quantile.
fn gate(levels: &[f32]) -> Vec<bool> {
    let mut sorted = levels.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = |share: f64| sorted[(share * (sorted.len() - 1) as f64) as usize];
    let threshold = (at(0.1) + 6.0).max(at(0.95) - 30.0);
    levels.iter().map(|&level| level > threshold).collect()
}

/// `earshot` for audio at 8 kHz; it is made for 16 kHz.
struct Earshot {
    detector: Box<Detector>,
    gain: f32,
    taps: [f32; TAPS],
    /// The last samples of the frame before, and then this frame.
    samples: [f32; TAPS - 1 + FRAME],
}

/// The taps that are neither 0 nor ½ of a half-band low-pass of 47 taps (Kaiser window, β = 5). The filter is flat up
/// to 3400 Hz within 0.01 dB, and 55 dB down at the image of that, 4600 Hz.
const TAPS: usize = 24;

impl Earshot {
    fn new(gain_db: f32) -> Self {
        // The modified Bessel function of order zero, by its series.
        let bessel = |x: f64| {
            let term = |term: &mut f64, k: u32| {
                *term *= (x / 2.0 / f64::from(k)).powi(2);
                Some(*term)
            };
            1.0 + (1..20).scan(1.0, term).sum::<f64>()
        };
        let taps = std::array::from_fn(|n| {
            let centred = 2.0 * n as f64 - 23.0;
            let window = bessel(5.0 * (1.0 - (centred / 24.0).powi(2)).sqrt()) / bessel(5.0);
            let sinc = (std::f64::consts::FRAC_PI_2 * centred).sin() / (std::f64::consts::PI * centred);
            (2.0 * sinc * window) as f32
        });
        let samples = [0.0; TAPS - 1 + FRAME];
        Self { detector: Detector::default_boxed(), gain: amplitude(gain_db), taps, samples }
    }

    fn score(&mut self, frame: &[f32; FRAME]) -> f32 {
        self.samples.copy_within(FRAME.., 0);
        self.samples[TAPS - 1..].iter_mut().zip(frame).for_each(|(to, from)| *to = from * self.gain);
        let mut doubled = [0.0; 2 * FRAME];
        for (pair, past) in doubled.chunks_exact_mut(2).zip(self.samples.windows(TAPS)) {
            let between: f32 = past.iter().zip(&self.taps).map(|(sample, tap)| sample * tap).sum();
            (pair[0], pair[1]) = (between.clamp(-1.0, 1.0), past[TAPS / 2].clamp(-1.0, 1.0));
        }
        self.detector.predict_f32(&doubled)
    }
}
