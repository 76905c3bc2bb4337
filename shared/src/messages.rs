//! The messages that the functions put into each other's queues.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clients::twilio::{CallSid, RecordingSid};

/// From `recording-webhook` to `recording-ingest`: Twilio says that a recording is finished.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordingFinished {
    /// The call, by which the database knows the employee.
    pub call_sid: CallSid,
    /// The recording.
    pub recording_sid: RecordingSid,
}

/// From `clone-voice` to `clone-worker`: an attempt to clone a voice is to be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneRequested {
    /// The attempt: a row of `voices`.
    pub attempt_id: Uuid,
}

/// From `voice-consent` to `voice-erasure`: the copies of somebody's voice are to be erased.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ErasureStarted {
    /// A row of `voice_erasures`.
    pub erasure_id: Uuid,
}
