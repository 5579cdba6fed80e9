/* A target of libFuzzer: an input is changes of a small router's file. What is still opened routes a prompt, replays
 * its golden sample, and, where vr_check_weights finds nothing wrong, scores alike in all instruction sets.
 *
 * Nobody asks for hashes: who writes the file writes them too. Where the input asks for it, what a writer computes is
 * computed again after the changes: sizes and places in the last 64 bytes, and what belongs to the int8 weights. */
#include <sanitizer/asan_interface.h>

#include "changes.h"
#include "repair.h"

/* The first bytes of an input. */
typedef struct {
    uint8_t file, threads, prompt, what;
    uint16_t cut; /* lines of 64 bytes that are missing from the front */
    uint16_t repair;
} Head;

enum { SELF_TEST = 1, COMPARE = 2, AGAIN = 4, UNTOUCHED = 8 };

static File files[MOST_FILES];
static int count;
static Runnable runnable;

int LLVMFuzzerInitialize(int *arguments, char ***values) {
    (void)arguments, (void)values;
    count = read_files(files);
    runnable = find_runnable();
    return 0;
}

static const char *const prompts[] = {
    "hi",
    "",
    "Write [SEP] a\xcc\x81  thread-safe\n\n 'll \xe4\xbd\xa0\xe5\xa5\xbd",
    "\xed\xa0\x80 |||EMAIL_ADDRESS||| [MASK]    e\xcc\x81\xcc\xa3 0123456789 the and is of to in",
    "\xff",
};

/* Score a prompt in every instruction set. */
static void compare(const VrModel *model, VibeRouter *router, const char *prompt) {
    VibeRouterInfo info;
    vibe_router_info(router, &info);
    int64_t *ids = malloc((size_t)info.max_tokens * sizeof *ids);
    int32_t tokens, truncated;
    if (ids && vibe_router_tokenize(router, prompt, strlen(prompt), ids, &tokens, &truncated, 0) == VIBE_ROUTER_OK) {
        _Atomic(int32_t) never = 0;
        float logits[VR_WASM];
        for (int kind = 0; kind < runnable.count; kind++) {
            VrEngine *engine = vr_open(model, runnable.sets[kind], 1);
            check(engine && vr_logits(engine, ids, &tokens, 1, &never, logits + kind) == VR_OK, "a call failed");
            vr_close(engine);
            check(same_logit(logits[0], logits[kind]), "instruction sets have different logits");
        }
    }
    free(ids);
}

/* Use a router of changed bytes. */
static void use(VibeRouter *router, const uint8_t *bytes, size_t size, Head head) {
    const char *prompt = prompts[head.prompt % (sizeof prompts / sizeof *prompts)];
    VibeRouterDecision one, other;
    int32_t status = route(router, (const uint8_t *)prompt, strlen(prompt), 0, &one);
    if (head.what & AGAIN) {
        check(route(router, (const uint8_t *)prompt, strlen(prompt), 0, &other) == status, "another status");
        check(status || !memcmp(&one, &other, sizeof one), "another decision the second time");
    }
    if (head.what & SELF_TEST) vibe_router_self_test(router, 0);
    VrModel model;
    VrLayer *layers = 0;
    if (head.what & COMPARE && read_model(bytes, size, &model, &layers) && vr_check_weights(&model) == VR_OK)
        compare(&model, router, prompt);
    free(layers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Head head = {0};
    begin_input();
    if (size < sizeof head) return 0;
    memcpy(&head, data, sizeof head);
    File *file = files + head.file % count;
    apply_changes(file, data + sizeof head, size - sizeof head);
    size_t cut = head.cut < 4096 ? 0 : head.cut % (file->size / 64) * 64;
    uint8_t *bytes = file->bytes + cut;
    if (head.repair & REPAIR_END) repair_end(bytes, file->size - cut, cut);
    if (head.repair & REPAIR_WEIGHTS) repair_weights(bytes, file->size - cut);
    if (cut) ASAN_POISON_MEMORY_REGION(file->bytes, cut);
    VibeRouter *router = open_router(bytes, file->size - cut, threads_of(head.threads));
    if (router) {
        uint8_t *given = head.what & UNTOUCHED ? malloc(file->size - cut) : 0;
        if (given) memcpy(given, bytes, file->size - cut);
        use(router, bytes, file->size - cut, head);
        check(!given || !memcmp(given, bytes, file->size - cut), "a file was written to");
        free(given);
    }
    vibe_router_close(router);
    ASAN_UNPOISON_MEMORY_REGION(file->bytes, cut);
    undo_changes(file, data + sizeof head, size - sizeof head, head.repair);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    return mutate_changes(files, count, sizeof(Head), data, size, most, seed);
}
