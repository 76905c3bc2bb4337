//! Which channel is the employee's. A wrong guess would clone somebody who never consented, so nothing is guessed.

use serde::{Deserialize, Serialize};

use super::report::Problem;
use super::{decibels, power};

/// One of the two channels of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum Channel {
    /// The first: of a two-leg call the parent call's, of a conference that of whoever joined first.
    First,
    /// The second: the child call's, or everybody else's.
    Second,
}

impl From<Channel> for u8 {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::First => 1,
            Channel::Second => 2,
        }
    }
}

impl TryFrom<u8> for Channel {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            1 => Ok(Self::First),
            2 => Ok(Self::Second),
            _ => Err("a channel is 1 or 2"),
        }
    }
}

/// What is known of a recording beside its audio.
///
/// Source: <https://www.twilio.com/docs/voice/api/recording>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Twilio's `track`: `inbound`, `outbound` or `both`.
    pub track: Option<String>,
    /// Twilio's `source`, such as `DialVerb` or `StartConferenceRecordingAPI`.
    pub source: Option<String>,
    /// What somebody said of this very call: on which channel the employee is, or, of a recording of one channel, which
    /// party it would be.
    pub employee_channel: Option<Channel>,
    /// Where the employee is in a call of two legs, as the deployment says.
    pub usual_channel: Option<Channel>,
}

impl Origin {
    /// The channel to take, of a recording of so many; `None` for the only one.
    ///
    /// That holds one party only if Twilio says so, and which party that is tells nobody's name: it is the employee's if
    /// somebody has said of this very call that they are that party. The usual channel is not asked.
    pub(super) fn choose(&self, channels: usize) -> Result<Option<Channel>, Problem> {
        if channels == 1 {
            let party = self.sole_party().ok_or(Problem::MIXED_MONO)?;
            let is_employee = self.employee_channel == Some(party);
            return if is_employee { Ok(None) } else { Err(Problem::EmployeeChannelUnknown) };
        }
        // Who joins a conference first differs from call to call.
        let usual = self.usual_channel.filter(|_| !self.is_conference());
        self.employee_channel.or(usual).map(Some).ok_or(Problem::EmployeeChannelUnknown)
    }

    /// The party that a recording of one channel holds, by the channel it would have had: one side was recorded on purpose,
    /// or `<Record>` took a message of the parent call's own party, who is the caller of an inbound call. `None` for a mix.
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

/// Finds out whether two channels carry the same: a mono mix that was written twice.
///
/// In a call people take turns, so the difference of the channels' levels jumps; in a mix it stays.
#[derive(Default)]
pub(super) struct Likeness {
    /// How often the levels differed by so much, in steps of 1 dB from −[`WIDEST`].
    differences: [u64; 2 * WIDEST + 1],
}

/// Beyond this difference, in dB, one channel has only crosstalk of the other.
const WIDEST: usize = 12;
/// Frames below this level, in dBFS, are not compared.
const AUDIBLE: f64 = -50.0;
/// Differences, in dB, that codecs make of the same signal.
const SAME: usize = 2;

impl Likeness {
    /// Takes a frame's mean power in both channels.
    pub fn add(&mut self, first: f64, second: f64) {
        if first.max(second) < power(AUDIBLE) {
            return;
        }
        let difference = (decibels(first) - decibels(second)).round() + WIDEST as f64;
        // What is beyond lies in the outermost steps, which are not looked at.
        self.differences[difference.clamp(0.0, 2.0 * WIDEST as f64) as usize] += 1;
    }

    /// Percentage of the frames in which the difference was the usual one.
    pub fn percent(&self) -> f64 {
        let all: u64 = self.differences.iter().sum();
        let inner = &self.differences[1..2 * WIDEST];
        let most = inner.windows(2 * SAME + 1).map(|near| near.iter().sum()).max().unwrap_or(0);
        if all == 0 { 0.0 } else { 100.0 * most as f64 / all as f64 }
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

    fn percent(frames: impl Iterator<Item = (f64, f64)>) -> f64 {
        let mut likeness = Likeness::default();
        frames.for_each(|(first, second)| likeness.add(power(first), power(second)));
        likeness.percent()
    }

    #[test]
    fn the_same_twice_is_alike_also_at_another_level() {
        let levels = || (0..1_000).map(|n| -20.0 - f64::from(n % 25));
        assert_eq!(percent(levels().map(|level| (level, level))), 100.0);
        assert_eq!(percent(levels().map(|level| (level, level - 6.4))), 100.0);
    }

    #[test]
    fn turns_are_not_alike_and_neither_is_crosstalk_of_one_speaker() {
        assert_eq!(percent((0..1_000).map(|n| if n % 200 < 100 { (-25.0, -60.0) } else { (-65.0, -22.0) })), 0.0);
        assert_eq!(percent((0..1_000).map(|_| (-22.0, -42.0))), 0.0);
        assert_eq!(percent(std::iter::empty()), 0.0);
    }
}
