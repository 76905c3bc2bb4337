//! Turns a problem of the audio into the API's refusal.

use sample::Problem;
use shared::refusal::Refusal;

/// The refusal for a recording or sample with this problem. A new problem in the crate `sample` needs a line here
/// before this compiles.
pub fn of_problem(problem: &Problem) -> Refusal {
    match problem {
        Problem::RecordingMissing => Refusal::RecordingMissing,
        Problem::NotAudio(_) => Refusal::RecordingUnusable,
        Problem::EmployeeChannelUnknown => Refusal::EmployeeChannelUnknown,
        Problem::Synthetic => Refusal::SampleSynthetic,
        Problem::MixedSpeakers(_) => Refusal::SampleMixedSpeakers,
        Problem::TooShort(_) => Refusal::SampleTooShort,
        Problem::TooQuiet(_) => Refusal::SampleTooQuiet,
        Problem::Clipped(_) => Refusal::SampleClipped,
        Problem::TooNoisy(_) => Refusal::SampleTooNoisy,
    }
}

#[cfg(test)]
mod tests {
    use sample::{Measure, NotAudio};

    use super::*;

    #[test]
    fn the_code_of_a_refused_sample_is_the_one_that_its_report_names() {
        let measure = Measure { figure: 1.0, limit: 2.0, unit: "seconds" };
        for problem in [
            Problem::RecordingMissing,
            Problem::NotAudio(NotAudio("no RIFF")),
            Problem::EmployeeChannelUnknown,
            Problem::Synthetic,
            Problem::MixedSpeakers(measure),
            Problem::TooShort(measure),
            Problem::TooQuiet(measure),
            Problem::Clipped(measure),
            Problem::TooNoisy(measure),
        ] {
            assert_eq!(of_problem(&problem).code(), problem.code());
        }
    }
}
