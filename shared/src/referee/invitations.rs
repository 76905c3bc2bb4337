//! What an employee, who has no account, answers by a link and withdraws by a token. The database knows the SHA-256 of each.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::erasures::asked_at;
use super::{EmployeeRequest, Shown, ask_for_caller};
use crate::clients::supabase::Supabase;
use crate::error::Error;

/// An invitation that is to be made.
#[derive(Serialize)]
pub struct Invitation<'a> {
    /// Who invites whom.
    #[serde(flatten)]
    pub request: EmployeeRequest,
    /// Of the link's token.
    pub token_sha256: &'a str,
    /// The language of the statement.
    pub locale: &'a str,
    /// What the employee is asked to agree to.
    pub purposes: &'a [String],
    /// When the consent ends.
    pub expires_at: &'a str,
    /// How long the link is good.
    pub valid_seconds: u32,
}

/// An invitation that was made, as the API tells it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Invited {
    /// A row of `voice_consent_invitations`.
    pub invitation_id: Uuid,
    /// When the link ends.
    pub expires_at: String,
}

/// Makes a link good for one answer; earlier ones are void.
///
/// # Errors
/// [`Error::Refused`] when the user may not, or nobody can be asked this.
pub async fn invite_to_consent(supabase: &Supabase, invitation: &Invitation<'_>) -> Result<Invited, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Invited(Invited),
    }
    let Outcome::Invited(invited) = ask_for_caller(supabase, "invite_to_consent", invitation).await?;
    Ok(invited)
}

/// The hash of a token is all there is to say.
#[derive(Serialize)]
struct Bearer<'a> {
    token_sha256: &'a str,
}

/// What the employee is asked, or who has answered.
///
/// # Errors
/// [`Error::Refused`] for a link that is no good.
pub async fn read_invitation(supabase: &Supabase, token_sha256: &str) -> Result<Shown, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Invitation(Shown),
    }
    let Outcome::Invitation(invitation) = ask_for_caller(supabase, "read_invitation", Bearer { token_sha256 }).await?;
    Ok(invitation)
}

/// An employee's answer.
#[derive(Serialize)]
pub struct Answer<'a> {
    /// Of the link's token.
    pub token_sha256: &'a str,
    /// Yes or no.
    pub granted: bool,
    /// Of the token that withdraws what lives from now on.
    pub withdrawal_token_sha256: &'a str,
    /// How the answer came.
    pub channel: &'a str,
    /// From where.
    pub address: Option<&'a str>,
    /// With what.
    pub user_agent: Option<&'a str>,
}

/// What became of an answer.
#[derive(Debug, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Answered {
    /// The employee has agreed.
    Granted(Reply),
    /// The employee has refused.
    Refused(Reply),
}

/// What the employee is told.
#[derive(Debug, Deserialize)]
pub struct Reply {
    /// Whether the token to withdraw with withdraws something from now on.
    pub token_handed: bool,
    /// What the API shows.
    #[serde(flatten)]
    pub shown: Shown,
}

/// Uses a link up. The same answer again is told the same.
///
/// # Errors
/// [`Error::Refused`] for a link that is no good, or was answered otherwise.
pub async fn answer_invitation(supabase: &Supabase, answer: &Answer<'_>) -> Result<Answered, Error> {
    ask_for_caller(supabase, "answer_invitation", answer).await
}

/// A withdrawal by a token, as the API tells it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Withdrawn {
    /// What reaches every copy.
    pub erasure_id: Option<Uuid>,
}

/// Ends what lives, by the employee's own token.
///
/// # Errors
/// [`Error::Refused`] for a token that withdraws nothing.
pub async fn withdraw_with_token(
    supabase: &Supabase,
    token_sha256: &str,
    address: Option<&str>,
    user_agent: Option<&str>,
) -> Result<Withdrawn, Error> {
    #[derive(Serialize)]
    struct Arguments<'a> {
        token_sha256: &'a str,
        address: Option<&'a str>,
        user_agent: Option<&'a str>,
        now: f64,
    }
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Withdrawn(Withdrawn),
    }
    let arguments = Arguments { token_sha256, address, user_agent, now: asked_at() };
    let Outcome::Withdrawn(withdrawn) = ask_for_caller(supabase, "withdraw_with_token", arguments).await?;
    Ok(withdrawn)
}

/// What a token would withdraw.
///
/// # Errors
/// [`Error::Refused`] for a token that withdraws nothing.
pub async fn read_withdrawal(supabase: &Supabase, token_sha256: &str) -> Result<Shown, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Withdrawal(Shown),
    }
    let Outcome::Withdrawal(withdrawal) = ask_for_caller(supabase, "read_withdrawal", Bearer { token_sha256 }).await?;
    Ok(withdrawal)
}
