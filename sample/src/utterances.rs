//! Stretches of the employee's speech, with their short pauses. If there are too many, the cleanest are taken.

use std::cmp::Ordering;
use std::collections::VecDeque;

use crate::amount;
use crate::decibel::decibels;
use crate::frame::{Class, FRAMES_PER_SECOND};
use crate::sums::ac_power;

/// Frames of a pause that are kept before and after speech: 0.19 s, so that no pause is longer than 0.4 s.
const MARGIN: usize = 12;
/// A pause of more frames than this is cut.
const LONGEST_PAUSE: usize = 2 * MARGIN;
/// The least frames of speech in a stretch, 0.3 s: shorter ones are scraps of words.
const SHORTEST: usize = 19;
/// The most frames of a stretch, 12 s. This bounds the memory and makes the choice fine enough.
const LONGEST: usize = 750;
/// Above this signal-to-noise ratio, in dB, nobody hears the noise, so the longer stretch is the better one.
const CLEAN: f64 = 30.0;
/// Samples above this are clipped. The highest value of µ-law is 0.98.
const FULL_SCALE: f32 = 0.979;

/// A stretch of a call in which the employee speaks.
#[derive(Debug, Clone)]
pub struct Utterance {
    /// The number of its first frame in the call.
    pub first_frame: u64,
    /// The class of each of its frames: [`Class::Speech`] or [`Class::Pause`].
    pub classes: Vec<Class>,
    /// The employee's channel as it was in the call, ±1 full scale.
    pub samples: Vec<f32>,
}

impl Utterance {
    /// The number of the frame after its last.
    pub fn end_frame(&self) -> u64 {
        self.first_frame + self.classes.len() as u64
    }

    /// Its frames, each with its samples.
    pub(crate) fn frames(&self) -> impl Iterator<Item = (Class, &[f32])> {
        let (frames, samples) = (self.classes.len(), self.samples.len());
        let cut = move |frame: usize| frame * samples / frames;
        self.classes.iter().enumerate().map(move |(n, &class)| (class, &self.samples[cut(n)..cut(n + 1)]))
    }

    /// The number of frames of speech.
    pub(crate) fn speech_frames(&self) -> usize {
        self.classes.iter().filter(|&&class| class == Class::Speech).count()
    }

    /// The quality by which stretches are chosen: the level of speech above that of pauses, in dB; much less if it is
    /// clipped.
    fn quality(&self) -> f64 {
        let level = |wanted: Class| {
            let frames = self.frames().filter(|&(class, _)| class == wanted);
            let (sum, count) =
                frames.fold((0.0, 0.0), |(sum, count), (_, samples)| (sum + ac_power(samples), count + 1.0));
            decibels(sum / f64::max(count, 1.0))
        };
        let clipped = self.samples.iter().filter(|sample| sample.abs() > FULL_SCALE).count();
        let clipped_per_cent = 100.0 * clipped as f64 / self.samples.len() as f64;
        // A stretch without a pause cannot be measured, so it is neither preferred nor avoided.
        let has_pause = self.classes.contains(&Class::Pause);
        let clean = if has_pause { (level(Class::Speech) - level(Class::Pause)).min(CLEAN) } else { CLEAN / 2.0 };
        clean - CLEAN * clipped_per_cent.min(2.0)
    }
}

/// The best utterances, in the order of the call, together at most `frames` long.
pub(crate) fn best(utterances: Vec<Utterance>, frames: usize) -> Vec<Utterance> {
    let mut candidates: Vec<Candidate> = utterances.into_iter().map(Candidate::new).collect();
    drop_worst(&mut candidates, frames);
    let mut best: Vec<Utterance> = candidates.into_iter().map(|candidate| candidate.utterance).collect();
    best.sort_by_key(|utterance| utterance.first_frame);
    best
}

/// Drops the worst until the rest is at most `frames` long.
fn drop_worst(candidates: &mut Vec<Candidate>, frames: usize) {
    candidates.sort_by(Candidate::rank);
    let mut length: usize = candidates.iter().map(|candidate| candidate.utterance.classes.len()).sum();
    while length > frames
        && let Some(worst) = candidates.pop()
    {
        length -= worst.utterance.classes.len();
    }
}

