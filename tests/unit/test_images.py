"""What the images are told, say and have: arguments, labels, the bill of their parts, the list of digests. Docker is a stub."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import functions
from infra.images import release, sbom
from tests.charts import helm
from tests.cluster.images.looked import Image, faults
from tests.servers import missing

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "infra/images/Dockerfile").read_text()
STAGES: dict[str, str] = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))
LOCKS = {"functions": ["functions"], "triton": ["triton", "wheels"], "milvus-lite": ["milvus"]}
"""The lock files of each image. Of `wheels` Triton's own."""
DIGESTS = {target: f"sha256:{number * 64}" for target, number in zip(release.TARGETS, "123", strict=True)}


def git(folder: Path, *arguments: str) -> str:
    """Git as somebody whose settings are not asked."""
    named = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", "-C", folder, *named, *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the script of arguments looks at, with one commit."""
    if shutil.which("git") is None:
        missing("no git: apt-get install git")
    for file in ("infra/images/arguments", "functions/__init__.py"):
        (tmp_path / file).parent.mkdir(parents=True)
        shutil.copy(ROOT / file, tmp_path / file)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one", "--date", "2026-01-02T03:04:05Z")
    return tmp_path


def told(folder: Path) -> dict[str, str]:
    """What a build there is told."""
    done = subprocess.run([folder / "infra/images/arguments"], check=True, capture_output=True, text=True, cwd="/")
    return release.told(done.stdout.splitlines())


def test_a_build_is_told_version_commit_and_time(checkout: Path) -> None:
    """Whole, and with no word of a tag."""
    git(checkout, "tag", "-a", "v9", "-m", "nine")
    assert told(checkout) == {
        "VERSION": functions.__version__,
        "REVISION": git(checkout, "rev-parse", "HEAD"),
        "SOURCE_DATE_EPOCH": git(checkout, "log", "-1", "--format=%ct"),
    }


def test_a_build_of_what_no_commit_has_says_so(checkout: Path) -> None:
    """Else the label would promise what is not in it."""
    (checkout / "functions/__init__.py").write_text(f'__version__ = "{functions.__version__}"\n')
    assert told(checkout)["REVISION"] == f"{git(checkout, 'rev-parse', 'HEAD')}-dirty"


def test_a_folder_without_a_repository_is_told_the_version_alone(checkout: Path) -> None:
    """As an unpacked archive is, also within somebody else's repository: the Dockerfile then says `unknown`."""
    shutil.rmtree(checkout / ".git")
    assert told(checkout) == {"VERSION": functions.__version__}
    assert DOCKERFILE.count("ARG REVISION=unknown\n") == len([*release.TARGETS, "engine"])


def test_the_charts_version_is_the_codes() -> None:
    """The chart takes the tag from its appVersion."""
    assert yaml.safe_load((ROOT / "charts/museum-search/Chart.yaml").read_text())["appVersion"] == functions.__version__


@pytest.mark.parametrize("target", release.TARGETS)
def test_each_image_takes_what_it_is_told(target: str) -> None:
    """Labels of version and revision; the commit's arguments after all that takes long, since each commit has others."""
    stage = STAGES[target]
    for name in ("VERSION", "REVISION"):
        assert f'org.opencontainers.image.{name.lower()}="${{{name}}}"' in stage
    after = stage[stage.index("ARG VERSION") :]
    assert "ARG SOURCE_DATE_EPOCH\n" in after
    assert "COPY" not in after
    assert re.findall(r"^RUN (\S+ \S+ \S+)", after, re.MULTILINE)[0].endswith(("infra.images.sbom", "/opt/museum/sbom.py"))
    assert "ARG SOURCE_DATE_EPOCH\n" in DOCKERFILE[: DOCKERFILE.index("FROM ")]


@pytest.mark.parametrize("file", ["infra/kind/up", "infra/images/release.py", "tests/cluster/images/__main__.py"])
def test_whoever_builds_tells_it(file: str) -> None:
    """By the one script."""
    text = (ROOT / file).read_text()
    assert "infra/images/arguments" in text or "arguments()" in text


@pytest.mark.parametrize("target", release.TARGETS)
def test_every_locked_package_is_in_the_bill_with_its_hashes(target: str) -> None:
    """Those that are taken apart too, of which nothing is installed; and the image has the lock that the bill was made with."""
    for lock in LOCKS[target]:
        text = (ROOT / f"requirements/{lock}.txt").read_text()
        found = {component["purl"]: component for component in sbom.python_packages([], sbom.locked(text))}
        pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE)
        assert len(pins) == len(found)
        for name, version in pins:
            hashes = found[f"pkg:pypi/{sbom.usual(name)}@{version}"]["hashes"]
            assert all(one["content"] in text for one in hashes)
        assert sum(len(one["hashes"]) for one in found.values()) == text.count("--hash=sha256:")
        assert f"{'server' if lock == 'wheels' else lock}.txt" in STAGES[target]
    assert "--lock /opt/museum/locks/*.txt" in STAGES[target]


