//! Erasures: what is left of one, and what became of each copy.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::recordings::Newest;
use super::writes::ObjectWrite;
use super::{EmployeeRequest, Shown, ask, ask_for_caller};
use crate::clients::supabase::{ObjectKey, Supabase};
use crate::clients::twilio::RecordingSid;
use crate::error::Error;
use crate::messages::ErasureStarted;

/// The moment of a request to erase (`p_now`): seconds since 1970.
///
/// The erasure covers what was recorded before, and when a recording began is what Twilio says. Twilio's clock and ours
/// are kept by NTP; the database's may be off.
pub(super) fn asked_at() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Erases everything of an employee, with or without a consent.
///
/// # Errors
/// [`Error::Refused`] when the user may not.
pub async fn start_erasure(supabase: &Supabase, request: EmployeeRequest) -> Result<ErasureStarted, Error> {
    #[derive(Serialize)]
    struct Arguments {
        #[serde(flatten)]
        request: EmployeeRequest,
        now: f64,
    }
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Started(ErasureStarted),
    }
    let arguments = Arguments { request, now: asked_at() };
    let Outcome::Started(started) = ask_for_caller(supabase, "start_erasure", arguments).await?;
    Ok(started)
}

/// The newest erasure, with a page of its copies, and what stays.
///
/// # Errors
/// [`Error::Refused`] when the user may not see it.
pub async fn read_erasure(supabase: &Supabase, request: EmployeeRequest, after: Option<i64>) -> Result<Shown, Error> {
    #[derive(Serialize)]
    struct Arguments {
        #[serde(flatten)]
        request: EmployeeRequest,
        after: Option<i64>,
    }
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Erasure(Shown),
    }
    let Outcome::Erasure(erasure) = ask_for_caller(supabase, "read_erasure", Arguments { request, after }).await?;
    Ok(erasure)
}

/// What is left of an erasure.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum BegunErasure {
    /// There is no such erasure.
    ErasureUnknown,
    /// Nothing.
    Erased,
    /// This, and perhaps more.
    Erase(Remainder),
}

/// Some of what is left of an erasure.
#[derive(Deserialize)]
pub struct Remainder {
    /// Whether the database has listed all that it knows; it goes on with each look.
    pub is_listed: bool,
    /// In the order in which they are to go.
    pub copies: Vec<RemainingCopy>,
    /// What is not known to be gone before a time is over, because something may still land there.
    pub blocked: Vec<Blocked>,
    /// Until nothing of `blocked` is any more.
    pub wait_seconds: Option<u64>,
}

/// What is not known to be gone before a time is over.
#[derive(Deserialize)]
pub struct Blocked {
    /// An attempt to clone whose voice may yet turn up.
    pub attempt_id: Option<Uuid>,
    /// How long.
    pub wait_seconds: u64,
}

/// One copy that is not confirmed gone.
#[derive(Deserialize)]
pub struct RemainingCopy {
    /// A row of `voice_erasure_copies`.
    pub copy_id: Uuid,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
}

/// Where a copy is; for the first and the last, where copies are to be looked for.
#[derive(Deserialize)]
#[serde(tag = "kind", content = "reference", rename_all = "snake_case")]
pub enum Place {
    /// Speech that was made with a voice, by the voice.
    VendorHistory(String),
    /// A piece of such speech.
    VendorSpeech(String),
    /// A voice.
    VendorVoice(String),
    /// The immutable key of a recording.
    StoredRecording(ObjectKey),
    /// The key of the newest recording.
    NewestRecording(ObjectKey),
    /// The metadata, which are replaced by a tombstone.
    Metadata(ObjectWrite),
    /// A recording at Twilio.
    TwilioRecording(RecordingSid),
    /// Recordings of a call that we never stored. What is no SID was never a call at Twilio.
    TwilioCall(String),
}

/// Takes an erasure up, and asks for some of what is left of it.
pub async fn begin_erasure(supabase: &Supabase, erasure_id: Uuid) -> Result<BegunErasure, Error> {
    ask(supabase, "begin_erasure", ErasureStarted { erasure_id }).await
}

/// Copies that the database did not know of.
#[derive(Serialize)]
#[serde(tag = "kind", content = "references", rename_all = "snake_case")]
pub enum FoundCopies<'a> {
    /// Speech that the vendor has of a voice.
    VendorSpeech(&'a [String]),
    /// Recordings that Twilio has of a call.
    TwilioRecording(&'a [RecordingSid]),
}

/// Adds copies to an erasure, at most 1000 at once. What is not part of it is left out.
pub async fn add_erasure_copies(supabase: &Supabase, erasure_id: Uuid, found: FoundCopies<'_>) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Arguments<'a> {
        erasure_id: Uuid,
        #[serde(flatten)]
        found: FoundCopies<'a>,
    }
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Added,
        ErasureUnknown,
    }
    let (Outcome::Added | Outcome::ErasureUnknown) =
        ask(supabase, "add_erasure_copies", Arguments { erasure_id, found }).await?;
    Ok(())
}

/// A copy that its keeper does not have.
#[derive(Serialize)]
pub struct GoneCopy<'a> {
    /// The copy.
    pub copy_id: Uuid,
    /// The vendor's account that was asked, where there may be several.
    pub account: Option<&'a str>,
    /// Whether it was seen there just before.
    pub was_there: bool,
}

/// What the database says of a copy that is gone.
#[derive(Deserialize)]
pub struct ErasedCopy {
    /// Whether it believes that.
    pub outcome: CopyOutcome,
    /// A recording made since a new consent, whose copy has just been erased with the old one's: to be published.
    pub newest: Option<Newest>,
}

/// Whether the database believes that a copy is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyOutcome {
    /// It does.
    Erased,
    /// There is no such copy.
    CopyUnknown,
    /// Not yet: a stored recording could be copied there again.
    TooEarly,
    /// Not yet: a write may still land there.
    WriteUnderWay,
    /// No: another account was given it.
    OtherAccount,
}

/// Tells the database that a copy is gone.
pub async fn copy_erased(supabase: &Supabase, gone: &GoneCopy<'_>) -> Result<ErasedCopy, Error> {
    ask(supabase, "copy_erased", gone).await
}

/// A copy that is not gone, and why.
#[derive(Serialize)]
struct Kept<'a> {
    copy_id: Uuid,
    code: &'a str,
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Noted {
    Recorded,
    CopyUnknown,
}

/// Tells the database that a try did not work.
pub async fn copy_failed(supabase: &Supabase, copy_id: Uuid, code: &str) -> Result<(), Error> {
    let (Noted::Recorded | Noted::CopyUnknown) = ask(supabase, "copy_failed", Kept { copy_id, code }).await?;
    Ok(())
}

/// Tells the database that what is left of a copy is out of our reach.
pub async fn copy_kept_elsewhere(supabase: &Supabase, copy_id: Uuid, code: &str) -> Result<(), Error> {
    let (Noted::Recorded | Noted::CopyUnknown) = ask(supabase, "copy_kept_elsewhere", Kept { copy_id, code }).await?;
    Ok(())
}