/// Collects utterances from the frames of a call. It holds only the best ones and the one that is going on.
#[derive(Default)]
pub struct Utterances {
    frame: u64,
    /// The pause before the next utterance, up to [`MARGIN`] frames.
    lead: VecDeque<Vec<f32>>,
    open: Option<Open>,
    kept: Vec<Candidate>,
}

struct Open {
    utterance: Utterance,
    /// The index of the first sample of each frame, so that a pause can be cut off again.
    starts: Vec<usize>,
    pause: usize,
}

struct Candidate {
    quality: f64,
    utterance: Utterance,
}

impl Candidate {
    fn new(utterance: Utterance) -> Self {
        Self { quality: utterance.quality(), utterance }
    }

    /// Orders the better candidate first.
    fn rank(&self, other: &Self) -> Ordering {
        let by_length = || other.utterance.classes.len().cmp(&self.utterance.classes.len());
        let by_time = || self.utterance.first_frame.cmp(&other.utterance.first_frame);
        other.quality.total_cmp(&self.quality).then_with(by_length).then_with(by_time)
    }
}

impl Utterances {
    /// Takes the class and the samples of the next frame.
    pub fn push(&mut self, class: Class, samples: &[f32]) {
        match (class, &mut self.open) {
            (Class::Speech, open) => {
                let frame = self.frame;
                let open = open.get_or_insert_with(|| Open::after(&mut self.lead, frame));
                open.append(class, samples);
                if open.utterance.classes.len() >= LONGEST {
                    self.close();
                }
            }
            (Class::Pause, Some(open)) => {
                open.append(class, samples);
                if open.pause > LONGEST_PAUSE {
                    self.close();
                }
            }
            (Class::Pause, None) => self.remember(samples.to_vec()),
            (Class::Sound | Class::OtherParty, _) => {
                self.close();
                self.lead.clear();
            }
        }
        self.frame += 1;
    }

    /// The best utterances, in the order of the call, together at most [`crate::LONGEST`] seconds.
    pub fn finish(mut self) -> Vec<Utterance> {
        self.close();
        self.kept.sort_by_key(|candidate| candidate.utterance.first_frame);
        self.kept.into_iter().map(|candidate| candidate.utterance).collect()
    }

    fn remember(&mut self, samples: Vec<f32>) {
        self.lead.push_back(samples);
        if self.lead.len() > MARGIN {
            self.lead.pop_front();
        }
    }

    fn close(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        let after = open.cut_pause();
        after.into_iter().for_each(|samples| self.remember(samples));
        if open.utterance.speech_frames() < SHORTEST {
            return;
        }
        self.kept.push(Candidate::new(open.utterance));
        drop_worst(&mut self.kept, (amount::LONGEST * FRAMES_PER_SECOND) as usize);
    }
}

impl Open {
    /// Begins an utterance at `frame`, with the pause before it.
    fn after(lead: &mut VecDeque<Vec<f32>>, frame: u64) -> Self {
        let first_frame = frame - lead.len() as u64;
        let utterance = Utterance { first_frame, classes: Vec::new(), samples: Vec::new() };
        let mut open = Self { utterance, starts: Vec::new(), pause: 0 };
        lead.drain(..).for_each(|samples| open.append(Class::Pause, &samples));
        open
    }

    fn append(&mut self, class: Class, samples: &[f32]) {
        self.pause = if class == Class::Pause { self.pause + 1 } else { 0 };
        self.starts.push(self.utterance.samples.len());
        self.utterance.classes.push(class);
        self.utterance.samples.extend_from_slice(samples);
    }

