"""Who may call: keys, the token, this machine; and what is believed when it cannot be read who may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from noria.core.access import Admission, Doors, new_key
from noria.core.ids import digest_of
from noria.core.moments import to_ms
from noria.dataplane.exchange import Refused
from noria.dataplane.guard import DoorFollower, Guard
from noria.stages.serving.plans import publish_doors

ROW = {"tail": "N1", "distance": 1_000.0}


class Hand:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


def door(key: str, *, expires_ms: int = 0) -> dict[str, Admission]:
    return {key.split("_")[1]: Admission(digest=digest_of(key.encode()), expires_ms=expires_ms)}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_a_key_opens_its_own_deployment_alone() -> None:
    (mine, _), (other, _) = new_key(), new_key()
    guard = Guard(token="home", everywhere=False)
    guard.doors = Doors(deployments={"late": door(mine), "slow": door(other)})
    guard.admit(bearer(mine), "late")
    guard.admit({"x-api-key": mine}, "late")
    guard.admit({"authorization": f"bearer  {mine}"}, "late")
    guard.admit(bearer("home"), "late")
    guard.admit({}, "third")
    guard.admit({}, "")
    for headers in (
        {},
        bearer(""),
        bearer(other),
        bearer(mine[:-1]),
        bearer(mine + "x"),
        {"authorization": mine},
        bearer("é"),
        bearer("nk_"),
    ):
        with pytest.raises(Refused) as refused:
            guard.admit(headers, "late")
        assert refused.value.code == "unauthorized"


def test_beyond_this_machine_the_token_is_asked_for_where_there_are_no_keys() -> None:
    key, _ = new_key()
    guard = Guard(token="home")
    guard.doors = Doors(deployments={"late": door(key)})
    guard.admit(bearer(key), "late")
    guard.admit(bearer("home"), "")
    for deployment in ("", "slow"):
        with pytest.raises(Refused):
            guard.admit(bearer(key), deployment)


def test_a_door_without_a_valid_key_stays_closed() -> None:
    key, _ = new_key()
    clock = Hand()
    guard = Guard(token="home", everywhere=False, clock=clock)
    guard.doors = Doors(deployments={"late": door(key, expires_ms=to_ms(clock.at) + 1_000), "slow": {}})
    guard.admit(bearer(key), "late")
    clock.at += timedelta(seconds=1)
    for deployment in ("late", "slow"):
        with pytest.raises(Refused):
            guard.admit(bearer(key), deployment)


def test_the_last_use_is_kept_in_event_time(tmp_path) -> None:
    key, id = new_key()
    clock = Hand()
    guard = Guard(clock=clock, used=tmp_path / "used")
    guard.doors = Doors(deployments={"late": door(key)})
    guard.admit(bearer(key), "late")
    assert (tmp_path / "used" / id).stat().st_mtime == clock.at.timestamp()
    clock.at += timedelta(seconds=5)
    guard.admit(bearer(key), "late")
    assert (tmp_path / "used" / id).stat().st_mtime == clock.at.timestamp() - 5


def test_doors_are_followed_and_known_when_the_control_plane_is_gone(tmp_path) -> None:
    key, _ = new_key()
    file, kept, problems = tmp_path / "plan" / "keys.json", tmp_path / "kept" / "keys.json", {}

    def following() -> tuple[Guard, DoorFollower]:
        guard = Guard(token="home", everywhere=False)
        return guard, DoorFollower(guard, file, kept, problems.__setitem__)

    guard, follower = following()
    follower.look()
    guard.admit({}, "late")
    publish_doors(Doors(deployments={"late": door(key)}), file)
    follower.look()
    with pytest.raises(Refused):
        guard.admit({}, "late")
    file.write_bytes(b"{")
    follower.look()
    guard.admit(bearer(key), "late")
    assert "cannot be read" in problems["keys"]

    file.unlink()
    guard, follower = following()
    follower.look()
    guard.admit(bearer(key), "late")
    with pytest.raises(Refused):
        guard.admit({}, "late")
    assert problems["keys"] == ""


def test_when_nobody_knows_who_may_call_only_the_token_opens(tmp_path) -> None:
    file, kept = tmp_path / "keys.json", tmp_path / "kept.json"
    file.write_bytes(b"[]")
    kept.write_bytes(b"{")
    guard = Guard(token="home", everywhere=False)
    DoorFollower(guard, file, kept, lambda *_: None).look()
    guard.admit(bearer("home"), "late")
    with pytest.raises(Refused) as refused:
        guard.admit({}, "")
    assert refused.value.code == "unavailable"


def test_every_protocol_asks_for_the_key_of_its_deployment(calling) -> None:
    key, _ = new_key()
    guard = Guard(token="home", everywhere=False)
    guard.doors = Doors(deployments={"late": door(key)})

    async def scenario(call, office):
        asked = [("POST", "/predict/late", {"inputs": ROW}), ("POST", "/invocations", {"instances": [ROW]}), ("GET", "/models/late", b"")]
        for method, path, body in asked:
            refused = await call(method, path, body)
            assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer"), path
            assert (await call(method, path, body, authorization=f"Bearer {key}")).status == 200, path
        for path in ("/health/ready", "/ping", "/plan"):
            assert (await call("GET", path)).status == 200, path

    calling(scenario, guard=guard)
