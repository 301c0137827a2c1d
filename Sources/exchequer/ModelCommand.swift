import ArgumentParser
import Foundation
import Inference
import Primitives

/// `exchequer model`: looks into a model file and runs it on this machine, with nothing else.
struct ModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Inspect a model file, and run it on this machine.",
        discussion: """
            PATH is a GGUF file of a Llama-style model with F32, F16, Q8_0, Q4_0 or Q4_1 weights.
            The arithmetic is the contract numerics-v1: every machine prints the same.

            EXAMPLES
              exchequer model inspect MODEL.gguf --roots
              exchequer model generate MODEL.gguf --chat "What is 12 + 7?"
              exchequer model tokenize MODEL.gguf "The capital of France is"
              exchequer model score MODEL.gguf --prompt-ids 504,3575,282 --continuation-ids 4649
              exchequer model embed MODEL.gguf "The capital of France is"
            """,
        subcommands: [
            ModelInspectCommand.self, ModelTokenizeCommand.self, ModelGenerateCommand.self,
            ModelScoreCommand.self, ModelEmbedCommand.self,
        ])
}

/// The model file every subcommand takes.
struct ModelArgument: ParsableArguments {
    @Argument(help: "The GGUF file.", completion: .file(extensions: ["gguf"])) var path: String

    /// Opens the file; a file that is not sound ends the program with its code.
    func open() throws -> ModelFile { try Self.open(path) }

    /// Opens a file; one that is not sound ends the program with its code.
    static func open(_ path: String) throws -> ModelFile {
        do throws(ModelError) {
            return try ModelFile(path: path)
        } catch {
            throw end(error)
        }
    }

    /// Says what is wrong with a model and gives the exit code for it.
    static func end(_ error: ModelError) -> ExitCode {
        Console.say("exchequer: \(error)")
        return Exit.configuration
    }

    /// Says what is wrong with the input to a model and gives the exit code for it.
    static func end(_ error: EngineError) -> ExitCode {
        Console.say("exchequer: engine error \(error.code): \(error)")
        return Exit.usage
    }

    /// The text argument, or all of standard input if it was left out.
    static func text(_ argument: String?) throws -> String {
        if let argument { return argument }
        let data = FileHandle.standardInput.readDataToEndOfFile()
        guard let text = String(bytes: data, encoding: .utf8) else {
            throw ValidationError("standard input is not UTF-8.")
        }
        return text
    }

    /// Token ids separated by commas.
    static func tokens(_ text: String, option: String) throws -> [Int32] {
        try text.split(separator: ",").map { part in
            guard let token = Int32(part.trimmingCharacters(in: .whitespaces)) else {
                throw ValidationError("\(option): \(part) is not a token id.")
            }
            return token
        }
    }
}

