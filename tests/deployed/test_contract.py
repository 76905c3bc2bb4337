"""openapi.yaml, read by somebody who knows nothing else: schemathesis asks for all that it describes, rightly and wrongly, and each answer
has to be one that it describes, too.
"""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path

import tomlkit

from local.deployment import ROOT

from .people import with_recording
from .test_bad_input import MORE

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"


def test_every_answer_is_one_that_the_contract_describes(scenario, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(tomlkit.dumps(configuration(scenario)))
    run = [
        SCHEMATHESIS, "run", ROOT / "openapi.yaml", "--phases", "examples,coverage,fuzzing", "--workers", "3", "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    # Its cache and its notes go where the configuration is.
    done = subprocess.run(run, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "18 selected / 18 total" in done.stdout, done.stdout


def configuration(scenario) -> dict:
    """The API's address, a token, and values that exist: without them every answer were a refusal."""
    employees = [with_recording(scenario, consent=True) for _ in range(5)]
    statement = scenario.anyone("GET", "/voice-consent-statement").json()["statement"]
    in_a_year = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=365)).isoformat()
    asked = {"purposes": ["voice_clone"], "consent_expires_at": in_a_year}
    invitation = scenario.api("POST", f"/employees/{employees[0]}/voice-consent/invitation", asked).json()
    known = {
        "employee": employees, "time": [in_a_year], "purpose": statement["purposes"],
        # As JavaScript writes it: 7.0 is an integer to JSON Schema, and none to the API.
        "version": [statement["version"]], "sha256": [statement["sha256"]], "days": [7],
    }  # fmt: skip
    mostly = {
        "path.employee_id": "employee", "query.employee_id": "employee", "body.employee_ids[*]": "employee", "body.expires_at": "time",
        "body.consent_expires_at": "time", "body.purpose": "purpose", "body.purposes[*]": "purpose",
        "body.statement_version": "version", "body.statement_sha256": "sha256", "body.valid_days": "days",
    }  # fmt: skip
    return {
        "base-url": scenario.stack["api_url"],
        "headers": {
            "Authorization": f"Bearer {scenario.user('admin')['token']}", "Consent-Token": invitation["token"], "Prefer": "respond-async",
        },
        # NUL is in no text of PostgreSQL: test_bad_input.py tries it.
        "generation": {"deterministic": MORE == 1, "max-examples": 5 * MORE, "allow-x00": False},
        # A refusal of something well-formed, such as a consent that would end in the past, is described as 422.
        "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "401", "403", "404", "409", "422"]}},
        "dictionaries": {name: {"values": values} for name, values in known.items()},
        "parameters": {place: {"dictionary": name, "probability": 1.0 if name in ("time", "days") else 0.8} for place, name in mostly.items()},
    }  # fmt: skip
