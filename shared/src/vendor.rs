//! A vendor's address and secret, from which a function makes clients. The secret is read again if it was rotated.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;

use crate::clients::elevenlabs::{self, ElevenLabs, ElevenLabsSecret};
use crate::clients::supabase::{self, Supabase, SupabaseSecret};
use crate::clients::twilio::{self, Twilio, TwilioSecret};
use crate::error::Error;
use crate::refusal::Refusal;
use crate::secret::Secret;

/// The secret of a vendor.
pub trait VendorSecret: DeserializeOwned + Send + Sync {
    /// The vendor's name in [`VendorError`](crate::clients::VendorError).
    const NAME: &'static str;

    /// True if an error may mean that there is a newer secret, because the vendor has turned this one away.
    fn may_be_outdated(&self, error: &Error) -> bool {
        matches!(error, Error::Vendor(error) if error.vendor == Self::NAME && error.is_unauthorised())
    }
}

impl VendorSecret for SupabaseSecret {
    const NAME: &'static str = supabase::NAME;

    /// This is also so if a user's token cannot be verified, since a new legacy secret may have signed it.
    fn may_be_outdated(&self, error: &Error) -> bool {
        let is_turned_away =
            matches!(error, Error::Vendor(error) if error.vendor == Self::NAME && error.is_unauthorised());
        is_turned_away
            || self.jwt_secret.is_some() && matches!(error, Error::Refused { refusal: Refusal::TokenInvalid, .. })
    }
}

impl VendorSecret for TwilioSecret {
    const NAME: &'static str = twilio::NAME;
}

impl VendorSecret for ElevenLabsSecret {
    const NAME: &'static str = elevenlabs::NAME;
}

/// A vendor whose secret can be read again.
pub trait Renewable: Sync {
    /// Reads the secret again if an error may mean that there is a newer one. Returns whether that succeeded; false
    /// within a minute of the last try.
    fn is_renewed_after<'a>(&'a self, error: &'a Error) -> BoxFuture<'a, bool>;
}

impl<S: VendorSecret> Renewable for Vendor<S> {
    fn is_renewed_after<'a>(&'a self, error: &'a Error) -> BoxFuture<'a, bool> {
        async move { self.secret.get().await.is_ok_and(|secret| secret.may_be_outdated(error)) && self.secret.renew().await }
            .boxed()
    }
}

/// Does some work, and does it once more if one of these vendors turned its secret away and the secret could be read
/// again.
///
/// # Errors
/// The errors of the work.
pub async fn with_fresh_secrets<T, F>(vendors: &[&dyn Renewable], work: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    match work().await {
        Err(error) if is_any_renewed_after(&error, vendors).await => work().await,
        outcome => outcome,
    }
}

/// Reads the secrets again that an error may concern. Returns true if one of them could be read.
pub async fn is_any_renewed_after(error: &Error, vendors: &[&dyn Renewable]) -> bool {
    for vendor in vendors {
        if vendor.is_renewed_after(error).await {
            return true;
        }
    }
    false
}

/// A vendor, with the secret that opens it. A client serves one request or message only, since the secret may have
/// changed by the next.
pub struct Vendor<S> {
    pub(crate) http: reqwest::Client,
    pub(crate) base_url: Arc<str>,
    pub(crate) secret: Secret<S>,
}

impl Vendor<SupabaseSecret> {
    /// Its address, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A client, with the secret that is in memory.
    ///
    /// # Errors
    /// The secret is not in memory and cannot be read.
    pub async fn client(&self) -> Result<Supabase, Error> {
        Ok(Supabase::new(self.http.clone(), self.base_url.clone(), self.secret.get().await?))
    }
}

impl Vendor<TwilioSecret> {
    /// A client, with the secret that is in memory.
    ///
    /// # Errors
    /// The secret is not in memory and cannot be read.
    pub async fn client(&self) -> Result<Twilio, Error> {
        Ok(Twilio::new(self.http.clone(), self.base_url.clone(), self.secret.get().await?))
    }
}