/// `exchequer model inspect`.
struct ModelInspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a model file holds.",
        discussion: """
            EXAMPLES
              exchequer model inspect MODEL.gguf
              exchequer model inspect MODEL.gguf --roots --json
              exchequer model inspect MODEL.gguf --tensors
            """)

    @OptionGroup var model: ModelArgument
    @Flag(help: "Hash all weights and show the roots a model is registered by.") var roots = false
    @Flag(help: "List the tensors: name, type, dimensions, place in the file.") var tensors = false
    @Option(help: "The name that goes into the model's root; the file's own if left out.")
    var name: String?
    @Flag(help: "Print one JSON object.") var json = false

    private struct Tensor: Encodable {
        let name, type: String
        let dimensions: [Int]
        let offset, bytes: Int
    }

    private struct Report: Encodable {
        var name: String
        var family: String
        var layers, hidden, feed, heads, keyValueHeads, vocabulary, context: Int
        var quantisation: String
        var tensors, weightBytes, cacheBytesPerPosition: Int
        var chatTemplate: Bool
        var tokenizer, profile: String
        var modelRoot, headRoot, tailRoot: String?
        var layerRoots: [String]?
        var tensorList: [Tensor]?
    }

    func run() throws {
        let file = try model.open()
        var report = report(file)
        if roots {
            let manifest = file.manifest(name: name)
            report.name = manifest.name
            report.modelRoot = manifest.root.hex
            report.headRoot = manifest.headRoot.hex
            report.tailRoot = manifest.tailRoot.hex
            report.layerRoots = manifest.layerRoots.map(\.hex)
        }
        if tensors {
            report.tensorList = file.file.tensors.map {
                Tensor(
                    name: $0.name, type: $0.type.name, dimensions: $0.dimensions,
                    offset: $0.offset, bytes: $0.byteCount)
            }
        }
        if json { try Console.put(json: report) } else { show(report) }
    }

    private func report(_ file: ModelFile) -> Report {
        let sizes = file.architecture
        return Report(
            name: name ?? file.name, family: sizes.family.rawValue, layers: sizes.layers,
            hidden: sizes.hidden, feed: sizes.feed, heads: sizes.heads,
            keyValueHeads: sizes.keyValueHeads, vocabulary: sizes.vocabulary,
            context: sizes.contextLength, quantisation: file.quantisation,
            tensors: file.file.tensors.count, weightBytes: file.weightBytes,
            cacheBytesPerPosition: sizes.cacheBytes * sizes.layers,
            chatTemplate: file.chatTemplate != nil, tokenizer: file.tokenizer.digest.hex,
            profile: file.profile.hex)
    }

    private func show(_ report: Report) {
        var rows = [
            ("name", report.name), ("family", report.family), ("layers", "\(report.layers)"),
            ("hidden", "\(report.hidden)"), ("feed", "\(report.feed)"),
            ("heads", "\(report.heads) on \(report.keyValueHeads) key-value heads"),
            ("vocabulary", "\(report.vocabulary)"), ("context", "\(report.context)"),
            ("quantisation", report.quantisation), ("tensors", "\(report.tensors)"),
            ("weights", "\(report.weightBytes) bytes"),
            ("cache", "\(report.cacheBytesPerPosition) bytes a position"),
            ("chat template", report.chatTemplate ? "ChatML" : "none that is known"),
            ("tokenizer", report.tokenizer), ("profile", report.profile),
        ]
        if let root = report.modelRoot { rows.append(("model root", root)) }
        if let root = report.headRoot { rows.append(("head root", root)) }
        if let root = report.tailRoot { rows.append(("tail root", root)) }
        for (layer, root) in (report.layerRoots ?? []).enumerated() {
            rows.append(("layer \(layer)", root))
        }
        for (label, value) in rows {
            Console.put(label.padding(toLength: 15, withPad: " ", startingAt: 0) + value)
        }
        guard let tensors = report.tensorList else { return }
        let lines = tensors.map { tensor in
            let size = tensor.dimensions.map { "\($0)" }.joined(separator: " x ")
            return [tensor.name, tensor.type, size, "\(tensor.offset)", "\(tensor.bytes)"]
        }
        Console.put("")
        Console.put(Console.table(["tensor", "type", "dimensions", "offset", "bytes"], lines))
    }
}

/// `exchequer model tokenize`.
struct ModelTokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Turn text into token ids.",
        discussion: """
            Prints the ids separated by commas, as `score` takes them.

            EXAMPLES
              exchequer model tokenize MODEL.gguf "Hello world"
              echo "Hello world" | exchequer model tokenize MODEL.gguf --pieces
              exchequer model tokenize MODEL.gguf --special "<|im_start|>user"
            """)

    @OptionGroup var model: ModelArgument
    @Argument(help: "The text; standard input if left out.") var text: String?
    @Flag(help: "Let names of special tokens in the text become those tokens.")
    var special = false
    @Flag(help: "Show each token with its text.") var pieces = false
    @Flag(help: "Print one JSON object.") var json = false

    private struct Report: Encodable {
        var tokens: [Int32]
        var pieces: [String]
    }

    func run() throws {
        let tokenizer = try model.open().tokenizer
        let tokens: [Int32]
        do {
            tokens = try tokenizer.encode(try ModelArgument.text(text), parseSpecial: special)
        } catch let error as ModelError {
            throw ModelArgument.end(error)
        }
        let texts = tokens.map { tokenizer.decode([$0]) }
        if json {
            try Console.put(json: Report(tokens: tokens, pieces: texts))
        } else if pieces {
            for (token, text) in zip(tokens, texts) {
                Console.put("\(token)\t\(text.debugDescription)")
            }
        } else {
            Console.put(tokens.map(String.init).joined(separator: ","))
        }
    }
}

