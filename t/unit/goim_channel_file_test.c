/*
 * The channel's files: making, keeping and replacing generations, what -t
 * looks at, what is refused, and what may be removed.
 */

#include "goim_channel_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>


static int
make(fx_t *fx, int *created)
{
    return goim_channel_make(&fx->conf, &fx->generation, created, &fx->error);
}


static int
entries(const char *dir)
{
    int             n;
    DIR            *d;
    struct dirent  *de;

    n = 0;
    d = opendir(dir);
    assert_non_null(d);

    while ((de = readdir(d)) != NULL) {
        n++;
    }

    closedir(d);

    return n - 2;
}


static void
file_name(fx_t *fx, char *name)
{
    goim_channel_file_name(fx->path, fx->generation, name,
                           GOIM_CHANNEL_PATH_MAX);
}


static void
test_channel_is_made_and_kept(void **state)
{
    int          created;
    char         name[GOIM_CHANNEL_PATH_MAX], pipe[GOIM_CHANNEL_PATH_MAX + 64];
    fx_t         fx;
    uint64_t     first;
    struct stat  st;

    (void) state;

    fx_folder(&fx);
    assert_int_equal(goim_channel_newest(fx.path, &first, &fx.error),
                     GOIM_AGAIN);

    assert_int_equal(make(&fx, &created), GOIM_OK);
    assert_true(created);
    first = fx.generation;

    file_name(&fx, name);
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_true(st.st_blocks * 512 >= st.st_size);

    goim_channel_pipe_name(name, 0, pipe, sizeof(pipe));
    assert_int_equal(stat(pipe, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    goim_channel_pipe_name(name, GOIM_CHANNEL_SLOTS - 1, pipe, sizeof(pipe));
    assert_int_equal(stat(pipe, &st), 0);

    /* the channel, its pipes' folder, the lock */

    assert_int_equal(entries(fx.dir), 3);

    fx.conf.stall_ms = 7000;
    fx.conf.mode = 0600;
    assert_int_equal(make(&fx, &created), GOIM_OK);
    assert_false(created);
    assert_int_equal(fx.generation, first);
    assert_int_equal(entries(fx.dir), 3);

    fx.pch = fx_open(&fx, GOIM_CHANNEL_LOOK);
    assert_int_equal(goim_channel_header(fx.pch)->stall_ms, 7000);
    assert_int_equal(goim_channel_header(fx.pch)->successor, 0);
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(pipe, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    fx_stop(&fx);
}


static void
test_channel_makes_its_folder(void **state)
{
    int   created;
    fx_t  fx;
    char  path[sizeof(fx.path)];

    (void) state;

    fx_folder(&fx);
    snprintf(path, sizeof(path), "%s/new/channel", fx.dir);
    strcpy(fx.path, path);
    assert_int_equal(goim_channel_check(&fx.conf, &fx.error), GOIM_OK);
    assert_int_equal(entries(fx.dir), 0);
    assert_int_equal(make(&fx, &created), GOIM_OK);

    /* but not two of them */

    snprintf(path, sizeof(path), "%s/a/b/channel", fx.dir);
    strcpy(fx.path, path);
    assert_int_equal(goim_channel_check(&fx.conf, &fx.error), GOIM_ERROR);
    assert_int_equal(make(&fx, &created), GOIM_ERROR);
    assert_int_equal(fx.error.err, ENOENT);

    fx_stop(&fx);
}


/* Three lanes into two: what the table held is there, each in its lane. */

static void
test_channel_deals_the_table_to_the_next_generations_lanes(void **state)
{
    int           i, k, created, n;
    fx_t          fx;
    uint32_t      topic;
    int32_t       partition;
    uint64_t      old, next;
    goim_lane_t  *lane;
    const char   *name;

    (void) state;

    fx_folder(&fx);
    fx.conf.lanes = 3;
    fx_make(&fx);
    old = fx.generation;
    fx.pch = fx_open(&fx, GOIM_CHANNEL_PRODUCER);

    for (i = 0; i < 3; i++) {
        lane = fx_take(&fx, i);
        assert_int_equal(goim_lane_topic(lane, i ? "one" : "two", &topic),
                         GOIM_OK);

        for (k = i; k < 12; k += 3) {
            assert_int_equal(goim_lane_skip(lane, topic, k, 100 + k), GOIM_OK);
        }

        goim_lane_leave(lane);
    }

    /* an entry that stands twice, which only damage can do */

    goim_channel_lane(fx.pch, 0)->partition[4] =
        goim_channel_lane(fx.pch, 0)->partition[0];
    goim_channel_lane(fx.pch, 0)->partition[4].next = 7;
    goim_channel_lane(fx.pch, 0)->partitions = 5;

    fx.conf.lanes = 2;
    assert_int_equal(make(&fx, &created), GOIM_OK);
    assert_true(created);
    assert_true(fx.generation > old);
    assert_int_equal(goim_channel_header(fx.pch)->successor, fx.generation);
    goim_channel_close(fx.pch);

    fx.pch = fx_open(&fx, GOIM_CHANNEL_PRODUCER);
    n = 0;

    for (i = 0; i < 2; i++) {
        lane = fx_take(&fx, i);
        assert_int_equal(
            goim_channel_lane(fx.pch, i)->counters[GOIM_JOB_RESETS], 0);

        for (k = 0; goim_lane_partition(lane, k, &name, &partition, &next)
                    == GOIM_OK; k++)
        {
            assert_int_equal(partition % 2, i);
            assert_string_equal(name, partition % 3 ? "one" : "two");
            assert_int_equal(next, partition ? 100 + partition : 7);
            n++;
        }

        goim_lane_leave(lane);
    }

    assert_int_equal(n, 12);

    fx_stop(&fx);
}


static void
test_channel_refuses_lanes_that_are_too_few_for_the_table(void **state)
{
    int           i, k, created;
    fx_t          fx;
    uint64_t      old, newest;
    goim_lane_t  *lane;

    (void) state;

    fx_folder(&fx);
    fx.conf.lanes = 2;
    fx_make(&fx);
    old = fx.generation;
    fx.pch = fx_open(&fx, GOIM_CHANNEL_PRODUCER);

    for (i = 0; i < 2; i++) {
        lane = fx_take(&fx, i);

        for (k = i; k < GOIM_CHANNEL_PARTITIONS + 2; k += 2) {
            assert_int_equal(goim_lane_skip(lane, 0, k, 1), GOIM_OK);
        }

        goim_lane_leave(lane);
    }

    fx.conf.lanes = 1;
    assert_int_equal(make(&fx, &created), GOIM_ERROR);
    assert_int_equal(goim_channel_newest(fx.path, &newest, &fx.error),
                     GOIM_OK);
    assert_int_equal(newest, old);
    assert_int_equal(goim_channel_header(fx.pch)->successor, 0);
    assert_int_equal(entries(fx.dir), 3);

    fx_stop(&fx);
}


static void
test_channel_links_all_generations_to_the_newest(void **state)
{
    int              i, n, created;
    fx_t             fx;
    uint64_t         list[8], last[2];
    goim_channel_t  *ch;

    (void) state;

    fx_folder(&fx);

    for (i = 0; i < 4; i++) {
        fx.conf.size = 4096 << i;
        assert_int_equal(make(&fx, &created), GOIM_OK);
        assert_true(created);
    }

    n = goim_channel_list(fx.path, list, 8, &fx.error);
    assert_int_equal(n, 4);

    for (i = 0; i < n; i++) {
        assert_true(i == 0 || list[i] > list[i - 1]);
        assert_int_equal(goim_channel_open(fx.path, list[i],
                                           GOIM_CHANNEL_LOOK, &ch, &fx.error),
                         GOIM_OK);
        assert_int_equal(goim_channel_header(ch)->successor,
                         i == n - 1 ? 0 : list[n - 1]);
        goim_channel_close(ch);
    }

    assert_int_equal(goim_channel_list(fx.path, last, 2, &fx.error), 2);
    assert_int_equal(last[0], list[2]);
    assert_int_equal(last[1], list[3]);
    assert_int_equal(fx.generation, list[3]);

    fx_stop(&fx);
}


/* What nginx -t does. */

static void
test_channel_check_creates_and_changes_nothing(void **state)
{
    int          created;
    char         name[GOIM_CHANNEL_PATH_MAX];
    fx_t         fx;
    struct stat  before, after;

    (void) state;

    fx_folder(&fx);
    assert_int_equal(goim_channel_check(&fx.conf, &fx.error), GOIM_OK);
    assert_int_equal(entries(fx.dir), 0);

    assert_int_equal(make(&fx, &created), GOIM_OK);
    file_name(&fx, name);
    assert_int_equal(stat(name, &before), 0);

    fx.conf.stall_ms = 9000;
    fx.conf.mode = 0600;
    assert_int_equal(goim_channel_check(&fx.conf, &fx.error), GOIM_OK);
    fx.conf.size = 65536;
    assert_int_equal(goim_channel_check(&fx.conf, &fx.error), GOIM_OK);

    assert_int_equal(entries(fx.dir), 3);
    assert_int_equal(stat(name, &after), 0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim,
                        sizeof(before.st_mtim));
    assert_int_equal(before.st_mode, after.st_mode);
    assert_int_equal(before.st_size, after.st_size);

    /* no room for it */

    fx.conf.size = GOIM_CHANNEL_MAX_SIZE;
    fx.conf.lanes = 64;
    assert_int_equal(goim_channel_check(&fx.conf, &fx.error), GOIM_ERROR);
    assert_int_equal(fx.error.err, ENOSPC);
    assert_int_equal(make(&fx, &created), GOIM_ERROR);
    assert_int_equal(entries(fx.dir), 3);

    fx_stop(&fx);
}


static void
test_channel_refuses_a_wrong_configuration(void **state)
{
    int                  i, created;
    fx_t                 fx;
    char                 path[300];
    uint64_t             generation;
    goim_channel_conf_t  conf;

    (void) state;

    fx_folder(&fx);
    memset(path, 'x', sizeof(path));
    path[GOIM_CHANNEL_PATH_LEN + 1] = '\0';

    for (i = 0; i < 10; i++) {
        conf = fx.conf;

        switch (i) {
        case 0: conf.path = ""; break;
        case 1: conf.path = path; break;
        case 2: conf.path = "/tmp/"; break;
        case 3: conf.size = 2048; break;
        case 4: conf.size = 4096 + 8; break;
        case 5: conf.size = 2 * (uint64_t) GOIM_CHANNEL_MAX_SIZE; break;
        case 6: conf.lanes = 0; break;
        case 7: conf.lanes = GOIM_CHANNEL_LANES + 1; break;
        case 8: conf.stall_ms = GOIM_CHANNEL_MIN_STALL - 1; break;
        case 9: conf.stall_ms = GOIM_CHANNEL_MAX_STALL + 1; break;
        }

        assert_int_equal(goim_channel_check(&conf, &fx.error), GOIM_INVALID);
        assert_int_equal(goim_channel_make(&conf, &generation, &created,
                                           &fx.error), GOIM_INVALID);
        assert_true(fx.error.text[0] != '\0');
    }

    fx_stop(&fx);
}


/* Every field of the header is checked before anything is mapped. */

static void
test_channel_open_refuses_what_is_no_channel(void **state)
{
    int              i, fd, created;
    char             name[GOIM_CHANNEL_PATH_MAX];
    fx_t             fx;
    uint8_t          byte;
    uint64_t         damaged;
    goim_channel_t  *ch;

    (void) state;

    fx_folder(&fx);
    fx_make(&fx);
    file_name(&fx, name);
    fd = open(name, O_RDWR);
    assert_true(fd >= 0);

    for (i = 0; i < (int) offsetof(goim_channel_header_t, stall_ms); i++) {
        if (i >= (int) offsetof(goim_channel_header_t, ring_at) + 8) {
            break;
        }

        assert_int_equal(pread(fd, &byte, 1, i), 1);
        byte ^= 0x41;
        assert_int_equal(pwrite(fd, &byte, 1, i), 1);
        assert_int_equal(goim_channel_open(fx.path, fx.generation,
                                           GOIM_CHANNEL_READER, &ch,
                                           &fx.error), GOIM_INVALID);
        byte ^= 0x41;
        assert_int_equal(pwrite(fd, &byte, 1, i), 1);
    }

    ch = fx_open(&fx, GOIM_CHANNEL_READER);
    goim_channel_close(ch);

    /* too short, too long, empty */

    assert_int_equal(ftruncate(fd, 100), 0);
    assert_int_equal(goim_channel_open(fx.path, fx.generation,
                                       GOIM_CHANNEL_READER, &ch, &fx.error),
                     GOIM_INVALID);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(goim_channel_open(fx.path, fx.generation,
                                       GOIM_CHANNEL_READER, &ch, &fx.error),
                     GOIM_INVALID);
    close(fd);

    /* the next start makes another one, and -t says so */

    damaged = fx.generation;
    assert_int_equal(goim_channel_check(&fx.conf, &fx.error), GOIM_OK);
    assert_int_equal(make(&fx, &created), GOIM_OK);
    assert_true(created);
    assert_true(fx.generation > damaged);

    assert_int_equal(goim_channel_open(fx.path, 12345, GOIM_CHANNEL_READER,
                                       &ch, &fx.error), GOIM_ERROR);
    assert_int_equal(fx.error.err, ENOENT);

    fx_stop(&fx);
}


/* Names that only look like a generation's. */

static void
test_channel_sees_no_generation_in_other_names(void **state)
{
    int       fd;
    char      name[512];
    fx_t      fx;
    size_t    i;
    uint64_t  list[8];

    const char *const  names[] = {
        ".4.", ".4.0", ".4.07", ".4. 7", ".4.+7", ".4.7x", ".4.-7", "4.7",
        ".4.9999999999999999999", ".04.7", ".4.7.d", ".5.7", ".4.7.8", ".new",
        ".4.18446744073709551616", "x.4.7", ".99999999999.7"
    };

    (void) state;

    fx_folder(&fx);

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(name, sizeof(name), "%s%s", fx.path, names[i]);
        fd = open(name, O_RDWR | O_CREAT, 0600);
        assert_true(fd >= 0);
        close(fd);
    }

    assert_int_equal(goim_channel_list(fx.path, list, 8, &fx.error), 0);
    fx_make(&fx);
    assert_int_equal(goim_channel_list(fx.path, list, 8, &fx.error), 1);

    fx_stop(&fx);
}


/* A master that is root follows nothing that others put there. */

static void
test_channel_follows_no_links(void **state)
{
    int          created;
    char         name[GOIM_CHANNEL_PATH_MAX], pipe[GOIM_CHANNEL_PATH_MAX + 64];
    char         victim[256];
    fx_t         fx;
    uint64_t     first;
    struct stat  st;

    (void) state;

    fx_folder(&fx);
    fx_make(&fx);
    first = fx.generation;

    snprintf(victim, sizeof(victim), "%s/victim", fx.dir);
    close(open(victim, O_RDWR | O_CREAT, 0600));
    assert_int_equal(chmod(victim, 0600), 0);

    /* a pipe's name, soft and hard: the generation has lost its pipes */

    file_name(&fx, name);
    goim_channel_pipe_name(name, 17, pipe, sizeof(pipe));
    assert_int_equal(unlink(pipe), 0);
    assert_int_equal(symlink(victim, pipe), 0);
    assert_int_equal(make(&fx, &created), GOIM_ERROR);
    assert_int_equal(unlink(pipe), 0);
    assert_int_equal(link(victim, pipe), 0);
    assert_int_equal(make(&fx, &created), GOIM_OK);
    assert_true(created);
    assert_true(fx.generation > first);

    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    fx_stop(&fx);
}


static void
test_channel_is_removed_only_without_readers(void **state)
{
    fx_t      fx;
    uint64_t  list[4];

    (void) state;

    fx_start(&fx, 4096);
    goim_channel_remove(fx.path, fx.generation);
    assert_false(goim_channel_is_unlinked(fx.rch));
    assert_int_equal(goim_channel_list(fx.path, list, 4, &fx.error), 1);

    goim_reader_close(fx.rd);
    fx.rd = NULL;
    assert_int_equal(goim_channel_live_readers(fx.pch), 0);
    goim_channel_remove(fx.path, fx.generation);
    assert_true(goim_channel_is_unlinked(fx.rch));
    assert_int_equal(goim_channel_list(fx.path, list, 4, &fx.error), 0);

    /* only the lock is left, and the next one has another number */

    assert_int_equal(entries(fx.dir), 1);
    list[0] = fx.generation;
    fx_make(&fx);
    assert_true(fx.generation > list[0]);

    fx_stop(&fx);
}


/* Making, or removing, was broken off between file and pipes. */

static void
test_channel_clears_pipes_without_a_file(void **state)
{
    char  name[512];
    fx_t  fx;

    (void) state;

    fx_folder(&fx);
    snprintf(name, sizeof(name), "%s.4.5.d", fx.path);
    assert_int_equal(mkdir(name, 0700), 0);
    snprintf(name, sizeof(name), "%s.4.5.d/3", fx.path);
    assert_int_equal(mkfifo(name, 0600), 0);
    snprintf(name, sizeof(name), "%s.new", fx.path);
    close(open(name, O_RDWR | O_CREAT, 0600));

    fx_make(&fx);
    assert_int_equal(entries(fx.dir), 3);

    fx_stop(&fx);
}


static void
test_channel_is_made_by_one_master_at_a_time(void **state)
{
    int    i, status, created;
    fx_t   fx;
    pid_t  pids[6];

    (void) state;

    fx_folder(&fx);

    for (i = 0; i < 6; i++) {
        pids[i] = fork();

        if (pids[i] == 0) {
            _exit(make(&fx, &created) == GOIM_OK ? created : 2);
        }
    }

    created = 0;

    for (i = 0; i < 6; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_in_range(WEXITSTATUS(status), 0, 1);
        created += WEXITSTATUS(status);
    }

    assert_int_equal(created, 1);

    fx_stop(&fx);
}


static void
test_channel_knows_when_its_name_is_gone(void **state)
{
    char  name[GOIM_CHANNEL_PATH_MAX], other[GOIM_CHANNEL_PATH_MAX + 8];
    fx_t  fx;

    (void) state;

    fx_start(&fx, 4096);
    file_name(&fx, name);
    assert_false(goim_channel_is_unlinked(fx.rch));

    snprintf(other, sizeof(other), "%s.x", name);
    assert_int_equal(rename(name, other), 0);
    assert_true(goim_channel_is_unlinked(fx.rch));
    close(open(name, O_RDWR | O_CREAT, 0600));
    assert_true(goim_channel_is_unlinked(fx.rch));

    /* those who have it mapped go on */

    assert_int_equal(fx_put(&fx, 0, "room", "x"), GOIM_OK);
    goim_lane_publish(fx.lane);
    fx_expect(&fx, 0);

    fx_stop(&fx);
}


static void
test_channel_knows_when_it_was_written_over(void **state)
{
    int          i, created;
    char         name[GOIM_CHANNEL_PATH_MAX];
    char         bytes[] = { 0, (char) 0xa5 };
    char         header[sizeof(goim_channel_header_t)];
    fx_t         fx;
    uint64_t     first;

    (void) state;

    for (i = 0; i < 2; i++) {
        fx_start(&fx, 4096);
        file_name(&fx, name);

        assert_int_equal(fx_put(&fx, 0, "room", "x"), GOIM_OK);
        assert_true(goim_channel_is_whole(fx.rch));
        assert_true(goim_channel_is_whole(fx.pch));

        memset(header, bytes[i], sizeof(header));
        assert_int_equal(pwrite(fx.rch->fd, header, sizeof(header), 0),
                         sizeof(header));

        assert_false(goim_channel_is_whole(fx.rch));
        assert_false(goim_channel_is_whole(fx.pch));
        assert_false(goim_channel_is_whole(fx.pch));

        assert_int_equal(fx_put(&fx, 1, "room", "x"), GOIM_ERROR);
        goim_lane_publish(fx.lane);
        assert_int_equal(goim_reader_read(fx.rd, 0, &fx.batch), GOIM_AGAIN);
        assert_false(goim_lane_all_read(fx.lane, 0));

        first = fx.generation;
        assert_int_equal(make(&fx, &created), GOIM_OK);
        assert_int_equal(created, GOIM_CHANNEL_REPLACED);
        assert_true(fx.generation > first);

        fx_stop(&fx);
    }
}


static void
test_channel_layout_is_what_the_document_says(void **state)
{
    goim_channel_geometry_t  g;

    (void) state;

    assert_int_equal(sizeof(goim_record_t), 72);
    assert_int_equal(offsetof(goim_record_t, seq), 8);
    assert_int_equal(offsetof(goim_record_t, body_len), 68);
    assert_int_equal(sizeof(goim_channel_header_t), 192);
    assert_int_equal(offsetof(goim_channel_header_t, stall_ms), 128);
    assert_int_equal(offsetof(goim_channel_header_t, successor), 136);
    assert_int_equal(sizeof(goim_channel_slot_t), 1088);
    assert_int_equal(offsetof(goim_channel_slot_t, cursors), 64);
    assert_int_equal(offsetof(goim_channel_slot_t, counters), 576);
    assert_int_equal(offsetof(goim_channel_slots_t, asked), 8);
    assert_int_equal(offsetof(goim_channel_slots_t, slot), 64);
    assert_int_equal(offsetof(goim_channel_slots_t, rooms), 1114176);
    assert_int_equal(sizeof(goim_channel_room_t), 16);
    assert_int_equal(offsetof(goim_channel_slots_t, boards), 3211328);
    assert_int_equal(sizeof(goim_channel_class_t), 128);
    assert_int_equal(offsetof(goim_channel_mail_t, data), 20);
    assert_int_equal(sizeof(goim_channel_mail_t), 2048);
    assert_int_equal(offsetof(goim_channel_board_t, question), 4096);
    assert_int_equal(offsetof(goim_channel_board_t, answer), 6144);
    assert_int_equal(offsetof(goim_channel_board_t, acks), 8192);
    assert_int_equal(sizeof(goim_channel_board_t), 9216);
    assert_int_equal(offsetof(goim_channel_lane_t, alive_ms), 64);
    assert_int_equal(offsetof(goim_channel_lane_t, counters), 128);
    assert_int_equal(offsetof(goim_channel_lane_t, judge), 384);
    assert_int_equal(offsetof(goim_channel_lane_t, topic), 41344);
    assert_int_equal(offsetof(goim_channel_lane_t, partition), 57728);
    assert_int_equal(sizeof(goim_channel_lane_t), 123264);
    assert_int_equal(sizeof(goim_index_bucket_t), 128);

    goim_channel_geometry(&g, 2, 1 << 20);
    assert_int_equal(g.slots_at, 65536);
    assert_int_equal(g.slots_size, 68 * 65536);
    assert_int_equal(g.lanes_at, g.slots_at + g.slots_size);
    assert_int_equal(g.index_at, 126976);
    assert_int_equal(g.index_buckets, 128);
    assert_int_equal(g.ring_at, 126976 + 128 * 128);
    assert_int_equal(g.lane_step, g.ring_at + (1 << 20));
    assert_int_equal(g.file_size, g.lanes_at + 2 * g.lane_step);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_channel_is_made_and_kept),
        cmocka_unit_test(test_channel_makes_its_folder),
        cmocka_unit_test(
            test_channel_deals_the_table_to_the_next_generations_lanes),
        cmocka_unit_test(
            test_channel_refuses_lanes_that_are_too_few_for_the_table),
        cmocka_unit_test(test_channel_links_all_generations_to_the_newest),
        cmocka_unit_test(test_channel_check_creates_and_changes_nothing),
        cmocka_unit_test(test_channel_refuses_a_wrong_configuration),
        cmocka_unit_test(test_channel_open_refuses_what_is_no_channel),
        cmocka_unit_test(test_channel_sees_no_generation_in_other_names),
        cmocka_unit_test(test_channel_follows_no_links),
        cmocka_unit_test(test_channel_is_removed_only_without_readers),
        cmocka_unit_test(test_channel_clears_pipes_without_a_file),
        cmocka_unit_test(test_channel_is_made_by_one_master_at_a_time),
        cmocka_unit_test(test_channel_knows_when_its_name_is_gone),
        cmocka_unit_test(test_channel_knows_when_it_was_written_over),
        cmocka_unit_test(test_channel_layout_is_what_the_document_says)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
