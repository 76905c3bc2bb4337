//! A WAV file, read as its bytes arrive and for what its header says it is.
//!
//! Source: <https://learn.microsoft.com/en-us/windows/win32/api/mmreg/ns-mmreg-waveformatextensible>

use serde::Serialize;

use super::NotAudio;
use super::g711::{A_LAW, MU_LAW};

/// Sampling rates that are telephone audio or better, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;
/// Frames (a sample of each channel) that are decoded at a time; bounds the memory, not the result.
const BLOCK: usize = 1024;
/// `fmt ` is 16, 18 or 40 bytes long; what a longer one says after them is of no use here.
const LONGEST_FORMAT: usize = 40;
/// The rest of the GUID of a `WAVE_FORMAT_EXTENSIBLE` sub-format, after the two bytes of the format tag.
const SUBFORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// How the samples are written.
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
    fn of(tag: u16, bits: u16) -> Result<Self, NotAudio> {
        match (tag, bits) {
            (1, 8) => Ok(Self::Pcm8),
            (1, 16) => Ok(Self::Pcm16),
            (1, 24) => Ok(Self::Pcm24),
            (1, 32) => Ok(Self::Pcm32),
            (3, 32) => Ok(Self::Float32),
            (3, 64) => Ok(Self::Float64),
            (6, 8) => Ok(Self::ALaw),
            (7, 8) => Ok(Self::MuLaw),
            _ => Err(NotAudio("the samples are neither PCM, float, A-law nor µ-law")),
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Pcm8 | Self::ALaw | Self::MuLaw => 1,
            Self::Pcm16 => 2,
            Self::Pcm24 => 3,
            Self::Pcm32 | Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    /// Decodes one sample for each `stride` bytes, to ±1 full scale.
    fn decode(self, bytes: &[u8], stride: usize, samples: &mut Vec<f32>) {
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

/// Not a number counts as silence, and more than full scale as full scale.
fn finite(sample: f32) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) }
}

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Format {
    /// How the samples are written.
    pub encoding: Encoding,
    /// 1 or 2.
    pub channels: usize,
    /// Frames a second, 8 000 to 48 000.
    #[serde(rename = "rate_hz")]
    pub rate: u32,
}

impl Format {
    fn parse(chunk: &[u8]) -> Result<Self, NotAudio> {
        let u16_at = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
        if chunk.len() < 16 {
            return Err(NotAudio("the format chunk is too short"));
        }
        let tag = match u16_at(0) {
            0xFFFE if chunk.len() >= 40 && chunk[26..40] == SUBFORMAT => u16_at(24),
            tag => tag,
        };
        let rate = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        let format = Self { encoding: Encoding::of(tag, u16_at(14))?, channels: u16_at(2).into(), rate };
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

    fn bytes_per_frame(self) -> usize {
        self.channels * self.encoding.bytes()
    }
}

/// Reads a WAV from its bytes, in pieces of any size.
#[derive(Debug)]
pub struct WavReader {
    state: State,
    format: Option<Format>,
    /// The bytes of a header, or of a frame, that has not arrived whole.
    partial: Vec<u8>,
    decoded: [Vec<f32>; 2],
}

#[derive(Debug, Clone, Copy)]
enum State {
    RiffHeader,
    ChunkHeader,
    /// Of `size` bytes, `then` more to be passed over.
    Format {
        size: usize,
        then: u64,
    },
    Skip {
        bytes: u64,
    },
    /// `left` bytes; `None` where the writer could not know, and everything to the end is audio.
    Samples {
        left: Option<u64>,
    },
    /// What follows the samples does not matter.
    End,
}

impl Default for WavReader {
    fn default() -> Self {
        Self { state: State::RiffHeader, format: None, partial: Vec::new(), decoded: [Vec::new(), Vec::new()] }
    }
}

impl WavReader {
    /// Decodes the next bytes. `on_samples` is called with blocks of samples of the first and the second channel, ±1
    /// full scale; the second is empty in a recording of one channel.
    ///
    /// # Errors
    /// [`NotAudio`] when the header is not that of a WAV, or of samples that nobody sends over a telephone.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        mut on_samples: impl FnMut(Format, &[f32], &[f32]),
    ) -> Result<(), NotAudio> {
        while !bytes.is_empty() {
            match self.state {
                State::RiffHeader => {
                    let Some(header) = self.take(&mut bytes, 12) else { break };
                    if !matches!(&header[..4], b"RIFF" | b"RF64") || &header[8..] != b"WAVE" {
                        return Err(NotAudio("it is not a WAV file"));
                    }
                    self.state = State::ChunkHeader;
                }
                State::ChunkHeader => {
                    let Some(header) = self.take(&mut bytes, 8) else { break };
                    let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
                    self.state = self.enter(&header[..4], size)?;
                }
                State::Format { size, then } => {
                    let Some(chunk) = self.take(&mut bytes, size) else { break };
                    self.format = Some(Format::parse(&chunk)?);
                    self.state = State::Skip { bytes: then };
                }
                State::Skip { bytes: left } => {
                    let skipped = left.min(bytes.len() as u64);
                    bytes = &bytes[skipped as usize..];
                    self.state =
                        if skipped == left { State::ChunkHeader } else { State::Skip { bytes: left - skipped } };
                }
                State::Samples { left } => {
                    let here = left.unwrap_or(u64::MAX).min(bytes.len() as u64) as usize;
                    let (samples, rest) = bytes.split_at(here);
                    self.decode(samples, &mut on_samples);
                    bytes = rest;
                    let left = left.map(|left| left - here as u64);
                    self.state = if left == Some(0) { State::End } else { State::Samples { left } };
                }
                State::End => break,
            }
        }
        Ok(())
    }

