//! WAV files of telephone calls, read as their bytes arrive.
//!
//! | module | its content |
//! |---|---|
//! | [`riff`] | the first bytes of a file, which tell a WAV and state its length |
//! | [`format`] | the format chunk, and the encodings of samples |
//! | [`reader`] | a whole file, from its bytes to its samples |
//! | [`header`] | the header of a file that is written |
//! | [`g711`] | the two logarithmic codes of the telephone network |
//! | [`channel`] | the first or the second of two channels |
//!
//! A header is not trusted: any bytes give samples or [`NotAudio`], in bounded memory.
//!
//! Sources: <https://learn.microsoft.com/en-us/windows/win32/api/mmreg/ns-mmreg-waveformatextensible>, and for files of
//! more than 4 GiB (RF64) <https://tech.ebu.ch/docs/tech/tech3306.pdf>

pub mod channel;
pub mod format;
pub mod g711;
pub mod header;
pub mod not_audio;
pub mod reader;
pub mod riff;

pub use channel::Channel;
pub use format::{Encoding, Format};
pub use header::header;
pub use not_audio::NotAudio;
pub use reader::WavReader;
pub use riff::RiffHeader;
