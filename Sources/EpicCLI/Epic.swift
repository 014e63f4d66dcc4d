import ArgumentParser

@main
struct Epic: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "epic", abstract: "Train, compress and run multimodal language models.")
}
