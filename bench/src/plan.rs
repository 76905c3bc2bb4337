//! The plan of a call, from which its samples are made.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use crate::corpus::{Corpus, Voice};
use crate::frames;
use crate::g711::Codec;
use crate::noise::NoiseKind;
use crate::tone::Tone;

/// One of the two parties, and the channel that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The party whose voice is wanted.
    Employee,
    /// The party whose voice must not be in the sample.
    Other,
}

/// The plan of a call. Times are in frames of 16 ms, levels are RMS in dBFS with a full scale of 1.
#[derive(Debug, Clone)]
pub struct CallPlan {
    /// The length.
    pub frames: usize,
    /// The seed of everything random.
    pub seed: u64,
    /// The employee, and the employee's channel.
    pub employee: Party,
    /// The other party, and its channel.
    pub other: Party,
    /// The turns of both parties, in order. Turns of the same side never overlap.
    pub turns: Vec<Turn>,
    /// The sounds that are not speech.
    pub events: Vec<Event>,
    /// The content of the recording's channels.
    pub layout: Layout,
    /// True if voices, noises and events go through the telephone's band, 300 to 3400 Hz.
    pub band_limited: bool,
    /// The codec of the network that the samples pass through.
    pub codec: Codec,
}

/// One party and its channel.
#[derive(Debug, Clone)]
pub struct Party {
    /// Number of its voice in the corpus.
    pub voice: usize,
    /// Level of its speech, over the frames that are labelled speech.
    pub dbfs: f32,
    /// The noise in its channel, with the signal-to-noise ratio in dB. The powers are measured after the band, that of
    /// speech over the frames labelled speech. Without noise, pauses are digital silence.
    pub noise: Option<(NoiseKind, f32)>,
    /// The level of the *other* party in this channel, in dB of its level in its own.
    pub crosstalk_db: Option<f32>,
    /// The clipping of this channel.
    pub clipping: Option<Clipping>,
}

/// Clipping at full scale. A gain after it hides the clipping from a detector that looks only at full scale.
#[derive(Debug, Clone, Copy)]
pub struct Clipping {
    /// Gain before the cut, in dB.
    pub before_db: f32,
    /// Gain after it, in dB.
    pub after_db: f32,
}

/// A stretch of one party's speech.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// The party that speaks.
    pub side: Side,
    /// First frame in the call.
    pub start: usize,
    /// First frame in the voice's clip.
    pub from: usize,
    /// The length.
    pub frames: usize,
}

/// A sound that is not speech.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// The sound.
    pub sound: Sound,
    /// The party in whose channel it sounds.
    pub side: Side,
    /// First frame.
    pub start: usize,
    /// The length.
    pub frames: usize,
}

/// The sound of an event, and its level while it sounds, after the band.
#[derive(Debug, Clone, Copy)]
pub enum Sound {
    /// A tone of the line.
    Tone(Tone, f32),
    /// Music, by its number in the corpus.
    Music(usize, f32),
    /// Comfort noise.
    ComfortNoise(f32),
    /// Comfort noise that comes and goes every 0.2 to 1.5 s, as where the far end suppresses silence.
    SwitchedComfortNoise(f32),
    /// Digital silence, without even noise.
    DigitalSilence,
}

/// The content of the recording's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The employee in the first channel, the other party in the second.
    EmployeeFirst,
    /// The other party in the first channel, the employee in the second.
    EmployeeSecond,
    /// One channel with the sum of both.
    Mono,
    /// Two channels, each with the sum of both.
    FakeStereo,
}

impl CallPlan {
    /// The basic call, of which all others are variations: two people take turns at −23 dBFS, 40 dB above the noise of
    /// their lines, through the band and µ-law. The employee is in the first channel.
    #[must_use]
    pub fn new(corpus: &Corpus, [employee, other]: [usize; 2], seconds: f64, seed: u64) -> Self {
        assert_ne!(employee, other, "nobody calls themselves");
        let noise = Some((NoiseKind::Line, 40.0));
        let party = |voice| Party { voice, dbfs: -23.0, noise, crosstalk_db: None, clipping: None };
        let mut plan = Self {
            frames: frames(seconds),
            seed,
            employee: party(employee),
            other: party(other),
            turns: Vec::new(),
            events: Vec::new(),
            layout: Layout::EmployeeFirst,
            band_limited: true,
            codec: Codec::MuLaw,
        };
        plan.talk(corpus, 0.0);
        plan
    }

