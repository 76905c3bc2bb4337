"""ElevenLabs' voices, history and subscription. A clone keeps what it was sent, and speaks only silence.

Sources: https://elevenlabs.io/docs/api-reference/voices and https://elevenlabs.io/docs/eleven-api/resources/errors, and
answers that others have seen. The vendor does not document the following, which is chosen here: 10 MiB a file, 5 s at least, 25
files; 404 for a voice that is not there (`delete_missing_status` makes it the 500 of the specification, which says of
deleting a voice only that what fails is a 500).
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import string
from pathlib import Path

from aiohttp import web

from ..body import BODY
from ..control import FileAnswer, Vendor
from .errors import Refused, field_error, refusal
from .history import History, Item
from .upload import read_form
from .voices import Voice, page, premade

ACCOUNT = {
    "tier": "creator",
    "voice_limit": 30,
    "max_voice_add_edits": 95,  # a month; null: no such limit
    "voice_add_edit_counter": 0,
    "can_use_instant_voice_cloning": True,
    "concurrency_limit": None,  # of POST /v1/voices/add at the same time; more are a 429
    "add_seconds": 0,  # how long adding a voice takes
    "search_lag_seconds": 0,  # for so long GET /v2/voices does not have a new voice
    "requires_verification": False,  # what the next voices/add answers
    "library_voice_match": None,  # {"library_voice_id": "…", "public_owner_id": "…"}, likewise
    "max_file_bytes": 10 * 1024 * 1024,
    "min_seconds": 5,
    "max_seconds": None,
    "max_files": 25,
    "api_key": None,
    "delete_missing_status": 404,  # of DELETE /v1/voices/{id} for a voice that is not there: 404 or 500
    "protected": None,  # the code of the 403 that the next voices/add answers: voice_access_denied, detected_captcha_voice
    "user_read": True,  # whether the key may read GET /v1/user and the subscription
}


class ElevenLabs(Vendor):
    """ElevenLabs. Its own control routes:

    PUT /_control/account               sets any of: tier, voice_limit, max_voice_add_edits, voice_add_edit_counter,
        can_use_instant_voice_cloning, concurrency_limit, add_seconds, search_lag_seconds, requires_verification,
        library_voice_match, max_file_bytes, min_seconds, max_seconds, max_files, api_key, delete_missing_status,
        protected, user_read
    GET /_control/voices                every cloned voice with what was sent: {"voices": [{"voice_id", "name",
        "description", "labels", "remove_background_noise", "files": [{"filename", "content_type", "bytes", "sha256"}]}]}
    GET /_control/voices/{id}/sample    the bytes of its sample; ?file=1 for the second one. There after a deletion too
    PUT /_control/voices/{id}           makes a cloned voice without a sample: {"name", "description", "labels"}
    POST /_control/history              what was generated with a voice: {"voice_id", "text"}; the voice need not be there
    GET /_control/history               every item that is kept: {"history": […]}
    """

    published = "elevenlabs"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._first_key = "sk_" + secrets.token_hex(24)
        self.account: dict = {}
        self.voices: dict[str, Voice] = {}
        self.history = History()
        self.user_id = secrets.token_hex(14)  # the key may be replaced, the user stays
        self._adding = 0
        self.reset()

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.post("/v1/voices/add", self._add),
            web.get("/v2/voices", self._search),
            web.get("/v1/voices/{id}", self._get),
            web.delete("/v1/voices/{id}", self._delete),
            web.post("/v1/text-to-speech/{id}", self._speak),
            web.get("/v1/history", self._list_history),
            web.get("/v1/history/{item}", self._get_item),
            web.delete("/v1/history/{item}", self._delete_item),
            web.get("/v1/user", self._user),
            web.get("/v1/user/subscription", self._subscription),
            web.get("/_control/voices", self._all),
            web.get("/_control/voices/{id}/sample", self._sample),
            web.put("/_control/voices/{id}", self._put),
            web.post("/_control/history", self._generate),
            web.get("/_control/history", self._all_history),
        ]

    @property
    def api_key(self) -> str:
        return self.account["api_key"]

    async def before(self, request: web.Request) -> None:
        key = request.headers.get("xi-api-key")
        if key is None:
            raise Refused(401, "authentication_error", "missing_api_key", "Neither authorization header nor xi-api-key received, please provide one.", "needs_authorization")
        if not hmac.compare_digest(key.encode(), self.api_key.encode()):
            raise Refused(401, "authentication_error", "invalid_api_key", "Invalid API key")

    def refusal(self, request: web.Request, error: Exception) -> web.Response:
        return refusal(error)

    def reset(self) -> None:
        for path in self.directory.glob("sample-*"):
            path.unlink()
        self.account = ACCOUNT | {"api_key": self._first_key}
        self.voices = {voice.voice_id: voice for voice in premade()}
        self.history.clear()

    def set_account(self, settings: dict) -> dict:
        unknown = set(settings) - set(ACCOUNT)
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(ACCOUNT)}")
        self.account |= settings
        return self.account | {"voice_slots_used": self._used()}

    def _used(self) -> int:
        return sum(voice.category == "cloned" for voice in self.voices.values() if not voice.deleted)

    def _voice(self, request: web.Request) -> Voice:
        voice = self.voices.get(request.match_info["id"])
        if voice is None or voice.deleted:
            raise Refused(404, "not_found", "voice_not_found", f"A voice with the voice_id {request.match_info['id']} was not found.")
        return voice

    # -- the API -----------------------------------------------------------------------------------------------------

    async def _add(self, request: web.Request) -> web.Response:
        account = self.account
        limit = account["concurrency_limit"]
        if limit is not None and self._adding >= limit:
            raise Refused(429, "rate_limit_error", "concurrent_limit_exceeded", "Too many concurrent requests.", "too_many_concurrent_requests")
        self._adding += 1
        try:
            form = read_form(request, account)
            self._check_plan()
            await asyncio.sleep(account["add_seconds"])
            self._check_plan()  # others were added meanwhile
            voice = Voice(
                voice_id="".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(20)),
                name=form.name,
                description=form.description,
                labels=form.labels,
                remove_background_noise=form.remove_background_noise,
                requires_verification=account["requires_verification"] or account["library_voice_match"] is not None,
            )
            voice.keep(form.files, self.directory)
            self.voices[voice.voice_id] = voice
            account["voice_add_edit_counter"] += 1
            return web.json_response(
                {
                    "voice_id": voice.voice_id,
                    "requires_verification": voice.requires_verification,
                    "library_voice_match": account["library_voice_match"],
                }
            )
        finally:
            self._adding -= 1

    def _check_plan(self) -> None:
        account, used = self.account, self._used()
        if account["protected"]:
            raise Refused(403, "authorization_error", account["protected"], "The samples are of a protected voice.")
        if not account["can_use_instant_voice_cloning"]:
            raise Refused(400, "payment_required", "paid_plan_required", "Your subscription does not include instant voice cloning. Please upgrade your plan.", "can_not_use_instant_voice_cloning")
        if used >= account["voice_limit"]:
            # Such answers have been seen: a 400 with only the two old fields.
            message = f"You have reached your maximum amount of custom voices ({used} / {account['voice_limit']}). You can upgrade your subscription to increase your custom voice limit."
            raise Refused(400, None, "voice_limit_reached", message)
        most = account["max_voice_add_edits"]
        if most is not None and account["voice_add_edit_counter"] >= most:
            message = f"You have reached your maximum amount of voice add/edit operations for this month ({most} / {most})."
            raise Refused(400, None, "voice_add_edit_limit_reached", message)

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self._voice(request).shown())

    async def _delete(self, request: web.Request) -> web.Response:
        try:
            voice = self._voice(request)
        except Refused:
            if self.account["delete_missing_status"] != 500:
                raise
            raise Refused(500, "internal_error", "internal_error", "The voice could not be deleted.")
        if voice.category == "premade":
            raise Refused(400, "invalid_request", "voice_not_deletable", "Premade voices cannot be deleted.")
        voice.deleted = True
        return web.json_response({"status": "ok"})

    async def _search(self, request: web.Request) -> web.Response:
        known = [voice for voice in self.voices.values() if not voice.deleted and voice.age() >= self.account["search_lag_seconds"]]
        return web.json_response(page(known, request.query, field_error))

    async def _speak(self, request: web.Request) -> web.Response:
        """Text to speech: a second of silence, kept in the history as the vendor does unless `enable_logging` is false."""
        voice = self._voice(request)
        if request.query.get("enable_logging", "true").lower() != "false":
            self.history.keep(Item(voice.voice_id, voice.name, str(request[BODY].json().get("text", ""))))
        return web.Response(body=bytes(417), content_type="audio/mpeg")

    async def _list_history(self, request: web.Request) -> web.Response:
        return web.json_response(self.history.page(request.query, field_error))

    async def _get_item(self, request: web.Request) -> web.Response:
        return web.json_response(self.history.get(request.match_info["item"]).shown())

    async def _delete_item(self, request: web.Request) -> web.Response:
        self.history.delete(request.match_info["item"])
        return web.json_response({"status": "ok"})

    def _must_read_user(self) -> None:
        if not self.account["user_read"]:
            message = "The API key you used is missing the permission user_read to execute this operation."
            raise Refused(401, "authentication_error", "missing_permissions", message)

    async def _user(self, request: web.Request) -> web.Response:
        self._must_read_user()
        return web.json_response(
            {
                "user_id": self.user_id,
                "subscription": self._subscribed(),
                "is_new_user": False,
                "can_use_delayed_payment_methods": False,
                "is_onboarding_completed": True,
                "is_onboarding_checklist_completed": True,
                "created_at": 1_753_999_199,
                "seat_type": "workspace_admin",
            }
        )

    async def _subscription(self, request: web.Request) -> web.Response:
        self._must_read_user()
        return web.json_response(self._subscribed())

    def _subscribed(self) -> dict:
        account = self.account
        return {
            "tier": account["tier"],
            "character_count": 0,
            "character_limit": 100000,
            "max_character_limit_extension": None,
            "max_credit_limit_extension": 0,
            "can_extend_character_limit": False,
            "allowed_to_extend_character_limit": False,
            "next_character_count_reset_unix": None,
            "voice_slots_used": self._used(),
            "professional_voice_slots_used": 0,
            "professional_voice_slots_used_in_workspace": 0,
            "voice_limit": account["voice_limit"],
            "max_voice_add_edits": account["max_voice_add_edits"],
            "voice_add_edit_counter": account["voice_add_edit_counter"],
            "professional_voice_limit": 1,
            "can_extend_voice_limit": False,
            "can_use_instant_voice_cloning": account["can_use_instant_voice_cloning"],
            "can_use_professional_voice_cloning": False,
            "currency": "usd",
            "current_overage": {"amount": "0", "currency": "usd"},
            "status": "active",
            "billing_period": "monthly_period",
            "character_refresh_period": "monthly_period",
            "next_invoice": None,
            "open_invoices": [],
            "has_open_invoices": False,
        }

    # -- control -----------------------------------------------------------------------------------------------------

    async def _all(self, request: web.Request) -> web.Response:
        voices = [voice.received() for voice in self.voices.values() if voice.category == "cloned" and not voice.deleted]
        return web.json_response({"voices": voices})

    async def _sample(self, request: web.Request) -> FileAnswer:
        voice = self.voices.get(request.match_info["id"])
        try:
            sample = voice.samples[int(request.query.get("file", 0))]
        except (AttributeError, IndexError, ValueError):
            raise web.HTTPNotFound(text="no such voice or file\n")
        return FileAnswer(sample.path, {"Content-Type": sample.content_type})

    async def _put(self, request: web.Request) -> web.Response:
        settings = request[BODY].json()
        voice = Voice(request.match_info["id"], settings["name"], settings.get("description"), settings.get("labels", {}))
        self.voices[voice.voice_id] = voice
        return web.json_response(voice.shown(), status=201)

    async def _generate(self, request: web.Request) -> web.Response:
        wish = request[BODY].json()
        voice = self.voices.get(wish["voice_id"])
        item = self.history.keep(Item(wish["voice_id"], voice and voice.name, wish.get("text", "Hello.")))
        return web.json_response(item.shown(), status=201)

    async def _all_history(self, request: web.Request) -> web.Response:
        return web.json_response({"history": self.history.all()})
