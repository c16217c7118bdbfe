"""The commands about alerts, on a real home."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime

import pytest
import typer

from noria.app.channels import FILE, HomeChannels, setups
from noria.app.settings import Settings, keep, read
from noria.app.wiring import build
from noria.cli.channels import channels
from noria.cli.firedrill import fire_drill
from noria.cli.incidents import incident, tune_alerts
from noria.cli.silences import silence
from noria.core.alerting import AlertBook
from noria.core.state import LoopState
from noria.core.turning import Signal
from noria.core.watching import Incident, MonitorState
from noria.testing.clocks import HandClock
from noria.testing.notify import notice
from noria.testing.receivers import HttpReceiver

AT = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("NORIA_HOME", raising=False)
    keep(Settings(home=str(tmp_path)))
    world = build(read(tmp_path))
    world.documents.put(LoopState(name="orders", description="", file="", code="", task=None, phase="serving"))
    world.documents.put(MonitorState(loop="orders", monitor="drift", subject="a"))
    return world


def said(capsys):
    return json.loads(capsys.readouterr().out)


def refused(capsys):
    return said(capsys)["error"]["message"]


def test_a_channel_is_kept_for_its_owner_alone_and_shown_without_its_secret(home, capsys):
    channels("add", "ops", kind="webhook", url="https://example.com/secret-path", takes="page", home=home.home, as_json=True)
    made = said(capsys)
    assert made["secret"].startswith("whsec_") and made["where"] == "https://example.com/…"
    assert stat.S_IMODE((home.home / FILE).stat().st_mode) == 0o600
    channels(home=home.home, as_json=True)
    out = capsys.readouterr().out
    assert "secret-path" not in out and made["secret"] not in out and json.loads(out)[0]["takes"] == ["page"]
    channels(home=home.home)
    assert "no channel but the log takes notices" in capsys.readouterr().out
    channels("remove", "ops", home=home.home)
    assert setups(home.home) == []


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"kind": "pigeon"}, "no kind of channel 'pigeon'"),
        ({"kind": "slack"}, "needs an address"),
        ({"kind": "slack", "url": "http://example.com/x"}, "plain HTTP to example.com"),
        ({"kind": "slack", "url": "https://example.com/x", "takes": "panic"}, "severity panic"),
        ({"kind": "slack", "url": "https://example.com/x", "title": "{password}"}, "names {password}"),
        ({"kind": "slack", "url": "https://example.com/x", "title": "{loop"}, "cannot be read"),
        ({"kind": "slack", "url": "https://example.com/x", "secret": "s"}, "its address is one"),
        ({"kind": "pagerduty"}, "routing key"),
        ({"kind": "email", "host": "h"}, "--from, --to"),
    ],
)
def test_a_channel_that_cannot_work_is_refused_when_it_is_added(home, capsys, how, words):
    with pytest.raises(typer.Exit):
        channels("add", "ops", home=home.home, as_json=True, **how)
    assert words in refused(capsys)
    assert setups(home.home) == []


def test_secrets_may_stay_in_the_environment(home, tmp_path):
    with HttpReceiver() as receiver:
        channels("add", "ops", kind="slack", url="env:HOOK", home=home.home, as_json=True)
        found = HomeChannels(home.home, wall=HandClock(AT), environ={"HOOK": receiver.url}).all()
        assert found[1].notify.tell(notice()).arrived and receiver.got
    told = HomeChannels(home.home, wall=HandClock(AT), environ={}).all()[1].notify.tell(notice())
    assert not told.arrived and told.again and "no HOOK" in told.said


def test_a_channel_may_have_words_of_its_own_and_a_change_is_seen_at_once(home):
    with HttpReceiver() as receiver:
        known = HomeChannels(home.home, wall=HandClock(AT))
        assert [one.name for one in known.all()] == ["log"]
        channels("add", "ops", kind="slack", url=receiver.url, title="[{severity}] {title} ({loop})", home=home.home, as_json=True)
        known.all()[1].notify.tell(notice())
        channels("test", "ops", home=home.home, as_json=True)
    assert receiver.got[0].json()["text"] == "[page] temp &amp; dewp drifted (late-arrival)"


def test_a_fire_drill_goes_through_the_whole_path_and_leaves_no_signal(home, capsys):
    with HttpReceiver() as receiver, HttpReceiver(otherwise=(404, b"no")) as broken:
        channels("add", "ops", kind="webhook", url=receiver.url, home=home.home, as_json=True)
        channels("add", "old", kind="slack", url=broken.url, takes="notice", home=home.home, as_json=True)
        capsys.readouterr()
        fire_drill("orders", home=home.home, by="ada", because="monday", as_json=True)
        told = said(capsys)
        assert told["arrived"] and {way["channel"]: way["progress"] for way in told["deliveries"]} == {
            "log": "delivered",
            "ops": "delivered",
        }
        assert all(way["latency_ms"] > 0 for way in told["deliveries"])
        sent = [got.json() for got in receiver.got]
        assert [one["type"] for one in sent] == ["incident.opened", "incident.closed"] and all(one["notice"]["drill"] for one in sent)
        channels("add", "old", kind="slack", url=broken.url, home=home.home, as_json=True)
        capsys.readouterr()
        with pytest.raises(typer.Exit):
            fire_drill("orders", home=home.home, by="ada", patience_s=5.0)
        assert "failed" in (out := capsys.readouterr().out) and "old" in out
    assert all(one.closed_at for one in home.documents.find(Incident))
    assert home.documents.find(Signal) == [] and home.documents.get(AlertBook, "orders") is None
    kinds = [event.kind for event in home.ledger.events(loop="orders")]
    assert kinds[:4] == ["incident.opened", "drill.fired", "notice.delivered", "notice.delivered"]
    assert "notice.undelivered" in kinds


def test_a_silence_is_ordered_listed_and_ended(home, capsys):
    silence("orders", length="2h", monitor="drift", subject="a", home=home.home, by="ada", because="move", as_json=True)
    made = said(capsys)
    silence(list_them=True, home=home.home, as_json=True)
    assert [one["id"] for one in said(capsys)] == [made["id"]]
    silence(home=home.home)
    assert "drift of a" in capsys.readouterr().out
    silence(end=made["id"], home=home.home, by="ben", as_json=True)
    capsys.readouterr()
    silence("orders", list_them=True, home=home.home, as_json=True)
    assert said(capsys) == []
    assert [event.kind for event in home.ledger.events()] == ["silence.began", "silence.ended"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"length": "2h", "monitor": "drfit"}, "no monitor 'drfit'"),
        ({"length": "31d"}, "a silence of 31d"),
        ({"length": "soon"}, "not a duration"),
        ({"monitor": "drift"}, "how long?"),
        ({"end": "silence_x"}, "no silence silence_x"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(home, capsys, how, words):
    with pytest.raises(typer.Exit):
        silence("orders", home=home.home, as_json=True, by="ada", **how)
    assert words in refused(capsys)


def test_incidents_are_listed_shown_and_refused_in_words(home, capsys):
    incident(home=home.home)
    assert "all calm" in capsys.readouterr().out
    fire_drill("orders", home=home.home, by="ada", as_json=True)
    capsys.readouterr()
    incident(home=home.home, as_json=True)
    (one,) = said(capsys)
    incident(one["id"], home=home.home)
    assert "fire drill" in (out := capsys.readouterr().out) and "told      log: delivered" in out
    for how, words in (
        ({"id": "incident_x"}, "no incident"),
        ({"useful": True, "noise": True}, "useful or noise"),
        ({"ack": True}, "which"),
    ):
        with pytest.raises(typer.Exit):
            incident(home=home.home, as_json=True, by="ada", **how)
        assert words in refused(capsys)
    with pytest.raises(typer.Exit):
        incident(one["id"], ack=True, home=home.home, as_json=True, by="ada")
    assert "is over" in refused(capsys)
    tune_alerts("orders", home=home.home)
    assert "nobody has judged" in capsys.readouterr().out
