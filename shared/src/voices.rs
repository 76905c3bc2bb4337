//! A voice's metadata, and the error of an attempt that has failed.

use serde::Deserialize;
use serde_json::Value;

use crate::clients::supabase::Supabase;
use crate::error::Error;
use crate::referee::voices::VoiceState;
use crate::referee::writes::ObjectWrite;
use crate::refusal::Refusal;

/// The private bucket of the voices' metadata.
const METADATA_BUCKET: &str = "deep-fakes";
/// The private bucket of the evidence of consents: papers that were uploaded, and copies of the calls in which employees agreed.
pub const EVIDENCE_BUCKET: &str = "voice-consent-evidence";

/// Writes an employee's metadata, or the tombstone that takes their place.
///
/// # Errors
/// Storage's error.
pub async fn write_metadata(supabase: &Supabase, object: &ObjectWrite) -> Result<(), Error> {
    supabase.ensure_private_bucket(METADATA_BUCKET).await?;
    let json = object.body.to_string();
    Ok(supabase.upload(METADATA_BUCKET, &object.path, "application/json", json.len() as u64, json).await?)
}

impl VoiceState {
    /// The error of a failed attempt as the API shows it, with its report and the figure that was not good enough.
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::referee::voices::VoiceStatus;

    fn failed(code: Option<&str>, report: Option<Value>) -> Error {
        let (employee_id, code) = (Uuid::nil(), code.map(str::to_owned));
        VoiceState { employee_id, voice_id: None, status: VoiceStatus::Failed, code, attempt_id: None, report }
            .into_error()
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
