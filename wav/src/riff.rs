//! The first bytes of a WAV: `RIFF`, or `RF64` where the file may be larger than 4 GiB.

use crate::NotAudio;

/// The header of a WAV: its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RiffHeader {
    /// The length of this header in bytes, after which the other chunks begin.
    pub header_bytes: u64,
    /// The length of the whole file in bytes; `None` if the writer left that open.
    pub file_bytes: Option<u64>,
    /// The number of bytes of samples. Only an RF64 states it here, because the 32 bits in its chunk `data` are too
    /// short.
    pub sample_bytes: Option<u64>,
}

/// Bytes of the name `RIFF` or `RF64`, the size of the rest of the file, and `WAVE`.
const RIFF_BYTES: usize = 12;
/// Bytes that are read of the chunk `ds64`: its name and its size, then, in 64 bits each, the size of the file after
/// its first eight bytes, and the size of the samples.
const DS64_BYTES: usize = 8 + 16;

impl RiffHeader {
    /// Reads the header from the first bytes of a file; more bytes than the header are allowed. `None` while there are
    /// too few: 36 are always enough.
    ///
    /// # Errors
    /// [`NotAudio`] if no WAV begins with these bytes.
    pub fn parse(head: &[u8]) -> Result<Option<Self>, NotAudio> {
        let Some((riff, chunks)) = head.split_at_checked(RIFF_BYTES) else { return Ok(None) };
        match (&riff[..4], &riff[8..]) {
            (b"RIFF", b"WAVE") => Ok(Some(Self::new(u64::from(u32_at(riff, 4))))),
            (b"RF64", b"WAVE") => Ok(Self::of_rf64(chunks)),
            _ => Err(NotAudio("it is not a WAV file")),
        }
    }

    /// Reads `ds64`, which is the first chunk of an RF64. Without it, no size is known.
    fn of_rf64(chunks: &[u8]) -> Option<Self> {
        if !chunks.get(..4)?.eq(b"ds64") {
            return Some(Self::new(0));
        }
        let ds64 = chunks.get(..DS64_BYTES)?;
        let (riff_size, sample_bytes) = (u64_at(ds64, 8), u64_at(ds64, 16));
        let chunk_bytes = 8 + padded(u32_at(ds64, 4).max(16));
        let header_bytes = RIFF_BYTES as u64 + chunk_bytes;
        Some(Self { header_bytes, sample_bytes: known(sample_bytes), ..Self::new(riff_size) })
    }

    /// `riff_size` counts what follows the first eight bytes of the file.
    fn new(riff_size: u64) -> Self {
        let file_bytes = known(riff_size).map(|size| size.saturating_add(8));
        Self { header_bytes: RIFF_BYTES as u64, file_bytes, sample_bytes: None }
    }
}

/// The size, or `None` if it was left open: a writer that cannot go back leaves all bits 0 or all bits 1.
pub(crate) fn known(size: u64) -> Option<u64> {
    Some(size).filter(|&size| size != 0 && size != u64::from(u32::MAX) && size != u64::MAX)
}

/// The bytes that a chunk of this size takes, with its padding: the next chunk begins at an even place.
pub(crate) fn padded(size: u32) -> u64 {
    u64::from(size) + u64::from(size % 2)
}

/// The little-endian number at a place, as all numbers of a WAV are.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn riff(size: [u8; 4]) -> Vec<u8> {
        [b"RIFF", &size[..], b"WAVE"].concat()
    }

    fn rf64(riff_size: u64, sample_bytes: u64) -> Vec<u8> {
        let sizes = [riff_size.to_le_bytes(), sample_bytes.to_le_bytes()].concat();
        [b"RF64\xFF\xFF\xFF\xFFWAVEds64\x1C\0\0\0".as_slice(), &sizes].concat()
    }

    #[test]
    fn the_size_of_the_file_is_that_of_the_header_and_what_follows() {
        let header = RiffHeader { header_bytes: 12, file_bytes: Some(16), sample_bytes: None };
        assert_eq!(RiffHeader::parse(&riff([8, 0, 0, 0])), Ok(Some(header)));
    }

    #[test]
    fn a_size_of_zeros_or_ones_was_left_open() {
        for size in [[0; 4], [0xFF; 4]] {
            assert_eq!(RiffHeader::parse(&riff(size)).unwrap().unwrap().file_bytes, None);
        }
        for size in [0, u64::MAX] {
            let header = RiffHeader::parse(&rf64(size, size)).unwrap().unwrap();
            assert_eq!((header.file_bytes, header.sample_bytes), (None, None));
        }
    }

    #[test]
    fn an_rf64_says_its_sizes_in_64_bits() {
        let expected = RiffHeader { header_bytes: 48, file_bytes: Some(6 << 32), sample_bytes: Some(5 << 32) };
        assert_eq!(RiffHeader::parse(&rf64((6 << 32) - 8, 5 << 32)), Ok(Some(expected)));
        assert_eq!(RiffHeader::parse(&rf64(u64::MAX - 1, 1)).unwrap().unwrap().file_bytes, Some(u64::MAX));
    }

    #[test]
    fn an_rf64_without_its_sizes_leaves_them_open() {
        let header = RiffHeader { header_bytes: 12, file_bytes: None, sample_bytes: None };
        assert_eq!(RiffHeader::parse(b"RF64\xFF\xFF\xFF\xFFWAVEfmt "), Ok(Some(header)));
    }

    #[test]
    fn more_bytes_are_waited_for_until_they_are_enough_and_further_ones_change_nothing() {
        for whole in [riff([8, 0, 0, 0]), rf64(1_000, 900)] {
            for length in 0..whole.len() {
                assert_eq!(RiffHeader::parse(&whole[..length]), Ok(None), "{length} of {} bytes", whole.len());
            }
            let more = [whole.as_slice(), &[0x55; 100]].concat();
            assert_eq!(RiffHeader::parse(&more), RiffHeader::parse(&whole));
        }
    }

    #[test]
    fn what_begins_otherwise_is_no_wav() {
        for other in [b"<?xml version".as_slice(), b"RIFF\x04\0\0\0AVI ", b"RIFX\x04\0\0\0WAVE", b"RF64\x04\0\0\0AVI "]
        {
            assert_eq!(RiffHeader::parse(other), Err(NotAudio("it is not a WAV file")));
        }
    }
}
