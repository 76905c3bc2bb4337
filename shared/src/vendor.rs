//! A vendor as a function reaches it: its address, and the secret that opens it, which may be rotated meanwhile.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::config::Secret;
use crate::error::Error;

/// A client of a vendor's API.
pub trait VendorClient: Sized {
    /// What opens the API, as it stands in Secrets Manager.
    type Secret: DeserializeOwned;
    /// What [`VendorError::vendor`](crate::clients::VendorError) calls the vendor.
    const VENDOR: &'static str;
    /// The variable with the API's address, which has no slash at its end.
    const URL: &'static str;
    /// The variable with the secret's ARN.
    const SECRET_ARN: &'static str;

    /// With the secret as it is now.
    fn new(http: reqwest::Client, base_url: Arc<str>, secret: Arc<Self::Secret>) -> Self;
}

/// A vendor, by its client.
pub struct Vendor<C: VendorClient> {
    http: reqwest::Client,
    base_url: Arc<str>,
    secret: Secret<C::Secret>,
}

impl<C: VendorClient> Vendor<C> {
    pub(crate) fn new(http: reqwest::Client, base_url: Arc<str>, secret: Secret<C::Secret>) -> Self {
        Self { http, base_url, secret }
    }

    /// Its address, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A client, with the secret that is in memory. It is for one request or message: the next may need another.
    ///
    /// # Errors
    /// The secret is not in memory and cannot be read.
    pub async fn client(&self) -> Result<C, Error> {
        Ok(C::new(self.http.clone(), self.base_url.clone(), self.secret.get().await?))
    }

    /// Whether the vendor has turned the secret in memory away, and there is a fresh one now; see
    /// [`Secret::is_renewed_after`].
    pub async fn is_renewed_after(&self, error: &Error) -> bool {
        self.secret.is_renewed_after(C::VENDOR, error).await
    }
}
