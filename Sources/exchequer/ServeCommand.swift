import ArgumentParser
import Cryptography
import Foundation
import Gateway
import Logging
import Primitives
import Service
import ServiceLifecycle
import Transport

/// `exchequer serve`: the house.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run a house: gateway, ledger, journal, audits and settlement.",
        discussion: """
            Everything the house keeps is in --data: the journal, unless --journal says otherwise, \
            the evidence, its key and the operator's token. Started again on the same folder it \
            goes on where it stopped. When it is ready it writes serve.json there. Ctrl-C ends it \
            without losing anything.

            Without --rpc-url nothing can be deposited or bonded: only to look around, or with a \
            minimum_bond and prices of zero. A journal begun without a chain never gets one.

            EXAMPLES
              exchequer serve --data house --model M.gguf
              exchequer serve --data house --model small=M.gguf --rpc-url http://127.0.0.1:8545 \\
                  --contract 0x.. --operator-key op.key --parameters rules.json
              exchequer serve --data house --model M.gguf \\
                  --journal 'postgres:host=db dbname=exchequer'
            """)

    @Option(help: "The folder of this house; made if it is not there.") var data: String
    @Option(
        help: """
            The journal: sqlite:PATH, file:FOLDER, postgres:CONNINFO#SCHEMA or a path; \
            journal.sqlite in the folder if left out.
            """)
    var journal: String?
    @Option(
        help: "A model's GGUF file, or NAME=FILE; may be repeated.",
        completion: .file(extensions: ["gguf"]))
    var model: [String] = []
    @Option(help: "Where to listen.") var host = "127.0.0.1"
    @Option(help: "The port of the HTTP API; 0 for any free one.") var httpPort = 8_080
    @Option(help: "The port of nodes' links; 0 for any free one.") var wirePort = 8_081
    @Option(help: "Under which name nodes reach the wire port; --host if left out.")
    var publicHost: String?
    @OptionGroup(title: "Settlement") var chain: SettlementOptions
    @OptionGroup(title: "Payouts") var payouts: PayoutArguments
    @OptionGroup(title: "Payment channels") var channels: ChannelArguments
    @OptionGroup var keys: KeyOptions
    @Option(help: "The rules (docs/reference/parameters.md); kept in the journal.")
    var parameters: String?
    @Option(help: "Seconds between two draws of audits.") var auditInterval = 10.0
    @Option(help: "Seconds between two times that every node shows its weights.")
    var weightInterval = 600.0
    @Option(help: "Seconds a node has for the next result before it is replaced.")
    var stepPatience = 20.0
    @Option(help: "Days that evidence of final jobs is kept.") var evidenceDays = 30
    @Flag(help: "Close epochs and cut batches only when the operator asks.")
    var manualEpochs = false
    @Option(help: "What to log: trace, debug, info, notice, warning, error or critical.")
    var logLevel = "info"

    /// What `serve.json` says.
    private struct Ready: Encodable {
        let http, wire, house_key, operator_token_file: String
        let pid: Int32
    }

    func run() async throws {
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw ValidationError("--log-level \(logLevel): write info, warning, ...")
        }
        var log = Logger(label: "exchequer") { StreamLogHandler.standardError(label: $0) }
        log.logLevel = level
        let settings = try settings()
        let readyFile = URL(fileURLWithPath: data + "/serve.json")
        let started = ContinuousClock.now
        let house: House
        do throws(HouseError) {
            house = try await House.open(settings, log: log)
        } catch {
            Console.say("exchequer: \(error)")
            throw Self.exitCode(error)
        }
        // Only now is it certain that no other house runs on this folder.
        try? FileManager.default.removeItem(at: readyFile)
        Console.say("the books were ready after \(started.duration(to: .now))")
        try await serve(house, readyFile, log)
    }

    private func serve(_ house: House, _ readyFile: URL, _ log: Logger) async throws {
        let ready = { @Sendable (port: Int) in
            let http = "http://\(host):\(port)"
            let wire = "\(house.wire.host):\(house.wire.port)"
            let summary = Ready(
                http: http, wire: wire, house_key: house.key.hex,
                operator_token_file: House.operatorTokenFile(in: data),
                pid: ProcessInfo.processInfo.processIdentifier)
            try? JSONEncoder().encode(summary).write(to: readyFile, options: .atomic)
            Console.say("house \(house.key.value): \(http)/v1, nodes' links on \(wire)")
        }
        let app = Gateway(house: house, log: log)
            .application(host: host, port: httpPort) { ready($0) }
        var configuration = ServiceGroupConfiguration(services: [app, house], logger: log)
        configuration.maximumGracefulShutdownDuration = .seconds(20)
        configuration.maximumCancellationDuration = .seconds(5)
        let group = ServiceGroup(configuration: configuration)
        let signals = StopSignals { _ in Task { await group.triggerGracefulShutdown() } }
        do {
            try await group.run()
        } catch {
            await house.close()
            Console.say("exchequer: the server stopped: \(error)")
            throw Exit.network
        }
        try? FileManager.default.removeItem(at: readyFile)
        if let signal = signals.received { throw ExitCode(128 + signal) }
    }

    private func settings() throws -> HouseConfiguration {
        let models = try model.map { text -> HouseConfiguration.ModelSource in
            let parts = text.split(separator: "=", maxSplits: 1)
            if FileManager.default.fileExists(atPath: text) { return .init(path: text) }
            guard parts.count == 2 else {
                Console.say("\(text) does not exist: --model wants a GGUF file")
                throw Exit.configuration
            }
            return .init(path: String(parts[1]), name: String(parts[0]))
        }
        var settings = HouseConfiguration(folder: data, models: models)
        settings.journal = try journal.map { try JournalOptions.place($0) }
        settings.keys = keys.access
        settings.settlement = try chain.settings(
            keys, sharesSigner: payouts.solanaSignerKey != nil)
        if let plan = try payouts.plan() {
            guard settings.settlement != nil else {
                throw ValidationError("--payouts plan goes with --rpc-url.")
            }
            settings.settlement?.payouts = plan
        }
        if let channels = try channels.settings() {
            guard settings.settlement?.payouts != nil else {
                throw ValidationError("--channels goes with --payouts plan.")
            }
            settings.settlement?.channels = channels
        }
        settings.solana = try payouts.solana(chain.signing, keys)
        settings.solana?.allowsAnyRoles = chain.anyRoles
        settings.parameters = try parameters.map { try ParametersFile.read($0) }
        settings.wireHost = host
        settings.wirePort = wirePort
        settings.publicHost = publicHost
        guard (0.1...86_400).contains(auditInterval), (0.1...86_400).contains(stepPatience) else {
            throw ValidationError("--audit-interval and --step-patience are 0.1 to 86,400 seconds.")
        }
        guard (60...86_400).contains(weightInterval) else {
            throw ValidationError("--weight-interval is 60 to 86,400 seconds.")
        }
        guard (0...36_500).contains(evidenceDays) else {
            throw ValidationError("--evidence-days is from 0 to 36,500.")
        }
        settings.evidenceSeconds = Int64(evidenceDays) * 86_400
        settings.auditInterval = .milliseconds(Int64(auditInterval * 1_000))
        settings.weightInterval = .milliseconds(Int64(weightInterval * 1_000))
        settings.patience.step = UInt64(stepPatience * 1_000)
        settings.settlesByItself = !manualEpochs
        return settings
    }

    private static func exitCode(_ error: HouseError) -> ExitCode {
        switch error.kind {
        case .configuration: Exit.configuration
        case .storage: Exit.checkFailed
        case .network: Exit.network
        }
    }
}
