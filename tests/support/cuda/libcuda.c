/* A stand-in for libcuda.so.1, for tests of what drives a device. It runs nothing on a GPU.
 *
 * Memory is the host's, events are the host's clock, and a launch calls what the test compiled for
 * the host: autolab_host_launch_NAME of the library FOLDER/<sha256 of the cubin>.so, with FOLDER
 * from AUTOLAB_STUB_CUDA_KERNELS, else `kernels` beside this file. Work is queued and done by a
 * thread, so that a launch that never ends is one. Its device is called "stub".
 *
 * It refuses what a driver refuses: calls before cuInit or without a context, handles that it did not
 * give or has taken back, copies and fills that leave their allocation, shapes beyond the device's
 * limits or the kernel's launch bounds, shared memory that was not opted into (what the kernel
 * declares included), cubins of another architecture, and times between events that were not
 * recorded.
 *
 * What the host's code may touch is not guarded as on a device; SIGSEGV in a kernel is caught and
 * becomes an illegal address, after which every call fails, as it does there. Functions that are
 * not here return CUDA_ERROR_NOT_SUPPORTED: see building.py.
 *
 * A file `version` beside the libraries says of which CUDA the driver is (12080 for 12.8). A file
 * `pace` there with a number of milliseconds makes every kernel take at least
 * so long, for times that a busy machine does not disturb.
 */
#define _GNU_SOURCE
#include <cuda.h>
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void autolab_sha256(const unsigned char *data, size_t size, char *hex); /* sha256.c */

enum { CACHE = 1 << 16, SHARED = 232448, OPT_IN = 49152, PARAMETERS = 64, BLOCKS = 256 };
typedef void (*host_kernel)(unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, size_t,
                            void **);
struct CUevent_st { double at; int done, recorded; };
struct CUmod_st { unsigned char *image; size_t size; void *library; };
struct CUfunc_st {
    host_kernel run;
    CUmodule of; /* NULL once that is unloaded */
    int count, opted, declared;
    unsigned most, cluster[3];
    struct CUfunc_st *next;
    unsigned offset[PARAMETERS], size[PARAMETERS];
};
typedef struct work {
    struct work *next;
    CUevent event;
    host_kernel run;
    unsigned shape[6];
    size_t shared;
    unsigned char *arguments;
    struct CUfunc_st function;
    CUdeviceptr at;
    unsigned char value;
    size_t bytes;
} work;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static work *first, *last;
static int busy, started, broken, context, pace_ms, cuda_version = 13000;
static int initialised, made_context, depth;
static struct CUfunc_st *functions;
static struct { CUdeviceptr at; size_t bytes; } blocks[BLOCKS];

#define READY if (!initialised) return CUDA_ERROR_NOT_INITIALIZED
#define CURRENT READY; if (depth < 1) return CUDA_ERROR_INVALID_CONTEXT

/* Whether these bytes lie in one allocation. */
static int ours(CUdeviceptr at, size_t bytes) {
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i].at && at >= blocks[i].at && at + bytes <= blocks[i].at + blocks[i].bytes)
            return 1;
    return 0;
}
static int known(CUstream stream) { return !stream || stream == (CUstream)&context; }
static sigjmp_buf out;
static __thread volatile int guarded;

