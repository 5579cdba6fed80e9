/* Byte pair encoding of a word: a linked list of symbols, and a queue of possible merges, the lowest rank first. */
#include "bpe.h"

#define NONE (-1)

typedef struct {
    int32_t id; /* NONE: it has been merged into the symbol before it */
    int32_t start;
    int32_t previous;
    int32_t next;
} Symbol;

typedef struct {
    uint64_t order; /* rank, then place */
    int32_t result;
} Candidate;

typedef struct {
    const VrTextTables *tables;
    Symbol *symbols;
    VrBuffer *memory;
    Candidate *heap;
    size_t count;
} Queue;

static const VrMerge *merge_of(const VrTextTables *tables, int32_t left, int32_t right) {
    int32_t low = tables->merge_starts[left], high = tables->merge_starts[left + 1];
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        const VrMerge *merge = tables->merges + middle;
        if (merge->right == right) return merge;
        if (merge->right < right) low = middle + 1;
        else high = middle;
    }
    return 0;
}

/* Add the merge of a symbol with the next one to the queue, if there is such a merge. Return false without memory. */
static bool push(Queue *queue, int32_t place) {
    const Symbol *left = queue->symbols + place;
    const VrMerge *merge = merge_of(queue->tables, left->id, queue->symbols[left->next].id);
    if (!merge) return true;
    Candidate *heap = queue->heap = vr_reserve(queue->memory, queue->count + 1, sizeof *heap);
    if (!heap) return false;
    Candidate one = {(uint64_t)merge->rank << 32 | (uint32_t)place, merge->result};
    size_t hole = queue->count++;
    for (; hole > 0 && heap[(hole - 1) / 2].order > one.order; hole = (hole - 1) / 2) heap[hole] = heap[(hole - 1) / 2];
    heap[hole] = one;
    return true;
}

static Candidate pop(Queue *queue) {
    Candidate *heap = queue->heap, top = heap[0], last = heap[--queue->count];
    size_t hole = 0;
    for (size_t child; (child = 2 * hole + 1) < queue->count; hole = child) {
        if (child + 1 < queue->count && heap[child + 1].order < heap[child].order) child++;
        if (heap[child].order >= last.order) break;
        heap[hole] = heap[child];
    }
    heap[hole] = last;
    return top;
}

/* Merge a symbol with the next one, and queue the merges that this makes possible. Return false without memory. */
static bool merge(Queue *queue, int32_t place, int32_t result) {
    Symbol *left = queue->symbols + place, *right = queue->symbols + left->next;
    left->id = result;
    left->next = right->next;
    right->id = NONE;
    if (left->next != NONE) queue->symbols[left->next].previous = place;
    return (left->previous == NONE || push(queue, left->previous)) && (left->next == NONE || push(queue, place));
}

static int32_t read_symbols(const VrTextTables *tables, const uint8_t *word, size_t bytes, Symbol *symbols) {
    int32_t count = 0;
    for (size_t at = 0; at < bytes; at++) {
        int32_t id = tables->byte_ids[word[at]];
        if (id != NONE) symbols[count] = (Symbol){id, (int32_t)at, count - 1, count + 1}, count++;
    }
    if (count) symbols[count - 1].next = NONE;
    return count;
}

VrTextStatus vr_bpe(const VrTextTables *tables, VrTextWork *work, const uint8_t *word, size_t bytes, VrBuffer *to,
                    size_t *count) {
    Symbol *symbols = vr_reserve(&work->symbols, bytes, sizeof *symbols);
    if (!symbols) return VR_TEXT_NO_MEMORY;
    int32_t length = read_symbols(tables, word, bytes, symbols);
    Queue queue = {.tables = tables, .symbols = symbols, .memory = &work->queue};
    for (int32_t place = 0; place + 1 < length; place++)
        if (!push(&queue, place)) return VR_TEXT_NO_MEMORY;
    while (queue.count) {
        Candidate top = pop(&queue);
        int32_t place = (int32_t)(uint32_t)top.order, next = symbols[place].next;
        if (symbols[place].id == NONE || next == NONE) continue;
        const VrMerge *now = merge_of(tables, symbols[place].id, symbols[next].id);
        /* The symbols may have changed since the merge was queued. As in the library, it still counts if what they
         * merge to now is the same. */
        if (!now || now->result != top.result) continue;
        if (!merge(&queue, place, top.result)) return VR_TEXT_NO_MEMORY;
    }
    VrPiece *pieces = vr_reserve(to, (size_t)length, sizeof *pieces);
    if (!pieces) return VR_TEXT_NO_MEMORY;
    *count = 0;
    for (int32_t place = 0; place < length; place++)
        if (symbols[place].id != NONE) pieces[(*count)++] = (VrPiece){symbols[place].id, symbols[place].start};
    return VR_TEXT_OK;
}
