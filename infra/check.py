"""Whether a gateway answers, and what is behind it: ``python -m infra.check URL [NAMESPACE]``, as ``helm test`` does.

Standard library.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The gateway is in the same cluster: a proxy from the environment does not know it."""
WITHIN = 60.0
"""Seconds in which a gateway that just started must be ready."""


def ready(url: str) -> str | None:
    """Why the gateway is not ready; ``None`` where it is."""
    try:
        with DIRECT.open(f"{url}/readyz", timeout=10) as answer:
            state = json.load(answer)
    except urllib.error.HTTPError as error:
        return f"{url}/readyz answers {error.code}: {error.read(300).decode(errors='replace')}"
    except (OSError, ValueError) as error:
        return f"{url} does not answer: {error}"
    return None if state.get("announcements") else "the gateway hears no announcements: does its trigger reach RabbitMQ?"


def hint(namespace: str = "") -> str:
    """Where an operator sees why: a pod that does not start tells nobody else."""
    kubectl = f"kubectl -n {namespace}" if namespace else "kubectl"
    return (
        f"`{kubectl} get events --sort-by=.lastTimestamp` and `{kubectl} describe pod` say why a pod does not start: "
        "a wrong image name, no StorageClass, a Secret that is not there"
    )


def main() -> None:
    """Entry point."""
    if len(sys.argv) not in (2, 3):
        sys.exit("expected the gateway's address, and perhaps the namespace that hints name")
    until = time.monotonic() + WITHIN
    while (reason := ready(sys.argv[1].rstrip("/"))) is not None:
        if time.monotonic() > until:
            sys.exit(f"{reason}\n{hint(*sys.argv[2:])}")
        time.sleep(1.0)
    print("gateway, S3 and announcements answer")


if __name__ == "__main__":
    main()
