#include "repair.h"

int read_model(const uint8_t *bytes, size_t size, VrModel *model, VrLayer **layers) {
    RouterFile file;
    *layers = 0;
    if (vr_read_file(bytes, size, &file)) return 0;
    int32_t count = vr_layer_count(&file);
    *layers = count ? calloc((size_t)count, sizeof **layers) : 0;
    return *layers && !vr_read_model(&file, *layers, model);
}

void repair_end(uint8_t *bytes, size_t size, size_t cut) {
    uint64_t whole = size, start;
    if (size < 64) return;
    memcpy(&start, bytes + size - 32, 8);
    start -= cut;
    memcpy(bytes + size - 40, &whole, 8);
    memcpy(bytes + size - 32, &start, 8);
}

/* Not under sanitizers: it takes a third of the time there, and is no code of the product. */
__attribute__((no_sanitize("address", "undefined"))) static void repair_matrix(const VrMatrix *matrix, int32_t inputs) {
    if (!matrix->scales) return;
    int8_t *values = (int8_t *)matrix->values;
    int32_t *offsets = (int32_t *)matrix->offsets, rows = matrix->inputs / 4;
    for (int32_t panel = 0; panel < matrix->panels; panel++, values += (int64_t)rows * 4 * VR_PANEL) {
        int32_t sums[VR_PANEL] = {0};
        memset(values + inputs / 4 * 4 * VR_PANEL, 0, (size_t)(rows - inputs / 4) * 4 * VR_PANEL);
        for (int32_t place = 0; place < inputs / 4 * 4 * VR_PANEL; place++) {
            if (values[place] == INT8_MIN) values[place] = -127;
            sums[place / 4 % VR_PANEL] += values[place];
        }
        for (int output = 0; output < VR_PANEL; output++) offsets[panel * VR_PANEL + output] = -128 * sums[output];
    }
}

void repair_weights(uint8_t *bytes, size_t size) {
    VrModel model;
    VrLayer *layers;
    if (read_model(bytes, size, &model, &layers)) {
        for (int32_t number = 0; number < model.layer_count; number++) {
            const VrLayer *layer = layers + number;
            repair_matrix(&layer->query_key_value, model.hidden);
            repair_matrix(&layer->attention_output, model.hidden);
            repair_matrix(&layer->mlp_input, model.hidden);
            repair_matrix(&layer->mlp_output, model.intermediate);
        }
        repair_matrix(&model.head_dense, model.hidden);
    }
    free(layers);
}
