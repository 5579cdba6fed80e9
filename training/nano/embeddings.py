"""Token embeddings to start from: which tokens stand near which, over all prompts, labelled or not.

A small model that starts from noise sees a rare token a few times and learns little about it. Co-occurrence
counts know it already: the positive pointwise mutual information of tokens within a window, factorised
(Levy and Goldberg, "Neural Word Embedding as Implicit Matrix Factorization", NIPS 2014; context distribution
smoothed with 0.75 and distance-weighted as in Levy, Goldberg and Dagan, TACL 2015).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.utils.extmath import randomized_svd
from tokenizers import Tokenizer

from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_training.tokenizer import encode

WINDOW = 5
MAX_TOKENS = 256
_SPREAD = 0.02
"""The standard deviation that ModernBERT's embeddings are initialised with."""
_OWN_SHARE = 0.5


def cooccurrence_embeddings(tokenizer: Tokenizer, prompts: Sequence[str], *, width: int, seed: int) -> FloatArray:
    """Return an embedding for each token, float64 [vocabulary, width], with the spread of a random start.

    Tokens that no prompt holds get random ones. The same prompts and seed give the same embeddings.
    """
    association = _positive_mutual_information(tokenizer, prompts)
    generator = np.random.default_rng(seed)
    rank = min(width, association.shape[0] - 1)
    left, strength, _ = randomized_svd(association, rank, n_iter=3, random_state=seed)
    embeddings = generator.normal(0.0, _SPREAD, (association.shape[0], width))
    seen = np.asarray(association.sum(axis=1)).ravel() > 0
    factors = left * np.sqrt(strength)
    embeddings[seen, :rank] = (factors * (_SPREAD / factors.std()))[seen]
    return _capitals_like_small_letters(tokenizer, embeddings, seen)


def _capitals_like_small_letters(
    tokenizer: Tokenizer, embeddings: FloatArray, seen: npt.NDArray[np.bool_]
) -> FloatArray:
    """Return embeddings whose tokens with capitals lie near the same letters in small.

    Who answers better does not depend on the case, and tokens in capitals are rare: "SET" starts where " set" is. A
    token that prompts hold, `seen`, keeps half of its own.
    """
    near: FloatArray = embeddings.copy()
    for token in range(len(embeddings)):
        text = tokenizer.decode([token], skip_special_tokens=True)
        if text == text.lower() or "\ufffd" in text:
            continue
        small = tokenizer.encode(text.lower(), add_special_tokens=False).ids
        own = _OWN_SHARE if seen[token] else 0.0
        near[token] = own * embeddings[token] + (1.0 - own) * embeddings[small].mean(axis=0)
    return near


def _positive_mutual_information(tokenizer: Tokenizer, prompts: Sequence[str]) -> scipy.sparse.csr_matrix:
    """Return max(0, log p(a, b) / (p(a) p(b)^0.75)) of tokens a and b at most `WINDOW` apart, [v, v]."""
    rows = encode(tokenizer, prompts, max_tokens=MAX_TOKENS)
    tokens = np.concatenate([np.asarray(row) for row in rows])
    prompt_of = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    size = tokenizer.get_vocab_size()
    counts = scipy.sparse.csr_matrix((size, size))
    for distance in range(1, WINDOW + 1):
        together = prompt_of[:-distance] == prompt_of[distance:]
        pair = tokens[:-distance][together], tokens[distance:][together]
        counts += scipy.sparse.csr_matrix((np.full(len(pair[0]), 1.0 / distance), pair), shape=(size, size))
    counts = (counts + counts.T).tocoo()
    share = np.asarray(counts.sum(axis=1)).ravel() / counts.sum()
    smoothed = share**0.75 / np.sum(share**0.75)
    information = np.log(counts.data / counts.sum() / (share[counts.row] * smoothed[counts.col]))
    kept = information > 0
    return scipy.sparse.csr_matrix((information[kept], (counts.row[kept], counts.col[kept])), shape=(size, size))
