.PHONY: build test demo serve-demo setup lint format benchmark

build: setup
	@scripts/swiftw build -c release --product epic

setup:
	@scripts/setup

lint:
	@swift format lint --strict --recursive --parallel Sources Tests Benchmarks Package.swift

format:
	@swift format --in-place --recursive --parallel Sources Tests Benchmarks Package.swift

# The server's tests wait for answers, so they come first and alone: the others take every core.
test: setup lint
	@scripts/swiftw test --filter ServingTests
	@scripts/swiftw test --skip ServingTests

demo: build
	@.build/release/epic demo

serve-demo: build
	@.build/release/epic serve --demo

benchmark: build
	@Benchmarks/run
	@Benchmarks/compression
	@Benchmarks/training
	@Benchmarks/evaluation --quick
