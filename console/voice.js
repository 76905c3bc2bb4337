// The clone: asked for, followed, and its refusal or its voice.

import { Problem } from "./api.js";
import { at, clock, el, facts, fill, number, onPress, pill, refusal } from "./dom.js";
import { replayMessage, tellMessage } from "./requests.js";

const KINDS = { none: "soft", pending: "busy", ready: "good", failed: "bad" };
const IN_WORDS = { none: "none", pending: "being made", ready: "ready", failed: "refused" };

// The refusal of the last request; of an attempt that began, the voice's state tells it.
let refused = null;
// When the clone was asked for; the seconds it took.
let began = null;
let took = null;
let following = new AbortController();

export function start(app) {
  onPress(at("clone"), () => clone(app));
}

export function forget() {
  following.abort(new Error("somebody else is looked at"));
  following = new AbortController();
  [refused, began, took] = [null, null, null];
}

async function clone(app) {
  const { employee } = app;
  const { signal } = following;
  [refused, began, took] = [null, performance.now(), null];
  showProgress();
  app.say(`A clone of ${employee.full_name}'s voice is asked for.`);
  try {
    const outcome = await app.api.clone(employee.id, { signal, onPending: () => signal.aborted || showProgress() });
    if (signal.aborted) return;
    took = (performance.now() - began) / 1000;
    app.say(outcome.status === "ready" ? `The voice is ready: ${outcome.voice_id}.` : `There is no voice: ${outcome.code}.`);
  } catch (error) {
    if (signal.aborted) return;
    refused = error instanceof Problem ? error : { code: "error", message: error.message };
    app.say(`Refused: ${refused.code}. ${refused.message}`);
  }
  began = null;
  await app.attempt(app.look);
}

function showProgress() {
  const seconds = Math.floor((performance.now() - began) / 1000);
  fill(at("clone-outcome"), ["progress", seconds], () => el("div", { class: "progress" },
    el("progress", { "aria-label": "The clone is being made" }), el("span", { "aria-hidden": "true" }, `${seconds} s`)));
}

export function show(app) {
  const { voice } = app;
  const status = voice?.status ?? "none";
  // An attempt that failed leaves the voice that there was.
  const id = voice?.voice_id;
  // A voice that was erased had an attempt, too.
  const word = status === "ready" && !id ? "none" : status;
  at("voice").dataset.state = { none: "", pending: "busy", ready: "done", failed: "refused" }[word];
  fill(at("voice-state"), [word, id, voice?.report, took], () => facts([
    ["Voice", pill(KINDS[word], IN_WORDS[word])],
    id && ["voice_id", el("code", { id: "voice-id", title: id }, id)],
    id && voice.report && ["Sample", `${number(voice.report.sample_seconds)} s, ${voice.report.verdict}`],
    id && took && ["Made in", `${number(took)} s`],
  ]));
  if (began === null) {
    const problem = refused ?? (voice?.code ? { code: voice.code, message: "", ...voice.report?.problem } : null);
    fill(at("clone-outcome"), ["outcome", problem?.code, problem?.figure, problem?.message], () => problem && refusal(problem));
  }
  const until = app.employee?.unknown_until;
  fill(at("clone-replay"), [voice?.attempt_id, until], () => [until && lostAnswer(app, until), voice?.attempt_id && replayMessage(app, "clone")]);
  at("clone").hidden = !app.isAdmin();
  at("clone").classList.toggle("primary", Boolean(app.employee?.newest) && app.consent?.status === "live" && word !== "ready");
}

/** The vendor is asked for the voice only when no worker can be making it any more, so there is never a second one. */
function lostAnswer(app, until) {
  const button = el("button", { type: "button", "data-key": "look-now" }, "Look now");
  onPress(button, () => app.attempt(async () => {
    tellMessage(app, "clone", await app.laptop.lookNow(app.employee.id));
    app.say("ElevenLabs is asked which voices it has.");
    await app.look();
  }));
  return el("div", {},
    el("p", { class: "note" },
      `The answer of ElevenLabs was lost, so it may have a voice. It is asked at ${clock(until)}, when nobody can be making one any more.`),
    button);
}
