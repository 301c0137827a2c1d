import Cryptography
import Inference
import Node
import Primitives
import Testing

/// Frames of several jobs wait together and run in common passes: each job gives the frames and
/// roots that it gives alone.
@Suite(.serialized) struct JobBatchTests {
    private static let now = Timestamp(seconds: 100)
    private static let width = 576

    /// One job on one of the node's stages: what the house sends, in order.
    private struct Job {
        let assignment: Assignment
        let frames: [WireFrame]
        var key: String { "\(assignment.job) \(assignment.stage)" }
    }

    /// Numbers from a seed.
    private struct Dice {
        var state: UInt64

        mutating func roll(_ sides: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % sides
        }
    }

    private func table() throws -> JobTable {
        let manifest = try NodeFixture.manifest.get()
        return JobTable(
            identity: try NodeFixture.key(3),
            served: try [NodeFixture.first, NodeFixture.middle, NodeFixture.last].map {
                ServedStage(
                    stage: try $0.get(), manifest: manifest, concurrency: 16, context: 512)
            })
    }

    /// A job with a prompt in chunks, then single positions, windows, and its end.
    private func job(
        _ number: UInt64, on stage: UInt16, _ dice: inout Dice
    ) throws -> Job {
        let layers = try [
            NodeFixture.range(0, 1), NodeFixture.range(10, 11), NodeFixture.range(29, 30),
        ][Int(stage)]
        let manifest = try NodeFixture.manifest.get()
        let prompt = 1 + dice.roll(150)
        let outputs = 1 + dice.roll(12)
        let assignment = Assignment(
            job: JobID(number), attempt: 1, stage: stage, stages: 3, layers: layers,
            model: manifest.root, weights: manifest.weightsRoot(of: layers),
            profile: manifest.profile, promptTokens: UInt32(prompt), maxTokens: UInt32(outputs),
            sampling: SamplingParameters(temperature: 0.8, seed: number))
        var frames: [WireFrame] = []
        var position = 0
        while position < assignment.capacity {
            let left = position < prompt ? prompt - position : assignment.capacity - position
            let count = min(
                left, position < prompt ? [256, 70, 16][dice.roll(3)] : [1, 1, 4][dice.roll(3)])
            let tokens = (position..<position + count).map { Int32(($0 * 7 + Int(number)) % 900) }
            if stage == 0 {
                frames.append(
                    try .tokens(
                        tokens, stage: 0, job: JobID(number), attempt: 1,
                        position: UInt32(position)))
            } else {
                var rows: [Float] = []
                for place in 0..<count * Self.width {
                    let number = Int(tokens[place / Self.width]) * 31 + place % Self.width * 17
                    rows.append(Float(number % 199) / 100 - 1)
                }
                frames.append(
                    try .activations(
                        rows, rows: UInt32(count), stage: stage, job: JobID(number), attempt: 1,
                        position: UInt32(position)))
            }
            position += count
        }
        frames.append(
            try WireFrame(
                kind: .end, stage: stage, job: JobID(number), attempt: 1,
                position: UInt32(position)))
        return Job(assignment: assignment, frames: frames)
    }

    /// What is said of each job, in order; receipts without what other jobs change.
    private func said(_ effects: [JobTable.Effect]) -> [UInt64: [String]] {
        var said: [UInt64: [String]] = [:]
        for effect in effects {
            switch effect {
            case .send(let frame):
                let hash = SHA256.hash(frame.encoded())
                said[frame.job.rawValue, default: []].append(
                    "\(frame.kind) \(frame.position) \(frame.count) \(hash)")
            case .submit(let signed, let logits):
                let receipt = signed.body
                said[receipt.job.rawValue, default: []].append(
                    "\(receipt.positions) \(receipt.inputRoot) \(receipt.outputRoot) \(logits)")
            case .started(let assignment):
                said[assignment.job.rawValue, default: []].append("started")
            case .dropped(let job, _, let fault):
                said[job.rawValue, default: []].append("dropped \(fault?.code.rawValue ?? 0)")
            case .ask, .hangUp: continue
            }
        }
        return said
    }

    private func alone(_ job: Job) throws -> [String] {
        var table = try table()
        var effects = table.assign(job.assignment, at: Self.now)
        for frame in job.frames { effects += table.settle(frame, at: Self.now) }
        return said(effects)[job.assignment.job.rawValue] ?? []
    }

