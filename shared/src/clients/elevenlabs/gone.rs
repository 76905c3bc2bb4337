//! Words by which the vendor says that something is not there, or not any more.

use http::StatusCode;
use serde::Deserialize;

use super::codes::{Meaning, meaning};
use crate::clients::vendor_error::VendorError;

/// The answer to a deletion. Without it, whoever answered 200 was somebody in between.
#[derive(Deserialize)]
pub(super) struct Deleted {
    #[serde(rename = "status")]
    _status: String,
}

/// Whether the vendor does not have what it was asked about.
pub(super) fn says_not_found(error: &VendorError) -> bool {
    let is_code = |code| matches!(meaning(code), Some(Meaning::NotThere));
    error.status == Some(StatusCode::NOT_FOUND) || error.code.as_deref().is_some_and(is_code)
}
