// The sound that the voice was made of: both channels of the call, the pieces that were taken, the report's figures, and players.

import { at, el, facts, fill, number, svg } from "./dom.js";
import { leftOut, outline, pieces, readWav } from "./wav.js";

const WAVE = 62;
const LANE = 12;
// In the drawing's units, which are about pixels: a narrow screen gets a narrow drawing, so that its text stays readable.
const WIDE = 1000;
const NARROW = 360;
const narrow = matchMedia("(max-width: 44rem)");

const REASONS = {
  taken: "taken", other: "left out: the other party is heard", pause: "left out: a pause", spare: "left out: not clear enough, or not needed",
};

// The recording and the voice that are drawn.
let drawn = null;
let addresses = [];
let redraw = () => {};

export function start() {
  narrow.onchange = () => redraw();
  fill(at("sound"), "nothing", () => el("p", { class: "empty" }, "Place a call: both sides of it are drawn here."));
}

export function forget() {
  drawn = null;
  redraw = () => {};
  for (const address of addresses) URL.revokeObjectURL(address);
  addresses = [];
  start();
}

export async function show(app) {
  const newest = app.employee?.newest?.recording_sid ?? null;
  const voiceId = app.voice?.voice_id ?? null;
  // A voice is made of what was newest when it was asked for; a later call is drawn by itself.
  const report = app.voice?.report ?? null;
  const wanted = JSON.stringify([newest, voiceId, report]);
  if (!app.voice || wanted === drawn) return;
  if (!newest) return forget();
  drawn = wanted;
  await app.attempt(async () => {
    const [call, sample] = await Promise.all([app.laptop.recording(newest), voiceId ? app.laptop.sample(voiceId) : null]);
    if (drawn === wanted) draw(app, call, sample, report);
  });
}

function draw(app, call, sample, report) {
  for (const address of addresses) URL.revokeObjectURL(address);
  addresses = [call, sample].map((bytes) => bytes && URL.createObjectURL(new Blob([bytes], { type: "audio/wav" })));
  const audio = readWav(call);
  const ours = report?.channel ?? (audio?.channels.length === 1 ? 1 : null);
  const voice = sample && readWav(sample);
  const mine = audio?.channels[ours - 1];
  const others = audio?.channels.find((_, n) => n + 1 !== ours);
  const taken = mine && voice?.rate === audio.rate ? pieces(voice.channels[0], mine, audio.rate) : [];
  const rest = taken.length ? leftOut(taken, mine, others, audio.rate) : [];
  const name = app.employee.full_name;
  const frame = el("div", {});
  redraw = () => frame.replaceChildren(picture(audio, ours, taken, rest, name));
  if (audio) redraw();
  fill(at("sound"), [drawn, Math.random()], () => [
    el("div", {},
      audio ? frame : el("p", { class: "empty" }, "This browser cannot draw the recording."),
      taken.length > 0 && el("ul", { class: "legend" }, Object.entries(REASONS).map(([reason, text]) => el("li", { class: reason }, text))),
      el("div", { class: "players" },
        player("The call, both sides", addresses[0]),
        addresses[1] ? player("What ElevenLabs got", addresses[1]) : el("p", { class: "empty" }, "ElevenLabs has got nothing of it."))),
    report ? figures(report) : el("p", { class: "empty" }, "The report comes with the clone."),
  ]);
}

function player(label, address) {
  return el("figure", {}, el("figcaption", {}, label), el("audio", { controls: true, preload: "metadata", src: address, "aria-label": label }));
}

