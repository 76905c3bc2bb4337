// A use of the voice. The API is asked before each; the voice_id comes from its answer and from nowhere else.

import { Problem } from "./api.js";
import { at, el, facts, fill, onPress, pill, refusal } from "./dom.js";

let outcome = null;

export function start(app) {
  at("purpose").append(...[...app.statement.purposes].reverse().map((purpose) => el("option", { value: purpose }, purpose)));
  onPress(at("speak"), () => app.attempt(() => speak(app)));
}

export function forget() {
  outcome = null;
}

async function speak(app) {
  const { employee } = app;
  outcome = null;
  try {
    const allowed = await app.api.authorize(employee.id, at("purpose").value);
    const spoken = at("purpose").value === "synthetic_speech" ? await app.laptop.speak(allowed.voice_id, at("text").value) : null;
    outcome = { allowed, spoken };
    app.say(spoken ? "Allowed, and spoken." : "Allowed.");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { code, message } = error;
    outcome = { code, message };
    app.say(`Not allowed: ${code}.`);
  }
  show(app);
  await app.look();
}

export function show(app) {
  at("use").dataset.state = outcome ? (outcome.allowed ? "done" : "refused") : "";
  fill(at("speech"), outcome, () => outcome && (outcome.allowed ? [
    facts([
      ["Answer", pill("good", "allowed")],
      ["Voice", el("code", {}, outcome.allowed.voice_id)],
      outcome.spoken && ["Speech", `${outcome.spoken.bytes} bytes of audio`],
    ]),
    outcome.spoken && el("p", { class: "note" },
      "The stand-in of ElevenLabs speaks silence, and keeps it in its history: one more copy that an erasure has to reach."),
  ] : refusal(outcome)));
  at("speak").classList.toggle("primary", Boolean(app.voice?.voice_id) && !outcome);
}
