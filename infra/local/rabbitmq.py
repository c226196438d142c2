"""A private RabbitMQ node: own data, cookie, ports, users and epmd, all on one address. Another node is never touched."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.local.part import Part, listens

PACKAGE = "rabbitmq-server"
PLUGINS = ("rabbitmq_management",)

CONFIG = """\
listeners.tcp.1 = {bind}:{port}
management.tcp.ip = {api_bind}
management.tcp.port = {api_port}
default_user = {user}
default_pass = {password}
default_user_tags.administrator = true
loopback_users = none
log.file = rabbitmq.log
log.file.level = warning
log.console = false
vm_memory_high_watermark.absolute = 600MiB
disk_free_limit.absolute = 200MB
collect_statistics_interval = 5000
"""


class NotInstalled(RuntimeError):
    """RabbitMQ is not on this machine; the message has the cure."""


def server() -> Path:
    """RabbitMQ's own start script: the package's wrapper in /usr/sbin changes user and reads /etc. Raises ``NotInstalled``."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    if not found or shutil.which("erl") is None:
        raise NotInstalled(f"{PACKAGE} is not installed: run `make setup` as root, or `apt-get install {PACKAGE}`")
    return found[-1]


def part(
    state: Path, *, port: int, api_port: int, epmd_port: int, dist_port: int, user: str, password: str, bind: str = "127.0.0.1",
    api_bind: str = "127.0.0.1",
) -> Part:  # fmt: skip
    """The node with its data below ``state``. AMQP listens on ``bind``, the management API on ``api_bind``; epmd and the
    distribution port stay on the loopback."""
    folder = state / "rabbitmq"

    def prepare() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "rabbitmq.conf"
        config.touch(mode=0o600)
        config.write_text(CONFIG.format(bind=bind, api_bind=api_bind, port=port, api_port=api_port, user=user, password=password))
        (folder / "enabled_plugins").write_text(f"[{','.join(PLUGINS)}].\n")
        (folder / "env.conf").write_text("")

    return Part(
        name="rabbitmq",
        argv=(str(server()),),
        folder=folder,
        prepare=prepare,
        env={
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": "museum@localhost",
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_DIST_PORT": str(dist_port),
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # the script execs the Erlang VM, which then is the part's own process and gets its signals
            "RUNNING_UNDER_SYSTEMD": "1",
            # two schedulers that do not spin while idle: 1 % of a core instead of 12 %
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
            " -kernel inet_dist_use_interface {127,0,0,1}"
            # RabbitMQ itself stops within 0.1 s; the VM would then go on for 6 s before it ends
            " -init shutdown_time 2000"
            # each minute RabbitMQ starts a second Erlang VM, to start epmd should it be gone: 190 ms of CPU, and nobody asks epmd
            " -eval catch(supervisor:terminate_child(rabbit_sup,rabbit_epmd_monitor_sup))",
        },
        ready=lambda: None if listens(bind, port) and listens("127.0.0.1", api_port) else f"nothing answers on {bind}:{port} yet",
        grace=15.0,
    )
