/* The tables of one tokenizer, as they lie in a router's file, and the memory that reading a prompt takes. */
#ifndef VIBE_ROUTER_TEXT_TABLES_H
#define VIBE_ROUTER_TEXT_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    VR_TEXT_OK = 0,
    VR_TEXT_NO_MEMORY = 1,
    VR_TEXT_NOT_UTF8 = 2,
    VR_TEXT_MARKS = 3,     /* a run of combining characters where the prompt must be cut */
    VR_TEXT_UNSETTLED = 4, /* a run without any break, too long to know its first tokens */
} VrTextStatus;

/* Two tokens that become one. Those of one left token lie one behind the other, in the order of the right one. */
typedef struct {
    int32_t right;
    int32_t rank; /* the lowest is applied first */
    int32_t result;
} VrMerge;

/* A token that is found in the text before it is cut into words. */
typedef struct {
    int32_t id;
    int32_t start; /* of its text in `added_bytes` */
    int32_t bytes;
    int32_t characters;
    int32_t normalized; /* 0: found in the text as it is; 1: in the normalised text */
    int32_t special;    /* 1: plain text in a prompt, but nothing else is found in it */
} VrAdded;

/* What is done to text before it is cut into words. */
enum { VR_AS_IT_IS = 0, VR_NFC = 1, VR_LOWER_CASE_NFC = 2, VR_NORMALIZATIONS };

typedef struct {
    int32_t vocabulary; /* ids are below it */
    int32_t start_id;
    int32_t end_id;
    int32_t max_tokens;
    int32_t reserve;    /* bytes behind a token that surely make it certain, see settled.h */
    int32_t longest;    /* bytes of the longest token */
    int32_t normalizes; /* one of the normalizations above */
} VrTextNumbers;

typedef struct {
    VrTextNumbers numbers;
    const int32_t *byte_ids;     /* [256]; -1: the byte is left out */
    const int32_t *merge_starts; /* [vocabulary + 1]: where the merges of each left token begin */
    const VrMerge *merges;
    const int32_t *token_starts; /* [vocabulary + 1]: where the bytes of each token begin */
    const uint8_t *token_bytes;
    const int32_t *token_order; /* tokens in the order of their bytes */
    const VrAdded *added;       /* those found in the text as it is first; then by first byte, the longest first */
    const uint8_t *added_bytes;
    int32_t merge_count;
    int32_t token_byte_count;
    int32_t ordered;
    int32_t added_count;
    int32_t added_byte_count;
} VrTextTables;

/* Return what is wrong with tables of the right sizes, or null: afterwards no index leads out of them. */
const char *vr_text_problem(const VrTextTables *tables);

/* Memory that grows and never shrinks. */
typedef struct {
    void *data;
    size_t bytes;
} VrBuffer;

/* Have room for `count` things of `size` bytes, and keep what is there; return null without memory. */
void *vr_reserve(VrBuffer *buffer, size_t count, size_t size);

/* A token of a text that was read. */
typedef struct {
    int32_t id;
    int32_t length; /* bytes of a word's token, characters of an added one */
    int32_t word;   /* number of its word; an added token is one by itself */
    int64_t place;  /* byte of the text that it begins at; -1 where the text cannot be cut there */
} VrToken;

/* The memory of one thread's calls. All zero at first. */
typedef struct {
    VrBuffer text;       /* with U+FFFD for surrogates */
    VrBuffer normal;     /* a part of the text, normalised */
    VrBuffer cuts;       /* where it can be cut, here and in the text */
    VrBuffer characters; /* of one stretch that is normalised by itself */
    VrBuffer sorted;
    VrBuffer symbols; /* of one word */
    VrBuffer queue;
    VrBuffer word; /* tokens of one word */
    VrBuffer pair; /* tokens of a stretch that is tried */
    VrBuffer tokens;
    VrBuffer pieces;
    size_t token_count;
} VrTextWork;

void vr_free_text_work(VrTextWork *work);

#endif
