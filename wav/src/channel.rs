//! The first or the second of two channels.

use serde::{Deserialize, Serialize};

/// One of the two channels of a recording; written as 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum Channel {
    /// Channel 1.
    First,
    /// Channel 2.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_read_and_written_by_its_number_and_there_is_no_third() {
        for (channel, number) in [(Channel::First, 1), (Channel::Second, 2)] {
            assert_eq!((u8::from(channel), Channel::try_from(number)), (number, Ok(channel)));
        }
        for other in [0, 3, u8::MAX] {
            assert!(Channel::try_from(other).is_err(), "{other}");
        }
    }
}
