//! The format of samples: the format chunk, and the encodings.
//!
//! Source: <https://learn.microsoft.com/en-us/windows/win32/api/mmreg/ns-mmreg-waveformatextensible>

use serde::Serialize;

use crate::NotAudio;
use crate::g711::{A_LAW, MU_LAW};
use crate::riff::u32_at;

/// Sampling rates that are telephone audio or better, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;
/// `fmt ` is 16, 18 or 40 bytes long; later bytes of a longer one are of no use here.
pub(crate) const LONGEST_FORMAT: usize = 40;
/// The rest of the GUID of a `WAVE_FORMAT_EXTENSIBLE` sub-format, after the two bytes of the format tag.
const SUBFORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// The encoding of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Unsigned 8-bit PCM.
    Pcm8,
    /// Signed 16-bit PCM, which is what Twilio sends.
    Pcm16,
    /// Signed 24-bit PCM.
    Pcm24,
    /// Signed 32-bit PCM.
    Pcm32,
    /// IEEE float, ±1 full scale.
    Float32,
    /// IEEE double, ±1 full scale.
    Float64,
    /// G.711 A-law.
    ALaw,
    /// G.711 µ-law.
    MuLaw,
}

impl Encoding {
    /// All encodings.
    pub const ALL: [Self; 8] =
        [Self::Pcm8, Self::Pcm16, Self::Pcm24, Self::Pcm32, Self::Float32, Self::Float64, Self::ALaw, Self::MuLaw];

    fn of(tag_and_bits: (u16, u16)) -> Result<Self, NotAudio> {
        let encoding = Self::ALL.into_iter().find(|encoding| encoding.tag_and_bits() == tag_and_bits);
        encoding.ok_or(NotAudio("the samples are neither PCM, float, A-law nor µ-law"))
    }

    /// The format tag and the bits of a sample, as the format chunk states them.
    pub(crate) fn tag_and_bits(self) -> (u16, u16) {
        match self {
            Self::Pcm8 => (1, 8),
            Self::Pcm16 => (1, 16),
            Self::Pcm24 => (1, 24),
            Self::Pcm32 => (1, 32),
            Self::Float32 => (3, 32),
            Self::Float64 => (3, 64),
            Self::ALaw => (6, 8),
            Self::MuLaw => (7, 8),
        }
    }

    /// Bytes of a sample.
    pub(crate) fn bytes(self) -> usize {
        usize::from(self.tag_and_bits().1 / 8)
    }

    /// Decodes one sample for each `stride` bytes, to ±1 full scale.
    pub(crate) fn decode(self, bytes: &[u8], stride: usize, samples: &mut Vec<f32>) {
        const I16: f32 = 1.0 / 32_768.0;
        let each = bytes.chunks(stride);
        match self {
            Self::Pcm8 => samples.extend(each.map(|b| (f32::from(b[0]) - 128.0) / 128.0)),
            Self::Pcm16 => samples.extend(each.map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) * I16)),
            Self::Pcm24 => samples.extend(each.map(|b| full_scale(i32::from_le_bytes([0, b[0], b[1], b[2]])))),
            Self::Pcm32 => samples.extend(each.map(|b| full_scale(i32::from_le_bytes([b[0], b[1], b[2], b[3]])))),
            Self::Float32 => samples.extend(each.map(|b| finite(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))),
            Self::Float64 => samples.extend(
                each.map(|b| finite(f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)),
            ),
            Self::ALaw => samples.extend(each.map(|b| f32::from(A_LAW[usize::from(b[0])]) * I16)),
            Self::MuLaw => samples.extend(each.map(|b| f32::from(MU_LAW[usize::from(b[0])]) * I16)),
        }
    }
}

fn full_scale(sample: i32) -> f32 {
    (f64::from(sample) / 2_147_483_648.0) as f32
}

/// A sample that is no number becomes silence; one beyond full scale becomes full scale.
fn finite(sample: f32) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) }
}

/// The format of samples, as the header states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Format {
    /// The encoding of samples.
    pub encoding: Encoding,
    /// 1 or 2.
    pub channels: usize,
    /// Frames a second, 8 000 to 48 000.
    #[serde(rename = "rate_hz")]
    pub rate: u32,
}

impl Format {
    /// Reads the format chunk, at most [`LONGEST_FORMAT`] bytes of it.
    pub(crate) fn parse(chunk: &[u8]) -> Result<Self, NotAudio> {
        let u16_at = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
        if chunk.len() < 16 {
            return Err(NotAudio("the format chunk is too short"));
        }
        let tag = match u16_at(0) {
            0xFFFE if chunk.len() >= 40 && chunk[26..40] == SUBFORMAT => u16_at(24),
            tag => tag,
        };
        let rate = u32_at(chunk, 4);
        let format = Self { encoding: Encoding::of((tag, u16_at(14)))?, channels: u16_at(2).into(), rate };
        if !(1..=2).contains(&format.channels) {
            return Err(NotAudio("there are neither one nor two channels"));
        }
        if !RATES.contains(&rate) {
            return Err(NotAudio("the sampling rate is not between 8 and 48 kHz"));
        }
        if usize::from(u16_at(12)) != format.bytes_per_frame() {
            return Err(NotAudio("the header contradicts itself"));
        }
        Ok(format)
    }

    /// Bytes of a frame: a sample of each channel.
    #[must_use]
    pub fn bytes_per_frame(self) -> usize {
        self.channels * self.encoding.bytes()
    }
}
