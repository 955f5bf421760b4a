/* engine_private.h - what the files of the ledger thread share: engine.c (the loop), accept.c,
 * connect.c, apply.c, advance.c, judge.c, start.c, save.c, recover.c, query.c and audit.c.
 * Everything here is the ledger thread's unless it says otherwise. */
#ifndef PIPELINE_ENGINE_PRIVATE_H
#define PIPELINE_ENGINE_PRIVATE_H
#include "base/random.h"
#include "chain/header_rules.h"
#include "pipeline/audit.h"
#include "pipeline/checkpointer.h"
#include "pipeline/disk_thread.h"
#include "pipeline/engine.h"

#define SHARD_COUNT 512
#define CONNECT_MAX 64 /* blocks that are connected at once */

/* A block whose bytes stay in memory after its job, for the prevouts of later blocks. */
struct resident {
    struct resident *newer;
    struct header_node *node;
    uint8_t *buffer;
    size_t size;
    struct block_job *job; /* whose block it is, while that is under way */
    uint64_t serial;       /* in the limbo: jobs connected up to here may still read it */
    /* The engine's and those of engine_hold_block: the last frees it. */
    _Atomic uint32_t references;
};

struct resident_list {
    struct resident *oldest, **newest;
    size_t size;
};

/* Checkpoints as the ledger thread sees them (save.c). */
struct saving {
    struct checkpointer *checkpointer;
    struct header_node *saved; /* lowest block of the last whole checkpoint, or the genesis block */
    struct header_node *lowest; /* of the one under way */
    bool is_active, is_wanted;
    uint32_t next_shard;
    uint64_t begun_us, saved_us; /* saved_us 0: none since start */
    uint64_t size;               /* of the last since start */
    uint64_t seen_count;         /* completed ones that are accounted for */
    /* what a replay from the last to the root would take; of it, up to the one under way */
    uint64_t replay_us, replay_covered_us;
    struct command *commands; /* that wait for one */
};

struct engine {
    struct engine_config config;
    char *directory;
    struct params params_copy;
    const struct params *params;
    int lock;
    struct pipeline pipeline;
    struct disk_thread *disk_thread;
    struct disk *disk; /* the disk thread's while that runs */
    struct disk_file *blocks, *metadata, *blocks_random;
    uint32_t magic;

    struct disk *sync_disk; /* plain reads for the ledger thread (judge, equal tags, replay) */
    struct disk_file *sync_blocks;
    pthread_mutex_t sync_mutex; /* whoever reads by read_bytes has it */

    pthread_t thread;
    _Atomic uint64_t turns; /* of the ledger thread's loop, and images and blocks of a recovery */
    bool has_threads, has_pipeline;
    _Atomic bool is_stopping;
    bool is_failed; /* no more writing: an error was reported, or is_broken_off */
    /* A stop came in the middle of a step back: the coin set is not one to go on with, or to save.
     * What is on the disk is; the next start steps back again. */
    bool is_broken_off;
    _Atomic bool is_stepping_back; /* for long already; ledger writes, all read */
    _Atomic uint64_t progress_us;  /* when keep_on last said something */
    enum engine_error error;
    char error_text[DISK_WHY_SIZE];

    /* the jobs thread: long commands */
    pthread_t jobs_thread;
    struct mpmc jobs_ring;
    struct waiter jobs_waiter;
    _Atomic bool is_cancelled; /* of the long command at work */
    struct disk *jobs_disk;
    struct disk_file *jobs_blocks;
    _Atomic uint32_t outer_reads; /* engine_read, not done */
    struct waiter outer_waiter;   /* engine_stop, for the last of them */
    struct audit_feed audit_feed;
    _Atomic bool is_auditing;

    pthread_mutex_t
        tree_mutex; /* the ledger thread holds it to change the tree, others to read it */
    struct header_tree *tree;
    struct ledger_key key;
    struct ledger *ledger;
    struct saving saving;
    struct disk *checkpoint_disk; /* the checkpoint thread's */
    struct block_table *table;
    uint64_t blocks_end; /* where the next record begins */
    uint64_t synced_end;
    bool is_sync_asked;
    bool is_doubtful; /* known blocks did not fit the coin set: each gets a world again */
    uint64_t next_sequence;

