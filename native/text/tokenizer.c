/* Reading a prompt in pieces, each of which is cut where the tokens before the cut are certain. */
#include "tokenizer.h"

#include <string.h>

#include "read.h"
#include "settled.h"
#include "unicode.h"

/* Characters that are read at first, for each token that is kept. Ordinary text has four or five in a token. */
#define CHARACTERS_PER_TOKEN 8
/* After so many characters, no further place to cut is looked for. */
#define MARGIN 1024
/* The most characters that are read at a time. */
#define MOST_CHARACTERS (1u << 21)

/* A piece that has been read: its text, the place and number of its ids, and how many bytes of the text they stand for.
 * Dense text, such as a line of dashes, repeats itself, and so do its pieces. */
typedef struct {
    const uint8_t *text;
    size_t bytes;
    size_t first;
    size_t count;
    size_t place;
} Piece;

typedef struct {
    const VrTextTables *tables;
    VrTextWork *work;
    const uint8_t *rest;
    size_t left;       /* bytes of the rest */
    size_t characters; /* to read at a time */
    int64_t *ids;
    size_t count;
    size_t limit;
    size_t pieces;
} Prompt;

/* Move `*at` over some characters, or to the end of the text. Return 0 if they are not UTF-8. */
static int skip(const uint8_t *text, size_t bytes, size_t characters, size_t *at) {
    for (; characters > 0 && *at < bytes; characters--) {
        int length = vr_character_bytes(text + *at, bytes - *at);
        if (!length) return 0;
        *at += (size_t)length;
    }
    return 1;
}

/* Find where the next piece ends: the first place after its characters at which text may be cut in two. */
static VrTextStatus cut(const Prompt *prompt, size_t *end) {
    size_t begin = 0;
    if (!skip(prompt->rest, prompt->left, prompt->characters, &begin)) return VR_TEXT_NOT_UTF8;
    *end = begin;
    if (!skip(prompt->rest, prompt->left, MARGIN, end)) return VR_TEXT_NOT_UTF8;
    if (*end == prompt->left) return VR_TEXT_OK;
    for (size_t next = begin; begin < *end; begin = next)
        if (vr_properties_of(vr_read_character(prompt->rest, &next))->breaks) {
            *end = begin;
            return VR_TEXT_OK;
        }
    return VR_TEXT_MARKS;
}

static void keep(Prompt *prompt, size_t count) {
    const VrToken *tokens = prompt->work->tokens.data;
    for (size_t place = 0; place < count && prompt->count < prompt->limit; place++)
        prompt->ids[prompt->count++] = tokens[place].id;
}

static const Piece *known(const Prompt *prompt, size_t bytes) {
    const Piece *pieces = prompt->work->pieces.data;
    for (size_t place = 0; place < prompt->pieces; place++)
        if (pieces[place].bytes == bytes && !memcmp(pieces[place].text, prompt->rest, bytes)) return pieces + place;
    return 0;
}

static void read_on(Prompt *prompt, size_t place) {
    prompt->rest += place;
    prompt->left -= place;
}

static void repeat(Prompt *prompt, const Piece *piece) {
    for (size_t place = 0; place < piece->count && prompt->count < prompt->limit; place++)
        prompt->ids[prompt->count++] = prompt->ids[piece->first + place];
    read_on(prompt, piece->place);
}

/* Keep what is certain of a piece of `end` bytes that has been read and is not the last one. If nothing is, the next
 * piece is twice as long. */
static VrTextStatus read_piece(Prompt *prompt, size_t end, bool *done) {
    VrTextStatus status = vr_first_settled(prompt->tables, prompt->work, prompt->limit - prompt->count, done);
    if (status != VR_TEXT_OK || *done) return status;
    size_t count, place;
    status = vr_split_settled(prompt->tables, prompt->work, prompt->rest, end, &count, &place);
    if (status != VR_TEXT_OK) return status;
    if (!count) {
        prompt->characters *= 2;
        return prompt->characters > MOST_CHARACTERS ? VR_TEXT_UNSETTLED : VR_TEXT_OK;
    }
    Piece *pieces = vr_reserve(&prompt->work->pieces, prompt->pieces + 1, sizeof *pieces);
    if (!pieces) return VR_TEXT_NO_MEMORY;
    pieces[prompt->pieces++] = (Piece){prompt->rest, end, prompt->count, count, place};
    keep(prompt, count);
    read_on(prompt, place);
    return VR_TEXT_OK;
}

/* Write the ids between [CLS] and [SEP]. */
static VrTextStatus read_content(Prompt *prompt, int32_t *truncated) {
    *truncated = 1;
    for (bool first = true; prompt->count < prompt->limit || first;) {
        size_t end;
        VrTextStatus status = cut(prompt, &end);
        if (status != VR_TEXT_OK) return status;
        const Piece *piece = known(prompt, end);
        if (piece) {
            repeat(prompt, piece);
            continue;
        }
        status = vr_read(prompt->tables, prompt->work, prompt->rest, end);
        if (status != VR_TEXT_OK) return status;
        bool done = end == prompt->left;
        if (done) *truncated = prompt->work->token_count > prompt->limit - prompt->count;
        else status = read_piece(prompt, end, &done);
        if (status != VR_TEXT_OK) return status;
        if (done) {
            keep(prompt, prompt->work->token_count);
            return VR_TEXT_OK;
        }
        first = prompt->pieces == 0;
    }
    return VR_TEXT_OK;
}

VrTextStatus vr_tokenize(const VrTextTables *tables, VrTextWork *work, const uint8_t *prompt, size_t bytes,
                         int64_t *ids, int32_t *count, int32_t *truncated) {
    const VrTextNumbers *numbers = &tables->numbers;
    Prompt one = {
        .tables = tables,
        .work = work,
        .rest = prompt,
        .left = bytes,
        .characters = (size_t)CHARACTERS_PER_TOKEN * (size_t)numbers->max_tokens,
        .ids = ids + 1,
        .limit = (size_t)numbers->max_tokens - 2,
    };
    VrTextStatus status = read_content(&one, truncated);
    if (status != VR_TEXT_OK) return status;
    ids[0] = numbers->start_id;
    ids[one.count + 1] = numbers->end_id;
    *count = (int32_t)one.count + 2;
    return VR_TEXT_OK;
}
