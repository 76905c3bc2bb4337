//! Twilio's REST API: the description of a recording, its audio and its deletion.

mod client;
mod list;
mod media;
mod recording;
mod secret;
mod sid;
#[cfg(test)]
mod testing;

pub use client::{NAME, Twilio};
pub use list::{ListedRecording, RecordingPage};
pub use media::Media;
pub use recording::{Erasure, Recording, RecordingState};
pub use secret::TwilioSecret;
pub use sid::{CallSid, InvalidSid, RecordingSid};