    /// Cuts the pause at the end down to [`MARGIN`]; gives back the frames that are cut off.
    fn cut_pause(&mut self) -> Vec<Vec<f32>> {
        let kept = self.starts.len() - self.pause.saturating_sub(MARGIN);
        let Some(&end) = self.starts.get(kept) else { return Vec::new() };
        self.starts.push(self.utterance.samples.len());
        let cut =
            self.starts[kept..].windows(2).map(|frame| self.utterance.samples[frame[0]..frame[1]].to_vec()).collect();
        self.utterance.classes.truncate(kept);
        self.utterance.samples.truncate(end);
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The utterances of frames given as `(class, how many)`, each frame's samples being its number.
    fn taken(runs: &[(Class, usize)]) -> Vec<Utterance> {
        let mut utterances = Utterances::default();
        let classes = runs.iter().flat_map(|&(class, frames)| std::iter::repeat_n(class, frames));
        classes.enumerate().for_each(|(n, class)| utterances.push(class, &[n as f32 / 1e6; 4]));
        let taken = utterances.finish();
        for utterance in &taken {
            for (n, (_, samples)) in utterance.frames().enumerate() {
                assert_eq!(samples, [(utterance.first_frame as usize + n) as f32 / 1e6; 4]);
            }
        }
        taken
    }

    fn spans(runs: &[(Class, usize)]) -> Vec<(u64, u64)> {
        taken(runs).iter().map(|utterance| (utterance.first_frame, utterance.end_frame())).collect()
    }

    const PAUSE: Class = Class::Pause;
    const SPEECH: Class = Class::Speech;

    #[test]
    fn speech_is_taken_with_a_little_of_the_pauses_around_it() {
        assert_eq!(spans(&[(PAUSE, 100), (SPEECH, 50), (PAUSE, 100)]), [(88, 162)]);
        assert_eq!(spans(&[(PAUSE, 5), (SPEECH, 50), (PAUSE, 5)]), [(0, 60)]);
        assert_eq!(spans(&[(SPEECH, 50)]), [(0, 50)]);
    }

    #[test]
    fn a_short_pause_stays_and_a_long_one_is_cut_to_the_same_length() {
        assert_eq!(spans(&[(SPEECH, 50), (PAUSE, 24), (SPEECH, 50)]), [(0, 124)]);
        assert_eq!(spans(&[(SPEECH, 50), (PAUSE, 25), (SPEECH, 50)]), [(0, 62), (63, 125)]);
        assert_eq!(spans(&[(SPEECH, 50), (PAUSE, 200), (SPEECH, 50)]), [(0, 62), (238, 300)]);
    }

    #[test]
    fn nothing_is_taken_of_what_is_no_speech_nor_of_pauses_before_it() {
        for class in [Class::Sound, Class::OtherParty] {
            assert_eq!(spans(&[(SPEECH, 50), (PAUSE, 5), (class, 1), (PAUSE, 3), (SPEECH, 50)]), [(0, 55), (56, 109)]);
            assert_eq!(spans(&[(SPEECH, 50), (PAUSE, 20), (class, 9), (SPEECH, 50)]), [(0, 62), (79, 129)]);
            assert_eq!(spans(&[(PAUSE, 50), (class, 100), (PAUSE, 50)]), []);
        }
    }

    #[test]
    fn scraps_of_words_are_left() {
        assert_eq!(spans(&[(PAUSE, 30), (SPEECH, 18), (PAUSE, 30)]), []);
        assert_eq!(spans(&[(PAUSE, 30), (SPEECH, 19), (PAUSE, 30)]), [(18, 61)]);
        assert_eq!(spans(&[(SPEECH, 10), (PAUSE, 3), (SPEECH, 9)]), [(0, 22)]);
    }

    #[test]
    fn who_speaks_without_a_pause_is_cut_every_12_s_without_loss() {
        assert_eq!(spans(&[(SPEECH, 1_600)]), [(0, 750), (750, 1_500), (1_500, 1_600)]);
    }

    #[test]
    fn of_a_long_call_two_minutes_are_kept() {
        let hour: Vec<(Class, usize)> = [(SPEECH, 200), (PAUSE, 50)].repeat(900);
        let taken = taken(&hour);
        let frames: usize = taken.iter().map(|utterance| utterance.classes.len()).sum();
        assert!((7_500 - 224..=7_500).contains(&frames), "{frames}");
        assert!(taken.is_sorted_by_key(|utterance| utterance.first_frame));
    }

    /// An utterance of ten seconds. Its speech and its pauses are square waves of these amplitudes.
    fn square(first_frame: u64, speech: f32, pause: f32) -> Utterance {
        let classes = [[SPEECH; 5], [PAUSE; 5]].concat().repeat(62);
        let amplitude = |class| if class == SPEECH { speech } else { pause };
        let samples = classes.iter().flat_map(|&class| [amplitude(class), -amplitude(class)]).collect();
        Utterance { first_frame, classes, samples }
    }

    fn best_of(utterances: [Utterance; 4], frames: usize) -> Vec<u64> {
        best(utterances.to_vec(), frames).iter().map(|utterance| utterance.first_frame).collect()
    }

    #[test]
    fn the_quality_of_a_stretch_is_its_speech_above_its_pauses_up_to_30_db() {
        assert!((square(0, 0.1, 0.01).quality() - 20.0).abs() < 0.01);
        assert_eq!(square(0, 0.5, 0.001).quality(), 30.0);
        assert_eq!(square(0, 0.1, 0.0).quality(), 30.0);
        // The level is the mean, however many the pauses are.
        let few = [&[SPEECH; 30][..], &[PAUSE; 2]].concat();
        let samples = few.iter().flat_map(|&class| if class == SPEECH { [0.1, -0.1] } else { [0.01, -0.01] });
        let few = Utterance { first_frame: 0, samples: samples.collect(), classes: few };
        assert!((few.quality() - 20.0).abs() < 0.01, "{}", few.quality());
        let without = Utterance { first_frame: 0, classes: vec![SPEECH; 10], samples: vec![0.1; 100] };
        assert_eq!(without.quality(), 15.0, "without a pause it is neither preferred nor avoided");
    }

    #[test]
    fn each_percent_of_clipped_samples_costs_30_db_up_to_two() {
        let with = |clipped: usize, value: f32| {
            let mut stretch = Utterance { first_frame: 0, classes: vec![SPEECH; 10], samples: vec![0.1; 1_000] };
            stretch.samples.iter_mut().take(clipped).for_each(|sample| *sample = value);
            stretch.quality()
        };
        assert_eq!([0, 5, 10, 20, 500].map(|clipped| with(clipped, -0.98)), [15.0, 0.0, -15.0, -45.0, -45.0]);
        assert_eq!(with(1_000, FULL_SCALE), 15.0, "only samples above the limit are clipped");
    }

    #[test]
    fn the_cleanest_are_chosen_and_kept_in_their_order() {
        let four =
            || [square(0, 0.1, 0.02), square(700, 0.1, 0.005), square(1_400, 0.1, 0.05), square(2_100, 0.1, 0.01)];
        assert_eq!(best_of(four(), 10_000), [0, 700, 1_400, 2_100]);
        assert_eq!(best_of(four(), 1_900), [0, 700, 2_100]);
        assert_eq!(best_of(four(), 1_240), [700, 2_100]);
        assert_eq!(best_of(four(), 1_239), [700]);
        assert!(best_of(four(), 0).is_empty());
    }

    #[test]
    fn a_clipped_stretch_comes_last() {
        let mut clipped = square(0, 1.0, 0.001);
        clipped.samples.iter_mut().skip(1).step_by(20).for_each(|sample| *sample *= 0.5);
        assert_eq!(
            best_of([clipped, square(700, 0.1, 0.01), square(1_400, 0.1, 0.01), square(2_100, 0.1, 0.02)], 1_900),
            [700, 1_400, 2_100]
        );
    }

    #[test]
    fn beyond_what_can_be_heard_the_longer_and_then_the_earlier_is_chosen() {
        let mut longer = square(2_100, 0.5, 0.001);
        longer.classes.extend([SPEECH; 20]);
        longer.samples.extend([0.5; 40]);
        let inaudible = [square(0, 0.5, 0.000_1), square(700, 0.5, 0.000_01), square(1_400, 0.5, 0.002), longer];
        assert_eq!(best_of(inaudible, 1_300), [0, 2_100]);
    }
}
