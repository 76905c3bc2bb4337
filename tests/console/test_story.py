"""The story that the console is there to show, in a browser: a call becomes a voice, and goes when its owner says so."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import wave

import imageio_ffmpeg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from standins.call import recording

from .page import consents

SERIOUS = ("serious", "critical")


def violations(page: Page) -> list[str]:
    """The barriers for disabled people that axe finds."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found if each["impact"] in SERIOUS for node in each["nodes"]]


def both_schemes(page: Page) -> list[str]:
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {each}" for each in violations(page)]
    page.emulate_media(color_scheme="light")
    return found


def picture(page: Page, directory, name: str) -> None:
    """Of at most 128 colours, which nobody sees and which makes a third of its size."""
    if directory:
        few = "split[a][b];[a]palettegen=max_colors=128[p];[b][p]paletteuse=dither=none"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y", "-i", "-", "-vf", few, "-frames:v", "1", directory / name]
        subprocess.run(command, input=page.screenshot(full_page=True), check=True)


def test_a_call_becomes_a_voice_and_goes_when_its_owner_says_so(console, scenario, employee, screenshots):
    console.choose(employee)
    console.button("Clone the voice").click()
    expect(console["clone-outcome"]).to_contain_text("consent_required")

    console.button("Place a call").click()
    way = console.page.get_by_role("list", name="The recording's way")
    for step in ("webhook answered", "left the queue", "fetched", "stored", "known"):
        expect(way.locator("li[data-state=done]", has_text=step)).to_be_visible()
    expect(console["recordings"]).to_contain_text("112 s, 3.6 MB")
    expect(console["sound"].get_by_role("img")).to_have_attribute("aria-label", re.compile("2 channels of a call of 112 seconds"))

    link = console.invite()
    expect(link.get_by_role("heading", name="May a copy of your voice be made?")).to_be_focused()
    assert "#" not in link.url, "the token does not stay in the address bar"
    expect(link.get_by_role("region", name="The statement")).to_contain_text("voice")
    assert both_schemes(link) == []
    link.get_by_role("button", name="Yes, I agree").click()
    withdrawal = link.get_by_role("link", name="My link to withdraw").get_attribute("href")
    expect(console["consent-state"]).to_contain_text("consents")

    console.button("Clone the voice").click()
    expect(console["voice-state"]).to_contain_text("ready")
    voice = console["voice-id"].text_content()
    assert scenario.vendor_voices(employee) == [voice]
    expect(console["report"]).to_contain_text("good")
    summary = re.compile(r"\d+ seconds were taken, in \d+ pieces\. Left out: [\d.]+ seconds with the other party")
    expect(console["sound"].get_by_role("img")).to_have_attribute("aria-label", summary)

    # Both can be listened to: the browser knows how long they are, so it has read them.
    for label, seconds in (("The call, both sides", 112), ("What ElevenLabs got", 87)):
        audio = console["sound"].locator(f"audio[aria-label='{label}']")
        expect(audio).to_be_visible()
        console.page.wait_for_function("([audio, seconds]) => Math.abs(audio.duration - seconds) < 2", arg=[audio.element_handle(), seconds])

    console.button("Ask, then speak").click()
    expect(console["speech"]).to_contain_text("allowed")
    expect(console["speech"].locator("code")).to_have_text(voice)
    assert both_schemes(console.page) == []
    picture(console.page, screenshots, "console.png")

    link.goto(withdrawal)
    expect(link.get_by_role("heading", name="You have agreed to this")).to_be_visible()
    assert both_schemes(link) == []
    link.get_by_role("button", name="Withdraw").click()
    expect(link.get_by_role("heading", name="You have withdrawn")).to_be_visible()

    console.status("Every copy is gone.")
    copies = console.page.get_by_role("list", name="Copies")
    for kind in ("voice, ElevenLabs", "speech, ElevenLabs", "recording, Storage", "newest recording, Storage", "recording, Twilio", "metadata, Storage"):
        expect(copies.locator("li[data-state=erased]", has_text=kind).first).to_contain_text("gone")
    expect(copies.locator("li:not([data-state=erased])")).to_have_count(0)
    expect(console["voice-state"]).to_contain_text("none")
    assert scenario.vendor_voices(employee) == []
    console.button("Ask, then speak").click()
    expect(console["speech"]).to_contain_text("consent_withdrawn")
    expect(console["audit"]).to_contain_text("consent.withdraw")
    assert both_schemes(console.page) == []


