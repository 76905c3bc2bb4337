//! Lists of recordings, page by page.

use reqwest::{Method, Url};
use serde::Deserialize;

use super::client::{NAME, Twilio};
use super::sid::{CallSid, RecordingSid, if_well_formed};
use crate::clients::call::{Call, SHORT};
use crate::clients::vendor_error::VendorError;

/// A page of the list of recordings.
#[derive(Debug, Deserialize)]
pub struct RecordingPage {
    /// The recordings on this page.
    pub recordings: Vec<ListedRecording>,
    /// Path and query of the next page; `None` on the last one.
    pub next_page_uri: Option<String>,
}

/// A recording as the list has it.
#[derive(Debug, Deserialize)]
pub struct ListedRecording {
    /// `None` if the list has no well-formed SID.
    #[serde(deserialize_with = "if_well_formed")]
    pub sid: Option<RecordingSid>,
    /// `None` if the recording is of no call.
    #[serde(default, deserialize_with = "if_well_formed")]
    pub call_sid: Option<CallSid>,
    /// An open set; the audio is there when it is `completed`.
    pub status: String,
    /// RFC 2822; some recordings that are not completed have none.
    pub date_created: Option<String>,
}

impl Twilio {
    /// Lists the recordings that Twilio has of a call.
    ///
    /// Source: <https://www.twilio.com/docs/voice/api/recording#read-multiple-recording-resources>
    pub async fn recordings_of(&self, call_sid: &CallSid) -> Result<Vec<RecordingSid>, VendorError> {
        #[derive(Deserialize)]
        struct Page {
            recordings: Vec<Listed>,
            next_page_uri: Option<String>,
        }
        #[derive(Deserialize)]
        struct Listed {
            sid: RecordingSid,
        }
        let call = Call { vendor: NAME, action: "list the recordings of a call" };
        let account = self.account_sid();
        let mut next = Some(format!("/2010-04-01/Accounts/{account}/Recordings.json?CallSid={call_sid}&PageSize=1000"));
        let mut found = Vec::new();
        while let Some(path) = next {
            let page: Page = call.json(self.request(Method::GET, &path).timeout(SHORT)).await?;
            found.extend(page.recordings.into_iter().map(|listed| listed.sid));
            next = page.next_page_uri.map(|uri| self.checked_page(call, uri)).transpose()?;
        }
        Ok(found)
    }

    /// Reads a page of the account's recordings from a day on (`YYYY-MM-DD`, in UTC): the first page, or the one that
    /// an earlier page named as its next.
    ///
    /// # Errors
    /// Twilio's error; `foreign_page` if `page_uri` leads anywhere but to this account's recordings.
    ///
    /// Source: <https://www.twilio.com/docs/voice/api/recording#read-multiple-recording-resources>
    pub async fn recordings_since(&self, day: &str, page_uri: Option<&str>) -> Result<RecordingPage, VendorError> {
        let call = Call { vendor: NAME, action: "list the recordings" };
        let account = self.account_sid();
        let first = format!("/2010-04-01/Accounts/{account}/Recordings.json?DateCreated%3E={day}&PageSize=1000");
        let path = page_uri.map_or(Ok(first), |uri| self.checked_page(call, uri.to_owned()))?;
        call.json(self.request(Method::GET, &path).timeout(SHORT)).await
    }

    /// Gives the link to a further page back if it may be followed. The error does not quote the link, which may come
    /// from anywhere.
    fn checked_page(&self, call: Call, uri: String) -> Result<String, VendorError> {
        if is_page_of(&self.base_url, self.account_sid(), &uri) {
            Ok(uri)
        } else {
            Err(call.unacceptable("foreign_page"))
        }
    }
}

