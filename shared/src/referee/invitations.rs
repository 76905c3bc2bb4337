//! Invitations: an employee, who has no account, answers by a link and withdraws by a token. The database keeps only
//! the SHA-256 of each.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::erasures::asked_at;
use super::{EmployeeRequest, Shown, ask_for_caller};
use crate::clients::supabase::Supabase;
use crate::error::Error;

/// An invitation that is to be made.
#[derive(Serialize)]
pub struct Invitation<'a> {
    /// The admin who invites, and the employee.
    #[serde(flatten)]
    pub request: EmployeeRequest,
    /// The hash of the link's token.
    pub token_sha256: &'a str,
    /// The language of the statement.
    pub locale: &'a str,
    /// The purposes that the employee is asked to agree to.
    pub purposes: &'a [String],
    /// The time at which the consent ends.
    pub expires_at: &'a str,
    /// The time for which the link is valid, in seconds.
    pub valid_seconds: u32,
}

/// An invitation that was made, as the API shows it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Invited {
    /// A row of `voice_consent_invitations`.
    pub invitation_id: Uuid,
    /// The time at which the link expires.
    pub expires_at: String,
}

/// Makes a link that is valid for one answer; earlier links become void.
///
/// # Errors
/// [`Error::Refused`] if the user may not invite, or the employee cannot be asked this.
pub async fn invite_to_consent(supabase: &Supabase, invitation: &Invitation<'_>) -> Result<Invited, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Invited(Invited),
    }
    let Outcome::Invited(invited) = ask_for_caller(supabase, "invite_to_consent", invitation).await?;
    Ok(invited)
}

/// The arguments of somebody who has only a token.
#[derive(Serialize)]
struct Bearer<'a> {
    token_sha256: &'a str,
}

/// Reads the question to the employee, or the answer that was given.
///
/// # Errors
/// [`Error::Refused`] for a link that is not valid.
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
    /// The hash of the link's token.
    pub token_sha256: &'a str,
    /// True if the employee agrees.
    pub granted: bool,
    /// The hash of the token that can withdraw the consent from now on.
    pub withdrawal_token_sha256: &'a str,
    /// The channel through which the answer came.
    pub channel: &'a str,
    /// The address that the answer came from.
    pub address: Option<&'a str>,
    /// The user agent that sent the answer.
    pub user_agent: Option<&'a str>,
}

/// The decision about an answer.
#[derive(Debug, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Answered {
    /// The employee has agreed.
    Granted(Reply),
    /// The employee has refused.
    Refused(Reply),
}

/// The reply to the employee.
#[derive(Debug, Deserialize)]
pub struct Reply {
    /// True if the employee gets a token, because there is something that it can withdraw.
    pub token_handed: bool,
    /// The members that the API shows.
    #[serde(flatten)]
    pub shown: Shown,
}

/// Uses a link up. The same answer given again gets the same reply.
///
/// # Errors
/// [`Error::Refused`] for a link that is not valid, or was answered otherwise.
pub async fn answer_invitation(supabase: &Supabase, answer: &Answer<'_>) -> Result<Answered, Error> {
    ask_for_caller(supabase, "answer_invitation", answer).await
}

/// A withdrawal by a token, as the API shows it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Withdrawn {
    /// The erasure of every copy.
    pub erasure_id: Option<Uuid>,
}

/// Withdraws the employee's consent, by their own token.
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

/// Reads what a token would withdraw.
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
