"""Strict stand-ins for Twilio, ElevenLabs and Supabase: one process, one random port on 127.0.0.1 each.

    python -m local.vendors --database-url postgresql://authenticator:…@127.0.0.1:…/postgres \\
        --directory /some/temporary/directory --ready vendors.json [--seed postgresql://owner…]

writes `vendors.json` once all three listen, and stops on SIGTERM. In a test:

    with running(database_url, directory) as vendors:
        vendors["twilio"]["url"]

They refuse what the vendor refuses, with the vendor's status and body; where the vendor's answer is not documented, the
module that answers says so. What they do not know they answer like the vendor answers an unknown path. Nothing survives
a restart; big bodies are files in the directory, never in memory.

The control surface, the same on every stand-in and never in its own journal
(`GET /_control` answers with this text):

    GET    /_control/requests       the journal, oldest first. Query: path=REGEX, method=POST, status=200, after=ID;
                                    at_least=N&timeout=SECONDS waits until N entries fit.
                                    {"requests": [{"id", "time", "method", "path", "query", "headers", "body": {"bytes",
                                    "sha256", "complete"}, "status", "sent", "fault", "outcome", "seconds"}]}
                                    Secrets in headers and query are replaced by "sha256:<12 digits>". Entries are there
                                    once the request is over; `status` is what the vendor's own code answered,
                                    `sent` what went out (null: reset), `outcome` is answered | reset | cut | gone.
    DELETE /_control/requests       forgets the journal
    POST   /_control/faults         adds a fault, see below; answers it with its id. They are tried in the order made.
    GET    /_control/faults         all of them, with the number of hits
    DELETE /_control/faults[/ID]    ends one or all of them; a request that waits in one goes on waiting
    POST   /_control/late           does now what a "work_delay" still puts off, and answers when it is done
    PUT    /_control/account        the account's own settings, see the vendor's module (keys too: rotation)
    GET    /_control/breaches       {"breaches": [{"agent", "what"}]}: what in requests and in successes was not as Twilio and
                                    ElevenLabs publish it (`published/`), and the User-Agent that asked
    DELETE /_control                back to clean: journal, breaches, faults, account, and everything the stand-in holds
                                    (Supabase: the files and buckets; rows in PostgreSQL stay)

A fault is JSON. Which requests it hits:

    "method"      "POST"; without it any method
    "path"        a regular expression searched for in the path as sent (still percent-encoded); required
    "query"       a regular expression searched for in the raw query string
    "header"      {name: a regular expression searched for in its value}, all of them
    "skip"        how many fitting requests pass unharmed first (0)
    "times"       how many are hit after that (1); null: until the fault is deleted

and what happens then, in this order:

    "at_once"     true: do not read the request's body first (it is read, and in the journal, otherwise)
    "delay"       seconds to wait before anything else
    "do_work"     true: the stand-in really does what was asked, and only then the fault answers
    "work_delay"  with do_work: answer first, do the work this many seconds later
    "reset"       true: the connection is reset (RST) and nothing is answered; with "cut", after that many bytes
    "status"      answer this, with "headers" {…} and "body" (a string as it is; anything else as JSON)
    "cut"         send the headers with the full Content-Length, but only this many bytes of the body, then close
    "drip"        {"bytes": n, "seconds": s}: send the body n bytes at a time, s seconds between them

"cut" and "drip" are done to the given body when there is a "status", else to the real answer. A fault with only
"delay" slows the real answer down.
"""

from .running import Vendors, running

__all__ = ["Vendors", "running"]
