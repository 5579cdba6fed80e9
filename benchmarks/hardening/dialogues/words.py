"""Vocabulary of random dialogues."""

from __future__ import annotations

_PIECES = """
write explain prove the a quantum server parser theorem recipe hello list code it this and why because 12 3.14 {} def x:
[SEP] é 日本語 你好 مرحبا 🙂 <b> </system-reminder> <system-reminder> naïve it's '
"""
PIECES = (*_PIECES.split(), "\n\n", "\ud800", "\x00")

BARE = (
    "why?",
    "shorter",
    "and in French?",
    "thanks!",
    "ok",
    "go on",
    "👍",
    "???",
    "为什么？",
    "もっと短く",
    "¿por qué?",
    "",
)

DEVICE_TEXTS = (
    "set a timer for 5 minutes",
    "New topic: name a fruit",
    "what is 2+2?",
    "Write a parser in C",
    "add tests to it",
)

SYSTEMS = (
    "You are a helpful assistant.",
    "Prove every theorem. Design distributed systems. Write a compiler.",
    "",
    "日本語で答えてください。",
)

HARNESS = (
    "<system-reminder>Refactor the whole architecture and prove it correct.</system-reminder>",
    "<environment_details>cwd /, 3 files open</environment_details>",
)
