//! Reads a WAV file as its bytes arrive.

use crate::format::LONGEST_FORMAT;
use crate::riff::{known, padded, u32_at};
use crate::{Format, NotAudio, RiffHeader};

/// The number of frames (a sample of each channel) that are decoded at a time. It bounds the memory and does not change
/// the result.
const BLOCK: usize = 1024;

/// Reads a WAV from its bytes, in pieces of any size.
#[derive(Debug)]
pub struct WavReader {
    state: State,
    /// The number of bytes of samples, if an RF64 states it in its header.
    sample_bytes: Option<u64>,
    format: Option<Format>,
    /// The first bytes of a header or a frame that has not arrived whole.
    partial: Vec<u8>,
    decoded: [Vec<f32>; 2],
}

#[derive(Debug, Clone, Copy)]
enum State {
    RiffHeader,
    ChunkHeader,
    /// A format chunk of `size` bytes, after which `then` bytes are skipped.
    Format {
        size: usize,
        then: u64,
    },
    Skip {
        bytes: u64,
    },
    /// Samples of `left` bytes; `None` if the writer could not know the number: then everything up to the end is audio.
    Samples {
        left: Option<u64>,
    },
    /// Everything after the samples is ignored.
    End,
}

impl Default for WavReader {
    fn default() -> Self {
        Self {
            state: State::RiffHeader,
            sample_bytes: None,
            format: None,
            partial: Vec::new(),
            decoded: Default::default(),
        }
    }
}

impl WavReader {
    /// Decodes the next bytes. `on_samples` is called with blocks of samples of the first and the second channel, ±1
    /// full scale; the second is empty in a recording of one channel.
    ///
    /// # Errors
    /// [`NotAudio`] if the header is not that of a WAV, or its samples are not those of a telephone call.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        mut on_samples: impl FnMut(Format, &[f32], &[f32]),
    ) -> Result<(), NotAudio> {
        while !bytes.is_empty() {
            match self.state {
                State::RiffHeader => {
                    let (first, rest) = bytes.split_at(1);
                    bytes = rest;
                    self.partial.extend_from_slice(first);
                    if let Some(header) = RiffHeader::parse(&self.partial)? {
                        self.state = self.begin(header);
                    }
                }
                State::ChunkHeader => {
                    let Some(header) = self.take(&mut bytes, 8) else { break };
                    self.state = self.enter(&header[..4], u32_at(&header, 4))?;
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

    /// The format that the header states, after the last byte.
    ///
    /// # Errors
    /// [`NotAudio`] if the bytes ended before the samples began.
    pub fn finish(&self) -> Result<Format, NotAudio> {
        match (self.state, self.format) {
            (State::Samples { .. } | State::End, Some(format)) => Ok(format),
            _ => Err(NotAudio("it ends before any audio")),
        }
    }

    /// Goes on after the header. Some bytes of the next chunk may have been read already, to find the header's end.
    fn begin(&mut self, header: RiffHeader) -> State {
        self.sample_bytes = header.sample_bytes;
        let here = header.header_bytes.min(self.partial.len() as u64);
        self.partial.drain(..here as usize);
        State::Skip { bytes: header.header_bytes - here }
    }

    fn enter(&self, name: &[u8], size: u32) -> Result<State, NotAudio> {
        match name {
            b"fmt " => {
                let kept = (size as usize).min(LONGEST_FORMAT);
                Ok(State::Format { size: kept, then: padded(size) - kept as u64 })
            }
            b"data" if self.format.is_none() => Err(NotAudio("the samples come before their format")),
            b"data" => {
                let in_ds64 = self.sample_bytes.filter(|_| size == u32::MAX);
                Ok(State::Samples { left: known(size.into()).or(in_ds64) })
            }
            _ => Ok(State::Skip { bytes: padded(size) }),
        }
    }

    /// The next `size` bytes in one piece, once they have arrived.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, header};

    fn header_of_pcm(sample_bytes: u32) -> Vec<u8> {
        header(Format { encoding: Encoding::Pcm16, channels: 1, rate: 8_000 }, sample_bytes)
    }

    #[test]
    fn a_size_that_is_not_known_has_no_bound() {
        for unknown in [0, u32::MAX] {
            let mut file = header_of_pcm(0);
            let size_at = file.len() - 4;
            file[size_at..].copy_from_slice(&unknown.to_le_bytes());
            let mut reader = WavReader::default();
            reader.push(&file, |_, _, _| ()).expect("a WAV");
            assert!(matches!(reader.state, State::Samples { left: None }), "beyond 4 GiB as well");
        }
    }

    #[test]
    fn a_claim_of_4_gib_allocates_nothing() {
        let mut claims = header_of_pcm(0);
        for place in [4, 16, 40] {
            let mut claim = claims.clone();
            claim[place..][..4].fill(0xFE);
            let mut reader = WavReader::default();
            reader.push(&claim, |_, _, _| ()).expect("nothing is wrong yet");
            assert!(reader.partial.capacity() <= 64 && reader.decoded.iter().all(|channel| channel.capacity() == 0));
        }
        claims[12..16].copy_from_slice(b"LIST");
        claims[16..20].fill(0xFE);
        let rf64 = [b"RF64\xFF\xFF\xFF\xFFWAVEds64".as_slice(), &[0xFE; 60]].concat();
        for claim in [claims, rf64] {
            let mut reader = WavReader::default();
            reader.push(&claim, |_, _, _| ()).expect("nothing is wrong yet");
            assert!(reader.partial.capacity() <= 64);
        }
    }
}
