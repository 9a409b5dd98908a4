"""Links that files may be fetched from."""

from urllib.parse import urlsplit

from mfaranet.errors import InputError


def check_link(url: str, where: str) -> None:
    """Refuse a link by which others could read or change what is fetched, or in which a secret stands.

    Args:
        url: from params.yaml.
        where: its key, for people.

    Raises:
        InputError: it begins neither with https:// nor with the address of this machine, or has a user or password.
    """
    try:
        secret = "@" in urlsplit(url).netloc
    except ValueError:
        secret = False
    if secret:
        raise InputError(
            f"{where}: a user or password in a link would end up in files and logs; take them out, and put them into "
            "~/.netrc, which downloads read"
        )
    if not (is_https(url) or is_local(url)):
        raise InputError(
            f"{where}: {url} is no https link, so what it gives could be anybody's; use one, or a local file"
        )


def is_https(url: str) -> bool:
    """Whether nobody between here and the server can read or change what is fetched."""
    return url.startswith("https://")


def is_local(url: str) -> bool:
    """Whether this machine itself is the server."""
    return url.startswith(("http://127.0.0.1:", "http://localhost:", "http://[::1]:"))
