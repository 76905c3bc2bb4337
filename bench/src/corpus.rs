//! The voices and the music that calls are made of. `corpus/README.md` names their sources.

use std::io;
use std::path::{Path, PathBuf};

use crate::g711::mu_law_decode;
use crate::{FRAME, amplitude, frames, rms};

/// All voices and all music.
#[derive(Debug)]
pub struct Corpus {
    /// Each is another person's, so that any two voices are two people.
    pub voices: Vec<Voice>,
    /// Music that is played to those who wait.
    pub music: Vec<Music>,
}

/// One person who talks with pauses, without other sounds.
#[derive(Debug)]
pub struct Voice {
    /// The person's name.
    pub name: String,
    /// The clip, ±1 full scale.
    pub samples: Vec<f32>,
    /// Mean power of each whole frame.
    pub powers: Vec<f32>,
    /// True for each whole frame that is speech.
    pub speech: Vec<bool>,
    /// RMS over the frames that are speech.
    pub level: f32,
}

/// An excerpt of a piece.
#[derive(Debug)]
pub struct Music {
    /// The name of the piece.
    pub name: &'static str,
    /// The excerpt, ±1 full scale.
    pub samples: Vec<f32>,
}

macro_rules! clips {
    ($($name:literal),+) => {
        [$(($name, include_bytes!(concat!("../corpus/", $name, ".wav")).as_slice())),+]
    };
}

impl Corpus {
    /// Decodes and labels the corpus that the pipeline is tuned on.
    #[must_use]
    pub fn load() -> Self {
        let voices = clips!("allison", "armelle", "carlo", "dal-zot", "ivrvoice", "june", "ve9qrp");
        let music = clips!("music-cold-day", "music-system", "music-the-simplicity");
        Self {
            voices: voices.into_iter().map(|(name, wav)| Voice::new(name.to_owned(), decode(wav))).collect(),
            music: music.into_iter().map(|(name, wav)| Music { name, samples: decode(wav) }).collect(),
        }
    }

    /// The same music with other voices: one for each WAV of a folder, in the order of their names. A WAV is as those
    /// of the corpus: µ-law, one channel, 8 kHz.
    ///
    /// # Errors
    /// The folder or a file cannot be read, or there are fewer than two voices.
    pub fn with_voices_of(folder: &Path) -> io::Result<Self> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "wav"));
        files.sort();
        if files.len() < 2 {
            return Err(io::Error::other(format!("{}: fewer than two voices", folder.display())));
        }
        let name = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let voice = |file: &PathBuf| Ok(Voice::new(name(file), decode(&std::fs::read(file)?)));
        Ok(Self { voices: files.iter().map(voice).collect::<io::Result<_>>()?, ..Self::load() })
    }
}

/// A frame of speech is at most this far below the speech level, in dB.
const SPEECH_RANGE: f32 = 30.0;
/// Shorter gaps than this, in seconds, belong to the speech around them: closures of consonants, breaths.
const SHORTEST_GAP: f64 = 0.2;

impl Voice {
    fn new(name: String, samples: Vec<f32>) -> Self {
        let powers: Vec<f32> = samples.chunks_exact(FRAME).map(|frame| rms(frame).powi(2)).collect();
        let speech = label(&powers);
        let level = level(&powers, &speech);
        Self { name, samples, powers, speech, level }
    }
}

/// Labels the frames that are speech. A frame is speech if its level is within 30 dB of the clip's speech level, and so
/// is a gap shorter than 200 ms between such frames. The speech level is the RMS over the frames within those 30 dB,
/// found by iteration. The rule was fixed before anything was measured.
fn label(powers: &[f32]) -> Vec<bool> {
    let mut speech = vec![true; powers.len()];
    loop {
        let threshold = (level(powers, &speech) * amplitude(-SPEECH_RANGE)).powi(2);
        let again: Vec<bool> = powers.iter().map(|&power| power >= threshold).collect();
        if again == speech {
            break;
        }
        speech = again;
    }
    let mut end = None; // end of the speech before
    for frame in 0..speech.len() {
        if speech[frame] {
            if let Some(end) = end.filter(|end| frame - end < frames(SHORTEST_GAP)) {
                speech[end..frame].fill(true);
            }
            end = Some(frame + 1);
        }
    }
    speech
}

fn level(powers: &[f32], speech: &[bool]) -> f32 {
    let (sum, count) =
        powers.iter().zip(speech).filter(|(_, speech)| **speech).fold((0.0, 0.0), |(s, n), (p, _)| (s + p, n + 1.0));
    f32::sqrt(sum / count)
}

/// The samples of a µ-law WAV of one channel at 8 kHz.
fn decode(wav: &[u8]) -> Vec<f32> {
    assert!(wav.starts_with(b"RIFF") && &wav[8..12] == b"WAVE", "not a WAV");
    let mut rest = &wav[12..];
    while let Some((header, body)) = rest.split_at_checked(8) {
        let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        match &header[..4] {
            b"fmt " => assert_eq!(body[..8], [7, 0, 1, 0, 0x40, 0x1F, 0, 0], "not µ-law, one channel, 8 kHz"),
            b"data" => return body[..size].iter().map(|&code| f32::from(mu_law_decode(code)) / 32_768.0).collect(),
            _ => {}
        }
        rest = &body[size + size % 2..];
    }
    panic!("a WAV without samples");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seconds;

    #[test]
    fn speech_is_what_is_within_30_db_and_gaps_shorter_than_200_ms() {
        let runs = [(20, 1e-1), (12, 1e-8), (20, 1e-1), (13, 1e-8), (5, 1e-3), (20, 1e-1), (30, 1e-5)];
        let powers: Vec<f32> = runs.iter().flat_map(|&(frames, power)| vec![power; frames]).collect();
        let expected: Vec<bool> =
            [(52, true), (13, false), (25, true), (30, false)].iter().flat_map(|&(n, is)| vec![is; n]).collect();
        assert_eq!(label(&powers), expected);
    }

    #[test]
    fn a_folder_of_voices_takes_the_place_of_the_corpus() {
        let folder = tempfile::tempdir().unwrap();
        for (name, of) in [("zoe", "carlo"), ("adam", "june")] {
            let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(of).with_extension("wav");
            std::fs::copy(clip, folder.path().join(name).with_extension("wav")).unwrap();
        }
        std::fs::write(folder.path().join("README.md"), "not a voice").unwrap();
        let (tuned, other) = (Corpus::load(), Corpus::with_voices_of(folder.path()).unwrap());
        assert_eq!(other.voices.iter().map(|voice| &voice.name[..]).collect::<Vec<_>>(), ["adam", "zoe"]);
        assert_eq!(other.voices[0].samples, tuned.voices[5].samples);
        assert_eq!(other.music.len(), tuned.music.len());
        std::fs::remove_file(folder.path().join("zoe.wav")).unwrap();
        assert!(Corpus::with_voices_of(folder.path()).is_err(), "nobody calls themselves");
    }

    #[test]
    fn everybody_says_at_least_half_a_minute_and_pauses() {
        for voice in Corpus::load().voices {
            let speech = voice.speech.iter().filter(|speech| **speech).count();
            assert!(seconds(speech) > 33.0, "{} speaks for {} s", voice.name, seconds(speech));
            assert!(seconds(voice.speech.len() - speech) > 0.5, "{} never pauses", voice.name);
        }
    }
}
