/* Text to tokens: added tokens, then normalisation, then added tokens of the normalised text, words, byte pairs. */
#include "read.h"

#include <string.h>

#include "bpe.h"
#include "normalize.h"
#include "unicode.h"
#include "words.h"

typedef struct {
    const VrTextTables *tables;
    VrTextWork *work;
    int32_t words;
} Reader;

/* A part of the text, and the byte of the whole text that it begins at. */
typedef struct {
    const uint8_t *text;
    size_t bytes;
    size_t place;
} Part;

static VrToken *new_tokens(VrTextWork *work, size_t more) {
    VrToken *tokens = vr_reserve(&work->tokens, work->token_count + more, sizeof *tokens);
    return tokens ? tokens + work->token_count : 0;
}

static VrTextStatus add_word(Reader *reader, const VrNormal *normal, size_t begin, size_t end, size_t *next,
                             size_t place) {
    size_t count;
    VrTextStatus status =
        vr_bpe(reader->tables, reader->work, normal->text + begin, end - begin, &reader->work->word, &count);
    if (status != VR_TEXT_OK) return status;
    const VrPiece *pieces = reader->work->word.data;
    VrToken *tokens = new_tokens(reader->work, count);
    if (!tokens) return VR_TEXT_NO_MEMORY;
    for (size_t one = 0; one < count; one++) {
        int64_t before = vr_place_before(normal, begin + (size_t)pieces[one].start, next);
        tokens[one] = (VrToken){pieces[one].id, vr_token_length(reader->tables, pieces[one].id), reader->words,
                                before < 0 ? -1 : before + (int64_t)place};
    }
    reader->work->token_count += count;
    reader->words++;
    return VR_TEXT_OK;
}

static VrTextStatus add_added(Reader *reader, const VrAdded *one, int64_t place) {
    VrToken *token = new_tokens(reader->work, 1);
    if (!token) return VR_TEXT_NO_MEMORY;
    *token = (VrToken){one->id, one->characters, reader->words++, place};
    reader->work->token_count++;
    return VR_TEXT_OK;
}

/* Return the longest added token, of those from `first` to `end`, that a text begins with, or null. */
static const VrAdded *added_at(const VrTextTables *tables, int32_t first, int32_t end, const uint8_t *text,
                               size_t left) {
    for (const VrAdded *one = tables->added + first; one < tables->added + end; one++) {
        const uint8_t *bytes = tables->added_bytes + one->start;
        if (bytes[0] < text[0]) continue;
        if (bytes[0] > text[0]) return 0;
        if ((size_t)one->bytes <= left && !memcmp(bytes, text, (size_t)one->bytes)) return one;
    }
    return 0;
}

/* Return the next added token from `at` on, and where it begins, or null. Special tokens are plain text in a prompt, so
 * they are skipped; no other token is found inside of one. */
static const VrAdded *next_added(const VrTextTables *tables, int32_t normalized, const uint8_t *text, size_t bytes,
                                 size_t at, size_t *begin) {
    int32_t first = 0, end;
    while (first < tables->added_count && tables->added[first].normalized < normalized) first++;
    for (end = first; end < tables->added_count && tables->added[end].normalized == normalized;) end++;
    bool begins[256] = {false};
    for (int32_t one = first; one < end; one++) begins[tables->added_bytes[tables->added[one].start]] = true;
    while (at < bytes) {
        const VrAdded *one = begins[text[at]] ? added_at(tables, first, end, text + at, bytes - at) : 0;
        if (one && !one->special) {
            *begin = at;
            return one;
        }
        at += one ? (size_t)one->bytes : 1;
    }
    return 0;
}

static VrTextStatus read_words(Reader *reader, const VrNormal *normal, size_t begin, size_t end, size_t *next,
                               size_t place) {
    while (begin < end) {
        size_t stop = vr_word_end(normal->text, begin, end);
        VrTextStatus status = add_word(reader, normal, begin, stop, next, place);
        if (status != VR_TEXT_OK) return status;
        begin = stop;
    }
    return VR_TEXT_OK;
}

static VrTextStatus read_part(Reader *reader, Part part) {
    VrNormal normal;
    size_t next = 0, at = 0, begin;
    VrTextStatus status =
        vr_normalize(reader->work, reader->tables->numbers.normalizes, part.text, part.bytes, &normal);
    while (status == VR_TEXT_OK) {
        const VrAdded *one = next_added(reader->tables, 1, normal.text, normal.bytes, at, &begin);
        status = read_words(reader, &normal, at, one ? begin : normal.bytes, &next, part.place);
        if (status != VR_TEXT_OK || !one) return status;
        int64_t before = vr_place_before(&normal, begin, &next);
        status = add_added(reader, one, before < 0 ? -1 : before + (int64_t)part.place);
        at = begin + (size_t)one->bytes;
    }
    return status;
}

/* Return the text with U+FFFD for each surrogate, which is no character. Both have three bytes in UTF-8. */
static const uint8_t *without_surrogates(VrTextWork *work, const uint8_t *text, size_t bytes) {
    uint8_t *copy = 0;
    for (size_t at = 0; at + 2 < bytes; at++) {
        if (text[at] != 0xed || text[at + 1] < 0xa0) continue;
        if (!copy) {
            copy = vr_reserve(&work->text, bytes, 1);
            if (!copy) return 0;
            memcpy(copy, text, bytes);
        }
        memcpy(copy + at, "\xef\xbf\xbd", 3);
    }
    return copy ? copy : text;
}

VrTextStatus vr_read(const VrTextTables *tables, VrTextWork *work, const uint8_t *text, size_t bytes) {
    Reader reader = {.tables = tables, .work = work};
    work->token_count = 0;
    text = without_surrogates(work, text, bytes);
    if (!text) return VR_TEXT_NO_MEMORY;
    for (size_t at = 0, begin;;) {
        const VrAdded *one = next_added(tables, 0, text, bytes, at, &begin);
        size_t end = one ? begin : bytes;
        VrTextStatus status = at < end ? read_part(&reader, (Part){text + at, end - at, at}) : VR_TEXT_OK;
        if (status == VR_TEXT_OK && one) status = add_added(&reader, one, (int64_t)begin);
        if (status != VR_TEXT_OK || !one) return status;
        at = begin + (size_t)one->bytes;
    }
}
