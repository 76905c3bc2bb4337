//! Makes the samples of a plan, frame by frame.

use std::collections::VecDeque;

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use crate::corpus::{Corpus, Voice};
use crate::filter::TelephoneBand;
use crate::noise::{Noise, NoiseKind};
use crate::plan::{CallPlan, Event, Layout, Side, Sound, Turn};
use crate::{FRAME, amplitude, frames, rms};

/// The samples of one frame of one channel.
pub type Samples = [f32; FRAME];

/// The delay of the other party's crosstalk, in frames: 32 ms.
const ECHO: usize = 2;

/// A frame of a call.
#[derive(Debug, Clone)]
pub struct Frame {
    /// True if the employee speaks.
    pub employee: bool,
    /// True if the other party speaks.
    pub other: bool,
    /// The employee's voice in the channel that holds it, before clipping and codec.
    pub own: Samples,
    /// The other party's voice in that same channel.
    pub foreign: Samples,
    /// The recording's channels.
    pub channels: Vec<[i16; FRAME]>,
}

/// The frames of a call. The same plan gives the same ones.
#[derive(Debug)]
pub struct Render<'a> {
    plan: &'a CallPlan,
    frame: usize,
    employee: Line<'a>,
    other: Line<'a>,
}

impl<'a> Render<'a> {
    /// Begins a call. No frame is made yet.
    #[must_use]
    pub fn new(corpus: &'a Corpus, plan: &'a CallPlan) -> Self {
        let line = |side| Line { speech: Speech::new(corpus, plan, side), ambience: Ambience::new(corpus, plan, side) };
        Self { plan, frame: 0, employee: line(Side::Employee), other: line(Side::Other) }
    }
}

impl Iterator for Render<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        if self.frame == self.plan.frames {
            return None;
        }
        let [employee, other] = [&mut self.employee, &mut self.other].map(|line| line.speech.advance(self.frame));
        let [near, far] = [&mut self.employee, &mut self.other].map(|line| line.ambience.advance(self.frame));
        self.frame += 1;

        let in_employees = self.leak(Side::Employee, &other.echo);
        let in_others = self.leak(Side::Other, &employee.echo);
        let first = self.clipped(Side::Employee, sum([&employee.said, &in_employees, &near]));
        let second = self.clipped(Side::Other, sum([&other.said, &in_others, &far]));
        let coded = |samples: Samples| {
            samples.map(|sample| self.plan.codec.through((sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16))
        };
        let (foreign, channels) = match self.plan.layout {
            Layout::EmployeeFirst => (in_employees, vec![coded(first), coded(second)]),
            Layout::EmployeeSecond => (in_employees, vec![coded(second), coded(first)]),
            Layout::Mono => (other.said, vec![coded(sum([&first, &second]))]),
            Layout::FakeStereo => (other.said, vec![coded(sum([&first, &second])); 2]),
        };
        Some(Frame { employee: employee.speaks, other: other.speaks, own: employee.said, foreign, channels })
    }
}

impl Render<'_> {
    /// The crosstalk of the other side in this side's channel.
    fn leak(&self, side: Side, echo: &Samples) -> Samples {
        let gain = self.plan.party(side).crosstalk_db.map_or(0.0, amplitude);
        echo.map(|sample| sample * gain)
    }

    fn clipped(&self, side: Side, samples: Samples) -> Samples {
        let Some(clipping) = self.plan.party(side).clipping else { return samples };
        let (before, after) = (amplitude(clipping.before_db), amplitude(clipping.after_db));
        samples.map(|sample| (sample * before).clamp(-1.0, 1.0) * after)
    }
}

fn sum<const N: usize>(parts: [&Samples; N]) -> Samples {
    std::array::from_fn(|n| parts.iter().map(|part| part[n]).sum())
}

/// A party's line.
#[derive(Debug)]
struct Line<'a> {
    speech: Speech<'a>,
    ambience: Ambience<'a>,
}

/// The speech of a party.
#[derive(Debug)]
struct Speech<'a> {
    voice: &'a Voice,
    gain: f32,
    band: Option<TelephoneBand>,
    turns: VecDeque<&'a Turn>,
    echo: VecDeque<Samples>,
}

