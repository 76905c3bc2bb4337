//! Calls to test with: the voices of the benchmark's corpus, taking turns over noise.

use std::f32::consts::PI;
use std::sync::LazyLock;

use fastrand::Rng;
use wav::g711::{A_LAW, MU_LAW};
use wav::{Encoding, Format, WavReader, header};

use crate::frame::Class;
use crate::resample::Resampler;
use crate::sums::ac_power;
use crate::utterances::Utterance;

/// Samples a second of the voices.
pub const RATE: u32 = 8_000;

/// The voices of four people, each talking for 36 s or more with pauses of half a second; ±1 full scale.
pub static VOICES: LazyLock<[Vec<f32>; 4]> = LazyLock::new(|| {
    [
        include_bytes!("../../../bench/corpus/allison.wav").as_slice(),
        include_bytes!("../../../bench/corpus/carlo.wav"),
        include_bytes!("../../../bench/corpus/june.wav"),
        include_bytes!("../../../bench/corpus/ve9qrp.wav"),
    ]
    .map(|wav| decode(wav).1)
});

/// The format and both channels of a WAV.
pub fn decode(wav: &[u8]) -> (Format, Vec<f32>, Vec<f32>) {
    let (mut reader, mut channels) = (WavReader::default(), (Vec::new(), Vec::new()));
    reader
        .push(wav, |_, first, second| {
            channels.0.extend_from_slice(first);
            channels.1.extend_from_slice(second);
        })
        .expect("a WAV");
    (reader.finish().expect("a whole header"), channels.0, channels.1)
}

/// A WAV file of one or two channels of the same length.
pub fn wav_file(encoding: Encoding, rate: u32, channels: &[&[f32]]) -> Vec<u8> {
    let format = Format { encoding, channels: channels.len(), rate };
    let mut samples = Vec::with_capacity(channels[0].len() * format.bytes_per_frame());
    for n in 0..channels[0].len() {
        channels.iter().for_each(|channel| encode(encoding, channel[n], &mut samples));
    }
    [header(format, samples.len() as u32), samples].concat()
}

fn encode(encoding: Encoding, sample: f32, bytes: &mut Vec<u8>) {
    let scaled = |full: f64| (f64::from(sample) * full).round().clamp(-full, full - 1.0) as i32;
    match encoding {
        Encoding::Pcm8 => bytes.push((scaled(128.0) + 128) as u8),
        Encoding::Pcm16 => bytes.extend_from_slice(&scaled(32_768.0).to_le_bytes()[..2]),
        Encoding::Pcm24 => bytes.extend_from_slice(&scaled(8_388_608.0).to_le_bytes()[..3]),
        Encoding::Pcm32 => bytes.extend_from_slice(&scaled(2_147_483_648.0).to_le_bytes()),
        Encoding::Float32 => bytes.extend_from_slice(&sample.to_le_bytes()),
        Encoding::Float64 => bytes.extend_from_slice(&f64::from(sample).to_le_bytes()),
        Encoding::ALaw => bytes.push(nearest(&A_LAW_CODES, scaled(32_768.0) as i16)),
        Encoding::MuLaw => bytes.push(nearest(&MU_LAW_CODES, scaled(32_768.0) as i16)),
    }
}

/// The samples of a code in ascending order, each with its code word.
type Codes = LazyLock<Vec<(i16, u8)>>;

static A_LAW_CODES: Codes = LazyLock::new(|| in_order(&A_LAW));
static MU_LAW_CODES: Codes = LazyLock::new(|| in_order(&MU_LAW));

fn in_order(table: &[i16; 256]) -> Vec<(i16, u8)> {
    let mut codes: Vec<(i16, u8)> = table.iter().copied().zip(0..=255).collect();
    codes.sort_unstable();
    codes
}

fn nearest(codes: &[(i16, u8)], sample: i16) -> u8 {
    let above = codes.partition_point(|&(value, _)| value < sample).min(codes.len() - 1);
    let near = &codes[above.saturating_sub(1)..=above];
    near.iter().min_by_key(|(value, _)| value.abs_diff(sample)).expect("one or two").1
}

/// Samples at another rate.
pub fn resampled(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let (mut resampler, mut output) = (Resampler::new(from, to), Vec::new());
    resampler.push(samples, &mut output);
    resampler.finish(&mut output);
    output
}

/// RMS over the samples that are not silence.
pub fn level(samples: &[f32]) -> f32 {
    let loud = || samples.iter().filter(|sample| sample.abs() > 1e-3);
    (loud().map(|sample| sample * sample).sum::<f32>() / loud().count().max(1) as f32).sqrt()
}

/// Uniform noise of this RMS and length.
pub fn noise(rng: &mut Rng, rms: f32, samples: usize) -> Vec<f32> {
    (0..samples).map(|_| rms * 3_f32.sqrt() * (2.0 * rng.f32() - 1.0)).collect()
}

