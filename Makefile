.PHONY: build test sanitize sanitize-threads sanitize-addresses demo serve-demo setup lint format benchmark docs reference install uninstall

build: setup
	@scripts/swiftw build -c release --product epic

setup:
	@scripts/setup

lint:
	@swift format lint --strict --recursive --parallel Sources Tests Benchmarks Examples Package.swift

format:
	@swift format --in-place --recursive --parallel Sources Tests Benchmarks Examples Package.swift

# What waits for answers of a server comes first and alone: the other tests take every core. `flags` are more options of `swift test`.
alone = ServingTests
flags =
test: setup lint
	@scripts/swiftw test $(flags) --filter '$(alone)'
	@scripts/swiftw test $(flags) --skip '$(alone)'

# What runs on several threads, under the thread sanitizer; then that, and what reads files, under the address sanitizer. Each is a build of
# everything, a quarter of an hour on 2 cores.
threaded = ServingTests|HubTests|DataReadAheadTests|DataLoaderTests|SentencePieceTests|BasicsTests
reading = ImagingTests|VideoTests|AudioTests|LanguageTests|JinjaTests|TorchTests|ResultsTests|DatasetTests|ShardFile|DistributedTests|CompressionTests
sanitize: sanitize-threads sanitize-addresses
sanitize-threads: setup
	@EPIC_SANITIZE=1 TSAN_OPTIONS="halt_on_error=0 suppressions=$(CURDIR)/Tests/thread-sanitizer.txt" \
		scripts/swiftw test --sanitize=thread --scratch-path .build-sanitize --no-parallel $(flags) --filter '$(threaded)'
sanitize-addresses: setup
	@EPIC_SANITIZE=1 ASAN_OPTIONS=detect_leaks=0 \
		scripts/swiftw test --sanitize=address --scratch-path .build-address --no-parallel $(flags) --filter '$(threaded)|$(reading)' --skip theAllocatorIsOurs

demo: build
	@.build/release/epic demo

serve-demo: build
	@.build/release/epic serve --demo

benchmark: build
	@Benchmarks/run
	@Benchmarks/compression
	@Benchmarks/training
	@Benchmarks/evaluation --quick

# The documentation as a static site in .build/docs, with the symbols of the public modules.
docs: build
	@scripts/docs

# Pages of the documentation that the program writes about itself; a test compares them with what is committed.
reference: build
	@.build/release/epic reference --output Documentation/Epic.docc

# DESTDIR goes in front of PREFIX, for packages.
PREFIX = /usr/local
install: build
	@scripts/install "$(PREFIX)"

uninstall:
	@scripts/install "$(PREFIX)" --uninstall
