.PHONY: build test demo serve-demo setup lint format benchmark

build: setup
	@scripts/swiftw build -c release --product epic

setup:
	@scripts/setup

lint:
	@swift format lint --strict --recursive --parallel Sources Tests Benchmarks Package.swift

format:
	@swift format --in-place --recursive --parallel Sources Tests Benchmarks Package.swift

test: setup lint
	@scripts/swiftw test

demo: build
	@.build/release/epic demo

serve-demo: build
	@.build/release/epic serve --demo

benchmark: build
	@Benchmarks/run
	@Benchmarks/compression
	@Benchmarks/training
	@Benchmarks/evaluation --quick
