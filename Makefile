# SPDX-License-Identifier: BSD-3-Clause
#
# The short way in.  Each goal sees to its own set-up, builds with meson and ninja into build/, and
# needs no other step.  Who knows meson may leave this file alone: `meson setup build` works as ever.

.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: build run test explore python soak stress fuzz lint format abi-baseline man counts bench bench-rivals bench-python plain tsan asan deb install clean \
    help

# What a plain build is; tests are added by the first `make test`, which may have to install cmocka.
options := -Dsqlite=enabled -Dpostgres=enabled -Dcli=enabled
options += -Dsmtp=enabled -Dredis=enabled
# Without dpkg-dev meson takes Debian for one of those with lib64, where neither its linker nor its
# pkg-config would look.
options += $(if $(wildcard /etc/debian_version),-Dlibdir=lib)
checked := $(options) -Dtests=enabled -Dbuildtype=debugoptimized
# Tests that run slower than planned on a busy machine are no failures; hung ones still end.
patience := -t 4

build:
	@tools/setup run
	@tools/configure build $(options)
	@ninja -C build
	@echo 'built; next: make run (see it work), make test, make help'

run:
	@tools/setup run
	@tools/configure build $(options)
	@ninja -C build cli/queuepool
	@build/cli/queuepool demo

test:
	@tools/setup test
	@tools/configure build $(options) -Dtests=enabled -Dpython=enabled
	@tools/runtests build test $(patience)

# The plain engine, which is easy to believe, by the tests of the core.
plain:
	@tools/setup test
	@tools/configure build-plain -Dengine=plain -Dsqlite=disabled -Dpostgres=disabled -Dsmtp=disabled -Dredis=disabled \
	    -Dcli=disabled -Dbench=false -Dtests=enabled
	@tools/runtests build-plain plain --suite unit --suite race --suite regress --suite fork --suite fault --suite gates --suite stress $(patience)

# The Python package: a wheel in build/python/wheel/, installed in build/python/venv/.  PYTHON names another interpreter
# than the system's.
python:
	@tools/setup python
	@tools/configure build $(options)
	@tools/wheel build/python

# Random verbs for long, one weather after another; a seed that broke is printed, and repeats the run:
# QPOOL_SEED=n QPOOL_SECONDS=n make soak.
soak: export QPOOL_SECONDS ?= 600
soak: export QPOOL_LONG ?= 1
soak:
	@tools/setup test
	@tools/configure build $(options) -Dtests=enabled
	@tools/runtests build soak --suite race --suite survive --timeout-multiplier 0 --num-processes 1 --verbose

# So many leases taken and ended, counted as two each, by the library as it is shipped, in short rounds of random pools;
# a thread that stands still ends it.  QPOOL_SEED and QPOOL_ROUND, printed with what broke, begin there again.
stress: export OPS ?= 1000000000
stress:
	@tools/setup test
	@tools/configure build $(options) -Dtests=enabled
	@tools/runtests build stress --suite stress --timeout-multiplier 0 --verbose

# The core on a simulated machine, each scene for its share of BUDGET seconds: all schedules with few surprises, then
# random ones; a fifth of the time with an eye on plain memory, too.  What fails is printed with a command that plays
# it again: tests/explore/README.md.
explore: BUDGET ?= 300
explore:
	@tools/setup test
	@tools/configure build $(options) -Dtests=enabled
	@ninja -C build tests/explore/explore tests/explore/explore_races
	@build/tests/explore/explore --seconds $$(($(BUDGET) * 4 / 5))
	@build/tests/explore/explore_races --seconds $$(($(BUDGET) / 5))

# What libFuzzer makes up, for so many seconds a target, under AddressSanitizer and UBSan.  What it finds stays in
# build-fuzz/, and runs again by build-fuzz/fuzz/fuzz_TARGET FILE.
fuzz: BUDGET ?= 60
fuzz:
	@tools/setup fuzz
	@CC=clang tools/configure build-fuzz -Dfuzz=true -Dsqlite=disabled -Dpostgres=disabled -Dsmtp=disabled -Dredis=disabled -Dcli=disabled \
	    -Dtests=disabled -Dbench=false
	@tools/fuzz build-fuzz '$(BUDGET)'

lint:
	@tools/setup lint
	@tools/lint

format:
	@tools/setup lint
	@tools/lint --format

# What `make lint` compares the compiled interface with: docs/ABI.md says when to write it anew.
abi-baseline:
	@tools/setup lint
	@tools/lint --abi-baseline

# Copies the quoted examples and the table of errors into the manual, which `make lint` compares, and takes out of
# docs/man/ahead what the headers know by now.
man:
	@tools/check_man.py --fill

# The instructions of an acquire and a release, as the test of the suite `counts` compares them and the page shows them.
counts:
	@tools/setup test
	@tools/configure build $(options) -Dtests=enabled
	@ninja -C build counts

