"""Debian packages: no service starts with them, and nothing of the machine's own is changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from infra.local import apt


def test_no_service_starts_while_packages_are_installed(tmp_path: Path) -> None:
    """The guard answers 101, which is Debian's word for no; afterwards it is gone."""
    policy = tmp_path / "policy-rc.d"
    with apt.services_held(policy):
        assert subprocess.run([policy, "rabbitmq-server", "start"], check=False).returncode == 101
    assert list(tmp_path.iterdir()) == []


def test_the_machines_own_policy_is_put_back_as_it_was(tmp_path: Path) -> None:
    """Content and mode; also when the installation fails."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 104\n")
    policy.chmod(0o751)
    with pytest.raises(RuntimeError, match="no mirror"), apt.services_held(policy):
        raise RuntimeError("no mirror")
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"
    assert policy.stat().st_mode & 0o777 == 0o751
    assert list(tmp_path.iterdir()) == [policy]


@pytest.mark.parametrize("guard_written", [True, False])
def test_the_guard_of_a_killed_run_is_taken_away(tmp_path: Path, guard_written: bool) -> None:
    """Killed before or after the guard was written: the machine's policy comes back."""
    policy = tmp_path / "policy-rc.d"
    policy.with_name(apt.ASIDE).write_text("own")
    if guard_written:
        policy.write_text(apt.GUARD)
    apt.restore(policy)
    assert policy.read_text() == "own"
    assert list(tmp_path.iterdir()) == [policy]


def test_a_policy_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    """restore() is safe at any time."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("own")
    apt.restore(policy)
    assert policy.read_text() == "own"


def test_a_unit_that_somebody_has_set_is_not_masked(tmp_path: Path) -> None:
    """Only what is masked here is reported."""
    own = tmp_path / "rabbitmq-server.service"
    own.write_text("[Service]")
    assert apt.mask(["rabbitmq-server.service", "epmd.socket"], tmp_path) == ["epmd.socket"]
    assert own.read_text() == "[Service]"
    assert (tmp_path / "epmd.socket").readlink() == Path("/dev/null")


def test_without_root_the_command_for_root_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that a person can copy."""
    monkeypatch.setattr(apt, "is_root", lambda: False)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(
        apt.AptError, match=r"as root, run: apt-get install --no-install-recommends rabbitmq-server libpython3\.11$"
    ):
        apt.require(["rabbitmq-server", "libpython3.11"])


def test_without_apt_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another distribution has them under another name."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(apt.AptError, match=r"there is no apt-get: rabbitmq-server$"):
        apt.require(["rabbitmq-server"])


def test_old_package_lists_are_brought_up_to_date_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first try fails, the lists are fetched, the second succeeds."""
    monkeypatch.setattr(apt, "is_root", lambda: True)
    ran: list[str] = []

    def action() -> None:
        ran.append("action")
        if len(ran) == 1:
            raise RuntimeError("404 Not Found")

    apt.with_lists(action, lambda argv, **_: ran.append(argv[1]))
    assert ran == ["action", "update", "action"]


def test_without_root_old_package_lists_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With apt's own complaint and the command for root."""
    monkeypatch.setattr(apt, "is_root", lambda: False)

    def action() -> None:
        raise RuntimeError("404 Not Found")

    with pytest.raises(apt.AptError, match=r"404 Not Found\nPerhaps the package lists are old: as root, run: apt-get update"):
        apt.with_lists(action, lambda argv, **_: pytest.fail("ran"))
