"""URLs of servers: checked without showing what they hold, shown without their password."""

from typing import Any
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit

from .errors import ConfigurationError

HIDDEN = "***"

_SECRETS = ("password", "sslpassword")
"""What a server's URL may hold in its query and nobody else may see."""


def checked(config: object, field: str, url: Any, schemes: tuple[str, ...]) -> SplitResult:
    """The parts of a URL that a server's library will read as it is meant. ConfigurationError,
    which shows none of it: a password that is not percent-encoded would be read as a host."""
    what = f"{type(config).__name__} {field}"
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    if not isinstance(url, str) or not url.startswith(tuple(f"{s}://" for s in schemes)):
        raise ConfigurationError(f"{what} does not begin with {wanted}")
    if any(character.isspace() or character < " " for character in url):
        raise ConfigurationError(f"{what} has a space or a control character in it; write %20")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError(f"{what} cannot be read as a URL") from None
    check_escapes(url, what)
    at_signs = url.count("@") > ("@" in parts.netloc)
    if "#" in url or at_signs or not _ports_are(parts):
        raise ConfigurationError(
            f"{what} cannot be read: in a user or password write %40 for @, %2F for /, %3A for :, "
            "%3F for ?, %23 for #, %25 for %; and a port is a number"
        )
    return parts


def check_escapes(url: str, what: str) -> None:
    """ConfigurationError, which shows none of the URL, where what is percent-encoded is no text:
    one library would refuse it and show it, another would read something else."""
    try:
        unquote(url, errors="strict")
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{what} cannot be read: what is percent-encoded in it is not UTF-8; write %C3%A4 for ä"
        ) from None


def _ports_are(parts: SplitResult) -> bool:
    hosts = parts.netloc.rpartition("@")[2].split(",")
    ports = [host.rpartition("]")[2].rpartition(":")[2] for host in hosts if ":" in host]
    return all(port.isdecimal() or not port for port in ports)


def shown(url: str) -> str:
    """The URL for people and logs, its password hidden."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    query = "&".join(map(_setting_shown, parts.query.split("&")))
    head = parts.scheme + "://" + user + (colon and ":" + HIDDEN) + at + hosts + parts.path
    return head + "?" + query if query else head


def _setting_shown(setting: str) -> str:
    name, mark, _ = setting.partition("=")
    return name + mark + HIDDEN if unquote(name) in _SECRETS else setting


def passwords(url: str) -> list[str]:
    """Every text that must not be shown of this URL, as written and decoded."""
    parts = urlsplit(url)
    written = parts.netloc.rpartition("@")[0].partition(":")[2]
    settings = [setting.partition("=") for setting in parts.query.split("&")]
    found = [written, *(value for name, _, value in settings if unquote(name) in _SECRETS)]
    known = {*found, *map(unquote, found), *map(unquote_plus, found)}
    return sorted(known - {""}, key=len, reverse=True)


def without_passwords(text: str, url: str) -> str:
    """A library's message about this URL, what must not be shown hidden."""
    for password in passwords(url):
        text = text.replace(password, HIDDEN)
    return text
