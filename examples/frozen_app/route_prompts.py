"""Decide for prompts, one JSON object a line: a program to freeze, and to run next to an application in any language.

    route-prompts "what is 2+2?" "Explain quantum entanglement"
    echo '{"id": 7, "prompt": "what is 2+2?"}' | route-prompts

Without arguments each line of standard input is one request, answered before the next is read. A request that cannot
be routed is answered with an error, and the program goes on; it then ends with that error's exit code.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vibe_router import Router, VibeRouterError
from vibe_router.errors import DataError

# Where the spec file puts a bundle that takes the place of the bundled router. In a frozen application `__file__` is
# a path in the folder of its files; resolved, because macOS applications reach their data through links.
CARRIED_BUNDLE = Path(__file__).resolve().parent / "router"


def main() -> int:
    """Route what the arguments or standard input ask for and return the exit code."""
    arguments = _parse_arguments()
    source = arguments.bundle or (CARRIED_BUNDLE if CARRIED_BUNDLE.is_dir() else None)
    try:
        with Router.load(source, profile=arguments.profile, threads=arguments.threads) as router:
            requests: Iterable[str | bytes] = (
                map(json.dumps, arguments.prompts) if arguments.prompts else sys.stdin.buffer
            )
            return _answer(router, requests)
    except VibeRouterError as error:
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        return error.exit_code


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="route-prompts", description="Decide for each prompt: device or cloud.")
    parser.add_argument("prompts", nargs="*", metavar="PROMPT", help="without one, lines of JSON are read from stdin")
    parser.add_argument("--bundle", type=Path, help="a bundle's folder; default: the one that the program carries")
    parser.add_argument("--profile", help="one of the bundle's profiles")
    parser.add_argument("--threads", type=int, help="CPU threads a prompt may use; default: all")
    return parser.parse_args()


def _answer(router: Router, requests: Iterable[str | bytes]) -> int:
    exit_code = 0
    for request in requests:
        identifier = None
        try:
            identifier, prompt = _parse_request(request)
            decision = router.route(prompt)
        except VibeRouterError as error:
            exit_code = error.exit_code
            _write({"id": identifier, "error": error.message, "hint": error.hint})
            continue
        _write(
            {
                "id": identifier,
                "target": decision.target.value,
                "p_cloud": decision.p_cloud,
                "threshold": decision.threshold,
                "tokens": decision.tokens,
                "truncated": decision.truncated,
                "engine": decision.engine,
            }
        )
    return exit_code


def _parse_request(line: str | bytes) -> tuple[Any, str]:
    """Return the identifier and the prompt of a JSON string, or of an object with "prompt" and perhaps "id"."""
    try:
        request = json.loads(line)
    except ValueError as error:
        raise DataError(f"not a line of JSON: {error}", hint='write {"prompt": "..."} or a JSON string') from error
    if isinstance(request, str):
        return None, request
    if isinstance(request, dict) and isinstance(request.get("prompt"), str):
        return request.get("id"), request["prompt"]
    raise DataError("a request without a prompt", hint='write {"prompt": "..."} or a JSON string')


def _write(answer: dict[str, Any]) -> None:
    # ASCII, so that no locale can spoil it; at once, because the application waits for it.
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
