"""`python -m standins`: see README.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path

from .process import write_atomically
from .running import Vendors


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m standins", description="Stand-ins for Twilio, ElevenLabs and Supabase.")
    parser.add_argument("--database-url", required=True, help="what PostgREST connects with: the role `authenticator`, or one with its roles")
    parser.add_argument("--directory", required=True, type=Path, help="where files are kept; only this process may use it")
    parser.add_argument("--ready", required=True, type=Path, help="written when all three listen: where they are, and their keys")
    parser.add_argument("--seed", metavar="URL", help="inserts two organisations over this connection (the owner of the tables)")
    options = parser.parse_args()

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    vendors = Vendors(options.database_url, options.directory, options.seed)
    try:
        await vendors.start()
        write_atomically(options.ready, json.dumps(vendors.where(), indent=2))
        await stop.wait()
    finally:
        await vendors.stop()
        options.ready.unlink(missing_ok=True)


if __name__ == "__main__":
    asyncio.run(main())
