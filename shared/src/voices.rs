//! Asking for a cloned voice, and looking at where it is. Making it is `clone-worker`'s.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use wav::Channel;

use crate::clients::supabase::Supabase;
use crate::error::Error;
use crate::referee;
use crate::refusal::Refusal;

/// The private bucket of the voices' metadata.
pub const METADATA_BUCKET: &str = "deep-fakes";
/// The private bucket of the evidence of consents: papers that were uploaded, and copies of the calls in which employees agreed.
pub const EVIDENCE_BUCKET: &str = "voice-consent-evidence";

/// The message from `clone-voice` to `clone-worker`: an attempt waits to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneRequested {
    /// The attempt: a row of `voices`.
    pub attempt_id: Uuid,
}

/// What a request for a clone came to.
#[derive(Debug, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Requested {
    /// These recordings are already cloned: this is their voice.
    Ready {
        /// The vendor's id of the voice.
        voice_id: String,
        /// How its sample came about.
        report: Option<Value>,
    },
    /// A new attempt.
    Requested(CloneRequested),
    /// An attempt is under way already.
    Pending(CloneRequested),
}

/// An employee's voice, as the API tells it.
#[derive(Debug, Serialize, Deserialize)]
pub struct VoiceState {
    /// The employee.
    pub employee_id: Uuid,
    /// The vendor's id of the current voice; none without a live consent.
    pub voice_id: Option<String>,
    /// The state of the newest attempt.
    pub status: Status,
    /// Why there is no voice.
    pub code: Option<String>,
    /// The newest attempt.
    pub attempt_id: Option<Uuid>,
    /// How its sample came about, or why there is none (`Report`, of the crate `sample`).
    pub report: Option<Value>,
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Status {
    None,
    Pending,
    Ready,
    Failed,
}

impl VoiceState {
    /// Why the attempt has failed, in the API's terms, with its report and the figure that was not good enough.
    pub fn into_error(self) -> Error {
        let code = self.code.unwrap_or_default();
        let refusal = Refusal::deserialize(Value::from(code.as_str())).unwrap_or_else(|_| {
            tracing::error!(code, "an attempt has failed with a code that is none of ours");
            Refusal::CloneFailed
        });
        let facts = self.report.as_ref().map_or(&Value::Null, |report| &report["problem"]);
        let mut error = Error::refused(refusal, facts);
        if let (Error::Refused { members, .. }, Some(report)) = (&mut error, self.report) {
            members.insert("report".to_owned(), report);
        }
        error
    }
}

/// How a clone is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Where employees are in calls of two legs, if the deployment says so.
    pub usual_channel: Option<Channel>,
    /// The version of the code that would make the sample.
    pub pipeline_version: u32,
    /// Whether the voice that is replaced is deleted before the new one is made: for a vendor account without a free
    /// place. If the new one then fails, there is none.
    pub replace_first: bool,
    /// Whether it is one of many that were asked for at once.
    pub is_campaign: bool,
}

/// Asks the database for a clone of the employee's voice, in the name of the user.
///
/// # Errors
/// [`Error::Refused`] when the user may not, consent is missing, there is no recording, or the organisation has as many
/// voices as it may.
pub async fn request_clone(
    supabase: &Supabase,
    user_id: Uuid,
    employee_id: Uuid,
    manner: Manner,
) -> Result<Requested, Error> {
    let arguments = json!({
        "p_user_id": user_id, "p_employee_id": employee_id,
        "p_employee_channel": manner.usual_channel, "p_pipeline_version": manner.pipeline_version,
        "p_replace": manner.replace_first, "p_campaign": manner.is_campaign,
    });
    referee::ask(supabase, "request_clone", arguments).await
}

/// Reads the state of an employee's voice, in the name of the user.
///
/// # Errors
/// [`Error::Refused`] when the user may not see it.
pub async fn read_voice(supabase: &Supabase, user_id: Uuid, employee_id: Uuid) -> Result<VoiceState, Error> {
    referee::ask(supabase, "read_voice", json!({"p_user_id": user_id, "p_employee_id": employee_id})).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: Option<&str>, report: Option<Value>) -> Error {
        let (employee_id, code) = (Uuid::nil(), code.map(str::to_owned));
        VoiceState { employee_id, voice_id: None, status: Status::Failed, code, attempt_id: None, report }.into_error()
    }

    #[test]
    fn the_code_of_a_failed_attempt_is_the_apis() {
        assert_eq!(failed(Some("voice_limit_reached"), None).code(), "voice_limit_reached");
        assert_eq!(failed(Some("unheard_of"), None).code(), "clone_failed");
        assert_eq!(failed(None, None).code(), "clone_failed");
    }

    #[test]
    fn a_sample_that_is_refused_comes_with_its_figure_and_its_report() {
        let problem = json!({"code": "sample_too_short", "figure": 12.5, "limit": 30.0, "unit": "seconds"});
        let report = json!({"problem": problem, "speech_seconds": 12.5});
        let Error::Refused { refusal, members } = failed(Some("sample_too_short"), Some(report.clone())) else {
            panic!("a refusal with what explains it");
        };
        assert_eq!(refusal, Refusal::SampleTooShort);
        assert_eq!((&members["figure"], &members["limit"]), (&12.5.into(), &30.0.into()));
        assert_eq!(members["report"], report);
    }
}
