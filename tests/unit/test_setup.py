"""Set-up: what it finds out about a machine, how it asks for packages, and that the locks are what the project asks for."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from infra.local import setup, stamps
from infra.local.steps import Commands, SetupError

PYPROJECT = tomllib.loads((setup.ROOT / "pyproject.toml").read_text())["project"]
LOCKS = sorted(setup.REQUIREMENTS.glob("*.txt"))


def pinned(lock: str) -> dict[str, str]:
    """Version by package of a lock."""
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (setup.REQUIREMENTS / lock).read_text(), re.MULTILINE))


def names(requirements: list[str]) -> set[str]:
    """Package names of requirements."""
    return {re.split(r"[\[<>=~! ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


def test_the_lock_has_every_package_that_the_project_asks_for() -> None:
    """A dependency that was added without `make lock` would be missing on a fresh machine."""
    assert names(PYPROJECT["dependencies"] + PYPROJECT["optional-dependencies"]["local"]) <= pinned("local.txt").keys()


def test_the_tests_run_with_the_versions_that_are_installed() -> None:
    """The lock of the tests adds packages to the other and changes none."""
    local, dev = pinned("local.txt"), pinned("dev.txt")
    assert names(PYPROJECT["optional-dependencies"]["dev"]) <= dev.keys()
    assert {name: dev.get(name) for name in local} == local


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_of_a_lock_has_a_hash_and_no_address(lock: Path) -> None:
    """Nothing is installed that is not the file that was locked, from whichever index the machine uses."""
    text = lock.read_text()
    requirements = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert requirements
    assert [requirement.splitlines()[0] for requirement in requirements if "--hash=sha256:" not in requirement] == []
    assert "://" not in text
    assert "--index" not in text


def test_triton_gets_a_numpy_that_its_backend_can_use() -> None:
    """With numpy 2 its outputs come back with size 0."""
    assert pinned("triton.txt")["numpy"].startswith("1.")


def test_what_set_up_fetches_is_what_the_modules_look_for() -> None:
    """Set-up cannot import them, since it runs before numpy and Pillow are there."""
    assert f"{stamps.PACKAGE}={stamps.VERSION}" == setup.PHOTOS
    assert stamps.DEB == setup.PHOTOS_FILE


@pytest.mark.parametrize("word", ["quality", "fast", "dinov2-focus"])
def test_set_up_prepares_the_model_that_the_environment_names(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By tier or by name."""
    monkeypatch.setenv("MUSEUM_MODEL", word)
    assert word in (setup.chosen_model().name, setup.chosen_model().tier)


def test_set_up_refuses_a_model_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what there is."""
    monkeypatch.setenv("MUSEUM_MODEL", "best")
    with pytest.raises(
        SetupError,
        match=r"found 'best': there are dinov2-focus \(quality\), dinov2-focus-int8 \(quality\), efficientnet-lite0 \(fast\)",
    ):
        setup.chosen_model()


def test_set_up_needs_nothing_but_the_standard_library() -> None:
    """It is what installs the rest."""
    script = (
        f"import sys; sys.path.insert(0, {str(setup.ROOT)!r}); import infra.local.setup, infra.local.rabbitmq, infra.local.triton"
    )
    answer = subprocess.run([sys.executable, "-I", "-S", "-c", script], check=False, capture_output=True, text=True)
    assert answer.stderr == ""


@pytest.mark.parametrize("dev", [True, False])
def test_the_browser_is_installed_for_the_tests_alone(dev: bool, tmp_path: Path) -> None:
    """Who runs the demo has a browser; it comes after RabbitMQ, since two of apt's runs would each lift the other's guard."""
    steps = setup.Installer(Commands(), cache=tmp_path, dev=dev).steps()
    assert [step.after for step in steps if step.name == "Chromium and Redis"] == ([("RabbitMQ",)] if dev else [])


def test_what_tests_need_and_is_there_is_not_installed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever put it there; where it is missing, Debian's package is named."""
    monkeypatch.setattr(setup, "BROWSER", tmp_path / "chromium")
    monkeypatch.setattr(setup, "REDIS", tmp_path / "redis-server")
    assert setup.missing_for_tests() == ["chromium", "redis-server"]
    (tmp_path / "chromium").touch()
    assert setup.missing_for_tests() == ["redis-server"]
    (tmp_path / "redis-server").touch()
    assert setup.missing_for_tests() == []


