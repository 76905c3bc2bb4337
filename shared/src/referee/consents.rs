//! Consents that an admin records on evidence, withdraws and reads.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::erasures::asked_at;
use super::{EmployeeRequest, Shown, ask_for_caller};
use crate::clients::supabase::{ObjectKey, Supabase};
use crate::error::Error;

/// Reads the statement that people consent to, in a language.
pub async fn current_consent_statement(supabase: &Supabase, locale: &str) -> Result<Shown, Error> {
    #[derive(Serialize)]
    struct Arguments<'a> {
        locale: &'a str,
    }
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Statement(Shown),
    }
    let Outcome::Statement(statement) =
        ask_for_caller(supabase, "current_consent_statement", Arguments { locale }).await?;
    Ok(statement)
}

/// A consent that an admin has evidence of: the body of `PUT …/voice-consent`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentTerms {
    /// The version of the statement that was agreed to.
    pub statement_version: String,
    /// The statement's hash.
    pub statement_sha256: String,
    /// The way in which the employee has agreed.
    pub method: ConsentMethod,
    /// A key of the evidence bucket, or a RecordingSid.
    pub evidence_reference: String,
    /// The hash of the evidence.
    pub evidence_sha256: Sha256,
    /// The purposes that the consent covers.
    pub purposes: Vec<String>,
    /// The time at which the consent ends.
    pub expires_at: String,
}

/// A way in which an employee has told an admin that they agree. Their own answer comes by an invitation instead.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ConsentMethod {
    WrittenRelease,
    RecordedCall,
}

/// 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Sha256(String);

impl TryFrom<String> for Sha256 {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let is_hash = text.len() == 64 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if is_hash { Ok(Self(text)) } else { Err("not a SHA-256") }
    }
}

/// A consent that is to be recorded.
#[derive(Serialize)]
pub struct ConsentGrant<'a> {
    /// The admin who records it, and the employee.
    #[serde(flatten)]
    pub request: EmployeeRequest,
    /// The consent as the admin describes it.
    #[serde(flatten)]
    pub terms: &'a ConsentTerms,
    /// The result of reading the evidence: its hash, or a code for the failure. `None` before it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<&'a str>,
}

/// The decision about a consent that an admin records.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum GrantedConsent {
    /// The consent is recorded.
    Granted(RecordedConsent),
    /// Its evidence must be read first.
    EvidenceWanted {
        /// The key of the evidence.
        object: ObjectKey,
        /// The key of the recording that is to be copied there.
        copy_from: Option<ObjectKey>,
    },
}

/// A recorded consent, as the API shows it.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordedConsent {
    /// A row of `voice_consents`.
    pub consent_id: Uuid,
    /// True if the evidence was not read, because the organisation keeps it elsewhere.
    pub evidence_unverified: bool,
}

/// Records a consent, or names the evidence that must be read first.
///
/// # Errors
/// [`Error::Refused`] if the user may not record it, or its evidence is not as it should be.
pub async fn grant_voice_consent(supabase: &Supabase, grant: &ConsentGrant<'_>) -> Result<GrantedConsent, Error> {
    ask_for_caller(supabase, "grant_voice_consent", grant).await
}

/// A consent that an admin has withdrawn, as the API shows it.
#[derive(Debug, Serialize, Deserialize)]
pub struct WithdrawnConsent {
    /// The consent.
    pub consent_id: Uuid,
    /// The erasure of every copy.
    pub erasure_id: Option<Uuid>,
}

/// Withdraws an employee's consent.
///
/// # Errors
/// [`Error::Refused`] if the user may not withdraw it, or there is no consent.
pub async fn withdraw_voice_consent(supabase: &Supabase, request: EmployeeRequest) -> Result<WithdrawnConsent, Error> {
    #[derive(Serialize)]
    struct Arguments {
        #[serde(flatten)]
        request: EmployeeRequest,
        now: f64,
    }
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Withdrawn(WithdrawnConsent),
    }
    let arguments = Arguments { request, now: asked_at() };
    let Outcome::Withdrawn(withdrawn) = ask_for_caller(supabase, "withdraw_voice_consent", arguments).await?;
    Ok(withdrawn)
}

/// Reads the newest consent and those before it; for admins also the invitations.
///
/// # Errors
/// [`Error::Refused`] when the user may not see them.
pub async fn read_voice_consent(supabase: &Supabase, request: EmployeeRequest) -> Result<Shown, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Consent(Shown),
    }
    let Outcome::Consent(consent) = ask_for_caller(supabase, "read_voice_consent", request).await?;
    Ok(consent)
}
