//! A vendor as a function reaches it: its address, and the secret that opens it, which may be rotated meanwhile.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::clients::elevenlabs::{ElevenLabs, ElevenLabsSecret};
use crate::clients::supabase::{Supabase, SupabaseSecret};
use crate::clients::twilio::{Twilio, TwilioSecret};
use crate::config::Secret;
use crate::error::{Error, Refusal};

/// A vendor, by the secret that opens it. Its clients are for one request or message each: the next may need another
/// secret.
pub struct Vendor<S> {
    pub(crate) http: reqwest::Client,
    /// As [`VendorError`](crate::clients::VendorError) has it.
    pub(crate) name: &'static str,
    pub(crate) base_url: Arc<str>,
    pub(crate) secret: Secret<S>,
}

impl<S: DeserializeOwned> Vendor<S> {
    /// Its address, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether the vendor has turned the secret in memory away, and there is a fresh one now, so that the same thing may
    /// be tried again at once.
    pub async fn is_renewed_after(&self, error: &Error) -> bool {
        let is_refused = matches!(error, Error::Vendor(error) if error.vendor == self.name && error.is_unauthorised());
        is_refused && self.secret.renew().await
    }
}

impl Vendor<SupabaseSecret> {
    /// A client, with the secret that is in memory.
    ///
    /// # Errors
    /// The secret is not in memory and cannot be read.
    pub async fn client(&self) -> Result<Supabase, Error> {
        Ok(Supabase::new(self.http.clone(), self.base_url.clone(), self.secret.get().await?))
    }

    /// Whether a user's token that could not be verified may be one that a new legacy secret has signed, and there is a
    /// fresh one now. Never where the project has none.
    pub async fn is_renewed_for_tokens(&self, error: &Error) -> bool {
        let is_invalid = matches!(error, Error::Refused(Refusal::TokenInvalid));
        is_invalid && self.secret.get().await.is_ok_and(|s| s.jwt_secret.is_some()) && self.secret.renew().await
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
