"""Whether bytes are what a CID names, found out here: nobody who hands them over is believed.

A short file is one block. A longer one is a tree of blocks, of which its CID names the root: the tree is built anew as
IPFS builds it by default (`check`), or, where another chunker cut the file, walked down by the blocks of a node that
shows them (`walk`); each of those is checked as well.
https://specs.ipfs.tech/unixfs/, https://ipld.io/specs/codecs/dag-pb/spec/
"""

import hashlib
from collections.abc import Callable, Iterator
from enum import Enum
from io import SEEK_END
from typing import IO, Any, NamedTuple

from providers.cids import DAG_PB, RAW, SHA2_256, Cid, parse_binary, read_varint, varint

_PIECE = 64 * 1024
_HASHES = {SHA2_256: "sha256", 0x13: "sha512"}
_FILE, _RAW_TYPE = 2, 0
KIB, MIB = 1024, 1024 * 1024
LONGEST_BLOCK = 2 * MIB
# Of a file that somebody has cut into crumbs the check would take for ever.
MOST_BLOCKS = 500
# Trees of Kubo's have four levels at 100 MiB, and hundreds of links; a block is a stranger's.
MOST_LEVELS, MOST_FIELDS = 32, 20_000
Block = Callable[[Cid], bytes]


class Verdict(Enum):
    MATCHES = "matches"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


class _Layout(NamedTuple):
    """How a file becomes a tree: the length of a chunk, the links of a node, whether a leaf is the bare chunk, and the
    version in which nodes are linked to."""

    chunk: int
    links: int
    is_raw: bool
    version: int


# Kubo's defaults for version 0 and 1, their two crosses, and the wider trees of newer profiles and of upload services.
# https://github.com/ipfs/kubo/blob/master/docs/config.md#import
_LAYOUTS = (
    _Layout(256 * KIB, 174, is_raw=True, version=1),
    _Layout(256 * KIB, 174, is_raw=False, version=0),
    _Layout(256 * KIB, 174, is_raw=True, version=0),
    _Layout(256 * KIB, 174, is_raw=False, version=1),
    _Layout(MIB, 1024, is_raw=True, version=1),
    _Layout(MIB, 174, is_raw=True, version=1),
)


class _Node(NamedTuple):
    """`size` is what it and all below it take as blocks, `length` the bytes of the file that it stands for."""

    cid: Cid
    size: int
    length: int


class _Unknown(Exception):
    """What cannot be told: a hash or a kind of node that is not known here."""


def check(cid: Cid, file: IO[bytes]) -> Verdict:
    """By the bytes alone. A raw block is the bytes themselves, so that it is always told; of a tree, UNKNOWN says that
    it was not cut by any of the usual rules."""
    if cid.hash_code not in _HASHES:
        return Verdict.UNKNOWN
    if cid.codec == RAW:
        return _told(_digest(cid, file, 0, _length(file)) == cid.digest)
    if cid.codec != DAG_PB or cid.hash_code != SHA2_256:
        return Verdict.UNKNOWN
    return Verdict.MATCHES if any(_root(file, layout) == cid for layout in _LAYOUTS) else Verdict.UNKNOWN


def added(file: IO[bytes]) -> Cid:
    """The CID of version 1 that Kubo gives a file by default."""
    return _root(file, _LAYOUTS[0])


def walk(cid: Cid, file: IO[bytes], block: Block) -> Verdict:
    """With the help of who has the blocks: `block` returns the bytes of one, and may raise. UNKNOWN is what is no file
    of UnixFS."""
    walked = _Walk(file, block)
    try:
        return _told(walked.spans(cid, 0, _length(file)))
    except _Unknown:
        return Verdict.UNKNOWN


