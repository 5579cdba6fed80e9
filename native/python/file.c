/* A router's file for the Python package: mapped, read and checked as `libvibe_router` does. */
#include "file.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../engine/check.h"
#include "../router/file.h"
#include "../text/tokenizer.h"

struct VrFile {
    RouterFile file;
    VrTextTables tables;
    VrLayer *layers;
};

/* Return what is wrong with the file, or null. */
static const char *read_all(VrFile *file, VrModel *model) {
    const char *problem = vr_read_file(file->file.bytes, file->file.size, &file->file);
    if (problem) return problem;
    int32_t layers = vr_layer_count(&file->file);
    if (!layers) return "its model has no layers";
    file->layers = calloc((size_t)layers, sizeof *file->layers);
    if (!file->layers) return "there is not enough memory for its layers";
    if ((problem = vr_read_model(&file->file, file->layers, model))) return problem;
    if ((problem = vr_read_tables(&file->file, &file->tables))) return problem;
    if (file->tables.numbers.vocabulary > model->vocabulary || file->tables.numbers.max_tokens > model->max_tokens)
        return "its tokenizer does not fit its model";
    return vr_model_is_whole(model) ? 0 : "its model is not whole";
}

/* Map a regular file; return 0 if that is not possible. */
static int map(int32_t descriptor, VrFile *file) {
    struct stat about;
    if (fstat(descriptor, &about) || !S_ISREG(about.st_mode) || about.st_size <= 0) return 0;
    void *bytes = mmap(0, (size_t)about.st_size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (bytes == MAP_FAILED) return 0;
    file->file.bytes = bytes;
    file->file.size = (size_t)about.st_size;
    return 1;
}

VrFile *vr_file_open(int32_t descriptor, VrModel *model, int32_t *max_tokens, const char **problem) {
    VrFile *file = calloc(1, sizeof *file);
    *problem = "it cannot be mapped";
    if (!file || !map(descriptor, file)) {
        free(file);
        return 0;
    }
    *problem = read_all(file, model);
    if (*problem) {
        vr_file_close(file);
        return 0;
    }
    *max_tokens = file->tables.numbers.max_tokens;
    return file;
}

int32_t vr_file_tokenize(const VrFile *file, const uint8_t *prompt, size_t bytes, int64_t *ids, int32_t *count,
                         int32_t *truncated) {
    VrTextWork work = {0};
    VrTextStatus status = vr_tokenize(&file->tables, &work, prompt, bytes, ids, count, truncated);
    vr_free_text_work(&work);
    return (int32_t)status;
}

void vr_file_close(VrFile *file) {
    if (!file) return;
    munmap((void *)file->file.bytes, file->file.size);
    free(file->layers);
    free(file);
}
