//! A call in frames of 16 ms, the unit in which speech is detected.

/// Frames a second.
pub const FRAMES_PER_SECOND: f64 = 62.5;

/// The class of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nobody speaks.
    Pause,
    /// The employee speaks, alone.
    Speech,
    /// A sound on the employee's channel is not speech: ringing, music, a key.
    Sound,
    /// The other party speaks, alone or together with the employee, or its echo is still heard.
    OtherParty,
}

/// A frame of 16 ms, as it was classified.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Its class.
    pub class: Class,
    /// Level of the employee's channel, in dBFS.
    pub employee: f32,
    /// Level of the other channel, in dBFS; −120 where there is none.
    pub other: f32,
}

/// The first sample of a frame, in a call of `rate` samples a second.
pub(crate) fn first_sample(frame: u64, rate: u32) -> u64 {
    // 16 ms are 2/125 s.
    frame * u64::from(rate) * 2 / 125
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_16_ms_and_frames_have_no_gap_where_that_is_no_whole_number_of_samples() {
        assert_eq!([0, 1, 2, 1_000].map(|frame| first_sample(frame, 8_000)), [0, 128, 256, 128_000]);
        // 176.4 samples
        assert_eq!([0, 1, 2, 3, 125].map(|frame| first_sample(frame, 11_025)), [0, 176, 352, 529, 22_050]);
        assert_eq!(first_sample(125, 16_000), 2 * 16_000);
    }
}
