/* A stand-in for libnvidia-ml.so.1 that plays a script, for tests of what asks the driver.
 *
 * AUTOLAB_NVML_SCRIPT names the script; without it, it is `nvml.script` beside the library. It is
 * read anew at every call, so that a test may rewrite it; time counts from the first call of the
 * process. Devices are numbered from 0 (at most 32), slices of a device from 0 (at most 8).
 * Lines, applied in order; what a line does not name stays as it was:
 *
 *   # words                      nothing
 *   at SECONDS                   what follows holds from then on
 *   repeat SECONDS               time starts again at 0 each so many seconds
 *   driver ok|missing|permission|VERSION|error CODE
 *                                nvmlInit and all else fail unless ok or a version (999.99)
 *   cuda NUMBER                  the CUDA that the driver is of, 13000 for 13.0
 *   device N KEY=VALUE ...       a device appears, or changes. Keys, in MiB, %, W, C and MHz:
 *                                uuid name memory used util power limit temp sm mem minor throttle
 *                                (a bit mask) ecc corrected (counts of memory errors)
 *   slice N M KEY=VALUE ...      device N is cut, and slice M is there: uuid name memory used gi ci
 *   mig N on|off                 cut, perhaps without slices; or whole again, its slices gone
 *   process N KEY=VALUE ...      one more process on device N: pid memory slice kind=graphics
 *   processes N COUNT pid=PID    COUNT of them, from that number on, of 1 MiB each
 *   noprocess N                  none any more
 *   lost N | back N | gone N     it falls off the bus, answers again, or is not listed
 *   order N N ...                the devices are listed in this order, others after them
 *   count NUMBER                 nvmlDeviceGetCount says so, whatever there is
 *   xid N CODE [slice=M]         this error is told once to whoever waits for events of device N
 *   error FUNCTION CODE [N]      this function (* for all but nvmlInit and nvmlShutdown) returns
 *                                CODE, of device N alone where one is named; CODE 0: no more
 *   hang FUNCTION SECONDS [N]    it sleeps first
 *
 * A value `none` is what NVML says where it does not know (all bits set); names and UUIDs have _
 * for a blank and %XX for any byte. FUNCTION is a name with or without its _v2, _v3. Code 13 is a
 * function that this driver does not have, 3 one that the device does not support.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, PERMISSION = 4, NOT_FOUND = 6, SMALL = 7,
       NOT_LOADED = 9, TIMEOUT = 10, NO_FUNCTION = 13, LOST = 15, XID_EVENT = 8 };
enum { DEVICES = 32, SLICES = 8, PROCESSES = 200000, RULES = 64, XIDS = 64 };
typedef unsigned long long u64;

typedef struct { unsigned pid; int slice, graphics; u64 memory; } process_t;
typedef struct { int there; unsigned gi, ci; char uuid[96], name[96]; u64 memory, used; } slice_t;
typedef struct {
    int there, lost, gone, cut, count;
    char uuid[96], name[96];
    unsigned minor, util, power, limit, temp, sm, mem;
    u64 memory, used, throttle, ecc, corrected;
    slice_t slices[SLICES];
} device_t;
typedef struct { char function[64]; int device, code; double hang; } rule_t;
typedef struct { int device, slice, line; u64 code; } xid_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static device_t devices[DEVICES];
static process_t *processes[DEVICES]; /* of `room` each, made when one is needed */
static int room[DEVICES];
static rule_t rules[RULES];
static xid_t xids[XIDS];
static int order[DEVICES], told[XIDS][3];
static int rule_count, xid_count, told_count, driver, cycle;
static long long listed;
static int cuda;
static char version[80];

static double now(void) {
    static double start = -1;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double seconds = t.tv_sec + t.tv_nsec / 1e9;
    if (start < 0) start = seconds;
    return seconds - start;
}

