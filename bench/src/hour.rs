//! Measures the time and the memory of reading a long call, in a process that does nothing else.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sample::{Assembly, Call};

use crate::corpus::Corpus;
use crate::measure::origin;
use crate::noise::NoiseKind;
use crate::plan::{CallPlan, Layout, Side, Sound};
use crate::render::Render;
use crate::tone::Tone;
use crate::wav::Encoding;

/// The cost of reading a call.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Processor time from the first byte to the sample. Other load of the machine hardly matters.
    pub time: Duration,
    /// The most memory that the process had at any time (`VmHWM`), in KiB.
    pub peak_kib: u64,
}

/// A call of `length` seconds, of both parties, with noise, crosstalk, ringing and music on hold.
#[must_use]
pub fn long_call(corpus: &Corpus, length: f64) -> CallPlan {
    let mut plan = CallPlan::new(corpus, [2, 5], length, 60);
    plan.employee.noise = Some((NoiseKind::Pink, 30.0));
    plan.employee.crosstalk_db = Some(-30.0);
    plan.interrupt(Side::Employee, Sound::Tone(Tone::RingAmerican, -20.0), 0.0, length / 100.0);
    plan.interrupt(Side::Employee, Sound::Music(2, -23.0), length / 2.0, length / 20.0);
    plan
}

/// Has a separate process read a call `times` times. Returns the median time and the largest memory.
///
/// # Errors
/// The call cannot be written to the temporary disk, or the process fails.
pub fn measure(corpus: &Corpus, plan: &CallPlan, times: usize) -> io::Result<Cost> {
    let wav = tempfile::NamedTempFile::new()?;
    let mut writer = BufWriter::new(wav.as_file());
    writer.write_all(&Encoding::Pcm16.header(plan))?;
    for frame in Render::new(corpus, plan) {
        writer.write_all(&Encoding::Pcm16.bytes(&frame))?;
    }
    writer.flush()?;
    let mut costs = (0..times).map(|_| in_a_process_of_its_own(wav.path())).collect::<io::Result<Vec<Cost>>>()?;
    costs.sort_by_key(|cost| cost.time);
    let peak_kib = costs.iter().map(|cost| cost.peak_kib).max().unwrap_or_default();
    Ok(Cost { peak_kib, ..costs[times / 2] })
}

fn in_a_process_of_its_own(wav: &Path) -> io::Result<Cost> {
    let output = Command::new(std::env::current_exe()?).arg("read").arg(wav).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<u64> = text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    match figures[..] {
        [micros, peak_kib] if output.status.success() => Ok(Cost { time: Duration::from_micros(micros), peak_kib }),
        _ => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

/// Reads the WAV of a [`long_call`] to its end and makes the sample; prints microseconds and KiB.
///
/// # Errors
/// The file cannot be read, or gives no sample.
pub fn read(wav: &Path) -> io::Result<()> {
    let start = time_on_processor()?;
    let mut file = File::open(wav)?;
    let mut chunk = vec![0; 64 * 1024];
    let mut call = Call::new(origin(Layout::EmployeeFirst));
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            length => call.push(&chunk[..length]).map_err(|problem| io::Error::other(problem.code()))?,
        }
    }
    let mut assembly = Assembly::default();
    assembly.add(call.finish());
    let sample = assembly.finish().map_err(|report| io::Error::other(format!("{report:?}")))?;
    let time = time_on_processor()? - start;
    assert!(sample.report.sample_seconds > 60.0, "a long call is enough for a long sample");
    println!("{} {}", time.as_micros(), peak_kib()?);
    Ok(())
}

/// The processor time of this thread, which is the only one. Source:
/// <https://docs.kernel.org/scheduler/sched-stats.html>
fn time_on_processor() -> io::Result<Duration> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = statistics.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| io::Error::other("no time on the processor"))
}

fn peak_kib() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).ok_or_else(|| io::Error::other("no VmHWM"))
}