def test_a_package_is_in_the_bill_once_and_an_unlocked_one_without_hashes(tmp_path: Path) -> None:
    """Installed and locked is the same package; pip of the base image is in no lock."""
    for name in ("Some_Thing-1.0", "pip-25"):
        (tmp_path / f"{name}.dist-info").mkdir()
        plain, version = name.split("-")
        (tmp_path / f"{name}.dist-info/METADATA").write_text(f"Metadata-Version: 2.1\nName: {plain}\nVersion: {version}\n")
    hashes = sbom.locked(
        f"# a comment\nsome-thing==1.0 \\\n    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n    # via x\n"
    )
    found = sbom.bill("image", sbom.python_packages([str(tmp_path)], hashes))["components"]
    assert [(one["purl"], [given["content"][0] for given in one.get("hashes", [])]) for one in found] == [
        ("pkg:pypi/pip@25", []),
        ("pkg:pypi/some-thing@1.0", ["a", "b"]),
    ]


def test_the_bill_tells_of_models_by_their_files(tmp_path: Path) -> None:
    """And which wheel each was made of."""
    note = {"name": "m", "fingerprint": "f" * 64, "files": {"a.onnx": "a" * 64}, "source": "wheel==1 sha256:b", "licence": "MIT"}
    (tmp_path / "model.json").write_text(json.dumps(note))
    (found,) = sbom.models([tmp_path / "model.json"])
    assert found["version"] == "f" * 64
    assert found["components"] == [{"type": "file", "name": "a.onnx", "hashes": [{"alg": "SHA-256", "content": "a" * 64}]}]
    assert "wheel==1" in found["description"]


