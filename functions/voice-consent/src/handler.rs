//! Answers one request: verifies the caller, asks the database, and puts its decision into HTTP.

use std::ops::RangeInclusive;

use http::{Response, StatusCode};
use lambda_http::{Request, RequestExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::answer;
use shared::auth::Verifier;
use shared::clients::supabase::{Supabase, SupabaseSecret};
use shared::clients::twilio::CallSid;
use shared::error::Error;
use shared::gateway::{self, header, query_parameter};
use shared::messages::ErasureStarted;
use shared::queue::Queue;
use shared::referee::audit::{AuditPage, read_audit};
use shared::referee::consents::{ConsentTerms, current_consent_statement, read_voice_consent, withdraw_voice_consent};
use shared::referee::erasures::{read_erasure, start_erasure};
use shared::referee::invitations::{
    Answer, Answered, Invitation, Reply, answer_invitation, invite_to_consent, read_invitation, read_withdrawal,
    withdraw_with_token,
};
use shared::referee::voices::{VoiceUse, authorize_voice};
use shared::referee::{EmployeeRequest, Shown};
use shared::refusal::Refusal;
use shared::vendor::{Vendor, with_fresh_secrets};
use uuid::Uuid;

use crate::evidence;
use crate::route::{Action, Route};
use crate::token::Token;

/// The size limit of a body. A consent has a handful of short fields.
const LARGEST_BODY_BYTES: usize = 16 * 1024;
/// The language of the statement, unless the request names another one.
const ENGLISH: &str = "en";
/// The days for which an invitation is valid, unless the admin says otherwise.
const INVITATION_DAYS: u32 = 14;
const INVITATION_MAY_LAST: RangeInclusive<u32> = 1..=90;
const SECONDS_A_DAY: u32 = 86_400;
/// The rows on a page of the audit, unless the admin says otherwise.
const AUDIT_PAGE: u32 = 50;
const AUDIT_PAGE_MAY_HAVE: RangeInclusive<u32> = 1..=200;

/// The endpoint, with the services that it uses.
pub struct Endpoint {
    /// Verifies the caller's access token.
    pub verifier: Verifier,
    /// The database.
    pub supabase: Vendor<SupabaseSecret>,
    /// The queue of `voice-erasure`.
    pub erasures: Queue,
}

/// The body of `POST …/voice-consent/invitation`: the consent that the employee is to be asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InvitationBody {
    #[serde(default = "english")]
    locale: String,
    purposes: Vec<String>,
    consent_expires_at: String,
    #[serde(default = "invitation_days")]
    valid_days: u32,
}

/// The body of `POST /api/voice-consent/invitation`: the employee's answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerBody {
    granted: bool,
}

/// The body of `POST …/voice/authorize`: the use of the voice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UseBody {
    purpose: String,
    /// The call in which the voice is to speak: it is never sampled.
    call_sid: Option<CallSid>,
}

fn english() -> String {
    ENGLISH.to_owned()
}

fn invitation_days() -> u32 {
    INVITATION_DAYS
}

impl Endpoint {
    /// Answers a request; every error becomes a problem document, so that the invocation itself never fails.
    pub async fn handle(&self, request: Request) -> Response<String> {
        self.answer(&request).await.unwrap_or_else(answer::problem)
    }

    async fn answer(&self, request: &Request) -> Result<Response<String>, Error> {
        if request.body().len() > LARGEST_BODY_BYTES {
            return Err(Refusal::PayloadTooLarge.into());
        }
        let route = Route::of(request.method().as_str(), request.raw_http_path())?;
        with_fresh_secrets(&[&self.supabase], || self.decide(&route, request)).await
    }

    /// Asks the database, in the name of a user or by a token.
    async fn decide(&self, route: &Route, request: &Request) -> Result<Response<String>, Error> {
        let supabase = self.supabase.client().await?;
        let supabase = supabase.for_caller(gateway::source_ip(request), header(request, "user-agent"));
        match route {
            Route::ReadStatement => {
                // The database takes no text with a NUL, and no language has one in its name.
                let locale = query_parameter(request, "locale").filter(|locale| !locale.contains('\0'));
                shown(&current_consent_statement(&supabase, locale.unwrap_or(ENGLISH)).await?)
            }
            Route::ReadInvitation | Route::AnswerInvitation | Route::ReadWithdrawal | Route::WithdrawWithToken => {
                self.for_token(&supabase, route, request).await
            }
            Route::ReadAudit => {
                let user_id = self.verifier.user(request.headers(), supabase.jwt_secret()).await?;
                shown(&read_audit(&supabase, &audit_page(request, user_id)?).await?)
            }
            &Route::Employee(action, employee_id) => {
                let user_id = self.verifier.user(request.headers(), supabase.jwt_secret()).await?;
                self.for_user(&supabase, EmployeeRequest { user_id, employee_id }, action, request).await
            }
        }
    }