impl Vendor<ElevenLabsSecret> {
    /// A client, with the secret that is in memory.
    ///
    /// # Errors
    /// The secret is not in memory and cannot be read.
    pub async fn client(&self) -> Result<ElevenLabs, Error> {
        Ok(ElevenLabs::new(self.http.clone(), self.base_url.clone(), self.secret.get().await?))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::ready;
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::clients::VendorError;
    use crate::secret::tests::{requests, served};

    fn answered(vendor: &'static str, status: StatusCode) -> Error {
        let (action, status) = ("do something", Some(status));
        VendorError { vendor, action, status, code: None, retry_after: None, cause: None }.into()
    }

    fn turned_away_by(vendor: &'static str) -> Error {
        answered(vendor, StatusCode::UNAUTHORIZED)
    }

    #[test]
    fn a_secret_is_outdated_if_its_own_vendor_turned_it_away() {
        let twilio: TwilioSecret = serde_json::from_value(json!({"account_sid": "AC1"})).unwrap();
        assert!(twilio.may_be_outdated(&turned_away_by("twilio")));
        assert!(!twilio.may_be_outdated(&turned_away_by("supabase")));
        assert!(!twilio.may_be_outdated(&answered("twilio", StatusCode::NOT_FOUND)));
        assert!(!twilio.may_be_outdated(&Refusal::TokenInvalid.into()));
    }

    #[test]
    fn a_project_with_a_legacy_secret_may_have_a_newer_one_when_a_users_token_is_invalid() {
        let [legacy, other] = [json!("a-legacy-secret"), json!(null)].map(|jwt_secret| -> SupabaseSecret {
            serde_json::from_value(json!({"secret_key": "sb_secret_1", "jwt_secret": jwt_secret})).unwrap()
        });
        for secret in [&legacy, &other] {
            assert!(secret.may_be_outdated(&turned_away_by("supabase")));
            assert!(!secret.may_be_outdated(&turned_away_by("twilio")));
            assert!(!secret.may_be_outdated(&answered("supabase", StatusCode::NOT_FOUND)));
            assert!(!secret.may_be_outdated(&Refusal::TokenExpired.into()));
        }
        assert!(legacy.may_be_outdated(&Refusal::TokenInvalid.into()));
        assert!(!other.may_be_outdated(&Refusal::TokenInvalid.into()));
    }

    fn vendor<S>(secret: Secret<S>) -> Vendor<S> {
        Vendor { http: reqwest::Client::new(), base_url: "https://vendor.example".into(), secret }
    }

    #[tokio::test]
    async fn a_secret_is_read_again_after_its_vendor_turned_it_away_and_after_nothing_else() {
        let (server, secret) = served(json!({"account_sid": "AC1"})).await;
        let vendor: Vendor<TwilioSecret> = vendor(secret);
        for other in [turned_away_by("supabase"), answered("twilio", StatusCode::NOT_FOUND)] {
            assert!(!vendor.is_renewed_after(&other).await);
        }
        assert_eq!(requests(&server).await, 1, "it is read once, since it was not in memory");
        assert!(vendor.is_renewed_after(&turned_away_by("twilio")).await);
        assert_eq!(requests(&server).await, 2);
        assert!(!vendor.is_renewed_after(&turned_away_by("twilio")).await, "within a minute it is not read again");
    }

    #[tokio::test]
    async fn a_vendor_has_the_address_that_it_was_given() {
        let vendor: Vendor<SupabaseSecret> = vendor(served(json!({"secret_key": "sb_secret_1"})).await.1);
        assert_eq!(vendor.base_url(), "https://vendor.example");
        assert!(vendor.client().await.is_ok());
    }

    /// A vendor whose secret can be read again, or not.
    struct Stub(bool);

    impl Renewable for Stub {
        fn is_renewed_after<'a>(&'a self, _: &'a Error) -> BoxFuture<'a, bool> {
            ready(self.0).boxed()
        }
    }

    #[tokio::test]
    async fn work_is_done_once_more_if_a_secret_was_renewed_and_only_then() {
        let (renewed, kept) = (Stub(true), Stub(false));
        for (vendors, times) in
            [(vec![&kept, &renewed], 2), (vec![&renewed], 2), (vec![&kept, &kept], 1), (Vec::new(), 1)]
        {
            let vendors: Vec<&dyn Renewable> = vendors.into_iter().map(|vendor| vendor as &dyn Renewable).collect();
            let done = AtomicUsize::new(0);
            let work = || {
                done.fetch_add(1, Ordering::Relaxed);
                ready(Err::<u8, Error>(turned_away_by("twilio")))
            };
            assert!(with_fresh_secrets(&vendors, work).await.is_err());
            assert_eq!(done.into_inner(), times);
        }
    }

    #[tokio::test]
    async fn work_that_succeeds_is_done_once() {
        let done = AtomicUsize::new(0);
        let work = || ready(Ok::<usize, Error>(done.fetch_add(1, Ordering::Relaxed)));
        assert_eq!(with_fresh_secrets(&[&Stub(true)], work).await.unwrap(), 0);
    }
}