    struct header_node *tip;      /* best verified block; its world exists */
    struct header_node *target;   /* most work of those whose blocks are all stored, not invalid */
    struct header_node *frontier; /* on the target's chain: all up to it have worlds */
    _Atomic int64_t mocktime;
    _Atomic bool is_synced;
    const char *script_reason; /* why scripts are checked; NULL: they are assumed valid */
    bool has_script_reason;

    _Atomic(struct header_node *) rotten; /* the block that the last -EBADMSG was about, or NULL;
                                             whoever reads blocks writes */
    struct block_job *oldest, *newest;    /* connected jobs by serial */
    uint64_t serial;
    uint32_t job_count;     /* jobs the ledger thread has: parsing not counted */
    uint32_t waiting_count; /* of them, those not connected yet */
    uint32_t read_count;    /* jobs being read back */

    struct resident_list residents, limbo;

    struct block_job *collected[CONNECT_MAX]; /* to be connected, parents before children */
    size_t collected_count;
    struct header_node **ready; /* stored blocks whose parent has a world, and that have none */
    size_t ready_count, ready_capacity;

    struct command *idle_commands;
    _Atomic uint32_t command_count; /* posted and not done: bounded by COMMAND_MAX */

    pthread_mutex_t snapshot_mutex;
    struct engine_snapshot snapshot;
    uint64_t blocks_done, bytes_done, inputs_done;
};

__attribute__((format(printf, 3, 4))) void
engine_log(struct engine *engine, enum engine_log_level level, const char *format, ...);
/* The node must stop: told once. */
__attribute__((format(printf, 3, 4))) void
engine_fail(struct engine *engine, enum engine_error error, const char *format, ...);

static inline struct node_work *node_work(struct engine *engine, const struct header_node *node)
{
    return work_of(&engine->pipeline, node);
}

static inline bool node_has(const struct header_node *node, unsigned status)
{
    return (node->status & status) == status;
}
void node_set(struct engine *engine, struct header_node *node, unsigned status);

/* accept.c: a parsed job: header, context rules, store. */
void accept_job(struct engine *engine, struct block_job *job);
/* A block is stored at node->pos: its order, and the target; the same for its descendants that are
 * stored at lower positions than before: those came before it, and waited. */
void link_block(struct engine *engine, struct header_node *node, uint64_t before);
void find_target(struct engine *engine);
void record_block(struct engine *engine, const struct header_node *node);
/* Ends a job with a verdict, or stored only; frees it when its append is written. */
void finish_job(struct engine *engine, struct block_job *job, enum verdict verdict,
                enum script_error script_error);
void finish_stored(struct engine *engine, struct block_job *job);
void reap_job(struct engine *engine, struct block_job *job);
/* What comes soon may spend what it makes; what is only read again on the way there leaves no trace
 * in memory, and needs no world. */
bool is_near_tip(const struct engine *engine, const struct header_node *node);

/* A stored block turned out rotten: it counts as missing, and so does all after it, until it has
 * been fetched again. */
void lose_block(struct engine *engine, struct header_node *node);

/* connect.c */
/* The job's parent has a world: makes the job's, which connect_collected fills. False: no slot is
 * free, the job waits. */
bool connect_job(struct engine *engine, struct block_job *job);
void connect_collected(struct engine *engine);
/* Checked by this run or an earlier one, its scripts too, or nobody asks for them now. */
bool is_known_valid(struct engine *engine, const struct header_node *node);
/* ledger_config's: on the workers, too. */
void run_parts(void *context, void (*run)(void *arg, uint32_t part), void *arg, uint32_t count,
               uint64_t event_count);
void residents_evict(struct engine *engine, size_t limit);

