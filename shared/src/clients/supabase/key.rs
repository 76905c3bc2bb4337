//! Keys of objects.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The key of an object in a bucket, such as `{employee_id}/{RecordingSid}.wav`. Keys come from the database; none is built
/// here.
///
/// It is checked, since it becomes part of addresses, and since a key whose id is missing (`/.json`) would be shared by
/// all employees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ObjectKey(String);

/// The text is not two or more words with slashes between them.
#[derive(Debug, thiserror::Error)]
#[error("not the key of an object")]
pub struct InvalidKey;

impl TryFrom<String> for ObjectKey {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        let is_key = text.contains('/') && text.split('/').all(is_word);
        if is_key { Ok(Self(text)) } else { Err(InvalidKey) }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True for an id or the name of a file. A word never begins with a dot.
fn is_word(segment: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    segment.starts_with(|first: char| first.is_ascii_alphanumeric()) && segment.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_complete_and_leads_nowhere_else() {
        let parse = |text: &str| ObjectKey::try_from(text.to_owned());
        for key in ["11111111-1111-4111-8111-111111111111/RE0123.wav", "o/e/release_17.pdf"] {
            assert_eq!(parse(key).unwrap().to_string(), key);
        }
        for wrong in
            ["", "/", "/.json", "/.wav", "e/.json", "/e.json", "e/", "e", "e//e", "../e", "e/..", "e/a b", "e/a?b"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
