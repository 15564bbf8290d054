"""The settings of one named service: its Astakos, and the token that only workers have."""

import ipaddress
from pathlib import Path
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

#: `package.module:function`; empty: there is no owner.
OwnerPath = Annotated[str, StringConstraints(pattern=r"^([A-Za-z_]\w*(\.\w+)*[.:][A-Za-z_]\w*)?$")]


class ServiceSettings(BaseModel):
    """One named service."""

    # The value of a misspelt setting may be a token, so errors do not show values (F62).
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True
    )

    auth_url: str
    token: SecretStr | None = None
    #: Read again when the file changes: a token is rotated without a restart (F60).
    token_file: Path | None = None
    #: The certificates of the authority that signed Astakos' own; empty: the public authorities.
    ca_file: Path | None = None
    #: As `Settings.usage`, for this service alone.
    usage: str = ""
    #: As `Settings.owner`, for this service alone.
    owner: OwnerPath | None = None

    @field_validator("auth_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        """Check what can be checked without asking: a misspelt address never answers."""
        if any(character.isspace() or not character.isprintable() for character in url):
            raise ValueError("has a space or a line break in it")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("the port must be a number from 1 to 65535") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an https:// or http:// address with a host")
        if port == 0:
            raise ValueError("the port must be a number from 1 to 65535")
        return url

    @field_validator("token")
    @classmethod
    def _is_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None:
            checked_token(token.get_secret_value())
        return token

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if (self.token is None) == (self.token_file is None):
            raise ValueError("give either TOKEN or TOKEN_FILE")
        return self

    @property
    def in_clear(self) -> bool:
        """Whether the token travels unencrypted: by `http://` to another machine."""
        parts = urlsplit(self.auth_url)
        return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def checked_token(text: str) -> str:
    """Return a token; `ValueError` says why the text is none, and repeats nothing of it."""
    if not text:
        raise ValueError("is empty")
    if text.startswith("\ufeff"):
        raise ValueError("begins with a byte-order mark; save it as plain ASCII text")
    if any(character.isspace() for character in text):
        raise ValueError("has a space or a line break in it")
    if not (text.isascii() and text.isprintable()):
        raise ValueError("has a character in it that is no visible ASCII character")
    return text


def read_token(path: Path) -> str:
    """Return the token in a file; `ValueError` says what is wrong with the file.

    Spaces and line breaks around the token do not belong to it.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ValueError(f"the token file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the token file {path} is not text") from None
    try:
        return checked_token(text.strip())
    except ValueError as error:
        raise ValueError(f"the token in the file {path} {error}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
