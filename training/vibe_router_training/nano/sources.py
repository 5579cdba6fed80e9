"""Where the nano's data come from and under which licence, by the name of the source in the files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """One source's origin and licence, as text for the card."""

    origin: str
    licence: str


_ROUTELLM = "lm-sys/RouteLLM evaluations, answers of Mixtral-8x7B and gpt-4-1106"

LABELLED = {
    "mmlu": Origin(f"{_ROUTELLM}, on MMLU", "Apache-2.0 (MMLU: MIT)"),
    "gsm8k": Origin(f"{_ROUTELLM}, on GSM8K", "Apache-2.0 (GSM8K: MIT)"),
    "mt_bench": Origin("lm-sys/RouteLLM judgements on MT-bench", "Apache-2.0"),
    "llmrouter": Origin(
        "ulab-uiuc/LLMRouter, mean score of three 7-8B models and of two 49/51B models on 14 tasks",
        "MIT (the benchmarks keep their own licences)",
    ),
}

UNLABELLED = {
    "clinc150": Origin("CLINC150 intents", "CC BY 3.0"),
    "snips": Origin("Snips voice assistant intents", "CC0"),
    "banking77": Origin("BANKING77 intents", "CC BY 4.0"),
    "BYU chitchat openers": Origin("BYU chitchat data set, first turns", "MIT"),
    "topical-chat openers": Origin("Topical-Chat, first turns", "CDLA-Sharing"),
    "chatterbot english": Origin("ChatterBot corpus, English", "BSD-3-Clause"),
    "MS PersonalityChat scenarios": Origin("Microsoft PersonalityChat", "MIT"),
    "arena-hard v0.1": Origin("Arena-Hard v0.1", "Apache-2.0"),
    "arena-hard v2.0": Origin("Arena-Hard v2.0", "Apache-2.0"),
    "mt_bench": Origin("MT-bench questions", "Apache-2.0"),
    "vicuna_bench": Origin("Vicuna bench questions", "Apache-2.0"),
    "self-instruct seeds": Origin("Self-Instruct seed tasks", "Apache-2.0"),
    "self-instruct user-oriented": Origin("Self-Instruct user-oriented tasks", "Apache-2.0"),
}

UNKNOWN = Origin("not known to this recipe", "not known")
