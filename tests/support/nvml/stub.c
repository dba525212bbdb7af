/* A stand-in for libnvidia-ml.so.1 that plays a script, for tests of what asks the driver.
 *
 * AUTOLAB_NVML_SCRIPT names the script. It is read anew at every call, so that a test may rewrite
 * it; time counts from the first call of the process. Lines, applied in order:
 *
 *   at SECONDS                     what follows holds from then on
 *   driver ok|missing|permission|VERSION     nvmlInit and all else fail unless ok
 *   device N KEY=VALUE ...         a device appears, or changes; keys: uuid name memory used util
 *                                  power limit temp sm mem throttle ecc minor (MiB, %, W, C, MHz,
 *                                  a bit mask, a count, a number); names with _ for spaces
 *   process N pid=PID memory=MIB   a process on device N;  noprocess N: none any more
 *   lost N | back N | gone N       it falls off the bus, answers again, or is not listed
 *   error FUNCTION CODE            this function returns CODE;  error FUNCTION 0: no more
 *   hang FUNCTION SECONDS          this function sleeps first
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, PERMISSION = 4, NOT_FOUND = 6,
       SMALL = 7, NOT_LOADED = 9, LOST = 15 };
enum { DEVICES = 16, PROCESSES = 16, RULES = 32 };

typedef struct { unsigned pid; double memory; } process_t;
typedef struct {
    int there, lost, gone, minor, count;
    char uuid[96], name[96];
    double memory, used, util, power, limit, temp, sm, mem;
    unsigned long long throttle, ecc;
    process_t processes[PROCESSES];
} device_t;
typedef struct { char function[64]; int code; double hang; } rule_t;

static device_t devices[DEVICES];
static rule_t rules[RULES];
static int rule_count, driver;
static char version[80];

static double now(void) {
    static double start = -1;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double seconds = t.tv_sec + t.tv_nsec / 1e9;
    if (start < 0) start = seconds;
    return seconds - start;
}

static rule_t *rule(const char *function) {
    for (int i = 0; i < rule_count; i++)
        if (!strcmp(rules[i].function, function)) return &rules[i];
    if (rule_count == RULES) return &rules[RULES - 1];
    rule_t *made = &rules[rule_count++];
    memset(made, 0, sizeof *made);
    snprintf(made->function, sizeof made->function, "%s", function);
    return made;
}

static void set(device_t *d, const char *key, const char *value) {
    double number = atof(value);
    if (!strcmp(key, "uuid")) snprintf(d->uuid, sizeof d->uuid, "%s", value);
    else if (!strcmp(key, "name")) {
        snprintf(d->name, sizeof d->name, "%s", value);
        for (char *c = d->name; *c; c++) if (*c == '_') *c = ' ';
    }
    else if (!strcmp(key, "memory")) d->memory = number;
    else if (!strcmp(key, "used")) d->used = number;
    else if (!strcmp(key, "util")) d->util = number;
    else if (!strcmp(key, "power")) d->power = number;
    else if (!strcmp(key, "limit")) d->limit = number;
    else if (!strcmp(key, "temp")) d->temp = number;
    else if (!strcmp(key, "sm")) d->sm = number;
    else if (!strcmp(key, "mem")) d->mem = number;
    else if (!strcmp(key, "minor")) d->minor = (int)number;
    else if (!strcmp(key, "throttle")) d->throttle = strtoull(value, NULL, 0);
    else if (!strcmp(key, "ecc")) d->ecc = strtoull(value, NULL, 0);
}

static void apply(char *line) {
    char *save, *word = strtok_r(line, " \t\r\n", &save);
    if (!word || *word == '#') return;
    char *first = strtok_r(NULL, " \t\r\n", &save);
    if (!first) return;
    if (!strcmp(word, "driver")) {
        driver = !strcmp(first, "missing") ? NOT_LOADED : !strcmp(first, "permission") ? PERMISSION : OK;
        if (driver == OK && strcmp(first, "ok")) snprintf(version, sizeof version, "%s", first);
        return;
    }
    if (!strcmp(word, "error") || !strcmp(word, "hang")) {
        char *value = strtok_r(NULL, " \t\r\n", &save);
        if (!value) return;
        if (*word == 'e') rule(first)->code = atoi(value);
        else rule(first)->hang = atof(value);
        return;
    }
    int n = atoi(first);
    if (n < 0 || n >= DEVICES) return;
    device_t *d = &devices[n];
    if (!strcmp(word, "lost")) d->lost = 1;
    else if (!strcmp(word, "back")) d->lost = d->gone = 0;
    else if (!strcmp(word, "gone")) d->gone = 1;
    else if (!strcmp(word, "noprocess")) d->count = 0;
    else if (!strcmp(word, "device") || !strcmp(word, "process")) {
        process_t p = {0, 0};
        int is_device = *word == 'd';
        if (is_device && !d->there) {
            d->there = 1;
            d->minor = n;
            snprintf(d->uuid, sizeof d->uuid, "GPU-%08d-0000-0000-0000-000000000000", n);
            snprintf(d->name, sizeof d->name, "NVIDIA Stub");
            d->memory = 81559; d->limit = 700; d->temp = 30; d->sm = 1980; d->mem = 2619;
        }
        for (char *pair; (pair = strtok_r(NULL, " \t\r\n", &save));) {
            char *value = strchr(pair, '=');
            if (!value) continue;
            *value++ = 0;
            if (is_device) set(d, pair, value);
            else if (!strcmp(pair, "pid")) p.pid = (unsigned)atoi(value);
            else if (!strcmp(pair, "memory")) p.memory = atof(value);
        }
        if (!is_device && d->count < PROCESSES) d->processes[d->count++] = p;
    }
}

static void play(void) {
    memset(devices, 0, sizeof devices);
    rule_count = 0;
    driver = OK;
    snprintf(version, sizeof version, "999.99");
    const char *path = getenv("AUTOLAB_NVML_SCRIPT");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) { driver = NOT_LOADED; return; }
    char line[1024];
    double at = 0, time = now();
    while (fgets(line, sizeof line, file)) {
        double next;
        if (sscanf(line, " at %lf", &next) == 1) { at = next; continue; }
        if (at <= time) apply(line);
    }
    fclose(file);
}

static int enter(const char *function) {
    play();
    rule_t *r = rule(function);
    if (r->hang > 0) { usleep((useconds_t)(r->hang * 1e6)); play(); r = rule(function); }
    return r->code ? r->code : driver;
}

/* Handles are numbers of devices, counted from 1. */
static device_t *of(void *handle) {
    size_t n = (size_t)handle;
    return n >= 1 && n <= DEVICES && devices[n - 1].there ? &devices[n - 1] : NULL;
}

