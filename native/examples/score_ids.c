/* A program that scores prompts given as token ids. Each line of the file IDS is a prompt: ids, separated by blanks.
 *
 *     score_ids MODEL IDS [THREADS]
 *
 * For each prompt it prints a line: the logit, and the probability that the prompt belongs to the cloud.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model_file.h"

#define LINE_LIMIT (1 << 16)
#define TOKENS_LIMIT 8192

static const int32_t preference[] = {VR_AMX, VR_AVX512_VNNI, VR_AVX_VNNI, VR_AVX2, VR_NEON};

/* Open an engine with the fastest instructions that are compiled in and that the processor has; return null if there
 * are none. */
static VrEngine *open_engine(const VrModel *model, int threads) {
    for (unsigned place = 0; place < sizeof preference / sizeof *preference; place++)
        if (vr_supports(preference[place])) return vr_open(model, preference[place], threads);
    return 0;
}

/* Read the ids of one line; return how many there are. */
static int32_t read_ids(char *line, int64_t *ids) {
    int32_t count = 0;
    for (char *end; count < TOKENS_LIMIT; line = end) {
        int64_t id = strtoll(line, &end, 10);
        if (end == line) break;
        ids[count++] = id;
    }
    return count;
}

static int score_lines(VrEngine *engine, FILE *lines) {
    static char line[LINE_LIMIT];
    static int64_t ids[TOKENS_LIMIT];
    const _Atomic(int32_t) stop = 0;
    while (fgets(line, sizeof line, lines)) {
        int32_t length = read_ids(line, ids);
        float logit;
        if (vr_logits(engine, ids, &length, 1, &stop, &logit) != VR_OK) {
            fprintf(stderr, "a line is empty, too long, or has ids that the model does not know\n");
            return 1;
        }
        printf("%.9g %.6f\n", logit, 1.0 / (1.0 + exp(-logit)));
    }
    return 0;
}

int main(int count, char **arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: score_ids MODEL IDS [THREADS]\n");
        return 2;
    }
    ModelFile file;
    FILE *lines = fopen(arguments[2], "r");
    if (!lines || open_model_file(&file, arguments[1])) {
        fprintf(stderr, "the model or the ids cannot be read\n");
        return 1;
    }
    VrEngine *engine = open_engine(&file.model, count > 3 ? atoi(arguments[3]) : 1);
    if (!engine) {
        fprintf(stderr, "this processor does not have the instructions, or there is not enough memory\n");
        return 1;
    }
    int failed = score_lines(engine, lines);
    vr_close(engine);
    close_model_file(&file);
    fclose(lines);
    return failed;
}
