"""Reads the body of an answer within bounds: so many bytes and no more, counted after it is unpacked."""

import zlib
from collections.abc import Callable
from typing import Final

import httpx

ENCODINGS: Final = "gzip, deflate"
"""What is asked for: compressions that can be undone a bounded piece at a time."""

REFUSAL_BYTES: Final = 64 * 2**10
"""Bytes of a refusal that are read; its sentence is at the beginning, whatever else is sent."""

_ZLIB_OR_GZIP: Final = zlib.MAX_WBITS | 32
_HEADER: Final = 2
"""Bytes that tell how a body is compressed."""

_Unpack = Callable[[bytes, int], bytes]
"""From a piece of the body and the bytes there is room for to at most so many bytes of it as it was."""


class TooLarge(Exception):
    """The body goes on beyond what may be read."""


class Undecodable(Exception):
    """The body is compressed in a way that was not asked for, or broken."""


async def read_body(answer: httpx.Response, most: int) -> bytes:
    """The body as it was before it was compressed, `most` bytes at most.

    Raises TooLarge, Undecodable, and what httpx raises. How long it may take is the caller's to bound.
    """
    body, whole = await _read(answer, most)
    if not whole:
        raise TooLarge
    return body


async def read_beginning(answer: httpx.Response, most: int) -> bytes:
    """The body, cut off behind `most` bytes; raises as `read_body`, but never TooLarge."""
    return (await _read(answer, most))[0]


async def _read(answer: httpx.Response, most: int) -> tuple[bytes, bool]:
    """What was read, and whether that is all of it."""
    unpack = _unpacking(answer.headers.get("content-encoding", ""))
    body = bytearray()
    async for piece in answer.aiter_raw():
        try:
            body += unpack(piece, most - len(body) + 1)
        except zlib.error as error:
            raise Undecodable("broken") from error
        if len(body) > most:
            return bytes(body[:most]), False
    return bytes(body), True


def _unpacking(encoding: str) -> _Unpack:
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return lambda piece, room: piece[:room]
    if name not in ("gzip", "x-gzip", "deflate"):
        raise Undecodable(f"compressed as {name[:40]!r}, which was not asked for")
    head, known = b"", None

    def unpack(piece: bytes, room: int) -> bytes:
        nonlocal head, known
        if known is None:
            head += piece
            if len(head) < _HEADER:
                return b""
            bare = name == "deflate" and not _has_header(head)
            known, piece = zlib.decompressobj(-zlib.MAX_WBITS if bare else _ZLIB_OR_GZIP), head
        return known.decompress(piece, room)

    return unpack


def _has_header(body: bytes) -> bool:
    """Whether a body begins as zlib's or gzip's do (RFC 1950, 1952); what many servers mean by deflate does not."""
    return body[:2] == b"\x1f\x8b" or (body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0)