/// Two parties, each on its line.
pub struct Conversation {
    pub rate: u32,
    pub employee: Vec<f32>,
    pub other: Vec<f32>,
}

impl Conversation {
    /// A random conversation of 80 s: two people take turns with pauses over noise, at any level. Now and then they
    /// speak at once, or a ringing tone is heard.
    pub fn random(rng: &mut Rng) -> Self {
        let employee = rng.usize(..VOICES.len());
        let other = (employee + rng.usize(1..VOICES.len())) % VOICES.len();
        let mut speakers = [Speaker::new(rng, employee), Speaker::new(rng, other)];
        let length = 80 * RATE as usize;
        let mut lines = [vec![0.0; length], vec![0.0; length]];
        let mut at = 0;
        while at < length {
            let speaker = usize::from(rng.u8(..10) >= 7);
            let turn = seconds(rng, 1.0, if speaker == 0 { 15.0 } else { 4.0 });
            speakers[speaker].say(&mut lines[speaker][at..length.min(at + turn)]);
            match rng.u8(..10) {
                0 => at += turn / 2, // the next one does not wait
                1 => {
                    let ringing = length.min(at + turn)..length.min(at + turn + seconds(rng, 0.5, 3.0));
                    at = ringing.end;
                    lines[rng.usize(..2)][ringing].iter_mut().enumerate().for_each(|(n, sample)| {
                        *sample += 0.1 * (2.0 * PI * 425.0 * n as f32 / RATE as f32).sin();
                    });
                }
                _ => at += turn + seconds(rng, 0.1, 1.5),
            }
        }
        for (line, speaker) in lines.iter_mut().zip(&speakers) {
            let (level, snr) = (decibels_to_factor(-40.0 + 28.0 * rng.f32()), 18.0 + 40.0 * rng.f32());
            let noise = noise(rng, level * decibels_to_factor(-snr), length);
            let offset = if rng.bool() { 0.0 } else { 0.02 * (rng.f32() - 0.5) };
            let gain = level / speaker.level;
            line.iter_mut().zip(noise).for_each(|(sample, noise)| {
                *sample = (*sample * gain + noise + offset).clamp(-0.95, 0.95);
            });
        }
        let [employee, other] = lines;
        Self { rate: RATE, employee, other }
    }

    /// The same conversation at another rate.
    pub fn at(self, rate: u32) -> Self {
        if rate == self.rate {
            return self;
        }
        let [employee, other] = [&self.employee, &self.other].map(|line| resampled(line, self.rate, rate));
        Self { rate, employee, other }
    }

    /// A recording whose first channel is the employee's.
    pub fn employee_first(&self, encoding: Encoding) -> Vec<u8> {
        wav_file(encoding, self.rate, &[&self.employee, &self.other])
    }

    /// A recording whose second channel is the employee's.
    pub fn employee_second(&self, encoding: Encoding) -> Vec<u8> {
        wav_file(encoding, self.rate, &[&self.other, &self.employee])
    }
}

struct Speaker {
    voice: &'static [f32],
    at: usize,
    level: f32,
}

impl Speaker {
    fn new(rng: &mut Rng, voice: usize) -> Self {
        let voice = &VOICES[voice];
        Self { voice, at: rng.usize(..voice.len()), level: level(voice) }
    }

    /// The voice goes on talking where it stopped.
    fn say(&mut self, line: &mut [f32]) {
        for sample in line {
            *sample += self.voice[self.at];
            self.at = (self.at + 1) % self.voice.len();
        }
    }
}

fn seconds(rng: &mut Rng, least: f32, most: f32) -> usize {
    ((least + (most - least) * rng.f32()) * RATE as f32) as usize
}

/// The ratio of amplitudes that a number of decibels stands for.
pub fn decibels_to_factor(decibels: f32) -> f32 {
    10_f32.powf(decibels / 20.0)
}

/// One stretch with these samples at 8 kHz. Its frames within 30 dB of its level are speech.
pub fn utterance(first_frame: u64, samples: &[f32]) -> Utterance {
    let least = level(samples) * decibels_to_factor(-30.0);
    let is_speech = |frame: &[f32]| ac_power(frame).sqrt() as f32 > least;
    let class = |frame| if is_speech(frame) { Class::Speech } else { Class::Pause };
    Utterance { first_frame, classes: samples.chunks(128).map(class).collect(), samples: samples.to_vec() }
}

/// The samples times a gain, cut off at full scale.
pub fn amplified(samples: &[f32], gain: f32) -> Vec<f32> {
    samples.iter().map(|sample| (sample * gain).clamp(-1.0, 1.0)).collect()
}

/// Samples after they were coded and decoded.
pub fn coded(encoding: Encoding, samples: &[f32]) -> Vec<f32> {
    decode(&wav_file(encoding, RATE, &[samples])).1
}
