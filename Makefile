# tally: `make help` lists the targets. Objects and programs go under build/ (BUILD=dir moves it).
# CC, CFLAGS, CPPFLAGS, LDFLAGS, PREFIX, DESTDIR, SYSCONFDIR and LOCALSTATEDIR come from outside.

VERSION = 0.1.0
CC ?= cc
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
LOCALSTATEDIR ?= /var
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
DOCDIR ?= $(PREFIX)/share/doc/tally
LIBDIR ?= $(PREFIX)/lib
UNITDIR ?= $(LIBDIR)/systemd/system
BUILD ?= build
PYTHON ?= /usr/bin/python3
PKG_CONFIG ?= pkg-config

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wcast-qual -Wwrite-strings -Wformat=2 -Wvla -Wundef -Wswitch-enum \
	-Wnull-dereference
HARDENING = -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
FORTIFY = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
LIBRARIES = libunbound libconfuse lmdb jansson
SYSTEMD := $(shell $(PKG_CONFIG) --exists libsystemd 2>/dev/null && echo libsystemd)
SECCOMP := $(shell $(PKG_CONFIG) --exists libseccomp 2>/dev/null && echo libseccomp)

TALLY_CPPFLAGS = -I. -D_GNU_SOURCE -DTALLY_VERSION='"$(VERSION)"' -DSYSCONFDIR='"$(SYSCONFDIR)"' \
	$(if $(SYSTEMD),-DHAVE_LIBSYSTEMD) $(if $(SECCOMP),-DHAVE_LIBSECCOMP) $(FORTIFY)
TALLY_CFLAGS = -std=c11 -pthread $(WARNINGS) $(WERROR) $(HARDENING) $(SANITIZE) \
	-ffile-prefix-map=$(CURDIR)=. -Wdate-time -fno-strict-aliasing -MMD -MP
TALLY_LDFLAGS = -pthread -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SANITIZE) $(LINKED)
# one by one: libunbound.pc asks for libevent.pc, which we do not need
LIBRARY_CFLAGS := $(foreach l,$(LIBRARIES) $(SYSTEMD) $(SECCOMP),$(shell $(PKG_CONFIG) --cflags $(l) 2>/dev/null))
LIBRARY_LIBS := $(foreach l,$(LIBRARIES) $(SYSTEMD) $(SECCOMP),$(shell $(PKG_CONFIG) --libs $(l) 2>/dev/null)) -lm

