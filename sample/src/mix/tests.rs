//! The level, the peaks, the joins and the file of samples that are mixed from tones and voices.

use super::*;
use crate::sums::ac_power;
use crate::tests::calls::{VOICES, amplified, decibels_to_factor, decode, level, resampled, utterance};

/// Half a minute of a voice at a level.
fn voice(n: usize, decibels: f32, first_frame: u64) -> Utterance {
    let clip = &VOICES[n][..128 * 1_875];
    utterance(first_frame, &amplified(clip, decibels_to_factor(decibels) / level(clip)))
}

fn speech(utterance: &Utterance) -> f64 {
    let powers = utterance.frames().filter(|&(class, _)| class == Class::Speech).map(|(_, samples)| ac_power(samples));
    powers.sum::<f64>() / utterance.speech_frames() as f64
}

fn mixed(rate: u32, utterances: &[(usize, Utterance, u32)]) -> Mixed {
    let mut mix = Mix::new(rate);
    for (recording, utterance, rate) in utterances {
        mix.add(*recording, utterance, *rate, speech(utterance));
    }
    mix.finish()
}

fn amplitudes(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect()
}

#[test]
fn whatever_the_level_was_it_comes_out_at_minus_20_and_a_half_and_below_the_peak() {
    for (n, decibels) in [(0, -45.0), (1, -30.0), (2, -20.5), (3, -12.0)] {
        let mixed = mixed(8_000, &[(0, voice(n, decibels, 0), 8_000)]);
        assert!((mixed.after.speech_rms_dbfs - TARGET_LEVEL).abs() < 0.3, "{:?}", mixed.after);
        assert!((-23.0..=-18.0).contains(&mixed.after.rms_dbfs), "{:?}", mixed.after);
        assert!(mixed.after.true_peak_dbtp <= -3.0, "{:?}", mixed.after);
        let peak = decibels_of(true_peak(&amplitudes(&mixed.samples)));
        assert!((peak - mixed.after.true_peak_dbtp).abs() < 1e-6);
    }
}

fn decibels_of(amplitude: f32) -> f64 {
    decibels(f64::from(amplitude).powi(2))
}

#[test]
fn before_is_what_came_in() {
    let mixed = mixed(8_000, &[(0, voice(0, -30.0, 0), 8_000)]);
    let came = voice(0, -30.0, 0);
    assert!((mixed.before.speech_rms_dbfs - decibels(speech(&came))).abs() < 0.1, "{:?}", mixed.before);
    assert!((mixed.before.true_peak_dbtp - decibels_of(true_peak(&came.samples))).abs() < 0.3);
    assert!(mixed.before.rms_dbfs < mixed.before.speech_rms_dbfs);
}

#[test]
fn two_voices_of_different_levels_come_out_alike() {
    let mixed = mixed(8_000, &[(0, voice(0, -20.0, 0), 8_000), (1, voice(0, -42.0, 0), 8_000)]);
    let audio = amplitudes(&mixed.samples);
    let [one, other] = [&mixed.pieces[0], &mixed.pieces[1]].map(|piece| ac_power(&audio[piece.from..piece.to]));
    assert!((decibels(one) - decibels(other)).abs() < 0.5);
    assert!((decibels_of(mixed.pieces[1].gain) - decibels_of(mixed.pieces[0].gain) - 22.0).abs() < 0.1);
}

#[test]
fn even_a_voice_of_nothing_but_peaks_stays_below_the_ceiling() {
    let mut spikes = vec![0.001; 128 * 500];
    spikes.iter_mut().step_by(80).for_each(|sample| *sample = 0.9);
    spikes.iter_mut().skip(1).step_by(80).for_each(|sample| *sample = 0.9);
    let classes = vec![Class::Speech; 500];
    let mixed = mixed(8_000, &[(0, Utterance { first_frame: 0, classes, samples: spikes }, 8_000)]);
    assert!(mixed.after.true_peak_dbtp <= -3.0, "{:?}", mixed.after);
    assert!(mixed.pieces[0].gain.is_finite());
}

