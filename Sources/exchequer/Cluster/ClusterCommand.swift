import ArgumentParser
import Cryptography
import Foundation
import Inference
import Node
import Primitives

/// `exchequer cluster`: a model over machines of one's own, without a house.
struct ClusterGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Run a model over machines of your own, without a house or a market.",
        discussion: """
            Each machine serves some layers to listed peers; whoever asks is the head. The answer \
            is the same, byte for byte, as that of one machine (docs/operating/private-clusters.md).

            EXAMPLES
              exchequer keys new stage.key && exchequer keys new head.key
              exchequer cluster serve --model M.gguf --layers '15..<30' --identity stage.key \\
                  --peer HEAD_KEY --listen 127.0.0.1:7300
              exchequer cluster run --model M.gguf --layers '0..<15' --identity head.key \\
                  --route 127.0.0.1:7300=STAGE_KEY "The capital of France is"
              exchequer cluster plan --model M.gguf --identity head.key \\
                  --route 10.0.0.2:7300=KEY --route 10.0.0.3:7300=KEY
            """,
        subcommands: [ClusterServeCommand.self, ClusterRunCommand.self, ClusterPlanCommand.self])
}

/// What both ends need.
struct ClusterArguments: ParsableArguments {
    @Option(help: "The model's GGUF file.", completion: .file(extensions: ["gguf"]))
    var model: String
    @Option(help: "The file with this machine's own key; made if it is not there.")
    var identity: String
    @OptionGroup var keys: KeyOptions
    @Option(help: "Threads that compute; one per processor if left out.") var threads: Int?

    func validate() throws {
        if let threads, !(1...256).contains(threads) {
            throw ValidationError("--threads is from 1 to 256.")
        }
    }

    /// The file, its root and this machine's key.
    func open() throws -> (file: ModelFile, root: Digest, identity: Ed25519.PrivateKey) {
        let file = try ModelArgument.open(model)
        do throws(NodeError) {
            let key = try KeyFiles.identity(at: identity, keys.access)
            Console.progress("hashing the weights")
            defer { Console.progress("") }
            return (file, file.manifest().root, key)
        } catch {
            Console.say("exchequer: \(error)")
            throw Exit.configuration
        }
    }

    /// Prepares layers, written as '0..<10'.
    func stage(_ text: String, of file: ModelFile) throws -> Stage {
        guard let range = LayerRange(text: text) else {
            throw ValidationError("--layers \(text): write '0..<10'.")
        }
        do throws(ModelError) {
            return try Stage(
                model: file, layers: range, threads: threads ?? Stage.defaultThreads)
        } catch {
            throw ModelArgument.end(error)
        }
    }

    /// Says what went wrong and gives the exit code for it.
    static func end(_ fault: RingFault) -> ExitCode {
        Console.say("exchequer: \(fault)")
        switch fault.code {
        case .linkLost, .timedOut, .busy, .stopping: return Exit.network
        case .badRequest, .tokenOutOfRange, .contextTooLong, .tooManyPositions: return Exit.usage
        case .wrongModel, .wrongLayers, .badHop: return Exit.configuration
        default: return .failure
        }
    }

    /// A machine of a route, written as HOST:PORT=KEY.
    static func hop(_ text: String) throws -> RingOpen.Hop {
        let parts = text.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, parts[0].utf8.count <= 255 else {
            throw ValidationError("--route \(text): write HOST:PORT=KEY.")
        }
        return RingOpen.Hop(key: try key(parts[1], option: "--route"), address: String(parts[0]))
    }

    /// A key of 64 hexadecimal digits.
    static func key(_ text: some StringProtocol, option: String) throws -> PublicKey {
        guard let digest = Digest(hex: String(text)) else {
            throw ValidationError(
                "\(option): a key has 64 hexadecimal digits; `exchequer keys show FILE` shows it.")
        }
        return PublicKey(digest)
    }
}