/* Numbers: whole, scaled, and `none`. */
static u64 big(const char *value, double scale) {
    return !strcmp(value, "none") ? ~0ull : scale == 1 ? strtoull(value, NULL, 0)
                                                       : (u64)(atof(value) * scale);
}
static unsigned small(const char *value, double scale) {
    return !strcmp(value, "none") ? ~0u : (unsigned)(long long)(atof(value) * scale);
}
static void text(char *into, const char *value) {
    char *end = into + 95, hex[3] = {0};
    for (; *value && into < end; value++) {
        if (*value == '%' && value[1] && value[2]) {
            hex[0] = value[1]; hex[1] = value[2];
            *into++ = (char)strtol(hex, NULL, 16);
            value += 2;
        } else *into++ = *value == '_' ? ' ' : *value;
    }
    *into = 0;
}

static void add(device_t *d, int n, process_t p) {
    if (d->count >= PROCESSES) return;
    if (d->count == room[n]) {
        process_t *more = realloc(processes[n], sizeof p * (size_t)(2 * room[n] + 64));
        if (!more) return;
        processes[n] = more;
        room[n] = 2 * room[n] + 64;
    }
    processes[n][d->count++] = p;
}

static void set(device_t *d, const char *key, const char *value) {
    if (!strcmp(key, "uuid")) text(d->uuid, value);
    else if (!strcmp(key, "name")) text(d->name, value);
    else if (!strcmp(key, "memory")) d->memory = big(value, 1048576);
    else if (!strcmp(key, "used")) d->used = big(value, 1048576);
    else if (!strcmp(key, "util")) d->util = small(value, 1);
    else if (!strcmp(key, "power")) d->power = small(value, 1000);
    else if (!strcmp(key, "limit")) d->limit = small(value, 1000);
    else if (!strcmp(key, "temp")) d->temp = small(value, 1);
    else if (!strcmp(key, "sm")) d->sm = small(value, 1);
    else if (!strcmp(key, "mem")) d->mem = small(value, 1);
    else if (!strcmp(key, "minor")) d->minor = small(value, 1);
    else if (!strcmp(key, "throttle")) d->throttle = big(value, 1);
    else if (!strcmp(key, "ecc")) d->ecc = big(value, 1);
    else if (!strcmp(key, "corrected")) d->corrected = big(value, 1);
}
static void set_slice(slice_t *s, const char *key, const char *value) {
    if (!strcmp(key, "uuid")) text(s->uuid, value);
    else if (!strcmp(key, "name")) text(s->name, value);
    else if (!strcmp(key, "memory")) s->memory = big(value, 1048576);
    else if (!strcmp(key, "used")) s->used = big(value, 1048576);
    else if (!strcmp(key, "gi")) s->gi = small(value, 1);
    else if (!strcmp(key, "ci")) s->ci = small(value, 1);
}

static void rule(const char *function, const char *value, const char *device, int hang) {
    int number = device ? atoi(device) : -1;
    rule_t *r = NULL;
    for (int i = 0; i < rule_count; i++)
        if (!strcmp(rules[i].function, function) && rules[i].device == number) r = &rules[i];
    if (!r) {
        if (rule_count == RULES) return;
        r = &rules[rule_count++];
        memset(r, 0, sizeof *r);
        snprintf(r->function, sizeof r->function, "%s", function);
        r->device = number;
    }
    if (hang) r->hang = atof(value);
    else r->code = atoi(value);
}

static void appear(device_t *d, int n) {
    if (d->there) return;
    d->there = 1;
    d->minor = (unsigned)n;
    snprintf(d->uuid, sizeof d->uuid, "GPU-%08d-0000-0000-0000-000000000000", n);
    snprintf(d->name, sizeof d->name, "NVIDIA Stub");
    d->memory = 81559ull << 20; d->limit = 700000; d->temp = 30; d->sm = 1980; d->mem = 2619;
}
static void appear_slice(device_t *d, int n, int m) {
    slice_t *s = &d->slices[m];
    if (s->there) return;
    s->there = d->cut = 1;
    s->gi = (unsigned)m;
    s->memory = 9856ull << 20;
    snprintf(s->uuid, sizeof s->uuid, "MIG-%08d-%04d-0000-0000-000000000000", n, m);
    memcpy(s->name, d->name, sizeof s->name);
    strcpy(s->name + strnlen(s->name, 70), " MIG 1g.10gb");
}

