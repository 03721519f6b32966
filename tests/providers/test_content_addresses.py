"""Content addresses, computed here and compared with what IPFS itself gave these files."""

import hashlib
import time
from io import BytesIO

import pytest

from providers import cids, unixfs
from providers.cids import Cid
from providers.unixfs import Verdict

# `ipfs add`, and `ipfs add --cid-version=1`: https://docs.ipfs.tech/concepts/content-addressing/
KNOWN = {
    "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o": b"hello world\n",
    "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH": b"",
    "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku": b"",
}


@pytest.mark.parametrize(("text", "content"), KNOWN.items(), ids=list(KNOWN))
def test_a_known_file_has_its_known_address(text: str, content: bytes) -> None:
    assert unixfs.check(cids.parse(text), BytesIO(content)) is Verdict.MATCHES
    assert str(cids.parse(text)) == text


def test_a_block_of_one_byte_more_is_another() -> None:
    raw = unixfs.added(BytesIO(b"hello"))
    assert raw.codec == cids.RAW
    assert unixfs.check(raw, BytesIO(b"hello")) is Verdict.MATCHES
    assert unixfs.check(raw, BytesIO(b"hello!")) is Verdict.DIFFERS
    assert unixfs.check(raw, BytesIO(b"")) is Verdict.DIFFERS


def test_one_address_in_four_spellings_is_one_address() -> None:
    cid = unixfs.added(BytesIO(b"hello"))
    base58 = "z" + cids._spelled(cid.content, cids._BASE58)
    base36 = "k" + cids._spelled(cid.content, cids._BASE36)
    assert base58.startswith("zb2r")
    assert {cids.parse(text) for text in (str(cid), base58, base36, f"f{cid.content.hex()}")} == {cid}


def test_version_0_and_1_of_a_block_are_one_address() -> None:
    old = cids.parse("QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o")
    new = Cid(old.codec, old.hash_code, old.digest)
    assert str(new) == "bafybeicg2rebjoofv4kbyovkw7af3rpiitvnl6i7ckcywaq6xjcxnc2mby"
    assert cids.parse(str(new)) == old
    assert unixfs.check(new, BytesIO(b"hello world\n")) is Verdict.MATCHES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Qm",
        "Qm" + "0" * 44,
        "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyk",
        "zb2r0",
        "k0Z",
        "fxyz",
        "xabc",
        "b" * 5,
        "z" + "1" * 30,
        "b" + "a" * 1000,
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  Each of them has words of its own.
        cids.parse(text)


def test_a_hash_that_is_not_known_here_cannot_be_told() -> None:
    assert unixfs.check(Cid(cids.RAW, 0x1E, bytes(32)), BytesIO(b"hello")) is Verdict.UNKNOWN


def test_a_raw_block_under_sha_512_is_told() -> None:
    cid = Cid(cids.RAW, 0x13, hashlib.sha512(b"hello").digest())
    assert unixfs.check(cid, BytesIO(b"hello")) is Verdict.MATCHES
    assert unixfs.check(cid, BytesIO(b"hellO")) is Verdict.DIFFERS


class Tree:
    """A file cut into chunks of ten bytes, in nodes of three links: no rule that anybody has by default."""

    def __init__(self, content: bytes) -> None:
        self.file, self.blocks, self.asked = BytesIO(content), dict[Cid, bytes](), list[Cid]()
        layout = unixfs._Layout(10, 3, is_raw=False, version=1)
        level = [unixfs._leaf(chunk, layout) for chunk in unixfs._chunks(self.file, 10)]
        leaves = [unixfs._wrapped(2, chunk) for chunk in unixfs._chunks(self.file, 10)]
        self.blocks |= {node.cid: leaf for node, leaf in zip(level, leaves, strict=True)}
        while len(level) > 1:
            level = [self._kept(level[at : at + 3], layout) for at in range(0, len(level), 3)]
        self.cid = level[0].cid

    def _kept(self, children: list[unixfs._Node], layout: unixfs._Layout) -> unixfs._Node:
        node = unixfs._parent(children, layout)
        links = b"".join(
            unixfs._field(2, unixfs._field(1, c.cid.content) + unixfs._field(2, b"") + unixfs._number(3, c.size))
            for c in children
        )
        sizes = b"".join(unixfs._number(4, child.length) for child in children)
        told = unixfs._number(1, 2) + unixfs._number(3, node.length) + sizes
        self.blocks[node.cid] = links + unixfs._field(1, told)
        return node

    def block(self, cid: Cid) -> bytes:
        self.asked.append(cid)
        return self.blocks[cid]


