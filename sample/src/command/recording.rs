//! Reads a recording as a stream, for the pipeline and for the picture.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use sample::{Call, Channel, Class, Format, Frame, Origin, Problem, Take, WavReader};

use crate::envelope::Envelope;

/// The number of bytes that are read at a time.
const CHUNK: usize = 64 * 1024;

/// A recording, as a picture and a summary need it.
pub struct Recording {
    /// Name of its file.
    pub name: String,
    /// The format that the header states.
    pub format: Option<Format>,
    /// Outline of the first channel, and of the second.
    pub envelopes: [Envelope; 2],
    /// The employee's channel, if it is known and there are two.
    pub channel: Option<Channel>,
    /// The recording's frames of 16 ms.
    pub frames: Vec<Frame>,
    /// For each channel, the frames that hold speech, if nobody has said on which channel the employee is.
    pub speech: Option<[Vec<bool>; 2]>,
}

impl Recording {
    /// Reads a file, from its first byte to its last.
    ///
    /// # Errors
    /// The file cannot be read. A problem with its content takes the place of the take instead.
    pub fn read(path: &Path, origin: &Origin) -> io::Result<(Self, Result<Take, Problem>)> {
        let mut file = File::open(path)?;
        let (mut reader, mut envelopes) = (WavReader::default(), <[Envelope; 2]>::default());
        let mut is_wav = true;
        let mut take = take(&mut file, origin, |bytes| {
            let [first, second] = &mut envelopes;
            is_wav = is_wav
                && reader
                    .push(bytes, |_, one, other| {
                        first.add(one);
                        second.add(other);
                    })
                    .is_ok();
        })?;
        let frames = take.as_mut().ok().and_then(|take| take.trace.take()).unwrap_or_default();
        let speech = match take {
            Err(Problem::EmployeeChannelUnknown) => speech_by_channel(&mut file, origin)?,
            _ => None,
        };
        let recording = Self {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            format: reader.finish().ok().filter(|_| is_wav),
            envelopes,
            channel: take.as_ref().map_or(origin.employee_channel, |take| take.channel),
            frames,
            speech,
        };
        Ok((recording, take))
    }

    /// Its length in seconds.
    pub fn seconds(&self) -> f64 {
        self.format.map_or(0.0, |format| self.envelopes[0].samples() as f64 / f64::from(format.rate))
    }
}

/// The take of a file. Every byte is also given to `on_bytes`, even after a problem was found.
fn take(file: &mut File, origin: &Origin, mut on_bytes: impl FnMut(&[u8])) -> io::Result<Result<Take, Problem>> {
    file.rewind()?;
    let mut call = Call::traced(origin.clone());
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match file.read(&mut chunk) {
            Ok(0) => return Ok(call.finish()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        on_bytes(&chunk[..read]);
        // A problem is not lost here: `finish` gives it again.
        let _ = call.push(&chunk[..read]);
    }
}

/// Analyses the recording twice, with either channel as the employee's; `None` if the recording cannot be used even
/// then.
fn speech_by_channel(file: &mut File, origin: &Origin) -> io::Result<Option<[Vec<bool>; 2]>> {
    let mut speech = |channel: Channel| {
        let take = take(file, &Origin { employee_channel: Some(channel), ..origin.clone() }, |_| ())?;
        let frames = take.ok().and_then(|take| take.trace);
        io::Result::Ok(frames.map(|frames| frames.iter().map(|frame| frame.class == Class::Speech).collect()))
    };
    let (first, second) = (speech(Channel::First)?, speech(Channel::Second)?);
    Ok(first.zip(second).map(|(first, second)| [first, second]))
}
