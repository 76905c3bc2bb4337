//! The routes of this function, by method and path.

use shared::refusal::{Allow, Refusal};
use uuid::Uuid;

/// A route of this function.
#[derive(Debug, PartialEq)]
pub enum Route {
    /// The statement that people consent to.
    ReadStatement,
    /// Shows an invited employee the question, by their token.
    ReadInvitation,
    /// Takes an invited employee's answer, by their token.
    AnswerInvitation,
    /// Shows the employee the consent that their withdrawal token would withdraw.
    ReadWithdrawal,
    /// Withdraws the employee's consent, by their withdrawal token.
    WithdrawWithToken,
    /// The audit of the caller's organisation.
    ReadAudit,
    /// A signed-in user's request about an employee.
    Employee(Action, Uuid),
}

/// The requests of a signed-in user about an employee.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    Grant,
    OfferEvidence,
    ReadConsent,
    Withdraw,
    Invite,
    Authorize,
    Erase,
    ReadErasure,
}

impl Route {
    /// The route of a request.
    pub fn of(method: &str, path: &str) -> Result<Self, Refusal> {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let employee = |employee_id, action| match Uuid::try_parse(employee_id) {
            Ok(employee_id) => Ok(Self::Employee(action, employee_id)),
            Err(_) => Err(Refusal::EmployeeIdInvalid),
        };
        let only = |allow| Err(Refusal::MethodNotAllowed(Allow(allow)));
        match (&segments[..], method) {
            (["api", "voice-consent-statement"], "GET") => Ok(Self::ReadStatement),
            (["api", "voice-consent-statement"], _) => only("GET"),
            (["api", "voice-consent", "invitation"], "GET") => Ok(Self::ReadInvitation),
            (["api", "voice-consent", "invitation"], "POST") => Ok(Self::AnswerInvitation),
            (["api", "voice-consent", "invitation"], _) => only("GET, POST"),
            (["api", "voice-consent", "withdrawal"], "GET") => Ok(Self::ReadWithdrawal),
            (["api", "voice-consent", "withdrawal"], "POST") => Ok(Self::WithdrawWithToken),
            (["api", "voice-consent", "withdrawal"], _) => only("GET, POST"),
            (["api", "audit"], "GET") => Ok(Self::ReadAudit),
            (["api", "audit"], _) => only("GET"),
            (["api", "employees", id, "voice-consent"], "GET") => employee(id, Action::ReadConsent),
            (["api", "employees", id, "voice-consent"], "PUT") => employee(id, Action::Grant),
            (["api", "employees", id, "voice-consent"], "DELETE") => employee(id, Action::Withdraw),
            (["api", "employees", _, "voice-consent"], _) => only("GET, PUT, DELETE"),
            (["api", "employees", id, "voice-consent", "invitation"], "POST") => employee(id, Action::Invite),
            (["api", "employees", _, "voice-consent", "invitation"], _) => only("POST"),
            (["api", "employees", id, "voice-consent", "evidence"], "POST") => employee(id, Action::OfferEvidence),
            (["api", "employees", _, "voice-consent", "evidence"], _) => only("POST"),
            (["api", "employees", id, "voice", "authorize"], "POST") => employee(id, Action::Authorize),
            (["api", "employees", _, "voice", "authorize"], _) => only("POST"),
            (["api", "employees", id, "voice", "erasure"], "GET") => employee(id, Action::ReadErasure),
            (["api", "employees", _, "voice", "erasure"], _) => only("GET"),
            (["api", "employees", id, "voice"], "DELETE") => employee(id, Action::Erase),
            (["api", "employees", _, "voice"], _) => only("GET, DELETE"),
            _ => Err(Refusal::RouteNotFound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-1111-4111-8111-111111111111";

    #[test]
    fn each_path_has_its_methods_and_names_them_to_others() {
        let of = |action| Route::Employee(action, Uuid::try_parse(ID).unwrap());
        let employee = format!("/api/employees/{ID}");
        let get = |route| ("GET", route);
        let post = |route| ("POST", route);
        let consent =
            [get(of(Action::ReadConsent)), ("PUT", of(Action::Grant)), ("DELETE", of(Action::Withdraw))].into();
        let paths = [
            ("/api/voice-consent-statement".to_owned(), "GET", vec![get(Route::ReadStatement)]),
            (
                "/api/voice-consent/invitation".to_owned(),
                "GET, POST",
                vec![get(Route::ReadInvitation), post(Route::AnswerInvitation)],
            ),
            (
                "/api/voice-consent/withdrawal".to_owned(),
                "GET, POST",
                vec![get(Route::ReadWithdrawal), post(Route::WithdrawWithToken)],
            ),
            ("/api/audit".to_owned(), "GET", vec![get(Route::ReadAudit)]),
            (format!("{employee}/voice-consent"), "GET, PUT, DELETE", consent),
            (format!("{employee}/voice-consent/invitation"), "POST", vec![post(of(Action::Invite))]),
            (format!("{employee}/voice-consent/evidence"), "POST", vec![post(of(Action::OfferEvidence))]),
            (format!("{employee}/voice/authorize"), "POST", vec![post(of(Action::Authorize))]),
            (format!("{employee}/voice/erasure"), "GET", vec![get(of(Action::ReadErasure))]),
            // `GET` of this path is a route of `clone-voice`.
            (format!("{employee}/voice"), "GET, DELETE", vec![("DELETE", of(Action::Erase))]),
        ];
        for (path, allowed, mut routes) in paths {
            for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
                let expected = match routes.iter().position(|(answered, _)| *answered == method) {
                    Some(at) => Ok(routes.swap_remove(at).1),
                    None => Err(Refusal::MethodNotAllowed(Allow(allowed))),
                };
                assert_eq!(Route::of(method, &path), expected, "{method} {path}");
            }
        }
        assert_eq!(Route::of("GET", "/api/voice-consent"), Err(Refusal::RouteNotFound));
    }

    #[test]
    fn an_employee_id_that_is_no_uuid_never_reaches_the_database() {
        for path in ["/api/employees/7/voice-consent", "/api/employees/%2e%2e/voice/erasure"] {
            assert_eq!(Route::of("GET", path), Err(Refusal::EmployeeIdInvalid), "{path}");
        }
    }
}
