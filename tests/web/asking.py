"""A client that asks as a browser does: it keeps cookies, and sends the forms that pages have."""

import html
import re
from urllib.parse import urlencode

BROWSER = {"Sec-Fetch-Site": "same-origin"}


class Client:
    """A client of an app's dashboard at ``prefix``."""

    def __init__(self, app, prefix="/qml"):
        self.app, self.prefix = app, prefix
        self.http = app.test_client()

    def get(self, path="/", status=200, **options):
        """The answer to a page's address; ``path`` may have parameters: ``get("/job", id=...)``."""
        headers = options.pop("headers", None)
        environ = options.pop("environ", {})
        query = f"?{urlencode(options, doseq=True)}" if options else ""
        answer = self.http.get(
            self.prefix + path + query, headers=headers, environ_overrides=environ
        )
        assert answer.status_code == status, (answer.status_code, answer.text[:600])
        return answer

    def live(self, path="/", status=200, etag=None, **options):
        """What the script asks for."""
        headers = {"Qml-Live": "1"} | ({"If-None-Match": etag} if etag else {})
        return self.get(path, status, headers=headers, **options)

    def token(self):
        """What forms of this client's pages bring along."""
        return re.search(r'name="_form" value="([^"]+)"', self.get("/jobs", batch="none").text)[1]

    def post(self, path, fields, status=303, headers=BROWSER, token=None):
        """The answer to a form."""
        given = {"_form": self.token() if token is None else token, **fields}
        answer = self.http.post(self.prefix + path, data=given, headers=headers)
        assert answer.status_code == status, (answer.status_code, answer.text[:600])
        return answer

    def said(self, answer):
        """What the page after a form tells."""
        page = self.http.get(answer.headers["Location"]).text
        found = re.search(r'<p class="said[^>]*>(.*?)</p>', page, re.DOTALL)
        return html.unescape(found[1])


def text(answer):
    """The words of a page, without its marks."""
    body = re.sub(r"<(head|svg)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def links(answer):
    """The addresses that a page links to."""
    return [html.unescape(found) for found in re.findall(r'href="([^"]*)"', answer.text)]