struct Said {
    speaks: bool,
    said: Samples,
    /// The speech of [`ECHO`] frames ago.
    echo: Samples,
}

impl<'a> Speech<'a> {
    fn new(corpus: &'a Corpus, plan: &'a CallPlan, side: Side) -> Self {
        let voice = &corpus.voices[plan.party(side).voice];
        let band = plan.band_limited.then(TelephoneBand::new);
        Self {
            voice,
            gain: amplitude(plan.party(side).dbfs) / speech_level(voice, band.clone()),
            band,
            turns: plan.turns.iter().filter(|turn| turn.side == side).collect(),
            echo: VecDeque::from(vec![[0.0; FRAME]; ECHO]),
        }
    }

    fn advance(&mut self, frame: usize) -> Said {
        while self.turns.front().is_some_and(|turn| turn.start + turn.frames <= frame) {
            self.turns.pop_front();
        }
        let turn = self.turns.front().filter(|turn| turn.start <= frame);
        let place = turn.map(|turn| turn.from + frame - turn.start);
        let clip = |place: usize| &self.voice.samples[place * FRAME..][..FRAME];
        let mut said: Samples = place.map_or([0.0; FRAME], |place| clip(place).try_into().expect("a whole frame"));
        for sample in &mut said {
            *sample = limit(&mut self.band, *sample * self.gain);
        }
        self.echo.push_back(said);
        let echo = self.echo.pop_front().expect("as many as were pushed");
        Said { speaks: place.is_some_and(|place| self.voice.speech[place]), said, echo }
    }
}

/// RMS of a voice over the frames labelled speech, after the band.
fn speech_level(voice: &Voice, mut band: Option<TelephoneBand>) -> f32 {
    let samples: Vec<f32> = voice.samples.iter().map(|&sample| limit(&mut band, sample)).collect();
    rms(samples.chunks_exact(FRAME).zip(&voice.speech).filter(|(_, speech)| **speech).flat_map(|(frame, _)| frame))
}

fn limit(band: &mut Option<TelephoneBand>, sample: f32) -> f32 {
    band.as_mut().map_or(sample, |band| band.process(sample))
}

/// The noise and the events in a party's channel.
#[derive(Debug)]
struct Ambience<'a> {
    corpus: &'a Corpus,
    /// The events, each with the gain that gives it its level.
    events: Vec<(&'a Event, f32)>,
    noise: Option<Noise<'a>>,
    noise_level: f32,
    comfort_noise: Noise<'a>,
    switch: Switch,
    band: Option<TelephoneBand>,
}

impl<'a> Ambience<'a> {
    fn new(corpus: &'a Corpus, plan: &'a CallPlan, side: Side) -> Self {
        let party = plan.party(side);
        let absent = move |(number, _): &(usize, &Voice)| ![plan.employee.voice, plan.other.voice].contains(number);
        let noise = |kind, salt| {
            let voices = corpus.voices.iter().enumerate().filter(absent).map(|(_, voice)| voice);
            Noise::new(kind, plan.band_limited, seed(plan, side, salt), voices)
        };
        Self {
            corpus,
            events: plan
                .events
                .iter()
                .filter(|event| event.side == side)
                .map(|event| (event, gain(corpus, event.sound, plan.band_limited)))
                .collect(),
            noise: party.noise.map(|(kind, _)| noise(kind, 1)),
            noise_level: party.noise.map_or(0.0, |(_, snr_db)| amplitude(party.dbfs - snr_db)),
            comfort_noise: noise(NoiseKind::Line, 2),
            switch: Switch::new(seed(plan, side, 3)),
            band: plan.band_limited.then(TelephoneBand::new),
        }
    }

