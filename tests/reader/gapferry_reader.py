#!/usr/bin/env python3
"""Reads bundles of format 2: a second reader, written from docs/format.md alone.

    gapferry_reader.py --key builder.pub [--also FOLDER ...] [--held DEPOT] [--unpack FOLDER] BUNDLE...

BUNDLE is a bundle's folder, or `-` for a stream. Needs Python 3.9, and the programs zstd and ssh-keygen. Prints a JSON object for
each. Exit code of one bundle, or the lowest one of several: 0: all of the state is here and good. 1: something is refused. 2: blobs
are missing.

It checks signatures, texts, lists, packings and every byte of the volumes. It checks neither trust files and approvals nor
upstream's own proofs, and keeps the lists of a state in memory.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

MAX_INTEGER = 2**53 - 1
KIB, MIB, GIB = 2**10, 2**20, 2**30
MAX_MANIFEST, MAX_PACKING, MAX_SIGNATURE = 16 * MIB, 8 * MIB, 4 * KIB
MAX_STORED_LIST, MAX_PLAIN_LIST, MAX_LINES = 2 * GIB, 8 * GIB, 4_000_000
MAX_PROOFS, MAX_PROOF_PATHS = 262_144, 32 * MIB
KINDS = {"apt", "enterprise-store", "files", "images", "os-images", "snaps", "yum"}


class Refused(Exception):
    """Something is not as the page says."""


def need(condition, *reason):
    if not condition:
        raise Refused(": ".join(map(str, reason)))


# Section 2: texts


def check_values(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            need(isinstance(key, str), "a key is no string")
            check_values(inner)
    elif isinstance(value, list):
        for inner in value:
            check_values(inner)
    else:
        integer = type(value) is int and 0 <= value <= MAX_INTEGER
        need(integer or isinstance(value, str) or value is True, "not a value of the format", repr(value)[:40])


def parse(text, **form):
    """Parses a text and refuses any but the canonical one."""
    try:
        value = json.loads(text.decode("utf-8"))
        again = json.dumps(value, sort_keys=True, ensure_ascii=False, **form) + "\n"
        need(again.encode("utf-8") == text, "not the canonical text")
    except (ValueError, RecursionError) as error:
        raise Refused(f"does not parse: {error}") from None
    check_values(value)
    return value


def parse_file(text):
    return parse(text, indent=2)


def parse_line(text):
    return parse(text, separators=(",", ":"))


def keys(value, required, optional=()):
    """Checks the keys of an object, each with a test of its value."""
    need(isinstance(value, dict), "not an object", repr(value)[:40])
    known = {**required, **dict(optional)}
    for key in required:
        need(key in value, "missing key", key)
    for key, inner in value.items():
        need(key in known, "unknown key", key)
        need(known[key](inner), "wrong value", key, repr(inner)[:80])
    return value


def pattern(expression):
    compiled = re.compile(expression)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def one_of(*values):
    return lambda value: isinstance(value, str) and value in values


def integer(least=0, most=MAX_INTEGER):
    return lambda value: type(value) is int and least <= value <= most


def text(most=None):
    return lambda value: isinstance(value, str) and value != "" and (most is None or len(value.encode()) <= most)


def any_text(value):
    return isinstance(value, str)


digest = pattern("[0-9a-f]{64}")
label = pattern("[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?")
time = pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
component = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+~:@=,%^-]{0,199}")


def path(value):
    return isinstance(value, str) and len(value) <= 1024 and all(component.fullmatch(c) for c in value.split("/"))


def is_object(value):
    return isinstance(value, dict)


def is_list(value):
    return isinstance(value, list)


def rises(values):
    return all(a < b for a, b in zip(values, values[1:]))


def check_list_name(value):
    keys(value, {"sha256": digest, "size": integer(0, MAX_PLAIN_LIST), "stored": is_object})
    keys(value["stored"], {"sha256": digest, "size": integer(0, MAX_STORED_LIST)})


# Section 2: signatures


def check_signature(signed, signature, namespace, key):
    """Checks a signature: its one encoding here, and the rest by ssh-keygen."""
    begin, end = b"-----BEGIN SSH SIGNATURE-----\n", b"-----END SSH SIGNATURE-----\n"
    need(signature.startswith(begin) and signature.endswith(end), "the signature has no armor")
    body = signature[len(begin) : -len(end)]
    try:
        blob = base64.b64decode(body.replace(b"\n", b""), validate=True)
    except ValueError:
        raise Refused("the signature is not base64") from None
    again = base64.b64encode(blob)
    lines = b"".join(again[at : at + 70] + b"\n" for at in range(0, len(again), 70))
    need(lines == body, "the signature is not in its one encoding")
    need(blob[:6] == b"SSHSIG" and blob[6:10] == struct.pack(">I", 1), "not version 1 of SSHSIG")
    fields, rest = [], blob[10:]
    while rest:
        need(len(rest) >= 4, "the signature is cut short")
        (length,) = struct.unpack(">I", rest[:4])
        need(len(rest) >= 4 + length, "the signature is cut short")
        fields.append(rest[4 : 4 + length])
        rest = rest[4 + length :]
    need(len(fields) == 5, "the signature has other fields")
    need(fields[0] == base64.b64decode(key.split()[1]), "signed by another key")
    need(fields[1:4] == [namespace.encode(), b"", b"sha512"], "signed for something else")
    with tempfile.TemporaryDirectory() as folder:
        allowed, file = Path(folder, "allowed"), Path(folder, "signature")
        allowed.write_text(f"builder {key}\n")
        file.write_bytes(signature)
        command = ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "builder", "-n", namespace, "-s", file]
        verified = subprocess.run(command, input=signed, capture_output=True)
        need(verified.returncode == 0, "ssh-keygen refuses the signature")


# Sections 2 and 6: Zstandard


def frame_parts(frame):
    """Returns the descriptor, the window and the length of a frame, by RFC 8878, section 3.1.1."""
    need(frame[:4] == b"\x28\xb5\x2f\xfd" and len(frame) > 5, "not a Zstandard frame")
    descriptor, at = frame[4], 5
    single, window = bool(descriptor & 0x20), None
    if not single:
        exponent, mantissa = frame[at] >> 3, frame[at] & 7
        window = (1 << (10 + exponent)) * (8 + mantissa) // 8
        at += 1
    at += (0, 1, 2, 4)[descriptor & 3]
    size_bytes = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    content = int.from_bytes(frame[at : at + size_bytes], "little") + (256 if size_bytes == 2 else 0)
    at += size_bytes
    last = False
    while not last:
        need(len(frame) >= at + 3, "the frame is cut short")
        header = int.from_bytes(frame[at : at + 3], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        at += 3 + (1 if kind == 1 else size)
    at += 4 if descriptor & 4 else 0
    return descriptor, (content if single else window), (content if size_bytes else None), at


def expand(frame, size, base=None):
    """Expands a part, which has its content size."""
    descriptor, _, content, length = frame_parts(frame)
    need(length == len(frame) and descriptor & 3 == 0 and content == size, "not one frame of the slice's length")
    with tempfile.NamedTemporaryFile() as older:
        option = []
        if base is not None:
            older.write(base)
            older.flush()
            option = [f"--patch-from={older.name}"]
        done = subprocess.run(["zstd", "-q", "-d", "-c", "--memory=128MB", *option], input=frame, capture_output=True)
    need(done.returncode == 0 and len(done.stdout) == size, "the frame does not expand to the slice")
    return done.stdout


def read_list(stored, name):
    """Yields the lines of a stored list. The bytes are checked before they are decoded, and cannot change: they are in memory."""
    need(len(stored) == name["stored"]["size"], "a stored list has another size")
    need(hashlib.sha256(stored).hexdigest() == name["stored"]["sha256"], "a stored list has another digest")
    descriptor, window, _, length = frame_parts(stored)
    need(length == len(stored) and descriptor & 7 == 0 and window <= 8 * MIB, "not one frame of a list")
    with tempfile.TemporaryFile() as file:
        file.write(stored)
        file.seek(0)
        decoder = subprocess.Popen(["zstd", "-q", "-d", "-c"], stdin=file, stdout=subprocess.PIPE)
        sha256, size = hashlib.sha256(), 0
        with decoder.stdout as lines:
            for line in iter(lambda: lines.readline(256 * KIB + 1), b""):
                size += len(line)
                need(size <= name["size"], "a list has more text than its name says")
                sha256.update(line)
                yield line
        need(decoder.wait() == 0, "zstd refuses a list")
    need(size == name["size"] and sha256.hexdigest() == name["sha256"], "a list has another text than its name says")


# Sections 3 and 4: the state


def check_manifest(manifest):
    texts = {key: text(4096) for key in ("classification", "purpose", "ticket")}
    required = {
        "collections": is_list, "created": time, "epoch": integer(), "expires": time, "format": lambda value: value == 2,
        "generator": text(4096), "name": label, "sequence": integer(1), "site": label,
    }  # fmt: skip
    optional = {
        "changed_items": is_list, "left_out": is_list, "more_changed_items": integer(1), "next_expected": time,
        "overrides": is_list, "previous": digest, "trust": integer(),
    }
    keys(manifest, required, {**texts, **optional})
    need(manifest["created"] < manifest["expires"], "it expires before it was made")
    need([] not in map(manifest.get, ("changed_items", "left_out", "overrides")), "an empty list")
    overrides, left_out = manifest.get("overrides", []), manifest.get("left_out", [])
    need(all(map(text(4096), overrides)) and rises(overrides), "overrides are not sorted")
    for left in left_out:
        keys(left, {"collection": text(4096), "what": text(4096), "why": text(4096)})
    need(len(left_out) <= 65_536 and rises([tuple(left.values()) for left in left_out]), "left_out is not sorted")
    collections = manifest["collections"]
    need(len(collections) <= 4096, "too many collections")
    for c in collections:
        required = {
            "bytes": integer(), "files": integer(), "kind": lambda value: value in KINDS, "list": is_object, "name": label,
            "publish": one_of("re-indexed", "verbatim", "reprepro"), "source": label,
        }  # fmt: skip
        keys(c, required, {"origin": text(4096), "second_digest": one_of("sha512", "sha384", "sha3-384")})
        need(c["publish"] != "reprepro" or c["kind"] == "apt", "reprepro is for apt alone")
        check_list_name(c["list"])
    need(rises([(c["kind"], c["name"]) for c in collections]), "collections are not sorted")
    need(sum(c["files"] for c in collections) <= MAX_LINES, "too many lines")
    need(sum(c["bytes"] for c in collections) <= MAX_INTEGER, "too many bytes")
    check_changed_items(manifest, {f"{c['kind']}/{c['name']}" for c in collections})


def check_changed_items(manifest, collections):
    changed = manifest.get("changed_items", [])
    for item in changed:
        keys(item, {"before": digest, "collection": lambda value: value in list(collections), "path": path})
    need(len(changed) <= 8192 and rises([(i["collection"], i["path"]) for i in changed]), "changed_items are not sorted")
    need("more_changed_items" not in manifest or len(changed) == 8192, "changed_items could name more")


def is_channels(value):
    return isinstance(value, list) and value != [] and all(map(text(), value)) and rises(value)


# Section 8: the key of `details`, and the keys of its value, required and optional
DETAILS = {
    "apt": ("deb", {"suite": text()}, {"component": text()}),
    "enterprise-store": ("file", {"origin": text()}, {}),
    "files": ("file", {"origin": text()}, {}),
    "images": ("image", {"stream": text()}, {}),
    "os-images": ("os_image", {"image": is_object, "origin": text()}, {}),
    "snaps": ("snap", {"channels": is_channels, "revision": integer(1)}, {}),
    "yum": ("rpm", {"list": text()}, {}),
}
OS_IMAGE = {key: text() for key in ("filetype", "os", "release", "title")}


def check_details(details, kind):
    key, required, optional = DETAILS[kind]
    need(is_object(details) and list(details) == [key], "details of another kind", repr(details)[:80])
    keys(details[key], required, optional)
    if key == "os_image":
        image = {"base_image": text(), "support_eol": pattern(r"\d{4}-\d\d-\d\d")}
        keys(details[key]["image"], {**OS_IMAGE, "via": one_of("stream", "upload")}, image)


def check_item_line(line, kind):
    if line.get("type") == "proof":
        keys(
            line,
            {"path": path, "sha256": digest, "size": integer(), "type": one_of("proof")},
            {"date": time, "signed_by": is_list},
        )
        signers = line.get("signed_by", ["-"])
        need(signers and all(map(text(), signers)) and rises(signers), "signed_by is empty or not sorted")
        return
    required = {
        "name": any_text, "path": path, "reason": any_text, "sha256": digest, "size": integer(), "type": one_of("item"),
        "version": any_text, "details": is_object,
    }  # fmt: skip
    optional = {key: text() for key in ("architecture", "licence", "publisher")}
    keys(line, required, {**optional, "proof": path, "source": is_object})
    check_details(line["details"], kind)
    if "source" in line:
        keys(line["source"], {"name": any_text, "version": any_text})


def read_items(stored, collection):
    """Returns the lines of an item list."""
    proofs, items, count = [], [], 0
    for raw in read_list(stored, collection["list"]):
        count += 1
        need(len(raw) <= 256 * KIB, "a line is too long")
        line = parse_line(raw)
        need(is_object(line), "a line is no object")
        check_item_line(line, collection["kind"])
        need(line["type"] == "item" or not items, "a proof stands behind an item")
        (items if line["type"] == "item" else proofs).append(line)
    lines = proofs + items
    need(count == collection["files"], "another number of lines")
    need(sum(line["size"] for line in lines) == collection["bytes"], "another number of bytes")
    need(len(proofs) <= MAX_PROOFS and sum(len(p["path"]) for p in proofs) <= MAX_PROOF_PATHS, "too many proofs")
    for part in (proofs, items):
        need(rises([line["path"] for line in part]), "a part of a list is not sorted")
    paths = {line["path"] for line in lines}
    need(len(paths) == len(lines), "a path stands twice")
    for one in paths:
        parents = one.split("/")[:-1]
        need(not any("/".join(parents[: n + 1]) in paths for n in range(len(parents))), "a file is a folder", one)
    return lines


class State:
    """A manifest, and its blobs in the order of the first lines that name them."""

    def __init__(self, find, key):
        self.text = find("manifest.json", MAX_MANIFEST)
        need(self.text is not None, "there is no manifest.json")
        signature = find("manifest.json.sig", MAX_SIGNATURE)
        need(signature is not None, "there is no manifest.json.sig")
        check_signature(self.text, signature, "gapferry-manifest", key)
        self.manifest = parse_file(self.text)
        check_manifest(self.manifest)
        self.digest = hashlib.sha256(self.text).hexdigest()
        self.files, self.places, self.blobs = [], {}, []
        for collection in self.manifest["collections"]:
            folder = f"{collection['kind']}/{collection['name']}"
            file = f"items/{collection['kind']}-{collection['name']}.jsonl.zst"
            stored = find(file, collection["list"]["stored"]["size"], collection["list"]["stored"]["sha256"])
            need(stored is not None, "there is no item list with the right digest", file)
            for line in read_items(stored, collection):
                name = f"{folder}/{line['path']}"
                self.files.append((name, line["sha256"]))
                place = self.places.get(line["sha256"])
                if place is None:
                    self.places[line["sha256"]] = len(self.blobs)
                    self.blobs.append((name, line["sha256"], line["size"]))
                else:
                    need(self.blobs[place][2] == line["size"], "a blob has two sizes", line["sha256"])


# Section 5: packings


def check_packing(packing, state, folder):
    keys(packing, {"format": lambda v: v == 2, "parameters": is_object, "verify": digest, "volumes": is_list})
    parameters = packing["parameters"]
    required = {"bases": is_list, "manifest": digest, "volume_size": integer(64 * KIB)}
    keys(parameters, required, {"patches": lambda v: v is True, "request": digest})
    for base in parameters["bases"]:
        keys(base, {"manifest": digest, "sequence": integer()})
    bases = [(base["manifest"], base["sequence"]) for base in parameters["bases"]]
    need(len(bases) <= 64 and rises(bases), "bases are not sorted")
    need(parameters["manifest"] == state.digest, "it is of another manifest")
    line = json.dumps(parameters, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    need(folder == hashlib.sha256(line.encode()).hexdigest()[:12], "its folder is not named by its ID")
    need(1 <= len(packing["volumes"]) <= 9999, "a wrong number of volumes")
    for volume in packing["volumes"]:
        keys(volume, {"index": is_object, "sha256": digest, "size": integer(0, parameters["volume_size"])})
        check_list_name(volume["index"])


# Section 6: volume indexes


def check_part(part, size):
    raw, whole = part["encoding"] == "raw", part["start"] == 0 and part["length"] == size
    need(part["start"] + part["length"] <= size, "a part goes beyond its blob")
    need(part["length"] > 0 or size == 0, "a part is empty")
    need(("base" in part) == (part["encoding"] == "patch"), "a base without a patch, or the reverse")
    if "base" in part:
        base = keys(part["base"], {"length": integer(1, 32 * MIB), "sha256": digest, "start": integer()})
        need(base["start"] + base["length"] <= MAX_INTEGER and base["sha256"] != part["blob"], "a wrong base")
    if raw:
        need("stored" not in part and ("sha256" in part) != whole, "a raw part with other keys")
        need(part["length"] <= 8 * GIB - 512, "a raw part is too long")
    else:
        need("sha256" in part and 0 < part.get("stored", 0) < part["length"] <= 16 * MIB, "a part does not shrink")


SUFFIXES = {"raw": "", "zstd": ".zst", "patch": ".zst-patch"}


def part_number(part, name, size):
    whole = part["start"] == 0 and part["length"] == size
    if whole:
        need(part["name"] == name + SUFFIXES[part["encoding"]], "a member has a wrong name", part["name"])
        return 1
    found = re.fullmatch(re.escape(name) + r"\.part(\d{6})" + re.escape(SUFFIXES[part["encoding"]]), part["name"])
    need(found and int(found[1]) > 0, "a member has a wrong name", part["name"])
    return int(found[1])


def read_index(stored, volume, state, is_last):
    """Yields the parts of a volume with the size of their blobs, each with the header that stands before it."""
    required = {
        "blob": digest, "encoding": lambda v: isinstance(v, str) and v in SUFFIXES, "length": integer(), "name": any_text,
        "offset": integer(), "start": integer(),
    }  # fmt: skip
    before, end, count = None, 0, 0
    for raw in read_list(stored, volume["index"]):
        count += 1
        need(len(raw) <= 4 * KIB and count <= MAX_LINES, "an index has too many lines, or too long ones")
        part = keys(parse_line(raw), required, {"base": is_object, "sha256": digest, "stored": integer()})
        place = state.places.get(part["blob"])
        need(place is not None, "the state does not have the blob", part["blob"])
        name, _, size = state.blobs[place]
        check_part(part, size)
        number = part_number(part, name, size)
        need((number == 1) == (part["start"] == 0), "a part's number does not fit its start")
        if before and before[0] == place:
            need(part["start"] == before[1] and number == before[2] + 1, "parts do not follow one another")
        elif before:
            need(before[0] < place, "parts are not in their order")
            need(before[1] == state.blobs[before[0]][2] and part["start"] == 0, "parts do not cover a blob")
        header = member_header(part["name"], part.get("stored", part["length"]))
        need(part["offset"] == end + len(header), "a part stands elsewhere", part["name"])
        before = (place, part["start"] + part["length"], number)
        end = part["offset"] + padded(part.get("stored", part["length"]))
        yield part, size, header
    need(before, "a volume has no part")
    need(not is_last or before[1] == state.blobs[before[0]][2], "parts do not cover a blob")
    need(end + 1024 == volume["size"], "a volume has another size than its parts")


# Section 7: volumes


def padded(size):
    return (size + 511) // 512 * 512


def block(name, size, kind):
    octal = b"%011o\0" % size if size < 8 * GIB else b"\x80" + size.to_bytes(11, "big")
    fields = [
        name.encode().ljust(100, b"\0"), b"0000644\0", b"0000000\0", b"0000000\0", octal, b"00000000000\0",
        b" " * 8, kind, bytes(100), b"ustar\00000", bytes(247),
    ]  # fmt: skip
    fields[6] = b"%07o\0" % sum(b"".join(fields))
    return b"".join(fields)


def block_size(header):
    """Reads the size in a header block of a stream."""
    field = header[124:136]
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    need(re.fullmatch(rb"[0-7]{11}\0", field) is not None, "a header without a size")
    return int(field[:11], 8)


def member_header(name, size):
    if len(name.encode()) <= 100:
        return block(name, size, b"0")
    rest = f" path={name}\n".encode()
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    record = str(length).encode() + rest
    record_block = block("pax", len(record), b"x") + record.ljust(padded(len(record)), b"\0")
    return record_block + block(name[-100:].lstrip("/.-"), size, b"0")


def read_volume(file, parts, take):
    """Checks every byte of a volume, and hands on the contents of its parts."""
    for part, size, header in parts:
        need(file.read(len(header)) == header, "a wrong header", part["name"])
        stored = part.get("stored", part["length"])
        content = file.read(stored)
        need(hashlib.sha256(content).hexdigest() == part.get("sha256", part["blob"]), "a wrong content", part["name"])
        need(file.read(padded(stored) - stored) == bytes(padded(stored) - stored), "a wrong padding", part["name"])
        take(part, size, content)
    need(file.read(1025) == bytes(1024), "a volume has a wrong end")


class Blobs:
    """Puts blobs together from their parts."""

    def __init__(self, folder, held):
        self.folder, self.held, self.parts = folder, held, {}

    def take(self, part, size, stored):
        base = None
        if "base" in part:
            base = self.base(part["base"])
            if base is None:
                return
        content = stored if part["encoding"] == "raw" else expand(stored, part["length"], base)
        descriptor = os.open(self.folder / part["blob"], os.O_WRONLY | os.O_CREAT)
        try:
            os.pwrite(descriptor, content, part["start"])
        finally:
            os.close(descriptor)
        self.parts.setdefault(part["blob"], []).append((part["start"], part["start"] + part["length"]))

    def base(self, base):
        for older in (self.held / base["sha256"], self.held / "sha256" / base["sha256"][:2] / base["sha256"]) if self.held else ():
            if older.is_file():
                with open(older, "rb") as file:
                    file.seek(base["start"])
                    content = file.read(base["length"])
                return content if len(content) == base["length"] else None
        return None

    def is_here(self, blob, size):
        """Whether the ranges that were read make up the blob, and its digest is right."""
        end = 0
        for start, stop in sorted(self.parts.get(blob, [(1, 1)])):
            if start > end:
                return False
            end = max(end, stop)
        if end < size:
            return False
        with open(self.folder / blob, "rb") as file:
            sha256 = hashlib.sha256()
            while chunk := file.read(MIB):
                sha256.update(chunk)
        return sha256.hexdigest() == blob and (self.folder / blob).stat().st_size == size


# Sections 1 and 9: folders, and the order of reading


def finder(folders):
    """Returns a function that finds a file below the cap, in the first folder in which it has the digest."""

    def find(name, cap, wanted=None):
        for folder in folders:
            file = folder / name
            if not file.exists() and not file.is_symlink():
                continue
            parents = [folder.joinpath(*Path(name).parts[:n]) for n in range(1, len(Path(name).parts))]
            need(not any(map(Path.is_symlink, [file, *parents])) and file.is_file(), "not a regular file", name)
            need(file.stat().st_size <= cap, "larger than its cap", name)
            content = file.read_bytes()
            if wanted is None or hashlib.sha256(content).hexdigest() == wanted:
                return content
        return None

    return find


def read_packings(folders, find, state, key, blobs):
    names = sorted({one.name for folder in folders for one in (folder / "packings").glob("*") if one.is_dir()})
    need(len(names) <= 64, "too many packings")
    report, volumes = [], 0
    for name in names:
        place = f"packings/{name}"
        signed, signature = find(f"{place}/packing.json", MAX_PACKING), find(f"{place}/packing.json.sig", MAX_SIGNATURE)
        try:
            need(signed is not None and signature is not None, "not signed")
            check_signature(signed, signature, "gapferry-packing", key)
            packing = parse_file(signed)
            check_packing(packing, state, name)
        except Refused as error:
            report.append({"absent": str(error), "id": name})
            continue
        volumes += len(packing["volumes"])
        need(volumes <= 40000, "too many volumes")
        read, missing = [], []
        for number, volume in enumerate(packing["volumes"], 1):
            file, index = f"{place}/volume-{number:03}.tar", f"{place}/volume-{number:03}.idx"
            stored = find(index, volume["index"]["stored"]["size"], volume["index"]["stored"]["sha256"])
            here = [folder / file for folder in folders if (folder / file).is_file()]
            if stored is None or not here:
                missing.append(number)
                continue
            need(not here[0].is_symlink() and here[0].stat().st_size == volume["size"], "a volume of another size", file)
            parts = read_index(stored, volume, state, number == len(packing["volumes"]))
            with open(here[0], "rb") as content:
                read_volume(content, parts, blobs.take)
            read.append(number)
        report.append({"bases": packing["parameters"]["bases"], "id": name, "missing": missing, "read": read,
                       "verify": packing["verify"]})  # fmt: skip
    return report


# Section 10: streams


def receive(stream, folder):
    """Unpacks a stream into a folder. Names and sizes of headers are believed up to the caps; all else is checked afterwards."""
    caps = [
        (r"trust/\d+\.json", 64 * KIB), (r"trust/\d+\.json\.sig", 32 * KIB), (r"manifest\.json", MAX_MANIFEST), (r"items/[a-z0-9-]+\.jsonl\.zst", MAX_STORED_LIST),
        (r"approvals/[0-9a-f]{16}-\d+-[0-9a-f]{12}\.json", 64 * KIB), (r"packings/[0-9a-f]{12}/packing\.json", MAX_PACKING),
        (r"packings/[0-9a-f]{12}/volume-\d{3,4}\.idx", MAX_STORED_LIST), (r"[a-z0-9/.-]+\.sig", MAX_SIGNATURE),
        (r"packings/[0-9a-f]{12}/volume-\d{3,4}\.tar", 2**53 - 1), (r"SHA256SUMS|VERIFY\.txt", 16 * MIB),
    ]  # fmt: skip
    root = None
    while (header := stream.read(512)) != bytes(512):
        name = header[:100].rstrip(b"\0").decode("ascii", "replace")
        if header[156:157] == b"x":
            length = block_size(header)
            need(length <= 512, "a long name is too long")
            header += stream.read(512)
            name = header[512 : 512 + length].decode("ascii", "replace").partition(" path=")[2].rstrip("\n")
            header += stream.read(512)
        need(len(header) in (512, 1536), "the stream ended early")
        size = block_size(header[-512:])
        need(header == member_header(name, size), "a header with other bytes", name)
        first, _, rest = name.partition("/")
        root = root or first
        need(first == root, "a file of another bundle", name)
        cap = next((cap for known, cap in caps if re.fullmatch(known, rest)), None)
        need(cap is not None and size <= cap, "a file that has no place in a stream, or is too large", name)
        (folder / rest).parent.mkdir(parents=True, exist_ok=True)
        need(not (folder / rest).exists(), "a file comes twice", name)
        with open(folder / rest, "wb") as file:
            left = size
            while left:
                chunk = stream.read(min(left, MIB))
                need(chunk, "the stream ended early")
                file.write(chunk)
                left -= len(chunk)
        need(stream.read(padded(size) - size) == bytes(padded(size) - size), "a wrong padding", name)
    need(stream.read(513) == bytes(512), "a stream has a wrong end")


def run(bundle, arguments, scratch):
    folders = [Path(bundle), *map(Path, arguments.also)]
    if bundle == "-":
        folders[0] = scratch / "stream"
        receive(sys.stdin.buffer, folders[0])
    key = " ".join(Path(arguments.key).read_text().split()[:2])
    find = finder(folders)
    state = State(find, key)
    (scratch / "blobs").mkdir()
    blobs = Blobs(scratch / "blobs", Path(arguments.held) if arguments.held else None)
    packings = read_packings(folders, find, state, key, blobs)
    here = {blob for _, blob, size in state.blobs if blobs.is_here(blob, size)}
    missing = [blob for _, blob, _ in state.blobs if blob not in here]
    if arguments.unpack:
        for name, blob in state.files:
            if blob in here:
                target = Path(arguments.unpack, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(blobs.folder / blob, target)
    return {
        "blobs": len(state.blobs),
        "files": len(state.files),
        "manifest": state.digest,
        "missing": sorted(missing),
        "packings": packings,
        "sequence": state.manifest["sequence"],
    }


def main():
    parser = argparse.ArgumentParser(description="Reads bundles of format 2.")
    parser.add_argument("--key", required=True, help="the builder's public key, in OpenSSH's format")
    parser.add_argument("--also", action="append", default=[], help="the bundle's folder on another medium")
    parser.add_argument("--held", help="a folder with blobs by digest, on which patches build")
    parser.add_argument("--unpack", help="the folder to unpack into")
    parser.add_argument("bundles", nargs="+", help="the bundle's folder, or - for a stream")
    arguments = parser.parse_args()
    codes = []
    for bundle in arguments.bundles:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                report = run(bundle, arguments, Path(scratch))
                codes.append(2 if report["missing"] else 0)
            except Refused as error:
                report = {"refused": str(error)}
                codes.append(1)
        print(json.dumps(report, sort_keys=True))
    return min(codes)


if __name__ == "__main__":
    sys.exit(main())