/* apply.c */
void checked_job(struct engine *engine, struct block_job *job);
void appended_job(struct engine *engine, struct block_job *job);
void failed_job(struct engine *engine, struct block_job *job);
void fold_worlds(struct engine *engine);
/* Blocks behind the root that need no worlds. False: they have to wait, and what hangs on them. */
bool absorb_known(struct engine *engine);
/* The same as fold_worlds, when all is durable and no job is left. */
void fold_rest(struct engine *engine);
/* Marks for good: after judge_block, context rules, or by the operator. */
void mark_invalid(struct engine *engine, struct header_node *node, enum verdict verdict);
/* Ends the jobs of node's descendants that no worker has: their parent will not get a world. */
void drop_descendants(struct engine *engine, struct header_node *node);
void reconsider(struct engine *engine, struct header_node *node);
void world_dropped(void *context, struct world *world, void *user);
bool is_better(const struct header_node *a, const struct header_node *b);
void set_tip(struct engine *engine, struct header_node *tip);

/* advance.c: starts whatever stored blocks can be judged now. */
void advance(struct engine *engine);
bool is_idle(struct engine *engine);
void push_ready(struct engine *engine, struct header_node *node);
void push_children(struct engine *engine, const struct header_node *node);
/* Steps the root back to node, an ancestor of its block; where undo words are missing, to an older
 * checkpoint or the genesis block. */
void rewind_root(struct engine *engine, struct header_node *node);

/* judge.c: one thread, no caches, outpoints compared with their funding blocks. The parent has a
 * world and its chain is verified. 0 with the verdict, or -errno, or -EBADMSG (a funding block is
 * damaged). */
MUST_CHECK int judge_block(struct engine *engine, const struct header_node *node, struct bytes raw,
                           enum verdict *verdict, enum script_error *script_error);
/* The same for a block that failed before its coins were looked at: no parent's world is needed. */
enum verdict judge_without_coins(struct engine *engine, const struct header_node *node,
                                 struct bytes raw);
/* ledger_config's. */
int outpoint_at(void *context, uint64_t pos, struct outpoint *outpoint, uint32_t *check);
/* A stored block by a plain read, all of it in the arena: 0, -EBADMSG (it is damaged:
 * engine->rotten) or -errno. */
MUST_CHECK int read_whole(struct engine *engine, const struct block_entry *entry,
                          struct arena *arena, struct block *block);

/* engine.c */
void start_threads(struct engine *engine);
/* A command of the engine's own, without a run, for the jobs thread. */
void start_job(struct engine *engine, struct command *command);
/* Ends a command that was posted: for those whose run set is_pending. */
void finish_command(struct engine *engine, struct command *command);

/* save.c */
/* A block came into the root, which took fold_us; takes its words (NULL: none are kept). */
void save_folded(struct engine *engine, struct header_node *node, uint64_t *words, uint32_t count,
                 uint64_t fold_us);
/* Does what is due; between folds. */
void save_step(struct engine *engine);
/* The checkpoint thread has done something that save_step goes on from. */
bool save_has_work(struct engine *engine);
/* The root has stepped back. */
void save_abandon(struct engine *engine);
void save_refuse_commands(struct engine *engine);
/* When the threads have ended and blocks.bin is synced: saves what a start should not replay, and
 * ends the checkpoint thread. */
void save_close(struct engine *engine);
void run_checkpoint(struct engine *engine, struct command *command);
void put_saving(struct engine *engine, struct text *text);

/* recover.c */
/* Makes engine->ledger anew from the newest checkpoint whose replay towards goal works, limit
 * (NULL: none) or an ancestor of it being the newest block it may hold; else it is empty. 0,
 * -ESTALE (its coins are not where blocks.bin has them: it is of another one) or -errno. */
MUST_CHECK int recover_ledger(struct engine *engine, struct header_node *goal,
                              const struct header_node *limit);
/* A stored block as the ledger takes it, all of it in the arena but events, which the caller
 * clears: 0, -EBADMSG (it is damaged) or -errno. */
MUST_CHECK int read_ledger_block(struct engine *engine, struct header_node *node,
                                 struct arena *arena, struct block *block,
                                 struct block_events *events, struct ledger_block *lb);

/* Any thread, once a step of what takes long at a start or in a step back: shows that the thread is
 * alive, says now and then "what height of goal", and whether to go on. */
bool keep_on(struct engine *engine, const char *what, int32_t height, int32_t goal);

/* start.c */
/* Whether opening, or a step back, is to be given up. */
bool is_given_up(const struct engine *engine);
struct ledger *new_ledger(struct engine *engine, struct header_node *root);
#endif