    fn advance(&mut self, frame: usize) -> Samples {
        self.switch.advance();
        let mut samples = [0.0; FRAME];
        if let Some(noise) = &mut self.noise {
            samples.fill_with(|| noise.next_sample() * self.noise_level);
        }
        for &(event, gain) in &self.events {
            if !(event.start..event.start + event.frames).contains(&frame) {
                continue;
            }
            let since = (frame - event.start) * FRAME;
            match event.sound {
                Sound::Tone(tone, _) => {
                    add(&mut samples, |n| limit(&mut self.band, tone.at(since + n) * gain));
                }
                Sound::Music(number, _) => {
                    let music = &self.corpus.music[number].samples;
                    add(&mut samples, |n| limit(&mut self.band, music[(since + n) % music.len()] * gain));
                }
                Sound::SwitchedComfortNoise(_) if !self.switch.on => {}
                Sound::ComfortNoise(_) | Sound::SwitchedComfortNoise(_) => {
                    add(&mut samples, |_| self.comfort_noise.next_sample() * gain);
                }
                Sound::DigitalSilence => samples.fill(0.0),
            }
        }
        samples
    }
}

/// The gain that brings a sound to the level that it is to have after the band.
fn gain(corpus: &Corpus, sound: Sound, band_limited: bool) -> f32 {
    match sound {
        Sound::Tone(tone, dbfs) => amplitude(dbfs) / tone.level(),
        Sound::Music(number, dbfs) => {
            let mut band = band_limited.then(TelephoneBand::new);
            let samples = &corpus.music[number].samples;
            let heard: Vec<f32> = samples.iter().map(|&sample| limit(&mut band, sample)).collect();
            amplitude(dbfs) / rms(&heard)
        }
        Sound::ComfortNoise(dbfs) | Sound::SwitchedComfortNoise(dbfs) => amplitude(dbfs),
        Sound::DigitalSilence => 0.0,
    }
}

fn add(samples: &mut Samples, mut more: impl FnMut(usize) -> f32) {
    samples.iter_mut().enumerate().for_each(|(n, sample)| *sample += more(n));
}

/// A separate seed for each random part.
fn seed(plan: &CallPlan, side: Side, salt: u64) -> u64 {
    plan.seed << 8 | salt << 1 | side as u64
}

/// A switch that is on and off in turn, for 0.2 to 1.5 s each.
#[derive(Debug)]
struct Switch {
    random: Pcg64Mcg,
    on: bool,
    left: usize,
}

impl Switch {
    fn new(seed: u64) -> Self {
        Self { random: Pcg64Mcg::seed_from_u64(seed), on: false, left: 0 }
    }