#[test]
fn a_peak_that_the_limiter_lets_through_lowers_its_ceiling() {
    let mut random = 2_u32;
    let mut noise = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) as f32 / 8_388_608.0 - 1.0
    };
    // An eighth of a second of white noise in two minutes of near silence: it is limited by so much that a peak between two samples
    // gets 0.18 dB above the ceiling.
    let loud = 10_000..11_000;
    let samples = (0..128 * 8_000).map(|n| if loud.contains(&n) { noise() } else { 0.000_1 * noise() }).collect();
    let classes = vec![Class::Speech; 8_000];
    let mixed = mixed(8_000, &[(0, Utterance { first_frame: 0, classes, samples }, 8_000)]);
    assert!(mixed.after.true_peak_dbtp <= -3.0, "{:?}", mixed.after);
}

#[test]
fn joins_are_faded_but_not_where_the_speech_goes_on() {
    let whole = voice(0, -20.0, 0);
    let part = |frames: std::ops::Range<usize>| Utterance {
        first_frame: frames.start as u64,
        classes: whole.classes[frames.clone()].to_vec(),
        samples: whole.samples[frames.start * 128..frames.end * 128].to_vec(),
    };
    let cut = amid_a_vowel(&whole);
    let parts = [part(0..cut), part(cut..1_200), part(1_300..1_875)].map(|part| (0, part, 8_000));
    let mixed = mixed(8_000, &parts);
    let ends = |n: usize| [mixed.pieces[n].from, mixed.pieces[n].to - 1].map(|at| mixed.samples[at]);
    for (faded, sample) in [(0, ends(0)[0]), (1, ends(1)[1]), (2, ends(2)[0]), (2, ends(2)[1])] {
        assert!(sample.abs() <= 2, "{sample} at an end of piece {faded}");
    }
    let join = mixed.pieces[1].from;
    let found = amplitudes(&mixed.samples[join - 40..join + 40]);
    let source = &whole.samples[cut * 128 - 40..cut * 128 + 40];
    let missing = decibels(ac_power(source)) + decibels_of(mixed.pieces[0].gain) - decibels(ac_power(&found));
    assert!(missing < 1.5, "where the speech goes on, nothing is faded, but {missing} dB are missing");
}

/// The frame, among the first 1 100, at whose beginning the voice is loudest.
fn amid_a_vowel(utterance: &Utterance) -> usize {
    let power_at = |&frame: &usize| ac_power(&utterance.samples[frame * 128 - 40..frame * 128 + 40]);
    (100..1_100).max_by(|one, other| power_at(one).total_cmp(&power_at(other))).expect("there are frames")
}

#[test]
fn an_offset_is_taken_out_without_a_click() {
    let mut moved = voice(2, -25.0, 0);
    moved.samples.iter_mut().for_each(|sample| *sample += 0.2);
    let mixed = mixed(8_000, &[(0, moved, 8_000)]);
    let audio = amplitudes(&mixed.samples);
    let mean = audio.iter().sum::<f32>() / audio.len() as f32;
    assert!(mean.abs() < 1e-4, "{mean}");
    assert!(audio[..200].iter().all(|sample| sample.abs() < 0.05), "it begins in a pause");
    assert!((mixed.after.speech_rms_dbfs - TARGET_LEVEL).abs() < 0.3, "{:?}", mixed.after);
}

#[test]
fn recordings_of_other_rates_are_brought_to_the_samples_rate() {
    let plain = voice(0, -25.0, 0);
    let wide = Utterance { samples: resampled(&plain.samples, 8_000, 16_000), ..plain.clone() };
    let mixed = mixed(8_000, &[(0, plain, 8_000), (1, wide, 16_000)]);
    let [one, other] = [&mixed.pieces[0], &mixed.pieces[1]];
    assert_eq!((mixed.rate, one.to - one.from, other.to - other.from), (8_000, 240_000, 240_000));
    let audio = amplitudes(&mixed.samples);
    let difference: Vec<f32> =
        audio[one.from..one.to].iter().zip(&audio[other.from..other.to]).map(|(one, other)| one - other).collect();
    assert!(decibels(ac_power(&difference)) < decibels(ac_power(&audio)) - 25.0);
}

#[test]
fn the_file_holds_every_sample() {
    let samples = vec![i16::MIN, -1, 0, 1, i16::MAX];
    let expected: Vec<f32> = samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    let nothing = Mix::new(11_025).finish();
    let wav = Mixed { samples, ..nothing }.wav();
    let (format, read, _) = decode(&wav);
    assert_eq!(format, Format { encoding: Encoding::Pcm16, channels: 1, rate: 11_025 });
    assert_eq!(read, expected);
    assert!(wav.starts_with(&wav::header(format, 10)), "its header says how long it is");
}