/// `exchequer model generate`.
struct ModelGenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Continue a prompt, or answer it.",
        discussion: """
            Streams the text to standard output; the speed goes to standard error.

            EXAMPLES
              exchequer model generate MODEL.gguf "The capital of France is" --max-tokens 16
              exchequer model generate MODEL.gguf --chat "Tell me a joke." --temperature 0.8 --seed 7
              exchequer model generate MODEL.gguf "Once" --temperature 1 --min-p 0.1 \\
                  --repetition-penalty 1.1 --stop "."
              exchequer model generate MODEL.gguf "Yes or no? " --logit-bias 5158=5 --json --logprobs 3
              exchequer model generate MODEL.gguf --chat "Invent a person." \\
                  --json-schema person.json
              exchequer model generate MODEL.gguf --chat --json < question.txt
            """)

    @OptionGroup var model: ModelArgument
    @Argument(help: "The prompt; standard input if left out.") var prompt: String?
    @Flag(help: "Ask in the model's chat format instead of continuing the text.") var chat = false
    @Option(help: "The system message of a chat; the model's own if left out.") var system: String?
    @Option(help: "The chat format if the model has none this engine knows: chatml, llama-3, ...")
    var chatTemplate: String?
    @Option(help: "The most tokens to produce.") var maxTokens = 256
    @OptionGroup var sampling: SamplingArguments
    @Option(help: "With --json: each token's log probability and those of as many likely ones.")
    var logprobs: Int?
    @Option(help: "Threads; one per processor if left out.") var threads: Int?
    @Flag(help: "Print one JSON object at the end instead of streaming.") var json = false

    private struct Report: Encodable {
        var text: String
        var promptTokens, tokens: [Int32]
        var finish: String
        var path: String
        var secondsToFirstToken, tokensPerSecond: Double
        var logprobs: [Score]?
    }

    private struct Likelihood: Encodable {
        var token: Int32
        var logprob: Double

        init(_ entry: TokenProbability) {
            token = entry.token
            logprob = entry.logProbability
        }
    }

    private struct Score: Encodable {
        var chosen: Likelihood
        var top: [Likelihood]

        init(_ score: PositionScore) {
            chosen = Likelihood(score.chosen)
            top = score.top.map(Likelihood.init)
        }
    }

    func validate() throws {
        if maxTokens < 0 { throw ValidationError("--max-tokens cannot be negative.") }
        if let logprobs, !json || !(0...PositionScore.maximumTop).contains(logprobs) {
            throw ValidationError("--logprobs is from 0 to 20 and needs --json.")
        }
        if let threads, threads < 1 { throw ValidationError("--threads is at least 1.") }
        if system != nil, !chat { throw ValidationError("--system needs --chat.") }
        if chatTemplate != nil, !chat { throw ValidationError("--chat-template needs --chat.") }
    }

    func run() throws {
        let file = try model.open()
        let input = try ModelArgument.text(prompt)
        do {
            let tokens = try promptTokens(file, input)
            let generator = try Generator(
                model: file, threads: threads ?? Stage.defaultThreads)
            try generate(generator, tokens)
        } catch let error as ModelError {
            throw ModelArgument.end(error)
        } catch let error as EngineError {
            throw ModelArgument.end(error)
        }
    }

    private func promptTokens(_ file: ModelFile, _ input: String) throws -> [Int32] {
        guard chat else { return try file.tokenizer.encode(input, addSpecial: true) }
        var messages = [ChatMessage(role: "user", content: input)]
        if let system { messages.insert(ChatMessage(role: "system", content: system), at: 0) }
        return try file.requireChatTemplate(named: chatTemplate)
            .encode(messages, with: file.tokenizer)
    }

    private func generate(_ generator: Generator, _ prompt: [Int32]) throws {
        let tokenizer = generator.stage.model.tokenizer
        let clock = ContinuousClock()
        let started = clock.now
        var first: ContinuousClock.Instant?
        var printer = AnswerPrinter(tokenizer, stops: sampling.stop, isSilent: json)
        let result = try generator.generate(
            prompt: prompt, parameters: try sampling.parameters(), maxTokens: maxTokens,
            scores: logprobs
        ) { token in
            if first == nil { first = clock.now }
            return printer.take(token)
        }
        printer.finish()
        let reason = printer.isStopped ? FinishReason.stop : result.reason
        let finished = clock.now
        let decode = seconds((first ?? finished).duration(to: finished))
        let speed = decode > 0 ? Double(max(result.tokens.count - 1, 0)) / decode : 0
        let wait = seconds(started.duration(to: first ?? finished))
        if json {
            try Console.put(
                json: Report(
                    text: printer.text, promptTokens: prompt, tokens: result.tokens,
                    finish: reason.rawValue, path: "\(generator.stage.path)",
                    secondsToFirstToken: wait, tokensPerSecond: speed,
                    logprobs: logprobs == nil ? nil : result.scores.map(Score.init)))
        }
        Console.say(
            String(
                format: "%d prompt tokens, %d produced (%@), first after %.3f s, %.1f tokens/s, ",
                prompt.count, result.tokens.count, reason.rawValue, wait, speed)
                + "\(generator.stage.threads) threads, \(generator.stage.path)")
    }

    private func seconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}

