# logcap: the short way to everything. `make help` lists it.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
BUILD ?= build

# A plain `make run` captures what only root may read.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: all binary run test soak bench install install-leakwatch clean help
# The program, and the checks that its developers want at each build.
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) checked

# The program alone: what a user runs or installs must not hang on a developer's tool.
binary: $(BUILD)/build.ninja
	@ninja -C $(BUILD) logcap

$(BUILD)/build.ninja: | setup-build
	@meson setup $(BUILD) >$(BUILD).log || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

.PHONY: setup-build setup-test
setup-build:
	@tools/setup build
setup-test:
	@tools/setup build test

run: binary
	@exec $(AS_ROOT) env $(if $(LOKI_URL),LOKI_URL='$(LOKI_URL)') $(BUILD)/logcap run $(ARGS)

test: setup-test
	@tools/test

soak: setup-test
	@tools/test --soak

bench: binary
	@ninja -C $(BUILD) bench-programs
	@bench/run --build $(BUILD) $(ARGS)

install: binary
	install -D -m 755 $(BUILD)/logcap '$(DESTDIR)$(PREFIX)/bin/logcap'
	install -d -m 755 '$(DESTDIR)$(SYSCONFDIR)/logcap' '$(DESTDIR)$(UNITDIR)'
	sed 's|@bindir@|$(PREFIX)/bin|' deploy/logcap.service >'$(DESTDIR)$(UNITDIR)/logcap.service'
	[ -e '$(DESTDIR)$(SYSCONFDIR)/logcap/logcap.yaml' ] || \
		install -m 640 deploy/logcap.yaml '$(DESTDIR)$(SYSCONFDIR)/logcap/logcap.yaml'

# For other C programs: src/embed/. The library knows where the program is that looks up lines, hence the prefix.
install-leakwatch: $(BUILD)/build.ninja
	@meson configure $(BUILD) -Dprefix='$(PREFIX)'
	@ninja -C $(BUILD) leakwatch
	install -D -m 644 include/leakwatch.h '$(DESTDIR)$(PREFIX)/include/leakwatch.h'
	install -D -m 644 $(BUILD)/src/embed/libleakwatch.a '$(DESTDIR)$(PREFIX)/lib/libleakwatch.a'
	install -D -m 644 $(BUILD)/src/embed/leakwatch.pc '$(DESTDIR)$(PREFIX)/lib/pkgconfig/leakwatch.pc'
	install -D -m 755 $(BUILD)/src/embed/leakwatch-resolve '$(DESTDIR)$(PREFIX)/libexec/leakwatch-resolve'

clean:
	rm -rf build build-* test/node_modules test/artefacts

help:
	@echo 'make          build/logcap, after installing what the build needs (root or sudo)'
	@echo 'make run      the same, then capture this host: /var/log and the journal into local files;'
	@echo '              http://localhost:8401/health answers. LOKI_URL=http://host:3100 adds Loki.'
	@echo '              ARGS="-c FILE" for a configuration of your own'
	@echo 'make test     everything that must hold, in at most 20 minutes; the last line counts it'
	@echo 'make soak     the same with the full counts: hours; KILLS=50 for fewer kills'
	@echo 'make bench    what it costs, beside the floor, as one table; with FLUENT_BIT=PROGRAM beside that too'
	@echo 'make install  binary, unit file, configuration (PREFIX, SYSCONFDIR, DESTDIR)'
	@echo 'make install-leakwatch   libleakwatch, for other C programs: see docs/leakwatch.md'
	@echo 'make clean    what all of this made'
