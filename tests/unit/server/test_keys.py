"""Keys over HTTP: shown once, listed without their secrets, ended by whoever has the token."""

from __future__ import annotations

import hashlib

import pytest
from sample import LOOP

from noria.stages.serving.plans import doors_file, read_doors

TOKEN = {"Authorization": "Bearer sample-token"}


@pytest.fixture
def services(tmp_path):
    from sample import SampleServices

    return SampleServices(tmp_path)


def test_a_key_is_shown_once_and_kept_as_its_hash(ask, services):
    told = ask.post(f"/api/v1/deployments/{LOOP}/keys", json={"by": "ada", "expires": "90d", "note": "the site"}, headers=TOKEN)
    assert (told.status_code, told.headers["cache-control"]) == (201, "no-store")
    made = told.json()
    published = read_doors(doors_file(services.plan_file)).deployments[LOOP][made["id"]]
    assert published.digest == "sha256:" + hashlib.sha256(made["key"].encode()).hexdigest()
    assert published.expires_ms > 0
    listed = ask.get("/api/v1/keys", headers=TOKEN)
    assert made["key"] not in listed.text and published.digest not in listed.text
    (shown,) = listed.json()["keys"]
    assert (shown["state"], shown["note"], shown["used_at"]) == ("valid", "the site", None)
    event = services.ledger.events(kind="key.made", limit=10_000)[-1]
    assert (event.by, event.subject) == ("ada", f"{LOOP}/{made['id']}") and made["key"] not in str(event)


def test_a_revoked_key_opens_nothing_and_the_door_stays_closed(ask, services):
    made = ask.post(f"/api/v1/deployments/{LOOP}/keys", json={}, headers=TOKEN).json()
    over = ask.post(f"/api/v1/keys/{made['id']}/revoke", json={"by": "ada", "reason": "leaked"}, headers=TOKEN)
    assert over.json()["state"] == "revoked"
    assert read_doors(doors_file(services.plan_file)).deployments == {LOOP: {}}
    assert "leaked" in services.ledger.events(kind="key.revoked", limit=10_000)[-1].reasons
    assert ask.post(f"/api/v1/keys/{made['id']}/revoke", json={}, headers=TOKEN).status_code == 409
    opened = ask.post(f"/api/v1/deployments/{LOOP}/open", json={"by": "ada"}, headers=TOKEN)
    assert opened.json() == {"deployment": LOOP, "revoked": 1}
    assert read_doors(doors_file(services.plan_file)).deployments == {}
    assert ask.get("/api/v1/keys", headers=TOKEN).json() == {"keys": []}
    assert ask.post(f"/api/v1/deployments/{LOOP}/open", json={}, headers=TOKEN).status_code == 409


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/deployments/nobody/keys", {}, 404),
        (f"/api/v1/deployments/{LOOP}/keys", {"expires": "soon"}, 422),
        (f"/api/v1/deployments/{LOOP}/keys", {"expires": "0s"}, 422),
        (f"/api/v1/deployments/{LOOP}/keys", {"note": "n" * 201}, 422),
        ("/api/v1/keys/none/revoke", {}, 404),
    ],
)
def test_what_cannot_be_done_says_why(ask, closed, path, body, status):
    assert closed.post(path, json=body).status_code == 401
    told = ask.post(path, json=body, headers=TOKEN)
    assert (told.status_code, bool(told.json()["error"]["message"])) == (status, True)
    assert closed.get("/api/v1/keys").status_code == 401
