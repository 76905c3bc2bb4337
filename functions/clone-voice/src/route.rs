//! The routes of this function, by method and path.

use shared::refusal::{Allow, Refusal};
use uuid::Uuid;

/// A route of this function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Route {
    /// One employee's voice is to be cloned.
    Clone(Uuid),
    /// The state of one employee's voice.
    Voice(Uuid),
    /// The voices of many employees are to be cloned.
    Campaign,
}

impl Route {
    /// # Errors
    /// 404 for a path that is not served here, 405 for a method that the path does not have, 400 for an employee id
    /// that is no UUID.
    pub fn of(method: &str, path: &str) -> Result<Self, Refusal> {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (employee_id, resource) = match segments[..] {
            ["api", "employees", employee_id, resource] => (employee_id, resource),
            ["api", "voice-clones"] if method == "POST" => return Ok(Self::Campaign),
            ["api", "voice-clones"] => return Err(Refusal::MethodNotAllowed(Allow("POST"))),
            _ => return Err(Refusal::RouteNotFound),
        };
        let route = match (resource, method) {
            ("clone-voice", "POST") => Self::Clone,
            ("clone-voice", _) => return Err(Refusal::MethodNotAllowed(Allow("POST"))),
            ("voice", "GET") => Self::Voice,
            ("voice", _) => return Err(Refusal::MethodNotAllowed(Allow("GET, DELETE"))),
            _ => return Err(Refusal::RouteNotFound),
        };
        Uuid::try_parse(employee_id).map(route).map_err(|_| Refusal::EmployeeIdInvalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-1111-4111-8111-111111111111";

    fn route(method: &str, path: &str) -> Result<Route, Refusal> {
        Route::of(method, path)
    }

    #[test]
    fn the_three_routes_are_found() {
        let id = Uuid::try_parse(ID).unwrap();
        assert_eq!(route("POST", &format!("/api/employees/{ID}/clone-voice")), Ok(Route::Clone(id)));
        assert_eq!(route("GET", &format!("/api/employees/{ID}/voice")), Ok(Route::Voice(id)));
        assert_eq!(route("POST", "/api/voice-clones"), Ok(Route::Campaign));
    }

    #[test]
    fn another_method_is_a_405_and_another_path_a_404() {
        let not_allowed = |methods| Err(Refusal::MethodNotAllowed(Allow(methods)));
        assert_eq!(route("GET", &format!("/api/employees/{ID}/clone-voice")), not_allowed("POST"));
        assert_eq!(route("PUT", &format!("/api/employees/{ID}/voice")), not_allowed("GET, DELETE"));
        assert_eq!(route("GET", "/api/voice-clones"), not_allowed("POST"));
        for path in
            ["/", "", "/api/employees", "/api/employees//voice/x", "/api/employees/1/other", "/twilio/recordings"]
        {
            assert_eq!(route("GET", path), Err(Refusal::RouteNotFound), "{path}");
        }
    }

    #[test]
    fn an_employee_id_that_is_no_uuid_never_reaches_the_database() {
        for id in ["1", "..", "%2e%2e", "11111111-1111-4111-8111-11111111111g"] {
            let path = format!("/api/employees/{id}/voice");
            assert_eq!(route("GET", &path), Err(Refusal::EmployeeIdInvalid), "{id}");
        }
    }
}