static void segv(int number) {
    if (guarded) siglongjmp(out, 1);
    signal(number, SIG_DFL);
    raise(number);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int run(work *w) {
    void *pointers[PARAMETERS];
    for (int i = 0; i < w->function.count; i++)
        pointers[i] = w->arguments + w->function.offset[i];
    guarded = 1;
    if (sigsetjmp(out, 1)) {
        guarded = 0;
        return 1;
    }
    unsigned *s = w->shape;
    w->run(s[0], s[1], s[2], s[3], s[4], s[5], w->shared, pointers);
    guarded = 0;
    return 0;
}

static void *serve(void *forever) {
    (void)forever;
    for (;;) {
        pthread_mutex_lock(&lock);
        while (!first) {
            busy = 0;
            pthread_cond_broadcast(&changed);
            pthread_cond_wait(&changed, &lock);
        }
        work *w = first;
        first = w->next;
        busy = 1;
        int dead = broken;
        pthread_mutex_unlock(&lock);
        if (dead) {
        } else if (w->event) {
            w->event->at = now();
            w->event->done = 1;
        } else if (w->run) {
            double until = now() + pace_ms / 1e3;
            dead = run(w);
            double left = until - now();
            if (left > 0) usleep((useconds_t)(left * 1e6));
        } else memset((void *)w->at, w->value, w->bytes);
        pthread_mutex_lock(&lock);
        broken = dead;
        pthread_mutex_unlock(&lock);
        free(w->arguments);
        free(w);
    }
    return NULL;
}

static CUresult queue(work *w) {
    pthread_mutex_lock(&lock);
    if (!started) {
        pthread_t thread;
        struct sigaction action = {.sa_handler = segv, .sa_flags = SA_NODEFER};
        sigaction(SIGSEGV, &action, NULL);
        sigaction(SIGBUS, &action, NULL);
        pthread_create(&thread, NULL, serve, NULL);
        started = 1;
    }
    w->next = NULL;
    if (first) last->next = w;
    else first = w;
    last = w;
    busy = 1;
    pthread_cond_broadcast(&changed);
    int dead = broken;
    pthread_mutex_unlock(&lock);
    return dead ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
}

static CUresult drain(void) {
    pthread_mutex_lock(&lock);
    while (first || (started && busy)) pthread_cond_wait(&changed, &lock);
    int dead = broken;
    pthread_mutex_unlock(&lock);
    return dead ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
}

static work *fresh(void) { return calloc(1, sizeof(work)); }

static const char *folder(void) {
    static char path[4096];
    const char *named = getenv("AUTOLAB_STUB_CUDA_KERNELS");
    if (named) return named;
    Dl_info info;
    dladdr((void *)folder, &info);
    const char *slash = strrchr(info.dli_fname, '/');
    snprintf(path, sizeof path, "%.*s/kernels", slash ? (int)(slash - info.dli_fname) : 1,
             slash ? info.dli_fname : ".");
    return path;
}

CUresult cuInit(unsigned flags) {
    char path[4200];
    snprintf(path, sizeof path, "%s/pace", folder());
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%d", &pace_ms) != 1) pace_ms = 0;
        fclose(file);
    }
    snprintf(path, sizeof path, "%s/version", folder());
    file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%d", &cuda_version) != 1) cuda_version = 13000;
        fclose(file);
    }
    initialised = !flags;
    return flags ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
CUresult cuDriverGetVersion(int *version) { *version = cuda_version; return CUDA_SUCCESS; }
CUresult cuDeviceGetCount(int *count) { READY; *count = 1; return CUDA_SUCCESS; }
CUresult cuDeviceGet(CUdevice *device, int n) {
    READY;
    *device = n;
    return n ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char *name, int size, CUdevice device) {
    (void)device;
    snprintf(name, size, "stub");
    return CUDA_SUCCESS;
}
CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device) {
    (void)device;
    *major = 9;
    *minor = 0;
    return CUDA_SUCCESS;
}
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    (void)device;
    *bytes = 1UL << 30;
    return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
    (void)device;
    switch ((int)attribute) {
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *value = CACHE; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *value = SHARED; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = 9; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = 0; break;
    default: *value = 1;
    }
    return CUDA_SUCCESS;
}
CUresult cuGetErrorString(CUresult error, const char **words) {
    *words = error == CUDA_ERROR_ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
           : error == CUDA_ERROR_NOT_SUPPORTED   ? "not supported by the stub"
           : error == CUDA_ERROR_OUT_OF_MEMORY   ? "out of memory"
           : error == CUDA_ERROR_NOT_FOUND       ? "named symbol not found"
                                                 : "an error of the stub's";
    return CUDA_SUCCESS;
}