static void apply(char *line, int line_number) {
    char *word[24] = {0}, *save;
    int words = 0;
    for (char *w = strtok_r(line, " \t\r\n", &save); w && words < 24; w = strtok_r(NULL, " \t\r\n", &save))
        word[words++] = w;
    if (words < 2 || *word[0] == '#') return;
    const char *verb = word[0], *first = word[1], *second = words > 2 ? word[2] : NULL;
    if (!strcmp(verb, "driver")) {
        driver = !strcmp(first, "missing") ? NOT_LOADED
               : !strcmp(first, "permission") ? PERMISSION
               : !strcmp(first, "error") && second ? atoi(second) : OK;
        if (driver == OK && strcmp(first, "ok")) snprintf(version, sizeof version, "%s", first);
        return;
    }
    if (!strcmp(verb, "error") || !strcmp(verb, "hang")) {
        if (second) rule(first, second, words > 3 ? word[3] : NULL, *verb == 'h');
        return;
    }
    if (!strcmp(verb, "cuda")) { cuda = atoi(first); return; }
    if (!strcmp(verb, "count")) { listed = atoll(first); return; }
    if (!strcmp(verb, "order")) {
        int next = 0, used[DEVICES] = {0};
        for (int i = 1; i < words; i++) {
            int n = atoi(word[i]);
            if (n >= 0 && n < DEVICES && !used[n]) { used[n] = 1; order[next++] = n; }
        }
        for (int n = 0; n < DEVICES; n++) if (!used[n]) order[next++] = n;
        return;
    }
    int n = atoi(first);
    if (n < 0 || n >= DEVICES) return;
    device_t *d = &devices[n];
    if (!strcmp(verb, "lost")) d->lost = 1;
    else if (!strcmp(verb, "back")) d->lost = d->gone = 0;
    else if (!strcmp(verb, "gone")) d->gone = 1;
    else if (!strcmp(verb, "noprocess")) d->count = 0;
    else if (!strcmp(verb, "mig") && second) {
        d->cut = !strcmp(second, "on");
        if (!d->cut) memset(d->slices, 0, sizeof d->slices);
    }
    else if (!strcmp(verb, "device")) appear(d, n);
    int slice = !strcmp(verb, "slice") && second ? atoi(second) : -1;
    if (slice >= SLICES) return;
    if (slice >= 0) { appear(d, n); appear_slice(d, n, slice); }
    process_t p = {0, -1, 0, 0};
    for (int i = 2; i < words; i++) {
        char *value = strchr(word[i], '=');
        if (!value) continue;
        *value++ = 0;
        if (!strcmp(verb, "device")) set(d, word[i], value);
        else if (slice >= 0) set_slice(&d->slices[slice], word[i], value);
        else if (!strcmp(word[i], "pid")) p.pid = small(value, 1);
        else if (!strcmp(word[i], "memory")) p.memory = big(value, 1048576);
        else if (!strcmp(word[i], "slice")) p.slice = atoi(value);
        else if (!strcmp(word[i], "kind")) p.graphics = !strcmp(value, "graphics");
    }
    if (!strcmp(verb, "process")) add(d, n, p);
    if (!strcmp(verb, "processes") && second)
        for (int i = 0, most = atoi(second); i < most && i < PROCESSES; i++)
            add(d, n, (process_t){p.pid + (unsigned)i, p.slice, p.graphics, 1 << 20});
    if (!strcmp(verb, "xid") && second && xid_count < XIDS)
        xids[xid_count++] = (xid_t){n, p.slice, line_number, strtoull(second, NULL, 0)};
}