    fn advance(&mut self) {
        if self.left == 0 {
            self.on = !self.on;
            self.left = frames(0.2) + self.random.next_u32() as usize % frames(1.3);
        }
        self.left -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decibels;
    use crate::g711::Codec;
    use crate::plan::Clipping;
    use crate::tone::Tone;

    fn plan(corpus: &Corpus) -> CallPlan {
        let mut plan = CallPlan::new(corpus, [0, 1], 60.0, 1);
        plan.codec = Codec::Linear;
        plan
    }

    fn frames_of(corpus: &Corpus, plan: &CallPlan) -> Vec<Frame> {
        Render::new(corpus, plan).collect()
    }

    /// Level of a channel over the frames that are wanted, in dBFS.
    fn level(frames: &[Frame], channel: usize, wanted: impl Fn(&Frame) -> bool) -> f32 {
        let samples: Vec<f32> = frames
            .iter()
            .filter(|frame| wanted(frame))
            .flat_map(|frame| frame.channels[channel].map(|sample| f32::from(sample) / 32_768.0))
            .collect();
        decibels(rms(&samples))
    }

    #[test]
    fn the_same_plan_gives_the_same_call() {
        let corpus = Corpus::load();
        let mut plan = plan(&corpus);
        let channels = |plan: &CallPlan| Render::new(&corpus, plan).map(|frame| frame.channels).collect::<Vec<_>>();
        let call = channels(&plan);
        assert_eq!(channels(&plan), call);
        plan.seed += 1;
        assert_ne!(channels(&plan), call);
    }

    #[test]
    fn speech_and_noise_have_the_levels_that_were_asked_for() {
        let corpus = Corpus::load();
        for kind in [NoiseKind::White, NoiseKind::Pink, NoiseKind::Car, NoiseKind::Line, NoiseKind::Babble] {
            let mut plan = plan(&corpus);
            plan.employee.noise = None;
            let clean = level(&frames_of(&corpus, &plan), 0, |frame| frame.employee);
            // A minute of speech is only a part of the clip, so its level differs a little.
            assert!((clean + 23.0).abs() < 1.0, "{clean} dBFS");
            plan.turns.clear();
            plan.employee.noise = Some((kind, 20.0));
            let noise = level(&frames_of(&corpus, &plan), 0, |_| true);
            assert!((noise + 43.0).abs() < 0.3, "{kind:?}: {noise} dBFS");
        }
    }

    #[test]
    fn each_party_is_in_its_own_channel_and_as_loud_in_the_others_as_was_asked_for() {
        let corpus = Corpus::load();
        let mut plan = plan(&corpus);
        (plan.employee.noise, plan.other.noise) = (None, None);
        let frames = frames_of(&corpus, &plan);
        let only_other = |frame: &Frame| frame.other && !frame.employee;
        assert!(level(&frames, 0, |frame| frame.employee) > -24.0);
        assert!(level(&frames, 0, only_other) < -90.0);
        plan.employee.crosstalk_db = Some(-20.0);
        plan.layout = Layout::EmployeeSecond;
        let frames = frames_of(&corpus, &plan);
        let leak = level(&frames, 1, only_other) - level(&frames, 0, only_other);
        assert!((leak + 20.0).abs() < 0.5, "{leak} dB");
        let foreign: Vec<f32> =
            frames.iter().filter(|frame| only_other(frame)).flat_map(|frame| frame.foreign).collect();
        assert!((decibels(rms(&foreign)) - level(&frames, 1, only_other)).abs() < 0.1);
    }

    #[test]
    fn clipping_cuts_at_full_scale_and_what_comes_after_lowers_the_cut() {
        let corpus = Corpus::load();
        let mut plan = plan(&corpus);
        plan.employee.clipping = Some(Clipping { before_db: 20.0, after_db: -6.0 });
        let samples: Vec<i16> = frames_of(&corpus, &plan).iter().flat_map(|frame| frame.channels[0]).collect();
        let highest = samples.iter().copied().max().unwrap_or(0);
        assert_eq!(highest, (32_767.0 * amplitude(-6.0)).round() as i16);
        assert!(samples.iter().filter(|&&sample| sample == highest).count() > 1_000);
    }

    #[test]
    fn a_mono_mix_and_fake_stereo_hold_both() {
        let corpus = Corpus::load();
        let mut plan = plan(&corpus);
        plan.layout = Layout::Mono;
        let mono = frames_of(&corpus, &plan);
        for wanted in [|frame: &Frame| frame.employee, |frame: &Frame| frame.other] {
            assert!(level(&mono, 0, wanted) > -24.5);
        }
        plan.layout = Layout::FakeStereo;
        for (mono, fake) in mono.iter().zip(frames_of(&corpus, &plan)) {
            assert_eq!([mono.channels[0]; 2], fake.channels[..]);
        }
    }

    #[test]
    fn an_event_sounds_in_its_time_and_channel_at_its_level() {
        let corpus = Corpus::load();
        let sounds = [Sound::Music(1, -30.0), Sound::ComfortNoise(-30.0), Sound::Tone(Tone::Dtmf, -33.0)];
        for (sound, expected) in sounds.into_iter().zip([-30.0, -30.0, -36.0]) {
            let mut plan = plan(&corpus);
            plan.interrupt(Side::Other, sound, 20.0, 18.0);
            let call = frames_of(&corpus, &plan);
            let during = &call[frames(20.0)..frames(38.0)];
            assert!((level(during, 1, |_| true) - expected).abs() < 0.5, "{sound:?}: {}", level(during, 1, |_| true));
            assert!(level(during, 0, |_| true) < -60.0);
            assert!(level(&call[frames(39.0)..], 1, |frame| !frame.other) < -50.0);
        }
    }
}