AGGREGATE = $(sort $(wildcard aggregate/*.c))
RESOLVER = $(filter-out $(MAINS),$(sort $(wildcard resolver/*.c)))
MAINS = resolver/tallyd.c resolver/tallyctl.c
UNITS = $(sort $(wildcard tests/unit/test_*.c) $(wildcard tests/stories/test_*.c))
FAULTS = $(sort $(wildcard tests/faults/test_*.c))
FUZZERS = $(sort $(wildcard tests/fuzz/fuzz_*.c))

# What every answer passes through: these files become one where tallyd is linked (with gcc, and when it optimises).
# They are compiled both ways, so that the tests are linked as ever.
PATH_OF_ANSWERS = aggregate/cache aggregate/evidence aggregate/exception aggregate/line aggregate/match aggregate/policy aggregate/subject aggregate/text \
	aggregate/verdict aggregate/view resolver/answer resolver/frame resolver/question resolver/refusals resolver/serve resolver/udp resolver/wire
LTO := $(if $(SANITIZE),,$(if $(filter -O2 -O3,$(CFLAGS)),$(shell \
	$(CC) --version 2>/dev/null | grep -q 'Free Software Foundation' && echo -flto -ffat-lto-objects)))
LINKED = $(if $(filter -flto%,$(CFLAGS)),,-fno-lto)
$(BUILD)/tallyd: LINKED = $(if $(LTO),-flto=auto -flto-partition=one)

OBJECTS = $(AGGREGATE:%.c=$(BUILD)/%.o) $(RESOLVER:%.c=$(BUILD)/%.o)
UNIT_PROGRAMS = $(UNITS:%.c=$(BUILD)/%) $(FAULTS:%.c=$(BUILD)/%)
REPLAY_PROGRAMS = $(FUZZERS:%.c=$(BUILD)/%.replay)
REFEREE = tests/fuzz/ldns_question
FUZZ_PROGRAMS = $(FUZZERS:%.c=$(BUILD)/%) $(BUILD)/$(REFEREE)
BENCHES = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
PROGRAMS = $(BUILD)/tallyd $(BUILD)/tallyctl

.PHONY: all help demo run check unit system sanitize thread thread-quick corruption kills soak valgrind fuzz bench bench-instructions simulate lint format format-check \
	coverage install uninstall dist deb clean needs
.SECONDARY:

all: $(PROGRAMS) ## build tallyd and tallyctl under build/

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "Variables: CC CFLAGS CPPFLAGS LDFLAGS PREFIX DESTDIR SYSCONFDIR LOCALSTATEDIR BUILD"

needs:
	@contrib/needs

demo: ## three real lists and tallyd on 127.0.0.2: see a verdict that no list gives
	@contrib/needs demo
	@$(MAKE) --no-print-directory -s all
	@contrib/demo $(BUILD)

run: all ## run tallyd in the foreground with conf/tallyd.conf
	$(BUILD)/tallyd -c conf/tallyd.conf

check: needs ## the whole test suite: layers, units, stories, corpus, the real programs
	@$(MAKE) --no-print-directory -s all units
	@tests/run $(BUILD)

unit: needs ## only the tests that need no network
	@$(MAKE) --no-print-directory -s units
	@tests/run $(BUILD) unit

.PHONY: units
units: $(UNIT_PROGRAMS) $(REPLAY_PROGRAMS)

sanitize: needs ## the whole suite under address and undefined behaviour sanitizers
	@$(MAKE) --no-print-directory -s BUILD=build-asan CFLAGS="-O1 -g -fno-omit-frame-pointer" FORTIFY= \
		SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" all units
	@tests/run build-asan

THREAD = BUILD=build-tsan CFLAGS="-O1 -g -Wno-tsan" FORTIFY= SANITIZE="-fsanitize=thread"
thread: needs ## units, stories and system tests under the thread sanitizer
	@$(MAKE) --no-print-directory -s $(THREAD) all units
	@tests/run build-tsan

thread-quick: needs ## what runs in several threads, under the thread sanitizer
	@$(MAKE) --no-print-directory -s $(THREAD) all units
	@tests/run build-tsan threads

corruption: needs all ## damage the store 500 times in each of four ways, under tallyd and at its start
	CORRUPTIONS=500 TALLY_BUILD=$(BUILD) $(PYTHON) -m pytest -q -p no:cacheprovider \
		tests/system/test_exceptions.py -k whatever_befalls_the_store

KILLS ?= 10000
kills: needs all ## kill tallyctl KILLS (10000) times in the middle of changes: nothing acknowledged is lost
	KILLS=$(KILLS) TALLY_BUILD=$(BUILD) $(PYTHON) -m pytest -q -p no:cacheprovider \
		tests/system/test_exceptions.py -k thousand_kills

MINUTES ?= 2
soak: needs all ## mixed load with faults, reloads and exceptions for MINUTES (2), against an oracle
	TALLY_BUILD=$(BUILD) $(PYTHON) tests/soak/soak.py $(MINUTES)

valgrind: needs ## units and stories under valgrind
	@$(MAKE) --no-print-directory -s units
	@tests/valgrind $(BUILD)

SECONDS_EACH ?= 60
fuzz: ## run each fuzz target for SECONDS_EACH (60)
	@contrib/needs lint
	@$(MAKE) --no-print-directory -s BUILD=build-fuzz CC=clang CFLAGS="-O1 -g -fno-omit-frame-pointer" FORTIFY= \
		SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" fuzzers
	@for f in $(FUZZERS:tests/fuzz/%.c=%) $(notdir $(REFEREE)); do echo "== $$f"; mkdir -p build-fuzz/corpus/$$f; \
		build-fuzz/tests/fuzz/$$f -max_total_time=$(SECONDS_EACH) -print_final_stats=1 \
		-artifact_prefix=build-fuzz/ build-fuzz/corpus/$$f tests/fuzz/corpus/$${f#*_} || exit 1; done

.PHONY: fuzzers
fuzzers: $(FUZZ_PROGRAMS)

bench: ## what an answer costs beside rbldnsd, knot, unbound and an echo; SECTIONS="warm cold" for some of it
	@contrib/needs bench
	@$(MAKE) --no-print-directory -s all benches
	TALLY_BUILD=$(BUILD) $(PYTHON) tests/bench/bench.py $(SECTIONS)

bench-instructions: ## user-space instructions for each warm answer, under callgrind
	@contrib/needs bench
	@$(MAKE) --no-print-directory -s all
	TALLY_BUILD=$(BUILD) $(PYTHON) tests/bench/instructions.py

.PHONY: benches
benches: $(BENCHES)

simulate: ## trust against a known truth, with more days and seeds than the suite has time for
	@$(MAKE) --no-print-directory -s $(BUILD)/tests/stories/test_simulation
	$(BUILD)/tests/stories/test_simulation long

lint: needs ## compilers with -Werror, clang-tidy, gcc -fanalyzer, cppcheck, shellcheck, mandoc, codespell
	@tests/lint

format: ## rewrite the C sources in the project's format
	clang-format -i $(wildcard aggregate/*.[ch] resolver/*.[ch] tests/unit/*.[ch] tests/stories/*.[ch] tests/faults/*.[ch] tests/fuzz/*.[ch] tests/bench/*.[ch])

format-check: ## tell whether `make format` would change anything
	clang-format --dry-run --Werror $(wildcard aggregate/*.[ch] resolver/*.[ch] tests/unit/*.[ch] tests/stories/*.[ch] tests/faults/*.[ch] tests/fuzz/*.[ch] tests/bench/*.[ch])

coverage: needs ## lines and branches of aggregate/ and resolver/ that units and stories reach
	@$(MAKE) --no-print-directory -s BUILD=build-coverage CFLAGS="-O0 -g --coverage" FORTIFY= LDFLAGS=--coverage units
	@tests/run build-coverage unit >/dev/null
	@tests/coverage build-coverage

# What is installed where, once: uninstall removes the same.
INSTALLED = $(SBINDIR)/tallyd $(SBINDIR)/tallyctl $(COMPLETIONDIR)/tallyctl $(MANDIR)/man8/tallyd.8 \
	$(MANDIR)/man8/tallyctl.8 $(MANDIR)/man5/tallyd.conf.5 $(MANDIR)/man7/tally.7 \
	$(UNITDIR)/tallyd.service $(UNITDIR)/tallyd.socket $(UNITDIR)/tally-report.service \
	$(UNITDIR)/tally-report.timer $(LIBDIR)/sysusers.d/tally.conf $(LIBDIR)/tmpfiles.d/tally.conf $(SYSCONFDIR)/tally/lists.conf
CONF = $(DESTDIR)$(SYSCONFDIR)/tally/tallyd.conf
EXAMPLES = conf/tallyd.conf.small contrib/README.md contrib/tallyd.conf contrib/run contrib/systemd/drop-ins \
	$(filter-out contrib/systemd contrib/debian,$(patsubst %/,%,$(wildcard contrib/*/)))
