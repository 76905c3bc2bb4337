//! Answers one request of the frontend.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use lambda_http::{Request, RequestExt};
use sample::{Channel, PIPELINE_VERSION};
use serde_json::{Value, json};
use shared::answer;
use shared::auth::Verifier;
use shared::clients::supabase::{Supabase, SupabaseSecret};
use shared::error::Error;
use shared::gateway;
use shared::queue::Queue;
use shared::referee::EmployeeRequest;
use shared::referee::voices::{CloneRequest, RequestedClone, VoiceState, VoiceStatus, read_voice, request_clone};
use shared::refusal::Refusal;
use shared::vendor::{Vendor, with_fresh_secrets};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use crate::campaign::{self, Campaign};
use crate::route::Route;

/// Five hundred employees are 20 KB.
const LARGEST_BODY_BYTES: usize = 64 * 1024;
/// The longest that a request waits for its voice. The gateway gives up after 30 s, which cannot be configured
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>).
const PATIENCE: Duration = Duration::from_secs(25);
/// The pause before the first look. Queue, sample and vendor together take longer than this.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The endpoint, with the services that it uses.
pub struct Endpoint {
    /// Verifies the caller's access token.
    pub verifier: Verifier,
    /// The database.
    pub supabase: Vendor<SupabaseSecret>,
    /// The employees' usual channel in calls of two legs.
    pub usual_channel: Option<Channel>,
    /// The queue of `clone-worker` for single requests.
    pub clones: Queue,
    /// The queue of `clone-worker` for many employees at once.
    pub campaigns: Queue,
}

impl Endpoint {
    /// Answers a request; every error becomes a problem document, so that the invocation itself never fails.
    pub async fn handle(&self, request: Request) -> Response<String> {
        self.serve(&request).await.unwrap_or_else(answer::problem)
    }

    async fn serve(&self, request: &Request) -> Result<Response<String>, Error> {
        if request.body().len() > LARGEST_BODY_BYTES {
            return Err(Refusal::PayloadTooLarge.into());
        }
        let deadline = Instant::now() + PATIENCE;
        let route = Route::of(request.method().as_str(), request.raw_http_path())?;
        with_fresh_secrets(&[&self.supabase], || self.serve_route(route, request, deadline)).await
    }

    async fn serve_route(&self, route: Route, request: &Request, deadline: Instant) -> Result<Response<String>, Error> {
        let supabase = self.supabase.client().await?;
        let supabase = supabase.for_caller(gateway::source_ip(request), gateway::header(request, "user-agent"));
        let user_id = self.verifier.user(request.headers(), supabase.jwt_secret()).await?;
        match route {
            Route::Voice(employee_id) => read_voice(&supabase, EmployeeRequest { user_id, employee_id })
                .await
                .map(|state| answer::json(StatusCode::OK, &state)),
            Route::Clone(employee_id) => {
                let clone = CloneRequest {
                    request: EmployeeRequest { user_id, employee_id },
                    usual_channel: self.usual_channel,
                    pipeline_version: PIPELINE_VERSION,
                    replace: replaces_first(request)?,
                    campaign: false,
                };
                let is_async = prefers_async(request.headers());
                let deadline = if is_async { Instant::now() } else { deadline };
                let mut response = self.clone_voice(&supabase, &clone, deadline).await?;
                if is_async && response.status() == StatusCode::ACCEPTED {
                    response.headers_mut().insert("preference-applied", HeaderValue::from_static("respond-async"));
                }
                Ok(response)
            }
            Route::Campaign => {
                let wanted = Campaign::parse(request.body())?;
                campaign::request(&supabase, &self.campaigns, user_id, &wanted, self.usual_channel, deadline).await
            }
        }
    }