/// A tone at a quarter of the sampling rate, one frame of 128 samples for each amplitude. A frame of at most a
/// tenth is a pause.
fn tone(first_frame: u64, amplitudes: &[f32]) -> Utterance {
    let class = |&amplitude: &f32| if amplitude > 0.1 { Class::Speech } else { Class::Pause };
    let frame = |&amplitude: &f32| [0.0, amplitude, 0.0, -amplitude].repeat(32);
    let (classes, samples) = (amplitudes.iter().map(class).collect(), amplitudes.iter().flat_map(frame).collect());
    Utterance { first_frame, classes, samples }
}

#[test]
fn a_fade_takes_10_ms_and_only_where_the_recording_does_not_go_on() {
    let tones = [tone(0, &[0.2; 100]), tone(100, &[0.2; 100]), tone(250, &[0.2; 100])];
    let mixed = mixed(8_000, &tones.map(|tone| (0, tone, 8_000)));
    let full = f32::from(mixed.samples[6_001].abs());
    let share = |at: usize| f32::from(mixed.samples[at].abs()) / full;
    let [first, second, third] = [&mixed.pieces[0], &mixed.pieces[1], &mixed.pieces[2]];
    for (samples, faded) in [(1, 0.0), (19, 0.139), (39, 0.49), (59, 0.847), (79, 1.0), (81, 1.0), (999, 1.0)] {
        for piece in [first, third] {
            assert!((share(piece.from + samples) - faded).abs() < 0.005, "{samples} after the beginning");
        }
        for piece in [second, third] {
            // The last sample is no zero of the tone, so it is `samples - 1` before the end.
            assert!((share(piece.to - samples) - faded).abs() < 0.02, "{samples} before the end");
        }
        assert!((share(second.from + samples) - 1.0).abs() < 0.001 && (share(first.to - samples) - 1.0).abs() < 0.001);
    }
}

#[test]
fn levels_are_those_of_the_speech_and_of_all_with_the_pauses() {
    let syllables = [[0.2; 6], [0.1; 6], [0.2; 6]].concat().repeat(30);
    let mixed = mixed(8_000, &[(0, tone(0, &syllables), 8_000)]);
    // The tone has 3 dB less than its peak; a third of the frames is 6 dB softer, which takes 1.25 dB off the whole.
    for (levels, speech) in [(mixed.before, -17.0), (mixed.after, -20.5)] {
        assert!((levels.speech_rms_dbfs - speech).abs() < 0.1, "{levels:?}");
        assert!((levels.rms_dbfs - speech + 1.25).abs() < 0.1, "{levels:?}");
        assert!((levels.true_peak_dbtp - speech - 3.0).abs() < 0.2, "{levels:?}");
    }
}

#[test]
fn a_voice_that_is_not_limited_has_the_gain_of_its_level_to_the_last_bit() {
    let came = tone(0, &[0.7; 500]);
    let mixed = mixed(16_000, &[(0, came.clone(), 16_000)]);
    assert_eq!(mixed.pieces[0].gain, (power(TARGET_LEVEL) / speech(&came)).sqrt() as f32);
}

#[test]
fn the_level_that_the_limiter_takes_is_given_back_but_no_more_than_half_as_much_again() {
    // One frame in a hundred is a shout.
    let gain_of = |shout: f32| {
        let amplitudes: Vec<f32> = (0..1_000).map(|n| if n % 100 == 50 { shout } else { 0.12 }).collect();
        let came = tone(0, &amplitudes);
        let mixed = mixed(8_000, &[(0, came.clone(), 8_000)]);
        assert!((-3.15..=-3.0).contains(&mixed.after.true_peak_dbtp), "{:?}", mixed.after);
        let plain = (power(TARGET_LEVEL) / speech(&came)).sqrt() as f32;
        (decibels_of(mixed.pieces[0].gain / plain), mixed.after.speech_rms_dbfs - TARGET_LEVEL)
    };
    let (given_back, off) = gain_of(1.0);
    assert!((0.5..3.5).contains(&given_back) && off.abs() < 0.05, "{given_back} dB, and {off} dB off the level");
    let (most, off) = gain_of(3.0);
    assert!((most - 3.52).abs() < 0.01 && off < -0.5, "{most} dB, and {off} dB off the level");
}

#[test]
fn of_nothing_nothing_is_made() {
    let nothing = Mix::new(8_000).finish();
    assert!(nothing.samples.is_empty() && nothing.pieces.is_empty());
}
