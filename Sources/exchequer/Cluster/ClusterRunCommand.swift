import ArgumentParser
import Foundation
import Inference
import Node
import Primitives
import Synchronization

/// `exchequer cluster run`: the head of a private cluster.
struct ClusterRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Continue a prompt, or answer it, over a private cluster.",
        discussion: """
            The route names every other machine in the order of its layers. Without --layers the \
            first of them holds the first layer. While an answer is under way, guesses at what \
            comes next are computed too, so that a text that repeats something comes at the speed \
            of one machine; what comes out never depends on them.

            If a machine fails, what was certain until then has been printed, and the exit code \
            is 6.

            EXAMPLES
              exchequer cluster run --model M.gguf --layers '0..<15' --identity head.key \\
                  --route 10.0.0.2:7300=KEY --chat "Tell me a joke." --stats
              exchequer cluster run --model M.gguf --identity head.key \\
                  --route 10.0.0.2:7300=KEY "Once" --temperature 1 --min-p 0.1 --stop "."
              exchequer cluster run --model M.gguf --identity head.key \\
                  --route 10.0.0.2:7300=KEY --route 10.0.0.3:7300=KEY --json < prompt.txt
            """)

    @OptionGroup var cluster: ClusterArguments
    @Argument(help: "The prompt; standard input if left out.") var prompt: String?
    @Option(help: "A machine as HOST:PORT=KEY; repeat it in the order of the layers.")
    var route: [String] = []
    @Option(help: "The first layers, to be run here, as '0..<15'.") var layers: String?
    @Flag(help: "Ask in the model's chat format instead of continuing the text.") var chat = false
    @Option(help: "The most tokens to produce.") var maxTokens = 256
    @OptionGroup var sampling: SamplingArguments
    @Flag(help: "Guess nothing: each token waits for the one before.") var noGuesses = false
    @Option(
        help: "A small model of the same tokenizer that guesses, run here.",
        completion: .file(extensions: ["gguf"]))
    var draftModel: String?
    @Flag(help: "Say what was sent and guessed.") var stats = false
    @Flag(help: "Print one JSON object at the end instead of streaming.") var json = false

    private struct Report: Encodable {
        var text: String
        var promptTokens, tokens: [Int32]
        var finish: String
        var windows, positions, guesses, rightGuesses: Int
        var secondsToFirstToken, tokensPerSecond: Double
    }

    private struct FailureReport: Encodable {
        var fault: UInt16
        var reason: String
        /// What was certain until then.
        var text: String
        var promptTokens, tokens: [Int32]
    }

    func validate() throws {
        if maxTokens < 0 { throw ValidationError("--max-tokens cannot be negative.") }
        if route.isEmpty { throw ValidationError("--route: no machine is named.") }
        if noGuesses, draftModel != nil {
            throw ValidationError("--draft-model and --no-guesses exclude each other.")
        }
    }

    func run() async throws {
        let hops = try route.map(hop)
        let (file, root, identity) = try cluster.open()
        let stage = try layers.map { try cluster.stage($0, of: file) }
        let tokens = try promptTokens(file, try ModelArgument.text(prompt))
        let parameters = try sampling.parameters()
        let options = try options(for: file, parameters)
        let task = Task { () async throws in
            do throws(RingFault) {
                let head = try await ClusterHead.connect(
                    model: file, root: root, stage: stage, route: hops, identity: identity)
                defer { head.close() }
                try await generate(head, file, tokens, parameters, options)
            } catch {
                throw ClusterArguments.end(error)
            }
        }
        let signals = StopSignals { _ in task.cancel() }
        try await task.value
        if let signal = signals.received { throw ExitCode(128 + signal) }
    }

    private func hop(_ text: String) throws -> RingOpen.Hop {
        let parts = text.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, parts[0].utf8.count <= 255 else {
            throw ValidationError("--route \(text): write HOST:PORT=KEY.")
        }
        return RingOpen.Hop(
            key: try ClusterArguments.key(parts[1], option: "--route"), address: String(parts[0]))
    }

    private func promptTokens(_ file: ModelFile, _ input: String) throws -> [Int32] {
        do throws(ModelError) {
            guard chat else { return try file.tokenizer.encode(input, addSpecial: true) }
            return try file.requireChatTemplate().encode(
                [ChatMessage(role: "user", content: input)], with: file.tokenizer)
        } catch {
            throw ModelArgument.end(error)
        }
    }

    private func options(
        for file: ModelFile, _ parameters: SamplingParameters
    ) throws -> ClusterOptions {
        if noGuesses { return .plain }
        var options = ClusterOptions()
        guard let draftModel else { return options }
        let small = try ModelArgument.open(draftModel)
        do throws(ModelError) {
            let generator = try Generator(
                model: small, threads: cluster.threads ?? Stage.defaultThreads)
            options.draft = { capacity throws(EngineError) in
                try DraftModel(
                    generator, for: file.tokenizer, sampling: parameters, capacity: capacity)
            }
        } catch {
            throw ModelArgument.end(error)
        }
        return options
    }

    private func generate(
        _ head: ClusterHead, _ file: ModelFile, _ prompt: [Int32],
        _ parameters: SamplingParameters, _ options: ClusterOptions
    ) async throws(RingFault) {
        let printer = Mutex(
            AnswerPrinter(file.tokenizer, stops: sampling.stop, isSilent: json))
        do {
            let answer = try await head.generate(
                prompt: prompt, parameters: parameters, maxTokens: maxTokens, options: options
            ) { token in
                printer.withLock { $0.take(token) }
            }
            let (text, isStopped) = printer.withLock { printer in
                printer.finish()
                return (printer.text, printer.isStopped)
            }
            finish(answer, isStopped ? .stop : answer.reason, prompt, text)
        } catch {
            let text = printer.withLock { printer in
                printer.finish()
                return printer.text
            }
            if json {
                try? Console.put(
                    json: FailureReport(
                        fault: error.fault.code.rawValue, reason: error.fault.reason, text: text,
                        promptTokens: prompt, tokens: error.settled))
            }
            throw error.fault
        }
    }

    private func finish(
        _ answer: ClusterAnswer, _ reason: FinishReason, _ prompt: [Int32], _ text: String
    ) {
        let decoding = (answer.time - answer.timeToFirstToken) / .seconds(1)
        let speed = decoding > 0 ? Double(max(answer.tokens.count - 1, 0)) / decoding : 0
        let wait = answer.timeToFirstToken / .seconds(1)
        let counts = answer.counts
        if json {
            try? Console.put(
                json: Report(
                    text: text, promptTokens: prompt, tokens: answer.tokens,
                    finish: reason.rawValue, windows: counts.windows,
                    positions: counts.positions, guesses: counts.guessed,
                    rightGuesses: counts.right, secondsToFirstToken: wait,
                    tokensPerSecond: speed))
        }
        Console.say(
            String(
                format: "%d prompt tokens, %d produced (%@), first after %.3f s, %.1f tokens/s",
                prompt.count, answer.tokens.count, reason.rawValue, wait, speed))
        if stats {
            Console.say(
                "\(counts.windows) windows of \(counts.positions) positions, \(counts.right) of "
                    + "\(counts.guessed) guesses right, \(counts.discarded) taken back unjudged")
        }
    }
}
