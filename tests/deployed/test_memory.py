"""The memory that a function needs, measured on its own process: the `bootstrap` against a runtime API on loopback."""

from __future__ import annotations

import json

from local.runtime_api import RuntimeApi

MIB = 1 << 20
GIB = 1 << 30
WAV_HEADER = 44


def test_a_recording_of_one_gib_passes_in_less_than_64_mib(scenario, stack):
    scenario.account("supabase", file_size_limit=2 * GIB)
    employee = scenario.new_employee()
    call_sid = scenario.new_call(employee)
    recording_sid = scenario.new_recording(call_sid, silence_bytes=GIB, file_channels=2)
    message = {
        "messageId": "1", "receiptHandle": "none", "body": json.dumps({"call_sid": call_sid, "recording_sid": recording_sid}),
        "attributes": {"ApproximateReceiveCount": "1"}, "eventSource": "aws:sqs",
    }

    with RuntimeApi(stack["aws"]["bootstraps"]["recording-ingest"], scenario.environment("recording-ingest"), memory_mb=256) as ingest:
        assert ingest.invoke({"Records": [message]}) == {"batchItemFailures": []}, ingest.output()
        peak = ingest.peak_memory()

    for name in (recording_sid, employee):
        assert scenario.stored_bytes(f"recordings/{employee}/{name}.wav") == GIB + WAV_HEADER
    assert peak < 64 * MIB, f"{peak / MIB:.1f} MiB"
