//! The marks on a voice at the vendor: the attempt and the deployment that made it. By them a voice is found again
//! whose answer was lost.

use serde_json::Value;
use uuid::Uuid;

/// Names of a voice's labels, which stand before the same ids in its description, too. The vendor documents other label
/// keys than these and may drop them; then the description is read.
pub(super) const ATTEMPT: &str = "attempt";
pub(super) const DEPLOYMENT: &str = "deployment";

/// Reads the id of this name from the labels, or else from the description.
pub(super) fn read(word: &str, labels: &Value, description: Option<&str>) -> Option<Uuid> {
    let label = labels[word].as_str().and_then(|id| Uuid::try_parse(id).ok());
    label.or_else(|| {
        let (_, after) = description?.rsplit_once(&format!("{word} "))?;
        Uuid::try_parse(after.get(..36)?).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_description_is_no_mark() {
        for other in
            [None, Some(""), Some("attempt "), Some("attempt é7777777-7777-7777-7777-777777777777."), Some("My voice")]
        {
            assert_eq!(read(ATTEMPT, &Value::Null, other), None, "{other:?}");
        }
    }
}
