//! One request: who asks, what the database decides, how that is answered.

use std::ops::RangeInclusive;

use http::{Response, StatusCode};
use lambda_http::{Request, RequestExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::auth::Verifier;
use shared::clients::supabase::{Supabase, SupabaseSecret};
use shared::clients::twilio::CallSid;
use shared::erasures::{ErasureStarted, asked_at};
use shared::error::Error;
use shared::gateway::{self, header, query_parameter};
use shared::queue::Queue;
use shared::refusal::Refusal;
use shared::vendor::{Vendor, with_fresh_secrets};
use shared::{answer, referee};
use uuid::Uuid;

use crate::evidence;
use crate::route::{Action, Route};
use crate::token::Token;

/// A consent is a handful of short fields.
const LARGEST_BODY_BYTES: usize = 16 * 1024;
/// How long an invitation may be used, unless the admin says otherwise.
const INVITATION_DAYS: u32 = 14;
const INVITATION_MAY_LAST: RangeInclusive<u32> = 1..=90;
const SECONDS_A_DAY: u32 = 86_400;
/// Rows of the audit, unless the admin says otherwise.
const AUDIT_PAGE: u32 = 50;
const AUDIT_PAGE_MAY_HAVE: RangeInclusive<u32> = 1..=200;

/// The endpoint, with what it reaches.
pub struct Endpoint {
    /// Tells who is calling.
    pub verifier: Verifier,
    /// The database.
    pub supabase: Vendor<SupabaseSecret>,
    /// Where erasures wait for `voice-erasure`.
    pub erasures: Queue,
}

/// `PUT …/voice-consent`: a consent that an admin has evidence of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    statement_version: String,
    statement_sha256: String,
    method: Method,
    evidence_reference: String,
    evidence_sha256: Sha256,
    purposes: Vec<String>,
    expires_at: String,
}

/// A way in which an employee has told an admin that they agree. Their own answer comes by an invitation instead.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    WrittenRelease,
    RecordedCall,
}

/// 64 hexadecimal digits in lower case.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "String")]
struct Sha256(String);

impl TryFrom<String> for Sha256 {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let is_hash = text.len() == 64 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if is_hash { Ok(Self(text)) } else { Err("not a SHA-256") }
    }
}

/// `POST …/voice-consent/invitation`: what the employee shall be asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invitation {
    #[serde(default = "english")]
    locale: String,
    purposes: Vec<String>,
    consent_expires_at: String,
    #[serde(default = "invitation_days")]
    valid_days: u32,
}

/// `POST /api/voice-consent/invitation`: what the employee answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    granted: bool,
}

/// `POST …/voice/authorize`: what the voice is to be used for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Use {
    purpose: String,
    /// The call in which the voice is to speak: it is never sampled.
    call_sid: Option<CallSid>,
}

