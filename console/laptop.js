// The abilities of this laptop alone: to place a call, break a vendor, read the journals and play audio. A product has none
// of them; the comments name their counterparts.

export const VENDORS = { twilio: "Twilio", elevenlabs: "ElevenLabs", supabase: "Supabase" };

/** The local server, `local/console.py`, on the page's own origin. */
export class Laptop {
  #token = "";

  async #ask(method, path, { body, json, quiet } = {}) {
    const headers = { Authorization: `Bearer ${this.#token}` };
    if (json !== undefined) headers["Content-Type"] = "application/json";
    const response = await fetch(`/laptop${path}`, { method, headers, body: json === undefined ? body : JSON.stringify(json) });
    if (response.ok) return response;
    if (quiet?.includes(response.status)) return null;
    throw new Error(`The laptop's server answered ${response.status}: ${(await response.text()).trim()}`);
  }

  async settings() {
    return (await this.#ask("GET", "/settings")).json();
  }

  /** A product has Supabase Auth: supabase.auth.signInWithPassword(). The token stays in memory. */
  async signIn(userId) {
    const { access_token: token } = await (await this.#ask("POST", "/sign-in", { json: { user_id: userId } })).json();
    this.#token = token;
    return token;
  }

  /** A product reads its own tables. `stored` are the recordings that are there, newest first; `recordings` the erased ones, too. */
  async employees() {
    const { employees } = await (await this.#ask("GET", "/employees")).json();
    return employees.map((employee) => {
      const stored = employee.recordings.filter(({ erased_at: erased }) => !erased);
      return { ...employee, stored, newest: stored[0] ?? null };
    });
  }

  /** A call with its recording at Twilio: a WAV, or the one that the repository ships. Nobody knows of it yet. */
  async placeCall(employeeId, wav) {
    return (await this.#ask("POST", `/employees/${employeeId}/calls`, { body: wav })).json();
  }

  /** Twilio posts its signed callback, for the first time or again. */
  async callback(recordingSid) {
    return (await this.#ask("POST", `/recordings/${recordingSid}/callback`)).json();
  }

  /** The newest message of a queue comes once more: recording, clone or erasure. */
  async message(employeeId, queue) {
    return (await this.#ask("POST", `/employees/${employeeId}/messages`, { json: { queue } })).json();
  }

  /** As if the minutes were over for which a lost answer of ElevenLabs is waited for. */
  async lookNow(employeeId) {
    return (await this.#ask("POST", `/employees/${employeeId}/look-now`)).json();
  }

  /** The recording's bytes. A product makes a signed URL on its server. */
  async recording(recordingSid) {
    return (await this.#ask("GET", `/recordings/${recordingSid}`)).arrayBuffer();
  }

  /** The bytes of the sample that ElevenLabs was sent; null when it has none any more. */
  async sample(voiceId) {
    return (await this.#ask("GET", `/voices/${voiceId}/sample`, { quiet: [404] }))?.arrayBuffer() ?? null;
  }

  /** ElevenLabs speaks. A product does this on its server, which has the key, after the API has said yes. */
  async speak(voiceId, text) {
    return (await this.#ask("POST", `/voices/${voiceId}/speech`, { json: { text } })).json();
  }

  async requests(vendor, after) {
    return (await (await this.#ask("GET", `/${vendor}/requests?after=${after}`)).json()).requests;
  }

  async faults(vendor) {
    return (await (await this.#ask("GET", `/${vendor}/faults`)).json()).faults;
  }

  async breakIt(vendor, fault) {
    return (await this.#ask("POST", `/${vendor}/faults`, { json: fault })).json();
  }

  async heal(vendor, faultId) {
    await this.#ask("DELETE", `/${vendor}/faults${faultId ? `/${faultId}` : ""}`, { quiet: [404] });
  }
}
