//! The database is the referee: one function for each of its decisions, with typed arguments and outcomes.
//!
//! Each calls the SQL function of its own name, which decides in one transaction. An outcome that is not known here is
//! an error that is worth another try: the database is then newer than this function. `decisions.txt` lists the names,
//! arguments and outcomes as they are here; the SQL tests compare it with the database.
//!
//! | module | its decisions |
//! |---|---|
//! | [`recordings`] | the place of a recording in Storage, and the newest recording |
//! | [`clones`] | an attempt to clone a voice, from its lease to its end |
//! | [`voices`] | asking for a voice, its state, its use, and whether it is gone |
//! | [`consents`] | consents that an admin records, withdraws and reads |
//! | [`evidence`] | the evidence of consents |
//! | [`invitations`] | invitations that an employee answers by a link, and the withdrawal by a token |
//! | [`erasures`] | the copies of a voice, and whether each is gone |
//! | [`writes`] | writes to Storage that have begun |
//! | [`audit`] | the record of decisions, refusals included |
//! | [`sweep`] | work that is due although no message asks for it |

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::clients::VendorError;
use crate::clients::supabase::Supabase;
use crate::error::Error;
use crate::refusal::Refusal;

pub mod audit;
pub mod clones;
pub mod consents;
pub mod erasures;
pub mod evidence;
pub mod invitations;
pub mod recordings;
pub mod sweep;
#[cfg(test)]
mod tests;
pub mod voices;
pub mod writes;

/// The answer to a request of the API, put together by the database.
pub type Shown = Map<String, Value>;

/// A signed-in user's request about an employee. The database knows the user's organisation and role.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct EmployeeRequest {
    /// The user who asks.
    pub user_id: Uuid,
    /// The employee whom the request is about.
    pub employee_id: Uuid,
}

/// The most items that are asked for at once.
#[derive(Serialize)]
struct Limit {
    limit: usize,
}

/// The only outcome of a report to the database that cannot be refused.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Recorded {
    Recorded,
}

/// Asks for a decision.
///
/// # Errors
/// Supabase's error; [`Error::Unavailable`], with the names of the function and the outcome, for an unknown outcome.
async fn ask<T: DeserializeOwned>(
    supabase: &Supabase,
    function: &'static str,
    arguments: impl Serialize,
) -> Result<T, Error> {
    known(function, supabase.rpc(function, named(arguments)).await?)
}

/// Asks for a decision on a request of the API. An outcome that is named like one of our refusals is that refusal.
///
/// # Errors
/// The errors of [`ask`], and the refusal, with the figure that it rests on if the database adds one.
async fn ask_for_caller<T: DeserializeOwned>(
    supabase: &Supabase,
    function: &'static str,
    arguments: impl Serialize,
) -> Result<T, Error> {
    let answer = match supabase.rpc(function, named(arguments)).await {
        Err(error) if says_unusable_value(&error) => return Err(Refusal::BodyInvalid.into()),
        answer => answer?,
    };
    accepted(function, answer)
}

fn accepted<T: DeserializeOwned>(function: &'static str, answer: Value) -> Result<T, Error> {
    match Refusal::deserialize(&answer["outcome"]) {
        Ok(refusal) => Err(Error::refused(refusal, &answer)),
        Err(_) => known(function, answer),
    }
}

/// The arguments by their names in SQL, where each begins with `p_`.
fn named(arguments: impl Serialize) -> Value {
    match serde_json::to_value(arguments).expect("arguments are plain values") {
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (format!("p_{name}"), value)).collect(),
        _ => Value::Object(Map::new()),
    }
}

/// SQLSTATE class 22 (data exception) or 23514 (check violation): a value that is invalid for its type, such as a
/// malformed time.
///
/// Source: <https://docs.postgrest.org/en/stable/references/errors.html>
fn says_unusable_value(error: &VendorError) -> bool {
    error.code.as_deref().is_some_and(|code| code == "23514" || (code.len() == 5 && code.starts_with("22")))
}

fn known<T: DeserializeOwned>(function: &'static str, answer: Value) -> Result<T, Error> {
    let is_code = |text: &str| text.len() <= 64 && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'));
    let outcome = answer["outcome"].as_str().filter(|text| is_code(text)).map(str::to_owned);
    T::deserialize(answer).map_err(|error| {
        let reason = match (outcome, error.to_string()) {
            // Other errors quote the value that could not be read, which may be personal.
            (Some(outcome), text) if text.starts_with("unknown variant") || text.starts_with("missing field") => {
                format!("the outcome `{outcome}`: {text}")
            }
            (Some(outcome), _) => format!("the outcome `{outcome}` has members of another kind"),
            (None, _) => "the answer has no outcome".to_owned(),
        };
        Error::unavailable(function)(reason)
    })
}