CUresult cuCtxCreate_v4(CUcontext *made, CUctxCreateParams *how, unsigned flags, CUdevice device) {
    READY;
    if (how || flags & ~(unsigned)CU_CTX_FLAGS_MASK || device) return CUDA_ERROR_INVALID_VALUE;
    *made = (CUcontext)&context;
    made_context = 1;
    depth++;
    return CUDA_SUCCESS;
}
CUresult cuCtxDetach(CUcontext c) { (void)c; READY; depth--; return CUDA_SUCCESS; }
CUresult cuCtxPushCurrent_v2(CUcontext c) {
    READY;
    if (!made_context || c != (CUcontext)&context) return CUDA_ERROR_INVALID_CONTEXT;
    depth++;
    return CUDA_SUCCESS;
}
CUresult cuCtxPopCurrent_v2(CUcontext *c) {
    CURRENT;
    depth--;
    if (c) *c = (CUcontext)&context;
    return CUDA_SUCCESS;
}
CUresult cuCtxGetDevice(CUdevice *device) { CURRENT; *device = 0; return CUDA_SUCCESS; }
CUresult cuCtxSynchronize(void) { CURRENT; return drain(); }

CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
    CURRENT;
    if (flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
    *stream = (CUstream)&context;
    return CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream stream) { (void)stream; return CUDA_SUCCESS; }