    /// What the header said.
    ///
    /// # Errors
    /// [`NotAudio`] when the bytes ended before any samples.
    pub fn finish(&self) -> Result<Format, NotAudio> {
        match (self.state, self.format) {
            (State::Samples { .. } | State::End, Some(format)) => Ok(format),
            _ => Err(NotAudio("it ends before any audio")),
        }
    }

    fn enter(&self, name: &[u8], size: u32) -> Result<State, NotAudio> {
        // Chunks begin at even places.
        let padded = u64::from(size) + u64::from(size % 2);
        match name {
            b"fmt " => {
                let kept = (size as usize).min(LONGEST_FORMAT);
                Ok(State::Format { size: kept, then: padded - kept as u64 })
            }
            b"data" if self.format.is_none() => Err(NotAudio("the samples come before their format")),
            b"data" => Ok(State::Samples { left: Some(u64::from(size)).filter(|_| size != 0 && size != u32::MAX) }),
            _ => Ok(State::Skip { bytes: padded }),
        }
    }

    /// The next `size` bytes in one piece, once they are there.
    fn take(&mut self, bytes: &mut &[u8], size: usize) -> Option<Vec<u8>> {
        let missing = (size - self.partial.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(missing);
        self.partial.extend_from_slice(head);
        *bytes = rest;
        (self.partial.len() == size).then(|| std::mem::take(&mut self.partial))
    }

    fn decode(&mut self, mut bytes: &[u8], on_samples: &mut impl FnMut(Format, &[f32], &[f32])) {
        let format = self.format.expect("samples only begin after their format");
        let frame = format.bytes_per_frame();
        if !self.partial.is_empty() {
            let Some(whole) = self.take(&mut bytes, frame) else { return };
            self.decode_block(format, &whole, on_samples);
        }
        let whole = bytes.len() - bytes.len() % frame;
        for block in bytes[..whole].chunks(BLOCK * frame) {
            self.decode_block(format, block, on_samples);
        }
        self.partial.extend_from_slice(&bytes[whole..]);
    }

    fn decode_block(&mut self, format: Format, block: &[u8], on_samples: &mut impl FnMut(Format, &[f32], &[f32])) {
        let (encoding, stride) = (format.encoding, format.bytes_per_frame());
        let [first, second] = &mut self.decoded;
        first.clear();
        second.clear();
        encoding.decode(block, stride, first);
        if format.channels == 2 {
            encoding.decode(&block[encoding.bytes()..], stride, second);
        }
        on_samples(format, first, second);
    }
}

/// A mono WAV file of 16-bit PCM.
pub fn write(samples: &[i16], rate: u32) -> Vec<u8> {
    const HEADER: usize = 44;
    let bytes = u32::try_from(2 * samples.len()).expect("a sample is two minutes long at most");
    let mut file = Vec::with_capacity(HEADER + 2 * samples.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(bytes + HEADER as u32 - 8).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    let (pcm, channels, bytes_per_frame, bits) = (1_u16, 1_u16, 2_u16, 16_u16);
    file.extend_from_slice(&pcm.to_le_bytes());
    file.extend_from_slice(&channels.to_le_bytes());
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(rate * u32::from(bytes_per_frame)).to_le_bytes());
    file.extend_from_slice(&bytes_per_frame.to_le_bytes());
    file.extend_from_slice(&bits.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

#[cfg(test)]
mod tests {
    use super::super::tests::calls::{chunk, decode, format, riff};
    use super::*;

    /// What a file holds, however it is cut: all of it at once and byte by byte come to the same.
    fn read(file: &[u8]) -> Result<(Format, Vec<f32>, Vec<f32>), NotAudio> {
        let read = |size: usize| {
            let (mut reader, mut first, mut second) = (WavReader::default(), Vec::new(), Vec::new());
            for bytes in file.chunks(size) {
                reader.push(bytes, |_, one, other| {
                    first.extend_from_slice(one);
                    second.extend_from_slice(other);
                })?;
            }
            Ok((reader.finish()?, first, second))
        };
        let whole = read(usize::MAX);
        assert_eq!(read(1), whole);
        whole
    }

    fn file(tag: u16, bits: u16, samples: &[u8]) -> Vec<u8> {
        riff(&[chunk(b"fmt ", &format(tag, 1, 8_000, bits)), chunk(b"data", samples)])
    }

    fn extensible(subformat: &[u8]) -> Vec<u8> {
        let (bytes_after, valid_bits, speakers) = (22_u16, 16_u16, 4_u32);
        let mut body = format(0xFFFE, 1, 8_000, 16);
        body.extend([bytes_after, valid_bits].iter().flat_map(|field| field.to_le_bytes()));
        body.extend(speakers.to_le_bytes());
        body.extend_from_slice(subformat);
        riff(&[chunk(b"fmt ", &body), chunk(b"data", &[0, 0x40])])
    }

    const PCM16: [u8; 4] = [0, 0x40, 0, 0xC0];

    #[test]
    fn every_encoding_is_decoded_to_its_exact_values() {
        const LAW: f32 = 32_768.0;
        let floats = |values: [f32; 6]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let doubles = |values: [f64; 6]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        type Case = (u16, u16, Encoding, Vec<u8>, &'static [f32]);
        let cases: [Case; 8] = [
            (1, 8, Encoding::Pcm8, vec![0, 127, 128, 255], &[-1.0, -1.0 / 128.0, 0.0, 127.0 / 128.0]),
            (
                1,
                16,
                Encoding::Pcm16,
                vec![0, 0x80, 0xFF, 0xFF, 1, 0, 0xFF, 0x7F],
                &[-1.0, -1.0 / 32_768.0, 1.0 / 32_768.0, 32_767.0 / 32_768.0],
            ),
            (
                1,
                24,
                Encoding::Pcm24,
                vec![0, 0, 0x80, 1, 0, 0, 0xFF, 0xFF, 0x7F],
                &[-1.0, 1.0 / 8_388_608.0, 8_388_607.0 / 8_388_608.0],
            ),
            (
                1,
                32,
                Encoding::Pcm32,
                vec![0, 0, 0, 0x80, 1, 0, 0, 0, 0, 0, 0, 0x60],
                &[-1.0, 1.0 / 2_147_483_648.0, 0.75],
            ),
            (
                3,
                32,
                Encoding::Float32,
                floats([0.3, -1.0, -7.0, f32::INFINITY, f32::NAN, 1e-40]),
                &[0.3, -1.0, -1.0, 1.0, 0.0, 1e-40],
            ),
            (
                3,
                64,
                Encoding::Float64,
                doubles([0.3, -1.0, -7.0, f64::MAX, f64::NAN, 1e-300]),
                &[0.3, -1.0, -1.0, 1.0, 0.0, 0.0],
            ),
            (6, 8, Encoding::ALaw, vec![0xD5, 0x55, 0x2A], &[8.0 / LAW, -8.0 / LAW, -32_256.0 / LAW]),
            (7, 8, Encoding::MuLaw, vec![0xFF, 0xFE, 0x00], &[0.0, 8.0 / LAW, -32_124.0 / LAW]),
        ];
        for (tag, bits, encoding, bytes, expected) in cases {
            let read = read(&file(tag, bits, &bytes)).map(|(format, first, _)| (format, first));
            assert_eq!(read, Ok((Format { encoding, channels: 1, rate: 8_000 }, expected.to_vec())));
        }
    }

    #[test]
    fn two_channels_are_told_apart_in_every_encoding() {
        for (tag, bits) in [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64), (6, 8), (7, 8)] {
            let width = usize::from(bits / 8);
            let (first, second) = (vec![0x11; width], vec![0x91; width]);
            let alone = |sample: &[u8]| read(&file(tag, bits, sample)).expect("a WAV").1;
            let samples = [first.as_slice(), &second, &second, &first].concat();
            let (read, one, other) =
                read(&riff(&[chunk(b"fmt ", &format(tag, 2, 48_000, bits)), chunk(b"data", &samples)])).expect("a WAV");
            assert_eq!((read.channels, read.rate), (2, 48_000));
            assert_eq!(one, [alone(&first), alone(&second)].concat());
            assert_eq!(other, [alone(&second), alone(&first)].concat());
        }
    }

    #[test]
    fn an_extensible_header_is_as_good_as_its_sub_format() {
        let pcm = [&[1, 0], SUBFORMAT.as_slice()].concat();
        assert_eq!(
            read(&extensible(&pcm)).map(|(format, first, _)| (format.encoding, first)),
            Ok((Encoding::Pcm16, vec![0.5]))
        );
        let adpcm = [&[2, 0], SUBFORMAT.as_slice()].concat();
        let foreign = [1; 16];
        for other in [adpcm.as_slice(), &foreign, &pcm[..15]] {
            assert!(read(&extensible(other)).is_err());
        }
    }

    #[test]
    fn chunks_that_are_not_known_are_passed_over_with_their_padding() {
        let (fmt, data) = (chunk(b"fmt ", &format(1, 1, 8_000, 16)), chunk(b"data", &PCM16));
        let plain = read(&riff(&[fmt.clone(), data.clone()]));
        for size in [0, 1, 2, 33, 5_000] {
            let other = chunk(b"LIST", &vec![b'd'; size]);
            assert_eq!(read(&riff(&[other.clone(), fmt.clone(), other.clone(), data.clone(), other])), plain);
        }
    }

    #[test]
    fn a_format_chunk_may_be_longer_than_its_content() {
        for size in [16, 17, 18, 39, 40, 41, 100] {
            let mut body = format(1, 1, 8_000, 16);
            body.resize(size, 0);
            let (_, first, _) = read(&riff(&[chunk(b"fmt ", &body), chunk(b"data", &PCM16)])).expect("a WAV");
            assert_eq!(first, [0.5, -0.5]);
        }
    }

    #[test]
    fn where_the_size_is_not_known_everything_to_the_end_is_audio() {
        for unknown in [0, u32::MAX] {
            let mut file = file(1, 16, &PCM16);
            let size_at = file.len() - PCM16.len() - 4;
            file[size_at..][..4].copy_from_slice(&unknown.to_le_bytes());
            file.extend([0, 0x20].repeat(3_000));
            let (_, first, _) = read(&file).expect("a WAV");
            assert_eq!(first.len(), 3_002);
            assert_eq!(first[3_001], 0.25);
            let mut reader = WavReader::default();
            reader.push(&file, |_, _, _| ()).expect("a WAV");
            assert!(matches!(reader.state, State::Samples { left: None }), "beyond 4 GiB as well");
        }
    }

    #[test]
    fn a_file_of_more_than_4_gib_is_read_as_well() {
        let sizes = chunk(b"ds64", &[0; 28]);
        let mut file = riff(&[sizes, chunk(b"fmt ", &format(7, 1, 8_000, 8)), chunk(b"data", &[])]);
        file[..4].copy_from_slice(b"RF64");
        let size_at = file.len() - 4;
        file[size_at..].fill(0xFF);
        file.push(0xFE);
        assert_eq!(read(&file).map(|(_, first, _)| first), Ok(vec![8.0 / 32_768.0]));
    }

    #[test]
    fn what_follows_the_samples_is_no_audio() {
        let mut file = file(1, 16, &PCM16);
        file.extend([0x55; 1_001]);
        assert_eq!(read(&file).map(|(_, first, _)| first), Ok(vec![0.5, -0.5]));
    }

    #[test]
    fn a_file_that_was_cut_off_gives_its_whole_frames() {
        let fmt = chunk(b"fmt ", &format(1, 2, 8_000, 16));
        let whole = riff(&[fmt, chunk(b"data", &PCM16.repeat(2))]);
        let samples_at = whole.len() - 8;
        for length in 0..samples_at {
            assert_eq!(read(&whole[..length]).unwrap_err(), NotAudio("it ends before any audio"));
        }
        for (length, frames) in [(samples_at, 0), (samples_at + 3, 0), (samples_at + 4, 1), (samples_at + 7, 1)] {
            let (_, first, second) = read(&whole[..length]).expect("a WAV");
            assert_eq!((first.len(), second.len()), (frames, frames));
        }
    }

    #[test]
    fn the_place_where_the_bytes_are_cut_changes_nothing() {
        let samples: Vec<u8> = (0..=255).cycle().take(9_000).collect();
        let other = chunk(b"fact", &[1, 2, 3]);
        let file = riff(&[other, chunk(b"fmt ", &format(1, 2, 8_000, 24)), chunk(b"data", &samples)]);
        let whole = decode(&file);
        for at in (0..100).chain(8_000..8_020) {
            let (mut reader, mut first, mut second) = (WavReader::default(), Vec::new(), Vec::new());
            for bytes in [&file[..at], &file[at..]] {
                let on_samples = |_, one: &[f32], other: &[f32]| {
                    first.extend_from_slice(one);
                    second.extend_from_slice(other);
                };
                reader.push(bytes, on_samples).expect("a WAV");
            }
            assert!((reader.finish().expect("a WAV"), first, second) == whole, "cut at {at}");
        }
    }

    #[test]
    fn what_no_telephone_call_is_recorded_as_is_refused() {
        let with = |format: &[u8]| read(&riff(&[chunk(b"fmt ", format), chunk(b"data", &[0; 48])])).map(|_| ());
        for rate in [0, 7_999, 48_001, u32::MAX] {
            let reason = "the sampling rate is not between 8 and 48 kHz";
            assert_eq!(with(&format(1, 1, rate, 16)), Err(NotAudio(reason)));
        }
        for channels in [0, 3, 1_000] {
            let reason = "there are neither one nor two channels";
            assert_eq!(with(&format(1, channels, 8_000, 16)), Err(NotAudio(reason)));
        }
        for (tag, bits) in [(0, 8), (2, 4), (0x55, 0), (1, 12), (1, 0), (3, 16), (6, 16), (7, 16)] {
            let reason = "the samples are neither PCM, float, A-law nor µ-law";
            assert_eq!(with(&format(tag, 1, 8_000, bits)), Err(NotAudio(reason)));
        }
        assert_eq!(with(&format(1, 1, 8_000, 16)[..14]), Err(NotAudio("the format chunk is too short")));
        let mut contradiction = format(1, 2, 8_000, 16);
        contradiction[12] = 2;
        assert_eq!(with(&contradiction), Err(NotAudio("the header contradicts itself")));
    }

    #[test]
    fn what_is_not_a_wav_is_refused() {
        let samples_first = riff(&[chunk(b"data", &PCM16), chunk(b"fmt ", &format(1, 1, 8_000, 16))]);
        assert_eq!(read(&samples_first).unwrap_err(), NotAudio("the samples come before their format"));
        for other in
            [b"<?xml version".as_slice(), b"RIFF\x04\0\0\0AVI ", b"RIFX\x04\0\0\0WAVE", b"ID3\x04\0\0\0\0\0\0\0\0"]
        {
            assert_eq!(read(other).unwrap_err(), NotAudio("it is not a WAV file"));
        }
        assert_eq!(read(b"").unwrap_err(), NotAudio("it ends before any audio"));
    }

    #[test]
    fn a_claim_of_4_gib_allocates_nothing() {
        let mut claims = file(1, 16, &[]);
        for place in [4, 16, 40] {
            let mut claim = claims.clone();
            claim[place..][..4].fill(0xFE);
            let mut reader = WavReader::default();
            reader.push(&claim, |_, _, _| ()).expect("nothing is wrong yet");
            assert!(reader.partial.capacity() <= 64 && reader.decoded.iter().all(|channel| channel.capacity() == 0));
        }
        claims[12..16].copy_from_slice(b"LIST");
        claims[16..20].fill(0xFE);
        let mut reader = WavReader::default();
        reader.push(&claims, |_, _, _| ()).expect("nothing is wrong yet");
        assert!(reader.partial.capacity() <= 64);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let samples = [i16::MIN, -1, 0, 1, i16::MAX];
        let (read, first, _) = read(&write(&samples, 11_025)).expect("a WAV");
        assert_eq!(read, Format { encoding: Encoding::Pcm16, channels: 1, rate: 11_025 });
        assert_eq!(first, samples.map(|sample| f32::from(sample) / 32_768.0));
    }
}
