"""The channels keep the promises of `noria.ports.notify`, and each receiver's own protocol."""

import base64
import email
import hashlib
import hmac
import json
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from email import policy
from urllib.parse import parse_qs, urlsplit

import pytest

from noria.adapters.tell_dingtalk import DingTalk
from noria.adapters.tell_email import Email, Server
from noria.adapters.tell_feishu import Feishu
from noria.adapters.tell_pagerduty import PagerDuty
from noria.adapters.tell_slack import Slack
from noria.adapters.tell_webhook import Webhook
from noria.adapters.tell_wecom import WeCom
from noria.adapters.told_in_log import ToldInLog
from noria.core.errors import RequestInvalid
from noria.core.notices import Happening, Words
from noria.core.signing import verify_webhook
from noria.testing.clocks import HandClock
from noria.testing.notify import HttpChannelContract, notice
from noria.testing.receivers import HttpReceiver, MailReceiver

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
WALL = HandClock(NOW)
WORDS = Words()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class TestWebhook(HttpChannelContract):
    def open(self, url):
        return Webhook(url, secret=SECRET, words=WORDS, wall=WALL)

    def test_its_signature_is_one_that_a_receiver_can_check(self):
        with HttpReceiver() as receiver:
            self.open(receiver.url).tell(notice())
        (got,) = receiver.got
        assert got.headers["webhook-id"] == notice().id
        verify_webhook(SECRET, got.headers, got.body, now_s=NOW.timestamp() + 200)
        for change in (
            {"body": got.body + b" "},
            {"now_s": NOW.timestamp() + 301},
            {"now_s": NOW.timestamp() - 301},
            {"secret": "whsec_" + base64.b64encode(b"another").decode()},
            {"headers": {**got.headers, "webhook-id": "another"}},
            {"headers": {k: v for k, v in got.headers.items() if k != "webhook-timestamp"}},
        ):
            given = {"secret": SECRET, "headers": got.headers, "body": got.body, "now_s": NOW.timestamp()} | change
            with pytest.raises(RequestInvalid):
                verify_webhook(given["secret"], given["headers"], given["body"], now_s=given["now_s"])

    def test_its_body_has_all_of_the_notice(self):
        with HttpReceiver() as receiver:
            self.open(receiver.url).tell(notice())
        told = receiver.got[0].json()
        assert told["type"] == "incident.opened"
        assert told["notice"]["dedupe"] == "incident_1"
        assert told["notice"]["numbers"] == {"drift:temp": 0.43, "quality:auc": None}

    def test_without_a_secret_it_is_unsigned(self):
        with HttpReceiver() as receiver:
            Webhook(receiver.url, words=WORDS, wall=WALL).tell(notice())
        assert "webhook-signature" not in receiver.got[0].headers


@pytest.mark.parametrize(
    ("secret", "id", "at", "body", "signature"),
    [
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ("whsec_plJ3nmyCDGBKInavdOK15jsl", "msg_loFOjxBNrRLzqYUf", 1731705121, b'{"event_type":"ping","data":{"success":true}}', "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="),
    ],
)  # fmt: skip
def test_signatures_are_those_of_standard_webhooks(secret, id, at, body, signature):
    headers = {"Webhook-Id": id, "Webhook-Timestamp": str(at), "Webhook-Signature": f"v1,old {signature}"}
    verify_webhook(secret, headers, body, now_s=at)


class TestSlack(HttpChannelContract):
    fine = (200, b"ok")

    def open(self, url):
        return Slack(url, words=WORDS)

    def test_it_says_what_slack_shows_and_escapes_what_slack_reads(self):
        with HttpReceiver(otherwise=self.fine) as receiver:
            self.open(receiver.url).tell(notice())
        told = receiver.got[0].json()
        assert told["text"] == "late-arrival: temp &amp; dewp drifted"
        header, section, actions = told["blocks"]
        assert header["text"]["text"] == "late-arrival: temp & dewp drifted"
        assert "&lt;in March&gt;" in section["text"]["text"]
        assert actions["elements"][0]["url"].endswith("/incidents/incident_1")


