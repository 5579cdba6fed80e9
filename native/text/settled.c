/* Certain tokens: those before the end of a word that is far enough from the end of the text, and those inside of a
 * word that does not end. */
#include "settled.h"

#include <string.h>

#include "bpe.h"
#include "unicode.h"

/* Return whether the place i is tried so many tokens after the kept ones. Near places are cheap, and far ones are
 * nearly always enough. */
static bool is_tried(size_t ahead) { return ahead <= 32 && (ahead & (ahead - 1)) == 0; }

/* Return whether a token of the vocabulary has exactly these bytes. */
static bool is_token(const VrTextTables *tables, const uint8_t *bytes, size_t length) {
    int32_t low = 0, high = tables->ordered;
    while (low < high) {
        int32_t middle = low + (high - low) / 2, id = tables->token_order[middle];
        size_t its = (size_t)vr_token_length(tables, id), both = its < length ? its : length;
        int order = memcmp(tables->token_bytes + tables->token_starts[id], bytes, both);
        if (order == 0 && its == length) return true;
        if (order < 0 || (order == 0 && its < length)) low = middle + 1;
        else high = middle;
    }
    return false;
}

/* The beginning of a word that does not end, which belongs to it however the text goes on, and the last token that is
 * kept of it. */
typedef struct {
    const uint8_t *bytes;
    size_t length;
    size_t kept;
    int32_t last;
} Stretch;

/* Find whether the last kept token, and the first token of what follows up to `end`, stay as they are when their bytes
 * are encoded together. */
static VrTextStatus meets(const VrTextTables *tables, VrTextWork *work, const Stretch *word, size_t end, bool *holds) {
    size_t count;
    VrTextStatus status = vr_bpe(tables, work, word->bytes + word->kept, end - word->kept, &work->pair, &count);
    if (status != VR_TEXT_OK || !count) {
        *holds = false;
        return status;
    }
    int32_t first = ((VrPiece *)work->pair.data)->id;
    size_t left = (size_t)vr_token_length(tables, word->last), right = (size_t)vr_token_length(tables, first);
    uint8_t *both = vr_reserve(&work->normal, left + right, 1);
    if (!both) return VR_TEXT_NO_MEMORY;
    memcpy(both, tables->token_bytes + tables->token_starts[word->last], left);
    memcpy(both + left, tables->token_bytes + tables->token_starts[first], right);
    status = vr_bpe(tables, work, both, left + right, &work->pair, &count);
    const VrPiece *pair = work->pair.data;
    *holds = status == VR_TEXT_OK && count == 2 && pair[0].id == word->last && pair[1].id == first;
    return status;
}

/* Find whether a token ends where the kept ones end, however the text goes on. `window` is the place i. */
static VrTextStatus kept_in_all(const VrTextTables *tables, VrTextWork *work, const Stretch *word, size_t window,
                                bool *holds) {
    size_t longest = (size_t)tables->numbers.longest,
           last_end = window + longest < word->length ? window + longest : word->length;
    for (size_t end = window; end < last_end; end++) {
        bool is_end = end == window;
        for (size_t start = end > longest ? end - longest : 0; !is_end && start < window; start++)
            is_end = is_token(tables, word->bytes + start, end - start);
        if (!is_end || end <= word->kept) continue;
        VrTextStatus status = meets(tables, work, word, end, holds);
        if (status != VR_TEXT_OK || !*holds) return status;
    }
    *holds = true;
    return VR_TEXT_OK;
}

static size_t lengths(const VrToken *tokens, size_t begin, size_t end) {
    size_t total = 0;
    for (size_t place = begin; place < end; place++) total += (size_t)tokens[place].length;
    return total;
}

/* Return the bytes of some tokens, one after the other, or null without memory. */
static uint8_t *joined(const VrTextTables *tables, VrTextWork *work, size_t begin, size_t end, size_t bytes) {
    const VrToken *tokens = work->tokens.data;
    uint8_t *to = vr_reserve(&work->word, bytes, 1), *next = to;
    for (size_t place = begin; to && place < end; place++) {
        size_t length = (size_t)vr_token_length(tables, tokens[place].id);
        memcpy(next, tables->token_bytes + tables->token_starts[tokens[place].id], length);
        next += length;
    }
    return to;
}