GOOD = ((3, 11), "Linux", "x86_64", ("glibc", "2.36"), True)


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (GOOD, None),
        (((3, 11), "Linux", "x86_64", ("", ""), True), None),
        (((3, 13), "Linux", "x86_64", ("glibc", "2.41"), True), r"Python 3\.11 is needed, this is 3\.13: .*make setup PYTHON="),
        (((3, 11), "Linux", "aarch64", ("glibc", "2.36"), True), "x86_64 is needed.* aarch64"),
        (((3, 11), "Darwin", "x86_64", ("", ""), True), "this is Darwin"),
        (((3, 11), "Linux", "x86_64", ("glibc", "2.31"), True), r"glibc 2\.35 or newer is needed.*has 2\.31"),
        (((3, 11), "Linux", "x86_64", ("glibc", "2.36"), False), "apt-get install python3-venv"),
    ],
)
def test_a_machine_that_cannot_run_the_stack_is_told_why(
    machine: tuple[tuple[int, int], str, str, tuple[str, str], bool], said: str | None
) -> None:
    """With the cure, before anything is fetched."""
    found = setup.unfit(*machine)
    assert found is None if said is None else re.search(said, found or "")


def test_a_disk_that_is_too_small_is_named_with_what_is_needed_and_free() -> None:
    """Folders on one disk are counted together."""
    needed = {Path("/a/venv"): 700, Path("/a/cache"): 500, Path("/b"): 100}
    disks = {Path("/a/venv"): 1, Path("/a/cache"): 1, Path("/b"): 2}
    assert setup.shortage(needed, lambda folder: 1500, disks.__getitem__) is None
    assert setup.shortage(needed, lambda folder: 1499, disks.__getitem__) == (
        "the disk of /a/venv is too small: 1500 MB are needed, 1499 MB are free"
    )


PIP_LISTING = """\
:env:.cert='/etc/ours.pem'
:env:.disable-pip-version-check='1'
global.index-url='https://mirror.example/simple'
global.timeout='60'
install.find-links='\\n/one\\n/two'
global.cert='/etc/theirs.pem'
"""


def test_uv_is_told_what_pip_was_told() -> None:
    """The environment outranks pip's files; lists are written as uv reads them."""
    assert setup.uv_environment(setup.pip_settings(PIP_LISTING), {}) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_FIND_LINKS": "/one,/two",
        "UV_HTTP_TIMEOUT": "60",
        "SSL_CERT_FILE": "/etc/ours.pem",
    }


@pytest.mark.parametrize("own", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_uv_was_told_itself_stays(own: str) -> None:
    """Whoever sets uv's own variables means them."""
    told = setup.uv_environment({"index-url": "https://mirror.example/simple"}, {own: "https://own.example/simple"})
    assert told == {}


def test_pip_lists_its_settings_as_they_are_read_here(tmp_path: Path) -> None:
    """Held against the pip that is installed."""
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://mirror.example/simple\nextra-index-url =\n  https://a.example\n  https://b.example\n"
    )
    environment = {"PIP_CONFIG_FILE": str(file), "PIP_TIMEOUT": "7", "PATH": "/usr/bin"}
    argv = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(argv, check=True, capture_output=True, text=True, env=environment).stdout
    told = setup.uv_environment(setup.pip_settings(listing), {})
    assert told["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert told["UV_INDEX"] == "https://a.example https://b.example"
    assert told["UV_HTTP_TIMEOUT"] == "7"


def test_one_package_is_taken_out_of_a_lock_with_its_hashes() -> None:
    """And none of its neighbour's."""
    lock = "# header\none==1 \\\n    --hash=sha256:a \\\n    --hash=sha256:b\n    # via x\ntwo==2 \\\n    --hash=sha256:c\n"
    assert setup.locked(lock, "one") == "one==1 \\\n    --hash=sha256:a \\\n    --hash=sha256:b\n"
    with pytest.raises(SetupError, match="three is not in the lock: run `make lock`"):
        setup.locked(lock, "three")


def test_a_step_is_done_again_when_what_it_was_made_of_has_changed(tmp_path: Path) -> None:
    """A note holds the digest of the files."""
    lock, note = tmp_path / "lock.txt", tmp_path / "notes" / "packages"
    lock.write_text("one==1")
    setup.note_down(note, setup.key_of(lock, "x"))
    assert setup.noted(note, setup.key_of(lock, "x"))
    lock.write_text("one==2")
    assert not setup.noted(note, setup.key_of(lock, "x"))
