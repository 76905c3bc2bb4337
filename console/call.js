// A call, and its recording's way: callback → queue → ingest → stored. Seen in the vendors' journals.

import { at, clock, el, facts, fill, megabytes, number, onPress, short } from "./dom.js";
import { entries, replayMessage, tell } from "./requests.js";

// The call that was placed last: {recordingSid, callback: {at, seconds, status}}.
let placed = null;

export function start(app) {
  onPress(at("place-call"), () => place(app, null));
  at("wav").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) place(app, file);
  });
  const drop = at("drop");
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => (event.preventDefault(), drop.classList.add("over")));
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) place(app, event.dataTransfer.files[0]);
  });
}

export function forget(app) {
  placed = null;
  app.underWay.delete("call");
}

async function place(app, wav) {
  const { employee } = app;
  if (!employee) return;
  if (wav && !(await isWav(wav))) return app.say(`${wav.name} is no WAV, and Twilio makes nothing else.`);
  app.say(`Twilio records a call with ${employee.full_name}.`);
  await app.attempt(async () => {
    const { recording_sid: recordingSid } = await app.laptop.placeCall(employee.id, wav);
    await tellTwilio(app, recordingSid);
  });
}

async function isWav(file) {
  const head = new TextDecoder("latin1").decode(await file.slice(0, 12).arrayBuffer());
  return head.startsWith("RIFF") && head.endsWith("WAVE");
}

/** Twilio posts the callback; again, if it did before. */
async function tellTwilio(app, recordingSid) {
  const callback = await app.laptop.callback(recordingSid);
  const { at: time, status: sent, seconds } = callback;
  tell({ vendor: "twilio", time, method: "POST", path: "/twilio/recording", sent, seconds, isCallback: true, replay: () => tellTwilio(app, recordingSid) });
  placed = { recordingSid, callback };
  app.underWay.add("call");
  app.say(`Twilio posted the signed callback: ${callback.status ?? "no answer"}.`);
  await app.look();
}

export function show(app) {
  const newest = app.employee?.newest;
  const steps = placed ? stepsOf(placed, app.employee) : null;
  if (steps?.at(-1).state === "done" && app.underWay.delete("call")) app.say(steps.at(-1).detail ? "The recording was erased, and stays so." : "The recording is stored.");
  at("call").dataset.state = steps ? (steps.at(-1).state === "done" ? "done" : "busy") : newest ? "done" : "";
  fill(at("travel"), steps, () => steps && [
    el("ol", { class: "travel", "aria-label": "The recording's way" }, steps.map(({ what, state, when, detail }) =>
      el("li", { "data-state": state }, el("span", {}, what, detail && el("small", {}, detail)),
        el("span", { class: "time" }, when ?? (state === "waits" ? "…" : ""))))),
    el("div", { class: "replays" }, replayCallback(app, placed.recordingSid), steps.at(-1).state === "done" && replayMessage(app, "recording")),
  ]);
  showRecordings(app);
}

/** Twilio may tell the same thing twice; so can you. */
function replayCallback(app, recordingSid) {
  const button = el("button", { type: "button", class: "quiet", "data-key": "replay-callback" }, "Replay the callback");
  onPress(button, () => app.attempt(() => tellTwilio(app, recordingSid)));
  return button;
}

function stepsOf({ recordingSid, callback }, employee) {
  const began = Date.parse(callback.at);
  const told = began + callback.seconds * 1000;
  const about = entries().filter((entry) => entry.path.includes(recordingSid) && !entry.isCallback);
  const looked = about.find(({ vendor }) => vendor === "twilio");
  const fetches = about.filter(({ vendor, path }) => vendor === "twilio" && path.endsWith(".wav"));
  const stores = about.filter(({ vendor, method, path }) => vendor === "supabase" && method === "POST" && path.includes("/storage/v1/object/"));
  const known = employee?.recordings.find(({ recording_sid: sid }) => sid === recordingSid);
  const after = (entry) => entry && `+${number((Date.parse(entry.time) + entry.seconds * 1000 - began) / 1000, 2)} s`;
  const works = (list) => list.find(({ sent, outcome }) => sent === 200 && outcome === "answered");
  const tries = (list) => {
    const failed = list.filter(({ sent, outcome }) => sent !== 200 || outcome !== "answered").length;
    return failed ? `${failed} failed, tried again` : null;
  };
  const steps = [
    ["webhook answered", callback.status === 204, `${callback.status ?? "no answer"}, ${number(callback.seconds * 1000, 0)} ms`, null],
    ["left the queue", looked, looked && `+${number(Math.max(0, Date.parse(looked.time) - told) / 1000, 2)} s`, null],
    ["fetched", works(fetches), after(works(fetches)), tries(about.filter(({ vendor }) => vendor === "twilio"))],
    ["stored", works(stores), after(works(stores)), tries(stores)],
    // An erased recording is never fetched again, whoever reports it.
    ["known", known, known && clock(known.erased_at ?? known.stored_at), known?.erased_at ? "erased, and stays so" : null],
  ];
  // A recording that was stored before is not fetched again.
  const first = known ? steps.length : steps.findIndex(([, isDone]) => !isDone);
  return steps.map(([what, isDone, when, detail], n) => ({
    what, when: when ?? (n < first ? "before" : null), detail, state: isDone || n < first ? "done" : n === first ? "waits" : "later",
  }));
}

function showRecordings(app) {
  const { employee } = app;
  const newest = employee?.newest;
  at("recording").dataset.state = newest ? "done" : "";
  fill(at("recordings"), [employee?.id, employee?.stored], () => newest
    ? facts([
      ["Stored", `${employee.stored.length}`],
      ["Newest", clock(newest.stored_at)],
      ["Length", `${number(newest.seconds, 0)} s, ${megabytes(newest.bytes)}`],
      ["Key", el("code", { title: `recordings/${employee.id}/${newest.recording_sid}.wav` }, `${short(employee.id, 4)}/${short(newest.recording_sid)}.wav`)],
    ])
    : el("p", { class: "empty" }, "There is no recording yet."));
}
