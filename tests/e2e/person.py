"""What a person does on the page."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect

from tests.e2e.museum import Museum
from tests.e2e.words import Words

File = tuple[str, str, bytes]
"""Name, type, content."""
WAIT = 45_000
"""ms in which a search ends on a busy machine."""

DROP = """([selector, files, kind]) => {
  const transfer = new DataTransfer();
  for (const [name, type, text] of files) {
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    transfer.items.add(new File([bytes], name, {type}));
  }
  const target = document.querySelector(selector);
  if (kind === 'paste') {
    target.dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true, cancelable: true}));
    return;
  }
  for (const name of ['dragenter', 'dragover', 'drop']) {
    target.dispatchEvent(new DragEvent(name, {dataTransfer: transfer, bubbles: true, cancelable: true}));
  }
}"""


@dataclass
class Person:
    """One window of a browser, and whoever sits before it."""

    page: Page
    museum: Museum
    t: Words
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and address of every request."""
    complaints: list[str] = field(default_factory=list)
    """What the browser complained of."""
    excused: list[str] = field(default_factory=lambda: [r"404 .*/api/images/"])
    """Patterns of complaints that a test brings about itself. The cards of earlier tests are erased, and their pictures."""
    presses: int = 0

    # what is watched all the while

    def listen(self) -> None:
        """Note requests, errors, dialogs."""
        self.page.on("request", self._requested)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)

    def _requested(self, request: Request) -> None:
        self.asked.append((request.method, request.url))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _dialog(self, dialog: Any) -> None:
        if dialog.type == "beforeunload":
            dialog.accept()
            return
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def strange_requests(self) -> list[str]:
        """Requests to other origins than the page's and S3's."""
        known = {self.museum.base, self.museum.s3}
        origins = {
            f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for _, url in self.asked if not url.startswith(("blob:", "data:"))
        }
        return sorted(origins - known)

    def sent(self) -> list[str]:
        """What was asked for that makes or carries an upload."""
        return [
            f"{method} {url}"
            for method, url in self.asked
            if url.startswith(self.museum.s3) or (method == "POST" and url.endswith("/api/uploads"))
        ]

    def unexcused(self) -> list[str]:
        """Complaints that no test brought about."""
        return [one for one in self.complaints if not any(re.search(pattern, one) for pattern in self.excused)]

    # ways

    def go(self, path: str = "") -> Person:
        """Open an address of the page."""
        address = f"{self.museum.base}/#/{path}"
        self.page.evaluate("document.querySelector('#main h1')?.setAttribute('data-before', '')")
        if self.page.url == address:
            self.page.reload()
        else:
            self.page.goto(address)
        expect(self.page.locator("#main h1:not([data-before])").first).to_be_visible()
        return self

    @property
    def main(self) -> Locator:
        """The part that changes."""
        return self.page.locator("#main")

    def button(self, key: str, within: Locator | Page | None = None, **values: object) -> Locator:
        """A button by the key of what is written on it."""
        return (within or self.page).get_by_role("button", name=self.t(key, **values), exact=True)

    def link(self, key: str, within: Locator | Page | None = None) -> Locator:
        """A link by the key of what is written on it."""
        return (within or self.page).get_by_role("link", name=self.t(key), exact=True)

    def press(self, key: str) -> None:
        """One press of a key, counted."""
        self.presses += 1
        self.page.keyboard.press(key)

    # photos

    def choose(self, *files: File, key: str = "search.choose") -> None:
        """Choose files in the browser's dialog."""
        with self.page.expect_file_chooser() as chooser:
            self.button(key).first.click()
        chooser.value.set_files([{"name": name, "mimeType": kind, "buffer": body} for name, kind, body in files])

    def drop(self, *files: File, on: str = ".drop", kind: str = "drop") -> None:
        """Drop files, or paste them."""
        sent = [[name, mime, base64.b64encode(body).decode()] for name, mime, body in files]
        self.page.evaluate(DROP, [on, sent, kind])

    def find(self) -> str:
        """Press the button that begins the search; the query's id."""
        expect(self.main.locator(".drop.reading")).to_have_count(0)
        before = self.page.url
        self.page.get_by_role("button", name=self.t("search.go")).click()
        self.page.wait_for_function("(was) => location.href !== was && /#\\/q\\//.test(location.hash)", arg=before)
        return self.query

    @property
    def query(self) -> str:
        """The id of the query in the address."""
        found = re.search(r"#/q/([\w-]+)", self.page.url)
        assert found, self.page.url
        return found[1]

    def result(self) -> None:
        """Wait until the result is shown."""
        expect(self.main.locator(".hits")).to_have_attribute("aria-busy", "false")

    def search(self, photo: bytes, name: str = "photo.jpg") -> str:
        """Choose a photo, find, wait; the query's id."""
        self.go()
        self.choose((name, "image/jpeg", photo))
        query = self.find()
        self.result()
        return query

    def found(self, photo: bytes) -> str:
        """Open the result of a photo that was searched before, as from a link; the query's id."""
        query = self.museum.searched(photo)
        self.go(f"q/{query}")
        self.result()
        return query

    def told(self, query: str, **changed: Any) -> None:
        """Open a query whose result is told otherwise than it is; ``hits`` may be a function of the hits."""
        said = self.museum.result(query)
        top = {name: changed.pop(name) for name in ("scope", "filter", "region", "of", "said") if name in changed}
        if callable(changed.get("hits")):
            changed["hits"] = changed["hits"](said["result"]["hits"])
        told = json.dumps({**said, **top, "result": {**said["result"], **changed}})
        pattern = f"**/api/queries/{query}/events"
        self.page.unroute(pattern)
        body = f"event: result\ndata: {told}\n\n"
        self.page.route(pattern, lambda route: route.fulfill(content_type="text/event-stream", body=body))
        self.page.goto("about:blank")
        self.go(f"q/{query}")
        self.result()

    @property
    def hits(self) -> Locator:
        """The objects that are shown."""
        return self.main.locator(".hits > .hit")

    def names(self) -> list[str]:
        """Their names."""
        return [re.sub(r"^\d+\. ", "", text) for text in self.hits.locator("h3").all_text_contents()]

    # a card

    def field(self, name: str) -> Locator:
        """The row of a field."""
        return self.page.locator(f'[data-field="{name}"]')

    def value(self, name: str) -> Locator:
        """Where the field is written."""
        return self.field(name).locator("textarea, select").first

    def saved(self) -> None:
        """Wait until the card says that it is saved."""
        expect(self.page.locator(".save-line.saved")).to_have_text(self.t.like("save.saved"))
