"""Frames in an append-only file: `length | crc32(length, payload) | payload`, so that a torn tail is known as one."""

from __future__ import annotations

import struct
from zlib import crc32

FRAME_LIMIT = 256 << 20
"""Bytes of one frame: a longer length is a torn or foreign one."""

_LENGTH = struct.Struct("<I")
_HEAD = struct.Struct("<II")


def framed(payload: bytes) -> bytes:
    """One frame as it lies in a file."""
    length = _LENGTH.pack(len(payload))
    return length + _LENGTH.pack(crc32(payload, crc32(length))) + payload


def take_frames(block: bytes, frames: list[bytes], limit: int) -> int:
    """Move whole frames from the head of `block` to `frames`, until there are `limit`; return the bytes they took."""
    at, size = 0, len(block)
    while len(frames) < limit and size - at >= _HEAD.size:
        length, checksum = _HEAD.unpack_from(block, at)
        end = at + _HEAD.size + length
        if end > size:
            break
        payload = block[at + _HEAD.size : end]
        if crc32(payload, crc32(block[at : at + _LENGTH.size])) != checksum:
            break
        frames.append(payload)
        at = end
    return at


def never_whole(rest: bytes) -> bool:
    """Whether the frame at the head of `rest` will stay unreadable however much follows."""
    if len(rest) < _HEAD.size:
        return False
    length: int = _LENGTH.unpack_from(rest)[0]
    return length > FRAME_LIMIT or len(rest) >= _HEAD.size + length
