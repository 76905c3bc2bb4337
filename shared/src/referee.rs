//! Asking the database: it decides, in one transaction, and answers with an outcome.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clients::VendorError;
use crate::clients::supabase::Supabase;
use crate::error::Error;
use crate::refusal::Refusal;

/// Calls one of the database's functions. An outcome that is named like one of our refusals is that refusal.
///
/// # Errors
/// [`Error::Refused`] when the database says no, with the figures that it adds to that; otherwise what Supabase said.
pub async fn ask<T: DeserializeOwned>(
    supabase: &Supabase,
    function: &'static str,
    arguments: Value,
) -> Result<T, Error> {
    match supabase.rpc(function, arguments).await {
        Ok(answer) => accepted(answer),
        Err(error) if says_unusable_value(&error) => Err(Refusal::BodyInvalid.into()),
        Err(error) => Err(error.into()),
    }
}

/// SQLSTATE class 22 (data exception) or 23514 (check violation): a value that cannot be what it should be, such as a
/// time that is none.
///
/// Source: <https://docs.postgrest.org/en/stable/references/errors.html>
fn says_unusable_value(error: &VendorError) -> bool {
    error.code.as_deref().is_some_and(|code| code == "23514" || (code.len() == 5 && code.starts_with("22")))
}

fn accepted<T: DeserializeOwned>(answer: Value) -> Result<T, Error> {
    if let Ok(refusal) = Refusal::deserialize(&answer["outcome"]) {
        return Err(Error::refused(refusal, &answer));
    }
    T::deserialize(answer).map_err(Error::unavailable("reading the database's answer"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::voices::Requested;

    #[test]
    fn a_refusal_of_the_database_is_a_refusal_of_the_api() {
        let error = accepted::<Requested>(json!({"outcome": "employee_not_found"})).unwrap_err();
        assert!(matches!(error, Error::Refused { refusal: Refusal::EmployeeNotFound, members } if members.is_empty()));
    }

    #[test]
    fn a_refusal_with_a_figure_keeps_it() {
        let outcome = json!({"outcome": "voice_quota_reached", "figure": 5, "limit": 5, "unit": "voices"});
        let error = accepted::<Requested>(outcome).unwrap_err();
        let Error::Refused { refusal, members } = error else { panic!("{error}") };
        assert_eq!((refusal, &members["limit"]), (Refusal::VoiceQuotaReached, &5.into()));
    }

    #[test]
    fn the_outcomes_of_a_request_are_told_apart() {
        let id = Uuid::nil();
        assert!(matches!(accepted(json!({"outcome": "ready", "voice_id": "v"})), Ok(Requested::Ready { .. })));
        assert!(matches!(accepted(json!({"outcome": "pending", "attempt_id": id})), Ok(Requested::Pending(_))));
        assert!(matches!(accepted(json!({"outcome": "requested", "attempt_id": id})), Ok(Requested::Requested(_))));
        assert!(accepted::<Requested>(json!({"outcome": "something_new"})).is_err());
    }
}