fn english() -> String {
    "en".to_owned()
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
        let mut decided = with_fresh_secrets(&[&self.supabase], || self.decide(&route, request)).await?;
        self.queue_erasure(&decided).await?;
        if let Some(fields) = decided.as_object_mut() {
            // The database's word for what the status already says.
            fields.remove("outcome");
        }
        Ok(answer::json(StatusCode::OK, &decided))
    }

    /// Asks the database, in whoever's name it is.
    async fn decide(&self, route: &Route, request: &Request) -> Result<Value, Error> {
        let supabase = self.supabase.client().await?;
        let supabase = supabase.for_caller(gateway::source_ip(request), header(request, "user-agent"));
        match route {
            Route::ReadStatement => {
                // The database takes no text with a NUL; no language has one either.
                let locale = query_parameter(request, "locale").filter(|locale| !locale.contains('\0'));
                referee::ask(
                    &supabase,
                    "current_consent_statement",
                    json!({"p_locale": locale.map_or_else(english, str::to_owned)}),
                )
                .await
            }
            Route::ReadInvitation | Route::AnswerInvitation | Route::ReadWithdrawal | Route::WithdrawWithToken => {
                self.for_token(&supabase, route, request).await
            }
            Route::ReadAudit | Route::Employee(..) => {
                let user_id = self.verifier.user(request.headers(), supabase.jwt_secret()).await?;
                self.for_user(&supabase, user_id, route, request).await
            }
        }
    }

    /// What an employee without an account may do with a token.
    async fn for_token(&self, supabase: &Supabase, route: &Route, request: &Request) -> Result<Value, Error> {
        let token = Token::from_headers(request.headers())?;
        let (address, user_agent) = (gateway::source_ip(request), header(request, "user-agent"));
        match route {
            Route::AnswerInvitation => {
                let reply: Reply = body(request)?;
                let withdrawal = token.withdrawal();
                let arguments = json!({
                    "p_token_sha256": token.sha256, "p_granted": reply.granted,
                    "p_withdrawal_token_sha256": withdrawal.sha256,
                    "p_channel": "link", "p_address": address, "p_user_agent": user_agent,
                });
                let decided = referee::ask(supabase, "answer_invitation", arguments).await?;
                Ok(with_withdrawal_token(decided, withdrawal))
            }
            Route::WithdrawWithToken => {
                let arguments = json!({
                    "p_token_sha256": token.sha256, "p_address": address, "p_user_agent": user_agent,
                    "p_now": asked_at(),
                });
                referee::ask(supabase, "withdraw_with_token", arguments).await
            }
            Route::ReadWithdrawal => {
                referee::ask(supabase, "read_withdrawal", json!({"p_token_sha256": token.sha256})).await
            }
            _ => referee::ask(supabase, "read_invitation", json!({"p_token_sha256": token.sha256})).await,
        }
    }

    /// What a signed-in user may do; the database knows their organisation and role.
    async fn for_user(
        &self,
        supabase: &Supabase,
        user_id: Uuid,
        route: &Route,
        request: &Request,
    ) -> Result<Value, Error> {
        let &Route::Employee(action, employee_id) = route else {
            return referee::ask(supabase, "read_audit", audit_page(request, user_id)?).await;
        };
        let about = json!({"p_user_id": user_id, "p_employee_id": employee_id});
        match action {
            Action::ReadConsent => referee::ask(supabase, "read_voice_consent", about).await,
            Action::Withdraw => referee::ask(supabase, "withdraw_voice_consent", asked_now(about)).await,
            Action::Erase => referee::ask(supabase, "start_erasure", asked_now(about)).await,
            Action::ReadErasure => {
                referee::ask(supabase, "read_erasure", both(about, json!({"p_after": copies_after(request)?}))).await
            }
            Action::Authorize => {
                let wanted: Use = body(request)?;
                let more = json!({"p_purpose": wanted.purpose, "p_call_sid": wanted.call_sid});
                referee::ask(supabase, "authorize_voice", both(about, more)).await
            }
            Action::Grant => {
                let grant: Grant = body(request)?;
                let more = json!({
                    "p_statement_version": grant.statement_version, "p_statement_sha256": grant.statement_sha256,
                    "p_method": grant.method, "p_evidence_reference": grant.evidence_reference,
                    "p_evidence_sha256": grant.evidence_sha256, "p_purposes": grant.purposes,
                    "p_expires_at": grant.expires_at,
                });
                evidence::grant(supabase, both(about, more)).await
            }
            Action::OfferEvidence => evidence::offer(supabase, about).await,
            Action::Invite => invite(supabase, about, body(request)?).await,
        }
    }

    /// Hands an erasure that the decision has started to its worker.
    async fn queue_erasure(&self, decided: &Value) -> Result<(), Error> {
        match ErasureStarted::deserialize(decided) {
            Ok(started) => self.erasures.send(&started).await,
            Err(_) => Ok(()),
        }
    }
}

/// The database keeps the token's hash; the token itself is told once.
async fn invite(supabase: &Supabase, about: Value, invitation: Invitation) -> Result<Value, Error> {
    if !INVITATION_MAY_LAST.contains(&invitation.valid_days) {
        return Err(Refusal::BodyInvalid.into());
    }
    let token = Token::new()?;
    let more = json!({
        "p_token_sha256": token.sha256, "p_locale": invitation.locale, "p_purposes": invitation.purposes,
        "p_expires_at": invitation.consent_expires_at,
        "p_valid_seconds": invitation.valid_days * SECONDS_A_DAY,
    });
    let mut decided: Value = referee::ask(supabase, "invite_to_consent", both(about, more)).await?;
    decided["token"] = token.secret.into();
    Ok(decided)
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    serde_json::from_slice(request.body()).map_err(|_| Refusal::BodyInvalid)
}

