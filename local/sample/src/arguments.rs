//! What the command is asked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use shared::sample::{Channel, Origin};

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

Exit code: 0 there is a sample; 2 there is none, the reason is told; 1 something is wrong with the
command or the files.
";

/// The command line.
#[derive(Debug)]
pub struct Arguments {
    /// Newest first; at least one.
    pub files: Vec<PathBuf>,
    /// What is known of all of them.
    pub origin: Origin,
    /// Where to write, and under which name.
    pub folder: PathBuf,
    pub name: String,
}

impl Arguments {
    /// `None` when somebody asks for help.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        let (mut files, mut origin, mut folder) = (Vec::new(), Origin::default(), None);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{} needs a value", argument.display()));
            match argument.to_str() {
                Some("--channel") => origin.employee_channel = Some(channel(&text(value()?)?)?),
                Some("--track") => origin.track = Some(text(value()?)?),
                Some("--source") => origin.source = Some(text(value()?)?),
                Some("--out") => folder = Some(PathBuf::from(value()?)),
                Some("-h" | "--help") => return Ok(None),
                Some(option) if option.starts_with('-') => return Err(format!("there is no option {option}")),
                _ => files.push(PathBuf::from(argument)),
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

fn text(value: OsString) -> Result<String, String> {
    value.into_string().map_err(|value| format!("{} is not text", value.display()))
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
