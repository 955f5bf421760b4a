/* progress.h - the line that shows a person how far we are: rewritten in place on a terminal, a new
 * one every few seconds elsewhere. The text is made by pure functions. */
#ifndef ADMIN_PROGRESS_H
#define ADMIN_PROGRESS_H
#include "io/reactor.h"

#include <stdio.h>

/* What is known at one moment. */
struct progress_sample {
    uint64_t time_ms; /* monotonic */
    int32_t height, header_height;
    uint32_t tip_time;              /* seconds since 1970, 0: no block */
    uint64_t blocks, bytes, inputs; /* verified since the start */
    uint64_t work_size,
        done_size;        /* bytes to go through and gone through; 0 work: by height instead */
    uint64_t memory_size; /* of the process */
};

#define PROGRESS_SAMPLES 32

/* The last samples: rates are over all of them. Zeroed at first. */
struct progress {
    struct progress_sample samples[PROGRESS_SAMPLES];
    size_t count, newest;
};

void progress_add(struct progress *progress, const struct progress_sample *sample);
/* One line without its end; "" before the first sample. Returns its length. */
#define PROGRESS_LINE_SIZE 200
size_t progress_line(const struct progress *progress, char line[PROGRESS_LINE_SIZE]);

/* The display: samples with sample() twice a second on the reactor's thread and prints to out.
 * Other lines that go to the same place are printed by progress_print, from any thread. */
struct progress_display;

struct progress_display *
progress_start(struct reactor *reactor, FILE *out,
               void (*sample)(void *context, struct progress_sample *sample), void *context);
void progress_print(struct progress_display *display, const char *line);
/* Prints the last state as a line of its own. After reactor_run has returned, or on its thread. */
void progress_end(struct progress_display *display);

/* Bytes of memory that the process has in use, from /proc; 0 if that cannot be read. */
uint64_t process_memory(void);
#endif
