//! The error for bytes that are not a recording.

/// The bytes are not those of a WAV that holds a call; the text says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAudio(pub &'static str);
