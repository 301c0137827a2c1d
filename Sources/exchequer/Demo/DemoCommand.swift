import ArgumentParser
import Foundation

/// `exchequer demo`: the whole house on this machine, on real input, from an empty chain to claims
/// that an independent script has checked. It only runs commands that a user could run.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Run the whole house on this machine, on real input.",
        discussion: """
            Starts a local chain, a house, six provider nodes (one of which lies and one of which \
            leaves) and a paying agent; audits, slashes, settles, claims and proves the journal. \
            Run it with `make demo`, which installs and builds what is missing. Everything it \
            writes is in --folder; Ctrl-C leaves nothing running.

            EXAMPLES
              make demo
              exchequer demo --folder /tmp/exchequer-demo
            """)

    @Option(help: "Where keys, logs and the house's data go; emptied first.")
    var folder = ".demo"

    @Option(help: "The model file.")
    var model = ".models/SmolLM2-135M-Instruct.Q4_1.gguf"

    @Option(help: "The Python with the test chain and the clients.")
    var python = ".venv/bin/python"

    @Option(help: "The folder of the Python programs.")
    var harness = "Tests/Harness"

    func run() async throws {
        for (path, make) in [(model, "make model"), (python, "make venv"), (harness, "git")]
        where !FileManager.default.fileExists(atPath: path) {
            Console.say("\(path) is missing: run `\(make)` from the project's folder")
            throw Exit.configuration
        }
        let place = URL(fileURLWithPath: folder, isDirectory: true)
        try? FileManager.default.removeItem(at: place)
        let logs = place.appendingPathComponent("logs")
        try FileManager.default.createDirectory(at: logs, withIntermediateDirectories: true)
        let supervisor = Supervisor(logs: logs)
        let signals = StopSignals([SIGINT, SIGTERM, SIGHUP]) { number in
            Console.say("\nstopping everything")
            supervisor.stopAll()
            Foundation.exit(128 + number)
        }
        let script = DemoScript(
            supervisor: supervisor, folder: place.path, model: model, python: python,
            harness: harness)
        do {
            try await script.play()
        } catch {
            // The handler ends this process. What fails because its processes went away is no news.
            while signals.received != nil { try? await Task.sleep(for: .seconds(1)) }
            supervisor.stopAll()
            Console.say("\nthe demo failed: \(error)")
            Console.say("logs are in \(logs.path)")
            throw Exit.checkFailed
        }
        supervisor.stopAll()
    }
}
