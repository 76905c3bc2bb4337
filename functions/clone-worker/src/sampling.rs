//! Reads the employee's recordings from Storage and makes one sample of them.

use std::time::Duration;

use futures_util::TryStreamExt;
use http::StatusCode;
use sample::{Assembly, Call, Channel, Origin, Problem, Report, Sample, Take};
use shared::clients::supabase::Supabase;
use shared::error::Error;
use shared::recordings;
use shared::referee::clones::{SampleSource, SourceRecording};
use shared::refusal::Refusal;
use tokio::time::{Instant, timeout_at};

use crate::refusals;

/// The longest time for reading all recordings together.
const PATIENCE: Duration = Duration::from_secs(120);

/// The result of sampling.
pub struct Sampled {
    /// The sample, or why there is none.
    pub sample: Result<Sample, NoSample>,
    /// The recordings that were looked at, newest first.
    pub sources: Vec<SampleSource>,
}

/// The reason why there is no sample.
pub struct NoSample {
    /// The refusal of the attempt.
    pub refusal: Refusal,
    /// The report with the figures.
    pub report: Box<Report>,
}

/// Samples the newest recording, and older ones as long as there is too little speech. A recording that Storage does
/// not have is passed over, and so is one that cannot be used; one of a call in which a cloned voice spoke is not even
/// read. If an older recording cannot be read just now and there is enough speech for a voice, the sample is made
/// without it; the next request tries to read it again.
///
/// # Errors
/// Storage's error about a recording that could not be read, if the others hold too little speech without it.
pub async fn sample_recordings(
    supabase: &Supabase,
    recordings: &[SourceRecording],
    usual_channel: Option<Channel>,
) -> Result<Sampled, Error> {
    let deadline = Instant::now() + PATIENCE;
    let (mut assembly, mut sources) = (Assembly::default(), Vec::<SampleSource>::new());
    for recording in recordings {
        let slow = Error::NotYet { reason: "the recordings take too long to read", retry_after: None };
        let read = async {
            match recording.synthetic {
                true => Ok(Err(Problem::Synthetic)),
                false => read(supabase, recording, usual_channel).await,
            }
        };
        let take = match timeout_at(deadline, read).await.unwrap_or(Err(slow)) {
            Ok(take) => take,
            Err(error) if is_gone(&error) => Err(Problem::RecordingMissing),
            Err(_) if assembly.has_minimum() => break,
            Err(error) => return Err(error),
        };
        // A recording of one channel holds the party that is stated for this very call.
        let channel = take.as_ref().ok().and_then(|take| take.channel.or(recording.employee_channel));
        let (recording_sid, synthetic) = (recording.recording_sid.clone(), recording.synthetic);
        sources.push(SampleSource { recording_sid, channel, synthetic });
        assembly.add(take);
        if assembly.has_enough() {
            break;
        }
    }
    let sample = match assembly.finish() {
        Ok(sample) => Ok(sample),
        Err(report) => {
            let problem =
                report.problem.as_ref().ok_or(Error::Unusable("there is neither a sample nor a reason why"))?;
            Err(NoSample { refusal: refusals::of_problem(problem), report })
        }
    };
    Ok(Sampled { sample, sources })
}

/// Reads a recording as it arrives, up to its end or until it proves to be unusable.
async fn read(
    supabase: &Supabase,
    recording: &SourceRecording,
    usual_channel: Option<Channel>,
) -> Result<Result<Take, Problem>, Error> {
    let mut call = Call::new(Origin {
        track: recording.track.clone(),
        source: recording.source.clone(),
        employee_channel: recording.employee_channel,
        usual_channel,
    });
    let object = supabase.download(recordings::BUCKET, &recording.storage_path).await?;
    let (mut stream, mut arrived) = (std::pin::pin!(object.stream), 0);
    while let Some(bytes) = stream.try_next().await.map_err(interrupted)? {
        arrived += bytes.len() as u64;
        if let Err(problem) = call.push(&bytes) {
            return Ok(Err(problem));
        }
    }
    if arrived < object.length {
        return Err(Error::NotYet { reason: "the recording ended before its length", retry_after: None });
    }
    Ok(call.finish())
}

fn interrupted(cause: reqwest::Error) -> Error {
    Error::unavailable("reading a stored recording")(cause.without_url())
}

/// True if the recording no longer exists, so that waiting is of no use.
fn is_gone(error: &Error) -> bool {
    !error.is_transient() || matches!(error, Error::Vendor(error) if error.status == Some(StatusCode::NOT_FOUND))
}
