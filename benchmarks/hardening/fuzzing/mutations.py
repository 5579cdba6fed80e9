"""Mutations of bytes, of JSON values and of ONNX graphs; each takes its random numbers from the caller."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

_NUMBERS = (0, 1, -1, 2**31 - 1, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), 10**400, 0.0, -0.0, 1e308, 1e-320, 0.5)
_TEXTS = (
    "",
    " ",
    "\0",
    "..",
    "../../etc/passwd",
    "/",
    "a" * 5000,
    "\ud800",
    "é",
    "🙂" * 50,
    "[CLS]",
    "NaN",
    "__class__",
)
_RAW = ("NaN", "Infinity", "-Infinity", "1e999", "[" * 50_000, '{"a":' * 20_000, "tru", '"\\ud800"', "\x00", "'a'")


def mutate_bytes(content: bytes, draw: random.Random) -> bytes:
    """Return `content` after one to eight changes: bits, bytes, runs cut, doubled, moved, overwritten."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 8))):
        place = draw.randrange(len(changed) + 1)
        length = min(draw.choice((1, 1, 2, 4, 8, 64, 1024)), len(changed) - place)
        kind = draw.randrange(7)
        if kind == 0 and place < len(changed):
            changed[place] ^= 1 << draw.randrange(8)
        elif kind == 1 and place < len(changed):
            changed[place] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        elif kind == 2:
            del changed[place : place + length]
        elif kind == 3:
            changed[place:place] = changed[place : place + length]
        elif kind == 4:
            changed[place:place] = draw.randbytes(length)
        elif kind == 5:
            source = draw.randrange(len(changed) + 1)
            changed[place : place + length] = changed[source : source + length]
        else:
            del changed[place:]
    return bytes(changed)


def mutate_json(document: Any, draw: random.Random) -> bytes:
    """Return JSON text of `document` after one to three changes of keys, values, types or nesting."""
    changed = copy.deepcopy(document)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        holders = [holder for holder in _holders(changed) if holder]
        if not holders:
            break
        holder = draw.choice(holders)
        key = draw.choice(list(holder)) if isinstance(holder, dict) else draw.randrange(len(holder))
        kind = draw.randrange(6)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[draw.choice((*_TEXTS, str(key) + "x"))] = holder.pop(key)
        elif kind == 2 and isinstance(holder, list):
            holder.extend([copy.deepcopy(holder[key])] * draw.choice((1, 2, 100)))
        elif kind == 3:
            holder[key] = copy.deepcopy(draw.choice(list(_holders(changed))))
        else:
            holder[key] = random_value(draw)
    text = json.dumps(changed, ensure_ascii=draw.random() < 0.5)
    if draw.random() < 0.1:
        place = draw.randrange(len(text) + 1)
        text = text[:place] + draw.choice(_RAW) + text[place + draw.choice((0, 1, 5)) :]
    return text.encode("utf-8", "surrogatepass")


def random_value(draw: random.Random, depth: int = 0) -> Any:
    """Return a JSON value, mostly an awkward one."""
    kind = draw.randrange(7 if depth < 4 else 5)
    if kind == 0:
        return draw.choice((None, True, False))
    if kind in (1, 2):
        return draw.choice((*_NUMBERS, draw.randrange(-100, 100_000), draw.random()))
    if kind in (3, 4):
        return draw.choice(_TEXTS)
    items = [random_value(draw, depth + 1) for _ in range(draw.randrange(4))]
    return items if kind == 5 else {draw.choice(_TEXTS): item for item in items}


