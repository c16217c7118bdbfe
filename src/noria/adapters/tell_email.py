"""Tells people by e-mail: plain text and HTML, over TLS."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape

from noria.core.notices import Notice, Told, Words
from noria.ports.clock import Clock
from noria.ports.posting import on_loopback

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where mail is handed in.

    Attributes:
        tls: "starttls", "tls" from the first byte, or "none", which only this machine is trusted with.
    """

    host: str
    port: int = 587
    tls: str = "starttls"
    user: str = ""
    password: str = ""
    authorities: str = ""


class Email:
    """One mail per notice; all of one incident are one thread, and a mail sent twice has the same Message-ID."""

    def __init__(self, server: Server, *, sender: str, to: Sequence[str], words: Words, wall: Clock) -> None:
        self._server, self._sender, self._to, self._words, self._wall = server, sender, tuple(to), words, wall

    def tell(self, notice: Notice) -> Told:
        """See `noria.ports.notify.Notify`."""
        if self._server.tls == "none" and not on_loopback(self._server.host):
            return Told(arrived=False, said=f"mail to {self._server.host} would go unencrypted", again=False)
        try:
            with self._open() as smtp:
                if self._server.user:
                    smtp.login(self._server.user, self._server.password)
                refused = smtp.send_message(self.written(notice))
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
            return Told(arrived=False, said=f"SMTP {error.smtp_code}: {said}"[:300], again=error.smtp_code < 500)
        except smtplib.SMTPRecipientsRefused as error:
            again = all(code < 500 for code, _ in error.recipients.values())
            return Told(arrived=False, said=f"nobody of {', '.join(error.recipients)} is taken"[:300], again=again)
        except (smtplib.SMTPException, ssl.SSLError, OSError) as error:
            return Told(arrived=False, said=f"{type(error).__name__}: {error}"[:300])
        return Told(arrived=True, said=f"handed in, but not for {', '.join(refused)}" if refused else "handed in")

    def written(self, notice: Notice) -> EmailMessage:
        """The notice as a mail."""
        title, text = self._words.title_of(notice), self._words.text_of(notice)
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = title, self._sender, ", ".join(self._to)
        mail["Date"] = format_datetime(self._wall.now())
        mail["Message-ID"] = self._id(notice.id)
        mail["References"] = self._id(notice.dedupe)
        mail["Auto-Submitted"] = "auto-generated"
        if notice.severity == "page":
            mail["Importance"] = "high"
        mail.set_content(f"{text}\n\n{notice.link}\n" if notice.link else f"{text}\n")
        mail.add_alternative(_html(title, text, notice.link), subtype="html")
        return mail

    def _open(self) -> smtplib.SMTP:
        server = self._server
        context = ssl.create_default_context(cafile=server.authorities or None)
        if server.tls == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=context)
        smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
        if server.tls != "none":
            try:
                smtp.starttls(context=context)
            except BaseException:
                smtp.close()
                raise
        return smtp

    def _id(self, name: str) -> str:
        host = self._sender.rpartition("@")[2].strip("> ") or "noria"
        return f"<{hashlib.sha256(name.encode()).hexdigest()[:32]}@{host}>"


def _html(title: str, text: str, link: str) -> str:
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in text.splitlines() if line.strip())
    button = f'<p><a href="{escape(link, quote=True)}">Look at it</a></p>' if link else ""
    return f'<html><body style="font-family:sans-serif;line-height:1.5"><h2>{escape(title)}</h2>{paragraphs}{button}</body></html>'
