//! The evidence of consents: papers that were uploaded, and copies of calls.

use serde::{Deserialize, Serialize};

use super::{EmployeeRequest, Limit, ask, ask_for_caller};
use crate::clients::supabase::{ObjectKey, Supabase};
use crate::error::Error;

/// Asks for a key for a paper that is to be uploaded.
///
/// # Errors
/// [`Error::Refused`] if the user may not record consents.
pub async fn offer_evidence(supabase: &Supabase, request: EmployeeRequest) -> Result<ObjectKey, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Offered { reference: ObjectKey },
    }
    let Outcome::Offered { reference } = ask_for_caller(supabase, "offer_evidence", request).await?;
    Ok(reference)
}

/// Asks for keys of evidence that no consent rests on. The objects may exist, and no consent can be recorded on them
/// any more.
pub async fn abandoned_evidence(supabase: &Supabase, limit: usize) -> Result<Vec<ObjectKey>, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Abandoned { objects: Vec<ObjectKey> },
    }
    let Outcome::Abandoned { objects } = ask(supabase, "abandoned_evidence", Limit { limit }).await?;
    Ok(objects)
}

/// Tells the database that an abandoned object is gone.
pub async fn evidence_cleared(supabase: &Supabase, object: &ObjectKey) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Arguments<'a> {
        object: &'a ObjectKey,
    }
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Cleared,
    }
    let Outcome::Cleared = ask(supabase, "evidence_cleared", Arguments { object }).await?;
    Ok(())
}
