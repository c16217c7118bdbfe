"""What every channel that speaks HTTP promises: run this suite for each."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from noria.core.notices import Happening, Notice
from noria.ports import posting
from noria.ports.notify import Notify
from noria.testing.receivers import HttpReceiver


def notice(**how: object) -> Notice:
    """A notice like many others."""
    given = {
        "id": "incident_1:told:opened",
        "loop": "late-arrival",
        "severity": "page",
        "about": Happening.OPENED,
        "title": "temp & dewp drifted",
        "text": "temp: 78 % of rows at 24 or above,\n10 % in the reference <in March>",
        "dedupe": "incident_1",
        "incident": "incident_1",
        "at": datetime(2013, 6, 3, 6, tzinfo=UTC),
        "link": "http://127.0.0.1:7700/incidents/incident_1",
        "numbers": {"drift:temp": 0.43, "quality:auc": float("nan")},
    }
    return Notice(**{**given, **how})  # type: ignore[arg-type]


class HttpChannelContract:
    """`noria.ports.notify.Notify` over HTTP. `fine` is what the receiver answers when all is well."""

    fine: tuple[int, bytes] = (200, b"{}")

    def open(self, url: str) -> Notify:
        """The channel to that address."""
        raise NotImplementedError

    def test_a_notice_arrives_once_with_its_title_and_text(self) -> None:
        with HttpReceiver(otherwise=self.fine) as receiver:
            assert self.open(receiver.url).tell(notice()).arrived
        (got,) = receiver.got
        assert got.headers["content-type"] == "application/json"
        told = str(got.json())
        assert "dewp drifted" in told and "in the reference" in told

    def test_every_happening_can_be_told_with_and_without_a_link(self) -> None:
        with HttpReceiver(otherwise=self.fine) as receiver:
            channel = self.open(receiver.url)
            assert all(channel.tell(notice(about=about, link=link)).arrived for about in Happening for link in ("", "http://h/i"))

    @pytest.mark.parametrize("status", [500, 503, 429, 408])
    def test_what_may_pass_is_to_be_tried_again(self, status: int) -> None:
        with HttpReceiver(otherwise=(status, b"later")) as receiver:
            told = self.open(receiver.url).tell(notice())
        assert not told.arrived and told.again and str(status) in told.said

    @pytest.mark.parametrize("status", [400, 401, 404, 410])
    def test_a_refusal_is_for_good(self, status: int) -> None:
        with HttpReceiver(otherwise=(status, b"no")) as receiver:
            told = self.open(receiver.url).tell(notice())
        assert not told.arrived and not told.again and str(status) in told.said

    def test_a_redirect_is_not_followed(self) -> None:
        with HttpReceiver(otherwise=self.fine) as elsewhere, HttpReceiver(otherwise=(307, b"")) as receiver:
            receiver.headers["location"] = elsewhere.url
            told = self.open(receiver.url).tell(notice())
        assert not told.arrived and not told.again and not elsewhere.got

    def test_a_receiver_that_hangs_is_left_after_a_while(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(posting, "READ_S", 0.1)
        with HttpReceiver(otherwise=self.fine) as receiver:
            receiver.hold.set()
            told = self.open(receiver.url).tell(notice())
            receiver.hold.clear()
        assert not told.arrived and told.again

    def test_nobody_at_home_is_told_without_the_address(self) -> None:
        with HttpReceiver() as receiver:
            url = receiver.url + "/very-secret"
        told = self.open(url).tell(notice())
        assert not told.arrived and told.again and "very-secret" not in told.said

    def test_plain_http_to_others_and_link_local_addresses_are_refused(self) -> None:
        for url in ("http://example.com/x", "https://169.254.169.254/x", "ftp://127.0.0.1/x", "https://u:p@example.com/x"):
            told = self.open(url).tell(notice())
            assert not told.arrived and not told.again, url
