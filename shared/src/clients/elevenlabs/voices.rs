//! Finding and deleting voices.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::add_voice::AddedVoice;
use super::client::ElevenLabs;
use super::codes::NAME;
use super::gone::{Deleted, says_not_found};
use super::marks::{self, ATTEMPT, DEPLOYMENT};
use crate::clients::call::{Call, SHORT};
use crate::clients::vendor_error::VendorError;

/// The most pages of a list that are read, of 100 voices each; no plan has as many voices.
const MOST_PAGES: usize = 200;

/// A voice at the vendor that an attempt has made.
#[derive(Debug, Serialize)]
pub struct MarkedVoice {
    /// The vendor's id.
    pub vendor_voice_id: String,
    /// The attempt that made it.
    pub attempt_id: Uuid,
    /// The deployment that made it.
    pub deployment_id: Option<Uuid>,
}

/// A voice as the vendor lists it.
#[derive(Deserialize)]
struct Voice {
    voice_id: String,
    description: Option<String>,
    #[serde(default)]
    labels: Value,
    voice_verification: Option<Verification>,
}

#[derive(Deserialize)]
struct Verification {
    requires_verification: bool,
    is_verified: bool,
}

impl Voice {
    fn attempt_id(&self) -> Option<Uuid> {
        self.mark(ATTEMPT)
    }

    fn mark(&self, word: &str) -> Option<Uuid> {
        marks::read(word, &self.labels, self.description.as_deref())
    }
}

impl ElevenLabs {
    /// Finds the voices that an attempt has made, by their marks. The vendor searches labels and descriptions.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/search>
    pub async fn find_voices(&self, attempt_id: Uuid) -> Result<Vec<AddedVoice>, VendorError> {
        let query = [("search", attempt_id.to_string())];
        let voices = self.list(&query).await?;
        let found = voices.into_iter().filter(|voice| voice.attempt_id() == Some(attempt_id)).map(|voice| AddedVoice {
            voice_id: voice.voice_id,
            requires_verification: voice.voice_verification.is_some_and(|v| v.requires_verification && !v.is_verified),
            library_voice_match: None,
        });
        Ok(found.collect())
    }

    /// Lists the cloned voices that carry the mark of any attempt.
    pub async fn marked_voices(&self) -> Result<Vec<MarkedVoice>, VendorError> {
        let voices = self.list(&[("category", "cloned".to_owned())]).await?;
        let marked = voices.into_iter().filter_map(|voice| {
            let (attempt_id, deployment_id) = (voice.attempt_id()?, voice.mark(DEPLOYMENT));
            Some(MarkedVoice { attempt_id, deployment_id, vendor_voice_id: voice.voice_id })
        });
        Ok(marked.collect())
    }

    /// Lists all voices that match the query, page by page.
    async fn list(&self, query: &[(&str, String)]) -> Result<Vec<Voice>, VendorError> {
        #[derive(Deserialize)]
        struct Page {
            voices: Vec<Voice>,
            #[serde(default)]
            has_more: bool,
            next_page_token: Option<String>,
        }
        let call = Call { vendor: NAME, action: "list the voices" };
        let mut found = Vec::new();
        let mut next_page_token = None;
        for _ in 0..MOST_PAGES {
            let request = self.request(Method::GET, "/v2/voices").query(query).query(&[("page_size", "100")]);
            let request = request.query(&next_page_token.map(|token: String| [("next_page_token", token)]));
            let page: Page = call.json(request.timeout(SHORT)).await?;
            found.extend(page.voices);
            next_page_token = page.next_page_token.filter(|_| page.has_more);
            if next_page_token.is_none() {
                return Ok(found);
            }
        }
        // A list that is cut short would make existing voices seem to be gone.
        Err(call.unacceptable("endless_list"))
    }

