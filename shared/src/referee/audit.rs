//! What was done, and refused.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Shown, ask_for_caller};
use crate::clients::supabase::Supabase;
use crate::error::Error;

/// A page of an organisation's audit.
#[derive(Debug, Serialize)]
pub struct AuditPage {
    /// Who asks; the organisation is theirs.
    pub user_id: Uuid,
    /// Of one employee, or of all.
    pub employee_id: Option<Uuid>,
    /// From before this row on.
    pub before: Option<i64>,
    /// How many rows.
    pub limit: u32,
}

/// Reads the audit, newest first.
///
/// # Errors
/// [`Error::Refused`] when the user may not.
pub async fn read_audit(supabase: &Supabase, page: &AuditPage) -> Result<Shown, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Audit(Shown),
    }
    let Outcome::Audit(rows) = ask_for_caller(supabase, "read_audit", page).await?;
    Ok(rows)
}