class TestFeishu(HttpChannelContract):
    fine = (200, b'{"code": 0, "msg": "success"}')

    def open(self, url):
        return Feishu(url, secret="shh", words=WORDS, wall=WALL)

    def test_its_signature_is_feishus(self):
        with HttpReceiver(otherwise=self.fine) as receiver:
            self.open(receiver.url).tell(notice())
        told = receiver.got[0].json()
        key = f"{told['timestamp']}\nshh".encode()
        assert told["sign"] == base64.b64encode(hmac.new(key, digestmod=hashlib.sha256).digest()).decode()
        assert told["timestamp"] == str(int(NOW.timestamp()))
        assert told["msg_type"] == "interactive" and told["card"]["header"]["template"] == "red"

    @pytest.mark.parametrize(("code", "again"), [(19021, False), (9499, True)])
    def test_a_refusal_with_status_200_is_a_refusal(self, code, again):
        with HttpReceiver(otherwise=(200, json.dumps({"code": code, "msg": "sign match fail"}).encode())) as receiver:
            told = self.open(receiver.url).tell(notice())
        assert (told.arrived, told.again) == (False, again) and "sign match fail" in told.said

    def test_its_older_answer_counts_too_and_nonsense_does_not(self):
        with HttpReceiver(answers=[(200, b'{"StatusCode":0}'), (200, b"<html>")]) as receiver:
            channel = self.open(receiver.url)
            assert channel.tell(notice()).arrived
            assert not channel.tell(notice()).arrived


class TestDingTalk(HttpChannelContract):
    fine = (200, b'{"errcode": 0, "errmsg": "ok"}')

    def open(self, url):
        return DingTalk(url, secret="SECshh", words=WORDS, wall=WALL)

    def test_its_signature_is_dingtalks(self):
        with HttpReceiver(otherwise=self.fine) as receiver:
            self.open(receiver.url + "?access_token=t").tell(notice())
        asked = {name: values[0] for name, values in parse_qs(urlsplit(receiver.got[0].path).query).items()}
        at = str(int(NOW.timestamp() * 1000))
        wanted = base64.b64encode(hmac.new(b"SECshh", f"{at}\nSECshh".encode(), hashlib.sha256).digest()).decode()
        assert asked == {"access_token": "t", "timestamp": at, "sign": wanted}
        assert receiver.got[0].json()["markdown"]["title"] == "late-arrival: temp & dewp drifted"

    def test_a_refusal_with_status_200_is_a_refusal(self):
        with HttpReceiver(otherwise=(200, b'{"errcode": 310000, "errmsg": "sign not match"}')) as receiver:
            told = self.open(receiver.url).tell(notice())
        assert not told.arrived and not told.again


class TestWeCom(HttpChannelContract):
    fine = (200, b'{"errcode": 0, "errmsg": "ok"}')

    def open(self, url):
        return WeCom(url, words=WORDS)

    def test_what_is_too_long_is_cut_by_bytes_and_keeps_its_link(self):
        with HttpReceiver(otherwise=self.fine) as receiver:
            assert self.open(receiver.url).tell(notice(text="飞" * 3_000)).arrived
        content = receiver.got[0].json()["markdown"]["content"]
        assert len(content.encode()) <= 4_096 and content.endswith("incidents/incident_1)")

    def test_too_many_are_tried_again(self):
        with HttpReceiver(otherwise=(200, b'{"errcode": 45009, "errmsg": "api freq out of limit"}')) as receiver:
            assert self.open(receiver.url).tell(notice()).again


class TestPagerDuty(HttpChannelContract):
    fine = (202, b'{"status": "success", "dedup_key": "incident_1"}')

    def open(self, url):
        return PagerDuty(url, secret="key", words=WORDS)

    def test_it_triggers_acknowledges_and_resolves_under_one_key(self):
        with HttpReceiver(otherwise=self.fine) as receiver:
            for about in (Happening.OPENED, Happening.ACKNOWLEDGED, Happening.CLOSED):
                self.open(receiver.url).tell(notice(about=about))
        told = [got.json() for got in receiver.got]
        assert [one["event_action"] for one in told] == ["trigger", "acknowledge", "resolve"]
        assert {one["dedup_key"] for one in told} == {"incident_1"} and {one["routing_key"] for one in told} == {"key"}
        assert told[0]["payload"]["severity"] == "critical" and told[0]["payload"]["summary"].startswith("late-arrival")
        assert "payload" not in told[2]

    def test_a_drill_does_not_cry_wolf(self):
        with HttpReceiver(otherwise=self.fine) as receiver:
            self.open(receiver.url).tell(notice(drill=True))
        assert receiver.got[0].json()["payload"]["severity"] == "info"


