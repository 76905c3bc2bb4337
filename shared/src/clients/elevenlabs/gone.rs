//! The answers by which the vendor says that something does not exist, or was deleted.

use http::StatusCode;
use serde::Deserialize;

use super::codes::{Meaning, meaning};
use crate::clients::vendor_error::VendorError;

/// The answer to a deletion. A 200 without it comes from a proxy in between.
#[derive(Deserialize)]
pub(super) struct Deleted {
    #[serde(rename = "status")]
    _status: String,
}

/// True if the vendor says that it does not have the thing that it was asked about.
pub(super) fn says_not_found(error: &VendorError) -> bool {
    let is_code = |code| matches!(meaning(code), Some(Meaning::NotThere));
    error.status == Some(StatusCode::NOT_FOUND) || error.code.as_deref().is_some_and(is_code)
}
