//! A call as the bytes of a WAV file.

use crate::g711::{a_law_encode, mu_law_encode};
use crate::plan::{CallPlan, Layout};
use crate::render::Frame;
use crate::{FRAME, SAMPLE_RATE};

/// How samples are written.
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
        let (tag, bytes): (u16, u16) = match self {
            Self::Pcm16 => (1, 2),
            Self::ALaw => (6, 1),
            Self::MuLaw => (7, 1),
        };
        let channels = if plan.layout == Layout::Mono { 1 } else { 2 };
        let (block, rate) = (channels * bytes, SAMPLE_RATE as u32);
        let data = u32::try_from(plan.frames * FRAME * usize::from(block)).expect("at most 37 hours");
        let mut header = Vec::with_capacity(44);
        header.extend_from_slice(b"RIFF");
        header.extend_from_slice(&(data + 36).to_le_bytes());
        header.extend_from_slice(b"WAVEfmt ");
        header.extend_from_slice(&16_u32.to_le_bytes());
        header.extend([tag, channels].iter().flat_map(|field| field.to_le_bytes()));
        header.extend([rate, rate * u32::from(block)].iter().flat_map(|field| field.to_le_bytes()));
        header.extend([block, 8 * bytes].iter().flat_map(|field| field.to_le_bytes()));
        header.extend_from_slice(b"data");
        header.extend_from_slice(&data.to_le_bytes());
        header
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