CONTENT = bytes(range(200))


def test_another_chunker_cannot_be_told_by_the_bytes_but_by_the_blocks() -> None:
    tree = Tree(CONTENT)
    assert unixfs.check(tree.cid, tree.file) is Verdict.UNKNOWN
    assert unixfs.walk(tree.cid, tree.file, tree.block) is Verdict.MATCHES
    assert len(tree.asked) == len(tree.blocks) - 20, "the nodes above the twenty leaves, and no leaf"


@pytest.mark.parametrize(
    "changed",
    [CONTENT[:-1], CONTENT + b"!", CONTENT[:50] + b"!" + CONTENT[51:], b"", CONTENT[10:20] + CONTENT[:10]],
    ids=["cut", "longer", "changed", "empty", "short"],
)
def test_no_other_bytes_pass_a_walk(changed: bytes) -> None:
    tree = Tree(CONTENT)
    assert unixfs.walk(tree.cid, BytesIO(changed), tree.block) is Verdict.DIFFERS


def test_blocks_that_are_not_what_they_should_be_prove_nothing() -> None:
    tree, other = Tree(CONTENT), Tree(b"x" * 200)
    root = other.blocks[other.cid]
    assert unixfs.walk(tree.cid, other.file, lambda cid: root if cid == tree.cid else other.blocks[cid]) is (
        Verdict.UNKNOWN
    )


def test_a_directory_is_no_file() -> None:
    block = unixfs._field(1, unixfs._number(1, 1))
    cid = Cid(cids.DAG_PB, cids.SHA2_256, hashlib.sha256(block).digest())
    assert unixfs.walk(cid, BytesIO(b"hello"), lambda _: block) is Verdict.UNKNOWN


def _named(block: bytes) -> Cid:
    return Cid(cids.DAG_PB, cids.SHA2_256, hashlib.sha256(block).digest())


def test_a_block_of_a_million_fields_takes_no_time() -> None:
    block = b"\x18\x00" * (unixfs.LONGEST_BLOCK // 2)
    began = time.process_time()
    assert unixfs.walk(_named(block), BytesIO(b"hello"), lambda _: block) is Verdict.UNKNOWN
    assert time.process_time() - began < 1


def test_a_block_of_many_long_fields_is_read_in_one_go() -> None:
    block = b"\x18\x00" * (unixfs.MOST_FIELDS - 1) + unixfs._field(9, bytes(1_900_000))
    began = time.process_time()
    assert unixfs.walk(_named(block), BytesIO(b"hello"), lambda _: block) is Verdict.UNKNOWN
    assert time.process_time() - began < 1


def _linking(told: bytes, *links: Cid) -> bytes:
    return b"".join(unixfs._field(2, unixfs._field(1, link.content)) for link in links) + unixfs._field(1, told)


@pytest.mark.parametrize(
    "told",
    [
        unixfs._number(1, 2) + unixfs._number(2, 5) + unixfs._number(4, 5),
        unixfs._number(1, 2) + unixfs._field(4, b"\5"),
    ],
    ids=["content that is a number", "a size that is none"],
)
def test_members_of_another_type_prove_nothing(told: bytes) -> None:
    leaf = unixfs.added(BytesIO(b"hello"))
    block = _linking(told, leaf)
    assert unixfs.walk(_named(block), BytesIO(b"hello"), lambda _: block) is Verdict.UNKNOWN


def test_a_tree_without_end_proves_nothing_before_python_gives_up() -> None:
    blocks, cid = dict[Cid, bytes](), unixfs.added(BytesIO(b"hello"))
    for _ in range(unixfs.MOST_BLOCKS):
        block = _linking(unixfs._number(1, 2) + unixfs._number(4, 5), cid)
        cid = _named(block)
        blocks[cid] = block
    assert unixfs.walk(cid, BytesIO(b"hello"), blocks.__getitem__) is Verdict.UNKNOWN
