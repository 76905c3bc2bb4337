//! Fuzzes the whole way from the bytes of a recording to a sample and its report: `make fuzz`.
//!
//! Nothing may panic, overflow or allocate without bound. The result must not depend on the pieces in which the bytes
//! arrive. If there is a sample, it is as the vendor recommends.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};

use libfuzzer_sys::fuzz_target;
use sample::{Assembly, Call, Channel, LONGEST, Origin, Problem, Sample, Take};

/// Bytes before the WAV that choose the way in which it is read.
const PREFIX: usize = 4;
/// The most bytes that are pushed: 75 s of µ-law in one channel at 8 kHz.
const MOST_PUSHED: usize = 600_000;

fuzz_target!(|input: &[u8]| {
    let Some((&[origin, repeats, short, long], wav)) = input.split_first_chunk::<PREFIX>() else { return };
    let repeats = usize::from(repeats).min(MOST_PUSHED / wav.len().max(1));
    let sizes = [usize::from(short) + 1, 16 * usize::from(long) + 1];

    let [cut, whole] = [&sizes, &[usize::MAX; 2]].map(|sizes| take(origin_of(origin), wav, repeats, sizes));
    assert_eq!(cut.as_ref().err(), whole.as_ref().err(), "the problem depends on how the bytes are cut");
    if let (Ok(cut), Ok(whole)) = (&cut, &whole) {
        assert_same(cut, whole);
    }

    // The same call is added again as the next older one.
    let mut assembly = Assembly::default();
    assembly.add(cut);
    assembly.add(whole);
    match assembly.finish() {
        Ok(sample) => check(&sample),
        Err(report) => assert!(report.problem.is_some()),
    }
});

/// The origin of the recording, from the bits of a byte.
fn origin_of(bits: u8) -> Origin {
    let channel = |at: u8| match bits >> at & 3 {
        1 => Some(Channel::First),
        2 => Some(Channel::Second),
        _ => None,
    };
    Origin {
        track: (bits & 16 != 0).then(|| "inbound".into()),
        source: (bits & 32 != 0).then(|| "Conference".into()),
        employee_channel: channel(0),
        usual_channel: channel(2),
    }
}

/// Reads a WAV in pieces of two sizes in turn. Its last half is repeated, so that small inputs make long calls.
fn take(origin: Origin, wav: &[u8], repeats: usize, sizes: &[usize; 2]) -> Result<Take, Problem> {
    let mut call = Call::traced(origin);
    let mut sizes = sizes.iter().cycle();
    for part in std::iter::once(wav).chain(std::iter::repeat_n(&wav[wav.len() / 2..], repeats)) {
        let mut rest = part;
        while let (Some(size), false) = (sizes.next(), rest.is_empty()) {
            let piece;
            (piece, rest) = rest.split_at(rest.len().min(*size));
            call.push(piece)?;
        }
    }
    call.finish()
}

fn assert_same(one: &Take, other: &Take) {
    assert_eq!(one.counts.all, other.counts.all);
    assert_eq!(one.utterances.len(), other.utterances.len());
    for (one, other) in one.utterances.iter().zip(&other.utterances) {
        assert_eq!((one.first_frame, &one.classes), (other.first_frame, &other.classes));
        assert!(one.samples == other.samples);
    }
    let traced = |take: &Take| take.trace.as_ref().map(Vec::len);
    assert_eq!((traced(one), traced(other)), (Some(one.counts.all as usize), Some(one.counts.all as usize)));
}

fn check(sample: &Sample) {
    let (report, seconds) = (&sample.report, sample.report.sample_seconds);
    let after = report.after.expect("a sample has levels");
    assert!(after.true_peak_dbtp <= -3.0, "{after:?}");
    assert!(after.speech_rms_dbfs.is_finite() && after.rms_dbfs.is_finite());
    assert!((0.0..=LONGEST + 0.01).contains(&seconds) && report.speech_seconds >= 30.0);
    let rate = f64::from(report.sampling_rate_hz.expect("a sample has a rate"));
    assert!((sample.wav.len() as f64 - (44.0 + 2.0 * seconds * rate)).abs() < 1.0);
    let mut end = 0;
    for piece in &sample.pieces {
        assert!(piece.from == end && piece.gain.is_finite() && piece.first_frame < piece.end_frame);
        end = piece.to;
    }
    assert!(!serde_json::to_string(report).expect("a report is serialisable").is_empty());
}

/// Ends the program if one allocation is larger than any that is needed for two minutes at 16 kHz.
struct Bounded;

const LARGEST_ALLOCATION: usize = 16 << 20;

fn check_size(size: usize) {
    if size > LARGEST_ALLOCATION {
        eprintln!("an allocation of {size} bytes");
        std::process::abort();
    }
}

// SAFETY: all calls go to the system's allocator; this one only checks the size.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check_size(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check_size(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check_size(size);
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;
