"""Where a remote is and what opens it: addresses without passwords, and tokens that leave by environment alone."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from merge_bot.errors import RepositoryError
from merge_bot.git import remote_letters as letters
from merge_bot.git.secrets import hide


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token for HTTPS remotes; `user` is what GitHub expects beside it. It leaves by environment alone."""

    token: str = field(repr=False)
    user: str = "x-access-token"

    def settings(self, url: str) -> list[tuple[str, str]]:
        """Git settings that send it to this URL only, in place of what others stored for that."""
        basic = b64encode(f"{self.user}:{self.token}".encode()).decode()
        hide(self.token, quote(self.token, safe=""), basic)
        # An empty value drops headers set before: with two, GitHub answers 400.
        header = f"http.{url}.extraheader"
        return [(header, ""), (header, f"AUTHORIZATION: basic {basic}"), ("credential.helper", "")]


def address(url: str) -> tuple[str, Credentials | None]:
    """A URL (or a path) as it may be shown, and the credentials that stood in it. Raises RepositoryError."""
    refuse_odd(url)
    if "/" not in url and ":" not in url:
        raise RepositoryError(letters.no_such_remote(url))
    return without_password(url)


def refuse_odd(url: str) -> None:
    """Raise RepositoryError for what git could take for an option, or for two lines."""
    if not url or url.startswith("-") or "\n" in url or "\0" in url:
        raise RepositoryError(letters.odd_url(url))


def without_password(url: str) -> tuple[str, Credentials | None]:
    """A URL as it may be shown, and the credentials that stood in it."""
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() not in ("http", "https") or "@" not in parts.netloc:
            return url, None
    except ValueError:
        return url, None
    secret, _, host = parts.netloc.rpartition("@")
    user, _, password = secret.partition(":")
    bare = urlunsplit(parts._replace(netloc=host))
    return bare, Credentials(unquote(password or user), unquote(user) if password else "x-access-token")