/// True if a link leads to a page of the account's own recordings, at Twilio's own address. The request carries the
/// account's password, so a link must not decide where it is sent.
fn is_page_of(base_url: &str, account_sid: &str, uri: &str) -> bool {
    let list = format!("/2010-04-01/Accounts/{account_sid}/Recordings.json");
    let is_a_page = uri.strip_prefix(&list).is_some_and(|rest| rest.starts_with('?'));
    let (Ok(ours), Ok(joined)) = (Url::parse(base_url), Url::parse(&format!("{base_url}{uri}"))) else { return false };
    let has_no_user = joined.username().is_empty() && joined.password().is_none();
    is_a_page && joined.origin() == ours.origin() && joined.path() == list && has_no_user
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{any, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::testing::{ACCOUNT, CALL, RECORDING, call_sid, serve, twilio};
    use super::*;

    #[test]
    fn a_page_is_followed_only_if_it_is_one_of_the_accounts_own_recordings_at_twilio() {
        let list = format!("/2010-04-01/Accounts/{ACCOUNT}/Recordings.json");
        let is_page = |uri: &str| is_page_of("https://api.twilio.com", ACCOUNT, uri);
        assert!(is_page(&format!("{list}?Page=1&PageToken=PARE1&PageSize=1000&DateCreated%3E=2026-11-20")));
        let other = list.replace(ACCOUNT, "AC00000000000000000000000000000002");
        for hostile in [
            "",
            "@evil.example/2010-04-01/Accounts",
            &format!("@evil.example{list}?Page=1"),
            &format!(".evil.example{list}?Page=1"),
            &format!(":8443@evil.example{list}?Page=1"),
            &format!("//evil.example{list}?Page=1"),
            &format!("\\\\evil.example{list}?Page=1"),
            &format!("/\\evil.example{list}?Page=1"),
            &format!("https://evil.example{list}?Page=1"),
            &format!("https://api.twilio.com{list}?Page=1"),
            &format!("{list}/../../../AC2/Recordings.json?Page=1"),
            &format!("{list}#?Page=1"),
            &format!(" {list}?Page=1"),
            &format!("\t{list}?Page=1"),
            &format!("{other}?Page=1"),
            &list,
            "/2010-04-01/Accounts.json?Page=1",
        ] {
            assert!(!is_page(hostile), "{hostile:?}");
        }
    }

    #[tokio::test]
    async fn a_link_that_leads_elsewhere_is_not_followed_wherever_it_comes_from() {
        let elsewhere = MockServer::start().await;
        let host = elsewhere.uri().trim_start_matches("http://").to_owned();
        let evil = format!("@{host}/2010-04-01/Accounts/{ACCOUNT}/Recordings.json?Page=1");
        let page = json!({"recordings": [], "next_page_uri": evil});
        let server = serve(&[("GET", "Recordings.json", 200, page)]).await;
        let twilio = twilio(&server).await;
        for error in [
            twilio.recordings_of(&call_sid()).await.unwrap_err(),
            twilio.recordings_since("2026-11-20", Some(&evil)).await.unwrap_err(),
        ] {
            assert_eq!(error.code.as_deref(), Some("foreign_page"));
            assert!(!error.to_string().contains(&host), "{error}");
        }
        assert!(elsewhere.received_requests().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_recording_without_dates_or_ids_does_not_spoil_the_page_it_is_on() {
        let listed = json!({"sid": RECORDING, "call_sid": null, "status": "absent", "date_created": null});
        let strange = json!({"sid": "RE/../x", "call_sid": "nonsense", "status": "completed", "date_created": null});
        let page = json!({"recordings": [listed, strange], "next_page_uri": null});
        let server = serve(&[("GET", "Recordings.json", 200, page)]).await;
        let page = twilio(&server).await.recordings_since("2026-11-20", None).await.unwrap();
        assert_eq!(page.recordings[0].date_created, None);
        assert_eq!(page.recordings[0].sid.as_ref().map(ToString::to_string).as_deref(), Some(RECORDING));
        assert_eq!((&page.recordings[1].sid, &page.recordings[1].call_sid), (&None, &None));
    }

    #[tokio::test]
    async fn the_recordings_of_a_call_are_listed_page_by_page() {
        let server = MockServer::start().await;
        let list = format!("/2010-04-01/Accounts/{ACCOUNT}/Recordings.json");
        let other = RECORDING.replace('1', "2");
        let page = |sid: &str, next: Option<String>| {
            ResponseTemplate::new(200).set_body_json(json!({"recordings": [{"sid": sid}], "next_page_uri": next}))
        };
        let next = format!("{list}?Page=1&PageToken=PARE1");
        Mock::given(query_param("Page", "1")).respond_with(page(&other, None)).with_priority(1).mount(&server).await;
        let first = Mock::given(path(list)).and(query_param("CallSid", CALL));
        first.respond_with(page(RECORDING, Some(next))).mount(&server).await;
        let found = twilio(&server).await.recordings_of(&call_sid()).await.unwrap();
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [RECORDING, &other]);
    }

    #[tokio::test]
    async fn a_page_that_an_earlier_one_named_is_read_instead_of_the_first() {
        let server = MockServer::start().await;
        let empty = ResponseTemplate::new(200).set_body_json(json!({"recordings": [], "next_page_uri": null}));
        Mock::given(any()).respond_with(empty).mount(&server).await;
        let list = format!("/2010-04-01/Accounts/{ACCOUNT}/Recordings.json");
        let twilio = twilio(&server).await;
        for (page, query) in
            [(None, "DateCreated%3E=2026-11-20&PageSize=1000"), (Some(format!("{list}?Page=7")), "Page=7")]
        {
            twilio.recordings_since("2026-11-20", page.as_deref()).await.unwrap();
            let requests = server.received_requests().await.unwrap();
            let asked = &requests.last().unwrap().url;
            assert_eq!((asked.path(), asked.query()), (list.as_str(), Some(query)));
        }
    }
}