static const char *script(void) {
    static char beside[4096];
    const char *path = getenv("AUTOLAB_NVML_SCRIPT");
    Dl_info info;
    if (path) return path;
    if (!*beside && dladdr((void *)script, &info) && strrchr(info.dli_fname, '/'))
        snprintf(beside, sizeof beside, "%.*s/nvml.script",
                 (int)(strrchr(info.dli_fname, '/') - info.dli_fname), info.dli_fname);
    return beside;
}

static void play(void) {
    memset(devices, 0, sizeof devices);
    rule_count = xid_count = cycle = 0;
    driver = OK;
    listed = -1;
    cuda = 13000;
    for (int n = 0; n < DEVICES; n++) order[n] = n;
    snprintf(version, sizeof version, "999.99");
    FILE *file = fopen(script(), "r");
    if (!file) { driver = NOT_LOADED; return; }
    char line[1024];
    double at = 0, time = now(), number;
    for (int count = 1; fgets(line, sizeof line, file); count++) {
        if (sscanf(line, " repeat %lf", &number) == 1 && number > 0) {
            cycle = (int)(time / number);
            time -= cycle * number;
        } else if (sscanf(line, " at %lf", &number) == 1) at = number;
        else if (at <= time) apply(line, count);
    }
    fclose(file);
}

static int named(const char *rule, const char *function) {
    size_t length = strlen(rule);
    if (!strcmp(rule, "*")) return strcmp(function, "nvmlInit") && strcmp(function, "nvmlShutdown");
    return !strncmp(rule, function, length) && (!function[length] || !strncmp(function + length, "_v", 2));
}
static rule_t found(const char *function, int device) {
    rule_t sum = {"", 0, 0, 0};
    for (int i = 0; i < rule_count; i++)
        if (named(rules[i].function, function) && (rules[i].device < 0 || rules[i].device == device)) {
            if (rules[i].code) sum.code = rules[i].code;
            if (rules[i].hang > 0) sum.hang = rules[i].hang;
        }
    return sum;
}

/* Takes the lock, which the caller's END gives back; sleeps without it. */
static int enter(const char *function, int device) {
    pthread_mutex_lock(&lock);
    play();
    rule_t r = found(function, device);
    if (r.hang > 0) {
        pthread_mutex_unlock(&lock);
        usleep((useconds_t)(r.hang * 1e6));
        pthread_mutex_lock(&lock);
        play();
        r = found(function, device);
    }
    return r.code ? r.code : driver;
}
static void leave(int *unused) { (void)unused; pthread_mutex_unlock(&lock); }
#define HELD __attribute__((cleanup(leave), unused)) int held

/* A handle is the number of a device, and above it that of a slice, both counted from 1. */
static void *handle_of(int n, int m) { return (void *)(size_t)(n + 1 + ((m + 1) << 8)); }
static int number_of(void *handle) { return (int)((size_t)handle & 255) - 1; }
static int slice_of(void *handle) { return (int)((size_t)handle >> 8) - 1; }
static device_t *of(void *handle) {
    int n = number_of(handle), m = slice_of(handle);
    if (n < 0 || n >= DEVICES || m >= SLICES || !devices[n].there) return NULL;
    return m < 0 || devices[n].slices[m].there ? &devices[n] : NULL;
}

#define BEGIN int code = enter(__func__, -1); HELD; if (code) return code
#define DEVICE int code = enter(__func__, number_of(handle)); HELD; if (code) return code; \
    device_t *d = of(handle); if (!d) return INVALID; if (d->lost) return LOST; \
    slice_t *s = slice_of(handle) < 0 ? NULL : &d->slices[slice_of(handle)]
#define WHOLE DEVICE; if (s) return NOT_SUPPORTED