CUresult cuStreamSynchronize(CUstream stream) {
    CURRENT;
    return known(stream) ? drain() : CUDA_ERROR_INVALID_HANDLE;
}
CUresult cuStreamQuery(CUstream stream) {
    CURRENT;
    if (!known(stream)) return CUDA_ERROR_INVALID_HANDLE;
    pthread_mutex_lock(&lock);
    int waiting = first || (started && busy);
    int dead = broken;
    pthread_mutex_unlock(&lock);
    return dead ? CUDA_ERROR_ILLEGAL_ADDRESS : waiting ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *event, unsigned flags) {
    CURRENT;
    if (flags & ~7u) return CUDA_ERROR_INVALID_VALUE;
    *event = calloc(1, sizeof **event);
    return CUDA_SUCCESS;
}
CUresult cuEventDestroy_v2(CUevent event) { free(event); return CUDA_SUCCESS; }
CUresult cuEventRecord(CUevent event, CUstream stream) {
    CURRENT;
    if (!event || !known(stream)) return CUDA_ERROR_INVALID_HANDLE;
    work *w = fresh();
    event->done = 0;
    event->recorded = 1;
    w->event = event;
    return queue(w);
}
CUresult cuEventElapsedTime_v2(float *ms, CUevent begin, CUevent end) {
    CURRENT;
    if (!begin || !end || !begin->recorded || !end->recorded) return CUDA_ERROR_INVALID_HANDLE;
    if (!begin->done || !end->done) return CUDA_ERROR_NOT_READY;
    *ms = (float)((end->at - begin->at) * 1e3);
    return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *at, size_t bytes) {
    CURRENT;
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    int slot = 0;
    while (slot < BLOCKS && blocks[slot].at) slot++;
    void *made = NULL;
    if (slot == BLOCKS || bytes > 1UL << 30 || posix_memalign(&made, 4096, bytes))
        return CUDA_ERROR_OUT_OF_MEMORY;
    *at = blocks[slot].at = (CUdeviceptr)made;
    blocks[slot].bytes = bytes;
    return CUDA_SUCCESS;
}
CUresult cuMemFree_v2(CUdeviceptr at) {
    CURRENT;
    int slot = 0;
    while (slot < BLOCKS && (!at || blocks[slot].at != at)) slot++;
    if (slot == BLOCKS) return CUDA_ERROR_INVALID_VALUE;
    CUresult result = drain(); /* as a driver, it waits for whoever may be using it */
    blocks[slot].at = 0;
    free((void *)at);
    return result;
}
CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
    CURRENT;
    if (!ours(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
    CUresult result = drain();
    if (result == CUDA_SUCCESS) memcpy((void *)to, from, bytes);
    return result;
}
CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
    CURRENT;
    if (!ours(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    CUresult result = drain();
    if (result == CUDA_SUCCESS) memcpy(to, (void *)from, bytes);
    return result;
}
CUresult cuMemsetD8Async(CUdeviceptr at, unsigned char value, size_t bytes, CUstream stream) {
    CURRENT;
    if (!known(stream)) return CUDA_ERROR_INVALID_HANDLE;
    if (!ours(at, bytes)) return CUDA_ERROR_INVALID_VALUE;
    work *w = fresh();
    w->at = at, w->value = value, w->bytes = bytes;
    return queue(w);
}

static size_t whole(const unsigned char *image) { /* the cubin ends with its table of sections */
    uint64_t sections, programs;
    uint16_t size, count, psize, pcount;
    memcpy(&programs, image + 32, 8), memcpy(&sections, image + 40, 8);
    memcpy(&psize, image + 54, 2), memcpy(&pcount, image + 56, 2);
    memcpy(&size, image + 58, 2), memcpy(&count, image + 60, 2);
    size_t end = sections + (size_t)size * count, other = programs + (size_t)psize * pcount;
    for (unsigned n = 0; n < count; n++) {
        const unsigned char *s = image + sections + (size_t)size * n;
        uint32_t kind;
        uint64_t at, bytes;
        memcpy(&kind, s + 4, 4), memcpy(&at, s + 24, 8), memcpy(&bytes, s + 32, 8);
        if (kind != 8 && kind != 0 && at + bytes > end) end = at + bytes;
    }
    return end > other ? end : other;
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count,
                            CUjit_option *options, void **values) {
    (void)count, (void)options;
    values[1] = values[3] = (void *)0; /* PyCUDA reads how long the logs are */
    CURRENT;
    const unsigned char *bytes = image;
    uint32_t flags;
    if (memcmp(bytes, "\x7f" "ELF", 4)) return CUDA_ERROR_INVALID_IMAGE;
    memcpy(&flags, bytes + 48, 4);
    if ((flags >> (bytes[8] >= 8 ? 8 : 0) & 0xFF) != 90) return CUDA_ERROR_NO_BINARY_FOR_GPU;
    struct CUmod_st *made = calloc(1, sizeof *made);
    made->size = whole(image);
    made->image = malloc(made->size);
    memcpy(made->image, image, made->size);
    char hex[65], path[4200];
    autolab_sha256(made->image, made->size, hex);
    snprintf(path, sizeof path, "%s/%s.so", folder(), hex);
    made->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!made->library) {
        fprintf(stderr, "stub: %s\n", dlerror());
        return CUDA_ERROR_INVALID_IMAGE;
    }
    *module = made;
    return CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule module) {
    CURRENT;
    for (CUfunction f = functions; f; f = f->next)
        if (f->of == module) f->of = NULL;
    dlclose(module->library); /* its globals go with it, as a module's do */
    free(module->image);
    free(module);
    return CUDA_SUCCESS;
}

static const unsigned char *section(CUmodule module, const char *name, uint64_t *bytes) {
    const unsigned char *image = module->image;
    uint64_t table, at, names;
    uint16_t size, count, strings;
    memcpy(&table, image + 40, 8);
    memcpy(&size, image + 58, 2), memcpy(&count, image + 60, 2), memcpy(&strings, image + 62, 2);
    memcpy(&names, image + table + (size_t)size * strings + 24, 8);
    for (unsigned n = 0; n < count; n++) {
        const unsigned char *s = image + table + (size_t)size * n;
        uint32_t label;
        memcpy(&label, s, 4), memcpy(&at, s + 24, 8), memcpy(bytes, s + 32, 8);
        if (!strcmp((const char *)image + names + label, name)) return image + at;
    }
    return NULL;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    CURRENT;
    char label[256];
    snprintf(label, sizeof label, "autolab_host_launch_%s", name);
    host_kernel run_it = (host_kernel)dlsym(module->library, label);
    snprintf(label, sizeof label, ".nv.info.%s", name);
    uint64_t bytes;
    const unsigned char *info = section(module, label, &bytes);
    if (!run_it || !info) return CUDA_ERROR_NOT_FOUND;
    struct CUfunc_st *made = calloc(1, sizeof *made);
    made->run = run_it, made->of = module;
    made->next = functions, functions = made;
    made->most = 1024;
    for (int side = 0; side < 3; side++) made->cluster[side] = 1;
    uint64_t declared = 0;
    snprintf(label, sizeof label, ".nv.shared.%s", name);
    if (section(module, label, &declared))
        made->declared = declared > 1024 ? (int)declared - 1024 : 0; /* the system's own */
    for (uint64_t at = 0; at + 4 <= bytes;) { /* EIATTR_KPARAM_INFO, as verifier/cuda/cubin.py */
        uint16_t length;
        memcpy(&length, info + at + 2, 2);
        if (info[at] == 4 && (info[at + 1] == 0x05 || info[at + 1] == 0x3D)) {
            unsigned sides[3];
            memcpy(sides, info + at + 4, sizeof sides);
            if (info[at + 1] == 0x05) made->most = sides[0] * sides[1] * sides[2];
            else memcpy(made->cluster, sides, sizeof sides);
        }
        if (info[at] == 4 && info[at + 1] == 0x17) {
            uint16_t ordinal, offset;
            uint32_t packed;
            memcpy(&ordinal, info + at + 8, 2), memcpy(&offset, info + at + 10, 2);
            memcpy(&packed, info + at + 12, 4);
            if (ordinal < PARAMETERS) {
                made->offset[ordinal] = offset;
                made->size[ordinal] = packed >> 18;
                if (ordinal >= made->count) made->count = ordinal + 1;
            }
        }
        at += info[at] == 4 ? 4 + length : 4;
    }
    *function = made;
    return CUDA_SUCCESS;
}
CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function) {
    CURRENT;
    if (!function || !function->of) return CUDA_ERROR_INVALID_HANDLE;
    *value = attribute == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES ? function->declared : 0;
    return CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
    CURRENT;
    if (!function || !function->of) return CUDA_ERROR_INVALID_HANDLE;
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 ||
        value > SHARED - function->declared)
        return CUDA_ERROR_INVALID_VALUE;
    function->opted = value;
    return CUDA_SUCCESS;
}
CUresult cuLaunchKernel(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                        unsigned by, unsigned bz, unsigned shared, CUstream stream,
                        void **parameters, void **extra) {
    CURRENT;
    if (!function || !function->of || !known(stream)) return CUDA_ERROR_INVALID_HANDLE;
    unsigned long threads = (unsigned long)bx * by * bz;
    if (!gx || !gy || !gz || gx > 0x7fffffffu || gy > 65535 || gz > 65535 || !threads || bx > 1024 ||
        by > 1024 || bz > 64 || threads > 1024)
        return CUDA_ERROR_INVALID_VALUE;
    if (threads > function->most) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    unsigned *c = function->cluster;
    if (c[0] * c[1] * c[2] > 8 || gx % c[0] || gy % c[1] || gz % c[2])
        return CUDA_ERROR_INVALID_CLUSTER_SIZE;
    if (shared + function->declared > OPT_IN && shared > (unsigned)function->opted)
        return CUDA_ERROR_INVALID_VALUE;
    if (parameters || extra[0] != CU_LAUNCH_PARAM_BUFFER_POINTER) return CUDA_ERROR_NOT_SUPPORTED;
    size_t bytes = *(size_t *)extra[3], wanted = 0;
    for (int i = 0; i < function->count; i++)
        if (function->offset[i] + function->size[i] > wanted)
            wanted = function->offset[i] + function->size[i];
    if (bytes != wanted) return CUDA_ERROR_INVALID_VALUE;
    work *w = fresh();
    unsigned shape[6] = {gx, gy, gz, bx, by, bz};
    memcpy(w->shape, shape, sizeof shape);
    w->shared = shared, w->run = function->run, w->function = *function;
    w->arguments = malloc(bytes + 1);
    memcpy(w->arguments, extra[1], bytes);
    return queue(w);
}