# place MODE,FILE,PATH: a file with the paths and the user of this installation
place = sed -e 's|/usr/sbin/|$(SBINDIR)/|' -e 's|/etc/tally/|$(SYSCONFDIR)/tally/|' \
	-e 's|/var/lib/tally|$(LOCALSTATEDIR)/lib/tally|' -e 's|^user = ""|user = "tally"|' $(2) | \
	install -D -m $(1) /dev/stdin $(DESTDIR)$(3)

install: all ## install under PREFIX (and DESTDIR)
	install -D -m 755 $(BUILD)/tallyd $(DESTDIR)$(SBINDIR)/tallyd
	install -D -m 755 $(BUILD)/tallyctl $(DESTDIR)$(SBINDIR)/tallyctl
	install -D -m 644 contrib/tallyctl.bash $(DESTDIR)$(COMPLETIONDIR)/tallyctl
	install -D -m 644 man/tallyctl.8 $(DESTDIR)$(MANDIR)/man8/tallyctl.8
	install -D -m 644 man/tallyd.8 $(DESTDIR)$(MANDIR)/man8/tallyd.8
	install -D -m 644 man/tallyd.conf.5 $(DESTDIR)$(MANDIR)/man5/tallyd.conf.5
	install -D -m 644 man/tally.7 $(DESTDIR)$(MANDIR)/man7/tally.7
	install -D -m 644 contrib/systemd/tallyd.socket $(DESTDIR)$(UNITDIR)/tallyd.socket
	install -D -m 644 contrib/systemd/tally-report.timer $(DESTDIR)$(UNITDIR)/tally-report.timer
	install -D -m 644 conf/lists.conf $(DESTDIR)$(SYSCONFDIR)/tally/lists.conf
	$(call place,644,contrib/systemd/tallyd.service,$(UNITDIR)/tallyd.service)
	$(call place,644,contrib/systemd/tally-report.service,$(UNITDIR)/tally-report.service)
	$(call place,644,contrib/systemd/tally.sysusers,$(LIBDIR)/sysusers.d/tally.conf)
	$(call place,644,contrib/systemd/tally.tmpfiles,$(LIBDIR)/tmpfiles.d/tally.conf)
	test -e $(CONF) || $(call place,640,conf/tallyd.conf,$(SYSCONFDIR)/tally/tallyd.conf)
	test -n "$(DESTDIR)" || chgrp tally $(CONF) || echo "make the user tally, then: chgrp tally $(CONF)"
	install -D -m 644 README.md $(DESTDIR)$(DOCDIR)/README.md
	install -d $(DESTDIR)$(DOCDIR)/examples
	cp -R $(EXAMPLES) $(DESTDIR)$(DOCDIR)/examples/

