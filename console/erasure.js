// The erasure: every copy with its state, until all are gone.

import { at, day, el, fill, onPress, pill, short } from "./dom.js";
import { replayMessage } from "./requests.js";

const KINDS = {
  vendor_voice: "voice, ElevenLabs", vendor_history: "history, ElevenLabs", vendor_speech: "speech, ElevenLabs", stored_recording: "recording, Storage",
  newest_recording: "newest recording, Storage", twilio_call: "call, Twilio", twilio_recording: "recording, Twilio", metadata: "metadata, Storage",
};
const STATES = { pending: ["busy", "waits"], failed: ["bad", "tried again"], erased: ["good", "gone"], kept_elsewhere: ["soft", "elsewhere"] };

// The erasure that was seen last, and its state: an end is announced once, also when nobody saw the beginning.
let seen = null;

export function start(app) {
  onPress(at("erase"), () => app.attempt(async () => {
    await app.api.eraseVoice(app.employee.id);
    app.say("There is no voice any more; the copies are going.");
    await app.look();
  }));
}

export function forget() {
  seen = null;
}

export function show(app) {
  const status = app.erasure?.status ?? "none";
  const erasure = app.erasure?.erasure;
  at("erase").hidden = !app.isAdmin();
  at("erasure").dataset.state = { none: "", pending: "busy", erased: "done", kept_elsewhere: "done" }[status];
  const now = `${erasure?.id} ${status}`;
  if (seen !== null && seen !== now && status === "erased") app.say("Every copy is gone.");
  if (seen !== null && seen !== now && status === "kept_elsewhere") app.say("Every copy in reach is gone; some are kept elsewhere.");
  if (app.erasure) seen = now;
  fill(at("erasure-replay"), erasure?.id, () => erasure && replayMessage(app, "erasure"));
  fill(at("copies"), [status, erasure], () => {
    if (!erasure) return el("p", { class: "empty" }, "Nothing was asked to be erased.");
    const gone = erasure.copies_total - erasure.copies_left;
    return [
      el("div", { class: "progress" },
        el("progress", { max: Math.max(erasure.copies_total, 1), value: gone, "aria-label": "Copies that are gone" }),
        el("span", {}, erasure.is_listed ? `${gone} of ${erasure.copies_total}` : "being listed")),
      el("ul", { class: "copies", "aria-label": "Copies" }, erasure.copies.map(({ kind, reference, state, last_error: error }) =>
        el("li", { "data-state": state, title: error ? `${reference}: ${error}` : reference },
          el("span", {}, KINDS[kind] ?? kind, el("small", {}, short(reference.split("/").at(-1), 8))), pill(...STATES[state])))),
      erasure.kept.length > 0 && el("details", {}, el("summary", {}, `${erasure.kept.length} kept as proof`),
        el("ul", { class: "kept" }, erasure.kept.map(({ what, until }) => el("li", {}, what, until && `, until ${day(until)}`)))),
    ];
  });
}
