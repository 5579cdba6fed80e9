/* The tables of a tokenizer, as a router's file holds them, and the memory that reading a prompt takes. */
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
    VR_TEXT_UNSETTLED = 4, /* a run without any break that is too long to be sure of its first tokens */
} VrTextStatus;

/* Two tokens that become one. The merges of one left token follow each other, in the order of the right token. */
typedef struct {
    int32_t right;
    int32_t rank; /* the lowest is applied first */
    int32_t result;
} VrMerge;

/* A token that is found in the text before it is cut into words. */
typedef struct {
    int32_t id;
    int32_t start; /* its first byte in `added_bytes` */
    int32_t bytes;
    int32_t characters;
    int32_t normalized; /* 0: found in the text as it is; 1: in the normalised text */
    int32_t special;    /* 1: it is plain text in a prompt, but no other token is found inside of it */
} VrAdded;

/* What is done to text before it is cut into words. */
enum { VR_AS_IT_IS = 0, VR_NFC = 1, VR_LOWER_CASE_NFC = 2, VR_NORMALIZATIONS };

typedef struct {
    int32_t vocabulary; /* one more than the largest id */
    int32_t start_id;
    int32_t end_id;
    int32_t max_tokens;
    int32_t reserve;    /* bytes after a token that are enough to make it certain; see settled.h */
    int32_t longest;    /* how many bytes the longest token has */
    int32_t normalizes; /* one of the normalizations above */
} VrTextNumbers;

typedef struct {
    VrTextNumbers numbers;
    const int32_t *byte_ids;     /* [256]; -1: no token, and the byte is left out */
    const int32_t *merge_starts; /* [vocabulary + 1]: where the merges of each left token begin */
    const VrMerge *merges;
    const int32_t *token_starts; /* [vocabulary + 1]: where the bytes of each token begin */
    const uint8_t *token_bytes;
    const int32_t *token_order; /* tokens in the order of their bytes */
    const VrAdded *added;       /* first those found in the text as it is; ordered by first byte, the longest first */
    const uint8_t *added_bytes;
    int32_t merge_count;
    int32_t token_byte_count;
    int32_t ordered;
    int32_t added_count;
    int32_t added_byte_count;
} VrTextTables;

/* Return what is wrong with tables of the right sizes, or null. Null means that no index in them leads out of them. */
const char *vr_text_problem(const VrTextTables *tables);

/* Memory that grows and never shrinks. */
typedef struct {
    void *data;
    size_t bytes;
} VrBuffer;

/* Return the buffer's memory with room for `count` things of `size` bytes and with what is in it, or null if there is
 * not enough memory. */
void *vr_reserve(VrBuffer *buffer, size_t count, size_t size);

/* A token of a text that was read. */
typedef struct {
    int32_t id;
    int32_t length; /* in bytes; of an added token, in characters */
    int32_t word;   /* number of its word; an added token is a word by itself */
    int64_t place;  /* byte of the text that it begins at; -1: the text cannot be cut there */
} VrToken;

/* The memory of one thread's calls. It begins as {0}. */
typedef struct {
    VrBuffer text;       /* with U+FFFD for surrogates */
    VrBuffer normal;     /* a part of the text, normalised */
    VrBuffer cuts;       /* places where both can be cut */
    VrBuffer characters; /* of the stretch that is being normalised */
    VrBuffer sorted;
    VrBuffer symbols; /* of the word that is being encoded */
    VrBuffer queue;
    VrBuffer word; /* its tokens */
    VrBuffer pair; /* tokens of bytes that are encoded to see whether others are certain */
    VrBuffer tokens;
    VrBuffer pieces;
    size_t token_count;
} VrTextWork;

void vr_free_text_work(VrTextWork *work);

#endif
