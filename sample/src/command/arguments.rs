//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lexopt::Arg::{Long, Short, Value};
use sample::{Channel, Origin};

pub const USAGE: &str = "\
usage: sample CALL.wav [OLDER.wav …] [options]

Makes the voice sample of the employee in a call. More calls, the newest first, fill up what it lacks.
Writes CALL.sample.wav, CALL.report.json and CALL.svg, a picture of what was taken and why.

  --channel 1|2    which channel the employee is on; of a recording of one channel, which party's it is: 1 the
                   parent call's (of an inbound call the caller's), 2 the other's
  --track TRACK    what Twilio says of the recording: inbound, outbound or both …
  --source SOURCE  … and where it comes from, such as RecordVerb: a recording of one channel is a mix
                   of both parties unless these say which it holds, and the employee's only if that is --channel
  --out FOLDER     where to write, instead of beside the first file

Exit code: 0 there is a sample; 2 there is none, the reason is printed; 1 something is wrong with the
command or the files.
";

/// The calls to make a sample of, and the place to write it to.
#[derive(Debug)]
pub struct Arguments {
    /// The recordings, newest first; at least one.
    pub files: Vec<PathBuf>,
    /// The facts about all of them.
    pub origin: Origin,
    /// The folder to write to, and the name of what is written.
    pub folder: PathBuf,
    pub name: String,
}

impl Arguments {
    /// Reads the arguments; `None` if they ask for help.
    ///
    /// # Errors
    /// A sentence about the mistake in them.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        let (mut files, mut origin, mut folder) = (Vec::new(), Origin::default(), None);
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next().map_err(mistake)? {
            match argument {
                Long("channel") => origin.employee_channel = Some(channel(&text(&mut parser)?)?),
                Long("track") => origin.track = Some(text(&mut parser)?),
                Long("source") => origin.source = Some(text(&mut parser)?),
                Long("out") => folder = Some(PathBuf::from(parser.value().map_err(mistake)?)),
                Long("help") | Short('h') => return Ok(None),
                Value(file) => files.push(PathBuf::from(file)),
                option => return Err(mistake(option.unexpected())),
            }
        }
        let newest: &PathBuf = files.first().ok_or("which call?")?;
        let name = newest.file_stem().ok_or(format!("{} is not a file", newest.display()))?;
        let name = name.to_string_lossy().into_owned();
        let beside = newest.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.unwrap_or_else(|| beside.to_owned());
        Ok(Some(Self { files, origin, folder, name }))
    }
}

/// The value of an option.
fn text(parser: &mut lexopt::Parser) -> Result<String, String> {
    let value = parser.value().map_err(mistake)?;
    value.into_string().map_err(|value| format!("{} is not text", value.display()))
}

fn mistake(error: lexopt::Error) -> String {
    match error {
        lexopt::Error::MissingValue { option: Some(option) } => format!("{option} needs a value"),
        lexopt::Error::UnexpectedOption(option) => format!("there is no option {option}"),
        error => error.to_string(),
    }
}

fn channel(value: &str) -> Result<Channel, String> {
    let number: Option<u8> = value.parse().ok();
    number.and_then(|number| Channel::try_from(number).ok()).ok_or(format!("--channel is 1 or 2, not {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Arguments>, String> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn files_and_options_may_come_in_any_order() {
        let parsed = parse("--channel 2 calls/new.wav --track inbound old.wav --source RecordVerb --out made");
        let arguments = parsed.expect("it is right").expect("no help is asked for");
        assert_eq!(arguments.files, [Path::new("calls/new.wav"), Path::new("old.wav")]);
        let expected = Origin {
            track: Some("inbound".into()),
            source: Some("RecordVerb".into()),
            employee_channel: Some(Channel::Second),
            usual_channel: None,
        };
        assert_eq!((arguments.origin, arguments.folder, arguments.name.as_str()), (expected, "made".into(), "new"));
    }

    #[test]
    fn a_value_may_be_joined_to_its_option() {
        let arguments = parse("a.wav --channel=2 --out=made").expect("it is right").expect("no help is asked for");
        assert_eq!((arguments.origin.employee_channel, arguments.folder), (Some(Channel::Second), "made".into()));
    }

    #[test]
    fn without_a_folder_it_is_written_beside_the_newest() {
        for (file, folder) in [("calls/new.wav", "calls"), ("new.wav", "."), ("/new.wav", "/")] {
            let arguments = parse(file).expect("it is right").expect("no help is asked for");
            assert_eq!(arguments.folder, Path::new(folder));
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (line, mistake) in [
            ("", "which call?"),
            ("--channel 2", "which call?"),
            ("a.wav --channel", "--channel needs a value"),
            ("a.wav --channel 3", "--channel is 1 or 2, not 3"),
            ("a.wav --chanel 2", "there is no option --chanel"),
            ("a.wav -c 2", "there is no option -c"),
            ("..", ".. is not a file"),
        ] {
            assert_eq!(parse(line).map(|_| ()), Err(mistake.to_owned()));
        }
    }

    #[test]
    fn help_comes_before_anything_else() {
        assert!(parse("a.wav --help --nonsense").expect("it is right").is_none());
    }
}
