"""The sample of people whom the pipeline never saw, judged by meters that nobody here wrote.

    make voices                            # everything, printed
    make voices ARGS=--write               # the same, kept in bench/VOICES.md

sources ─ two clips of each speaker ─→ bench (calls, the table, samples) ─→ meters ─→ report

Nothing here is ever tuned on: a figure that is bad is reported, and stays.
"""
