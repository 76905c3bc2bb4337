//! Sums over samples, in lanes, so that the compiler can vectorise them. It may not change the order of a plain sum.

/// The number of sums that are kept side by side.
pub const LANES: usize = 8;

/// The scalar product of two slices, over the length of the shorter one.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

/// The sum of the samples.
fn sum(samples: &[f32]) -> f32 {
    let (samples, rest) = samples.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for samples in samples {
        for lane in 0..LANES {
            lanes[lane] += samples[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// Mean power of the alternating part: the square of the RMS of the audio without its constant offset.
pub fn ac_power(samples: &[f32]) -> f64 {
    let count = samples.len().max(1) as f64;
    let squares = f64::from(dot(samples, samples));
    (squares / count - (f64::from(sum(samples)) / count).powi(2)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_counts_however_many_there_are() {
        for count in [0_u16, 1, 7, 8, 9, 31] {
            let samples: Vec<f32> = (1..=count).map(f32::from).collect();
            let expected: f32 = samples.iter().map(|sample| sample * sample).sum();
            assert_eq!(dot(&samples, &samples), expected);
            assert_eq!(sum(&samples), samples.iter().sum::<f32>());
        }
    }

    #[test]
    fn a_constant_has_no_alternating_part() {
        assert_eq!(ac_power(&[0.25; 128]), 0.0);
        assert!((ac_power(&[0.35, 0.15].repeat(64)) - 0.01).abs() < 1e-7);
        assert_eq!(ac_power(&[]), 0.0);
    }
}