def test_what_twilio_or_a_queue_says_twice_is_done_once(console, scenario, employee):
    consents(scenario, employee)
    console.choose(employee)
    console.place_call()
    replays = console["requests"].get_by_role("button", name=re.compile("^Replay the (callback|message) of"))
    expect(replays).to_have_count(1)
    console.button("Replay the callback").click()
    expect(replays).to_have_count(2)
    console.button("Replay the recording message").click()
    console.status("The recording message is in its queue once more.")
    console.button("Clone the voice").click()
    console.status("The voice is ready")
    voice = console["voice-id"].text_content()
    console.button("Replay the clone message").click()
    console.status("The clone message is in its queue once more.")
    expect(replays).to_have_count(4)
    replays.first.click()
    expect(replays).to_have_count(5)
    scenario.until(lambda: scenario.messages("recording") == scenario.messages("clone") == 0, "the end of the messages")
    expect(console["voice-id"]).to_have_text(voice)
    expect(console["recordings"].locator("dd").first).to_have_text("1")
    assert scenario.vendor_voices(employee) == [voice]


def test_an_erased_recording_does_not_come_back_when_its_callback_is_replayed(console, scenario, employee):
    console.choose(employee)
    console.place_call()
    console.button("Erase voice and copies").click()
    console.status("Every copy is gone.")
    console.button("Replay the callback").click()
    console.status("The recording was erased, and stays so.")
    expect(console["travel"]).to_contain_text("erased, and stays so")
    console.button("Replay the erasure message").click()
    console.status("The erasure message is in its queue once more.")
    scenario.until(lambda: scenario.messages("recording") == scenario.messages("erasure") == 0, "the end of the messages")
    expect(console["recordings"]).to_contain_text("There is no recording yet.")


def tone(seconds: int, channels: int) -> bytes:
    """A WAV that is no speech."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes((b"\x00\x10" * 8 + b"\x00\xf0" * 8) * (seconds * 500 * channels))
    return file.getvalue()


def test_a_wav_of_ones_own_is_a_call_too(console, scenario, employee):
    consents(scenario, employee)
    console.choose(employee)
    console["wav"].set_input_files({"name": "call.wav", "mimeType": "audio/wav", "buffer": tone(20, 2)})
    expect(console["recordings"]).to_contain_text("20 s")
    console.button("Clone the voice").click()
    expect(console["clone-outcome"]).to_contain_text("sample_too_short")
    expect(console["clone-outcome"]).to_contain_text("the limit is 30 seconds")


def test_what_is_dropped_on_the_page_is_a_call_too_and_a_mix_of_both_parties_is_not_cloned(console, scenario, employee):
    consents(scenario, employee)
    console.choose(employee)
    transfer = console.page.evaluate_handle("""base64 => {
      const bytes = Uint8Array.from(atob(base64), each => each.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], "call.wav", { type: "audio/wav" }));
      return transfer;
    }""", base64.b64encode(tone(20, 1)).decode())
    console["drop"].dispatch_event("drop", {"dataTransfer": transfer})
    expect(console["sound"].get_by_role("img")).to_have_attribute("aria-label", re.compile("1 channel of a call of 20 seconds"))
    console.button("Clone the voice").click()
    expect(console["clone-outcome"]).to_contain_text("sample_mixed_speakers")


def test_what_is_no_wav_is_no_call(console, employee):
    console.choose(employee)
    console["wav"].set_input_files({"name": "letter.wav", "mimeType": "audio/wav", "buffer": b"Dear Ada, RIFF."})
    console.status("letter.wav is no WAV")
    expect(console["travel"]).to_be_empty()


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_page_fits_a_window_and_whoever_cannot_see_or_point_can_use_it(console, scenario, employee, width, screenshots):
    consents(scenario, employee)
    console.page.set_viewport_size({"width": width, "height": 800})
    console.choose(employee)
    console.page.get_by_role("button", name="Place a call").focus()
    console.page.keyboard.press("Enter")
    expect(console["call"]).to_have_attribute("data-state", "done")
    expect(console["sound"].get_by_role("img")).to_be_visible()
    assert console.page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    assert both_schemes(console.page) == []
    picture(console.page, screenshots, f"console-{width}.png")


def test_every_control_is_reached_with_the_tab_key_and_shows_that_it_is(console, employee):
    console.choose(employee)
    wanted = {"user", "place-call", "wav", "invite", "clone", "purpose", "text", "speak", "erase", "heal", "twilio-down", "all-requests"}
    console["user"].focus()
    reached, unseen = {"user"}, []
    for _ in range(400):
        if wanted <= reached:
            break
        console.page.keyboard.press("Tab")
        found = console.page.evaluate("""() => {
          const at = document.activeElement;
          const shown = at.classList.contains("hidden") ? at.parentElement : at;
          return { id: at.id, outline: getComputedStyle(shown).outlineStyle };
        }""")
        reached.add(found["id"])
        if found["outline"] == "none":
            unseen.append(found["id"])
    assert (wanted - reached, unseen) == (set(), [])


def test_the_call_that_the_repository_ships_is_what_a_placed_call_has(console, scenario, employee):
    console.choose(employee)
    console.place_call()
    assert scenario.stored(f"recordings/{employee}/{employee}.wav") == recording()
