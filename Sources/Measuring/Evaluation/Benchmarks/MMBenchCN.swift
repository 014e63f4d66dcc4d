/// MMBench in Chinese, dev set of October 2023: the layout and scoring of ``MMBench``.
///
/// LLaVA's documents put the file into `mmbench`, its script writes the upload under `mmbench_cn`.
enum MMBenchCN {
  static let definition = MMBench.definition(
    name: "mmbench-cn", title: "MMBench-CN", file: "mmbench_dev_cn_20231003", folders: ["mmbench", "mmbench_cn"],
    suffix: PromptSuffix.optionLetterChinese)
}
