"""Each error code of ElevenLabs means the same to the functions, to the fault matrix and to the contract."""

from __future__ import annotations

import re
from pathlib import Path

from ..faults.errors import ERRORS
from . import elevenlabs as contract

TABLE = Path(__file__).resolve().parents[2] / "shared" / "src" / "clients" / "elevenlabs" / "codes.rs"
MEANINGS = dict(re.findall(r'^    \("(\w+)", Meaning::([^,]+)\),$', TABLE.read_text(), re.MULTILINE))
# The status alone says enough about these: it is a refusal for good, or the voice may have been made nevertheless.
READ_BY_STATUS = {"invalid_voice_name", "voice_already_exists", "validation list", "internal_error", "service_unavailable"}


def test_each_code_in_the_fault_matrix_has_a_row_in_the_table_of_the_functions():
    assert {error.code for error in ERRORS["elevenlabs"]} - MEANINGS.keys() == READ_BY_STATUS


def test_the_contract_reads_each_code_as_the_functions_do():
    assert {meaning: {code for code, its in MEANINGS.items() if its == meaning} for meaning in MEANINGS.values()} == {
        "Key": contract.KEY,
        "NotThere": contract.GONE,
        "Busy": contract.BUSY,
        "Running": contract.RUNNING,
        "Refused(Refusal::VoiceLimitReached)": contract.FULL | contract.MONTH_FULL,
        "Refused(Refusal::VoiceProtected)": contract.PROTECTED,
        "Refused(Refusal::VoicePlanRequired)": contract.PLAN,
        "Refused(Refusal::RecordingUnusable)": contract.NO_AUDIO,
    }