def mutate_onnx(content: bytes, draw: random.Random) -> bytes:
    """Return an ONNX file after one to four changes of its operations, attributes, names, shapes, types, data."""
    import onnx

    model = onnx.ModelProto.FromString(content)
    graph = model.graph
    for _ in range(draw.choice((1, 1, 2, 4))):
        node = draw.choice(graph.node) if graph.node else onnx.NodeProto()
        tensor = draw.choice(graph.initializer) if graph.initializer else onnx.TensorProto()
        value = draw.choice([*graph.input, *graph.output] or [onnx.ValueInfoProto()])
        kind = draw.randrange(15)
        if kind == 0:
            node.op_type = draw.choice(
                ("Loop", "If", "Scan", "Identity", "NonZero", "ConstantOfShape", "Reshape", "Évil", "")
            )
        elif kind == 1:
            node.domain = draw.choice(("com.microsoft", "com.microsoft.nchwc", "ai.onnx.ml", "evil", ""))
        elif kind == 2 and node.input:
            node.input[draw.randrange(len(node.input))] = draw.choice(
                [*node.output, *(one.name for one in graph.initializer), ""]
            )
        elif kind == 3 and node.output:
            node.output[0] = draw.choice(("logits", "p_cloud", "", *node.input))
        elif kind == 4 and node.attribute:
            attribute = draw.choice(node.attribute)
            attribute.i, attribute.f, attribute.type = draw.choice((-1, 0, 2**40)), draw.random(), draw.randrange(15)
        elif kind == 5:
            node.attribute.add(
                name=draw.choice(("axis", "to", "body", "value")), type=draw.randrange(1, 14), i=draw.randrange(-9, 99)
            )
        elif kind == 6:
            tensor.dims[:] = [draw.choice((0, 1, -1, 3, 2**31, 2**62)) for _ in range(draw.randrange(5))]
        elif kind == 7:
            tensor.data_type = draw.randrange(25)
        elif kind == 8:
            tensor.raw_data = mutate_bytes(tensor.raw_data[:4096], draw)
        elif kind == 9:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            location = draw.choice(("../../../etc/passwd", "/etc/passwd", "router.json", "missing", ""))
            tensor.external_data.add(key="location", value=location)
            tensor.external_data.add(key="offset", value=draw.choice(("0", "-1", str(2**62), "x")))
        elif kind == 10:
            value.type.tensor_type.elem_type = draw.randrange(25)
            del value.type.tensor_type.shape.dim[draw.randrange(3) :]
        elif kind == 11:
            value.name = draw.choice(("input_ids", "attention_mask", "logits", "", "x"))
        elif kind == 12:
            graph.node.add().CopyFrom(node)
        elif kind == 13 and model.opset_import:
            model.opset_import[0].version = draw.choice((0, -1, 1, 7, 99, 2**40))
        elif graph.node:
            del graph.node[draw.randrange(len(graph.node))]
    return bytes(model.SerializeToString())


def random_prompt(seeds: list[str], draw: random.Random) -> str:
    """Return text out of everything that has ever upset a tokenizer, real prompts in between."""
    parts = []
    for _ in range(draw.choice((0, 1, 2, 3, 5, 8))):
        kind = draw.randrange(12)
        count = draw.choice((1, 1, 2, 5, 40, 700, 5000))
        if kind < 3:
            parts.append(draw.choice(seeds))
        elif kind == 3:
            parts.append("".join(chr(draw.randrange(0x110000)) for _ in range(min(count, 700))))
        elif kind == 4:
            parts.append(chr(draw.randrange(0xD800, 0xE000)) * min(count, 40))
        elif kind == 5:
            parts.append(
                draw.choice(("a", "-", " ", "\n", "\0", "é", "字", "🙂", "\u0301", "\u200d", "\u202e", "'s")) * count
            )
        elif kind == 6:
            parts.append("".join(draw.choice(("👩", "\u200d", "🏽", "\ufe0f", "👧")) for _ in range(min(count, 700))))
        elif kind == 7:
            parts.append(draw.choice(("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", "<|endoftext|>")) * min(count, 700))
        elif kind == 8:
            parts.append("e" + "".join(chr(draw.randrange(0x300, 0x370)) for _ in range(min(count, 1500))))
        elif kind == 9:
            parts.append("".join(chr(draw.randrange(0x1100, 0x1200)) for _ in range(min(count, 700))))
        elif kind == 10:
            parts.append("".join(draw.choice("abcdefghijklmnopqrstuvwxyz0123456789+/=_") for _ in range(count)))
        else:
            parts.append(
                "".join(draw.choice(" \t\r\n\x0b\x0c\u00a0\u2003\u3000\ufeff") for _ in range(min(count, 700)))
            )
    return draw.choice(("", " ", "\n")).join(parts)


def _holders(value: Any) -> Iterator[Any]:
    """Yield every object and list in a JSON value."""
    if isinstance(value, (dict, list)):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _holders(item)
