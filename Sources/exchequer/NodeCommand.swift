import ArgumentParser
import Chains
import Foundation
import Node
import Primitives

/// `exchequer node`: serves layers of a model to a house, and audits others' work.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "Serve a model, or some of its layers, to a house and be paid for it.",
        discussion: """
            The node dials out to the house: no port has to be open. It registers itself with \
            the provider's EVM key, posts its offers (and waits until the provider's bond covers \
            them), serves jobs and signs a receipt for each. It reconnects by itself. Ctrl-C takes \
            the offers back and lets running jobs finish.

            Key files are those of `exchequer keys`. The identity file is made if it is not there.

            EXAMPLES
              exchequer node --house http://127.0.0.1:8080 --model M.gguf \\
                  --key-file provider.key --identity node.identity
              exchequer node ... --layers '0..<10' --input-price 0.03 --output-price 0.13
              exchequer node ... --layers all --verifier --json
              exchequer node ... --layers '10..<20' --stand-in
              exchequer node ... --upstream http://127.0.0.1:8081
            """)

    @Option(help: "The house's address.") var house: String
    @Option(help: "The model's GGUF file.", completion: .file(extensions: ["gguf"]))
    var model: String
    @Option(help: "What the house calls the model; found by its weights if left out.")
    var modelName: String?
    @Option(help: "The file with the provider's EVM private key.", completion: .file())
    var keyFile: String
    @OptionGroup var own: NodeIdentity
    @Option(help: "Layers to offer, as '0..<10' or 'all'; may be repeated.") var layers: [String] =
        []
    @Option(help: "Dollars per million prompt tokens.") var inputPrice = "0.10"
    @Option(help: "Dollars per million output tokens.") var outputPrice = "0.40"
    @Option(help: "Jobs served at the same time.") var concurrency: UInt16 = 2
    @Option(help: "The longest prompt plus output; the model's context if left out.")
    var context: UInt32?
    @Flag(help: "Also audit others' jobs of this model, for a share of what they lose.")
    var verifier = false
    @Flag(
        help: """
            Also be a hot spare: compute jobs of other nodes with the same layers along, unpaid \
            and behind paid work, to take a stage over the moment it is lost and be paid for it.
            """)
    var standIn = false
    @Option(help: "Threads that compute; one per processor if left out.") var threads: Int?
    @Option(help: "The provider's name: a-z, 0-9 and -.") var name: String?
    @Option(help: "Where the node is, for buyers.") var region = ""
    @Option(help: "The chain the house settles on; asked of the house if left out.")
    var chainID: UInt64?
    @Option(help: "How long the offers stand, in seconds.") var offerSeconds: UInt64 = 86_400
    @Option(
        help: """
            FAULT INJECTION for tests: compute with these weights instead of the ones offered. \
            Audits will convict the node.
            """)
    var serveWeights: String?
    @Option(
        help: """
            A llama.cpp, vLLM or SGLang server that computes the whole model instead of this \
            process, such as http://127.0.0.1:8081. Its work is offered as statistical.
            """)
    var upstream: String?
    @Option(
        help: ArgumentHelp(
            "What the upstream is, asked of it if left out.",
            valueName: UpstreamKind.allCases.map(\.rawValue).joined(separator: "|")),
        transform: Self.kind)
    var upstreamKind: UpstreamKind?
    @Option(help: "What the upstream calls the model; the first it lists if left out.")
    var upstreamModel: String?
    @Option(help: "The file with the upstream's API key.", completion: .file())
    var upstreamKeyFile: String?
    @Option(help: "Seconds the upstream may take for the next token.") var upstreamPatience = 15
    @Flag(help: "Print one JSON object a line for each event.") var json = false
    @Flag(help: "Claim by itself what the house owes the provider's key; wants --rpc.")
    var autoClaim = false
    @Option(help: "The chain's JSON-RPC endpoint, for --auto-claim.") var rpc: String?
    @Option(help: "Folder of the contracts' interfaces, for --auto-claim.")
    var artifacts = "contracts-abi/evm"
    @OptionGroup(title: "Claiming") var claims: ClaimOptions

    func run() async throws {
        let runtime = NodeRuntime(configuration: try settings(), report: reporter())
        let claiming = try await claimLoop()
        let task = Task {
            let claims = Task { await claiming?.run() }
            defer { claims.cancel() }
            try await runtime.run()
        }
        let signals = StopSignals { _ in task.cancel() }
        do {
            try await task.value
        } catch let error as NodeError {
            Console.say("exchequer: \(error)")
            throw Self.exitCode(error)
        }
        if let signal = signals.received { throw ExitCode(128 + signal) }
    }

    private struct Chain: Decodable {
        let contract: String?
    }

    /// What claims beside the node, if it is to. The transaction under way is beside the node's
    /// identity.
    private func claimLoop() async throws -> ClaimLoop? {
        guard autoClaim else { return nil }
        guard let rpc else { throw ValidationError("--auto-claim wants --rpc.") }
        _ = try claims.policy()
        let chain: Chain = try await HouseCall.json("GET", house, "/v1/chain", String?.none)
        guard let contract = chain.contract.flatMap({ EVMAddress(hex: $0) }) else {
            throw ValidationError("The house settles on no chain: there is nothing to claim.")
        }
        let session = try await ChainSession(
            rpc: rpc, key: try own.keys.account(in: keyFile), artifacts: artifacts)
        return try ClaimLoop(
            session, contract: contract, house: house, file: own.identity + ".claims", claims)
    }

    private func settings() throws -> NodeConfiguration {
        var settings = NodeConfiguration(
            house: house, identityFile: own.identity, keyFile: keyFile, modelPath: model)
        settings.keys = own.keys.access
        settings.modelName = modelName
        settings.isVerifier = verifier
        settings.standsIn = standIn
        settings.threads = threads
        settings.name = name
        settings.region = region
        settings.chain = chainID
        settings.offerSeconds = offerSeconds
        settings.serveWeights = serveWeights
        settings.upstream = try upstreamSettings()
        let wanted = layers.isEmpty && !verifier ? ["all"] : layers
        for text in wanted {
            let range = LayerRange(text: text)
            guard range != nil || text == "all" else {
                throw ValidationError("--layers \(text): write '0..<10' or 'all'.")
            }
            settings.offers.append(
                .init(
                    layers: range, inputPrice: inputPrice, outputPrice: outputPrice,
                    concurrency: concurrency, context: context))
        }
        return settings
    }

    private static func kind(_ text: String) throws -> UpstreamKind {
        guard let kind = UpstreamKind(rawValue: text) else {
            let kinds = UpstreamKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("--upstream-kind is one of \(kinds).")
        }
        return kind
    }

    private func upstreamSettings() throws -> NodeConfiguration.Upstream? {
        guard let upstream else {
            guard upstreamKind == nil, upstreamModel == nil, upstreamKeyFile == nil else {
                throw ValidationError("--upstream-... options need --upstream.")
            }
            return nil
        }
        var settings = NodeConfiguration.Upstream(url: upstream)
        settings.kind = upstreamKind
        settings.model = upstreamModel
        settings.keyFile = upstreamKeyFile
        settings.patience = .seconds(upstreamPatience)
        return settings
    }

    private func reporter() -> @Sendable (NodeEvent) -> Void {
        let json = json
        return { event in
            let mark = event.level == .warning ? "! " : ""
            Console.say("\(mark)\(event.message)")
            if json { Console.put(Self.line(event)) }
        }
    }

    /// The event as one JSON object: its name, the time in milliseconds, then its details.
    private static func line(_ event: NodeEvent) -> String {
        let now = UInt64(Date().timeIntervalSince1970 * 1_000)
        var fields = [
            "\"event\":\(quoted(event.name))", "\"time\":\(now)",
            "\"level\":\(quoted(event.level.rawValue))", "\"message\":\(quoted(event.message))",
        ]
        for (key, value) in event.details {
            switch value {
            case .number(let number): fields.append("\(quoted(key)):\(number)")
            case .text(let text): fields.append("\(quoted(key)):\(quoted(text))")
            }
        }
        return "{" + fields.joined(separator: ",") + "}"
    }

    private static func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        let data = (try? encoder.encode(text)) ?? Data("\"\"".utf8)
        return String(decoding: data, as: UTF8.self)
    }

    private static func exitCode(_ error: NodeError) -> ExitCode {
        switch error.code {
        case .badConfiguration, .badKeyFile, .badModel, .modelMismatch, .upstreamMismatch,
            .upstreamUnusable:
            Exit.configuration
        case .houseUnreachable, .linkLost, .upstreamUnreachable: Exit.network
        case .houseRefused, .badAnswer: .failure
        }
    }
}
