/* Normalisation of text: lower case where it is asked for, then canonical decomposition, sorting of marks, composition.
 *
 * This is done stretch by stretch: a stretch ends before the next character that nothing before it can combine with.
 * Most texts need none of it, or lower case alone. */
#include "normalize.h"

#include <string.h>

#include "unicode.h"

/* So many marks in a row are sorted by insertion, more by counting, so that no prompt takes quadratic time. */
#define FEW 16

typedef struct {
    uint32_t code;
    uint32_t combining;
} Character;

static bool is_capital(uint8_t byte) { return byte >= 'A' && byte <= 'Z'; }

/* Return whether text is normalised already: no character decomposes, combines with one before it, or is lowered. */
static bool is_normal(const uint8_t *text, size_t bytes, bool lowers) {
    for (size_t at = 0; at < bytes;) {
        if (text[at] < 0x80) {
            if (lowers && is_capital(text[at])) return false;
            at++;
            continue;
        }
        const VrProperties *one = vr_properties_of(vr_read_character(text, &at));
        if (one->decomposes || !one->starts || (lowers && one->lowers)) return false;
    }
    return true;
}

/* Write the text in lower case to `work->normal`. `*same` says whether it is the result, place by place: each character
 * has as many bytes as before, and NFC changes none of them. Where it is false, what has been written is of no use. */
static VrTextStatus lower_in_place(VrTextWork *work, const uint8_t *text, size_t bytes, bool *same) {
    /* The last character may become longer. */
    uint8_t *to = vr_reserve(&work->normal, bytes + VR_LONGEST_CHARACTER, 1);
    if (!to) return VR_TEXT_NO_MEMORY;
    *same = false;
    for (size_t at = 0; at < bytes;) {
        size_t here = at;
        if (text[at] < 0x80) {
            to[at++] = is_capital(text[here]) ? text[here] + ('a' - 'A') : text[here];
            continue;
        }
        uint32_t lower[VR_LONGEST_LOWER_CASE];
        int count = vr_lower_case(vr_read_character(text, &at), lower);
        const VrProperties *one = vr_properties_of(lower[0]);
        if (count > 1 || one->decomposes || !one->starts) return VR_TEXT_OK;
        if (here + (size_t)vr_write_character(lower[0], to + here) != at) return VR_TEXT_OK;
    }
    *same = true;
    return VR_TEXT_OK;
}

/* Sort marks by combining class. Those of one class keep their order. */
static VrTextStatus sort_marks(VrTextWork *work, Character *marks, size_t count) {
    if (count <= FEW) {
        for (size_t place = 1; place < count; place++) {
            Character one = marks[place];
            size_t to = place;
            for (; to > 0 && marks[to - 1].combining > one.combining; to--) marks[to] = marks[to - 1];
            marks[to] = one;
        }
        return VR_TEXT_OK;
    }
    Character *sorted = vr_reserve(&work->sorted, count, sizeof *sorted);
    if (!sorted) return VR_TEXT_NO_MEMORY;
    size_t starts[257] = {0};
    for (size_t place = 0; place < count; place++) starts[marks[place].combining + 1]++;
    for (int klass = 0; klass < 256; klass++) starts[klass + 1] += starts[klass];
    for (size_t place = 0; place < count; place++) sorted[starts[marks[place].combining]++] = marks[place];
    memcpy(marks, sorted, count * sizeof *marks);
    return VR_TEXT_OK;
}

static VrTextStatus sort_all_marks(VrTextWork *work, Character *all, size_t count) {
    for (size_t place = 0; place < count;) {
        size_t end = place;
        while (end < count && all[end].combining) end++;
        VrTextStatus status = sort_marks(work, all + place, end - place);
        if (status != VR_TEXT_OK) return status;
        place = end + 1;
    }
    return VR_TEXT_OK;
}

/* Compose characters in place, and return how many are left. */
static size_t compose(Character *all, size_t count) {
    size_t kept = 0, starter = count;
    for (size_t place = 0; place < count; place++) {
        Character one = all[place];
        bool reaches = starter < count && (kept == starter + 1 || all[kept - 1].combining < one.combining);
        uint32_t composed = reaches ? vr_compose(all[starter].code, one.code) : 0;
        if (composed) {
            all[starter].code = composed;
            continue;
        }
        if (!one.combining) starter = kept;
        all[kept++] = one;
    }
    return kept;
}

