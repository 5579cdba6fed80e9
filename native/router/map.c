/* Mapping a file into memory, on POSIX and on Windows. WebAssembly has no files. */
#define _POSIX_C_SOURCE 200809L
#include "map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Where a bundle has its native file. */
#define NATIVE_FILE "/native/model_int8.safetensors"

#if defined(_WIN32) || !defined(__wasm__)

/* Return the path of a bundle's native file, or null if there is not enough memory. */
static char *inside(const char *folder) {
    size_t length = strlen(folder);
    char *path = malloc(length + sizeof NATIVE_FILE);
    if (!path) return 0;
    memcpy(path, folder, length);
    memcpy(path + length, NATIVE_FILE, sizeof NATIVE_FILE);
    return path;
}

#endif

#if defined(_WIN32)

#include <windows.h>

/* Return a path in UTF-16, as Windows takes it; null if it is not UTF-8 or there is not enough memory. */
static wchar_t *wide(const char *path) {
    int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, 0, 0);
    wchar_t *to = length > 0 ? malloc((size_t)length * sizeof *to) : 0;
    if (to) MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, to, length);
    return to;
}

static int map_file(const wchar_t *path, Mapping *mapping) {
    HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, 0, OPEN_EXISTING, 0, 0);
    LARGE_INTEGER size;
    if (file == INVALID_HANDLE_VALUE) return 0;
    HANDLE section =
        GetFileSizeEx(file, &size) && size.QuadPart ? CreateFileMappingW(file, 0, PAGE_READONLY, 0, 0, 0) : 0;
    mapping->bytes = section ? MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0) : 0;
    mapping->size = mapping->bytes ? (size_t)size.QuadPart : 0;
    if (section) CloseHandle(section);
    CloseHandle(file);
    return mapping->bytes != 0;
}

int vr_map(const char *path, Mapping *mapping) {
    wchar_t *name = wide(path);
    DWORD kind = name ? GetFileAttributesW(name) : INVALID_FILE_ATTRIBUTES;
    if (kind != INVALID_FILE_ATTRIBUTES && kind & FILE_ATTRIBUTE_DIRECTORY) {
        char *file = inside(path);
        free(name);
        name = file ? wide(file) : 0;
        free(file);
    }
    int mapped = name && map_file(name, mapping);
    free(name);
    return mapped;
}

void vr_unmap(Mapping *mapping) {
    if (mapping->bytes) UnmapViewOfFile(mapping->bytes);
}

#elif defined(__wasm__)

int vr_map(const char *path, Mapping *mapping) {
    (void)path;
    *mapping = (Mapping){0};
    return 0;
}

void vr_unmap(Mapping *mapping) { (void)mapping; }

#else

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Map a regular file. Its kind is checked before it is opened, because opening a device can have side effects. */
static int map_file(const char *path, Mapping *mapping) {
    struct stat about;
    if (stat(path, &about) || !S_ISREG(about.st_mode)) return 0;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return 0;
    if (!fstat(file, &about) && S_ISREG(about.st_mode) && about.st_size > 0) {
        void *bytes = mmap(0, (size_t)about.st_size, PROT_READ, MAP_SHARED, file, 0);
        if (bytes != MAP_FAILED) *mapping = (Mapping){bytes, (size_t)about.st_size};
    }
    close(file);
    return mapping->bytes != 0;
}

int vr_map(const char *path, Mapping *mapping) {
    struct stat about;
    *mapping = (Mapping){0};
    if (stat(path, &about)) return 0;
    if (!S_ISDIR(about.st_mode)) return map_file(path, mapping);
    char *file = inside(path);
    int mapped = file && map_file(file, mapping);
    free(file);
    return mapped;
}

void vr_unmap(Mapping *mapping) {
    if (mapping->bytes) munmap((void *)mapping->bytes, mapping->size);
}

#endif
