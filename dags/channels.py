"""Channels of an alert besides the local file: mail and Slack, by Airflow connections.

NIGHTSHELF_ALERT_SMTP_CONN, to the addresses of NIGHTSHELF_ALERT_TO, and NIGHTSHELF_ALERT_SLACK_CONN, an incoming webhook.
Each channel has a thread and a few seconds; whether it fails or not, the task goes on.
"""

from __future__ import annotations

import html
import os
import re
import threading
import time
from collections.abc import Callable, Mapping

LIMIT_S = 5.0
MAX_CHARS = 600
Alert = Mapping[str, str | int | bool | None]
Send = Callable[[Alert], object]


def channels() -> dict[str, Send]:
    """The configured channels, by name."""
    configured: dict[str, Send] = {}
    if os.environ.get("NIGHTSHELF_ALERT_SMTP_CONN"):
        configured["smtp"] = by_mail
    if os.environ.get("NIGHTSHELF_ALERT_SLACK_CONN"):
        configured["slack"] = by_slack
    return configured


def send(alert: Alert) -> dict[str, str]:
    """Send an alert through all channels in parallel; returns the errors, by channel."""
    errors = {name: f"no answer in {LIMIT_S:g} s" for name in channels()}

    def deliver(name: str, channel: Send) -> None:
        try:
            channel(alert)
        except Exception as error:  # noqa: BLE001 an alert must not fail its task
            errors[name] = f"{type(error).__name__}: {_quiet(str(error))}"
        else:
            del errors[name]

    # daemons: a server that never answers does not keep the task's process
    threads = [threading.Thread(target=deliver, args=named, daemon=True) for named in channels().items()]
    for thread in threads:
        thread.start()
    until = time.monotonic() + LIMIT_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(errors)


def by_mail(alert: Alert) -> None:
    """One mail to the addresses of NIGHTSHELF_ALERT_TO.

    Raises:
        ValueError: there are no addresses.
    """
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    to = [address.strip() for address in os.environ.get("NIGHTSHELF_ALERT_TO", "").split(",") if address.strip()]
    if not to:
        raise ValueError("NIGHTSHELF_ALERT_TO is empty; expected addresses, separated by commas")
    lines = html.escape("\n".join(_lines(alert)))
    linked = re.sub(r"(https?://\S+)", r'<a href="\1">\1</a>', lines)
    with SmtpHook(os.environ["NIGHTSHELF_ALERT_SMTP_CONN"]) as server:
        server.send_email_smtp(to=to, subject=f"[nightshelf] {subject(alert)}", html_content=f"<pre>{linked}</pre>")


def by_slack(alert: Alert) -> None:
    """One message to the webhook's channel; nothing in it is read as markup or as a mention."""
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    text = "\n".join(_lines(alert))
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):  # Slack's own rule
        text = text.replace(sign, name)
    hook = SlackWebhookHook(slack_webhook_conn_id=os.environ["NIGHTSHELF_ALERT_SLACK_CONN"], timeout=int(LIMIT_S))
    hook.send(text=text, mrkdwn=False, unfurl_links=False)


def subject(alert: Alert) -> str:
    """DAG, task and day, and whether it failed: one line."""
    what = ".".join(str(alert[name]) for name in ("dag", "task") if alert.get(name))
    how = "failed" if alert.get("failed", True) else "wants a look"
    return " ".join(f"{what} {alert.get('day') or ''} {how}".split())


def _lines(alert: Alert) -> list[str]:
    """The text that is sent: names, the partition's day, the failure, two links."""
    site = os.environ.get("NIGHTSHELF_SITE_URL", "")
    return [
        subject(alert),
        public(str(alert.get("public") or "")),
        *([f"log: {alert['log_url']}"] if alert.get("log_url") else []),
        *([f"Data Docs: {site}/data_docs/index.html"] if site else []),
    ]


def public(text: str) -> str:
    """A text without its quotations and without control characters.

    Commands report names and counts. A library quotes the data in its errors, perhaps a query that somebody typed:
    the log may hold it, a mail server must not.
    """
    shown = re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", " ", text)
    return re.sub(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|„[^”\n]*”|“[^”\n]*”", "…", shown)[:MAX_CHARS]


def _quiet(text: str) -> str:
    """An error of a channel without URLs: that of a webhook is a secret."""
    return re.sub(r"\S+://\S+", "…", public(text))[:200]