static int init(void) { int code = enter("nvmlInit", -1); HELD; return code; }
int nvmlInitWithFlags(unsigned flags) { (void)flags; return init(); }
int nvmlInit_v2(void) { return init(); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) {
    switch (code) {
    case LOST: return "GPU is lost";
    case NOT_LOADED: return "Driver Not Loaded";
    case PERMISSION: return "Insufficient Permissions";
    case NOT_SUPPORTED: return "Not Supported";
    case TIMEOUT: return "Timeout";
    case NO_FUNCTION: return "Function Not Found";
    case 18: return "Driver/library version mismatch";
    default: return "an error of the stub";
    }
}
int nvmlSystemGetDriverVersion(char *into, unsigned size) {
    BEGIN; snprintf(into, size, "%s", version); return OK;
}
int nvmlSystemGetCudaDriverVersion_v2(int *number) { BEGIN; *number = cuda; return OK; }
int nvmlDeviceGetCount_v2(unsigned *count) {
    BEGIN;
    *count = 0;
    for (int i = 0; i < DEVICES; i++) *count += devices[i].there && !devices[i].gone;
    if (listed >= 0) *count = (unsigned)listed;
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    int code = enter(__func__, -1); HELD;
    for (int i = 0; i < DEVICES; i++) {
        device_t *d = &devices[order[i]];
        if (!d->there || d->gone || index--) continue;
        int own = found(__func__, order[i]).code;
        if (code || own) return code ? code : own;
        *handle = handle_of(order[i], -1);
        return d->lost ? LOST : OK;
    }
    return code ? code : INVALID;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    BEGIN;
    for (int i = 0; i < DEVICES; i++) {
        device_t *d = &devices[i];
        if (!d->there || d->gone) continue;
        int m = -2;
        if (!strcmp(d->uuid, uuid)) m = -1;
        for (int k = 0; k < SLICES; k++)
            if (d->slices[k].there && !strcmp(d->slices[k].uuid, uuid)) m = k;
        if (m == -2) continue;
        *handle = handle_of(i, m);
        return d->lost ? LOST : OK;
    }
    return NOT_FOUND;
}
int nvmlDeviceGetUUID(void *handle, char *into, unsigned size) {
    DEVICE; snprintf(into, size, "%s", s ? s->uuid : d->uuid); return OK;
}
int nvmlDeviceGetName(void *handle, char *into, unsigned size) {
    DEVICE; snprintf(into, size, "%s", s ? s->name : d->name); return OK;
}
int nvmlDeviceGetMinorNumber(void *handle, unsigned *minor) { WHOLE; *minor = d->minor; return OK; }
int nvmlDeviceGetIndex(void *handle, unsigned *index) {
    DEVICE; *index = (unsigned)(s ? slice_of(handle) : number_of(handle)); return OK;
}
int nvmlDeviceGetMemoryInfo(void *handle, u64 *memory) {
    DEVICE;
    memory[0] = s ? s->memory : d->memory;
    memory[2] = s ? s->used : d->used;
    memory[1] = memory[0] - memory[2];
    return OK;
}
int nvmlDeviceGetUtilizationRates(void *handle, unsigned *rates) {
    WHOLE; if (d->cut) return NOT_SUPPORTED; rates[0] = d->util; rates[1] = d->util / 2; return OK;
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) { WHOLE; *milliwatts = d->power; return OK; }
int nvmlDeviceGetPowerManagementLimit(void *handle, unsigned *milliwatts) {
    WHOLE; *milliwatts = d->limit; return OK;
}
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *degrees) {
    (void)sensor; WHOLE; *degrees = d->temp; return OK;
}
int nvmlDeviceGetClockInfo(void *handle, int kind, unsigned *mhz) {
    WHOLE; *mhz = kind == 2 ? d->mem : d->sm; return OK;
}
int nvmlDeviceGetCurrentClocksEventReasons(void *handle, u64 *reasons) {
    WHOLE; *reasons = d->throttle; return OK;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, u64 *reasons) {
    WHOLE; *reasons = d->throttle; return OK;
}
int nvmlDeviceGetTotalEccErrors(void *handle, int kind, int counter, u64 *count) {
    (void)counter; WHOLE; *count = kind == 1 ? d->ecc : d->corrected; return OK;
}

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    WHOLE; *current = *pending = (unsigned)d->cut; return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) {
    WHOLE; *count = d->cut ? SLICES - 1 : 0; return OK;
}
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **slice) {
    WHOLE;
    if (index >= SLICES || !d->slices[index].there) return NOT_FOUND;
    *slice = handle_of(number_of(handle), (int)index);
    return OK;
}
int nvmlDeviceGetGpuInstanceId(void *handle, unsigned *id) {
    DEVICE; if (!s) return NOT_SUPPORTED; *id = s->gi; return OK;
}
int nvmlDeviceGetComputeInstanceId(void *handle, unsigned *id) {
    DEVICE; if (!s) return NOT_SUPPORTED; *id = s->ci; return OK;
}

