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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encoding;

    /// The reader does not need all of it, but other programs do.
    #[test]
    fn a_header_states_every_size_and_rate() {
        let format = Format { encoding: Encoding::Pcm16, channels: 2, rate: 16_000 };
        let (riff_bytes, bytes_a_second, sample_bytes) = ([36, 16, 0, 0], [0, 0xFA, 0, 0], [0, 0x10, 0, 0]);
        let (tag, channels, bytes_a_frame, bits) = ([1, 0], [2, 0], [4, 0], [16, 0]);
        let chunk = [&tag[..], &channels, &[0x80, 0x3E, 0, 0], &bytes_a_second, &bytes_a_frame, &bits].concat();
        let head = [b"RIFF", &riff_bytes[..], b"WAVEfmt ", &[16, 0, 0, 0]].concat();
        assert_eq!(header(format, 0x1000), [&head[..], &chunk, b"data", &sample_bytes].concat());
    }
}
