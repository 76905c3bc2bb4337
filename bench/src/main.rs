//! `cargo run --release -p bench` prints the table and the cost of a one-hour call; it fails if a demand is not met.
//!
//! `… -- table` and `… -- hour` print one of the two. `… -- each CONDITION …` prints a line for each employee under some
//! conditions, by their names in the table. `… -- detectors` measures voice activity detectors by themselves.
//! `… -- wav CONDITION FILE` writes the first call of a condition, by its name in the table, so that one can listen to it.
//! `… -- samples FOLDER CONDITION …` writes the samples of all calls of some conditions, and beside them the
//! employee's speech cut by the labels. `… -- labels FOLDER` writes the labels of the voices: for each frame of 16 ms a 1 if it is speech, else a 0. `--voices FOLDER` before any of
//! these has other people in the calls than those of the corpus.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use bench::conditions::Condition;
use bench::corpus::Corpus;
use bench::measure::{TABLE_HEAD, measure, sample_of, table_line};
use bench::plan::{CallPlan, Layout};
use bench::render::Render;
use bench::{SAMPLE_RATE, conditions, detectors, hour};

const USAGE: &str = "usage: bench [--voices FOLDER] \
    [table | each CONDITION … | hour | detectors | wav CONDITION FILE | samples FOLDER CONDITION … | labels FOLDER]";
/// Length of the calls of the table, in seconds: enough for a sample of a minute.
const CALL: f64 = 180.0;
/// Length of the call whose cost is measured, in seconds.
const HOUR: f64 = 3_600.0;
/// The demands on its cost: the least speed, in times real time, and the most memory, in MiB.
const SLOWEST: f64 = 1_000.0;
const MOST_MIB: f64 = 32.0;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let failed = match &words[..] {
        // This is the measured process, so it does not load the corpus into its memory.
        ["read", file] => hour::read(Path::new(file)).map(|()| 0)?,
        ["--voices", folder, rest @ ..] => run(&Corpus::with_voices_of(Path::new(folder))?, rest)?,
        all => run(&Corpus::load(), all)?,
    };
    if failed > 0 {
        println!("{failed} demands are not met.");
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Does what is asked for. Returns the number of demands that are not met.
fn run(corpus: &Corpus, words: &[&str]) -> Result<usize, Box<dyn Error>> {
    match words {
        [] => Ok(table(corpus) + hour(corpus)?),
        ["table"] => Ok(table(corpus)),
        ["each", names @ ..] => each(corpus, names).map(|()| 0),
        ["hour"] => Ok(hour(corpus)?),
        ["detectors"] => {
            print!("{}", detectors::report(corpus));
            Ok(0)
        }
        ["wav", condition, file] => write_wav(corpus, condition, Path::new(file)).map(|()| 0),
        ["samples", folder, names @ ..] => write_samples(corpus, names, Path::new(folder)).map(|()| 0),
        ["labels", folder] => write_labels(corpus, Path::new(folder)).map(|()| 0).map_err(Box::from),
        _ => Err(USAGE.into()),
    }
}

/// Prints the table. Returns the number of conditions that do not meet their demand.
fn table(corpus: &Corpus) -> usize {
    let everybody: Vec<usize> = (0..corpus.voices.len()).collect();
    println!("{TABLE_HEAD}");
    let mut failed = 0;
    for condition in conditions::all(corpus, &everybody, CALL) {
        let outcome = measure(corpus, &condition);
        println!("{}", table_line(&condition, &outcome));
        failed += usize::from(!outcome.meets(condition.demand));
    }
    failed
}

/// Prints a line for each employee under these conditions.
fn each(corpus: &Corpus, names: &[&str]) -> Result<(), Box<dyn Error>> {
    println!("{TABLE_HEAD}");
    for name in names {
        for employee in 0..corpus.voices.len() {
            let mut condition = named(conditions::all(corpus, &[employee], CALL), name)?;
            condition.name = format!("{}, {name}", corpus.voices[employee].name);
            println!("{}", table_line(&condition, &measure(corpus, &condition)));
        }
    }
    Ok(())
}

/// Prints the cost of an hour. Returns the number of demands that are not met.
fn hour(corpus: &Corpus) -> std::io::Result<usize> {
    let cost = hour::measure(corpus, &hour::long_call(corpus, HOUR), 3)?;
    let (seconds, mib) = (cost.time.as_secs_f64(), cost.peak_kib as f64 / 1024.0);
    let speed = HOUR / seconds;
    println!("\nA stereo call of an hour: {seconds:.2} s on one core, {speed:.0} × real time; {mib:.1} MiB at most.");
    Ok(usize::from(speed < SLOWEST) + usize::from(mib >= MOST_MIB))
}

fn write_wav(corpus: &Corpus, name: &str, file: &Path) -> Result<(), Box<dyn Error>> {
    let condition = named(conditions::all(corpus, &[0], CALL), name)?;
    let (plan, encoding) = (&condition.plans[0], condition.encoding);
    let mut wav = encoding.header(plan);
    Render::new(corpus, plan).for_each(|frame| wav.extend(encoding.bytes(&frame)));
    Ok(std::fs::write(file, wav)?)
}

/// Writes `folder/CONDITION/EMPLOYEE.OTHER.wav` for each call of these conditions that gives a sample, and
/// `folder/CONDITION/labelled/EMPLOYEE.OTHER.wav` with the speech that a sample without a mistake would have, as recorded.
fn write_samples(corpus: &Corpus, names: &[&str], folder: &Path) -> Result<(), Box<dyn Error>> {
    let everybody: Vec<usize> = (0..corpus.voices.len()).collect();
    for name in names {
        let condition = named(conditions::all(corpus, &everybody, CALL), name)?;
        let labelled = folder.join(name).join("labelled");
        std::fs::create_dir_all(&labelled)?;
        for plan in &condition.plans {
            if let Some(sample) = sample_of(corpus, plan, condition.encoding) {
                let [employee, other] = [&plan.employee, &plan.other].map(|party| &corpus.voices[party.voice].name);
                let file = format!("{employee}.{other}.wav");
                std::fs::write(folder.join(name).join(&file), sample.wav)?;
                std::fs::write(labelled.join(&file), labelled_speech(corpus, plan))?;
            }
        }
    }
    Ok(())
}

/// The WAV of the frames in which the employee speaks alone, from the employee's channel, without the pipeline.
fn labelled_speech(corpus: &Corpus, plan: &CallPlan) -> Vec<u8> {
    let channel = usize::from(plan.layout == Layout::EmployeeSecond);
    let alone = Render::new(corpus, plan).filter(|frame| frame.employee && !frame.other);
    let pcm: Vec<u8> = alone.flat_map(|frame| frame.channels[channel]).flat_map(i16::to_le_bytes).collect();
    let format = wav::Format { encoding: wav::Encoding::Pcm16, channels: 1, rate: SAMPLE_RATE as u32 };
    let bytes = u32::try_from(pcm.len()).expect("the speech of minutes");
    [wav::header(format, bytes), pcm].concat()
}

/// Writes `folder/VOICE.txt` for each voice.
fn write_labels(corpus: &Corpus, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for voice in &corpus.voices {
        let labels: String = voice.speech.iter().map(|&speech| if speech { '1' } else { '0' }).collect();
        std::fs::write(folder.join(&voice.name).with_extension("txt"), labels)?;
    }
    Ok(())
}

fn named(conditions: Vec<Condition>, name: &str) -> Result<Condition, String> {
    conditions.into_iter().find(|condition| condition.name == name).ok_or(format!("there is no condition {name:?}"))
}
