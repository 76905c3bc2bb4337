//! The header of a file that is written.

use crate::Format;

/// The header of a WAV file. `sample_bytes` bytes of samples follow it.
#[must_use]
pub fn header(format: Format, sample_bytes: u32) -> Vec<u8> {
    const BYTES: u32 = 44;
    let (tag, bits) = format.encoding.tag_and_bits();
    // 1 or 2 channels, of at most 8 bytes.
    let (channels, bytes_per_frame) = (format.channels as u16, format.bytes_per_frame() as u16);
    let mut header = Vec::with_capacity(BYTES as usize);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&(sample_bytes + BYTES - 8).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&16_u32.to_le_bytes());
    header.extend([tag, channels].iter().flat_map(|field| field.to_le_bytes()));
    header.extend([format.rate, format.rate * u32::from(bytes_per_frame)].iter().flat_map(|field| field.to_le_bytes()));
    header.extend([bytes_per_frame, bits].iter().flat_map(|field| field.to_le_bytes()));
    header.extend_from_slice(b"data");
    header.extend_from_slice(&sample_bytes.to_le_bytes());
    header
}
