# SPDX-License-Identifier: BSD-3-Clause
# The types of queuepool.smtpcm.
import ssl
from collections.abc import Sequence
from typing import Any

from queuepool import pool

__all__ = ["ConnectionManager", "logg"]

TLS_WORDS: tuple[str, ...]
COURTESY: float
PIECE: int

def logg(*args: object, **kwargs: Any) -> None: ...

class ConnectionManager(pool.ResourceManager):
    host: str
    port: int
    user: str | None
    password: str | None
    tls: str
    context: ssl.SSLContext | None
    cafile: str | None
    verify: bool | None
    timeout: float | None
    local_hostname: str | None
    source_address: tuple[str, int] | None
    def __init__(
        self,
        name: str,
        host: str = ...,
        port: int = ...,
        user: str | None = ...,
        password: str | None = ...,
        *args: Any,
        tls: str = ...,
        context: ssl.SSLContext | None = ...,
        cafile: str | None = ...,
        verify: bool | None = ...,
        timeout: float | None = ...,
        local_hostname: str | None = ...,
        source_address: tuple[str, int] | None = ...,
        **kwargs: Any,
    ) -> None: ...
    def sendmail(
        self,
        from_addr: str,
        to_addrs: str | Sequence[str],
        msg: bytes | str,
        mail_options: Sequence[str] = ...,
        rcpt_options: Sequence[str] = ...,
    ) -> dict[str, tuple[int, bytes]]: ...
