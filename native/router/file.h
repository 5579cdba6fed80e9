/* A router's file in memory: its sections, each within the file, and the structures that are read from them.
 *
 * It is a safetensors file, whose header is not read here: the last 64 bytes say where the sections are. */
#ifndef VIBE_ROUTER_FILE_H
#define VIBE_ROUTER_FILE_H

#include "../engine/api.h"
#include "../text/tables.h"

typedef enum {
    SECTION_MODEL,
    SECTION_NUMBERS,
    SECTION_BYTE_IDS,
    SECTION_MERGE_STARTS,
    SECTION_MERGES,
    SECTION_TOKEN_STARTS,
    SECTION_TOKEN_BYTES,
    SECTION_TOKEN_ORDER,
    SECTION_ADDED,
    SECTION_ADDED_BYTES,
    SECTION_GOLDEN_TEXT,
    SECTION_GOLDEN_TEXT_STARTS,
    SECTION_GOLDEN_IDS,
    SECTION_GOLDEN_ID_STARTS,
    SECTION_GOLDEN_LOGITS,
    SECTION_SETTINGS,
    SECTION_STRINGS,
    SECTIONS,
} SectionName;

typedef struct {
    const void *data;
    int64_t count; /* of elements */
} Section;

typedef struct {
    const uint8_t *bytes;
    size_t size;
    size_t start; /* of the first tensor */
    Section sections[SECTIONS];
} RouterFile;

/* A bundle's name, labels and thresholds. The texts lie in the file. */
typedef struct {
    const char *name, *version, *device, *cloud;
    double temperature;
    int32_t folded;
    int32_t default_profile;
    int32_t profiles;
    const int64_t *first_profile; /* [profiles][4]: offset and length of the name, raw and calibrated threshold */
    const char *strings;
} Settings;

typedef struct {
    int32_t count;
    const uint8_t *text;
    const int32_t *text_starts;
    const int32_t *ids;
    const int32_t *id_starts;
    const float *logits;
} Golden;

/* Each returns null, or what is wrong with the file. */
const char *vr_read_file(const void *bytes, size_t size, RouterFile *file);
const char *vr_read_tables(const RouterFile *file, VrTextTables *tables);
const char *vr_read_settings(const RouterFile *file, Settings *settings);
const char *vr_read_golden(const RouterFile *file, Golden *golden);

/* Return the number of layers, or 0 if the section of the model has another size. */
int32_t vr_layer_count(const RouterFile *file);

/* Read the model. `layers` has room for vr_layer_count layers. */
const char *vr_read_model(const RouterFile *file, VrLayer *layers, VrModel *model);

const char *vr_profile_name(const Settings *settings, int32_t place);
double vr_profile_threshold(const Settings *settings, int32_t place);

#endif
