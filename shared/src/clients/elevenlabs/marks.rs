//! What made a voice, and where: it stands with the voice, so that one whose answer was lost can be found again.

use serde_json::Value;
use uuid::Uuid;

/// Words of a voice's labels, and of its description before the same ids. The vendor names other keys of labels than
/// these, so it may drop them: then the description is read.
pub(super) const ATTEMPT: &str = "attempt";
pub(super) const DEPLOYMENT: &str = "deployment";

/// The id of that name: the label's, or the one that the description says.
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
