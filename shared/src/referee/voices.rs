//! An employee's voice: requesting it, reading its state, using it, and checking that the vendor still has it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;
use wav::Channel;

use super::{EmployeeRequest, Shown, ask, ask_for_caller};
use crate::clients::elevenlabs::MarkedVoice;
use crate::clients::supabase::Supabase;
use crate::clients::twilio::CallSid;
use crate::error::Error;
use crate::messages::CloneRequested;

/// A request for a clone.
#[derive(Serialize)]
pub struct CloneRequest {
    /// The user who asks, and the employee.
    #[serde(flatten)]
    pub request: EmployeeRequest,
    /// The employees' usual channel in this deployment, for a call of two legs that states none of its own.
    pub usual_channel: Option<Channel>,
    /// The version of the code that would make the sample.
    pub pipeline_version: u32,
    /// True if the old voice is to be deleted before the new one is made, for a vendor account without a free slot. If
    /// the new one then fails, the employee has no voice.
    pub replace: bool,
    /// True if it is one of many that were requested at once.
    pub campaign: bool,
}

/// The decision about a request for a clone.
#[derive(Debug, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RequestedClone {
    /// The voice of these recordings exists already.
    Ready {
        /// The vendor's id of the voice.
        voice_id: String,
        /// The report of how its sample was made.
        report: Option<Value>,
    },
    /// A new attempt.
    Requested(CloneRequested),
    /// An attempt is under way already.
    Pending(CloneRequested),
}

/// Asks for a clone of an employee's voice.
///
/// # Errors
/// [`Error::Refused`] if the user may not ask, consent is missing, there is no recording, or the organisation has as
/// many voices as it may.
pub async fn request_clone(supabase: &Supabase, request: &CloneRequest) -> Result<RequestedClone, Error> {
    ask_for_caller(supabase, "request_clone", request).await
}

/// An employee's voice, as the API shows it.
#[derive(Debug, Serialize, Deserialize)]
pub struct VoiceState {
    /// The employee.
    pub employee_id: Uuid,
    /// The vendor's id of the current voice; none without a live consent.
    pub voice_id: Option<String>,
    /// The state of the newest attempt.
    pub status: VoiceStatus,
    /// The code of the reason why there is no voice.
    pub code: Option<String>,
    /// The newest attempt.
    pub attempt_id: Option<Uuid>,
    /// The report of how its sample was made, or why there is none (`Report`, of the crate `sample`).
    pub report: Option<Value>,
}

/// The state of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum VoiceStatus {
    None,
    Pending,
    Ready,
    Failed,
}

/// Reads the state of an employee's voice.
///
/// # Errors
/// [`Error::Refused`] if the user may not see it.
pub async fn read_voice(supabase: &Supabase, request: EmployeeRequest) -> Result<VoiceState, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Voice(VoiceState),
    }
    let Outcome::Voice(state) = ask_for_caller(supabase, "read_voice", request).await?;
    Ok(state)
}

/// A voice that is to be used.
#[derive(Serialize)]
pub struct VoiceUse<'a> {
    /// The user who asks, and the employee.
    #[serde(flatten)]
    pub request: EmployeeRequest,
    /// The purpose.
    pub purpose: &'a str,
    /// The call in which the voice is to speak: it is never sampled.
    pub call_sid: Option<&'a CallSid>,
}

/// Asks whether an employee's voice may now be used for a purpose.
///
/// # Errors
/// [`Error::Refused`] if there is no voice, or no live consent to the purpose.
pub async fn authorize_voice(supabase: &Supabase, wanted: &VoiceUse<'_>) -> Result<Shown, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Authorized(Shown),
    }
    let Outcome::Authorized(voice) = ask_for_caller(supabase, "authorize_voice", wanted).await?;
    Ok(voice)
}

/// The database's decision whether a voice counts as gone.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Gone {
    Recorded,
    /// The voice was made with another account, so it proves nothing that this one does not have it.
    OtherAccount,
}

/// A voice that was deleted at the vendor.
#[derive(Serialize)]
pub struct DeletedVoice<'a> {
    /// The attempt that made it.
    pub attempt_id: Uuid,
    /// The vendor's account that was asked.
    pub account: &'a str,
    /// True if it was seen there just before.
    pub was_there: bool,
}

/// Tells the database that the vendor has deleted a voice. A voice of another account remains to be deleted.
pub async fn voice_deleted(supabase: &Supabase, deleted: &DeletedVoice<'_>) -> Result<(), Error> {
    let (Gone::Recorded | Gone::OtherAccount) = ask(supabase, "voice_deleted", deleted).await?;
    Ok(())
}

/// Tells the database that the vendor no longer has a current voice. A voice of another account remains current.
pub async fn voice_gone(supabase: &Supabase, attempt_id: Uuid, account: &str) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Arguments<'a> {
        attempt_id: Uuid,
        account: &'a str,
    }
    let (Gone::Recorded | Gone::OtherAccount) = ask(supabase, "voice_gone", Arguments { attempt_id, account }).await?;
    Ok(())
}

/// The database's comparison of the vendor's list of voices with its own.
#[derive(Deserialize)]
pub struct JudgedVoices {
    /// The vendor's ids of voices that belong to nobody.
    pub delete: Vec<String>,
    /// Current voices that are not in the list.
    pub missing: Vec<MissingVoice>,
}

/// A current voice that the vendor does not list.
#[derive(Deserialize)]
pub struct MissingVoice {
    /// The attempt that made it.
    pub attempt_id: Uuid,
    /// The vendor's id.
    pub vendor_voice_id: String,
}

/// Has the database compare the marked voices at the vendor with its own.
pub async fn judge_vendor_voices(supabase: &Supabase, voices: &[MarkedVoice]) -> Result<JudgedVoices, Error> {
    #[derive(Serialize)]
    struct Arguments<'a> {
        voices: &'a [MarkedVoice],
    }
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Judged(JudgedVoices),
    }
    let Outcome::Judged(judged) = ask(supabase, "judge_vendor_voices", Arguments { voices }).await?;
    Ok(judged)
}
