# ngx_goim: build, test.  Everything that is made goes to build/.
#
#   make                    the nginx module, goim-job and goim-logic
#   make NGINX_SRC=dir      the module for that nginx source tree (1.22 or newer)
#   make WS_ECHO=1          the module as an echo, for conformance suites
#   make demo               sets itself up and runs all of it on loopback
#   make demo KAFKA=host:port REDIS=host:port
#                           the same with a Kafka and a Redis that are there
#   make test               sets itself up, builds all, runs all tests
#   make test-asan          what of it has sanitizers: units, and all behaviours
#   make test-long          the long runs as well
#   make soak               an hour of faults; SOAK_MINUTES=10 is its short form
#   make setup              installs what is missing (Debian 12; root or sudo)
#   make bench              the module beside a minimal broadcaster, some minutes
#   make bench-long         the same and more, up to 100,000 clients
#   make lint               the layout of the C code
#   make fuzz SECONDS=60    each fuzz target for that long

SHELL        := /bin/bash
.SHELLFLAGS  := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:

B            := build
NGINX_SRC    ?= /usr/share/nginx/src
SECONDS_FUZZ := $(or $(SECONDS),20)

# Debian's flags, all hardening on; the file prefix map keeps paths out
DPKG_FLAGS   := DEB_BUILD_MAINT_OPTIONS=hardening=+all dpkg-buildflags --get
DEB_CFLAGS   := $(shell $(DPKG_FLAGS) CFLAGS) $(shell $(DPKG_FLAGS) CPPFLAGS)
DEB_LDFLAGS  := $(shell $(DPKG_FLAGS) LDFLAGS)

WARNINGS     := -Wall -Wextra -Werror -Wshadow -Wpointer-arith \
                -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings
GOIM_CFLAGS  := -std=gnu11 -Ilibgoim -I$(B)/gen $(WARNINGS)
SAN_FLAGS    := -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
                -fno-sanitize-recover=undefined