    /// Serves an employee without an account, who has a token.
    async fn for_token(
        &self,
        supabase: &Supabase,
        route: &Route,
        request: &Request,
    ) -> Result<Response<String>, Error> {
        let token = Token::from_headers(request.headers())?;
        let (address, user_agent) = (gateway::source_ip(request), header(request, "user-agent"));
        match route {
            Route::AnswerInvitation => {
                let AnswerBody { granted } = body(request)?;
                let withdrawal = token.withdrawal();
                let answer = Answer {
                    token_sha256: &token.sha256,
                    granted,
                    withdrawal_token_sha256: &withdrawal.sha256,
                    channel: "link",
                    address,
                    user_agent,
                };
                let (Answered::Granted(reply) | Answered::Refused(reply)) =
                    answer_invitation(supabase, &answer).await?;
                shown(&with_withdrawal_token(reply, withdrawal))
            }
            Route::WithdrawWithToken => {
                let withdrawn = withdraw_with_token(supabase, &token.sha256, address, user_agent).await?;
                self.queue_erasure(withdrawn.erasure_id).await?;
                shown(&withdrawn)
            }
            Route::ReadWithdrawal => shown(&read_withdrawal(supabase, &token.sha256).await?),
            _ => shown(&read_invitation(supabase, &token.sha256).await?),
        }
    }

    /// Serves a signed-in user; the database knows their organisation and role.
    async fn for_user(
        &self,
        supabase: &Supabase,
        asked: EmployeeRequest,
        action: Action,
        request: &Request,
    ) -> Result<Response<String>, Error> {
        match action {
            Action::ReadConsent => shown(&read_voice_consent(supabase, asked).await?),
            Action::Withdraw => {
                let withdrawn = withdraw_voice_consent(supabase, asked).await?;
                self.queue_erasure(withdrawn.erasure_id).await?;
                shown(&withdrawn)
            }
            Action::Erase => {
                let started = start_erasure(supabase, asked).await?;
                self.queue_erasure(Some(started.erasure_id)).await?;
                shown(&started)
            }
            Action::ReadErasure => shown(&read_erasure(supabase, asked, copies_after(request)?).await?),
            Action::Authorize => {
                let UseBody { purpose, call_sid } = body(request)?;
                let wanted = VoiceUse { request: asked, purpose: &purpose, call_sid: call_sid.as_ref() };
                shown(&authorize_voice(supabase, &wanted).await?)
            }
            Action::Grant => {
                let terms: ConsentTerms = body(request)?;
                shown(&evidence::grant(supabase, asked, &terms).await?)
            }
            Action::OfferEvidence => shown(&evidence::offer(supabase, asked).await?),
            Action::Invite => invite(supabase, asked, &body(request)?).await,
        }
    }

    /// Queues an erasure that a decision has started.
    async fn queue_erasure(&self, erasure_id: Option<Uuid>) -> Result<(), Error> {
        match erasure_id {
            Some(erasure_id) => self.erasures.send(&ErasureStarted { erasure_id }).await,
            None => Ok(()),
        }
    }
}

/// Makes an invitation. The database keeps the hash of its token; the token itself is shown only in this answer.
async fn invite(
    supabase: &Supabase,
    asked: EmployeeRequest,
    wanted: &InvitationBody,
) -> Result<Response<String>, Error> {
    if !INVITATION_MAY_LAST.contains(&wanted.valid_days) {
        return Err(Refusal::BodyInvalid.into());
    }
    let token = Token::new()?;
    let invitation = Invitation {
        request: asked,
        token_sha256: &token.sha256,
        locale: &wanted.locale,
        purposes: &wanted.purposes,
        expires_at: &wanted.consent_expires_at,
        valid_seconds: wanted.valid_days * SECONDS_A_DAY,
    };
    let invited = invite_to_consent(supabase, &invitation).await?;
    let (invitation_id, expires_at) = (invited.invitation_id, invited.expires_at);
    shown(&json!({"invitation_id": invitation_id, "expires_at": expires_at, "token": token.secret}))
}

fn shown(body: &impl Serialize) -> Result<Response<String>, Error> {
    Ok(answer::json(StatusCode::OK, body))
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    serde_json::from_slice(request.body()).map_err(|_| Refusal::BodyInvalid)
}

/// The answer, with the token that withdraws if the database says that it can withdraw something.
fn with_withdrawal_token(Reply { token_handed, mut shown }: Reply, withdrawal: Token) -> Shown {
    if token_handed {
        shown.insert("withdrawal_token".to_owned(), withdrawal.secret.into());
    }
    shown
}

fn audit_page(request: &Request, user_id: Uuid) -> Result<AuditPage, Refusal> {
    let employee_id = query_parameter(request, "employee_id").map(Uuid::try_parse).transpose();
    let before = query_parameter(request, "before").map(|number| number.parse::<i64>()).transpose();
    let limit = query_parameter(request, "limit").map_or(Ok(AUDIT_PAGE), |number| number.parse());
    let limit = limit.ok().filter(|rows| AUDIT_PAGE_MAY_HAVE.contains(rows)).ok_or(Refusal::QueryInvalid)?;
    Ok(AuditPage {
        user_id,
        employee_id: employee_id.map_err(|_| Refusal::EmployeeIdInvalid)?,
        before: before.map_err(|_| Refusal::QueryInvalid)?,
        limit,
    })
}

