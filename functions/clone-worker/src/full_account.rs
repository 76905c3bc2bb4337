//! The memory that the vendor's account is full. It outlives a message, so that no sample is sent only to be refused.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The vendor's refusal is remembered for so long. Then the vendor decides once more, whatever the account's figures say.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// The time at which the vendor last refused a voice because the account was full.
#[derive(Default)]
pub struct FullAccount(Mutex<Option<Instant>>);

impl FullAccount {
    /// Remembers a refusal of the vendor.
    pub fn remember(&self) {
        self.set(Some(Instant::now()));
    }

    /// The account has room again.
    pub fn forget(&self) {
        self.set(None);
    }

    /// True if the vendor has refused a voice within an hour, and no room was seen since.
    pub fn is_remembered(&self) -> bool {
        let refused_at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused_at.is_some_and(|refused_at| refused_at.elapsed() < REMEMBERED)
    }

    fn set(&self, refused_at: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = refused_at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_remembered_for_an_hour_or_until_there_is_room() {
        let account = FullAccount::default();
        assert!(!account.is_remembered());
        account.remember();
        assert!(account.is_remembered());
        account.forget();
        assert!(!account.is_remembered());
        for (ago, is_remembered) in [(3_590, true), (3_600, false)] {
            account.set(Instant::now().checked_sub(Duration::from_secs(ago)));
            assert_eq!(account.is_remembered(), is_remembered, "{ago} s");
        }
    }
}