LIB_SRC      := $(wildcard libgoim/*.c)
JOB_SRC      := $(wildcard job_worker/*.c)
LOGIC_SRC    := $(wildcard logic_svc/*.c)
UNIT_SRC     := $(wildcard t/unit/*_test.c)
PRELOAD_SRC  := $(wildcard t/tools/*_preload.c)
TOOL_SRC     := $(filter-out $(PRELOAD_SRC),$(wildcard t/tools/*.c))
BENCH_SRC    := $(wildcard bench/*.c)
LOAD_SRC     := $(wildcard bench/load/*.c)
FUZZ_SRC     := $(wildcard t/fuzz/*_fuzz.c)
HEADERS      := $(wildcard libgoim/*.h job_worker/*.h logic_svc/*.h t/unit/*.h \
                t/tools/*.h bench/load/*.h)
MODULE_SRC   := config $(wildcard ngx_goim_module/*.[ch] libgoim/*.[ch])

LIB_LIBS     := -lprotobuf-c -lyajl
DAEMON_LIBS  := $(LIB_LIBS) -lrdkafka -linih
JOB_LIBS     := $(DAEMON_LIBS) -lsystemd -lpthread
LOGIC_LIBS   := $(JOB_LIBS) -levent -lhiredis -ljwt -lm

# "make V=1" shows the commands
ifndef V
.SILENT:
endif

.DEFAULT_GOAL := all
.PHONY: all bench bench-long clean demo lint setup soak test test-asan test-build \
	test-long test-tools unit-tests fuzz-targets nginx-san fuzz

# the echo has a folder of its own, and is in no package
ifeq ($(WS_ECHO),1)
all: $(B)/echo/ngx_http_goim_module.so
else
all: $(B)/ngx_http_goim_module.so $(B)/goim-job $(B)/goim-logic
endif


# libgoim: twice, once with sanitizers

PB           := $(B)/gen/goim_push.pb-c.c $(B)/gen/goim_push.pb-c.h
LIB_OBJ      := $(LIB_SRC:%.c=$(B)/obj/%.o) $(B)/obj/gen/goim_push.pb-c.o
LIB_SAN_OBJ  := $(LIB_SRC:%.c=$(B)/san/%.o) $(B)/san/gen/goim_push.pb-c.o

$(B)/gen/goim_push.pb-c.c $(B)/gen/goim_push.pb-c.h &: libgoim/goim_push.proto
	mkdir -p $(B)/gen
	protoc-c --c_out=$(B)/gen -Ilibgoim $<

$(B)/obj/gen/%.o: $(B)/gen/%.c
	mkdir -p $(@D)
	$(CC) $(DEB_CFLAGS) -std=gnu11 -I$(B)/gen -c -o $@ $<

$(B)/san/gen/%.o: $(B)/gen/%.c
	mkdir -p $(@D)
	$(CC) $(SAN_FLAGS) -std=gnu11 -I$(B)/gen -c -o $@ $<

$(B)/obj/%.o: %.c $(HEADERS) $(B)/gen/goim_push.pb-c.h
	mkdir -p $(@D)
	echo '  CC      $@'
	$(CC) $(DEB_CFLAGS) $(GOIM_CFLAGS) $(EXTRA_CFLAGS) -c -o $@ $<

$(B)/san/%.o: %.c $(HEADERS) $(B)/gen/goim_push.pb-c.h
	mkdir -p $(@D)
	echo '  CC      $@'
	$(CC) $(SAN_FLAGS) $(GOIM_CFLAGS) $(EXTRA_CFLAGS) -c -o $@ $<

$(B)/libgoim.a: $(LIB_OBJ)
	rm -f $@
	ar rcs $@ $^

$(B)/san/libgoim.a: $(LIB_SAN_OBJ)
	rm -f $@
	ar rcs $@ $^


# goim-job

JOB_OBJ      := $(JOB_SRC:%.c=$(B)/obj/%.o)
JOB_SAN_OBJ  := $(JOB_SRC:%.c=$(B)/san/%.o)

$(B)/goim-job: $(JOB_OBJ) $(B)/libgoim.a
	echo '  LD      $@'
	$(CC) $(DEB_CFLAGS) $(DEB_LDFLAGS) -o $@ $^ $(JOB_LIBS)

$(B)/san/goim-job: $(JOB_SAN_OBJ) $(B)/san/libgoim.a
	$(CC) $(SAN_FLAGS) -o $@ $^ $(JOB_LIBS)


# goim-logic

LOGIC_OBJ     := $(LOGIC_SRC:%.c=$(B)/obj/%.o)
LOGIC_SAN_OBJ := $(LOGIC_SRC:%.c=$(B)/san/%.o)

$(B)/goim-logic: $(LOGIC_OBJ) $(B)/libgoim.a
	echo '  LD      $@'
	$(CC) $(DEB_CFLAGS) $(DEB_LDFLAGS) -o $@ $^ $(LOGIC_LIBS)

$(B)/san/goim-logic: $(LOGIC_SAN_OBJ) $(B)/san/libgoim.a
	$(CC) $(SAN_FLAGS) -o $@ $^ $(LOGIC_LIBS)


# the module, in a copy of nginx's tree: nginx-dev's for the nginx of Debian

$(B)/ngx_http_goim_module.so: $(MODULE_SRC)
	echo '  MODULE  $@'
	t/tools/build_module.sh "$(NGINX_SRC)" $(B)/nginx-src $@

$(B)/echo/ngx_http_goim_module.so: $(MODULE_SRC)
	echo '  MODULE  $@'
	GOIM_MODULE_CFLAGS='-DNGX_GOIM_WS_ECHO=1 -DGOIM_HANDOVER_VERSION=1000' \
		t/tools/build_module.sh "$(NGINX_SRC)" $(B)/echo/nginx-src $@


# everything on one host, in the foreground

demo:
	t/tools/setup.sh demo
	$(MAKE) --no-print-directory $(B)/ngx_http_goim_module.so \
		$(B)/goim-job $(B)/goim-logic $(B)/t/mock_kafka
	exec conf/demo/demo.pl


# tests; those of the daemons' pure parts link all objects but main

UNIT_BIN     := $(UNIT_SRC:t/unit/%.c=$(B)/t/%)
UNIT_SAN_BIN := $(UNIT_SRC:t/unit/%.c=$(B)/san/t/%)
TOOL_BIN     := $(TOOL_SRC:t/tools/%.c=$(B)/t/%) $(BENCH_SRC:bench/%.c=$(B)/t/%) \
                $(PRELOAD_SRC:t/tools/%.c=$(B)/t/%.so) $(B)/t/goim_load

# the daemon whose parts a unit test is for, by its prefix
DAEMON_OF         = $(if $(filter jw_%,$1),JOB,$(if $(filter ls_%,$1),LOGIC))
JOB_TEST_OBJ     := $(filter-out %/jw_main.o,$(JOB_OBJ))
JOB_TEST_SAN_OBJ := $(filter-out %/jw_main.o,$(JOB_SAN_OBJ))
LOGIC_TEST_OBJ     := $(filter-out %/ls_main.o,$(LOGIC_OBJ))
LOGIC_TEST_SAN_OBJ := $(filter-out %/ls_main.o,$(LOGIC_SAN_OBJ))

# those that include ls_faults.h
FAULTS       := $(foreach f,malloc calloc realloc strdup strndup clock_gettime,\
                -Wl,--wrap=$f)
FAULTS_OF     = $(if $(shell grep -l ls_faults.h t/unit/$1_test.c),$(FAULTS))

$(B)/t/%_test: $(B)/obj/t/unit/%_test.o $(B)/libgoim.a $(JOB_TEST_OBJ) \
		$(LOGIC_TEST_OBJ)
	mkdir -p $(@D)
	$(CC) $(DEB_LDFLAGS) $(call FAULTS_OF,$*) -o $@ $< \
		$($(call DAEMON_OF,$*)_TEST_OBJ) \
		$(B)/libgoim.a -lcmocka $(LOGIC_LIBS)

$(B)/san/t/%_test: $(B)/san/t/unit/%_test.o $(B)/san/libgoim.a \
		$(JOB_TEST_SAN_OBJ) $(LOGIC_TEST_SAN_OBJ)
	mkdir -p $(@D)
	$(CC) $(SAN_FLAGS) $(call FAULTS_OF,$*) -o $@ $< \
		$($(call DAEMON_OF,$*)_TEST_SAN_OBJ) \
		$(B)/san/libgoim.a -lcmocka $(LOGIC_LIBS)

$(B)/obj/t/unit/%.o $(B)/san/t/unit/%.o: EXTRA_CFLAGS = -Ijob_worker -Ilogic_svc

# it has the parts of goim-logic
$(B)/t/session_store: $(B)/obj/t/tools/session_store.o $(LOGIC_TEST_OBJ) \
		$(B)/libgoim.a
	mkdir -p $(@D)
	$(CC) $(DEB_LDFLAGS) -o $@ $^ $(LOGIC_LIBS)

$(B)/san/t/session_store: $(B)/san/t/tools/session_store.o \
		$(LOGIC_TEST_SAN_OBJ) $(B)/san/libgoim.a
	mkdir -p $(@D)
	$(CC) $(SAN_FLAGS) -o $@ $^ $(LOGIC_LIBS)

$(B)/obj/t/tools/session_store.o $(B)/san/t/tools/session_store.o: \
		EXTRA_CFLAGS = -D_GNU_SOURCE -Ilogic_svc

$(B)/t/%_preload.so: t/tools/%_preload.c
	mkdir -p $(@D)
	$(CC) $(DEB_CFLAGS) $(GOIM_CFLAGS) -D_GNU_SOURCE -fPIC -shared \
		$(DEB_LDFLAGS) -o $@ $<

$(B)/t/%: $(B)/obj/t/tools/%.o $(B)/libgoim.a
	mkdir -p $(@D)
	$(CC) $(DEB_LDFLAGS) -o $@ $^ $(JOB_LIBS)

$(B)/t/%: $(B)/obj/bench/%.o $(B)/libgoim.a
	mkdir -p $(@D)
	$(CC) $(DEB_LDFLAGS) -o $@ $^ $(JOB_LIBS)

$(B)/t/goim_load: $(LOAD_SRC:%.c=$(B)/obj/%.o) $(B)/libgoim.a
	mkdir -p $(@D)
	$(CC) $(DEB_LDFLAGS) -o $@ $^ -lssl -lcrypto

test-tools: $(TOOL_BIN)

unit-tests: $(UNIT_BIN) $(UNIT_SAN_BIN)

# a 1.28 with sanitizers, and the module for it; exits 0 with a message where
# its source can't be had
nginx-san: $(MODULE_SRC)
	t/tools/build_nginx_san.sh $(B)/nginx-san

test-build: setup
	$(MAKE) all test-tools unit-tests fuzz-targets $(B)/san/goim-job \
		$(B)/san/goim-logic $(B)/san/t/session_store
	$(MAKE) WS_ECHO=1
	$(MAKE) nginx-san

test: test-build
	t/tools/run_tests.sh

test-asan: test-build
	GOIM_TEST_ROUNDS=san t/tools/run_tests.sh

test-long: test
	GOIM_TEST_LONG=1 t/tools/run_tests.sh t/long

soak: test-build
	GOIM_TEST_ROUNDS=plain t/tools/run_tests.sh t/soak

# writes build/bench.json; docs/performance.md tells how to read it
bench: all test-tools
	bench/run.pl $(CELLS)

# with the cells that take long, too
bench-long: all test-tools
	bench/run.pl --long $(CELLS)

# fuzz targets: clang's libFuzzer; ls_x_fuzz.c has logic_svc/ls_x.c with it,
# ngx_x_fuzz.c ngx_goim_module/ngx_x.c

FUZZ_WITH_ls_push_v1_fuzz := logic_svc/ls_query.c
FUZZ_BIN     := $(FUZZ_SRC:t/fuzz/%.c=$(B)/fuzz/%)

$(B)/fuzz/%: t/fuzz/%.c $(LIB_SRC) $(LOGIC_SRC) $(HEADERS) $(PB)
	mkdir -p $(@D)
	clang -g -O1 -std=gnu11 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -Ilibgoim -Ilogic_svc \
		-I$(B)/gen -o $@ $< $(wildcard logic_svc/$(*:%_fuzz=%).c) \
		$(FUZZ_WITH_$*) \
		$(LIB_SRC) $(B)/gen/goim_push.pb-c.c $(DAEMON_LIBS) -levent

# a file of the module with nginx's headers, without nginx
NGX_FUZZ_INC := $(addprefix -I$(B)/nginx-src/,src/core src/event \
                src/event/modules src/os/unix objs src/http src/http/modules \
                src/http/v2 src/http/v3 src/event/quic)

$(B)/fuzz/ngx_%_fuzz: t/fuzz/ngx_%_fuzz.c t/fuzz/ngx_goim_fuzz.h \
		ngx_goim_module/ngx_%.c ngx_goim_module/ngx_goim.h \
		$(LIB_SRC) $(HEADERS) $(PB) $(B)/ngx_http_goim_module.so
	mkdir -p $(@D)
	clang -g -O1 -std=gnu11 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined $(NGX_FUZZ_INC) -Ilibgoim \
		-Ingx_goim_module -I$(B)/gen -o $@ $< \
		ngx_goim_module/ngx_$*.c $(LIB_SRC) \
		$(B)/gen/goim_push.pb-c.c $(DAEMON_LIBS)

# their inputs are taken by every test run
fuzz-targets: $(FUZZ_BIN)

fuzz: $(FUZZ_BIN)
	for f in $(FUZZ_BIN); do \
		mkdir -p $$f.corpus; \
		$$f -max_total_time=$(SECONDS_FUZZ) -print_final_stats=0 \
			$$f.corpus $$(d=t/fuzz/corpus/$$(basename $$f); \
			[ ! -d $$d ] || echo $$d); \
	done

lint:
	t/tools/lint.sh

setup:
	t/tools/setup.sh

clean:
	rm -rf $(B)
