/* Checking the tables of a tokenizer, and buffers that grow. */
#include "tables.h"

#include <stdlib.h>

/* The most of anything, so that sums of it fit into an int. */
#define MOST (1 << 24)

static bool within(int64_t value, int64_t low, int64_t high) { return low <= value && value < high; }

/* Return whether `count` + 1 places ascend from 0 to `end`. */
static bool ascending(const int32_t *starts, int32_t count, int32_t end) {
    if (starts[0] != 0 || starts[count] != end) return false;
    for (int32_t place = 0; place < count; place++)
        if (starts[place] > starts[place + 1]) return false;
    return true;
}

static bool numbers_fit(const VrTextNumbers *numbers) {
    return within(numbers->vocabulary, 1, MOST) && within(numbers->start_id, 0, numbers->vocabulary) &&
           within(numbers->end_id, 0, numbers->vocabulary) && within(numbers->max_tokens, 2, MOST) &&
           within(numbers->reserve, 0, MOST) && within(numbers->longest, 1, MOST) &&
           within(numbers->normalizes, 0, VR_NORMALIZATIONS);
}

static bool added_fit(const VrTextTables *tables) {
    for (int32_t place = 0; place < tables->added_count; place++) {
        const VrAdded *one = tables->added + place;
        if (!within(one->id, 0, tables->numbers.vocabulary) || !within(one->bytes, 1, MOST) ||
            !within(one->characters, 1, MOST) || one->start < 0 ||
            (int64_t)one->start + one->bytes > tables->added_byte_count)
            return false;
        if (place && one->normalized < one[-1].normalized) return false;
    }
    return true;
}

const char *vr_text_problem(const VrTextTables *tables) {
    int32_t vocabulary = tables->numbers.vocabulary;
    if (!numbers_fit(&tables->numbers)) return "a number of the tokenizer is out of range";
    for (int byte = 0; byte < 256; byte++)
        if (!within(tables->byte_ids[byte], -1, vocabulary)) return "a byte's token is not in the vocabulary";
    if (!ascending(tables->merge_starts, vocabulary, tables->merge_count)) return "the merges are out of order";
    for (int32_t place = 0; place < tables->merge_count; place++) {
        const VrMerge *merge = tables->merges + place;
        if (!within(merge->right, 0, vocabulary) || !within(merge->result, 0, vocabulary) || merge->rank < 0)
            return "a merge is of tokens that are not in the vocabulary";
    }
    if (!ascending(tables->token_starts, vocabulary, tables->token_byte_count)) return "the tokens are out of order";
    for (int32_t place = 0; place < tables->ordered; place++)
        if (!within(tables->token_order[place], 0, vocabulary)) return "a token is not in the vocabulary";
    if (!added_fit(tables)) return "an added token is out of range";
    return 0;
}

void *vr_reserve(VrBuffer *buffer, size_t count, size_t size) {
    if (count > SIZE_MAX / 2 / size) return 0;
    size_t wanted = count * size;
    if (wanted > buffer->bytes || !buffer->data) {
        size_t bytes = wanted > 2 * buffer->bytes ? wanted + 64 : 2 * buffer->bytes;
        void *data = realloc(buffer->data, bytes);
        if (!data) return 0;
        buffer->data = data;
        buffer->bytes = bytes;
    }
    return buffer->data;
}

void vr_free_text_work(VrTextWork *work) {
    VrBuffer *buffers[] = {&work->text,  &work->normal, &work->cuts, &work->characters, &work->sorted, &work->symbols,
                           &work->queue, &work->word,   &work->pair, &work->tokens,     &work->pieces};
    for (size_t place = 0; place < sizeof buffers / sizeof *buffers; place++) free(buffers[place]->data);
    *work = (VrTextWork){0};
}
