.PHONY: build test demo serve-demo setup lint format benchmark

build: setup
	@scripts/swiftw build -c release --product epic

setup:
	@scripts/setup

lint:
	@swift format lint --strict --recursive --parallel Sources Tests Benchmarks Package.swift

format:
	@swift format --in-place --recursive --parallel Sources Tests Benchmarks Package.swift

# What waits for answers of a server comes first and alone: the other tests take every core. `flags` are more options of `swift test`.
alone = ServingTests
flags =
test: setup lint
	@scripts/swiftw test $(flags) --filter '$(alone)'
	@scripts/swiftw test $(flags) --skip '$(alone)'

demo: build
	@.build/release/epic demo

serve-demo: build
	@.build/release/epic serve --demo

benchmark: build
	@Benchmarks/run
	@Benchmarks/compression
	@Benchmarks/training
	@Benchmarks/evaluation --quick
