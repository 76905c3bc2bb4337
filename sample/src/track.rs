//! One channel of a call. Only its last seconds are kept.

use crate::resample::Resampler;

/// The last samples of one channel.
pub struct Track {
    resampler: Option<Resampler>,
    pub samples: Vec<f32>,
    /// The number of the first of them in the call.
    first: u64,
}

impl Track {
    pub fn new(rate: u32, kept: u32) -> Self {
        let resampler = (rate != kept).then(|| Resampler::new(rate, kept));
        Self { resampler, samples: Vec::new(), first: 0 }
    }

    /// Takes samples, and gives back the ones that they add at the track's rate.
    pub fn push(&mut self, samples: &[f32]) -> &[f32] {
        let old = self.samples.len();
        match &mut self.resampler {
            Some(resampler) => resampler.push(samples, &mut self.samples),
            None => self.samples.extend_from_slice(samples),
        }
        &self.samples[old..]
    }

    pub fn finish(&mut self) -> &[f32] {
        let old = self.samples.len();
        if let Some(resampler) = &mut self.resampler {
            resampler.finish(&mut self.samples);
        }
        &self.samples[old..]
    }

    /// The samples from one number to another, as far as the track has them: a recording may lack the second channel.
    pub fn samples(&self, from: u64, to: u64) -> &[f32] {
        let place = |number: u64| (number.saturating_sub(self.first) as usize).min(self.samples.len());
        &self.samples[place(from)..place(to)]
    }

    /// Forgets the samples before a number. The rest is moved only when as much again is forgotten, so that each sample
    /// is moved once.
    pub fn forget(&mut self, before: u64) {
        let forgotten = (before.saturating_sub(self.first) as usize).min(self.samples.len());
        if 2 * forgotten >= self.samples.len() {
            self.samples.drain(..forgotten);
            self.first += forgotten as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(samples: std::ops::Range<u16>) -> Vec<f32> {
        samples.map(f32::from).collect()
    }

    #[test]
    fn samples_keep_their_numbers_whatever_was_forgotten() {
        let mut track = Track::new(8_000, 8_000);
        assert_eq!(track.push(&numbered(0..100)), numbered(0..100));
        for before in [60, 70, 90] {
            track.forget(before);
            assert_eq!(track.samples(90, 95), numbered(90..95), "before {before} all is forgotten");
        }
        assert_eq!(track.push(&numbered(100..110)), numbered(100..110));
        assert_eq!(track.samples(98, 103), numbered(98..103));
        assert_eq!(track.samples(105, 200), numbered(105..110), "a recording may end within a frame");
        assert!(track.samples(200, 300).is_empty() && track.samples(0, 10).is_empty());
        assert!(track.finish().is_empty());
    }

    #[test]
    fn the_rest_is_moved_only_when_half_of_the_samples_are_forgotten() {
        let mut track = Track::new(8_000, 8_000);
        track.push(&numbered(0..100));
        track.forget(49);
        assert_eq!(track.samples.len(), 100);
        track.forget(50);
        assert_eq!(track.samples, numbered(50..100));
        track.forget(74);
        assert_eq!(track.samples, numbered(50..100));
        track.forget(75);
        assert_eq!(track.samples, numbered(75..100));
        track.forget(1_000);
        track.push(&numbered(100..101));
        assert_eq!(track.samples(100, 101), numbered(100..101));
    }

    #[test]
    fn another_rate_is_brought_to_the_tracks_own_to_the_last_sample() {
        let mut track = Track::new(16_000, 8_000);
        let added = track.push(&[0.5; 1_600]).len() + track.finish().len();
        assert_eq!((added, track.samples.len()), (800, 800));
        assert!((track.samples(400, 401)[0] - 0.5).abs() < 1e-6);
    }
}
