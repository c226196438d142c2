"""Who may come in: tokens of a file, JWTs of an issuer, and the cookie."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from functions.gateway import tokens
from functions.gateway.identity import COOKIE_AGE, Door, Identity, Issuer, Oidc, Sessions, TokenFile, fingerprint
from functions.gateway.museums import Museum, Museums, read
from functions.gateway.problems import Problem
from tests.fixtures.issuer import AUDIENCE, ISSUER, Signer

SESSIONS = Sessions("k" * 32)


def refused(door: Door, header: str, cookie: str = "", *, reading: bool = False) -> tuple[int, str]:
    """Status and code of a refusal."""
    with pytest.raises(Problem) as raised:
        door.identity(header, cookie, reading=reading)
    return raised.value.status, raised.value.code


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A token file with Anna's token."""
    path = tmp_path / "tokens.json"
    tokens.keep(path, "anna's", museum="north", owner="anna", roles=("registrar",))
    return path


def test_a_token_file_keeps_hashes_and_only_its_owner_reads_it(file: Path) -> None:
    """Who steals it has no token."""
    assert "anna's" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    who = Door([TokenFile(file)], SESSIONS).identity("Bearer anna's", "", reading=False)
    assert (who.museum, who.owner, who.roles, who.token) == ("north", "anna", ("registrar",), fingerprint("anna's")[:16])


def test_a_token_that_is_added_is_let_in_at_once_and_one_that_is_taken_out_is_not(file: Path) -> None:
    """The file is read again when it changes; where it is gone, nobody is let in."""
    door = Door([TokenFile(file)], SESSIONS)
    assert refused(door, "Bearer boris's") == (401, "token-unknown")
    tokens.keep(file, "boris's", museum="north", owner="boris", roles=("visitor",))
    assert door.identity("Bearer boris's", "", reading=False).owner == "boris"
    tokens.write(file, {})
    assert refused(door, "Bearer anna's") == (401, "token-unknown")
    file.unlink()
    assert refused(door, "Bearer boris's") == (401, "token-unknown")


def test_a_token_ends_with_its_days(file: Path) -> None:
    """And says so."""
    tokens.write(
        file, tokens.read(file) | {fingerprint("old"): tokens.Entry(museum="north", owner="anna", expires=time.time() - 1)}
    )
    assert refused(Door([TokenFile(file)], SESSIONS), "Bearer old") == (401, "token-expired")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../north", "a b", "музей", "x" * 65, "a\n"])
def test_a_museum_that_could_be_another_part_of_a_key_is_refused(file: Path, name: str) -> None:
    """When it is written, and when it is read."""
    with pytest.raises(Problem, match="expected as museum"):
        tokens.keep(file, "t", museum=name, owner="anna", roles=("visitor",))
    tokens.write(file, {fingerprint("t"): tokens.Entry(museum=name, owner="anna")})
    assert refused(Door([TokenFile(file)], SESSIONS), "Bearer t") == (403, "bad-identity")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic anna's", "anna's", "Bearer " + "x" * 9000])
def test_only_a_bearer_token_is_one(file: Path, header: str) -> None:
    """Another scheme, none, or an endless one."""
    assert refused(Door([TokenFile(file)], SESSIONS), header) == (401, "unauthorised")