    async fn clone_voice(
        &self,
        supabase: &Supabase,
        clone: &CloneRequest,
        deadline: Instant,
    ) -> Result<Response<String>, Error> {
        let employee_id = clone.request.employee_id;
        let attempt = match request_clone(supabase, clone).await? {
            RequestedClone::Ready { voice_id, report } => {
                return Ok(ready(employee_id, &voice_id, report, "These recordings are already cloned."));
            }
            // A pending attempt is queued again: the invocation that requested it may have died before queueing it, and
            // a second message does no harm.
            RequestedClone::Requested(attempt) | RequestedClone::Pending(attempt) => attempt,
        };
        self.clones.send(&attempt).await?;
        match timeout_at(deadline, self.settled(supabase, clone.request)).await {
            Ok(outcome) => {
                let (voice_id, report) = outcome?;
                Ok(ready(employee_id, &voice_id, report, "The voice is cloned."))
            }
            Err(_) => Ok(pending(employee_id, attempt.attempt_id)),
        }
    }

    /// Looks at the newest attempt, at growing intervals, until it has succeeded or failed.
    async fn settled(&self, supabase: &Supabase, request: EmployeeRequest) -> Result<(String, Option<Value>), Error> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            sleep(pause).await;
            pause = pause_after(begun.elapsed());
            match read_voice(supabase, request).await {
                Ok(VoiceState { status: VoiceStatus::Ready, voice_id: Some(voice_id), report, .. }) => {
                    return Ok((voice_id, report));
                }
                Ok(state) if state.status == VoiceStatus::Pending => {}
                Ok(state) => return Err(state.into_error()),
                // The attempt goes on meanwhile, so a failed look is no reason to give up.
                Err(error) if error.is_transient() => tracing::warn!(%error, "the attempt could not be looked at"),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The pause until the next look, after this much waiting: the answer is late by a fifth of the time at most, and by 2 s
/// at most.
fn pause_after(waited: Duration) -> Duration {
    (waited / 5).min(LONGEST_PAUSE)
}

/// True for `?replace=true`: the old voice is to be deleted before the new one is made.
fn replaces_first(request: &Request) -> Result<bool, Refusal> {
    match gateway::query_parameter(request, "replace") {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Refusal::QueryInvalid),
    }
}

/// True if the client prefers not to wait, by RFC 7240 (<https://www.rfc-editor.org/rfc/rfc7240#section-4.1>).
fn prefers_async(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split([',', ';'])).any(|one| one.trim().eq_ignore_ascii_case("respond-async"))
}

fn ready(employee_id: Uuid, voice_id: &str, report: Option<Value>, message: &str) -> Response<String> {
    let body = json!({
        "employee_id": employee_id, "voice_id": voice_id, "status": "ready", "message": message, "report": report,
    });
    answer::json(StatusCode::OK, &body)
}

fn pending(employee_id: Uuid, attempt_id: Uuid) -> Response<String> {
    let message = "The voice is being cloned; its state is at the address in Location.";
    let body = json!({"employee_id": employee_id, "attempt_id": attempt_id, "status": "pending", "message": message});
    let mut response = answer::json(StatusCode::ACCEPTED, &body);
    let location = HeaderValue::from_str(&format!("/api/employees/{employee_id}/voice"));
    response.headers_mut().insert(header::LOCATION, location.expect("a UUID fits into a header"));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-1111-4111-8111-111111111111";

    #[test]
    fn respond_async_is_heard_among_other_preferences() {
        let prefers = |value: &'static str| {
            prefers_async(&HeaderMap::from_iter([("prefer".parse().unwrap(), HeaderValue::from_static(value))]))
        };
        assert!(prefers("respond-async"));
        assert!(prefers("wait=10, Respond-Async"));
        assert!(!prefers("return=minimal"));
        assert!(!prefers_async(&HeaderMap::new()));
    }

    #[test]
    fn the_pauses_grow_and_no_answer_is_late_by_more_than_a_fifth() {
        let (mut waited, mut pause, mut looks) = (FIRST_PAUSE, Duration::ZERO, 1);
        while waited < PATIENCE {
            let next = pause_after(waited);
            assert!(next >= pause && next * 5 <= waited && next <= LONGEST_PAUSE, "{next:?} after {waited:?}");
            (waited, pause, looks) = (waited + next, next, looks + 1);
        }
        assert!(looks <= 22, "{looks} looks in {PATIENCE:?}");
    }

    #[test]
    fn a_pending_answer_says_where_to_look() {
        let response = pending(Uuid::try_parse(ID).unwrap(), Uuid::nil());
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert_eq!(response.headers()[header::LOCATION], format!("/api/employees/{ID}/voice"));
    }
}
