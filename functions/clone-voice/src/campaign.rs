//! `POST /api/voice-clones`: requests clones of many employees at once, and gives a result for each.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use http::{Response, StatusCode};
use sample::{Channel, PIPELINE_VERSION};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::answer;
use shared::clients::supabase::Supabase;
use shared::error::Error;
use shared::messages::CloneRequested;
use shared::queue::Queue;
use shared::referee::EmployeeRequest;
use shared::referee::voices::{CloneRequest, RequestedClone, request_clone};
use shared::refusal::Refusal;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// The most employees of one request: for this many the database answers within the gateway's 30 s.
const MOST_EMPLOYEES: usize = 500;
/// The number of calls of the database at the same time.
const AT_ONCE: usize = 8;

/// The body of the request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    employee_ids: Vec<Uuid>,
    /// True if old voices are to be deleted before the new ones are made.
    #[serde(default)]
    replace: bool,
}

impl Campaign {
    /// # Errors
    /// `body_invalid` for a body that is not such a request, `too_many_employees` for more than 500 employees.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut campaign: Self = serde_json::from_slice(body).map_err(|_| Refusal::BodyInvalid)?;
        let mut seen = HashSet::new();
        campaign.employee_ids.retain(|id| seen.insert(*id));
        match campaign.employee_ids.len() {
            0 => Err(Refusal::BodyInvalid.into()),
            1..=MOST_EMPLOYEES => Ok(campaign),
            figure => {
                let facts = json!({"figure": figure, "limit": MOST_EMPLOYEES, "unit": "employees"});
                Err(Error::refused(Refusal::TooManyEmployees, &facts))
            }
        }
    }
}

/// Requests each clone by itself, queues those that are to be made, and gives a result for each. Employees whose turn
/// does not come before the deadline are `unavailable`.
///
/// # Errors
/// An error that concerns all employees: the user may not do this at all, or the queue cannot be reached. The request
/// may be repeated without harm.
pub async fn request(
    supabase: &Supabase,
    queue: &Queue,
    user_id: Uuid,
    campaign: &Campaign,
    usual_channel: Option<Channel>,
    deadline: Instant,
) -> Result<Response<String>, Error> {
    let ask = |employee_id| async move {
        let clone = CloneRequest {
            request: EmployeeRequest { user_id, employee_id },
            usual_channel,
            pipeline_version: PIPELINE_VERSION,
            replace: campaign.replace,
            campaign: true,
        };
        (employee_id, request_clone(supabase, &clone).await)
    };
    let answers = stream::iter(campaign.employee_ids.clone()).map(ask).buffered(AT_ONCE);
    let answers: Vec<_> = answers.take_until(sleep_until(deadline)).collect().await;
    let late = campaign.employee_ids.iter().skip(answers.len()).map(|&employee_id| failed(employee_id, "unavailable"));
    let (mut attempts, mut results) = (Vec::new(), Vec::new());
    for (employee_id, answer) in answers {
        results.push(result_of(employee_id, answer, &mut attempts)?);
    }
    results.extend(late);
    queue.send_all(&attempts).await?;
    let status = if attempts.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(answer::json(status, &json!({"results": results})))
}

/// The result for one employee. If an attempt is to be queued, it is added to `attempts`.
fn result_of(
    employee_id: Uuid,
    answer: Result<RequestedClone, Error>,
    attempts: &mut Vec<CloneRequested>,
) -> Result<Value, Error> {
    match answer {
        Ok(RequestedClone::Ready { voice_id, .. }) => {
            Ok(json!({"employee_id": employee_id, "status": "ready", "voice_id": voice_id}))
        }
        // A pending attempt is queued again, as for a single request. If somebody waits for it, it is in the other
        // queue as well.
        Ok(RequestedClone::Requested(attempt) | RequestedClone::Pending(attempt)) => {
            attempts.push(attempt);
            Ok(json!({"employee_id": employee_id, "status": "pending", "attempt_id": attempt.attempt_id}))
        }
        Err(error @ Error::Refused { refusal: Refusal::NotAMember | Refusal::RoleForbidden, .. }) => Err(error),
        Err(Error::Refused { refusal, .. }) => Ok(failed(employee_id, refusal.code())),
        Err(error) if error.is_unauthorised() => Err(error),
        Err(error) => {
            tracing::warn!(%employee_id, %error, "a clone of a campaign could not be asked for");
            Ok(failed(employee_id, "unavailable"))
        }
    }
}

fn failed(employee_id: Uuid, code: &str) -> Value {
    json!({"employee_id": employee_id, "status": "failed", "code": code})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: Value) -> Result<Campaign, Error> {
        Campaign::parse(body.to_string().as_bytes())
    }

    #[test]
    fn each_employee_counts_once_and_keeps_their_place() {
        let ids: Vec<Uuid> = [2, 1, 2, 1].map(Uuid::from_u128).into();
        let campaign = parsed(json!({"employee_ids": ids})).unwrap();
        assert_eq!(campaign.employee_ids, [2, 1].map(Uuid::from_u128));
        assert!(!campaign.replace);
    }

    #[test]
    fn what_is_no_list_of_employees_is_refused() {
        for body in [json!({}), json!({"employee_ids": []}), json!({"employee_ids": ["x"]}), json!([]), json!(null)] {
            assert_eq!(parsed(body).unwrap_err().code(), "body_invalid");
        }
        assert_eq!(parsed(json!({"employee_ids": [Uuid::nil()], "all": true})).unwrap_err().code(), "body_invalid");
    }

    #[test]
    fn five_hundred_are_taken_and_one_more_is_refused_with_the_figure() {
        let ids = |number| (0..number).map(Uuid::from_u128).collect::<Vec<_>>();
        assert!(parsed(json!({"employee_ids": ids(500)})).is_ok());
        let Error::Refused { refusal, members } = parsed(json!({"employee_ids": ids(501)})).unwrap_err() else {
            panic!("a refusal with its figure");
        };
        assert_eq!((refusal, &members["limit"]), (Refusal::TooManyEmployees, &500.into()));
    }

    #[test]
    fn a_user_who_may_not_is_refused_as_a_whole_and_an_employee_who_cannot_be_cloned_alone() {
        let mut attempts = Vec::new();
        let mut result_of_error = |error| result_of(Uuid::nil(), Err(Error::from(error)), &mut attempts);
        assert!(result_of_error(Refusal::RoleForbidden).is_err());
        assert_eq!(result_of_error(Refusal::ConsentRequired).unwrap()["code"], "consent_required");
    }
}