/// The copy after which the requested page of an erasure begins.
fn copies_after(request: &Request) -> Result<Option<i64>, Refusal> {
    let number = |text: &str| text.parse().ok().filter(|number| *number >= 0).ok_or(Refusal::QueryInvalid);
    query_parameter(request, "after").map(number).transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn with_body(text: &str) -> Request {
        Request::new(text.into())
    }

    #[test]
    fn a_field_that_is_not_expected_makes_the_body_invalid() {
        assert!(body::<AnswerBody>(&with_body(r#"{"granted": true}"#)).is_ok());
        for wrong in ["", "{}", "[]", r#"{"granted": "yes"}"#, r#"{"granted": true, "admin": true}"#] {
            assert_eq!(body::<AnswerBody>(&with_body(wrong)).err(), Some(Refusal::BodyInvalid), "{wrong}");
        }
    }

    #[test]
    fn an_admin_records_two_methods_and_evidence_with_its_hash_and_nothing_else() {
        let grant = |change: Value| {
            let mut consent = json!({
                "statement_version": "1", "statement_sha256": "a", "method": "written_release", "purposes": ["voice_clone"],
                "evidence_reference": "r", "evidence_sha256": "a".repeat(64), "expires_at": "2027-01-01T00:00:00Z",
            });
            for (name, value) in change.as_object().unwrap() {
                consent[name] = value.clone();
            }
            body::<ConsentTerms>(&with_body(&consent.to_string())).map(|terms| json!(terms.method))
        };
        for method in ["written_release", "recorded_call"] {
            assert_eq!(grant(json!({"method": method})), Ok(json!(method)));
        }
        for wrong in [
            json!({"method": "self_service"}),
            json!({"method": "self_service", "evidence_reference": null, "evidence_sha256": null}),
            json!({"method": "hearsay"}),
            json!({"method": null}),
            json!({"evidence_reference": null}),
            json!({"evidence_sha256": null}),
            json!({"evidence_sha256": "A".repeat(64)}),
            json!({"evidence_sha256": "a".repeat(63)}),
            json!({"p_read": "a"}),
        ] {
            assert_eq!(grant(wrong.clone()), Err(Refusal::BodyInvalid), "{wrong}");
        }
    }

    #[test]
    fn a_use_may_name_a_call_and_nothing_but_a_call() {
        let call = "CA0123456789abcdef0123456789abcdef";
        let named = body::<UseBody>(&with_body(&format!(r#"{{"purpose": "x", "call_sid": "{call}"}}"#))).unwrap();
        assert_eq!(named.call_sid.map(|sid| sid.to_string()).as_deref(), Some(call));
        assert!(body::<UseBody>(&with_body(r#"{"purpose": "x"}"#)).unwrap().call_sid.is_none());
        for wrong in ["", "CA1", "RE0123456789abcdef0123456789abcdef", "CA0123456789abcdef0123456789abcdeg"] {
            let answer = body::<UseBody>(&with_body(&format!(r#"{{"purpose": "x", "call_sid": "{wrong}"}}"#)));
            assert_eq!(answer.err(), Some(Refusal::BodyInvalid), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_told_only_when_it_withdraws_something() {
        let answer_to =
            |reply: Value| json!(with_withdrawal_token(serde_json::from_value(reply).unwrap(), Token::new().unwrap()));
        let granted = answer_to(json!({"consent_id": "c", "token_handed": true}));
        assert_eq!(granted["withdrawal_token"].as_str().map(str::len), Some(43));
        let refused = answer_to(json!({"live_consent": null, "token_handed": false}));
        assert_eq!(refused, json!({"live_consent": null}));
    }

    #[test]
    fn a_page_of_the_audit_is_bounded_and_its_query_checked() {
        let page = |query: &str| audit_page(&gateway::with_query(Request::default(), query), Uuid::nil());
        assert_eq!(page("").unwrap().limit, 50);
        assert_eq!(page("limit=200&before=7").unwrap().limit, 200);
        for wrong in ["limit=0", "limit=201", "limit=-1", "limit="] {
            assert_eq!(page(wrong).err(), Some(Refusal::QueryInvalid), "{wrong}");
        }
        assert_eq!(page("before=x").err(), Some(Refusal::QueryInvalid));
        assert_eq!(page("employee_id=x").err(), Some(Refusal::EmployeeIdInvalid));
    }

    #[test]
    fn a_page_of_an_erasure_begins_after_a_number_and_nothing_else() {
        let after = |query: &str| copies_after(&gateway::with_query(Request::default(), query));
        assert_eq!((after(""), after("after=7")), (Ok(None), Ok(Some(7))));
        for wrong in ["after=", "after=x", "after=-1", "after=9223372036854775808"] {
            assert_eq!(after(wrong), Err(Refusal::QueryInvalid), "{wrong}");
        }
    }
}