#define BEGIN(name) int code = enter(name); if (code) return code
#define DEVICE(name) BEGIN(name); device_t *d = of(handle); if (!d) return INVALID; \
    if (d->lost) return LOST

int nvmlInitWithFlags(unsigned flags) { (void)flags; return enter("nvmlInit"); }
int nvmlInit_v2(void) { return enter("nvmlInit"); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) {
    switch (code) {
    case LOST: return "GPU is lost";
    case NOT_LOADED: return "Driver Not Loaded";
    case PERMISSION: return "Insufficient Permissions";
    case NOT_SUPPORTED: return "Not Supported";
    default: return "an error of the stub";
    }
}
int nvmlSystemGetDriverVersion(char *text, unsigned size) {
    BEGIN("nvmlSystemGetDriverVersion"); snprintf(text, size, "%s", version); return OK;
}
int nvmlDeviceGetCount_v2(unsigned *count) {
    BEGIN("nvmlDeviceGetCount");
    *count = 0;
    for (int i = 0; i < DEVICES; i++) *count += devices[i].there && !devices[i].gone;
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    BEGIN("nvmlDeviceGetHandleByIndex");
    for (int i = 0; i < DEVICES; i++)
        if (devices[i].there && !devices[i].gone && index-- == 0) {
            *handle = (void *)(size_t)(i + 1);
            return devices[i].lost ? LOST : OK;
        }
    return INVALID;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    BEGIN("nvmlDeviceGetHandleByUUID");
    for (int i = 0; i < DEVICES; i++)
        if (devices[i].there && !devices[i].gone && !strcmp(devices[i].uuid, uuid)) {
            *handle = (void *)(size_t)(i + 1);
            return devices[i].lost ? LOST : OK;
        }
    return NOT_FOUND;
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) {
    DEVICE("nvmlDeviceGetUUID"); snprintf(text, size, "%s", d->uuid); return OK;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned size) {
    DEVICE("nvmlDeviceGetName"); snprintf(text, size, "%s", d->name); return OK;
}
int nvmlDeviceGetMinorNumber(void *handle, unsigned *minor) {
    DEVICE("nvmlDeviceGetMinorNumber"); *minor = (unsigned)d->minor; return OK;
}
int nvmlDeviceGetIndex(void *handle, unsigned *index) {
    DEVICE("nvmlDeviceGetIndex"); *index = (unsigned)((size_t)handle - 1); return OK;
}
int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory) {
    DEVICE("nvmlDeviceGetMemoryInfo");
    memory[0] = (unsigned long long)(d->memory * 1048576);
    memory[2] = (unsigned long long)(d->used * 1048576);
    memory[1] = memory[0] - memory[2];
    return OK;
}
int nvmlDeviceGetUtilizationRates(void *handle, unsigned *rates) {
    DEVICE("nvmlDeviceGetUtilizationRates");
    rates[0] = (unsigned)d->util; rates[1] = (unsigned)(d->util / 2); return OK;
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) {
    DEVICE("nvmlDeviceGetPowerUsage"); *milliwatts = (unsigned)(d->power * 1000); return OK;
}
int nvmlDeviceGetPowerManagementLimit(void *handle, unsigned *milliwatts) {
    DEVICE("nvmlDeviceGetPowerManagementLimit"); *milliwatts = (unsigned)(d->limit * 1000); return OK;
}
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *degrees) {
    (void)sensor; DEVICE("nvmlDeviceGetTemperature"); *degrees = (unsigned)d->temp; return OK;
}
int nvmlDeviceGetClockInfo(void *handle, int kind, unsigned *mhz) {
    DEVICE("nvmlDeviceGetClockInfo"); *mhz = (unsigned)(kind == 2 ? d->mem : d->sm); return OK;
}
int nvmlDeviceGetCurrentClocksEventReasons(void *handle, unsigned long long *reasons) {
    DEVICE("nvmlDeviceGetCurrentClocksEventReasons"); *reasons = d->throttle; return OK;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, unsigned long long *reasons) {
    return nvmlDeviceGetCurrentClocksEventReasons(handle, reasons);
}
int nvmlDeviceGetTotalEccErrors(void *handle, int kind, int counter, unsigned long long *count) {
    (void)counter; DEVICE("nvmlDeviceGetTotalEccErrors"); *count = kind == 1 ? d->ecc : 0; return OK;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    DEVICE("nvmlDeviceGetMigMode"); *current = *pending = 0; return NOT_SUPPORTED;
}
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu, compute; } info_t;
static int processes(const char *name, void *handle, unsigned *count, info_t *infos) {
    DEVICE(name);
    unsigned room = *count;
    *count = (unsigned)d->count;
    if (room < *count) return SMALL;
    for (int i = 0; i < d->count; i++)
        infos[i] = (info_t){d->processes[i].pid,
                            (unsigned long long)(d->processes[i].memory * 1048576), ~0u, ~0u};
    return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, info_t *infos) {
    return processes("nvmlDeviceGetComputeRunningProcesses", handle, count, infos);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, info_t *infos) {
    (void)infos; BEGIN("nvmlDeviceGetGraphicsRunningProcesses");
    if (!of(handle)) return INVALID;
    *count = 0;
    return OK;
}
