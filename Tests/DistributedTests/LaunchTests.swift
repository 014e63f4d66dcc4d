import Testing

@testable import Distributed

/// How processes learn who they are.
@Suite struct LaunchTests {
  private let torchrun = [
    "RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "node1", "MASTER_PORT": "29500", "TORCHELASTIC_USE_AGENT_STORE": "True",
    "TORCHELASTIC_RESTART_COUNT": "2", "LOCAL_RANK": "1",
  ]

  @Test func variablesOfTorchrunAreRead() throws {
    let launch = try #require(try Launch(torchrun))
    #expect(launch.rank == 1 && launch.count == 4 && launch.host == "node1" && launch.port == 29_500)
    #expect(launch.hasStore && launch.attempt == "2" && launch.localRank == 1)
    // Kubernetes' operators set the first four alone.
    let operators = torchrun.filter { ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"].contains($0.key) }
    #expect(try Launch(operators)?.hasStore == false && Launch(operators)?.localRank == 0)
    #expect(try Launch([:]) == nil && Launch(torchrun.merging(["RANK": "0", "WORLD_SIZE": "1"]) { $1 }) == nil)
  }

  @Test func variablesOfSlurmAreRead() throws {
    let slurm = [
      "SLURM_PROCID": "3", "SLURM_NTASKS": "8", "SLURM_STEP_ID": "0", "SLURM_JOB_ID": "123456", "SLURM_LOCALID": "2",
      "SLURM_STEP_NODELIST": "gpu[07-09,12],head",
    ]
    let launch = try #require(try Launch(slurm))
    #expect(launch.rank == 3 && launch.count == 8 && launch.host == "gpu07" && launch.port == 20_000 + 123_456 % 20_000)
    #expect(!launch.hasStore && launch.localRank == 2)
    let told = try #require(try Launch(slurm.merging(["MASTER_ADDR": "meet", "MASTER_PORT": "7"]) { $1 }))
    #expect(told.host == "meet" && told.port == 7)
    // In a batch script itself nobody else runs it.
    #expect(try Launch(slurm.filter { $0.key != "SLURM_STEP_ID" }) == nil)
    for (list, first) in [
      ("a", "a"), ("a,b", "a"), ("n[1]", "n1"), ("n[001-100]", "n001"), ("n[2,4]x,m", "n2x"), ("m,n[1-2]", "m"), ("", nil),
      ("n[", nil),
    ] as [(String, String?)] {
      #expect(Launch.firstNode(list) == first, "\(list)")
    }
  }

  @Test(
    arguments: [
      ("RANK", "4"), ("RANK", "-1"), ("RANK", "one"), ("RANK", nil), ("WORLD_SIZE", "0"), ("WORLD_SIZE", "99999999999999999999"),
      ("MASTER_ADDR", nil), ("LOCAL_RANK", "4"), ("MASTER_PORT", "0"), ("MASTER_PORT", nil), ("MASTER_PORT", "70000"),
    ] as [(String, String?)]) func whatMakesNoSenseIsNamed(_ name: String, _ value: String?)
  {
    var environment = torchrun
    environment[name] = value
    let error = #expect(throws: CommunicatorError.self) { _ = try Launch(environment) }
    #expect(error.map { "\($0)".contains(name) } ?? false, "\(error.map { "\($0)" } ?? "")")
  }
}
