"""Tells who is on call by PagerDuty's Events API v2, or by what takes the same (Opsgenie, Grafana OnCall, …)."""

from __future__ import annotations

from noria.core.notices import Happening, Notice, Told, Words
from noria.ports.posting import post

URL = "https://events.pagerduty.com/v2/enqueue"

_ACTIONS = {Happening.ACKNOWLEDGED: "acknowledge", Happening.CLOSED: "resolve"}
_SUMMARY_LIMIT, _KEY_LIMIT = 1_024, 255


class PagerDuty:
    """Triggers, acknowledges and resolves; all that is told of one incident has its `dedup_key`.

    Args:
        secret: The routing (integration) key.
    """

    def __init__(self, url: str = URL, *, secret: str, words: Words, plain: bool = False) -> None:
        self._url, self._secret, self._words, self._plain = url or URL, secret, words, plain

    def tell(self, notice: Notice) -> Told:
        """See `noria.ports.notify.Notify`."""
        body: dict[str, object] = {
            "routing_key": self._secret,
            "event_action": _ACTIONS.get(notice.about, "trigger"),
            "dedup_key": notice.dedupe[:_KEY_LIMIT],
        }
        if notice.about not in _ACTIONS:
            body["payload"] = {
                "summary": self._words.title_of(notice)[:_SUMMARY_LIMIT],
                "source": notice.loop,
                "severity": "info" if notice.drill else "critical" if notice.severity == "page" else "warning",
                "timestamp": notice.at.isoformat(),
                "component": "noria",
                "custom_details": {"text": self._words.text_of(notice), "incident": notice.incident, "drill": notice.drill},
            }
            body["client"] = "Noria"
            body |= {"client_url": notice.link, "links": [{"href": notice.link, "text": "Look"}]} if notice.link else {}
        return post(self._url, body, plain=self._plain)
