"""IPFS content identifiers, compared by what they say and not by how they are spelled.

One address has many spellings: Kubo writes version 1 in base32, js-ipfs in base58, and version 0 is the same block as a
version 1 of dag-pb. https://github.com/multiformats/cid, https://github.com/multiformats/multicodec
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TypeVar

RAW, DAG_PB = 0x55, 0x70
SHA2_256 = 0x12
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_LONGEST = 256
Content = TypeVar("Content", bytes, memoryview)


@dataclass(frozen=True, slots=True)
class Cid:
    """Two are equal that name the same block in the same way, whatever their version."""

    codec: int
    hash_code: int
    digest: bytes
    version: int = field(default=1, compare=False)

    @property
    def multihash(self) -> bytes:
        return varint(self.hash_code) + varint(len(self.digest)) + self.digest

    @property
    def content(self) -> bytes:
        """As other blocks link to it."""
        if self.version == 0:
            return self.multihash
        return varint(1) + varint(self.codec) + self.multihash

    def __str__(self) -> str:
        """As Kubo writes it: version 0 in base58, version 1 in base32."""
        if self.version == 0:
            return _spelled(self.multihash, _BASE58)
        return "b" + base64.b32encode(self.content).decode().rstrip("=").lower()


def parse(text: str) -> Cid:
    """Raises ValueError for what is no CID."""
    if len(text) > _LONGEST:
        raise ValueError("too long")
    if re.fullmatch("Qm[1-9A-HJ-NP-Za-km-z]{44}", text):
        hash_code, digest = _multihash(_number(text, _BASE58))
        return Cid(DAG_PB, hash_code, digest, version=0)
    cid = parse_binary(_decoded(text))
    if cid.version != 1:
        raise ValueError("version 0 has no multibase")
    return cid


def parse_binary(content: bytes) -> Cid:
    """As it stands in a block that links to it. Raises ValueError."""
    if content[:2] == b"\x12\x20":
        return Cid(DAG_PB, *_multihash(content), version=0)
    version, rest = read_varint(content)
    codec, rest = read_varint(rest)
    if version != 1:
        raise ValueError("no version 1")
    return Cid(codec, *_multihash(rest))


def varint(number: int) -> bytes:
    """https://github.com/multiformats/unsigned-varint, which protocol buffers use too."""
    pieces = bytearray()
    while number > 0x7F:
        pieces.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*pieces, number])


def read_varint(content: Content) -> tuple[int, Content]:
    """A number, and what follows it. Raises ValueError."""
    number = 0
    for at, piece in enumerate(content[:9]):
        number |= (piece & 0x7F) << 7 * at
        if piece < 0x80:
            return number, content[at + 1 :]
    raise ValueError("no varint")


def _multihash(content: bytes) -> tuple[int, bytes]:
    hash_code, rest = read_varint(content)
    length, digest = read_varint(rest)
    if len(digest) != length:
        raise ValueError("no multihash")
    return hash_code, digest


def _decoded(text: str) -> bytes:
    """By the multibase that the first letter names: https://github.com/multiformats/multibase"""
    base, letters = text[:1], text[1:]
    if base == "b":
        padded = letters.upper() + "=" * (-len(letters) % 8)
        try:
            return base64.b32decode(padded)
        except binascii.Error as error:
            raise ValueError("no base32") from error
    if base == "f":
        return bytes.fromhex(letters)
    if base == "z":
        return _number(letters, _BASE58)
    if base == "k":
        return _number(letters, _BASE36)
    raise ValueError("no multibase that is known")


def _number(text: str, letters: str) -> bytes:
    """Text in a base that is no power of two; each leading zero is a byte."""
    number = 0
    for letter in text:
        number = number * len(letters) + letters.index(letter)
    zeros = len(text) - len(text.lstrip(letters[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _spelled(content: bytes, letters: str) -> str:
    number, spelled = int.from_bytes(content, "big"), ""
    while number:
        number, rest = divmod(number, len(letters))
        spelled = letters[rest] + spelled
    return letters[0] * (len(content) - len(content.lstrip(b"\0"))) + spelled
