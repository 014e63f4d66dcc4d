import Foundation
import MadeVideos
import TestSupport
import Testing

/// Commands of the documents that begin with another program than `epic`, typed as they stand there.
@Suite(.serialized) struct DocumentedProgramTests {
  /// Lines of blocks of commands that begin so, each with its block's page.
  private func lines(_ start: String) throws -> [String] {
    let found = try Document.all().flatMap { document in
      document.blocks.filter { $0.language == "sh" }.flatMap { ShellLine.whole($0.lines) }.filter { $0.hasPrefix(start) }
    }
    #expect(!found.isEmpty, "no document has \(start)")
    return found
  }

  /// A folder with one program, in place of one that machines seldom have.
  private func standIn(_ name: String, _ script: String) throws -> Scratch {
    let scratch = try Scratch()
    let file = scratch.url.appending(path: name)
    try Data("#!/bin/bash\n\(script)".utf8).write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
    return scratch
  }

  /// Four processes each, found by the real torchrun where Python's packages can be had.
  @Test func linesOfTorchrun() async throws {
    guard let python = try await PythonProgram.interpreter(for: "torchrun") else { return }
    // The program of that name in the environment names an interpreter that was moved; this is all that it does.
    let starter = try standIn("torchrun", "exec '\(python.path)' -m torch.distributed.run \"$@\"")
    let stage = try await DocumentStage.shared.value
    for line in try Set(lines("torchrun ")) {
      let outcome = try await stage.type(
        block: line, made: ["run", "evaluation"], variables: ["PET_MASTER_PORT": "\(freePort())", "OMP_NUM_THREADS": "1"],
        programs: [starter.url],
        check: { folder in
          let result = line.contains("epic train") ? "run/checkpoint-000002/model.safetensors" : "evaluation/report.html"
          #expect(FileManager.default.fileExists(atPath: folder.appending(path: result).path), "\(line)")
        })
      #expect(outcome.code == 0, "\(line): \(outcome.err)")
    }
  }

  /// Slurm is not there, so its starter is one that gives processes the same variables.
  @Test func linesOfSlurm() async throws {
    let starter = try standIn(
      "srun",
      """
      [ "$1" = --ntasks ] || exit 2
      tasks=$2; shift 2
      for number in $(seq 0 $((tasks - 1))); do
        SLURM_PROCID=$number SLURM_NTASKS=$tasks SLURM_LOCALID=$number SLURM_STEP_ID=0 SLURM_JOB_ID=77 SLURM_STEP_NODELIST=localhost "$@" &
        started+=($!)
      done
      for process in "${started[@]}"; do wait "$process" || exit 1; done
      """)
    let stage = try await DocumentStage.shared.value
    for line in try lines("srun ") {
      let outcome = try await stage.type(
        block: line, made: ["run"],
        variables: ["MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(freePort())", "OMP_NUM_THREADS": "1"], programs: [starter.url],
        check: { folder in
          let weights = folder.appending(path: "run/checkpoint-000002/model.safetensors")
          #expect(FileManager.default.fileExists(atPath: weights.path), "\(line)")
        })
      #expect(outcome.code == 0, "\(line): \(outcome.err)")
    }
  }

  /// There is no camera; what FFmpeg would pass on of it is a file.
  @Test func aStreamIsWatched() async throws {
    let film = try Scratch()
    try MadeVideo(frames: 130, fps: 2).write(to: film.url.appending(path: "a.mkv"))
    let camera = try standIn("ffmpeg", "exec cat '\(film.url.appending(path: "a.mkv").path)'")
    let stage = try await DocumentStage.shared.value
    for line in try lines("ffmpeg ") {
      // As fast as frames come, where a camera would take its minute.
      let outcome = try await stage.type(block: line + " --pace free", programs: [camera.url])
      #expect(outcome.code == 0 && outcome.out.contains("What happens?"), "\(outcome)")
    }
  }

  /// With the build that the tests belong to, in place of `make build`.
  @Test func itIsInstalled() async throws {
    let build = EpicCommand.program.deletingLastPathComponent()
    let stage = try await DocumentStage.shared.value
    for line in try Set(lines("make install")) {
      let outcome = try await stage.type(
        block: line.replacing("make install", with: "make -C '\(Document.root.path)' -o build install DESTDIR=$PWD/root")
          + "\n$(find $PWD/root -name epic -path '*/bin/*') --version",
        variables: ["EPIC_BUILD": build.path, "HOME": "/home/somebody"],
        check: { folder in
          let prefix = folder.appending(path: line.contains("PREFIX") ? "root/home/somebody/.local" : "root/usr/local")
          for name in [
            "share/man/man1/epic-generate.1", "share/bash-completion/completions/epic", "share/zsh/site-functions/_epic",
            "share/fish/vendor_completions.d/epic.fish",
          ] {
            #expect(FileManager.default.fileExists(atPath: prefix.appending(path: name).path), "\(name)")
          }
        })
      #expect(outcome.code == 0 && outcome.out.contains("libtorch"), "\(line): \(outcome.err)")
    }
  }

