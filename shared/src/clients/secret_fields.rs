//! Reading and checking the fields of a vendor's secret.

use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserialize, Deserializer};

/// Reads a field of a secret, and takes an empty value for a missing one: a lock with an empty key would be open to
/// everybody.
pub(super) fn absent_if_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let value = Option::<SecretString>::deserialize(deserializer)?;
    Ok(value.filter(|value| !value.expose_secret().is_empty()))
}

/// The complaint about a field of a secret that is shorter than its vendor ever makes it, such as a placeholder or half
/// of a copied value. `None` if the field is missing or long enough. Names the field and never its value.
pub(super) fn too_short(field: &str, value: Option<&SecretString>, least: usize) -> Option<String> {
    let is_short = value?.expose_secret().len() < least;
    is_short.then(|| format!("`{field}` is shorter than {least} characters"))
}
