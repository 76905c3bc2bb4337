//! One request of the frontend.

use std::convert::Infallible;
use std::time::Duration;

use lambda_http::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use lambda_http::{Request, RequestExt, Response};
use serde_json::json;
use shared::answer;
use shared::auth::Verifier;
use shared::clients::supabase::{Supabase, SupabaseSecret};
use shared::config::Secret;
use shared::error::{Allow, Error, Refusal};
use shared::queue::Queue;
use shared::voices::{self, Requested, Status, VoiceState};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

/// How long a request may wait for its voice. The gateway gives up at 30 s, whatever is configured
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>).
const PATIENCE: Duration = Duration::from_secs(25);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The endpoint, with what it reaches.
pub struct Endpoint {
    /// All requests go through it.
    pub http: reqwest::Client,
    /// Tells who is calling.
    pub verifier: Verifier,
    /// Without a trailing slash.
    pub supabase_url: String,
    /// Reaches the database.
    pub supabase: Secret<SupabaseSecret>,
    /// Where attempts wait for `clone-worker`.
    pub queue: Queue,
}

/// What is asked for.
#[derive(Debug, PartialEq)]
enum Route {
    Clone(Uuid),
    Voice(Uuid),
}

impl Route {
    fn of(method: &Method, path: &str) -> Result<Self, Refusal> {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let ["api", "employees", employee_id, resource] = segments[..] else { return Err(Refusal::RouteNotFound) };
        let route = match (resource, method) {
            ("clone-voice", &Method::POST) => Self::Clone,
            ("clone-voice", _) => return Err(Refusal::MethodNotAllowed(Allow("POST"))),
            ("voice", &Method::GET) => Self::Voice,
            ("voice", _) => return Err(Refusal::MethodNotAllowed(Allow("GET, DELETE"))),
            _ => return Err(Refusal::RouteNotFound),
        };
        Uuid::try_parse(employee_id).map(route).map_err(|_| Refusal::EmployeeIdInvalid)
    }
}

impl Endpoint {
    /// Answers a request; every error becomes a problem document, so that the invocation itself never fails.
    pub async fn handle(&self, request: Request) -> Result<Response<String>, Infallible> {
        Ok(self.serve(request).await.unwrap_or_else(Error::into_problem))
    }

    async fn serve(&self, request: Request) -> Result<Response<String>, Error> {
        let deadline = Instant::now() + PATIENCE;
        let route = Route::of(request.method(), request.raw_http_path())?;
        let secret = self.supabase.get().await?;
        let user_id = self.verifier.user(request.headers(), secret.jwt_secret.as_ref()).await?;
        let supabase = Supabase::new(self.http.clone(), &self.supabase_url, &secret);
        let outcome = match route {
            Route::Voice(employee_id) => voices::read_voice(&supabase, user_id, employee_id)
                .await
                .map(|state| answer::json(StatusCode::OK, &state)),
            Route::Clone(employee_id) => {
                let deadline = if prefers_async(request.headers()) { Instant::now() } else { deadline };
                self.clone_voice(&supabase, user_id, employee_id, deadline).await
            }
        };
        if let Err(error) = &outcome {
            self.supabase.notice_refusal("supabase", error).await;
        }
        outcome
    }

    async fn clone_voice(
        &self,
        supabase: &Supabase<'_>,
        user_id: Uuid,
        employee_id: Uuid,
        deadline: Instant,
    ) -> Result<Response<String>, Error> {
        let attempt = match voices::request_clone(supabase, user_id, employee_id).await? {
            Requested::Ready { voice_id } => {
                return Ok(ready(employee_id, &voice_id, "This recording is already cloned."));
            }
            // Queued again for an attempt under way: whoever asked for it may have died before queueing it, and a
            // second message does no harm.
            Requested::Requested(attempt) | Requested::Pending(attempt) => attempt,
        };
        self.queue.send(&attempt).await?;
        match timeout_at(deadline, self.settled(supabase, user_id, employee_id)).await {
            Ok(outcome) => Ok(ready(employee_id, &outcome?, "The voice is cloned.")),
            Err(_) => Ok(pending(employee_id, attempt.attempt_id)),
        }
    }

    /// Looks at the newest attempt, at growing intervals, until it has come to its voice or its refusal.
    async fn settled(&self, supabase: &Supabase<'_>, user_id: Uuid, employee_id: Uuid) -> Result<String, Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            match voices::read_voice(supabase, user_id, employee_id).await {
                Ok(VoiceState { status: Status::Ready, voice_id: Some(voice_id), .. }) => return Ok(voice_id),
                Ok(state) if state.status == Status::Pending => {}
                Ok(state) => return Err(state.refusal().into()),
                // The attempt goes on without us; not seeing it for a moment is no reason to give up.
                Err(error) if error.is_transient() => tracing::warn!(%error, "the attempt could not be looked at"),
                Err(error) => return Err(error),
            }
        }
    }
}

/// RFC 7240: the client would rather not wait (<https://www.rfc-editor.org/rfc/rfc7240#section-4.1>).
fn prefers_async(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split([',', ';'])).any(|one| one.trim().eq_ignore_ascii_case("respond-async"))
}

fn ready(employee_id: Uuid, voice_id: &str, message: &str) -> Response<String> {
    let body = json!({"employee_id": employee_id, "voice_id": voice_id, "status": "ready", "message": message});
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

    fn route(method: Method, path: &str) -> Result<Route, Refusal> {
        Route::of(&method, path)
    }

    #[test]
    fn the_two_routes_are_found() {
        let id = Uuid::try_parse(ID).unwrap();
        assert_eq!(route(Method::POST, &format!("/api/employees/{ID}/clone-voice")), Ok(Route::Clone(id)));
        assert_eq!(route(Method::GET, &format!("/api/employees/{ID}/voice")), Ok(Route::Voice(id)));
    }

    #[test]
    fn another_method_is_a_405_and_another_path_a_404() {
        assert_eq!(
            route(Method::GET, &format!("/api/employees/{ID}/clone-voice")),
            Err(Refusal::MethodNotAllowed(Allow("POST")))
        );
        assert_eq!(
            route(Method::PUT, &format!("/api/employees/{ID}/voice")),
            Err(Refusal::MethodNotAllowed(Allow("GET, DELETE")))
        );
        for path in
            ["/", "", "/api/employees", "/api/employees//voice/x", "/api/employees/1/other", "/twilio/recordings"]
        {
            assert_eq!(route(Method::GET, path), Err(Refusal::RouteNotFound), "{path}");
        }
    }

    #[test]
    fn an_employee_id_that_is_no_uuid_never_reaches_the_database() {
        for id in ["1", "..", "%2e%2e", "11111111-1111-4111-8111-11111111111g"] {
            assert_eq!(
                route(Method::GET, &format!("/api/employees/{id}/voice")),
                Err(Refusal::EmployeeIdInvalid),
                "{id}"
            );
        }
    }

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
    fn a_pending_answer_says_where_to_look() {
        let response = pending(Uuid::try_parse(ID).unwrap(), Uuid::nil());
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert_eq!(response.headers()[header::LOCATION], format!("/api/employees/{ID}/voice"));
    }
}