VrTextStatus vr_first_settled(const VrTextTables *tables, VrTextWork *work, size_t limit, bool *settled) {
    const VrToken *tokens = work->tokens.data;
    size_t count = work->token_count, reserve = (size_t)tables->numbers.reserve;
    *settled = count > limit && limit == 0;
    if (count <= limit || limit == 0) return VR_TEXT_OK;
    size_t start = limit - 1, end = limit;
    while (start > 0 && tokens[start - 1].word == tokens[limit - 1].word) start--;
    while (end < count && tokens[end].word == tokens[limit - 1].word) end++;
    *settled = lengths(tokens, end, count) >= reserve;
    size_t length = lengths(tokens, start, end), kept = lengths(tokens, start, limit);
    /* An added token is a word by itself, so it ends with the kept ones; its length counts characters, not bytes. */
    if (*settled || end == limit || length <= reserve) return VR_TEXT_OK;
    const uint8_t *bytes = joined(tables, work, start, end, length);
    if (!bytes) return VR_TEXT_NO_MEMORY;
    Stretch word = {bytes, length - reserve, kept, tokens[limit - 1].id};
    size_t window = kept;
    for (size_t ahead = 0; ahead < end - limit; ahead++) {
        if (window + (size_t)tables->numbers.longest > word.length) break;
        if (is_tried(ahead)) {
            VrTextStatus status = kept_in_all(tables, work, &word, window, settled);
            if (status != VR_TEXT_OK || *settled) return status;
        }
        window += (size_t)tokens[limit + ahead].length;
    }
    return VR_TEXT_OK;
}

/* Return whether reading can go on at this token: it begins in the second half, where the text may be cut. */
static bool is_cut(const VrToken *token, const uint8_t *text, size_t half) {
    if (token->place < 0 || (size_t)token->place < half) return false;
    size_t at = (size_t)token->place;
    return vr_properties_of(vr_read_character(text, &at))->breaks;
}

/* Try places inside the last word, which does not end. An earlier place leaves more of the word to settle it. */
static VrTextStatus split_last_word(const VrTextTables *tables, VrTextWork *work, size_t *count) {
    static const double parts[] = {1.0, 0.8, 0.6};
    const VrToken *tokens = work->tokens.data;
    size_t start = work->token_count - 1;
    while (start > 0 && tokens[start - 1].word == tokens[work->token_count - 1].word) start--;
    double room = (double)lengths(tokens, start, work->token_count) - tables->numbers.reserve - tables->numbers.longest;
    for (size_t part = 0; part < sizeof parts / sizeof *parts; part++) {
        size_t here = start;
        for (double end = 0; here < work->token_count && (end += tokens[here].length) <= parts[part] * room;) here++;
        bool settled = false;
        VrTextStatus status = here > start ? vr_first_settled(tables, work, here, &settled) : VR_TEXT_OK;
        if (status != VR_TEXT_OK) return status;
        if (settled) {
            *count = here;
            return VR_TEXT_OK;
        }
    }
    *count = 0;
    return VR_TEXT_OK;
}

VrTextStatus vr_split_settled(const VrTextTables *tables, VrTextWork *work, const uint8_t *text, size_t bytes,
                              size_t *count, size_t *place) {
    const VrToken *tokens = work->tokens.data;
    size_t half = bytes / 2, behind = 0;
    *count = 0;
    if (!work->token_count) return VR_TEXT_OK;
    for (size_t here = work->token_count - 1; here > 0; here--) {
        behind += (size_t)tokens[here].length;
        if (tokens[here].word == tokens[here - 1].word || behind < (size_t)tables->numbers.reserve) continue;
        if (!is_cut(tokens + here, text, half)) continue;
        *count = here;
        *place = (size_t)tokens[here].place;
        return VR_TEXT_OK;
    }
    VrTextStatus status = split_last_word(tables, work, count);
    if (status != VR_TEXT_OK || !*count || !is_cut(tokens + *count, text, half)) {
        *count = 0;
        return status;
    }
    *place = (size_t)tokens[*count].place;
    return VR_TEXT_OK;
}
