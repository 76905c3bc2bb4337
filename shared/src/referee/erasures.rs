//! Erasures: the copies that are left of one, and the result for each copy.

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
/// The erasure covers calls that were recorded before this moment, by the times that Twilio gives. Twilio's clock and
/// Lambda's are kept by NTP; the database's may be off.
pub(super) fn asked_at() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Erases everything of an employee, with or without a consent.
///
/// # Errors
/// [`Error::Refused`] if the user may not erase it.
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

/// Reads the newest erasure, with a page of its copies and the list of what is kept.
///
/// # Errors
/// [`Error::Refused`] if the user may not see it.
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

/// The copies that are left of an erasure.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum BegunErasure {
    /// There is no such erasure.
    ErasureUnknown,
    /// No copy is left.
    Erased,
    /// These copies are left, and perhaps more.
    Erase(Remainder),
}

/// Some of the copies that are left of an erasure.
#[derive(Deserialize)]
pub struct Remainder {
    /// True if the database has listed all copies that it knows; each call lists some more.
    pub is_listed: bool,
    /// The copies, in the order in which they are to be erased.
    pub copies: Vec<RemainingCopy>,
    /// Places that must be waited for, because something may still be written there.
    pub blocked: Vec<Blocked>,
    /// Seconds until none of `blocked` must be waited for.
    pub wait_seconds: Option<u64>,
}

/// A place that must be waited for.
#[derive(Deserialize)]
pub struct Blocked {
    /// The attempt to clone whose voice may yet turn up, if it is one.
    pub attempt_id: Option<Uuid>,
    /// The time to wait, in seconds.
    pub wait_seconds: u64,
}

/// One copy that is not confirmed gone.
#[derive(Deserialize)]
pub struct RemainingCopy {
    /// A row of `voice_erasure_copies`.
    pub copy_id: Uuid,
    /// The place of the copy.
    #[serde(flatten)]
    pub place: Place,
}

/// The place of a copy. The first and the last variant are places in which copies are to be looked for.
#[derive(Deserialize)]
#[serde(tag = "kind", content = "reference", rename_all = "snake_case")]
pub enum Place {
    /// The vendor's history of a voice's speech, by the voice's id.
    VendorHistory(String),
    /// An item of that history.
    VendorSpeech(String),
    /// A voice at the vendor.
    VendorVoice(String),
    /// The immutable key of a recording.
    StoredRecording(ObjectKey),
    /// The key of the newest recording.
    NewestRecording(ObjectKey),
    /// The employee's metadata, with the tombstone that replaces them.
    Metadata(ObjectWrite),
    /// A recording at Twilio.
    TwilioRecording(RecordingSid),
    /// A call's recordings that were never stored here. The id may be no SID: then it was never a call at Twilio.
    TwilioCall(String),
}

/// Begins, or goes on with, an erasure: asks for some of its copies that are left.
pub async fn begin_erasure(supabase: &Supabase, erasure_id: Uuid) -> Result<BegunErasure, Error> {
    ask(supabase, "begin_erasure", ErasureStarted { erasure_id }).await
}

/// Copies that were found at a vendor and that the database may not know.
#[derive(Serialize)]
#[serde(tag = "kind", content = "references", rename_all = "snake_case")]
pub enum FoundCopies<'a> {
    /// Speech that the vendor has of a voice.
    VendorSpeech(&'a [String]),
    /// Recordings that Twilio has of a call.
    TwilioRecording(&'a [RecordingSid]),
}

/// Adds copies to an erasure, at most 1000 at once. The database ignores copies that the erasure does not cover.
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

/// A copy that its keeper no longer has.
#[derive(Serialize)]
pub struct GoneCopy<'a> {
    /// The copy.
    pub copy_id: Uuid,
    /// The vendor's account that was asked, where there may be several.
    pub account: Option<&'a str>,
    /// True if it was seen there just before.
    pub was_there: bool,
}

/// The database's answer to a copy that is gone.
#[derive(Deserialize)]
pub struct ErasedCopy {
    /// The decision about the copy.
    pub outcome: CopyOutcome,
    /// The newest recording of a later consent, which is to be published again, because its copy was erased with the
    /// others.
    pub newest: Option<Newest>,
}

/// The database's decision whether a copy counts as gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyOutcome {
    /// It counts as gone.
    Erased,
    /// There is no such copy.
    CopyUnknown,
    /// It does not count yet, since a stored recording could be copied there again.
    TooEarly,
    /// It does not count yet, since a write may still land there.
    WriteUnderWay,
    /// It does not count, since it was made with another account.
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

/// Tells the database that erasing a copy has failed.
pub async fn copy_failed(supabase: &Supabase, copy_id: Uuid, code: &str) -> Result<(), Error> {
    let (Noted::Recorded | Noted::CopyUnknown) = ask(supabase, "copy_failed", Kept { copy_id, code }).await?;
    Ok(())
}

/// Tells the database that a copy is out of our reach.
pub async fn copy_kept_elsewhere(supabase: &Supabase, copy_id: Uuid, code: &str) -> Result<(), Error> {
    let (Noted::Recorded | Noted::CopyUnknown) = ask(supabase, "copy_kept_elsewhere", Kept { copy_id, code }).await?;
    Ok(())
}