def test_two_bills_of_a_commit_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time in it is the commit's."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    components = [sbom.python_package(name, "1", {}) for name in ("b", "a")]
    assert sbom.bill("image", components) == sbom.bill("image", components[::-1])
    assert sbom.bill("image", [])["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


# --- what was built


def packed(files: Mapping[str, bytes]) -> bytes:
    """A tar of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, body in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return out.getvalue()


def image(folder: Path, *layers: Mapping[str, bytes], **config: Any) -> Image:
    """An archive with what every image of ours has, these layers over it and these settings instead of its own."""
    lock = f"one==1 \\\n    --hash=sha256:{'a' * 64}\n"
    more = [{"purl": "pkg:deb/debian/tini@1"}, {"purl": "pkg:generic/python@3"}]
    parts = {"components": [*sbom.python_packages([], sbom.locked(lock)), *more]}
    base = {
        "opt/museum/sbom.cdx.json": json.dumps(parts).encode(),
        "opt/museum/locks/one.txt": lock.encode(),
        "etc/pip.conf": b"",
    }
    labels = {"title": "t", "version": "0.1.0", "revision": "abc", "licenses": "Apache-2.0"}
    settings = {
        "Labels": {f"org.opencontainers.image.{name}": value for name, value in labels.items()},
        "User": "10001:10001",
        "Entrypoint": ["tini", "--", "museum-run"],
        "Env": ["PATH=/bin", "PYTHONPATH=/app"],
        **config,
    }
    files = {f"{number}.tar": packed(layer) for number, layer in enumerate((base, *layers))}
    about = [{"Config": "config.json", "Layers": list(files)}]
    whole = {"manifest.json": json.dumps(about).encode(), "config.json": json.dumps({"config": settings}).encode(), **files}
    (folder / "image.tar").write_bytes(packed(whole))
    return Image.of(folder / "image.tar")


def found(held: Image) -> list[str]:
    """What is wrong with it."""
    return faults(held, version="0.1.0", revision="abc")


def test_an_image_as_it_should_be_has_no_faults(tmp_path: Path) -> None:
    """Also one of which a later layer has removed a compiler, in both ways of saying so."""
    assert found(image(tmp_path)) == []
    removed = {"usr/bin/gcc": b"x", "root/.cache/pip/a": b"x"}, {"usr/bin/.wh.gcc": b"", "root/.cache/.wh..wh..opq": b""}
    assert found(image(tmp_path, *removed)) == []


@pytest.mark.parametrize(
    ("files", "config", "said"),
    [
        ({"usr/bin/gcc-12": b"x"}, {}, "a compiler: /usr/bin/gcc-12"),
        ({"usr/bin/x86_64-linux-gnu-gcc": b"x"}, {}, "a compiler"),
        ({"./usr/bin/cc": b"x"}, {}, "a compiler: /usr/bin/cc"),
        ({"root/.cache/pip/http/a": b"x"}, {}, "a cache of pip"),
        ({"app/.git/HEAD": b"x"}, {}, "a repository: /app/.git/HEAD"),
        ({"etc/pip.conf": b"[global]"}, {}, "a key: /etc/pip.conf"),
        ({}, {"Env": ["AWS_SECRET_ACCESS_KEY=x"]}, "a secret in the environment: AWS_SECRET_ACCESS_KEY"),
        ({}, {"Env": ["INDEX=https://me:word@example.org/"]}, "a secret in the environment: INDEX"),
        ({}, {"User": ""}, "it runs as 'root'"),
        ({}, {"Entrypoint": ["museum-run"]}, "its entry point is ['museum-run']"),
        ({}, {"Labels": {}}, "no label revision"),
        ({"opt/museum/locks/two.txt": b"two==2 \\\n"}, {}, "no pkg:pypi/two@2 with hashes"),
        ({"opt/museum/sbom.cdx.json": b"{}"}, {}, "no /opt/museum/sbom.cdx.json"),
    ],
)
def test_what_is_wrong_with_an_image_is_said(files: dict[str, bytes], config: dict[str, Any], said: str, tmp_path: Path) -> None:
    """Each by its name."""
    assert any(said in fault for fault in found(image(tmp_path, files, **config))), found(image(tmp_path, files, **config))


def test_an_image_of_another_commit_is_seen(tmp_path: Path) -> None:
    """Its label is held against what the build was told."""
    assert faults(image(tmp_path), version="0.1.0", revision="def") == ["the label revision is 'abc': expected 'def'"]


# --- the list of digests

STUB = """\
#!/bin/sh
echo "$*" >> "$CALLS"
[ "$2" != inspect ] || exit 1
while [ $# -gt 0 ]; do
	[ "$1" != --metadata-file ] || file=$2
	[ "$1" != --target ] || target=$2
	shift
done
[ -z "${file:-}" ] || cp "$METADATA/$target.json" "$file"
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that writes down how it is called, and tells of digests; the file of calls."""
    for target, digest in DIGESTS.items():
        body = {"containerimage.digest": digest, "containerimage.config.digest": "sha256:0", "image.name": target}
        (tmp_path / f"{target}.json").write_text(json.dumps(body))
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(STUB)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("METADATA", str(tmp_path))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def test_what_is_pushed_is_listed_by_digest_and_the_chart_takes_the_list(docker: Path, tmp_path: Path) -> None:
    """All three, in every place that names an image of ours."""
    release.main("registry.example:5000/museum", tmp_path)
    names = [f"registry.example:5000/museum/museum-search/{target}@{digest}" for target, digest in DIGESTS.items()]
    assert (tmp_path / "images.txt").read_text().split() == names
    rendered = [helm.objects(ci, "-f", str(tmp_path / "images.yaml")) for ci in ("kind", "everything")]
    images = {one["image"] for objects in rendered for spec in helm.pods(objects).values() for one in helm.containers(spec)}
    assert {one for one in images if "museum-search" in one} == set(names)


def test_what_is_pushed_has_the_commits_times_and_nothing_of_the_day(docker: Path, tmp_path: Path) -> None:
    """By a builder that can write times anew, which is made once; with the arguments of every build."""
    release.main("registry.example", tmp_path)
    calls = docker.read_text().splitlines()
    assert calls[:2] == ["buildx inspect museum-images", "buildx create --name museum-images --driver docker-container"]
    assert len(calls) == 2 + len(release.TARGETS)
    for call, target in zip(calls[2:], release.TARGETS, strict=True):
        assert " ".join(release.arguments()) in call
        assert "--provenance=false --sbom=false" in call
        name = f"registry.example/museum-search/{target}:{functions.__version__}"
        assert f"--output type=image,name={name},push=true,rewrite-timestamp=true" in call


def test_what_is_not_pushed_is_not_listed(docker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A digest of this machine is none that a registry knows. Says how to have one."""
    release.main("", tmp_path)
    assert not (tmp_path / "images.yaml").exists()
    assert "REGISTRY=" in capsys.readouterr().out
    assert all("--load --tag museum-search/" in call for call in docker.read_text().splitlines())


def test_a_docker_that_tells_no_digest_ends_it() -> None:
    """With what it told instead."""
    with pytest.raises(SystemExit, match=r"triton: .* tells no containerimage.digest, but image.name"):
        release.digest_of({"image.name": "x"}, "triton")


def test_without_docker_the_cure_is_said(tmp_path: Path) -> None:
    """And nothing is begun."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.images.release"],
        cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "docker is missing: https://" in done.stderr