/* Add the decomposition of a character to a stretch of `count` characters. Return how many it has then, or 0 without
 * memory. */
static size_t add_decomposed(VrTextWork *work, uint32_t code, size_t count) {
    Character *all = vr_reserve(&work->characters, count + VR_LONGEST_DECOMPOSITION, sizeof *all);
    if (!all) return 0;
    uint32_t parts[VR_LONGEST_DECOMPOSITION];
    int length = vr_decompose(code, parts);
    for (int part = 0; part < length; part++)
        all[count++] = (Character){parts[part], vr_properties_of(parts[part])->combining};
    return count;
}

/* Read the stretch that begins at `*at`, decomposed, and move `*at` behind it. Return how many characters it has, or 0
 * without memory. */
static size_t read_stretch(VrTextWork *work, bool lowers, const uint8_t *text, size_t bytes, size_t *at) {
    size_t count = 0;
    for (size_t begin = *at; *at < bytes;) {
        size_t here = *at;
        uint32_t read[VR_LONGEST_LOWER_CASE] = {vr_read_character(text, at)};
        int length = lowers ? vr_lower_case(read[0], read) : 1;
        if (here > begin && vr_properties_of(read[0])->starts) {
            *at = here;
            break;
        }
        for (int one = 0; one < length; one++) {
            count = add_decomposed(work, read[one], count);
            if (!count) return 0;
        }
    }
    return count;
}

/* Normalise the stretch that begins at `*at`, and append it to what has been written. */
static VrTextStatus normalize_stretch(VrTextWork *work, bool lowers, const uint8_t *text, size_t bytes, size_t *at,
                                      size_t *written) {
    size_t count = read_stretch(work, lowers, text, bytes, at);
    Character *all = work->characters.data;
    if (!count || sort_all_marks(work, all, count) != VR_TEXT_OK) return VR_TEXT_NO_MEMORY;
    count = compose(all, count);
    uint8_t *to = vr_reserve(&work->normal, *written + VR_LONGEST_CHARACTER * count, 1);
    if (!to) return VR_TEXT_NO_MEMORY;
    for (size_t place = 0; place < count; place++)
        *written += (size_t)vr_write_character(all[place].code, to + *written);
    return VR_TEXT_OK;
}

VrTextStatus vr_normalize(VrTextWork *work, int32_t normalizes, const uint8_t *text, size_t bytes, VrNormal *to) {
    bool lowers = normalizes == VR_LOWER_CASE_NFC, same = false;
    *to = (VrNormal){.text = text, .bytes = bytes};
    if (normalizes == VR_AS_IT_IS || is_normal(text, bytes, lowers)) return VR_TEXT_OK;
    if (lowers) {
        VrTextStatus status = lower_in_place(work, text, bytes, &same);
        to->text = same ? work->normal.data : text;
        if (status != VR_TEXT_OK || same) return status;
    }
    size_t written = 0, cut_count = 0;
    for (size_t at = 0; at < bytes;) {
        size_t there = at, here = written;
        VrTextStatus status = normalize_stretch(work, lowers, text, bytes, &at, &written);
        if (status != VR_TEXT_OK) return status;
        VrCut *cuts = vr_reserve(&work->cuts, cut_count + 1, sizeof *cuts);
        if (!cuts) return VR_TEXT_NO_MEMORY;
        cuts[cut_count++] = (VrCut){here, there};
    }
    *to = (VrNormal){work->normal.data, written, work->cuts.data, cut_count};
    return VR_TEXT_OK;
}

int64_t vr_place_before(const VrNormal *normal, size_t here, size_t *next) {
    if (!normal->cuts) return here < normal->bytes && vr_begins_character(normal->text[here]) ? (int64_t)here : -1;
    while (*next < normal->cut_count && normal->cuts[*next].here < here) ++*next;
    return *next < normal->cut_count && normal->cuts[*next].here == here ? (int64_t)normal->cuts[*next].there : -1;
}