/// The answer with the token that withdraws, if the database says that it does from now on.
fn with_withdrawal_token(mut decided: Value, withdrawal: Token) -> Value {
    if let Some(fields) = decided.as_object_mut()
        && fields.remove("token_handed") == Some(Value::Bool(true))
    {
        fields.insert("withdrawal_token".to_owned(), withdrawal.secret.into());
    }
    decided
}

/// With the moment of the request, for what starts an erasure.
fn asked_now(about: Value) -> Value {
    both(about, json!({"p_now": asked_at()}))
}

fn both(mut arguments: Value, more: Value) -> Value {
    if let (Value::Object(arguments), Value::Object(more)) = (&mut arguments, more) {
        arguments.extend(more);
    }
    arguments
}

fn audit_page(request: &Request, user_id: Uuid) -> Result<Value, Refusal> {
    let employee_id = query_parameter(request, "employee_id").map(Uuid::try_parse).transpose();
    let before = query_parameter(request, "before").map(|number| number.parse::<i64>()).transpose();
    let limit = query_parameter(request, "limit").map_or(Ok(AUDIT_PAGE), |number| number.parse());
    let limit = limit.ok().filter(|rows| AUDIT_PAGE_MAY_HAVE.contains(rows)).ok_or(Refusal::QueryInvalid)?;
    Ok(json!({
        "p_user_id": user_id,
        "p_employee_id": employee_id.map_err(|_| Refusal::EmployeeIdInvalid)?,
        "p_before": before.map_err(|_| Refusal::QueryInvalid)?,
        "p_limit": limit,
    }))
}

/// After which copy of an erasure the page begins that is asked for.
fn copies_after(request: &Request) -> Result<Option<i64>, Refusal> {
    let number = |text: &str| text.parse().ok().filter(|number| *number >= 0).ok_or(Refusal::QueryInvalid);
    query_parameter(request, "after").map(number).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_body(text: &str) -> Request {
        Request::new(text.into())
    }

    #[test]
    fn a_field_that_is_not_expected_makes_the_body_invalid() {
        assert!(body::<Reply>(&with_body(r#"{"granted": true}"#)).is_ok());
        for wrong in ["", "{}", "[]", r#"{"granted": "yes"}"#, r#"{"granted": true, "admin": true}"#] {
            assert_eq!(body::<Reply>(&with_body(wrong)).err(), Some(Refusal::BodyInvalid), "{wrong}");
        }
    }

    #[test]
    fn an_admin_records_two_methods_and_evidence_with_its_hash_and_nothing_else() {
        let grant = |change: Value| {
            let consent = json!({
                "statement_version": "1", "statement_sha256": "a", "method": "written_release", "purposes": ["voice_clone"],
                "evidence_reference": "r", "evidence_sha256": "a".repeat(64), "expires_at": "2027-01-01T00:00:00Z",
            });
            body::<Grant>(&with_body(&both(consent, change).to_string())).map(|grant| json!(grant.method))
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
        let named = body::<Use>(&with_body(&format!(r#"{{"purpose": "x", "call_sid": "{call}"}}"#))).unwrap();
        assert_eq!(named.call_sid.map(|sid| sid.to_string()).as_deref(), Some(call));
        assert!(body::<Use>(&with_body(r#"{"purpose": "x"}"#)).unwrap().call_sid.is_none());
        for wrong in ["", "CA1", "RE0123456789abcdef0123456789abcdef", "CA0123456789abcdef0123456789abcdeg"] {
            let answer = body::<Use>(&with_body(&format!(r#"{{"purpose": "x", "call_sid": "{wrong}"}}"#)));
            assert_eq!(answer.err(), Some(Refusal::BodyInvalid), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_told_only_when_it_withdraws_something() {
        let told = |decided: Value| with_withdrawal_token(decided, Token::new().unwrap());
        let granted = told(json!({"outcome": "granted", "token_handed": true}));
        assert_eq!(granted["withdrawal_token"].as_str().map(str::len), Some(43));
        let refused = told(json!({"outcome": "refused", "live_consent": null, "token_handed": false}));
        assert_eq!(refused, json!({"outcome": "refused", "live_consent": null}));
    }

    #[test]
    fn a_page_of_the_audit_is_bounded_and_its_query_checked() {
        let page = |query: &str| audit_page(&gateway::with_query(Request::default(), query), Uuid::nil());
        assert_eq!(page("").unwrap()["p_limit"], 50);
        assert_eq!(page("limit=200&before=7").unwrap()["p_limit"], 200);
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