uninstall: ## remove what install put there; configuration and state stay
	rm -f $(INSTALLED:%=$(DESTDIR)%)
	rm -rf $(DESTDIR)$(DOCDIR)

dist: ## a source archive of HEAD
	git archive --prefix=tally-$(VERSION)/ -o tally-$(VERSION).tar.gz HEAD

deb: ## a binary Debian package under build/
	+@contrib/deb $(VERSION)

clean: ## remove everything that was built
	rm -rf build build-asan build-tsan build-fuzz build-coverage build-lint build-deb build-debian

# an archive, so that each program takes only what it uses
$(BUILD)/tally.a: $(OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/tallyd: $(BUILD)/resolver/tallyd.o $(BUILD)/tally.a
	$(CC) $(CFLAGS) $(TALLY_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LIBRARY_LIBS)

$(BUILD)/tallyctl: $(BUILD)/resolver/tallyctl.o $(BUILD)/tally.a
	$(CC) $(CFLAGS) $(TALLY_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LIBRARY_LIBS)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/tally.a
	$(CC) $(CFLAGS) $(TALLY_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LIBRARY_LIBS) -lcmocka

# the calls that tests/faults/fault.c lets fail
WRAPPED = malloc calloc realloc strdup strndup free fopen fdopen open pipe2 fork fsync rename mmap pread pwrite \
	fstat unlink getrandom signalfd epoll_create1 epoll_ctl eventfd socket bind listen setsockopt accept4 recv send sendto recvfrom recvmmsg \
	sendmmsg pthread_create mdb_env_create mdb_env_open mdb_env_set_mapsize mdb_txn_begin \
	mdb_txn_commit mdb_dbi_open mdb_put mdb_get mdb_del mdb_cursor_open mdb_cursor_get \
	ub_ctx_create_ub_event ub_ctx_set_option ub_ctx_set_stub ub_resolve_event
$(BUILD)/tests/faults/%: $(BUILD)/tests/faults/%.o $(BUILD)/tests/faults/fault.o $(BUILD)/tally.a
	$(CC) $(CFLAGS) $(TALLY_LDFLAGS) $(LDFLAGS) $(WRAPPED:%=-Wl,--wrap=%) -o $@ $^ $(LIBRARY_LIBS) -lcmocka

$(BUILD)/tests/stories/%: $(BUILD)/tests/stories/%.o $(BUILD)/tally.a
	$(CC) $(CFLAGS) $(TALLY_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LIBRARY_LIBS) -lcmocka

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/tally.a
	$(CC) $(CFLAGS) $(TALLY_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LIBRARY_LIBS)

$(BUILD)/tests/fuzz/%.replay: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/tally.a
	$(CC) $(CFLAGS) $(TALLY_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LIBRARY_LIBS)

$(BUILD)/$(REFEREE): $(BUILD)/$(REFEREE).o $(BUILD)/tally.a
	$(CC) $(CFLAGS) $(TALLY_LDFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LIBRARY_LIBS) -lldns

$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tally.a
	$(CC) $(CFLAGS) $(TALLY_LDFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LIBRARY_LIBS)

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(TALLY_CPPFLAGS) $(CPPFLAGS) $(TALLY_CFLAGS) $(CFLAGS) $(LIBRARY_CFLAGS) $(AS_ONE) -c -o $@ $<

$(PATH_OF_ANSWERS:%=$(BUILD)/%.o): AS_ONE = $(LTO)

# Other flags than last time: build anew.
FLAGS_NOW = $(CC) $(TALLY_CPPFLAGS) $(CPPFLAGS) $(TALLY_CFLAGS) $(CFLAGS) $(LTO) $(PATH_OF_ANSWERS)
.PHONY: always
$(BUILD)/flags: always
	@mkdir -p $(BUILD)
	@echo '$(subst ','\'',$(FLAGS_NOW))' | cmp -s - $@ || echo '$(subst ','\'',$(FLAGS_NOW))' > $@

-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)
