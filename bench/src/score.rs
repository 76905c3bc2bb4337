//! The agreement of detected speech with the labels.

use std::ops::AddAssign;

/// Numbers of frames, by their label and by the detector's decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Speech that was found.
    pub found: usize,
    /// Speech that was missed.
    pub missed: usize,
    /// Other frames that were taken for speech.
    pub false_alarms: usize,
    /// Other frames that were not taken for speech.
    pub rejected: usize,
}

impl Agreement {
    /// Counts frames. Each pair says whether the frame is speech, and whether it was taken for speech.
    pub fn of(frames: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut agreement = Self::default();
        for frame in frames {
            *match frame {
                (true, true) => &mut agreement.found,
                (true, false) => &mut agreement.missed,
                (false, true) => &mut agreement.false_alarms,
                (false, false) => &mut agreement.rejected,
            } += 1;
        }
        agreement
    }

    /// The share of speech in the frames that were taken for speech; `None` if there are no such frames.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        share(self.found, self.false_alarms)
    }

    /// The share of the speech that was found; `None` if there is no speech.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        share(self.found, self.missed)
    }

    /// The share of the other frames that was taken for speech.
    #[must_use]
    pub fn false_alarm_share(&self) -> Option<f64> {
        share(self.false_alarms, self.rejected)
    }
}

impl AddAssign for Agreement {
    fn add_assign(&mut self, other: Self) {
        self.found += other.found;
        self.missed += other.missed;
        self.false_alarms += other.false_alarms;
        self.rejected += other.rejected;
    }
}

fn share(part: usize, rest: usize) -> Option<f64> {
    (part + rest > 0).then(|| part as f64 / (part + rest) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_they_say() {
        let agreement = Agreement { found: 9, missed: 3, false_alarms: 1, rejected: 7 };
        assert_eq!(agreement.precision(), Some(0.9));
        assert_eq!(agreement.recall(), Some(0.75));
        assert_eq!(agreement.false_alarm_share(), Some(0.125));
        assert_eq!(Agreement::default().precision(), None);
    }
}
