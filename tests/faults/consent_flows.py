"""Flows in which employees and admins deal with consents, and with the voice they have consented to."""

from __future__ import annotations

import hashlib

from local.scenario import Answer

from .flows import EARLIER, Flow, Withdraw, in_a_year


class SelfService(Flow):
    """An employee without an account is invited, reads, grants, has a voice, and withdraws with the token that granting gave them."""

    name = "self-service"
    functions = frozenset({"voice-consent"})

    def prepare(self) -> None:
        self._employee = self.employee("erased")
        self.stored(self._employee, EARLIER)
        self._token = self._withdrawal_token = None
        self._has_withdrawn = False

    def act(self) -> None:
        """Goes on from where the last try ended, as far as it can."""
        self._token = self._token or self.invited(self._employee)
        if self._token and self._withdrawal_token is None:
            self._reads_and_grants()
        if self._withdrawal_token and not self._has_withdrawn:
            self.asks(self._employee)
            self.lane.drain()
            self._has_withdrawn = self._withdraws().status == 200
            self.lane.drain()

    again = act

    def _reads_and_grants(self) -> None:
        read = self._is_told(200, lambda: self.scenario.anyone("GET", "/voice-consent/invitation", consent_token=self._token))
        if read.status == 200:
            granted = self.answers(self._token, True)
            self._withdrawal_token = granted.json()["withdrawal_token"] if granted.status == 200 else None

    def _withdraws(self) -> Answer:
        return self._is_told(200, lambda: self.scenario.anyone("POST", "/voice-consent/withdrawal", consent_token=self._withdrawal_token))

    def check(self) -> None:
        if not self._has_withdrawn:
            self.world.untrue.append("the employee could not withdraw")


class Refusal(Flow):
    """The employee says no, and nobody can have a voice made of them."""

    name = "refusal"
    functions = frozenset({"voice-consent"})

    def prepare(self) -> None:
        self._employee = self.employee("nothing")
        self.stored(self._employee)
        self._token = self.invited(self._employee)

    def act(self) -> None:
        self.answers(self._token, False)

    again = act

    def check(self) -> None:
        if self.scenario.one("select count(*) from voice_consent_invitations where employee_id = %s and closed_as = 'refused'", self._employee) != 1:
            self.world.untrue.append("the invitation is not refused, or not once")
        self._is_told(403, lambda: self.scenario.ask_for_clone(self._employee))


class Evidence(Flow):
    """An admin records consents: one on a signed paper, which is uploaded, and one on the recording of a call."""

    name = "evidence"
    functions = frozenset({"voice-consent"})
    PAPER = b"%PDF-1.7 signed by the employee"

    def prepare(self) -> None:
        self._by_paper, self._by_call = self.employee("voice"), self.employee("voice")
        self.stored(self._by_paper)
        self._recording_sid = self.stored(self._by_call)
        self._statement = self.scenario.one("select current_consent_statement('en')")["statement"]
        self._reference, self._recorded = None, set()

    def act(self) -> None:
        self._reference = self._reference or self._uploaded()
        if self._reference:
            self._records(self._by_paper, "written_release", self._reference, hashlib.sha256(self.PAPER).hexdigest())
        self._records(self._by_call, "recorded_call", self._recording_sid, self.world.told[self._recording_sid].sha256)
        for employee in self._recorded:
            self.asks(employee)
        self.lane.drain()

    again = act

    def _uploaded(self) -> str | None:
        offered = self._is_told(200, lambda: self.scenario.api("POST", f"/employees/{self._by_paper}/voice-consent/evidence"))
        if offered.status != 200:
            return None
        self.scenario.expect([200], "PUT", offered.json()["upload_url"], self.PAPER, {"Content-Type": "application/pdf"})
        return offered.json()["reference"]

    def _records(self, employee: str, method: str, reference: str, sha256: str) -> None:
        if employee in self._recorded:
            return
        consent = {
            "statement_version": self._statement["version"], "statement_sha256": self._statement["sha256"], "method": method,
            "evidence_reference": reference, "evidence_sha256": sha256, "purposes": ["voice_clone"], "expires_at": in_a_year(),
        }  # fmt: skip
        if self._is_told(200, lambda: self.scenario.api("PUT", f"/employees/{employee}/voice-consent", consent)).status == 200:
            self._recorded.add(employee)

    def check(self) -> None:
        kept = {key for bucket, key in self.lane.outside.vendors.supabase.storage.objects if bucket == "voice-consent-evidence"}
        for (evidence,) in self.lane.rows("select evidence_object from voice_consents where ended_at is null"):
            if evidence not in kept:
                self.world.untrue.append("a consent names evidence that is not there")


class Erase(Withdraw):
    """An admin erases a voice; the consent goes with it."""

    name = "erase"
    functions = frozenset({"voice-consent"})

    def _withdraws(self) -> None:
        self._is_told(200, lambda: self.scenario.api("DELETE", f"/employees/{self._employee}/voice"))


class Looking(Flow):
    """Everything that can be looked at, and whether the voice may be used."""

    name = "looking"
    functions = frozenset({"voice-consent"})

    def prepare(self) -> None:
        self._gone = self.cloned("erased")
        self.scenario.api("DELETE", f"/employees/{self._gone}/voice")
        self.lane.drain()
        self._employee = self.employee("voice")
        self.stored(self._employee)
        self._withdrawal_token = self.grants(self._employee)
        self.asks(self._employee)
        self.lane.drain()

    def act(self) -> None:
        about = f"/employees/{self._employee}"
        self._is_told(200, lambda: self.scenario.anyone("GET", "/voice-consent-statement?locale=en"))
        self._is_told(200, lambda: self.scenario.anyone("GET", "/voice-consent/withdrawal", consent_token=self._withdrawal_token))
        for path in (f"{about}/voice-consent", f"/employees/{self._gone}/voice/erasure", f"/audit?employee_id={self._employee}"):
            self._is_told(200, lambda: self.scenario.api("GET", path))
        self._uses(about)

    def _uses(self, about: str) -> None:
        allowed = self._is_told(200, lambda: self.scenario.api("POST", f"{about}/voice/authorize", {"purpose": "voice_clone"}))
        if allowed.status != 200:
            return
        if allowed.json()["voice_id"] != self.scenario.one("select voice_id from employees where id = %s", self._employee):
            self.world.untrue.append("another voice is allowed than the employee has")
        used = "select exists (select from voice_audit where employee_id = %s and action = 'voice.authorize' and outcome = 'authorized')"
        if not self.scenario.one(used, self._employee):
            self.world.untrue.append("a use was allowed without a trace")

    again = act
