//! Every file is read by its format, in pieces of any size.

use wav::{Encoding, Format, NotAudio, WavReader, header};

/// The format and both channels of a file. Checks that reading it at once and byte by byte gives the same.
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

/// The body of a format chunk.
fn format(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let bytes_per_frame = channels * bits.div_ceil(8);
    let mut body = Vec::new();
    body.extend([tag, channels].iter().flat_map(|field| field.to_le_bytes()));
    body.extend([rate, rate.wrapping_mul(bytes_per_frame.into())].iter().flat_map(|field| field.to_le_bytes()));
    body.extend([bytes_per_frame, bits].iter().flat_map(|field| field.to_le_bytes()));
    body
}

/// A chunk with its header, and its padding if it is odd.
fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = [name, (body.len() as u32).to_le_bytes().as_slice(), body].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// A WAV file with these chunks.
fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    [b"RIFF", ((body.len() + 4) as u32).to_le_bytes().as_slice(), b"WAVE", &body].concat()
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
/// The rest of the GUID of an extensible sub-format, after the two bytes of the format tag.
const SUBFORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

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
        (1, 32, Encoding::Pcm32, vec![0, 0, 0, 0x80, 1, 0, 0, 0, 0, 0, 0, 0x60], &[-1.0, 1.0 / 2_147_483_648.0, 0.75]),
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
    }
}

/// An RF64 of one channel of µ-law, whose sizes are in its chunk `ds64`.
fn rf64(file_bytes: u64, sample_bytes: u64, samples: &[u8]) -> Vec<u8> {
    let sizes = [&file_bytes.to_le_bytes()[..], &sample_bytes.to_le_bytes(), &[0; 12]].concat();
    let mut file = riff(&[chunk(b"ds64", &sizes), chunk(b"fmt ", &format(7, 1, 8_000, 8)), chunk(b"data", &[])]);
    file[..4].copy_from_slice(b"RF64");
    file[4..8].fill(0xFF);
    let size_at = file.len() - 4;
    file[size_at..].fill(0xFF);
    [file.as_slice(), samples].concat()
}

#[test]
fn a_file_of_more_than_4_gib_is_read_as_well() {
    let (one, two) = (vec![8.0 / 32_768.0], vec![8.0 / 32_768.0; 2]);
    let left_open = rf64(0, 0, &[0xFE]);
    assert_eq!(read(&left_open).map(|(_, first, _)| first), Ok(one.clone()));
    let cut_off = rf64(5 << 32, 5 << 32, &[0xFE, 0xFE]);
    assert_eq!(read(&cut_off).map(|(_, first, _)| first), Ok(two.clone()));
    let with_a_chunk_after_them = [rf64(0, 2, &[0xFE, 0xFE]), chunk(b"LIST", b"INFO")].concat();
    assert_eq!(read(&with_a_chunk_after_them).map(|(_, first, _)| first), Ok(two));
    let mut without_sizes = riff(&[chunk(b"fmt ", &format(7, 1, 8_000, 8)), chunk(b"data", &[0xFE])]);
    without_sizes[..4].copy_from_slice(b"RF64");
    assert_eq!(read(&without_sizes).map(|(_, first, _)| first), Ok(one));
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
    let whole = read(&file).expect("a WAV");
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
    for other in [b"<?xml version".as_slice(), b"RIFF\x04\0\0\0AVI ", b"RIFX\x04\0\0\0WAVE", b"ID3\x04\0\0\0\0\0\0\0\0"]
    {
        assert_eq!(read(other).unwrap_err(), NotAudio("it is not a WAV file"));
    }
    assert_eq!(read(b"").unwrap_err(), NotAudio("it ends before any audio"));
}

#[test]
fn what_is_written_can_be_read() {
    for encoding in Encoding::ALL {
        for channels in [1, 2] {
            let written = Format { encoding, channels, rate: 11_025 };
            let samples = vec![0x11; 3 * written.bytes_per_frame()];
            let file = [header(written, samples.len() as u32), samples].concat();
            let (read, first, second) = read(&file).expect("a WAV");
            assert_eq!((read, first.len(), second.len()), (written, 3, 3 * (channels - 1)));
        }
    }
}
