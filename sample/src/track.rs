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
