import Foundation
public import Inference
public import Planning
import Primitives

/// Finds out how fast this machine runs a model's layers, and how much memory it has left.
public enum StageGauge {
    /// Layers that are timed together, if the model has as many.
    private static let layers = 8
    /// Positions of the prompt that is timed, and single positions after it.
    private static let prompt = 64
    private static let tokens = 15

    /// Prepares some of the last layers, runs them for well under a second, and forgets them.
    /// Blocks. Throws what a stage throws.
    public static func machine(
        _ model: ModelFile, threads: Int
    ) throws(RingFault) -> SplitMachine {
        let count = UInt16(clamping: model.architecture.layers)
        let end = max(count - 1, 1)
        let inner = try time(model, end - min(UInt16(layers), end), end, threads)
        let layer = inner.token / UInt64(inner.layers)
        // A model of one layer has been timed with its output.
        let output = count > 1 ? try time(model, end, count, threads) : inner
        return SplitMachine(
            layerTime: UInt32(clamping: layer),
            promptTime: UInt32(clamping: inner.prompt / UInt64(inner.layers)),
            outputTime: UInt32(clamping: output.token - min(layer, output.token)),
            freeBytes: freeMemory())
    }

    private typealias Times = (layers: Int, token: UInt64, prompt: UInt64)

    /// Nanoseconds of one position by itself, and of each of a prompt.
    private static func time(
        _ model: ModelFile, _ first: UInt16, _ end: UInt16, _ threads: Int
    ) throws(RingFault) -> Times {
        guard let range = LayerRange(first, end) else {
            throw RingFault(.wrongLayers, "the model has no layers")
        }
        let stage: Stage
        do throws(ModelError) {
            stage = try Stage(model: model, layers: range, threads: threads)
        } catch {
            throw RingFault(.engineFailed, "\(range) cannot be prepared: \(error)")
        }
        do throws(EngineError) {
            let room = min(prompt + tokens + 1, model.architecture.contextLength)
            let session = try stage.makeSession(capacity: room)
            let prompts = min(prompt, max(room - 1, 1))
            let whole = try nanoseconds { () throws(EngineError) in
                _ = try run(session, prompts)
            }
            var singles: [UInt64] = []
            while session.position < room {
                singles.append(
                    try nanoseconds { () throws(EngineError) in
                        let rows = try run(session, 1)
                        if stage.isLast { _ = try stage.lastLogits(of: rows) }
                    })
            }
            singles.sort()
            let each = whole / UInt64(prompts)
            return (range.count, singles.isEmpty ? each : singles[singles.count / 2], each)
        } catch {
            throw RingFault(error)
        }
    }

    private static func run(
        _ session: StageSession, _ count: Int
    ) throws(EngineError) -> [Float] {
        if session.stage.isFirst {
            return try session.run(tokens: Array(repeating: 0, count: count))
        }
        let width = session.stage.model.architecture.hidden
        // Any finite rows take as long as any others.
        let rows = (0..<count * width).map { Float($0 % 17) * 0.125 - 1 }
        return try session.run(activations: rows, count: count)
    }

    private static func nanoseconds(
        _ body: () throws(EngineError) -> Void
    ) throws(EngineError) -> UInt64 {
        let start = ContinuousClock.now
        try body()
        return UInt64(max(start.duration(to: .now) / .nanoseconds(1), 1))
    }

    /// Bytes that programs can still take, as the system estimates them; 0 if it does not say.
    public static func freeMemory() -> UInt64 {
        let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
        for line in text.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
            let words = line.split(separator: " ")
            return words.count > 1 ? (UInt64(words[1]) ?? 0) * 1_024 : 0
        }
        return 0
    }
}

extension SplitRequest {
    /// What splitting this model needs.
    public init(_ model: ModelFile, promptTokens: UInt32, maxTokens: UInt32) {
        let layers = UInt16(clamping: model.architecture.layers)
        var bytes = Array(repeating: UInt64(0), count: Int(layers))
        var output: UInt64 = 0
        for tensor in model.file.tensors {
            let parts = tensor.name.split(separator: ".")
            if parts.first == "blk", let layer = parts.dropFirst().first.flatMap({ Int($0) }),
                bytes.indices.contains(layer)
            {
                bytes[layer] += UInt64(tensor.byteCount)
            } else if tensor.name == (model.tiesOutput ? "token_embd.weight" : "output.weight") {
                output = UInt64(tensor.byteCount)
            }
        }
        self.init(
            layers: layers, layerBytes: bytes.max() ?? 0, outputBytes: output,
            positionBytes: UInt64(model.architecture.cacheBytes), promptTokens: promptTokens,
            maxTokens: maxTokens)
    }
}
