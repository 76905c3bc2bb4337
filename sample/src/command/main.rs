//! The command: `cargo run -p sample -- call.wav --channel 2` makes the voice sample of a call as the clone worker does, its
//! report, and a picture that shows what was taken and why.

mod arguments;
mod envelope;
mod picture;
mod recording;
mod summary;

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use sample::{Assembly, Report, Sample};

use crate::arguments::{Arguments, USAGE};
use crate::recording::Recording;

/// The exit code if there is a report and a picture, but no sample.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let outcome = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(Some(arguments)) => run(&arguments),
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(mistake) => Err(format!("{mistake}\n{USAGE}").into()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let (recordings, outcome) = make_sample(arguments)?;
    let report = match &outcome {
        Ok(sample) => &sample.report,
        Err(report) => report,
    };
    print!("{}", summary::of_recordings(&recordings, report));
    if let Some(unread) = arguments.files.get(recordings.len()..).filter(|unread| !unread.is_empty()) {
        println!("{} older: not needed", unread.len());
    }

    fs::create_dir_all(&arguments.folder).map_err(|error| about(&arguments.folder, &error))?;
    let place = |suffix: &str| arguments.folder.join(format!("{}.{suffix}", arguments.name));
    write(&place("report.json"), format!("{}\n", serde_json::to_string_pretty(report)?).as_bytes())?;
    write(&place("svg"), picture::draw(&recordings, &outcome).as_bytes())?;
    match &outcome {
        Ok(sample) => {
            write(&place("sample.wav"), &sample.wav)?;
            println!("{}\nwritten: {}", summary::of_sample(report), place("{sample.wav,report.json,svg}").display());
            Ok(ExitCode::SUCCESS)
        }
        Err(_) => {
            remove(&place("sample.wav"))?;
            println!("written: {}", place("{report.json,svg}").display());
            eprintln!("{}", summary::of_refusal(&recordings, report));
            Ok(ExitCode::from(REFUSED))
        }
    }
}

/// The recordings that were looked at, newest first, and the sample or the report of why there is none.
type Made = (Vec<Recording>, Result<Sample, Box<Report>>);

fn make_sample(arguments: &Arguments) -> Result<Made, Box<dyn Error>> {
    let (mut assembly, mut recordings) = (Assembly::default(), Vec::new());
    for file in &arguments.files {
        let (recording, take) = Recording::read(file, &arguments.origin).map_err(|error| about(file, &error))?;
        recordings.push(recording);
        assembly.add(take);
        if assembly.has_enough() {
            break;
        }
    }
    Ok((recordings, assembly.finish()))
}

fn write(file: &Path, content: &[u8]) -> Result<(), String> {
    fs::write(file, content).map_err(|error| about(file, &error))
}

/// Removes the sample of an earlier run, which does not belong to the new report beside it.
fn remove(file: &Path) -> Result<(), String> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(about(file, &error)),
        _ => Ok(()),
    }
}

fn about(file: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", file.display())
}
