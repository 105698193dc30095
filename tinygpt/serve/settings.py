"""The server's settings: from the environment (TINYGPT_…), and flags, which come first."""

import ipaddress
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tinygpt.errors import ConfigError


class Settings(BaseSettings):
    """Each is the environment's TINYGPT_NAME, in capitals. `read_settings` explains mistakes."""

    model_config = SettingsConfigDict(
        env_prefix="TINYGPT_", extra="ignore", protected_namespaces=(), env_ignore_empty=True
    )

    model_path: str | None = Field(
        None, description="a checkpoint or a run's folder (default: the shipped model)"
    )
    model_name: str | None = Field(
        None, min_length=1, description="what clients call the model (default: its file's name)"
    )
    device: Literal["auto", "cpu", "gpu", "cuda"] = Field("auto", description="auto, cpu or gpu")
    dtype: Literal["float32", "float64", "int8"] | None = Field(
        None, description="float32 (the default), float64 or int8"
    )
    host: str = Field("127.0.0.1", description="the address to listen at")
    port: int = Field(8000, ge=0, le=65535, description="from 0 (any free one) to 65535")
    api_key: SecretStr | None = Field(None, description="the key that clients must send")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error"
    )
    cors_origins: str = Field(
        "", description="web sites whose pages may call, with commas between (default: none)"
    )
    chat_template: Literal["plain", "roles"] = Field("plain", description="plain or roles")
    batch_size: int = Field(32, ge=1, le=4096, description="texts drawn side by side, from 1")
    queue_size: int = Field(256, ge=0, le=10**6, description="texts that may wait, from 0")
    max_body_bytes: int = Field(
        1 << 20, ge=1024, le=1 << 30, description="bytes of a request, from 1024"
    )
    max_prompt_tokens: int = Field(8192, ge=1, le=1 << 20, description="tokens of a prompt, from 1")
    max_new_tokens: int = Field(4096, ge=1, le=10**6, description="tokens of one answer, from 1")
    grace_seconds: float = Field(
        10.0, ge=0, le=3600, description="seconds that texts may still take when the server stops"
    )

    @property
    def capacity(self) -> int:
        """How many texts may run and wait together."""
        return self.batch_size + self.queue_size


def read_settings(**flags: Any) -> Settings:
    """The settings, flags that are not None first.

    Raises ConfigError for a value that cannot be, and for a host that others can reach when no
    key is set.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        field = Settings.model_fields[name]
        where = f"--{name.replace('_', '-')}" if name in given else f"TINYGPT_{name.upper()}"
        raise ConfigError(
            f"{where} is {first['input']!r:.60}; it must be {field.description}"
        ) from None
    key = settings.api_key
    if key is not None and not _can_be_sent(key.get_secret_value()):
        raise ConfigError(
            "the API key is empty, begins or ends with a blank, or has a sign that cannot be "
            "printed, so no client can send it; give another, or none"
        )
    if key is None and not is_loopback(settings.host):
        raise ConfigError(
            f"the host is {settings.host!r}, which others can reach, and there is no key; set "
            "TINYGPT_API_KEY to a secret of yours, or listen at 127.0.0.1"
        )
    return settings


def _can_be_sent(key: str) -> bool:
    """Whether a header can carry it; blanks around it are lost."""
    return key != "" and key == key.strip() and key.isprintable()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