    @Test(
        "Jobs beside others say what they say alone", arguments: [(2, 1), (3, 2), (8, 3), (8, 4)])
    func beside(count: Int, seed: Int) throws {
        var dice = Dice(state: UInt64(seed))
        let jobs = try (1...count).map { number in
            try job(UInt64(number), on: count == 2 ? 1 : UInt16(dice.roll(3)), &dice)
        }
        let expected = try jobs.map(alone)
        // Some jobs are cancelled or send something that cannot be, at a place of their own.
        let ends = jobs.map { job in
            dice.roll(4) == 0 ? dice.roll(job.frames.count) : Int.max
        }
        var table = try table()
        var effects = jobs.flatMap { table.assign($0.assignment, at: Self.now) }
        var sent = jobs.map { _ in 0 }
        var most = 0
        while sent.indices.contains(where: { sent[$0] < jobs[$0].frames.count }) || table.hasWork {
            for (index, job) in jobs.enumerated() where sent[index] < job.frames.count {
                for _ in 0..<min(dice.roll(4), job.frames.count - sent[index]) {
                    if sent[index] == ends[index] {
                        sent[index] = job.frames.count
                        effects +=
                            index % 2 == 0
                            ? table.cancel(job: job.assignment.job, attempt: 1)
                            : table.receive(
                                try WireFrame(
                                    kind: .ready, stage: job.assignment.stage,
                                    job: job.assignment.job, attempt: 1), at: Self.now)
                        break
                    }
                    effects += table.receive(job.frames[sent[index]], at: Self.now)
                    sent[index] += 1
                }
            }
            let pass = table.runPass(at: Self.now)
            most = max(most, said(pass).count)
            effects += pass
        }
        #expect(table.count == 0)
        #expect(most > 1)
        let found = said(effects)
        for (index, job) in jobs.enumerated() {
            var lines = found[job.assignment.job.rawValue] ?? []
            if ends[index] == Int.max {
                #expect(lines == expected[index], "job \(job.key), seed \(seed)")
                continue
            }
            // Until it was cut off a job said what it says alone.
            let isCancelled = index % 2 == 0
            #expect(lines.popLast() == (isCancelled ? "dropped 0" : "dropped 103"))
            if !isCancelled { lines.removeLast() }
            #expect(lines[...] == expected[index].prefix(lines.count))
            if !isCancelled { #expect(lines.count > 1 || ends[index] == 0) }
        }
    }

    @Test func aLongPromptDoesNotHoldUpTheOthers() throws {
        var table = try table()
        var dice = Dice(state: 7)
        var jobs: [Job] = []
        while jobs.count < 3 {
            let job = try job(UInt64(jobs.count + 1), on: 1, &dice)
            let isLong = job.assignment.promptTokens > 20 && job.assignment.maxTokens > 1
            if isLong { jobs.append(job) }
        }
        _ = jobs.map { table.assign($0.assignment, at: Self.now) }
        // The first job's prompt waits whole; the others have run theirs and send one position.
        for job in jobs.dropFirst() {
            for frame in job.frames where frame.kind != .end {
                guard frame.position < job.assignment.promptTokens else { break }
                _ = table.settle(frame, at: Self.now)
            }
        }
        for job in jobs {
            let frame = try #require(
                job.frames.first {
                    job.assignment.job == JobID(1)
                        || $0.position >= job.assignment.promptTokens && $0.kind != .end
                })
            #expect(table.receive(frame, at: Self.now).isEmpty)
        }
        let answered = said(table.runPass(at: Self.now))
        #expect(answered[2]?.count == 1 && answered[3]?.count == 1)
    }

    @Test func whatTheEngineRefusesEndsOneJobOnly() throws {
        var dice = Dice(state: 3)
        let jobs = try (1...3).map { try job(UInt64($0), on: 1, &dice) }
        let expected = try jobs.map(alone)
        var table = try table()
        var effects = jobs.flatMap { table.assign($0.assignment, at: Self.now) }
        for (index, job) in jobs.enumerated() {
            let frame = job.frames[0]
            guard index == 1 else {
                effects += table.receive(frame, at: Self.now)
                continue
            }
            let rows = [Float](repeating: .nan, count: Int(frame.count) * Self.width)
            effects += table.receive(
                try .activations(
                    rows, rows: frame.count, stage: 1, job: frame.job, attempt: 1, position: 0),
                at: Self.now)
        }
        effects += table.runPasses(at: Self.now)
        let found = said(effects)
        for number in [1, 3] {
            #expect(found[UInt64(number)]?[...] == expected[number - 1].prefix(3))
        }
        #expect(found[2]?.last == "dropped 106")
        #expect(table.count == 2)
    }
}
