//! The outline of a waveform: the lowest and the highest sample of each stretch, in as many stretches as a picture shows.

/// The most stretches, more than the picture has columns. The number is even, so that stretches can be joined in pairs.
const MOST: usize = 1_200;

/// An outline of any number of samples, which are added as they come.
#[derive(Debug)]
pub struct Envelope {
    /// The lowest and the highest sample of each stretch.
    stretches: Vec<(f32, f32)>,
    /// The number of samples in a stretch. It doubles when there are too many stretches.
    length: u64,
    samples: u64,
}

impl Default for Envelope {
    fn default() -> Self {
        Self { stretches: Vec::with_capacity(MOST), length: 1, samples: 0 }
    }
}

impl Envelope {
    /// Adds the next samples.
    pub fn add(&mut self, samples: &[f32]) {
        for &sample in samples {
            if self.samples == self.length * MOST as u64 {
                self.halve();
            }
            if self.samples.is_multiple_of(self.length) {
                self.stretches.push((sample, sample));
            } else if let Some((lowest, highest)) = self.stretches.last_mut() {
                (*lowest, *highest) = (lowest.min(sample), highest.max(sample));
            }
            self.samples += 1;
        }
    }

    /// The number of samples that were added.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// The highest absolute value.
    pub fn peak(&self) -> f32 {
        self.stretches.iter().fold(0.0, |peak, (lowest, highest)| highest.max(-lowest).max(peak))
    }

    /// The beginning and the end of each stretch, as a share of all samples; its lowest and its highest sample.
    pub fn stretches(&self) -> impl Iterator<Item = ([f64; 2], f32, f32)> {
        let share = |samples: u64| samples.min(self.samples) as f64 / self.samples as f64;
        self.stretches.iter().zip(0..).map(move |(&(lowest, highest), n)| {
            ([n, n + 1].map(|edge: u64| share(edge * self.length)), lowest, highest)
        })
    }

    fn halve(&mut self) {
        self.stretches =
            self.stretches.chunks(2).map(|pair| (pair[0].0.min(pair[1].0), pair[0].1.max(pair[1].1))).collect();
        self.length *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stretch_has_the_lowest_and_the_highest_of_its_samples_however_many_there_are() {
        for count in [0, 1, 7, 1_199, 1_200, 1_201, 2_400, 2_401, 100_000, 5_000_000] {
            let samples: Vec<f32> = (0..count).map(|n| (n as f32 * 0.7).sin() * n as f32).collect();
            let mut envelope = Envelope::default();
            samples.chunks(777).for_each(|chunk| envelope.add(chunk));
            assert_eq!(envelope.samples(), count);
            assert!(envelope.stretches.len() <= MOST && (count < 1_200 || envelope.stretches.len() >= MOST / 2));

            let mut end = 0.0;
            for ([from, to], lowest, highest) in envelope.stretches() {
                assert_eq!(from, end, "the stretches follow each other");
                end = to;
                let place = |share: f64| (share * count as f64).round() as usize;
                let here = &samples[place(from)..place(to)];
                assert_eq!(here.iter().copied().fold(f32::MAX, f32::min), lowest);
                assert_eq!(here.iter().copied().fold(f32::MIN, f32::max), highest);
            }
            assert_eq!(end, if count == 0 { 0.0 } else { 1.0 });
            assert_eq!(envelope.peak(), samples.iter().fold(0.0, |peak, sample| sample.abs().max(peak)));
        }
    }
}