class _Walk:
    """One file against one tree. A leaf is known by the bytes alone; what is above the leaves is asked for."""

    def __init__(self, file: IO[bytes], block: Block) -> None:
        self._file, self._block, self._asked = file, block, 0

    def spans(self, cid: Cid, start: int, length: int, level: int = 0) -> bool:
        """Whether this node stands for just these bytes of the file. Raises _Unknown."""
        if cid.hash_code not in _HASHES or level > MOST_LEVELS:
            raise _Unknown
        if cid.codec == RAW:
            return _digest(cid, self._file, start, length) == cid.digest
        if cid.codec != DAG_PB:
            raise _Unknown
        return self._is_leaf(cid, start, length) or self._spans_links(cid, start, length, level)

    def _is_leaf(self, cid: Cid, start: int, length: int) -> bool:
        if length > LONGEST_BLOCK or cid.hash_code != SHA2_256:
            return False
        content = self._bytes(start, length)
        return any(hashlib.sha256(_wrapped(kind, content)).digest() == cid.digest for kind in (_FILE, _RAW_TYPE))

    def _spans_links(self, cid: Cid, start: int, length: int, level: int) -> bool:
        links, inline, sizes = _node(self._fetched(cid))
        if len(links) != len(sizes) or len(inline) + sum(sizes) != length:
            return False
        if inline and self._bytes(start, len(inline)) != inline:
            return False
        at = start + len(inline)
        for link, size in zip(links, sizes, strict=True):
            if not self.spans(link, at, size, level + 1):
                return False
            at += size
        return True

    def _fetched(self, cid: Cid) -> bytes:
        self._asked += 1
        if self._asked > MOST_BLOCKS:
            raise _Unknown
        content = self._block(cid)
        if hashlib.new(_HASHES[cid.hash_code], content).digest() != cid.digest:
            raise _Unknown
        return content

    def _bytes(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(length)


def _told(is_so: bool) -> Verdict:
    return Verdict.MATCHES if is_so else Verdict.DIFFERS


def _length(file: IO[bytes]) -> int:
    return file.seek(0, SEEK_END)


def _digest(cid: Cid, file: IO[bytes], start: int, length: int) -> bytes:
    file.seek(start)
    digest = hashlib.new(_HASHES[cid.hash_code])
    while length > 0 and (piece := file.read(min(_PIECE, length))):
        digest.update(piece)
        length -= len(piece)
    return digest.digest()


def _root(file: IO[bytes], layout: _Layout) -> Cid:
    """Level by level: each node takes as many of the level below as it may, the last one what is left."""
    level = [_leaf(chunk, layout) for chunk in _chunks(file, layout.chunk)] or [_leaf(b"", layout)]
    while len(level) > 1:
        level = [_parent(level[at : at + layout.links], layout) for at in range(0, len(level), layout.links)]
    return level[0].cid


def _chunks(file: IO[bytes], size: int) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(size):
        yield chunk


def _leaf(chunk: bytes, layout: _Layout) -> _Node:
    block = chunk if layout.is_raw else _wrapped(_FILE, chunk)
    codec, version = (RAW, 1) if layout.is_raw else (DAG_PB, layout.version)
    return _Node(Cid(codec, SHA2_256, hashlib.sha256(block).digest(), version), len(block), len(chunk))


def _parent(children: list[_Node], layout: _Layout) -> _Node:
    links = b"".join(
        _field(2, _field(1, child.cid.content) + _field(2, b"") + _number(3, child.size)) for child in children
    )
    length = sum(child.length for child in children)
    sizes = b"".join(_number(4, child.length) for child in children)
    block = links + _field(1, _number(1, _FILE) + _number(3, length) + sizes)
    cid = Cid(DAG_PB, SHA2_256, hashlib.sha256(block).digest(), layout.version)
    return _Node(cid, len(block) + sum(child.size for child in children), length)


def _wrapped(kind: int, content: bytes) -> bytes:
    """A leaf in a node of its own: a PBNode without links around the message of UnixFS."""
    return _field(1, _number(1, kind) + (_field(2, content) if content else b"") + _number(3, len(content)))


# --- Protocol buffers: https://protobuf.dev/programming-guides/encoding/ ---


def _field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def _node(block: bytes) -> tuple[list[Cid], bytes, list[int]]:
    """Links, bytes of its own, and for how many bytes each link stands. Raises _Unknown for what is no file."""
    try:
        fields = list(_fields(block))
        links = [parse_binary(dict(_fields(link))[1]) for number, link in fields if number == 2]
        told = list(_fields(dict(fields)[1]))
    except (ValueError, KeyError, TypeError) as error:
        raise _Unknown from error
    known = dict(told)
    inline, sizes = known.get(2, b""), [value for number, value in told if number == 4]
    if known.get(1) not in (_FILE, _RAW_TYPE) or not isinstance(inline, bytes):
        raise _Unknown
    if not all(isinstance(size, int) for size in sizes):
        raise _Unknown
    return links, inline, sizes


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """Each field with its number. Raises ValueError."""
    # What is left of a view is no copy of it.
    rest, count = memoryview(content), 0
    while rest:
        tag, rest = read_varint(rest)
        value, rest = read_varint(rest)
        count += 1
        if count > MOST_FIELDS:
            raise ValueError("too many fields")
        if tag & 7 == 0:
            yield tag >> 3, value
        elif tag & 7 == 2 and value <= len(rest):
            yield tag >> 3, bytes(rest[:value])
            rest = rest[value:]
        else:
            raise ValueError("no field of these messages")
