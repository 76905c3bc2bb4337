//! The audit: the record of decisions, refusals included.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Shown, ask_for_caller};
use crate::clients::supabase::Supabase;
use crate::error::Error;

/// A page of an organisation's audit.
#[derive(Debug, Serialize)]
pub struct AuditPage {
    /// The user who asks, and whose organisation's audit it is.
    pub user_id: Uuid,
    /// The employee whose rows are wanted; all employees if `None`.
    pub employee_id: Option<Uuid>,
    /// The page holds rows older than this one; the newest rows if `None`.
    pub before: Option<i64>,
    /// The most rows on the page.
    pub limit: u32,
}

/// Reads the audit, newest first.
///
/// # Errors
/// [`Error::Refused`] if the user may not read it.
pub async fn read_audit(supabase: &Supabase, page: &AuditPage) -> Result<Shown, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Audit(Shown),
    }
    let Outcome::Audit(rows) = ask_for_caller(supabase, "read_audit", page).await?;
    Ok(rows)
}
