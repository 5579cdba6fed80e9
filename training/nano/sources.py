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
    "written for this": Origin("prompts written for this project in 19 languages", "the project's own"),
    "oasst_qlora": Origin("OpenAssistant dialogues, from artidoro/qlora", "MIT"),
    "arena_bench_v1": Origin("Arena-Hard's history, answers of 7B models and GPT-4", "Apache-2.0"),
    "arena_battles": Origin("Chatbot Arena votes, from FastChat", "Apache-2.0"),
    "shaberi_ja": Origin("Shaberi, Japanese", "Apache-2.0"),
    "shaberi_rakuda": Origin("Shaberi, Rakuda questions", "Apache-2.0"),
    "shaberi_tengu_bench": Origin("Shaberi, Tengu-Bench", "Apache-2.0"),
    "zeroeval_crux": Origin("ZeroEval, CRUX", "Apache-2.0"),
    "zeroeval_math-l5": Origin("ZeroEval, MATH level 5", "Apache-2.0"),
    "ifeval_en": Origin("IFEval, English", "Apache-2.0"),
    "ifeval_es": Origin("M-IFEval, Spanish", "Apache-2.0"),
    "ifeval_fr": Origin("M-IFEval, French", "Apache-2.0"),
    "ifeval_ja": Origin("M-IFEval, Japanese", "Apache-2.0"),
    "mmlu": Origin(f"{_ROUTELLM}, on MMLU", "Apache-2.0 (MMLU: MIT)"),
    "gsm8k": Origin(f"{_ROUTELLM}, on GSM8K", "Apache-2.0 (GSM8K: MIT)"),
    "mt_bench": Origin("lm-sys/RouteLLM judgements on MT-bench", "Apache-2.0"),
    "llmrouter": Origin(
        "ulab-uiuc/LLMRouter, mean score of three 7-8B models and of two 49/51B models on 14 tasks",
        "MIT (the benchmarks keep their own licences)",
    ),
}

UNLABELLED = {
    "written for this": Origin("prompts written for this project in 19 languages", "the project's own"),
    "oasst_qlora": Origin("OpenAssistant dialogues, from artidoro/qlora", "MIT"),
    "arena_bench_v1": Origin("Arena-Hard's history, answers of 7B models and GPT-4", "Apache-2.0"),
    "arena_battles": Origin("Chatbot Arena votes, from FastChat", "Apache-2.0"),
    "shaberi_ja": Origin("Shaberi, Japanese", "Apache-2.0"),
    "shaberi_rakuda": Origin("Shaberi, Rakuda questions", "Apache-2.0"),
    "shaberi_tengu_bench": Origin("Shaberi, Tengu-Bench", "Apache-2.0"),
    "zeroeval_crux": Origin("ZeroEval, CRUX", "Apache-2.0"),
    "zeroeval_math-l5": Origin("ZeroEval, MATH level 5", "Apache-2.0"),
    "ifeval_en": Origin("IFEval, English", "Apache-2.0"),
    "ifeval_es": Origin("M-IFEval, Spanish", "Apache-2.0"),
    "ifeval_fr": Origin("M-IFEval, French", "Apache-2.0"),
    "ifeval_ja": Origin("M-IFEval, Japanese", "Apache-2.0"),
    "mtbench101": Origin("MT-Bench-101, what users write", "Apache-2.0"),
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

INTENTS = frozenset(("clinc150", "snips", "banking77"))
"""Sources of short requests to assistants: many rows, little variety."""

UNKNOWN = Origin("not known to this recipe", "not known")
