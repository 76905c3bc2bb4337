//! Twilio's ids.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// Twilio's id of a call, `CA…`. For a call of two legs it is always the id of the parent leg.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct CallSid(String);

/// Twilio's id of a recording, `RE…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RecordingSid(String);

impl TryFrom<String> for CallSid {
    type Error = InvalidSid;

    fn try_from(text: String) -> Result<Self, InvalidSid> {
        checked("CA", text).map(Self)
    }
}

impl TryFrom<String> for RecordingSid {
    type Error = InvalidSid;

    fn try_from(text: String) -> Result<Self, InvalidSid> {
        checked("RE", text).map(Self)
    }
}

impl fmt::Display for CallSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RecordingSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not the two letters and 32 hexadecimal digits of a SID.
#[derive(Debug, thiserror::Error)]
#[error("not a Twilio SID of the expected kind")]
pub struct InvalidSid;

/// Checks a SID, since it becomes part of addresses and keys.
fn checked(kind: &str, text: String) -> Result<String, InvalidSid> {
    if is_sid(kind, &text) { Ok(text) } else { Err(InvalidSid) }
}

/// Reads a SID that may be missing. A malformed one counts as missing, so that the rest of the answer can still be
/// read.
pub(super) fn if_well_formed<'de, D: Deserializer<'de>, S: TryFrom<String>>(reader: D) -> Result<Option<S>, D::Error> {
    Ok(Option::<String>::deserialize(reader)?.and_then(|text| S::try_from(text).ok()))
}

/// True if a text is a SID of this kind: its two letters and 32 hexadecimal digits.
pub(super) fn is_sid(kind: &str, text: &str) -> bool {
    let is_id = |digits: &str| digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    text.strip_prefix(kind).is_some_and(is_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_is_two_letters_and_32_hex_digits() {
        let parse = |text: &str| RecordingSid::try_from(text.to_owned());
        assert!(parse("RE0123456789abcdefABCDEF0123456789").is_ok());
        for wrong in [
            "",
            "RE",
            "CA0123456789abcdefABCDEF0123456789",
            "RE0123456789abcdefABCDEF012345678/",
            "RE../../../../../../../../../../../",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
