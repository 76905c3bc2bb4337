//! The tokens of people without an account: an employee reads, grants and withdraws with one.
//!
//! A token is shown once and never stored: the database knows its SHA-256. It travels in a header, and in the fragment
//! of the link that the employee gets, because paths and queries are logged.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderMap;
use shared::error::Error;
use shared::refusal::Refusal;

/// The request header that carries a token.
pub const HEADER: &str = "consent-token";
const BYTES: usize = 32;
/// The label of the derivation, so that nothing else that may ever be derived from an invitation's token is the same.
const WITHDRAWAL: &[u8] = b"understudy: withdrawal token of an invitation token";

/// A token, with the hash that the database keeps.
pub struct Token {
    /// The token itself, which only its owner sees.
    pub secret: String,
    /// The hash for the database, in hexadecimal.
    pub sha256: String,
}

impl Token {
    /// Makes a new token of 256 random bits.
    pub fn new() -> Result<Self, Error> {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes).map_err(|_| Error::unavailable("making a token")("no randomness"))?;
        Ok(Self::of(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Derives the withdrawal token of an invitation's token. It is always the same, so that the employee gets it again
    /// if the first answer was lost. It cannot be derived without the invitation's token.
    pub fn withdrawal(&self) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        Self::of(BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, WITHDRAWAL)))
    }

    /// Reads the token that a request carries.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Refusal> {
        let secret = headers.get(HEADER).and_then(|value| value.to_str().ok()).ok_or(Refusal::ConsentTokenMissing)?;
        Ok(Self::of(secret.to_owned()))
    }

    fn of(secret: String) -> Self {
        let sha256 = hexadecimal(digest(&SHA256, secret.as_bytes()).as_ref());
        Self { secret, sha256 }
    }
}

/// Lower-case hexadecimal, two digits for each byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tokens_are_never_alike_and_their_hash_is_what_a_request_with_them_has() {
        let (one, other) = (Token::new().unwrap(), Token::new().unwrap());
        assert_ne!(one.secret, other.secret);
        assert_eq!(one.secret.len(), 43);
        let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), one.secret.parse().unwrap())]);
        assert_eq!(Token::from_headers(&headers).unwrap().sha256, one.sha256);
        assert_eq!(one.sha256.len(), 64);
    }

    #[test]
    fn the_token_to_withdraw_with_is_always_the_same_for_one_invitation_and_no_other() {
        let invitation = |text: &str| Token::of(text.to_owned());
        let first = invitation("one").withdrawal();
        assert_eq!(first.secret, invitation("one").withdrawal().secret);
        assert_eq!(first.secret.len(), 43);
        assert_ne!(first.secret, invitation("other").withdrawal().secret);
        assert_ne!(first.secret, first.withdrawal().secret);
        // A changed label would make all existing withdrawal tokens invalid.
        assert_eq!(first.sha256, "8d2b8489ceb229bee4cd3f3724dd18046761246c47d7f12f58a187cf396bcc66");
    }

    #[test]
    fn a_request_without_a_token_is_refused() {
        assert_eq!(Token::from_headers(&HeaderMap::new()).err(), Some(Refusal::ConsentTokenMissing));
    }
}
