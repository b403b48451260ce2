"""A page of named SQL statements: ``-- name: x`` lines part a file into texts."""

import pkgutil  # importlib.resources would bring zipfile, tempfile and more into each server
import re
from collections.abc import Sequence


def text_of(package: str, file: str) -> str:
    """A text file that lies beside a package's modules."""
    data = pkgutil.get_data(package, file)
    assert data is not None, f"{package} has no {file}"
    return data.decode().replace("\r\n", "\n")


def read_page(package: str, file: str, mark: str = "name") -> dict[str, str]:
    """The texts of a page by name, in the page's order, without the comment lines at their head."""
    parts = re.split(rf"^-- {mark}: (\S+)\n", text_of(package, file), flags=re.MULTILINE)
    names, bodies = parts[1::2], parts[2::2]
    return {
        name: re.sub(r"\A(--.*\n)+", "", body).strip()
        for name, body in zip(names, bodies, strict=True)
    }


def read_statements(package: str, pages: Sequence[str], *fragments: str) -> dict[str, str]:
    """The statements of some pages, with ``{fragment}`` replaced by the text of that name. A
    fragment may hold later ones."""
    page = {name: text for file in pages for name, text in read_page(package, file).items()}
    pieces = {name: page.pop(name) for name in fragments}
    for name, text in page.items():
        full = text
        for fragment, piece in pieces.items():
            full = full.replace("{" + fragment + "}", piece)
        page[name] = full
    return page