def test_a_cookie_is_one_hour_of_reading(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says who, is signed, and changes nothing: a page elsewhere could make a browser send it."""
    door = Door([TokenFile(file)], SESSIONS)
    cookie = SESSIONS.cookie(door.identity("Bearer anna's", "", reading=False))
    assert door.identity("", cookie, reading=True).owner == "anna"
    assert refused(door, "", cookie, reading=False) == (401, "unauthorised")
    assert refused(door, "", cookie[:-2] + "xx", reading=True) == (401, "unauthorised")
    assert refused(door, "", Sessions("another key").cookie(Identity(museum="north", owner="anna")), reading=True)[0] == 401
    later = time.time() + COOKIE_AGE + 5
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: later)
    assert refused(door, "", cookie, reading=True) == (401, "unauthorised")


def test_a_cookie_is_counted_as_its_token(file: Path) -> None:
    """Whoever gave it out: limits are each token's, however it comes."""
    door = Door([TokenFile(file)], SESSIONS)
    by_token = door.identity("Bearer anna's", "", reading=False)
    by_cookie = door.identity("", SESSIONS.cookie(by_token), reading=True)
    assert by_token.token == by_cookie.token == fingerprint("anna's")[:16]
    assert len(by_token.token) == 16


def test_a_cookie_does_not_outlive_its_token() -> None:
    """Half an hour of a token is half an hour of its cookie."""
    cookie = SESSIONS.cookie(Identity(museum="north", owner="anna", expires=time.time() - 1))
    assert SESSIONS.identity(cookie) is None


# an issuer


def door_of(issuer: Signer, museums: Museums | None = None) -> Door:
    """Lets in whom an issuer signs for, or some museums' people among them."""
    museums = museums or Museums()
    named = Issuer(issuer=ISSUER, audience=AUDIENCE, keys=issuer.url)
    return Door([Oidc(named, museums=museums, cooldown=0.0)], SESSIONS, museums)


def test_claims_say_who_and_what_she_may(issuer: Signer) -> None:
    """Roles as a list or as words; those of another service are none of ours."""
    door = door_of(issuer)
    who = door.identity(f"Bearer {issuer.token(roles=['registrar', 'offline_access'])}", "", reading=False)
    assert (who.museum, who.owner, who.roles) == ("north", "anna", ("registrar",))
    assert door.identity(f"Bearer {issuer.token(roles='admin else')}", "", reading=False).roles == ("admin",)
    assert door.identity(f"Bearer {issuer.token()}", "", reading=False).roles == ("visitor",)
    assert issuer.asked == 1, "the keys are kept"


def test_a_new_key_is_fetched_when_it_first_signs(issuer: Signer) -> None:
    """Issuers change keys."""
    door = door_of(issuer)
    door.identity(f"Bearer {issuer.token()}", "", reading=False)
    issuer.keys["two"] = rsa.generate_private_key(65537, 2048)
    assert door.identity(f"Bearer {issuer.token('two')}", "", reading=False).owner == "anna"


@pytest.mark.parametrize(
    ("claims", "answer"),
    [
        ({"exp": time.time() - 3600}, (401, "token-expired")),
        ({"aud": "another"}, (401, "token-invalid")),
        ({"iss": "https://evil.example"}, (401, "token-invalid")),
        ({"museum": None}, (403, "bad-identity")),
        ({"museum": "../south"}, (403, "bad-identity")),
        ({"sub": "a/b"}, (403, "bad-identity")),
    ],
    ids=["expired", "audience", "issuer", "no museum", "museum", "owner"],
)
def test_a_token_that_is_not_meant_for_us_is_refused(issuer: Signer, claims: dict[str, Any], answer: tuple[int, str]) -> None:
    """With the reason."""
    assert refused(door_of(issuer), f"Bearer {issuer.token(**claims)}") == answer


def test_a_token_that_was_not_signed_by_the_issuer_is_refused(issuer: Signer) -> None:
    """Another key under its name, no signature, or a secret as if the public key were one."""
    good, other = issuer.token(), rsa.generate_private_key(65537, 2048)
    claims, head = jwt.decode(good, options={"verify_signature": False}), {"kid": "one"}
    forged = jwt.encode(claims, other, algorithm="RS256", headers=head)
    bare = jwt.encode(claims, None, algorithm="none", headers=head)  # type: ignore[arg-type]  # what an attacker may send
    for token in (forged, bare, good[:-4] + "AAAA"):
        assert refused(door_of(issuer), f"Bearer {token}") == (401, "token-invalid")


def test_an_issuer_that_does_not_answer_is_not_the_callers_fault() -> None:
    """503: it may try again."""
    key = rsa.generate_private_key(65537, 2048)
    token = jwt.encode({"exp": time.time() + 60}, key, algorithm="RS256", headers={"kid": "one"})
    issuer = Oidc(Issuer(issuer="https://id.example", audience="museum-search", keys="http://127.0.0.1:9/jwks"))
    with pytest.raises(Problem) as raised:
        issuer.identity(token)
    assert (raised.value.status, raised.value.code) == (503, "issuer-unavailable")


# the museums of an installation

SHARED = Museums({"north": Museum(claim="/museums/Север"), "south": Museum()})


def test_a_claim_means_the_museum_that_says_so(issuer: Signer) -> None:
    """Whatever the issuer calls it; a museum that says nothing is meant by its name, and one that does by no other."""
    door = door_of(issuer, SHARED)
    assert door.identity(f"Bearer {issuer.token(museum='/museums/Север')}", "", reading=False).museum == "north"
    assert door.identity(f"Bearer {issuer.token(museum='south')}", "", reading=False).museum == "south"
    for claim in ("north", "west", "", None, ["north"]):
        assert refused(door, f"Bearer {issuer.token(museum=claim)}") == (403, "museum-unknown")


def test_nobody_of_another_museum_is_let_in(file: Path) -> None:
    """By a token of the file or by a cookie of before: the museum may have gone."""
    tokens.keep(file, "carla's", museum="west", owner="carla", roles=("visitor",))
    door = Door([TokenFile(file)], SESSIONS, SHARED)
    assert door.identity("Bearer anna's", "", reading=False).museum == "north"
    assert refused(door, "Bearer carla's") == (403, "museum-unknown")
    cookie = SESSIONS.cookie(Identity(museum="west", owner="carla"))
    assert refused(door, "", cookie, reading=True) == (403, "museum-unknown")
    with pytest.raises(Problem, match="of the museum 'west', which does not belong to this installation: ask its operator"):
        SHARED.check("west")


def test_without_a_file_every_museum_is_one() -> None:
    """As on one machine."""
    assert read("").meant_by("anything") == "anything"
    read("").check("anything")
    assert read("").uploads_per_day("anything") == 0


def test_the_file_of_museums_is_read_as_the_chart_writes_it(tmp_path: Path) -> None:
    """Both of its fields may be left out."""
    path = tmp_path / "museums.json"
    path.write_text('{"north": {"claim": "Север", "uploadsPerDay": 20}, "south": {}}')
    found = read(str(path))
    assert (found.meant_by("Север"), found.meant_by("south")) == ("north", "south")
    assert (found.uploads_per_day("north"), found.uploads_per_day("south")) == (20, 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        ("", "not allowed"),
        ("[]", "Expected `object`"),
        ("{}", "it names no museum"),
        ('{"north": {"quota": 1}}', "north: Object contains unknown field `quota`"),
        ('{"north": {"uploadsPerDay": -1}}', "`int` >= 0"),
        ('{"north": {"claim": 7}}', "Expected `str`"),
        ('{"a/b": {}}', "expected as a museum's name"),
        ('{"north": {"claim": "south"}, "south": {}}', "north and south have one claim, 'south'"),
    ],
)
def test_a_bad_file_of_museums_ends_the_start(tmp_path: Path, content: str | None, said: str) -> None:
    """With one line that names the setting, the file and what is wrong."""
    path = tmp_path / "museums.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit) as raised:
        read(str(path))
    message = str(raised.value)
    assert message.startswith(f"MUSEUM_MUSEUMS is {path}")
    assert said in message
    assert "\n" not in message