/// `exchequer model score`.
struct ModelScoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Show how likely each token of a given continuation is.",
        discussion: """
            Teacher forcing: position by position, the natural logarithm of the probability of the \
            token that stands there, and of the most likely ones. It re-creates what a provider's \
            model thought of an answer.

            EXAMPLES
              exchequer model score MODEL.gguf --prompt-ids 504,3575,282,4649,314 \\
                --continuation-ids 7042,30 --top 5
            """)

    @OptionGroup var model: ModelArgument
    @Option(help: "The prompt's token ids, separated by commas.") var promptIds: String
    @Option(help: "The continuation's token ids, separated by commas.") var continuationIds: String
    @Option(help: "How many of the most likely tokens to show.") var top = 5
    @Option(help: "Threads; one per processor if left out.") var threads: Int?
    @Flag(help: "Print one JSON object.") var json = false

    private struct Entry: Encodable {
        var token: Int32
        var logprob: Double
        var text: String
    }

    private struct Position: Encodable {
        var chosen: Entry
        var top: [Entry]
    }

    private struct Report: Encodable {
        var positions: [Position]
        var totalLogprob: Double
    }

    func validate() throws {
        if !(0...1_000).contains(top) { throw ValidationError("--top is from 0 to 1000.") }
        if let threads, threads < 1 { throw ValidationError("--threads is at least 1.") }
    }

    func run() throws {
        let prompt = try ModelArgument.tokens(promptIds, option: "--prompt-ids")
        let continuation = try ModelArgument.tokens(continuationIds, option: "--continuation-ids")
        let file = try model.open()
        do {
            let generator = try Generator(
                model: file, threads: threads ?? Stage.defaultThreads)
            let scores = try generator.score(
                prompt: prompt, continuation: continuation, top: top)
            try show(scores, file.tokenizer)
        } catch let error as ModelError {
            throw ModelArgument.end(error)
        } catch let error as EngineError {
            throw ModelArgument.end(error)
        }
    }

    private func show(_ scores: [PositionScore], _ tokenizer: Tokenizer) throws {
        func entry(_ item: TokenProbability) -> Entry {
            Entry(
                token: item.token, logprob: item.logProbability,
                text: tokenizer.decode([item.token]))
        }
        if json {
            let positions = scores.map {
                Position(chosen: entry($0.chosen), top: $0.top.map(entry))
            }
            let total = scores.reduce(0) { $0 + $1.chosen.logProbability }
            try Console.put(json: Report(positions: positions, totalLogprob: total))
            return
        }
        for score in scores {
            let items = [score.chosen] + score.top
            Console.put(
                items.map { item in
                    String(format: "%d %.6f ", item.token, item.logProbability)
                        + tokenizer.decode([item.token]).debugDescription
                }.joined(separator: "\t"))
        }
    }
}
