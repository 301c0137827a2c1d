import Cryptography
import Primitives
import Testing
import Verification

/// A model of four layers whose arithmetic is a hash: any change anywhere changes everything after
/// it, as in the real one, and a run takes microseconds.
struct ToyModel: StageReexecutor {
    var secret: UInt8 = 1
    /// What its roots are derived from: a liar registers one and runs another.
    var registered: UInt8 = 1
    var fails = false

    static let width = 3

    var model: Digest { SHA256.hash([registered, 0]) }
    var profile: Digest { SHA256.hash(Array("toy-numerics".utf8)) }
    var layerCount: Int { 4 }
    var rowBytes: Int { 4 * Self.width }

    func weightsRoot(of layers: LayerRange) -> Digest? {
        layers.end <= 4 ? SHA256.hash([registered, UInt8(layers.first), UInt8(layers.end)]) : nil
    }

    struct Failure: Error {}

    func reexecute(_ task: StageTask) throws -> Digest {
        if fails { throw Failure() }
        return run(task).transcript.outputRoot
    }

    struct Run {
        var transcript = Transcript()
        var boundary: [UInt8] = []
        var sampled: [Int32] = []
        var logits: [Digest] = []
    }

    func run(_ task: StageTask) -> Run {
        var run = Run()
        var memory = SHA256.hash([secret])
        for position in 0..<task.positions {
            var row: [Float]
            switch task.input {
            case .tokens(let tokens):
                row = (0..<Self.width).map { Float(tokens[position]) + Float($0) }
                run.transcript.receive(token: tokens[position])
            case .activations(let bytes):
                row = floats(bytes[position * rowBytes..<(position + 1) * rowBytes])
                run.transcript.receive(row: row[...])
            }
            for layer in task.layers.first..<task.layers.end {
                let known = row.flatMap { little($0.bitPattern) }
                memory = SHA256.hash([secret, UInt8(layer)] + memory.bytes + known)
                row = (0..<Self.width).map { Float(memory.bytes[$0]) / 8 }
            }
            finish(position, row, task, &run)
        }
        return run
    }

    private func finish(_ position: Int, _ row: [Float], _ task: StageTask, _ run: inout Run) {
        if !task.isLast {
            run.transcript.send(row: row[...])
            run.boundary += row.flatMap { little($0.bitPattern) }
        } else if position < task.promptTokens - 1 {
            run.transcript.passUnsampled()
        } else {
            let logits = Transcript.hash(row: row[...], logits: row[...])
            let sampling = SHA256.hash(task.sampling)
            let token = Int32(SHA256.hash(logits.bytes + sampling.bytes).bytes[0])
            run.transcript.sample(token: token, logits: logits, sampling: sampling)
            run.sampled.append(token)
            run.logits.append(logits)
        }
    }
}

func little(_ word: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
}

func floats(_ bytes: ArraySlice<UInt8>) -> [Float] {
    let bytes = Array(bytes)
    return stride(from: 0, to: bytes.count, by: 4).map { start in
        var word: UInt32 = 0
        for index in (0..<4).reversed() { word = word << 8 | UInt32(bytes[start + index]) }
        return Float(bitPattern: word)
    }
}

/// A whole job over toy stages, honest but for what a test changes.
struct ToyJob {
    var prompt: [Int32] = [5, 9, 11]
    var outputs = 4
    var splits: [UInt16] = [0, 1, 3, 4]
    /// What each stage really runs.
    var models = [ToyModel(), ToyModel(), ToyModel()]
    /// Changes what a stage signs.
    var alter: (Int, inout Receipt) -> Void = { _, _ in }
    var sampling: [UInt8] = [7, 7, 7]

    static func key(_ number: UInt8) throws -> Ed25519.PrivateKey {
        try #require(Ed25519.PrivateKey(seed: [UInt8](repeating: number, count: 32)))
    }

    func bundle() throws -> EvidenceBundle {
        let honest = ToyModel()
        let stages = models.indices.map {
            EvidenceBundle.Stage(
                layers: LayerRange(splits[$0], splits[$0 + 1]) ?? LayerRange.all,
                weights: Digest.zero, receipt: nil)
        }
        let work = runStages(stages.map(\.layers))
        var bundle = EvidenceBundle(
            job: JobID(42), attempt: 2, model: honest.model, profile: honest.profile,
            request: Transcript.request(prompt: prompt[...], sampling: sampling),
            promptTokens: UInt32(prompt.count), tokens: work.tokens,
            output: work.runs[work.runs.count - 1].sampled,
            logits: work.runs[work.runs.count - 1].logits, sampling: sampling, stages: stages,
            boundaries: work.runs.dropLast().map(\.boundary))
        for index in stages.indices {
            bundle.stages[index].weights = try #require(
                honest.weightsRoot(of: stages[index].layers))
            var receipt = Receipt(
                job: bundle.job, attempt: bundle.attempt, stage: UInt16(index),
                stages: UInt16(stages.count), layers: stages[index].layers, model: bundle.model,
                weights: bundle.stages[index].weights, profile: bundle.profile,
                positions: UInt32(work.tokens.count), promptTokens: UInt32(prompt.count),
                outputTokens: UInt32(outputs),
                inputRoot: work.runs[index].transcript.inputRoot,
                outputRoot: work.runs[index].transcript.outputRoot,
                startedAt: Timestamp(seconds: 1), finishedAt: Timestamp(seconds: 2),
                previous: .zero)
            alter(index, &receipt)
            bundle.stages[index].receipt = receipt.signed(by: try Self.key(UInt8(index + 1)))
        }
        return bundle
    }

    /// Runs all stages again for every new token: slow, and obviously right.
    private func runStages(_ layers: [LayerRange]) -> (tokens: [Int32], runs: [ToyModel.Run]) {
        var tokens = prompt
        while true {
            var input = StageInput.tokens(tokens)
            var runs: [ToyModel.Run] = []
            for (index, model) in models.enumerated() {
                let run = model.run(
                    StageTask(
                        stage: UInt16(index), stages: UInt16(models.count), layers: layers[index],
                        positions: tokens.count, promptTokens: prompt.count, sampling: sampling,
                        input: input))
                input = .activations(run.boundary)
                runs.append(run)
            }
            let sampled = runs[runs.count - 1].sampled
            if sampled.count == outputs { return (tokens, runs) }
            tokens.append(sampled[sampled.count - 1])
        }
    }
}

extension LayerRange {
    /// All layers of the toy.
    static var all: LayerRange {
        guard let range = LayerRange(0, 4) else { preconditionFailure("0 is before 4") }
        return range
    }
}

extension EvidenceBundle {
    /// The bundle with one receipt replaced by a changed one, signed anew by the same node.
    func signing(_ stage: Int, _ change: (inout Receipt) -> Void) throws -> EvidenceBundle {
        var bundle = self
        var receipt = try #require(stages[stage].receipt).body
        change(&receipt)
        bundle.stages[stage].receipt = receipt.signed(by: try ToyJob.key(UInt8(stage + 1)))
        return bundle
    }
}

/// Splitmix64: the same bytes in every run.
struct Dice {
    var state: UInt64

    mutating func roll(_ sides: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return Int((mixed ^ mixed >> 31) % UInt64(sides))
    }
}
