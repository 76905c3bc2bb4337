// A WAV of 16-bit PCM, as numbers; and where a sample was cut out of a recording.

/** `{rate, channels: [Float32Array]}`; null if it is none that a browser can draw. */
export function readWav(buffer) {
  const view = new DataView(buffer);
  const tag = (at) => String.fromCharCode(...new Uint8Array(buffer, at, 4));
  if (view.byteLength < 44 || tag(0) !== "RIFF" || tag(8) !== "WAVE") return null;
  let format = null;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const length = view.getUint32(at + 4, true);
    if (tag(at) === "fmt ") {
      const short = (place) => view.getUint16(at + place, true);
      const [code, count, rate, bits] = [short(8), short(10), view.getUint32(at + 12, true), short(22)];
      format = { pcm: code === 1 || code === 0xfffe, count, rate, bits };
    } else if (tag(at) === "data") {
      if (!format?.pcm || format.bits !== 16 || format.count < 1) return null;
      const samples = Math.floor(Math.min(length, view.byteLength - at - 8) / 2 / format.count);
      const channels = Array.from({ length: format.count }, () => new Float32Array(samples));
      for (let n = 0, place = at + 8; n < samples; n++) {
        for (const channel of channels) {
          channel[n] = view.getInt16(place, true) / 32768;
          place += 2;
        }
      }
      return { rate: format.rate, channels };
    }
    at += 8 + length + (length % 2);
  }
  return null;
}

/** The lowest and highest sample of each of `count` stretches. */
export function outline(samples, count) {
  return Array.from({ length: count }, (_, n) => {
    let [lowest, highest] = [0, 0];
    const end = Math.floor(((n + 1) * samples.length) / count);
    for (let at = Math.floor((n * samples.length) / count); at < end; at++) {
      lowest = Math.min(lowest, samples[at]);
      highest = Math.max(highest, samples[at]);
    }
    return [lowest, highest];
  });
}

// Samples that are compared: 32 ms at 8 kHz. The pieces keep their order, joined with short fades.
const WINDOW = 256;
const ALIKE = 0.95;
// A stretch across a join is like nothing. After so many in a row, the rest is another recording's.
const MISSES = 4;

/**
 * The places of the sample's pieces in the channel that it was cut out of, as [from, to] in seconds. The level of a piece may have
 * been changed, so stretches are alike when they correlate. Pieces that are not found (another recording's) are left out.
 */
export function pieces(sample, channel, rate) {
  const found = [];
  let place = 0;
  let last = null;
  let misses = 0;
  for (let at = 0; at + WINDOW <= sample.length && misses < MISSES; at += WINDOW) {
    if (!isHeard(sample, at)) {
      place += WINDOW;
      continue;
    }
    if (likeness(sample, at, channel, place) < ALIKE) place = search(sample, at, channel, last ? last[1] : 0) ?? -1;
    if (place < 0) {
      place = last ? last[1] : 0;
      misses += 1;
      continue;
    }
    misses = 0;
    // A short pause inside of a piece belongs to it.
    if (last && place - last[1] < rate * 0.25 && place >= last[1]) last[1] = place + WINDOW;
    else found.push((last = [place, place + WINDOW]));
    place += WINDOW;
  }
  return found.map((piece) => piece.map((sampleNumber) => sampleNumber / rate));
}

// RMS over a tenth of a second above which somebody is heard: −40 and −46 dBFS.
const OTHER_IS_HEARD = 0.01;
const EMPLOYEE_IS_HEARD = 0.005;

/** Why what lies between the pieces was not taken, as [from, to, reason] in seconds: as far as a browser can tell by the levels alone. */
export function leftOut(taken, channel, other, rate) {
  const step = Math.floor(rate / 10);
  const found = [];
  for (let at = 0; at + step <= channel.length; at += step) {
    const [from, to] = [at / rate, (at + step) / rate];
    if (taken.some(([begin, end]) => begin < to && end > from)) continue;
    const reason = other && rms(other, at, step) > OTHER_IS_HEARD ? "other" : rms(channel, at, step) < EMPLOYEE_IS_HEARD ? "pause" : "spare";
    const last = found.at(-1);
    if (last && last[2] === reason && from - last[1] < 0.01) last[1] = to;
    else found.push([from, to, reason]);
  }
  return found;
}

function rms(samples, at, count) {
  let power = 0;
  for (let n = at; n < at + count; n++) power += samples[n] ** 2;
  return Math.sqrt(power / count);
}

function search(sample, at, channel, from) {
  for (let place = from; place + WINDOW <= channel.length; place++) {
    // Most places are ruled out by a few samples.
    if (likeness(sample, at, channel, place, 16) > 0.8 && likeness(sample, at, channel, place) >= ALIKE) return place;
  }
  return null;
}

function isHeard(samples, at) {
  return rms(samples, at, WINDOW) > 0.01;
}

/** The correlation of two stretches, −1 to 1. */
function likeness(one, at, other, place, step = 1) {
  if (place < 0 || place + WINDOW > other.length) return 0;
  let product = 0;
  let power = 0;
  let otherPower = 0;
  for (let n = 0; n < WINDOW; n += step) {
    const a = one[at + n];
    const b = other[place + n];
    product += a * b;
    power += a * a;
    otherPower += b * b;
  }
  return product / (Math.sqrt(power * otherPower) || 1);
}
