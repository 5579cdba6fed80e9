"""Flip rates: how many decisions an edit turns towards the cloud, and how many towards the device."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.hardening.adversarial.edits import edits
from benchmarks.hardening.adversarial.gadgets import Search, before, climb, printable_tokens
from vibe_router.policy import Target, above, profile_threshold
from vibe_router.progress import Progress, ProgressCallback
from vibe_router.router import Router


@dataclass(frozen=True, kw_only=True)
class ProfileFlips:
    """One profile: of the prompts that go to the device (the cloud) unchanged, how many the edit turns."""

    profile: str
    device: int
    to_cloud: int
    cloud: int
    to_device: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """One edit. `gadget` is the text that a search found, where there is one for all prompts."""

    edit: str
    prompts: int
    mean_shift: float
    gadget: str | None
    profiles: tuple[ProfileFlips, ...]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is measured: `count` prompts, gadgets tuned on `tuning` others, and `specific` prompts with their own."""

    count: int
    tuning: int
    specific: int
    search: Search
    seed: int


def measure(
    router: Router, prompts: Sequence[str], settings: Settings, *, progress: ProgressCallback | None = None
) -> list[Row]:
    """Return a row for each edit and gadget; the same seed and prompts give the same rows.

    Raises:
        ValueError: there are fewer prompts than `count` + `tuning`.
    """
    if len(prompts) < settings.count + settings.tuning:
        raise ValueError(f"{len(prompts)} prompts are fewer than {settings.count} and {settings.tuning} for tuning")
    drawn = random.Random(settings.seed).sample(list(prompts), settings.count + settings.tuning)
    judged, tuning = drawn[: settings.count], drawn[settings.count :]
    rows = [
        _row(router, name, judged, [edit(prompt) for prompt in judged]) for name, edit in edits(settings.seed).items()
    ]
    vocabulary = printable_tokens(router)
    total = 4 + 2 * settings.specific

    def report(done: int) -> None:
        if progress is not None:
            progress(Progress(done, total))

    def search(texts: Sequence[str], target: Target, name: str) -> str:
        seed = f"{settings.seed} {name} {target.value}"
        return climb(router, texts, target, vocabulary=vocabulary, search=settings.search, seed=seed)

    for number, target in enumerate(Target):
        for place, (name, texts) in enumerate((("alone", [""]), ("on tuning prompts", tuning))):
            gadget = search(texts, target, name)
            changed = [before(gadget, prompt) for prompt in judged]
            label = f"gadget towards the {target.value}, found {name}"
            rows.append(_row(router, label, judged, changed, gadget=gadget))
            report(2 * number + place + 1)
    for number, target in enumerate(Target):
        chosen = judged[: settings.specific]
        changed = []
        for place, prompt in enumerate(chosen):
            changed.append(before(search([prompt], target, prompt), prompt))
            report(4 + number * settings.specific + place + 1)
        rows.append(_row(router, f"gadget towards the {target.value}, found for each prompt", chosen, changed))
    return rows


def _row(
    router: Router, edit: str, original: Sequence[str], changed: Sequence[str], *, gadget: str | None = None
) -> Row:
    before_, after = _scores(router, original), _scores(router, changed)
    pairs = list(zip(before_, after, strict=True))
    profiles = []
    for name in router.bundle.manifest.thresholds:
        threshold = profile_threshold(router.bundle.manifest, name)
        device = [now for then, now in pairs if not above(then, threshold)]
        cloud = [now for then, now in pairs if above(then, threshold)]
        profiles.append(
            ProfileFlips(
                profile=name,
                device=len(device),
                to_cloud=sum(above(now, threshold) for now in device),
                cloud=len(cloud),
                to_device=sum(not above(now, threshold) for now in cloud),
            )
        )
    shift = sum(now - then for then, now in pairs) / len(pairs)
    return Row(edit=edit, prompts=len(pairs), mean_shift=shift, gadget=gadget, profiles=tuple(profiles))


def _scores(router: Router, prompts: Sequence[str]) -> list[float]:
    return [decision.p_cloud or 0.0 for decision in router.route_many(prompts)]
