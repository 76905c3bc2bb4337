//! The speech that was generated with a voice. It outlives the voice, and is deleted item by item.

use reqwest::Method;
use serde::Deserialize;

use super::client::ElevenLabs;
use super::codes::NAME;
use super::gone::{Deleted, says_not_found};
use crate::clients::call::{Call, SHORT};
use crate::clients::vendor_error::VendorError;

/// A page of the speech that was generated with a voice.
#[derive(Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The vendor's ids of the items.
    pub items: Vec<String>,
    /// The item after which the next page begins, if there is one.
    pub next: Option<String>,
}

impl ElevenLabs {
    /// Lists the kept speech that was generated with a voice, a hundred items at a time, newest first, beginning after
    /// the item `after`. The speech outlives the voice. A workspace with zero retention (enterprise plans) keeps none.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/history/list>
    pub async fn history_of(&self, voice_id: &str, after: Option<&str>) -> Result<HistoryPage, VendorError> {
        #[derive(Deserialize)]
        struct Page {
            history: Vec<Item>,
            last_history_item_id: Option<String>,
            has_more: bool,
        }
        #[derive(Deserialize)]
        struct Item {
            history_item_id: String,
            state: String,
        }
        let call = Call { vendor: NAME, action: "list the history of a voice" };
        let request = self.request(Method::GET, "/v1/history").query(&[("voice_id", voice_id), ("page_size", "100")]);
        let request = request.query(&after.map(|id| [("start_after_history_item_id", id)]));
        let page: Page = call.json(request.timeout(SHORT)).await?;
        let kept = page.history.into_iter().filter(|item| item.state != "deleted");
        let next = page.last_history_item_id.filter(|_| page.has_more);
        Ok(HistoryPage { items: kept.map(|item| item.history_item_id).collect(), next })
    }

    /// Deletes one item of the history, its audio and its text. An item that does not exist counts as deleted. If the
    /// deletion fails, the item is looked up, as a voice is: only whether it exists decides.
    ///
    /// # Errors
    /// The vendor's error of the deletion, if the item still exists or the lookup failed, too.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/history/delete>
    pub async fn delete_history_item(&self, id: &str) -> Result<(), VendorError> {
        #[derive(Deserialize)]
        struct Item {
            state: String,
        }
        let path = format!("/v1/history/{id}");
        let call = Call { vendor: NAME, action: "delete an item of the history" };
        match call.json::<Deleted>(self.request(Method::DELETE, &path).timeout(SHORT)).await {
            Ok(_) => Ok(()),
            Err(error) if says_not_found(&error) => Ok(()),
            Err(error) if error.is_unauthorised() => Err(error),
            Err(error) => {
                let look = Call { vendor: NAME, action: "read an item of the history" };
                match look.json::<Item>(self.request(Method::GET, &path).timeout(SHORT)).await {
                    Ok(item) if item.state == "deleted" => Ok(()),
                    Err(answer) if says_not_found(&answer) => Ok(()),
                    _ => Err(error),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{elevenlabs, serve};
    use super::*;

    #[tokio::test]
    async fn the_history_of_a_voice_is_read_page_by_page_without_what_is_deleted() {
        let item = |id: &str, state: &str| json!({"history_item_id": id, "state": state});
        let history = [item("a", "created"), item("b", "deleted")];
        let page = json!({"history": history, "last_history_item_id": "b", "has_more": true});
        let server = serve(&[("GET", "/v1/history", 200, page)]).await;
        let read = elevenlabs(&server).await.history_of("v", Some("0")).await.unwrap();
        assert_eq!(read, HistoryPage { items: vec!["a".into()], next: Some("b".into()) });
        let request = &server.received_requests().await.unwrap()[0];
        assert_eq!(request.url.query(), Some("voice_id=v&page_size=100&start_after_history_item_id=0"));

        let last = json!({"history": [], "last_history_item_id": null, "has_more": false});
        let server = serve(&[("GET", "/v1/history", 200, last)]).await;
        assert_eq!(elevenlabs(&server).await.history_of("v", None).await.unwrap().next, None);
    }

    #[tokio::test]
    async fn an_item_of_the_history_that_is_gone_counts_as_deleted_and_one_that_is_there_does_not() {
        let at = "/v1/history/i";
        let missing = serve(&[("DELETE", at, 404, json!({}))]).await;
        assert!(elevenlabs(&missing).await.delete_history_item("i").await.is_ok());
        assert_eq!(missing.received_requests().await.unwrap().len(), 1, "nothing is left to look up");
        for (state, is_gone) in [("deleted", true), ("created", false)] {
            let server = serve(&[("DELETE", at, 500, json!({})), ("GET", at, 200, json!({"state": state}))]).await;
            assert_eq!(elevenlabs(&server).await.delete_history_item("i").await.is_ok(), is_gone, "{state}");
        }
    }

    #[tokio::test]
    async fn an_item_that_cannot_be_deleted_is_gone_only_if_the_vendor_says_so_when_asked() {
        let at = "/v1/history/i";
        for (status, is_gone) in [(404, true), (503, false)] {
            let server = serve(&[("DELETE", at, 500, json!({})), ("GET", at, status, json!({}))]).await;
            assert_eq!(elevenlabs(&server).await.delete_history_item("i").await.is_ok(), is_gone, "{status}");
        }
    }
}