    /// Fills the call with turns of about 2 to 7 s, with pauses of 0.2 to 1.2 s between them. If `double_talk` is not
    /// 0, each turn begins before the last one is over, so that both speak during this share of the turns.
    pub fn talk(&mut self, corpus: &Corpus, double_talk: f64) {
        let mut random = Pcg64Mcg::seed_from_u64(self.seed);
        let mut between = |least: f64, most: f64| {
            let chance = f64::from(random.next_u32()) / f64::from(u32::MAX);
            frames(least + (most - least) * chance)
        };
        let [employee, other] = [&self.employee, &self.other].map(|party| Reading::of(&corpus.voices[party.voice]));
        let mut speakers = [(Side::Employee, employee, 0), (Side::Other, other, 0)];
        self.turns.clear();
        let mut at = between(0.5, 1.5);
        loop {
            let (side, reading, silent_from) = &mut speakers[self.turns.len() % 2];
            let (from, frames) = reading.next(between(2.0, 7.0));
            let start = at.max(*silent_from);
            if start + frames > self.frames {
                return;
            }
            self.turns.push(Turn { side: *side, start, from, frames });
            *silent_from = start + frames;
            // A turn overlaps with others at its beginning and at its end, so each overlap is half of the share.
            let overlap = (double_talk / 2.0 * frames as f64) as usize;
            at = if overlap > 0 { start + frames - overlap } else { start + frames + between(0.2, 1.2) };
        }
    }

    /// Adds an event in one party's channel, during which nobody speaks. It begins at `from` and lasts `lasting`
    /// seconds.
    pub fn interrupt(&mut self, side: Side, sound: Sound, from: f64, lasting: f64) {
        let event = Event { sound, side, start: frames(from), frames: frames(lasting) };
        let end = event.start + event.frames;
        self.turns.retain(|turn| turn.start + turn.frames <= event.start || turn.start >= end);
        self.events.push(event);
    }

    /// The party on a side.
    #[must_use]
    pub fn party(&self, side: Side) -> &Party {
        match side {
            Side::Employee => &self.employee,
            Side::Other => &self.other,
        }
    }
}

/// Cuts a clip into turns at its quietest places, from its beginning to its end, and then again.
struct Reading<'a> {
    voice: &'a Voice,
    next: usize,
}

impl<'a> Reading<'a> {
    fn of(voice: &'a Voice) -> Self {
        Self { voice, next: 0 }
    }

    /// The beginning and the length of the next stretch, of about this many frames.
    fn next(&mut self, about: usize) -> (usize, usize) {
        let (from, end) = (self.next, self.voice.speech.len());
        let quietest = |cuts: std::ops::Range<usize>| {
            let power = |cut: usize| self.voice.powers[cut - 2..cut + 2].iter().sum::<f32>();
            cuts.min_by(|&a, &b| power(a).total_cmp(&power(b)))
        };
        let latest = from + about * 3 / 2;
        let cut = if latest + 2 < end { quietest(from + about / 2..latest) } else { None };
        self.next = cut.unwrap_or(0);
        (from, cut.unwrap_or(end) - from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seconds;

    fn both_speak(plan: &CallPlan) -> f64 {
        let spoken = |side: Side, frame: usize| {
            let covers = |turn: &Turn| turn.side == side && (turn.start..turn.start + turn.frames).contains(&frame);
            plan.turns.iter().any(covers)
        };
        let both = (0..plan.frames).filter(|&n| spoken(Side::Employee, n) && spoken(Side::Other, n)).count();
        let any = (0..plan.frames).filter(|&n| spoken(Side::Employee, n) || spoken(Side::Other, n)).count();
        both as f64 / any as f64
    }

    #[test]
    fn turns_overlap_only_where_they_are_to() {
        let corpus = Corpus::load();
        let mut plan = CallPlan::new(&corpus, [0, 1], 120.0, 1);
        assert_eq!(both_speak(&plan), 0.0);
        for share in [0.2, 0.4] {
            plan.talk(&corpus, share);
            assert!((0.4..1.0).contains(&(both_speak(&plan) / share)), "{} of {share}", both_speak(&plan));
        }
    }

    #[test]
    fn both_have_their_share_and_nobody_says_two_things_at_once() {
        let corpus = Corpus::load();
        let mut plan = CallPlan::new(&corpus, [2, 5], 600.0, 3);
        plan.talk(&corpus, 0.5);
        for side in [Side::Employee, Side::Other] {
            let turns: Vec<&Turn> = plan.turns.iter().filter(|turn| turn.side == side).collect();
            assert!(turns.windows(2).all(|pair| pair[0].start + pair[0].frames <= pair[1].start));
            assert!(seconds(turns.iter().map(|turn| turn.frames).sum()) > 200.0);
        }
    }

    #[test]
    fn nobody_speaks_during_an_interruption() {
        let corpus = Corpus::load();
        let mut plan = CallPlan::new(&corpus, [0, 1], 120.0, 1);
        plan.interrupt(Side::Employee, Sound::DigitalSilence, 40.0, 20.0);
        let overlaps = |turn: &Turn| turn.start < frames(60.0) && turn.start + turn.frames > frames(40.0);
        assert!(!plan.turns.iter().any(overlaps));
        assert!(plan.turns.len() > 10);
    }
}