/// `exchequer cluster serve`: one stage.
struct ClusterServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve some layers of a model to listed peers.",
        discussion: """
            Listed are the heads that may ask, and the machines with the layers before and after \
            these. Everybody else is turned away. When it is ready it prints one JSON line with \
            its port and key. Ctrl-C ends it, and what it is working on.

            EXAMPLES
              exchequer cluster serve --model M.gguf --layers '15..<30' --identity stage.key \\
                  --peer HEAD_KEY
              exchequer cluster serve --model M.gguf --layers '10..<20' --identity stage.key \\
                  --peer HEAD_KEY --peer LAST_STAGE_KEY --listen 10.0.0.2:7300 --json
              exchequer cluster serve --model M.gguf --layers any --identity stage.key \\
                  --peer HEAD_KEY --listen 10.0.0.2:7300
            """)

    @OptionGroup var cluster: ClusterArguments
    @Option(help: "The layers to serve, as '15..<30', or 'any': those that the head asks for.")
    var layers: String
    @Option(help: "The public key of a machine that may link up; repeat it for each.")
    var peer: [String] = []
    @Option(help: "Where to listen, as HOST:PORT; port 0 for any free one.")
    var listen = "127.0.0.1:0"
    @Option(help: "Requests at a time.") var requests = 64
    @Flag(help: "Print one JSON object a line for each event.") var json = false

    private struct Ready: Encodable {
        let event = "ready"
        let key, layers, model: String
        let port: Int
    }

    private struct Line: Encodable {
        let event: String
        var peer, job, reason: String?
        var positions: Int?
        var fault: UInt16?
    }

    func validate() throws {
        if peer.isEmpty { throw ValidationError("--peer: nobody could link up.") }
        if requests < 1 { throw ValidationError("--requests is at least 1.") }
    }

    func run() async throws {
        guard let colon = listen.lastIndex(of: ":"),
            let port = UInt16(listen[listen.index(after: colon)...])
        else { throw ValidationError("--listen \(listen): write HOST:PORT.") }
        let peers = Set(try peer.map { try ClusterArguments.key($0, option: "--peer") })
        let (file, root, identity) = try cluster.open()
        var limits = RingLimits()
        limits.requests = requests
        let host = String(listen[..<colon])
        let (stops, stopping) = AsyncStream.makeStream(of: Void.self)
        let signals = StopSignals { _ in stopping.yield() }
        let stage = layers == "any" ? nil : try cluster.stage(layers, of: file)
        let served: ClusterStage
        do throws(RingFault) {
            if let stage {
                served = try await ClusterStage.start(
                    stage: stage, model: root, identity: identity, peers: peers, host: host,
                    port: Int(port), limits: limits, report: reporter())
            } else {
                served = try await ClusterStage.start(
                    model: file, root: root, threads: cluster.threads ?? Stage.defaultThreads,
                    identity: identity, peers: peers, host: host, port: Int(port),
                    limits: limits, report: reporter())
            }
        } catch {
            throw ClusterArguments.end(error)
        }
        try Console.put(
            json: Ready(
                key: identity.publicKey.hex, layers: stage?.layers.description ?? layers,
                model: root.hex,
                port: served.port))
        for await _ in stops { break }
        served.stop()
        if let signal = signals.received { throw ExitCode(128 + signal) }
    }

    private func reporter() -> @Sendable (ClusterStage.Event) -> Void {
        let json = json
        return { event in
            let line: Line
            switch event {
            case .linked(let key): line = Line(event: "linked", peer: key.hex)
            case .unlinked(let key, let reason):
                line = Line(event: "unlinked", peer: key.hex, reason: reason)
            case .refused(let reason): line = Line(event: "refused", reason: reason)
            case .opened(let job, let positions):
                line = Line(event: "opened", job: "\(job)", positions: positions)
            case .closed(let job, let fault):
                line = Line(
                    event: "closed", job: "\(job)", reason: fault?.reason,
                    fault: fault?.code.rawValue)
            }
            let words = [line.peer, line.job, line.fault.map { "ring_\($0)" }, line.reason]
            Console.say(([line.event] + words.compactMap(\.self)).joined(separator: " "))
            if json { try? Console.put(json: line) }
        }
    }
}
