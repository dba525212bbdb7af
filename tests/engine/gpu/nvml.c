/* A driver's library whose devices stand in a text file, read anew at each call: one line each,
   "gpu UUID MINOR NAME_WITH_UNDERSCORES" or "process UUID PID BYTES". */
#include <stdio.h>
#include <string.h>

struct process { unsigned pid; unsigned long long memory; unsigned gi, ci; };
struct gpu { char uuid[96]; char name[96]; unsigned minor; int processes; struct process process[16]; };
static struct gpu gpus[16];
static unsigned count;
enum { OK = 0, NOT_FOUND = 6, INSUFFICIENT = 7 };

static void read_script(void) {
    char line[256], uuid[96], name[96];
    unsigned number;
    unsigned long long bytes;
    FILE *file = fopen(SCRIPT, "r");
    count = 0;
    memset(gpus, 0, sizeof gpus);
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "gpu %95s %u %95s", uuid, &number, name) == 3 && count < 16) {
            for (char *at = name; *at; at++)
                if (*at == '_') *at = ' ';
            strcpy(gpus[count].uuid, uuid);
            strcpy(gpus[count].name, name);
            gpus[count++].minor = number;
        } else if (sscanf(line, "process %95s %u %llu", uuid, &number, &bytes) == 3) {
            for (unsigned i = 0; i < count; i++)
                if (!strcmp(gpus[i].uuid, uuid) && gpus[i].processes < 16)
                    gpus[i].process[gpus[i].processes++] = (struct process){number, bytes, 0, 0};
        }
    }
    if (file) fclose(file);
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; read_script(); return OK; }
int nvmlShutdown(void) { return OK; }
int nvmlDeviceGetCount_v2(unsigned *found) { *found = count; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct gpu **gpu) {
    if (index >= count) return NOT_FOUND;
    *gpu = &gpus[index];
    return OK;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, struct gpu **gpu) {
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(gpus[i].uuid, uuid)) { *gpu = &gpus[i]; return OK; }
    return NOT_FOUND;
}
int nvmlDeviceGetUUID(struct gpu *gpu, char *text, unsigned size) { (void)size; strcpy(text, gpu->uuid); return OK; }
int nvmlDeviceGetName(struct gpu *gpu, char *text, unsigned size) { (void)size; strcpy(text, gpu->name); return OK; }
int nvmlDeviceGetMinorNumber(struct gpu *gpu, unsigned *minor) { *minor = gpu->minor; return OK; }
int nvmlDeviceGetComputeRunningProcesses_v3(struct gpu *gpu, unsigned *size, struct process *into) {
    unsigned there = gpu->processes, room = *size;
    *size = there;
    if (!there) return OK;
    if (!into || room < there) return INSUFFICIENT;
    memcpy(into, gpu->process, there * sizeof *into);
    return OK;
}