typedef struct { unsigned pid; u64 memory; unsigned gi, ci; } info_t;
static int running(device_t *d, void *handle, int graphics, unsigned *count, info_t *infos) {
    unsigned room = infos ? *count : 0, at = 0;
    int slice = slice_of(handle);
    const process_t *all = processes[number_of(handle)];
    for (int i = 0; i < d->count; i++) {
        const process_t *p = &all[i];
        if (p->graphics != graphics || (slice >= 0 && p->slice != slice)) continue;
        if (at < room) infos[at] = (info_t){p->pid, p->memory, p->slice < 0 ? ~0u : d->slices[p->slice & 7].gi, ~0u};
        at++;
    }
    *count = at;
    return at > room ? SMALL : OK;
}
#define RUNNING(name, graphics) int name(void *handle, unsigned *count, info_t *infos) { \
    DEVICE; (void)s; return running(d, handle, graphics, count, infos); }
RUNNING(nvmlDeviceGetComputeRunningProcesses_v2, 0)
RUNNING(nvmlDeviceGetComputeRunningProcesses_v3, 0)
RUNNING(nvmlDeviceGetGraphicsRunningProcesses_v2, 1)
RUNNING(nvmlDeviceGetGraphicsRunningProcesses_v3, 1)

/* Events. A set is the bits of the devices that are registered with it. */
typedef struct { void *device; u64 type, data; unsigned gi, ci; } event_t;
int nvmlEventSetCreate(u64 **set) { BEGIN; *set = calloc(1, sizeof **set); return OK; }
int nvmlEventSetFree(u64 *set) { free(set); return OK; }
int nvmlDeviceRegisterEvents(void *handle, u64 types, u64 *set) {
    WHOLE; if (types & XID_EVENT) *set |= 1ull << number_of(handle); return OK;
}
static int event(const u64 *set, event_t *into) {
    for (int i = 0; i < xid_count; i++) {
        xid_t *x = &xids[i];
        int known = !(*set >> x->device & 1) || !devices[x->device].there;
        for (int k = 0; k < told_count && !known; k++)
            known = told[k][0] == x->line && told[k][1] == (int)x->code && told[k][2] == cycle;
        if (known) continue;
        if (told_count == XIDS) told_count = 0;
        told[told_count][0] = x->line; told[told_count][1] = (int)x->code; told[told_count++][2] = cycle;
        unsigned gi = x->slice < 0 ? ~0u : devices[x->device].slices[x->slice & 7].gi;
        *into = (event_t){handle_of(x->device, -1), XID_EVENT, x->code, gi, ~0u};
        return 1;
    }
    return 0;
}
int nvmlEventSetWait_v2(u64 *set, event_t *into, unsigned milliseconds) {
    for (double end = now() + milliseconds / 1000.0;; usleep(10000)) {
        BEGIN;
        if (event(set, into)) return OK;
        if (now() >= end) return TIMEOUT;
    }
}