# FLAGS=--quick, or what else build/bench/bench --help knows.
bench:
	@tools/setup bench
	@tools/configure build $(options)
	@ninja -C build
	@build/bench/bench $(FLAGS)
	@build/bench/bench_redis
	@build/bench/bench_smtp

# The same beside pools by others: as many as this machine can have.  One that it cannot is a row that says why.  What
# was installed since the last time is only seen by looking anew.
bench-rivals: python
	@tools/setup bench
	@tools/setup rivals || echo 'bench-rivals: on with the rivals that are here' >&2
	@tools/configure build $(options) -Drivals=true
	@ninja -C build reconfigure >/dev/null
	@ninja -C build
	@ninja -C build -k 0 rivals || echo 'bench-rivals: on with the rivals that could be built' >&2
	@build/bench/bench --rivals build/bench/rivals.list --json build/bench/rivals.json $(FLAGS)
	@echo 'written: build/bench/rivals.json; for docs/PERFORMANCE.md: bench/page.py build/bench/rivals.json'

# A take and a put in Python beside a stand-in for queuepool 1.3.2, and psycopg2 on a PostgreSQL of its own.
bench-python: python
	@tools/setup test
	@tools/configure build $(options) -Dtests=enabled
	@ninja -C build tests/adapters/pg_run tests/adapters/pg_keeper
	@build/tests/adapters/pg_run build/python/venv/bin/python python/bench/bench.py

# A sanitizer's findings are failures; there are no suppression files.  AddressSanitizer sees little
# of what -O2 has already thought away, so it gets -O1.  ThreadSanitizer of gcc 12
# cannot place its shadow where the kernel randomises addresses by more bits than it knew of, so
# they are fixed where the system lets us.
fixed = $(shell setarch -R true 2>/dev/null && echo setarch -R)
tsan: export TSAN_OPTIONS := halt_on_error=1:second_deadlock_stack=1
tsan:
	@tools/setup test
	@tools/configure build-tsan $(checked) -Db_sanitize=thread -Db_lundef=false
	@$(fixed) tools/runtests build-tsan tsan $(patience)

asan: export ASAN_OPTIONS := abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
asan: export UBSAN_OPTIONS := halt_on_error=1:abort_on_error=1:print_stacktrace=1
asan:
	@tools/setup test
	@tools/configure build-asan $(checked) -Dpython=enabled -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false
	@tools/runtests build-asan asan $(patience)

# Debian packages of the checkout as it stands, built, looked at and used; they end up in build-deb/.
deb:
	@tools/setup deb
	@tools/deb

# The usual words: PREFIX (or prefix) is where it will live, DESTDIR a root to put it in for now.  Another
# PREFIX than the last time changes only what names it.
prefix ?= /usr/local
PREFIX ?= $(prefix)
install:
	@case '$(PREFIX)' in /*) ;; *) echo "install: PREFIX is '$(PREFIX)'; give an absolute path" >&2; exit 2;; esac
	@tools/setup run
	@tools/configure build $(options) '-Dprefix=$(PREFIX)'
	@ninja -C build
	@meson install -C build --no-rebuild $(if $(DESTDIR),--destdir '$(abspath $(DESTDIR))')

clean:
	rm -rf build build-*

help:
	@echo 'make          set up and build into build/'
	@echo 'make run      the demo: a pool at work on a real database'
	@echo 'make test     build and run every test'
	@echo 'make python   the Python package: a wheel, and an environment that has it, in build/python/'
	@echo 'make soak     random verbs from many threads for QPOOL_SECONDS (600) each'
	@echo 'make stress   random pools under load for OPS (10^9) operations; a lost wake-up ends it'
	@echo 'make explore  the core under schedules of our choice, for BUDGET (300) seconds'
	@echo 'make fuzz     made-up input for the parser, for BUDGET (60) seconds'
	@echo 'make lint     formatting, static analysis, the rules of the house'
	@echo 'make format   lay the C files out as make lint wants them'
	@echo 'make abi-baseline  write anew what the compiled interface is compared with'
	@echo 'make man      copy the quoted examples and the errors into docs/man/'
	@echo 'make counts   write anew how many instructions an acquire and a release take'
	@echo 'make bench    measure, beside rivals, in one run'
	@echo 'make bench-rivals  the same, beside pools by others, in C and other languages'
	@echo 'make bench-python  a take and a put in Python'
	@echo 'make plain    the tests of the core with the plain engine'
	@echo 'make tsan     the tests under ThreadSanitizer'
	@echo 'make asan     the tests under AddressSanitizer, LeakSanitizer and UBSan'
	@echo 'make deb      Debian packages, built, looked at and used, in build-deb/'
	@echo 'make install  build and install, below PREFIX (/usr/local); DESTDIR is respected'
	@echo 'make clean    remove build/ and build-*/'