    /// Deletes a voice. A voice that does not exist counts as deleted. The vendor specifies a 500 for a deletion that
    /// fails, so after a failure the voice is looked up: only whether it exists decides. Returns true if the vendor
    /// says that it had the voice.
    ///
    /// # Errors
    /// The vendor's error of the deletion, if the voice still exists or the lookup failed, too.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/delete>
    pub async fn delete_voice(&self, voice_id: &str) -> Result<bool, VendorError> {
        let call = Call { vendor: NAME, action: "delete a voice" };
        let request = self.request(Method::DELETE, &format!("/v1/voices/{voice_id}")).timeout(SHORT);
        match call.json::<Deleted>(request).await {
            Ok(_) => Ok(true),
            Err(error) if says_not_found(&error) => Ok(false),
            Err(error) if error.is_unauthorised() => Err(error),
            Err(error) => match self.has_voice(voice_id).await {
                Ok(false) => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Asks whether the vendor has a voice.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/get>
    pub async fn has_voice(&self, voice_id: &str) -> Result<bool, VendorError> {
        let call = Call { vendor: NAME, action: "read a voice" };
        match call.send(self.request(Method::GET, &format!("/v1/voices/{voice_id}")).timeout(SHORT)).await {
            Err(error) if says_not_found(&error) => Ok(false),
            answer => answer.map(|_| true),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::query_param;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::testing::{elevenlabs, serve};
    use super::*;

    #[tokio::test]
    async fn a_deletion_that_fails_counts_if_the_voice_is_gone_and_not_if_it_is_there() {
        let failing = ("DELETE", "/v1/voices/v", 500, json!({"detail": {"status": "internal_error"}}));
        let missing = json!({"detail": {"code": "voice_not_found"}});
        let gone = serve(&[failing.clone(), ("GET", "/v1/voices/v", 404, missing)]).await;
        assert!(elevenlabs(&gone).await.delete_voice("v").await.is_ok());
        let there = serve(&[failing.clone(), ("GET", "/v1/voices/v", 200, json!({"voice_id": "v"}))]).await;
        assert_eq!(elevenlabs(&there).await.delete_voice("v").await.unwrap_err().status.unwrap(), 500);
        let nobody_knows = serve(&[failing, ("GET", "/v1/voices/v", 503, json!({}))]).await;
        assert!(elevenlabs(&nobody_knows).await.delete_voice("v").await.is_err());
    }

    #[tokio::test]
    async fn a_page_of_somebody_in_between_deletes_nothing() {
        for (body, is_deleted) in [(json!("<html>Please log in</html>"), false), (json!({"status": "ok"}), true)] {
            let answers = [
                ("DELETE", "/v1/voices/v", 200, body.clone()),
                ("GET", "/v1/voices/v", 200, json!({"voice_id": "v"})),
                ("DELETE", "/v1/history/i", 200, body.clone()),
                ("GET", "/v1/history/i", 200, json!({"state": "created"})),
            ];
            let server = serve(&answers).await;
            let client = elevenlabs(&server).await;
            assert_eq!(client.delete_voice("v").await.is_ok(), is_deleted, "{body}");
            assert_eq!(client.delete_history_item("i").await.is_ok(), is_deleted, "{body}");
        }
    }

    /// A voice as the vendor lists it, with the mark of an attempt.
    fn listed(voice_id: &str, attempt: u128, verification: Value) -> Value {
        let labels = json!({"attempt": Uuid::from_u128(attempt), "deployment": Uuid::from_u128(9)});
        json!({"voice_id": voice_id, "description": null, "labels": labels, "voice_verification": verification})
    }

    #[tokio::test]
    async fn the_voices_of_an_attempt_are_told_by_their_marks_and_whether_they_may_be_used() {
        let verification = |required, done| json!({"requires_verification": required, "is_verified": done});
        let voices = [
            listed("plain", 1, Value::Null),
            listed("unverified", 1, verification(true, false)),
            listed("verified", 1, verification(true, true)),
            listed("free", 1, verification(false, false)),
            listed("of another attempt", 2, Value::Null),
            json!({"voice_id": "without marks"}),
        ];
        let server = serve(&[("GET", "/v2/voices", 200, json!({"voices": voices}))]).await;
        let found = elevenlabs(&server).await.find_voices(Uuid::from_u128(1)).await.unwrap();
        let found: Vec<_> = found.iter().map(|voice| (voice.voice_id.as_str(), voice.is_usable())).collect();
        assert_eq!(found, [("plain", true), ("unverified", false), ("verified", true), ("free", true)]);
        let request = &server.received_requests().await.unwrap()[0];
        let query = format!("search={}&page_size=100", Uuid::from_u128(1));
        assert_eq!(request.url.query(), Some(query.as_str()));
    }

    #[tokio::test]
    async fn the_voices_of_all_attempts_are_listed_page_by_page() {
        let server = MockServer::start().await;
        let first = json!({"voices": [listed("a", 1, Value::Null)], "has_more": true, "next_page_token": "t"});
        let last = json!({"voices": [listed("b", 2, Value::Null)], "has_more": false, "next_page_token": "u"});
        let answer = |page| ResponseTemplate::new(200).set_body_json(page);
        Mock::given(query_param("next_page_token", "t"))
            .respond_with(answer(last))
            .with_priority(1)
            .mount(&server)
            .await;
        Mock::given(query_param("category", "cloned")).respond_with(answer(first)).mount(&server).await;
        let marked = elevenlabs(&server).await.marked_voices().await.unwrap();
        let marked: Vec<_> = marked.iter().map(|voice| (voice.vendor_voice_id.as_str(), voice.attempt_id)).collect();
        assert_eq!(marked, [("a", Uuid::from_u128(1)), ("b", Uuid::from_u128(2))]);
        assert_eq!(server.received_requests().await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_deletion_says_whether_the_voice_was_there() {
        let missing = json!({"detail": {"code": "voice_not_found"}});
        for (status, body, was_there) in [(200, json!({"status": "ok"}), true), (400, missing, false)] {
            let server = serve(&[("DELETE", "/v1/voices/v", status, body)]).await;
            assert_eq!(elevenlabs(&server).await.delete_voice("v").await.unwrap(), was_there);
            assert_eq!(server.received_requests().await.unwrap().len(), 1, "nothing is left to look up");
        }
    }

    #[tokio::test]
    async fn a_key_that_is_turned_away_says_nothing_about_what_was_to_be_deleted() {
        let refused = json!({"detail": {"code": "invalid_api_key"}});
        for at in ["/v1/voices/v", "/v1/history/i"] {
            let missing = json!({"detail": {"code": "voice_not_found"}});
            let server = serve(&[("DELETE", at, 401, refused.clone()), ("GET", at, 404, missing)]).await;
            let client = elevenlabs(&server).await;
            let error = match at {
                "/v1/voices/v" => client.delete_voice("v").await.map(drop),
                _ => client.delete_history_item("i").await,
            };
            assert!(error.unwrap_err().is_unauthorised(), "{at}");
        }
    }

    #[tokio::test]
    async fn whether_there_is_a_voice_is_told_by_the_vendor_alone() {
        for (status, code, is_there) in
            [(200, "", Some(true)), (400, "voice_does_not_exist", Some(false)), (503, "", None)]
        {
            let server = serve(&[("GET", "/v1/voices/v", status, json!({"detail": {"code": code}}))]).await;
            assert_eq!(elevenlabs(&server).await.has_voice("v").await.ok(), is_there, "{status}");
        }
    }
}