def mailer(port, **how):
    server = Server(host="127.0.0.1", port=port, tls="none")
    return Email(server, sender="noria@example.com", to=["ada@example.com", "ben@example.com"], words=how.get("words", WORDS), wall=WALL)


def test_a_mail_has_text_and_html_and_is_one_thread_with_its_incident():
    with MailReceiver() as receiver:
        assert mailer(receiver.port).tell(notice()).arrived
        assert mailer(receiver.port).tell(notice(id="incident_1:told:closed", about=Happening.CLOSED, title="Over: ä\nBcc: x@y")).arrived
    first, second = (email.message_from_string(one, policy=policy.default) for one in receiver.mails)
    assert first["subject"] == "late-arrival: temp & dewp drifted" and first["to"] == "ada@example.com, ben@example.com"
    assert first["references"] == second["references"] and first["message-id"] != second["message-id"]
    text, html = (part.get_content() for part in first.iter_parts())
    assert "10 % in the reference <in March>" in text and "&lt;in March&gt;" in html and "/incidents/incident_1" in html
    assert second["bcc"] is None and "Bcc: x@y" in second["subject"]


def test_mail_goes_unencrypted_to_this_machine_alone_and_a_refusal_is_told():
    told = Email(Server(host="mail.example.com", tls="none"), sender="a@b.c", to=["d@e.f"], words=WORDS, wall=WALL).tell(notice())
    assert not told.arrived and not told.again
    with MailReceiver(refuse="550 no such user") as receiver:
        told = mailer(receiver.port).tell(notice())
    assert not told.arrived and not told.again
    with MailReceiver(refuse="451 later") as receiver:
        port = receiver.port
        assert mailer(port).tell(notice()).again
    told = mailer(port).tell(notice())
    assert not told.arrived and told.again


def test_mail_is_not_handed_in_where_the_server_cannot_encrypt():
    with MailReceiver() as receiver:
        server = Server(host="127.0.0.1", port=receiver.port, tls="starttls")
        told = Email(server, sender="a@b.c", to=["d@e.f"], words=WORDS, wall=WALL).tell(notice())
    assert not told.arrived and not receiver.mails


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of this machine's own, and a context that answers with it."""
    folder = tmp_path_factory.mktemp("tls")
    made = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]
    try:
        subprocess.run(["openssl", *made, "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return folder / "cert", context


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_mail_is_encrypted_for_a_server_that_is_trusted_and_not_handed_to_another(certificate, tls):
    file, context = certificate
    with MailReceiver(context=context, from_first_byte=tls == "tls") as receiver:

        def told(authorities):
            server = Server(
                host="localhost", port=receiver.port, tls=tls, user="noria", password="shh", authorities=authorities
            )  # fmt: skip
            return Email(server, sender="a@b.c", to=["d@e.f"], words=WORDS, wall=WALL).tell(notice())

        assert told(str(file)).arrived
        assert len(receiver.mails) == 1 and base64.b64decode(receiver.logins[0]) == b"\0noria\0shh"
        refused = told("")
        assert not refused.arrived and "certificate" in refused.said.lower() and len(receiver.mails) == 1


def test_the_log_is_a_line_of_json(tmp_path):
    log = ToldInLog(tmp_path / "notices.log", clock=HandClock(NOW + timedelta(seconds=1)))
    assert log.tell(notice()).arrived and log.tell(notice(id="2")).arrived
    assert [json.loads(line)["id"] for line in (tmp_path / "notices.log").read_text().splitlines()] == [notice().id, "2"]
    assert not ToldInLog(tmp_path / "gone" / "notices.log", clock=WALL).tell(notice()).arrived
