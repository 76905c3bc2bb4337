// Asks for a clone, follows it, shows the report, and handles each refusal:
//
//     UNDERSTUDY_TOKEN=… node dist/example.js https://… EMPLOYEE_ID …
//
// The token is a signed-in user's Supabase access token. A code that is new in openapi.yaml does not compile here until it is handled.

import { setTimeout as pause } from "node:timers/promises";
import { client, cloneVoice, readVoice, type CloneRefusal, type CloneVoiceError, type ReadVoiceError, type SampleReport } from "@understudy/client";

/** Everything that can come instead of a voice: the request is refused, or the attempt fails later. */
type Code = CloneVoiceError["code"] | ReadVoiceError["code"] | CloneRefusal;

type Outcome =
  | { kind: "ready"; voiceId: string; report: SampleReport | null }
  | { kind: "refused"; code: Code; detail: string; report: SampleReport | null };

/** The advice for a person who meets a refusal. */
function advice(code: Code): string {
  switch (code) {
    case "token_missing":
    case "token_invalid":
    case "token_expired":
    case "token_anonymous":
      return "Sign in again.";
    case "not_a_member":
    case "role_forbidden":
      return "Ask an admin of the organisation.";
    case "employee_id_invalid":
    case "query_invalid":
    case "method_not_allowed":
    case "payload_too_large":
      return "This program asks wrongly; it needs to be corrected.";
    case "employee_not_found":
      return "Reload the list of employees.";
    case "consent_required":
    case "consent_expired":
    case "consent_withdrawn":
    case "consent_purpose":
      return "Invite the employee to consent. If they withdrew, leave it at that.";
    case "recording_missing":
    case "sample_too_short":
      return "Record another call with the employee.";
    case "sample_too_quiet":
    case "sample_clipped":
    case "sample_too_noisy":
    case "sample_mixed_speakers":
    case "sample_synthetic":
    case "recording_not_audio":
      return "Record another call; the report says what was wrong with this one.";
    case "employee_channel_unknown":
    case "recording_too_large":
      return "Ask the operator to correct the settings.";
    case "voice_quota_reached":
    case "voice_limit_reached":
    case "voice_plan_required":
      return "Erase a voice that is not needed, wait for the next month, or have the limit raised.";
    case "voice_requires_verification":
    case "voice_rejected":
    case "voice_protected":
      return "The vendor does not make this voice.";
    case "clone_attempts_exhausted":
      return "Record a newer call; this one was tried often enough.";
    case "clone_failed":
    case "clone_timed_out":
    case "unavailable":
      return "Try again later.";
    default:
      return unheardOf(code);
  }
}

/** An API that is newer than this program may answer with a code that it does not know. */
function unheardOf(code: never): string {
  return `Something else: ${String(code)}`;
}

async function cloned(employeeId: string): Promise<Outcome> {
  const path = { employee_id: employeeId };
  const asked = await cloneVoice({ path, headers: { Prefer: "respond-async" } });
  if (asked.error !== undefined) return refused(asked.error);
  if (asked.data.status === "ready") return { kind: "ready", voiceId: asked.data.voice_id, report: asked.data.report };
  for (;;) {
    console.log(`${employeeId}  pending`);
    await pause(1000);
    const { data: state, error } = await readVoice({ path });
    if (error !== undefined) return refused(error);
    if (state.status === "ready" && state.voice_id !== null) return { kind: "ready", voiceId: state.voice_id, report: state.report };
    if (state.status !== "pending") return { kind: "refused", code: state.code ?? "clone_failed", detail: "", report: state.report };
  }
}

/** An answer that is no problem document is not the API's: it is the gateway's above its limits, or nobody's. */
function refused(error: unknown): Outcome {
  if (!isProblem(error)) return { kind: "refused", code: "unavailable", detail: "", report: null };
  return { kind: "refused", code: error.code, detail: error.detail, report: error.report ?? null };
}

function isProblem(error: unknown): error is CloneVoiceError | ReadVoiceError {
  return typeof error === "object" && error !== null && "code" in error && "status" in error;
}

function shown(outcome: Outcome): string[] {
  const { report } = outcome;
  const headline =
    outcome.kind === "ready"
      ? `ready: ${outcome.voiceId}`
      : `refused: ${outcome.code}. ${outcome.detail} ${advice(outcome.code)}`;
  if (!report) return [headline];
  const { problem, recordings } = report;
  return [
    headline,
    `  verdict: ${report.verdict}, ${report.speech_seconds} s of speech in a sample of ${report.sample_seconds} s`,
    ...(problem?.figure === undefined ? [] : [`  measured: ${problem.figure} ${problem.unit}, wanted: ${problem.limit}`]),
    ...report.warnings.map((warning) => `  warning: ${warning}`),
    ...recordings.map((recording) => `  recording: ${recording.taken_seconds} of ${recording.seconds} s taken`),
  ];
}

const [baseUrl, ...employeeIds] = process.argv.slice(2);
const token = process.env.UNDERSTUDY_TOKEN;
if (!baseUrl || !employeeIds.length) throw new Error("usage: UNDERSTUDY_TOKEN=… node dist/example.js API_URL EMPLOYEE_ID …");
client.setConfig({ baseUrl, auth: () => token });
for (const employeeId of employeeIds) {
  for (const line of shown(await cloned(employeeId))) console.log(`${employeeId}  ${line}`);
}
