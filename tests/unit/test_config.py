"""config.json: both generations read to the same model, everything unsupported refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.checkpoints import small_config
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.config import AttentionPattern, Pooling, parse_config

FULL, SLIDING = "full_attention", "sliding_attention"
GENERATION_4 = ("global_rope_theta", "local_rope_theta", "global_attn_every_n_layers")


def parse(**changes: Any) -> Any:
    return parse_config(json.dumps(small_config(**changes)))


def generation_5(**changes: Any) -> dict[str, Any]:
    keys: dict[str, Any] = dict.fromkeys(GENERATION_4) | {
        "layer_types": [FULL, SLIDING, SLIDING, FULL],
        "rope_parameters": {
            FULL: {"rope_type": "default", "rope_theta": 160000.0},
            SLIDING: {"rope_type": "default", "rope_theta": 10000.0},
        },
    }
    return keys | changes


def test_both_generations_describe_the_same_model() -> None:
    assert parse() == parse(**generation_5())


def test_layers_state_their_own_window_and_theta() -> None:
    layers = parse(local_attention=20, local_rope_theta=5000.0, global_attn_every_n_layers=2).layers
    local = AttentionPattern(window=10, rope_theta=5000.0)
    everywhere = AttentionPattern(window=None, rope_theta=160000.0)
    assert layers == (everywhere, local, everywhere, local)


def test_any_layer_pattern_of_transformers_5_is_read() -> None:
    layers = parse(**generation_5(layer_types=[SLIDING, FULL, FULL, SLIDING])).layers
    assert [layer.window is None for layer in layers] == [False, True, True, False]


def test_a_null_local_theta_means_the_global_one() -> None:
    text = json.dumps(small_config() | {"local_rope_theta": None, "global_rope_theta": 777.0})
    assert {layer.rope_theta for layer in parse_config(text).layers} == {777.0}


def test_absent_keys_take_transformers_defaults() -> None:
    transformers = pytest.importorskip("transformers", reason="the defaults are transformers'")
    minimal = {"architectures": ["ModernBertForSequenceClassification"], "model_type": "modernbert"}
    config = parse_config(json.dumps(minimal | {"id2label": {"0": "x"}}))
    default = transformers.ModernBertConfig()
    assert config.vocabulary_size == default.vocab_size
    assert (config.hidden_size, config.intermediate_size) == (default.hidden_size, default.intermediate_size)
    assert len(config.layers) == default.num_hidden_layers
    assert config.pooling is Pooling(default.classifier_pooling)
    assert config.norm_epsilon == default.norm_eps
    assert config.layers[1] == AttentionPattern(window=default.local_attention // 2, rope_theta=10000.0)


def test_the_old_key_that_transformers_5_leaves_behind_is_accepted_where_it_agrees() -> None:
    assert parse(**generation_5(global_attn_every_n_layers=3)) == parse()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (generation_5(global_rope_theta=160000.0), "mixes"),
        (generation_5(rope_parameters=None), None),
        ({"layer_types": [FULL, SLIDING, SLIDING, FULL]}, "mixes"),
        ({"rope_parameters": {FULL: {"rope_theta": 1.0}}}, "mixes"),
        (generation_5(global_attn_every_n_layers=2), "contradicts"),
        (generation_5(layer_types=[FULL, SLIDING]), "layer_types"),
        (generation_5(layer_types=[FULL, SLIDING, "chunked_attention", FULL]), "layer_types"),
        (generation_5(rope_parameters={FULL: {"rope_type": "yarn", "rope_theta": 1.0}}), "RoPE"),
        (generation_5(rope_parameters={"other": {"rope_theta": 1.0}}), "other"),
        ({"rope_scaling": {"type": "linear", "factor": 2}}, "rope_scaling"),
        ({"architectures": ["BertForSequenceClassification"]}, "BertForSequenceClassification"),
        ({"architectures": ["ModernBertForMaskedLM"]}, "ModernBertForMaskedLM"),
        ({"model_type": "bert"}, "bert"),
        ({"hidden_activation": "swish"}, "swish"),
        ({"classifier_activation": "relu"}, "relu"),
        ({"classifier_pooling": "max"}, "max"),
        ({"num_attention_heads": 5}, "heads"),
        ({"hidden_size": "48"}, "hidden_size"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"norm_eps": -1}, "norm_eps"),
        ({"norm_eps": 1e-320}, "norm_eps"),
        ({"norm_eps": 1e308}, "norm_eps"),
        ({"global_rope_theta": 1e308}, "global_rope_theta"),
        ({"local_rope_theta": 1e-320}, "local_rope_theta"),
        (generation_5(rope_parameters={FULL: {"rope_theta": 1e308}, SLIDING: {"rope_theta": 1.0}}), "rope_theta"),
        ({"max_position_embeddings": 2}, "max_position_embeddings"),
        ({"norm_bias": 1}, "norm_bias"),
        ({"pad_token_id": 10**9}, "pad_token_id"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(changes: dict[str, Any], named: str | None) -> None:
    if named is None:
        assert parse(**changes) == parse()
        return
    with pytest.raises(CheckpointError, match=named) as caught:
        parse(**changes)
    assert caught.value.hint
    assert caught.value.exit_code == 9


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        parse_config(text)
