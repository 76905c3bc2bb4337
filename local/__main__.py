"""`python -m local build | up | down | demo | event | bridge | doctor | trigger`: the stack on this machine.

`make up`, `make down` and `make demo` call the first ones; `event` and `bridge` help `sam local` with a stack that is up. `doctor` looks for
what is wrong with a deployment, here or in the cloud; `trigger` tells a story on the stack that is up.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path

from standins.aws.server import CREDENTIALS, REGION
from standins.process import ProcessFailed

from .bridge import Bridge, NoBridge
from .demo import demo
from .deployment import ROOT, Deployment
from .doctor import command as doctor
from .events import EVENTS, made_right
from .npm import install
from .progress import Progress
from .scenario import Scenario
from .stack import AlreadyRunning, Stack
from .trigger import command as trigger

HOME = ROOT / ".local"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the bundle, as every other command and the tests do before they need it")
    commands.add_parser("up", help="start the stack and keep it; .local/stack.json says where everything is")
    commands.add_parser("down", help="stop it")
    run = commands.add_parser("demo", help="a call becomes a voice, each step with its time; exit code 1 if anything is not as it should be")
    run.add_argument("--stack", type=Path, metavar="FILE", help="a stack.json of a stack that is up; without it a stack of its own, gone afterwards")
    run.add_argument("--keep", action="store_true", help="keep the stack of its own until Ctrl-C, with the console to look at")
    print_event = commands.add_parser("event", help="print an event of events/ made right for the stack that is up")
    print_event.add_argument("name", choices=EVENTS)
    commands.add_parser("bridge", help="let the containers of `sam local` reach the stack that is up, until Ctrl-C; writes .local/env.json")
    doctor.add_arguments(commands.add_parser("doctor", help="what is wrong with a deployment? Changes nothing; exit code 1 if something is"))
    trigger.add_arguments(commands.add_parser("trigger", help="tell a story on the stack that is up, such as a callback that comes twice; without a name all of them"))
    arguments = parser.parse_args()

    # Else a SIGTERM would end us without ending what we started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    progress = Progress()
    if arguments.command == "build":
        Deployment(HOME / "aws", progress).build()
        return 0
    if arguments.command == "up":
        return up(progress)
    if arguments.command == "down":
        Stack(HOME, progress).stop()
        return 0
    if arguments.command == "doctor":
        return doctor.run(arguments, HOME / "stack.json")
    if arguments.command == "trigger":
        return trigger.run(arguments, HOME / "stack.json")
    if arguments.command in ("event", "bridge"):
        if not (HOME / "stack.json").exists():
            print("no stack is up: `make up` starts one", file=sys.stderr)
            return 1
        return event(arguments.name) if arguments.command == "event" else bridge()
    if arguments.stack:
        return demo(arguments.stack, progress)
    with tempfile.TemporaryDirectory(prefix="understudy-demo-") as directory, Stack(directory, progress) as stack:
        code = demo(stack.file, progress)
        if arguments.keep:
            keep(stack)
        return code


def keep(stack: Stack) -> None:
    install()
    print(f"\nThe stack stays up until Ctrl-C.\n{addresses(stack)}", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass


def up(progress: Progress) -> int:
    stack = Stack(HOME, progress)
    with progress.step("the viewer of the API, from npm"):
        install()
    try:
        stack.start(background=True)
    except AlreadyRunning as running:
        print(f"{running}\n{addresses(stack)}")
        return 0
    print(f"\nThe stack is up: {stack.file}\n{addresses(stack)}\n  stop it with   make down")
    return 0


def addresses(stack: Stack) -> str:
    console = stack["console_url"]
    return f"  console        {console}\n  API            {stack.api_url}\n  its contract   {console}/api-docs, with a form for each request"


def event(name: str) -> int:
    scenario = Scenario.of_file(HOME / "stack.json")
    known_as = None
    if (environment := HOME / "env.json").exists():
        known_as = json.loads(environment.read_text())["CloneVoice"]["SUPABASE_URL"]
    print(json.dumps(made_right(scenario, name, known_as)))
    scenario.close()
    return 0


def bridge() -> int:
    try:
        with Bridge(json.loads((HOME / "stack.json").read_text()), HOME) as open_bridge:
            print(f"Containers reach the stack at {open_bridge.host}, with the environment in {open_bridge.env_file}, until Ctrl-C. `sam local` needs:")
            keys = {name.upper(): value for name, value in CREDENTIALS.items()} | {"AWS_DEFAULT_REGION": REGION}
            print("  export " + " ".join(f"{name}={value}" for name, value in keys.items()), flush=True)
            signal.pause()
    except NoBridge as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProcessFailed as failed:
        sys.exit(f"\n{failed}")
