//! A stand-in for the vendor in unit tests.

use std::sync::Arc;

use serde_json::json;
use wiremock::MockServer;

use super::client::Supabase;
use super::key::ObjectKey;
use crate::clients::http_client;

/// A client of the stand-in.
pub fn client(server: &MockServer) -> Supabase {
    let secret = serde_json::from_value(json!({"secret_key": "sb_secret_0123456789abcdef"})).unwrap();
    Supabase::new(http_client(), server.uri().into(), Arc::new(secret))
}

pub fn key(text: &str) -> ObjectKey {
    ObjectKey::try_from(text.to_owned()).unwrap()
}
