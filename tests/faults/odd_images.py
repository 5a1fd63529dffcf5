"""Harmful images: small files that declare, or decompress to, very large sizes."""

from __future__ import annotations

import struct
import zlib


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, body: bytes, *before: bytes) -> bytes:
    """A grayscale PNG that declares this size, with the given compressed rows and other chunks before them."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(before) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def zeros(size: int) -> bytes:
    """That many zero bytes, compressed in a stream."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(size >> 20)]
    return b"".join([*parts, packer.compress(bytes(size & ((1 << 20) - 1))), packer.flush()])


def declares_too_much(side: int = 60_000) -> bytes:
    """3.6 billion declared pixels in a hundred bytes."""
    return png(side, side, zlib.compress(b"\0"))


def decompresses_in_rows(size: int = 1 << 30) -> bytes:
    """An 8 x 8 image whose rows decompress to a gigabyte."""
    return png(8, 8, zeros(size))


def decompresses_in_text(size: int = 1 << 28) -> bytes:
    """An 8 x 8 image with a comment that decompresses to a quarter of a gigabyte."""
    return png(8, 8, zlib.compress(bytes(9 * 8)), chunk(b"zTXt", b"Comment\0\0" + zeros(size)))


def decompresses_in_profile(size: int = 1 << 28) -> bytes:
    """An 8 x 8 image with a color profile that decompresses to a quarter of a gigabyte."""
    return png(8, 8, zlib.compress(bytes(9 * 8)), chunk(b"iCCP", b"icc\0\0" + zeros(size)))
