//! One request to a vendor: the only place where a response becomes a value or an error.

use std::borrow::Cow;
use std::time::Duration;

use http::{StatusCode, header};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::elevenlabs::codes;
use super::vendor_error::VendorError;
use crate::correlation::CorrelationId;
use crate::metrics;

/// Bound for a request whose body and answer are small.
pub(super) const SHORT: Duration = Duration::from_secs(10);

/// An error's body is read up to this length, to find a code in it; the body is never kept.
const ERROR_BODY_BYTES: usize = 64 * 1024;

/// The HTTP client that all of a function's requests go through.
///
/// Redirects are refused: no vendor needs them here, and following one would carry a key to another host. Supabase
/// turns a secret key away from anything that looks like a browser, so the user agent is our own
/// (<https://supabase.com/docs/guides/getting-started/api-keys>).
///
/// Building it takes milliseconds, since it parses the system's certificates.
pub fn http_client() -> reqwest::Client {
    reqwest::Client::builder()
        .user_agent(concat!("understudy/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        // After a frozen environment wakes up, its idle connections have usually been closed by the other side.
        .pool_idle_timeout(Duration::from_secs(5))
        .build()
        .expect("the HTTP client needs only the system's certificates")
}

/// One request to a vendor: the names of the vendor and of the action.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) vendor: &'static str,
    pub(super) action: &'static str,
}

impl Call {
    /// Sends, and gives the answer if it is a success: the one place where a response becomes a value or an error.
    pub(super) async fn send(self, request: RequestBuilder) -> Result<Response, VendorError> {
        // No vendor that we know documents a header for this. The header does no harm, and a proxy or a gateway of
        // one's own in front of Supabase can log it.
        let request = match CorrelationId::current() {
            Some(id) => request.header("x-request-id", id.as_str()),
            None => request,
        };
        let response = request.send().await.map_err(|cause| self.transport(None, cause))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = retry_after(&response);
        let body = error_body(response).await;
        let (status, code) = stated_status_and_code(status, &body);
        Err(self.counted(VendorError { status: Some(status), code, retry_after, ..self.no_answer() }))
    }

    /// Sends, and reads the JSON of a successful answer.
    pub(super) async fn json<T: DeserializeOwned>(self, request: RequestBuilder) -> Result<T, VendorError> {
        let response = self.send(request).await?;
        let status = response.status();
        response.json().await.map_err(|cause| self.transport(Some(status), cause))
    }

    fn transport(self, status: Option<StatusCode>, cause: reqwest::Error) -> VendorError {
        self.counted(VendorError { status, cause: Some(cause.without_url()), ..self.no_answer() })
    }

    /// The error for an answer that must not be used, with a code of our own.
    pub(super) fn unacceptable(self, code: &'static str) -> VendorError {
        self.counted(VendorError { code: Some(code.to_owned()), ..self.no_answer() })
    }

    fn no_answer(self) -> VendorError {
        let (vendor, action) = (self.vendor, self.action);
        VendorError { vendor, action, status: None, code: None, retry_after: None, cause: None }
    }

    /// Counts an error, even an expected one, such as a 404 for an object that may be gone. The vendor's own code may be any
    /// word, so it is no dimension of the metric and only for queries.
    fn counted(self, error: VendorError) -> VendorError {
        let by = [("Vendor", self.vendor), ("Code", &*known_code(&error))];
        let more = [("Action", self.action), ("VendorCode", error.code.as_deref().unwrap_or_default())];
        metrics::count("VendorErrors", 1, &by, &more);
        error
    }
}

/// A code from a small set: the vendor's if we know it, or else one for the status.
fn known_code(error: &VendorError) -> Cow<'_, str> {
    match (error.status, error.code.as_deref()) {
        (Some(_), Some(code)) if error.vendor == codes::NAME && codes::is_known(code) => code.into(),
        (Some(status), _) if status.is_success() => "unreadable_answer".into(),
        (Some(status), _) => format!("status_{}", status.as_u16()).into(),
        (None, Some(of_ours)) => of_ours.into(),
        (None, None) => "no_answer".into(),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// An error's body, bounded; anything that is not JSON (an HTML page of a proxy, Twilio's XML) is `Null`.
async fn error_body(mut response: Response) -> Value {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > ERROR_BODY_BYTES {
            return Value::Null;
        }
    }
    serde_json::from_slice(&body).unwrap_or_default()
}

/// The status and the code that the vendor states in the body, which are more exact than the HTTP status:
///
/// * Supabase Storage answers 400 to nearly everything and puts the real status into `statusCode`
///   (<https://github.com/supabase/storage>, `storage-error.ts`).
/// * ElevenLabs has `detail.code`, or only the older `detail.status`
///   (<https://elevenlabs.io/docs/eleven-api/resources/errors>).
/// * PostgREST and Twilio have a `code` at the top.
fn stated_status_and_code(status: StatusCode, body: &Value) -> (StatusCode, Option<String>) {
    let stated = body["statusCode"].as_str().and_then(|text| text.parse().ok()).unwrap_or(status);
    let code = [&body["detail"]["code"], &body["detail"]["status"], &body["code"]]
        .into_iter()
        .find_map(|value| value.as_str().map(str::to_owned).or_else(|| value.as_i64().map(|number| number.to_string())))
        // Only a short word is taken as a code: other text may be personal, and the code is logged.
        .filter(|code| code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    (stated, code)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn stated(status: u16, body: Value) -> (u16, Option<String>) {
        let (status, code) = stated_status_and_code(StatusCode::from_u16(status).unwrap(), &body);
        (status.as_u16(), code)
    }

    #[test]
    fn storage_says_400_and_means_its_status_code() {
        let body =
            json!({"statusCode": "404", "code": "NoSuchKey", "error": "not_found", "message": "Object not found"});
        assert_eq!(stated(400, body), (404, Some("NoSuchKey".into())));
    }

    #[test]
    fn elevenlabs_code_wins_over_its_legacy_status() {
        let body = json!({"detail": {"code": "paid_plan_required", "status": "can_not_use_instant_voice_cloning"}});
        assert_eq!(stated(400, body), (400, Some("paid_plan_required".into())));
        let legacy = json!({"detail": {"status": "voice_limit_reached", "message": "10 / 10"}});
        assert_eq!(stated(400, legacy), (400, Some("voice_limit_reached".into())));
    }

    #[test]
    fn a_validation_list_or_a_page_of_html_has_no_code() {
        assert_eq!(stated(422, json!({"detail": [{"loc": ["name"], "msg": "required"}]})), (422, None));
        assert_eq!(stated(502, Value::Null), (502, None));
    }

    #[test]
    fn vendors_errors_are_counted_by_codes_that_we_know_and_else_by_their_status() {
        let known = |vendor, status: Option<u16>, code: Option<&str>| {
            let status = status.map(|status| StatusCode::from_u16(status).unwrap());
            let call = Call { vendor, action: "do something" };
            known_code(&VendorError { status, code: code.map(str::to_owned), ..call.no_answer() }).into_owned()
        };
        assert_eq!(known("elevenlabs", Some(400), Some("voice_limit_reached")), "voice_limit_reached");
        assert_eq!(known("elevenlabs", Some(400), Some("made_up_for_you_42")), "status_400");
        assert_eq!(known("supabase", Some(500), Some("57014")), "status_500");
        assert_eq!(known("twilio", Some(404), None), "status_404");
        assert_eq!(known("elevenlabs", Some(200), None), "unreadable_answer");
        assert_eq!(known("twilio", None, Some("still_there")), "still_there");
        assert_eq!(known("twilio", None, None), "no_answer");
    }

    #[test]
    fn a_sentence_is_not_a_code() {
        assert_eq!(stated(400, json!({"code": "Ann Example is not allowed"})), (400, None));
    }

    #[test]
    fn twilio_codes_are_numbers() {
        assert_eq!(stated(404, json!({"code": 20404, "status": 404})), (404, Some("20404".into())));
    }

    #[test]
    fn a_long_word_is_not_a_code() {
        let (longest, longer) = ("a".repeat(64), "a".repeat(65));
        assert_eq!(stated(400, json!({"code": longest})), (400, Some(longest)));
        assert_eq!(stated(400, json!({"code": longer})), (400, None));
    }

    /// The error for an answer of the stand-in.
    async fn refused(answer: ResponseTemplate) -> VendorError {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let call = Call { vendor: "twilio", action: "do something" };
        call.send(http_client().get(server.uri())).await.expect_err("an error")
    }

    #[tokio::test]
    async fn an_error_has_the_time_that_the_vendor_asked_us_to_wait_and_none_if_it_cannot_be_read() {
        let asked = |text: &str| ResponseTemplate::new(429).insert_header("retry-after", text);
        assert_eq!(refused(asked("77")).await.retry_after, Some(Duration::from_secs(77)));
        assert_eq!(refused(asked("Fri, 20 Nov 2026 10:00:00 GMT")).await.retry_after, None);
        let error = refused(ResponseTemplate::new(503).set_body_json(json!({"code": 20503}))).await;
        assert_eq!((error.retry_after, error.status.map(|status| status.as_u16())), (None, Some(503)));
        assert_eq!(error.code.as_deref(), Some("20503"));
    }

    #[tokio::test]
    async fn the_code_of_an_error_is_looked_for_in_the_first_64_kib_only() {
        let with_code = |length: usize| {
            let start = r#"{"code":"found","message":""#;
            format!("{start}{}\"}}", "x".repeat(length - start.len() - 2))
        };
        for (length, code) in [(65_536, Some("found")), (65_537, None), (200_000, None)] {
            let body = with_code(length);
            assert_eq!(body.len(), length);
            let error = refused(ResponseTemplate::new(400).set_body_string(body)).await;
            assert_eq!(error.code.as_deref(), code, "{length} bytes");
        }
    }

    #[tokio::test]
    async fn a_request_has_the_correlation_id_of_the_work_and_a_success_that_is_no_json_is_an_error() {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_string("<html>")).mount(&server).await;
        let call = Call { vendor: "twilio", action: "do something" };
        let work = async { call.json::<Value>(http_client().get(server.uri())).await.unwrap_err() };
        let error = crate::correlation::under(CorrelationId::parse("JKJaXmPLvHcESHA="), work).await;
        assert_eq!(error.to_string(), "twilio do something: answered 200 (unreadable answer)");
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests[0].headers["x-request-id"], "JKJaXmPLvHcESHA=");
        let user_agent = requests[0].headers["user-agent"].to_str().unwrap();
        assert!(user_agent.starts_with("understudy/"), "{user_agent}");
    }

    #[test]
    fn a_custom_domain_is_understood_as_it_is_registered() {
        let parsed = reqwest::Url::parse("https://Auth.xn--bcher-kva.example/").unwrap();
        assert_eq!(parsed.host_str(), Some("auth.xn--bcher-kva.example"));
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let error = refused(ResponseTemplate::new(302).insert_header("location", "http://evil.example/")).await;
        assert_eq!(error.status.unwrap(), 302);
    }
}