  /// What a shell is told goes where it looks.
  @Test func completionIsWritten() async throws {
    let stage = try await DocumentStage.shared.value
    let line = try #require(try lines("epic --generate-completion-script bash").first)
    let folder = ".local/share/bash-completion/completions"
    let outcome = try await stage.type(
      block: "mkdir -p ~/\(folder)\n\(line)\nbash -c 'source ~/\(folder)/epic && complete -p epic'")
    #expect(outcome.code == 0 && outcome.out.contains("_epic"), "\(outcome)")
  }

  /// The programs in `Examples`, as SwiftPM has built them for the tests: it does not build while it tests.
  @Test func examplesAreRun() async throws {
    let stage = try await DocumentStage.shared.value
    let typed = try lines("scripts/swiftw run ").map { String($0.trimmingPrefix("scripts/swiftw run ")) }
    let caption = try #require(typed.first { $0.hasPrefix("CaptionFolder") })
    let captioned = try await stage.type(
      block: "exec \(caption)", during: { try await $0.send(SIGTERM, oncePrinted: "\"caption\"") })
    #expect(captioned.out.contains("\"visualTokens\":64"), "\(captioned)")
    let port = try freePort()
    let server = try #require(typed.first { $0.hasPrefix("AskServer") }).replacing("8080", with: "\(port)")
    let curl = try #require(try lines("curl --data-binary @cat.jpg").first).replacing("8080", with: "\(port)")
    let served = try await stage.type(
      block: "exec \(server)",
      during: { running in
        defer { running.send(SIGTERM) }
        while running.isRunning, try !running.printed().contains("port") { try await Task.sleep(for: .milliseconds(5)) }
        let answer = try await DocumentStage.shared.value.type(block: "\(curl) --fail --retry 5 --retry-connrefused")
        #expect(answer.code == 0, "\(answer.err)")
      })
    #expect(served.code == 0, "\(served.err)")
  }

  /// What set-up prints for packages that depend on this one has the form that the page shows.
  @Test func flagsArePrinted() async throws {
    let stage = try await DocumentStage.shared.value
    let line = try #require(try lines("../epic/scripts/setup").first)
    let outcome = try await stage.type(
      block: "mkdir App && ln -s '\(Document.root.path)' epic && cd App && unset EPIC_CACHE && \(line)",
      variables: ["HOME": NSHomeDirectory()])
    #expect(outcome.code == 0, "\(outcome.err)")
    let shown = try #require(
      try Document("Documentation/Epic.docc/UseFromSwift.md").blocks.first {
        $0.lines.first?.hasPrefix("export PKG_CONFIG_PATH") ?? false
      })
    // The cache, a number, and where libtorch lies differ from machine to machine.
    func form(_ line: String) -> String { line.replacing(#/(=|-Xlinker )\S*/\S+/#) { "\($0.1)…" } }
    #expect(outcome.out.split(separator: "\n").map { form(String($0)) } == shown.lines.map(form))
  }

  /// Parquet files become what `epic` reads.
  @Test func parquetIsConverted() async throws {
    guard let python = try await PythonProgram.interpreter(for: "Parquet") else { return }
    let stage = try await DocumentStage.shared.value
    let make = "'\(python.path)' '\(Document.root.path)/Tests/Python/parquet_files.py' cat.jpg"
    let questions = try #require(try lines("python3 -c ").first { $0.contains("videomme") })
    let shards = try #require(try lines("scripts/parquet-shards").first)
    let outcome = try await stage.type(
      block: """
        \(make)
        \(questions)
        cmp videomme/expected.jsonl videomme/videomme.jsonl
        ln -s '\(Document.root.path)/scripts' scripts
        \(shards)
        epic data check --file shards --model model --json
        """, programs: [python.deletingLastPathComponent()])
    #expect(outcome.code == 0, "\(outcome.err)")
    #expect(outcome.out.contains(#""samples":3"#) && outcome.out.contains(#""bad":[]"#), "\(outcome.out)")
  }
}
