//! A picture (SVG) of the recordings, the stretches that were taken of them and why, and the levels before and after.
//! It needs no font, script or file from elsewhere, and follows the reader's light or dark theme.

use std::fmt::Write;

use sample::{Channel, Class, Report, Sample, WavReader};

use crate::envelope::Envelope;
use crate::recording::Recording;
use crate::summary::{self, FRAME};

const WIDTH: f64 = 1_200.0;
/// The left and the right end of the time axis.
const LEFT: f64 = 165.0;
const RIGHT: f64 = 1_105.0;
/// Heights.
const LINE: f64 = 22.0;
const WAVE: f64 = 72.0;
const LANE: f64 = 14.0;
const LANE_GAP: f64 = 5.0;
const CHART: f64 = 170.0;
/// The most columns of a lane, and of the levels.
const COLUMNS: usize = 940;
const LEVELS: usize = 240;
/// The lowest level that is drawn, the target level of speech and the limit of the peaks, in dBFS.
const LOWEST: f64 = -60.0;
const SPEECH_TARGET: f64 = -20.5;
const PEAK_LIMIT: f64 = -3.0;

const STYLE: &str = "
.paper{fill:#fff}
text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-size:19px;font-weight:600}.head{font-weight:600}
.small{font-size:11px;fill:#59636e}.end{text-anchor:end}.middle{text-anchor:middle}.problem{fill:#b3261e}
.grid{stroke:#d1d9e0;fill:none}.limit{stroke:#59636e;stroke-dasharray:5 4;fill:none}
.employee,.taken{fill:#0a66b7}.other,.theirs{fill:#b35900}.sound{fill:#8a3ffc}.pause{fill:#9aa4ae}.left{fill:#5fa8e8}
.curve{fill:none;stroke-width:1.5}.before{stroke:#9aa4ae}.after{stroke:#0a66b7}.peaks{stroke:#b3261e;stroke-width:1}
@media(prefers-color-scheme:dark){
.paper{fill:#0d1117}text{fill:#e6edf3}.small{fill:#9198a1}.problem{fill:#ff8f87}
.grid{stroke:#30363d}.limit{stroke:#9198a1}
.employee,.taken{fill:#58a6ff}.other,.theirs{fill:#f0883e}.sound{fill:#be95ff}.pause{fill:#6e7681}.left{fill:#2f6fb3}
.before{stroke:#8b949e}.after{stroke:#58a6ff}.peaks{stroke:#ff8f87}}
";

/// Draws the recordings, the newest first, and the sample.
pub fn draw(recordings: &[Recording], outcome: &Result<Sample, Box<Report>>) -> String {
    let mut drawing = Drawing { svg: String::new(), y: 34.0 };
    let report = match outcome {
        Ok(sample) => &sample.report,
        Err(report) => report,
    };
    drawing.title(recordings, report);
    for (n, recording) in recordings.iter().enumerate() {
        drawing.recording(n, recording, outcome.as_ref().ok(), report);
    }
    if let Ok(sample) = outcome {
        drawing.sample(recordings, sample);
    }
    let height = drawing.y;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" viewBox=\"0 0 {WIDTH} {height:.0}\">\n\
         <style>{STYLE}</style>\n<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height:.0}\"/>\n{}</svg>\n",
        drawing.svg
    )
}

/// The picture as far as it is drawn, from top to bottom.
struct Drawing {
    svg: String,
    /// The height at which the next part begins.
    y: f64,
}

/// A row that marks the frames for which something is true.
struct Lane {
    label: &'static str,
    class: &'static str,
    /// One value for each frame.
    is_so: Vec<bool>,
}

impl Drawing {
    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        _ = writeln!(self.svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>", escaped(text));
    }

    fn path(&mut self, class: &str, path: &str) {
        if !path.is_empty() {
            _ = writeln!(self.svg, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }

    fn title(&mut self, recordings: &[Recording], report: &Report) {
        let name = recordings.first().map_or("", |recording| &recording.name);
        let older = if recordings.len() > 1 { format!(" and {} older", recordings.len() - 1) } else { String::new() };
        let (lines, class) = match report.problem {
            None => (summary::of_sample(report), ""),
            Some(problem) => (format!("no sample\n{}", summary::of_problem(problem)), "problem"),
        };
        let mut lines = lines.lines();
        let outcome = lines.next().unwrap_or_default();
        self.text(20.0, self.y, "title", &format!("{}{older} → {outcome}", shortened(name)));
        for line in lines {
            self.y += LINE;
            self.text(20.0, self.y, class, line.trim());
        }
        self.y += LINE;
    }

    fn recording(&mut self, number: usize, recording: &Recording, sample: Option<&Sample>, report: &Report) {
        let heading = format!("{}: {}", shortened(&recording.name), summary::of_format(recording));
        self.y += 14.0;
        self.text(20.0, self.y, "head", &heading);
        self.y += 10.0;
        if let Some(problem) = report.recordings.get(number).and_then(|found| found.problem) {
            self.y += 10.0;
            self.text(20.0, self.y, "problem", &summary::of_problem(problem));
            self.y += 10.0;
        }
        let Some(format) = recording.format else { return };
        self.waves(recording, format.channels);
        for lane in lanes(number, recording, sample) {
            self.lane(&lane);
        }
        self.time_axis(recording.seconds());
    }

    /// The employee's channel above the other one, or both in their order if it is not known.
    fn waves(&mut self, recording: &Recording, channels: usize) {
        let [first, second] = &recording.envelopes;
        let peak = first.peak().max(second.peak()).max(0.01);
        let rows = match (channels, recording.channel) {
            (1, _) => vec![("the only channel", "employee", first)],
            (_, None) => vec![("channel 1", "pause", first), ("channel 2", "pause", second)],
            (_, Some(Channel::First)) => {
                vec![("employee (1)", "employee", first), ("other party (2)", "other", second)]
            }
            (_, Some(Channel::Second)) => {
                vec![("employee (2)", "employee", second), ("other party (1)", "other", first)]
            }
        };
        for (label, class, envelope) in rows {
            let centre = self.y + WAVE / 2.0;
            self.text(LEFT - 12.0, centre + 4.0, "end", label);
            self.path(class, &outline(envelope, centre, WAVE / 2.0 / f64::from(peak)));
            self.y += WAVE + 4.0;
        }
    }

    fn lane(&mut self, lane: &Lane) {
        let seconds = lane.is_so.iter().filter(|&&so| so).count() as f64 * FRAME;
        let base = self.y + LANE;
        self.text(LEFT - 12.0, base - 3.0, "end", lane.label);
        self.path("grid", &format!("M{LEFT} {base:.1}H{RIGHT}"));
        self.path(lane.class, &bars(&shares(&lane.is_so), base));
        self.text(RIGHT + 8.0, base - 3.0, "small", &format!("{seconds:.1} s"));
        self.y += LANE + LANE_GAP;
    }

    fn time_axis(&mut self, seconds: f64) {
        self.y += 4.0;
        if seconds > 0.0 {
            let step = tick(seconds);
            for n in 0..=(seconds / step) as usize {
                let x = place(n as f64 * step / seconds);
                self.path("grid", &format!("M{x:.1} {:.1}v5", self.y));
                self.text(x, self.y + 17.0, "small middle", &clock(n as f64 * step));
            }
        }
        self.y += 34.0;
    }

    /// The levels, before and after, over the sample's own time.
    fn sample(&mut self, recordings: &[Recording], sample: &Sample) {
        let levels = Levels::of(recordings, sample);
        self.y += 14.0;
        self.text(20.0, self.y, "head", &format!("the sample: {:.1} s", sample.report.sample_seconds));
        let legend = [("before", "curve before"), ("after", "curve after"), ("peaks after", "curve peaks")];
        for (n, (label, class)) in legend.into_iter().enumerate() {
            let x = RIGHT - 330.0 + 110.0 * n as f64;
            self.path(class, &format!("M{x} {:.1}h22", self.y - 4.0));
            self.text(x + 28.0, self.y, "small", label);
        }
        self.y += 14.0;
        let top = self.y;
        let height = |dbfs: f64| top + CHART * (dbfs.clamp(LOWEST, 0.0) / LOWEST);
        for dbfs in [0.0, -20.0, -40.0, -60.0] {
            self.path("grid", &format!("M{LEFT} {:.1}H{RIGHT}", height(dbfs)));
            self.text(LEFT - 12.0, height(dbfs) + 4.0, "small end", &format!("{dbfs} dBFS"));
        }
        for (dbfs, label) in [(SPEECH_TARGET, "speech −20.5"), (PEAK_LIMIT, "peaks −3")] {
            self.path("limit", &format!("M{LEFT} {:.1}H{RIGHT}", height(dbfs)));
            self.text(RIGHT + 8.0, height(dbfs) + 4.0, "small", label);
        }
        for (class, levels) in [("before", &levels.before), ("peaks", &levels.peaks), ("after", &levels.after)] {
            let points = levels.iter().enumerate().map(|(n, &level)| {
                let x = place((n as f64 + 0.5) / levels.len() as f64);
                format!("{}{x:.1} {:.1}", if n == 0 { 'M' } else { 'L' }, height(level))
            });
            self.path(&format!("curve {class}"), &points.collect::<String>());
        }
        self.y += CHART;
        self.time_axis(sample.report.sample_seconds);
    }
}

/// The rows that show the classes of a recording's frames, and which were taken.
fn lanes(number: usize, recording: &Recording, sample: Option<&Sample>) -> Vec<Lane> {
    if let Some([first, second]) = &recording.speech {
        return vec![
            Lane { label: "speech on 1", class: "left", is_so: first.clone() },
            Lane { label: "speech on 2", class: "left", is_so: second.clone() },
        ];
    }
    let mut taken = vec![false; recording.frames.len()];
    for piece in sample.iter().flat_map(|sample| &sample.pieces).filter(|piece| piece.recording == number) {
        taken[piece.first_frame as usize..piece.end_frame as usize].fill(true);
    }
    let dropped = |class: Class| {
        let frames = recording.frames.iter().zip(&taken);
        frames.map(|(frame, &taken)| !taken && frame.class == class).collect()
    };
    let left = if sample.is_some() { "speech, not needed" } else { "speech" };
    let lanes = [
        Lane { label: left, class: "left", is_so: dropped(Class::Speech) },
        Lane { label: "the other party talks", class: "theirs", is_so: dropped(Class::OtherParty) },
        Lane { label: "sound, not speech", class: "sound", is_so: dropped(Class::Sound) },
        Lane { label: "pause", class: "pause", is_so: dropped(Class::Pause) },
    ];
    let is_known = !recording.frames.is_empty();
    let taken = Lane { label: "taken", class: "taken", is_so: taken };
    std::iter::once(taken).chain(lanes).filter(|_| is_known).collect()
}

/// The share of each column's frames.
fn shares(is_so: &[bool]) -> Vec<f64> {
    let columns = is_so.len().min(COLUMNS);
    let cut = |column: usize| column * is_so.len() / columns;
    let count = |frames: &[bool]| frames.iter().filter(|&&so| so).count() as f64 / frames.len() as f64;
    (0..columns).map(|column| count(&is_so[cut(column)..cut(column + 1)])).collect()
}

/// A bar for each run of the same share, upwards from `base`.
fn bars(shares: &[f64], base: f64) -> String {
    let (mut path, mut at) = (String::new(), 0);
    for run in shares.chunk_by(|one, other| one == other) {
        let [from, to] = [at, at + run.len()].map(|column| place(column as f64 / shares.len() as f64));
        if run[0] > 0.0 {
            _ = write!(path, "M{from:.1} {base:.1}V{:.1}H{to:.1}V{base:.1}Z", base - LANE * run[0]);
        }
        at += run.len();
    }
    path
}

/// A path along the highest samples and back along the lowest.
fn outline(envelope: &Envelope, centre: f64, scale: f64) -> String {
    // Half the height of the line that stands for silence.
    const THIN: f64 = 0.4;
    let (mut upper, mut lower) = (Vec::new(), Vec::new());
    for ([from, to], lowest, highest) in envelope.stretches() {
        let x = place((from + to) / 2.0);
        upper.push(format!("{x:.1} {:.1}", centre - THIN - scale * f64::from(highest)));
        lower.push(format!("{x:.1} {:.1}", centre + THIN - scale * f64::from(lowest)));
    }
    if upper.is_empty() {
        return String::new();
    }
    lower.reverse();
    format!("M{}L{}Z", upper.join("L"), lower.join("L"))
}

/// Levels in dBFS, over the sample.
struct Levels {
    /// RMS of the stretches as they were recorded.
    before: Vec<f64>,
    /// RMS of the sample.
    after: Vec<f64>,
    /// Highest sample.
    peaks: Vec<f64>,
}

impl Levels {
    fn of(recordings: &[Recording], sample: &Sample) -> Self {
        let mut audio = Vec::new();
        // The WAV was made here a moment ago, so it can be read.
        let _ = WavReader::default().push(&sample.wav, |_, samples, _| audio.extend_from_slice(samples));
        let columns = LEVELS.min(audio.len());
        let mut before = vec![(0.0, 0.0); columns];
        for piece in &sample.pieces {
            let frames = piece.first_frame..piece.end_frame;
            let length = (piece.to - piece.from) as f64 / (piece.end_frame - piece.first_frame) as f64;
            for (n, frame) in frames.enumerate() {
                let place = piece.from as f64 + (n as f64 + 0.5) * length;
                let (sum, count) = &mut before[(place * columns as f64 / audio.len() as f64) as usize];
                let level = recordings[piece.recording].frames[frame as usize].employee;
                (*sum, *count) = (*sum + 10_f64.powf(f64::from(level) / 10.0), *count + 1.0);
            }
        }
        let cut = |column: usize| column * audio.len() / columns;
        let parts = || (0..columns).map(|column| &audio[cut(column)..cut(column + 1)]);
        let mean = |samples: &[f32]| samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64;
        let peak = |samples: &[f32]| samples.iter().fold(0.0, |peak, x| f64::from(x.abs()).max(peak));
        Self {
            before: before.into_iter().map(|(sum, count)| decibels(sum / f64::max(count, 1.0))).collect(),
            after: parts().map(|samples| decibels(mean(samples))).collect(),
            peaks: parts().map(|samples| decibels(peak(samples).powi(2))).collect(),
        }
    }
}

fn decibels(power: f64) -> f64 {
    10.0 * power.max(1e-12).log10()
}

/// The horizontal place of a point in time, given as a share of the whole.
fn place(share: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * share
}

/// A round step for the time axis, in seconds, so that there are about ten.
fn tick(seconds: f64) -> f64 {
    let steps =
        [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0];
    steps.into_iter().find(|step| seconds / step <= 14.0).unwrap_or(seconds / 10.0)
}

fn clock(seconds: f64) -> String {
    let whole = seconds as u64;
    match (whole / 3_600, seconds) {
        (0, ..10.0) if seconds.fract() > 0.0 => format!("{seconds:.1}"),
        (0, _) => format!("{}:{:02}", whole / 60, whole % 60),
        (hours, _) => format!("{hours}:{:02}:{:02}", whole / 60 % 60, whole % 60),
    }
}

/// A name, shortened until it fits.
fn shortened(name: &str) -> String {
    const LONGEST: usize = 60;
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    name.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// XML text; characters that XML does not allow are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            _ if character.is_control() => {}
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_in_a_column_and_no_column_is_empty() {
        for frames in [0, 1, COLUMNS - 1, COLUMNS, COLUMNS + 1, 225_000] {
            let is_so: Vec<bool> = (0..frames).map(|n| n % 3 == 0).collect();
            let shares = shares(&is_so);
            assert_eq!(shares.len(), frames.min(COLUMNS));
            assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
            let mean = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
            assert!(frames < 100 || (mean - 1.0 / 3.0).abs() < 0.01, "{mean}");
        }
    }

    #[test]
    fn equal_neighbours_are_one_bar_from_edge_to_edge() {
        let middle = (LEFT + RIGHT) / 2.0;
        assert_eq!(bars(&[1.0; 8], 100.0), format!("M{LEFT:.1} 100.0V86.0H{RIGHT:.1}V100.0Z"));
        assert_eq!(bars(&[0.0, 0.5], 100.0), format!("M{middle:.1} 100.0V93.0H{RIGHT:.1}V100.0Z"));
        assert_eq!(bars(&[], 100.0), "");
    }

    #[test]
    fn any_length_has_a_readable_time_axis() {
        for seconds in [0.05, 3.0, 40.0, 112.4, 3_600.0, 36_000.0, 1_000_000.0] {
            let ticks = seconds / tick(seconds);
            assert!((0.4..=14.0).contains(&ticks), "{ticks} ticks in {seconds} s");
        }
        assert_eq!([0.0, 0.5, 75.0, 7_384.0].map(clock), ["0:00", "0.5", "1:15", "2:03:04"]);
    }

    #[test]
    fn names_cannot_break_the_picture() {
        assert_eq!(escaped("a<b>&\u{1}c"), "a&lt;b&gt;&amp;c");
        assert_eq!(shortened(&"ä".repeat(200)).chars().count(), 60);
    }
}
