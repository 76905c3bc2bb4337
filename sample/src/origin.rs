//! The choice of the employee's channel. Nothing is guessed, since a wrong guess would clone somebody who never
//! consented.

use wav::Channel;

use crate::problem::Problem;

/// The facts about a recording beside its audio, in Twilio's words.
///
/// In a call of two legs, the parent call's party is on the first channel and the child call's on the second. In a
/// conference, the party that joined first is on the first channel, and everybody else on the second.
///
/// Source: <https://www.twilio.com/docs/voice/api/recording>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Twilio's `track`: `inbound`, `outbound` or `both`.
    pub track: Option<String>,
    /// Twilio's `source`, such as `DialVerb` or `StartConferenceRecordingAPI`.
    pub source: Option<String>,
    /// The employee's channel, as somebody has stated it for this very call. For a recording of one channel, it is the
    /// channel that the employee's party would have had.
    pub employee_channel: Option<Channel>,
    /// The employees' usual channel in calls of two legs, as the deployment is configured.
    pub usual_channel: Option<Channel>,
}

impl Origin {
    /// Chooses the channel to take of a recording with this many channels; `None` for the only one.
    ///
    /// A recording of one channel holds one party only if Twilio says so. Twilio names the leg and not the person, so
    /// this is the employee only if somebody has said so of this very call. The usual channel does not count here.
    pub fn choose(&self, channels: usize) -> Result<Option<Channel>, Problem> {
        if channels == 1 {
            let party = self.sole_party().ok_or(Problem::MIXED_MONO)?;
            let is_employee = self.employee_channel == Some(party);
            return if is_employee { Ok(None) } else { Err(Problem::EmployeeChannelUnknown) };
        }
        // The order in which people join a conference varies, so the usual channel says nothing there.
        let usual = self.usual_channel.filter(|_| !self.is_conference());
        self.employee_channel.or(usual).map(Some).ok_or(Problem::EmployeeChannelUnknown)
    }

    /// The party that a recording of one channel holds, by the channel that it would have had; `None` for a mix. There
    /// are two such cases: one side was recorded on purpose, or `<Record>` took a message of the parent call's party,
    /// who is the caller of an inbound call.
    ///
    /// Source: <https://www.twilio.com/docs/voice/tutorials/how-record-single-side-call>
    fn sole_party(&self) -> Option<Channel> {
        match (self.track.as_deref(), self.source.as_deref()) {
            (Some("inbound"), _) => Some(Channel::First),
            (Some("outbound"), _) => Some(Channel::Second),
            (_, Some("RecordVerb")) => Some(Channel::First),
            _ => None,
        }
    }

    fn is_conference(&self) -> bool {
        self.source.as_deref().is_some_and(|source| source.contains("Conference"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(track: &str, source: &str) -> Origin {
        Origin { track: Some(track.into()), source: Some(source.into()), ..Origin::default() }
    }

    #[test]
    fn what_was_said_of_the_call_counts_before_the_usual_channel() {
        let usual = Origin { usual_channel: Some(Channel::Second), ..origin("both", "DialVerb") };
        assert_eq!(usual.choose(2), Ok(Some(Channel::Second)));
        let overridden = Origin { employee_channel: Some(Channel::First), ..usual };
        assert_eq!(overridden.choose(2), Ok(Some(Channel::First)));
    }

    #[test]
    fn without_a_word_on_it_no_channel_is_taken() {
        assert_eq!(origin("both", "DialVerb").choose(2), Err(Problem::EmployeeChannelUnknown));
    }

    #[test]
    fn in_a_conference_the_usual_channel_says_nothing() {
        for source in ["Conference", "StartConferenceRecordingAPI"] {
            let conference = Origin { usual_channel: Some(Channel::Second), ..origin("both", source) };
            assert_eq!(conference.choose(2), Err(Problem::EmployeeChannelUnknown));
            let overridden = Origin { employee_channel: Some(Channel::First), ..conference };
            assert_eq!(overridden.choose(2), Ok(Some(Channel::First)));
        }
    }

    #[test]
    fn one_channel_is_taken_only_if_it_holds_the_party_that_this_very_call_says_is_the_employee() {
        let (first, second) = (Channel::First, Channel::Second);
        for (track, source, party, other) in [
            ("inbound", "StartCallRecordingAPI", first, second),
            ("inbound", "RecordVerb", first, second),
            ("outbound", "StartCallRecordingAPI", second, first),
            ("both", "RecordVerb", first, second),
        ] {
            let said = |channel| Origin { employee_channel: channel, ..origin(track, source) };
            assert_eq!(said(Some(party)).choose(1), Ok(None), "{track} {source}");
            assert_eq!(said(Some(other)).choose(1), Err(Problem::EmployeeChannelUnknown), "{track} {source}");
            for usual in [None, Some(first), Some(second)] {
                let unsaid = Origin { usual_channel: usual, ..said(None) };
                assert_eq!(unsaid.choose(1), Err(Problem::EmployeeChannelUnknown), "{track} {source} {usual:?}");
            }
        }
    }

    #[test]
    fn a_mix_in_one_channel_is_refused_whatever_is_said() {
        let usual = Origin { usual_channel: Some(Channel::Second), ..origin("both", "DialVerb") };
        assert_eq!(usual.choose(1), Err(Problem::MIXED_MONO));
        let said = Origin { employee_channel: Some(Channel::First), ..usual };
        assert_eq!(said.choose(1), Err(Problem::MIXED_MONO));
        assert_eq!(Origin::default().choose(1), Err(Problem::MIXED_MONO));
    }
}
