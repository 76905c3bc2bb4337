//! A call as the bytes of a WAV file.

use ::wav::Format;

use crate::g711::{a_law_encode, mu_law_encode};
use crate::plan::{CallPlan, Layout};
use crate::render::Frame;
use crate::{FRAME, SAMPLE_RATE};

/// The encoding of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Signed 16-bit PCM, which is what Twilio sends.
    Pcm16,
    /// G.711 µ-law.
    MuLaw,
    /// G.711 A-law.
    ALaw,
}

impl Encoding {
    /// The header of the WAV of a call.
    #[must_use]
    pub fn header(self, plan: &CallPlan) -> Vec<u8> {
        let encoding = match self {
            Self::Pcm16 => ::wav::Encoding::Pcm16,
            Self::ALaw => ::wav::Encoding::ALaw,
            Self::MuLaw => ::wav::Encoding::MuLaw,
        };
        let channels = if plan.layout == Layout::Mono { 1 } else { 2 };
        let format = Format { encoding, channels, rate: SAMPLE_RATE as u32 };
        let bytes = u32::try_from(plan.frames * FRAME * format.bytes_per_frame()).expect("at most 37 hours");
        ::wav::header(format, bytes)
    }

    /// The bytes of a frame.
    #[must_use]
    pub fn bytes(self, frame: &Frame) -> Vec<u8> {
        let interleaved = (0..FRAME).flat_map(|n| frame.channels.iter().map(move |channel| channel[n]));
        match self {
            Self::Pcm16 => interleaved.flat_map(i16::to_le_bytes).collect(),
            Self::MuLaw => interleaved.map(mu_law_encode).collect(),
            Self::ALaw => interleaved.map(a_law_encode).collect(),
        }
    }
}