/** The employee's channel above the other party's, what was taken of it and why the rest was not, and the time. */
function picture(audio, ours, taken, rest, name) {
  const width = narrow.matches ? NARROW : WIDE;
  const count = audio.channels.length;
  const seconds = audio.channels[0].length / audio.rate;
  const place = (second) => (second / seconds) * width;
  const order = audio.channels.map((_, n) => n).sort((a, b) => (b + 1 === ours) - (a + 1 === ours));
  const height = count * (WAVE + 22) + LANE + 40;
  const total = (list) => number(list.reduce((sum, [from, to]) => sum + to - from, 0));
  const left = (reason) => total(rest.filter((piece) => piece[2] === reason));
  const story = taken.length
    ? `${total(taken)} seconds were taken, in ${taken.length} pieces. Left out: ${left("other")} seconds with the other party, `
      + `${left("pause")} of pauses, ${left("spare")} unclear or not needed.`
    : "Nothing was taken.";
  const label = `${count} ${count === 1 ? "channel" : "channels"} of a call of ${number(seconds, 0)} seconds. ${story}`;
  const image = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "wave" });
  let y = 14;
  for (const n of order) {
    const isOurs = n + 1 === ours;
    const whose = ours === null ? `channel ${n + 1}` : isOurs ? `${name}, channel ${n + 1}` : `the other party, channel ${n + 1}: never used`;
    const centre = y + 6 + WAVE / 2;
    const shape = outline(audio.channels[n], width / 2);
    const peak = Math.max(0.02, ...shape.flat().map(Math.abs));
    const line = shape.map(([low, high], column) =>
      `M${column * 2 + 1} ${(centre - Math.max(1, (high / peak) * WAVE / 2)).toFixed(1)}V${(centre - Math.min(-1, (low / peak) * WAVE / 2)).toFixed(1)}`);
    image.append(svg("text", { x: 0, y }, whose), svg("path", { class: isOurs || ours === null ? "ours" : "other", d: line.join("") }));
    y += WAVE + 22;
  }
  for (const [from, to, reason] of [...rest, ...taken]) {
    const long = Math.max(0.6, place(to - from) - 0.4);
    image.append(svg("rect", { class: reason ?? "taken", x: place(from).toFixed(1), y: y - 8, width: long.toFixed(1), height: LANE }));
  }
  y += LANE - 2;
  const step = [1, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((each) => seconds / each <= width / 80) ?? seconds;
  for (let second = 0; second <= seconds; second += step) {
    image.append(svg("path", { class: "tick", d: `M${place(second).toFixed(1)} ${y}v5` }),
      svg("text", { x: place(second).toFixed(1), y: y + 20, "text-anchor": second === 0 ? "start" : place(second) > width - 30 ? "end" : "middle" },
        `${Math.floor(second / 60)}:${String(Math.floor(second % 60)).padStart(2, "0")}`));
  }
  return image;
}

function figures(report) {
  const { before, after, recordings } = report;
  const newest = recordings[0] ?? {};
  const level = (of) => `${number(before?.[of])} → ${number(after?.[of])}`;
  return el("div", { class: "report", id: "report" },
    el("p", { class: "verdict" }, el("span", { class: `pill ${{ good: "good", usable: "soft", refused: "bad" }[report.verdict]}` }, report.verdict),
      report.problem ? ` ${report.problem.code}` : report.warnings.length ? ` ${report.warnings.join(", ")}` : " as the vendor asks for it"),
    facts([
      ["Speech taken", `${number(report.speech_seconds)} s`],
      ["Sample", `${number(report.sample_seconds)} s`],
      ["Left out: other party", `${number(newest.other_party_seconds)} s`],
      ["Left out: other sounds", `${number(newest.sound_seconds)} s`],
      ["Speech over noise", `${number(report.snr_db)} dB`],
      ["Noise floor", `${number(report.noise_floor_dbfs)} dBFS`],
      ["Clipped", `${number(report.clipped_percent, 2)} %`],
      before && ["Speech level", `${level("speech_rms_dbfs")} dBFS`],
      before && ["True peak", `${level("true_peak_dbtp")} dBTP`],
      ["Noise removal", report.remove_background_noise ? "asked for" : "not needed"],
      recordings.length > 1 && ["Recordings", `${recordings.length}`],
    ]));
}
