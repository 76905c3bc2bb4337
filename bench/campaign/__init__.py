"""A simulation of a campaign: the clones of ten thousand employees, under the limits of the template, of the database and of ElevenLabs.

    python -m bench.campaign                            # prints the table
    python -m bench.campaign --write                    # the same, kept in docs/scale.md with the plot docs/scale.svg
    python -m bench.campaign --stack .local/stack.json  # sixty clones on a stack that is up, beside their simulation

It is a program of discrete events, with a seed, so that each run prints the same. tests/campaign compares the figures of the
template and of the code (`limits.py`, class `Deployment`) with both. The limits of a plan of ElevenLabs (class `Plan`) have their source in
docs/scale.md. Durations (class `Durations`) are assumed, except for the time of the sample.

Left out are the single requests that share the account, cold starts, the ramp of Lambda's poller from five invocations on, SQS' own
reordering and double deliveries, and the database as something that can be slow: docs/scale.md says how far it is from its limits.
"""
