//! Call audio → the voice sample of one employee.
//!
//! ```text
//! bytes of a WAV ─ wav ─→ samples ─ origin ─→ the employee's channel ─ activity ─→ frames ─ utterances ─→ a Take
//! Takes of one or more calls ─ assembly ─ mix (limiter) ─→ a Sample: the audio and its report
//! ```
//!
//! Everything up to a [`Take`] is done as the bytes arrive, in memory that does not grow with the call. The rest works
//! on at most [`LONGEST`] seconds of speech. Nothing here knows of an API, a file or a clock; only [`Origin`] knows the words
//! in which Twilio describes a recording.
//!
//! The vendor asks for a sample of one speaker, one to two minutes long, at −23 to −18 dBFS RMS, with a true peak of at
//! most −3 dBFS.
//! Source: <https://elevenlabs.io/docs/product-guides/voices/voice-cloning/instant-voice-cloning>
//!
//! | module | its subject |
//! |---|---|
//! | `origin`, `likeness` | the choice of the employee's channel, and the detection of two channels with the same mix |
//! | `speech_detector`, `steadiness` | how much a frame sounds like speech, and how much like a held tone |
//! | `activity`, `window`, `level_tracker`, `noise_floor` | whether a frame is the employee's speech |
//! | `call`, `track` | the speech that may be taken of a recording, as its bytes arrive |
//! | `utterances` | the choice of the best stretches of speech |
//! | `speech_quality`, `problem` | whether a recording is too quiet, clipped or noisy |
//! | `assembly`, `part`, `amount` | the choice of recordings for a sample, and whether they are enough |
//! | `mix`, `limiter`, `true_peak`, `high_pass` | the level of the sample and its peaks |
//! | `report` | the figures that show how the sample was made |
//! | `frame`, `decibel`, `resample`, `sums`, `rounding` | units and arithmetic |

mod activity;
mod amount;
mod assembly;
mod call;
mod decibel;
mod frame;
mod high_pass;
mod level_tracker;
mod likeness;
mod limiter;
mod mix;
mod noise_floor;
mod origin;
mod part;
mod problem;
mod report;
mod resample;
mod rounding;
mod speech_detector;
mod speech_quality;
mod steadiness;
mod sums;
#[cfg(test)]
mod tests;
mod track;
mod true_peak;
mod utterances;
mod window;

pub use amount::{ENOUGH, LONGEST};
pub use assembly::{Assembly, Sample};
pub use call::{Call, Counts, Take};
pub use frame::{Class, Frame};
pub use mix::Piece;
pub use origin::Origin;
pub use problem::{Measure, Problem};
pub use report::{CallReport, Levels, PIPELINE_VERSION, Report, Verdict, Warning};
pub use utterances::Utterance;
pub use wav::{Channel, Encoding, Format, NotAudio, WavReader};
