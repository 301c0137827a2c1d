import Cryptography
import Foundation
import Inference
import Primitives
import Testing
import Verification

/// One stage of the synthetic model, disputed.
struct Dispute {
    static let prompt: [Int32] = [5, 9, 41, 7, 100, 3]
    static let sampling = SamplingParameters(temperature: 0.7, seed: 3).canonicalBytes()

    let model: ModelFile
    let manifest: ModelManifest
    var positions: Int
    var stages: [LayerRange]
    var sampling = Dispute.sampling

    init(_ type: TensorType = .q4_1, positions: Int = 9, splits: [UInt16] = [0, 1, 3]) throws {
        model = try SyntheticModel(type).model()
        manifest = model.manifest()
        self.positions = positions
        stages = try zip(splits, splits.dropFirst()).map { try #require(LayerRange($0, $1)) }
    }

    static func key(_ number: UInt8) throws -> Ed25519.PrivateKey {
        try #require(Ed25519.PrivateKey(seed: [UInt8](repeating: number, count: 32)))
    }

    /// The tasks of all stages; each takes what the one before truly gives.
    func tasks() throws -> [StageTask] {
        var input = StageInput.tokens((0..<positions).map { Int32(($0 * 37 + 11) % 269) })
        return try stages.enumerated().map { index, layers in
            let task = StageTask(
                stage: UInt16(index), stages: UInt16(stages.count), layers: layers,
                positions: positions, promptTokens: Self.prompt.count, prompt: Self.prompt,
                sampling: sampling,
                input: input)
            if index + 1 < stages.count {
                let trace = try StageTrace(model: model, task: task, threads: 1)
                var writer = ByteWriter()
                for number in trace.rows(ofState: trace.states - 1) {
                    writer.write(number.bitPattern)
                }
                input = .activations(writer.bytes)
            }
            return task
        }
    }

    func subject(_ trace: StageTrace) throws -> BisectionSubject {
        let task = trace.task
        let receipt = Receipt(
            job: JobID(7), attempt: 1, stage: task.stage, stages: task.stages, layers: task.layers,
            model: manifest.root, weights: manifest.weightsRoot(of: task.layers),
            profile: manifest.profile, positions: UInt32(task.positions),
            promptTokens: UInt32(task.promptTokens), outputTokens: 4,
            inputRoot: trace.root(ofState: 0), outputRoot: trace.root(ofState: trace.states - 1),
            startedAt: Timestamp(seconds: 1), finishedAt: Timestamp(seconds: 2), previous: .zero)
        return try BisectionSubject(
            receipt: try #require(receipt.signed(by: try Self.key(1)).verified()),
            sampling: sampling, model: manifest.disputeModel,
            challenger: try Self.key(2).publicKey)
    }

    /// Plays to the end.
    func play(accused: StageTrace, challenger: StageTrace) throws -> BisectionGame {
        var game = BisectionGame(try subject(accused))
        let executor = SingleOperations(manifest.architecture)
        while let party = game.turn.party {
            let player = BisectionPlayer(party == .accused ? accused : challenger)
            let message = try #require(try player.answer(game))
            let travelled = try BisectionMessage(canonicalBytes: message.canonicalBytes())
            try game.play(travelled, from: party, executing: executor)
        }
        return game
    }
}

@Suite struct BisectionTests {
    /// The traces' states and what the kernels that serve compute are the same bytes, and the
    /// single operations lead to them.
    @Test(arguments: TensorType.allCases)
    func singleOperationsGiveWhatTheKernelsGive(type: TensorType) throws {
        let dispute = try Dispute(type, positions: 7, splits: [0, 3])
        let task = try dispute.tasks()[0]
        let trace = try StageTrace(model: dispute.model, task: task, threads: 2)
        let executor = SingleOperations(dispute.manifest.architecture)
        let subject = try dispute.subject(trace)
        var checked = 0
        for step in subject.steps.indices {
            for position in 0..<task.positions {
                for tree in [false, true] {
                    if tree, try trace.cacheLeaves(ofStep: step).isEmpty { continue }
                    let operations = Walk(
                        subject: subject, step: step, position: position, inCache: tree)
                    checked += try operations.provesEveryOperation(trace, executor)
                }
            }
        }
        #expect(checked > 200)
    }

    @Test func aPlantedFaultIsFoundWhereverItIs() throws {
        let dispute = try Dispute()
        var found: Set<StageOperation> = []
        for task in try dispute.tasks() {
            let honest = try StageTrace(model: dispute.model, task: task, threads: 1)
            for (step, operation) in Self.places(try dispute.subject(honest).steps) {
                for position in [5, 7] {
                    let fault = PlantedFault(step: step, position: position, operation: operation)
                    let liar = try StageTrace(
                        model: dispute.model, task: task, fault: fault, threads: 1)
                    let last = liar.states - 1
                    #expect(liar.root(ofState: last) != honest.root(ofState: last))
                    let game = try dispute.play(accused: liar, challenger: honest)
                    let outcome = try #require(game.outcome)
                    #expect(outcome.loser == .accused)
                    #expect(outcome.reason.code == .operationDiffers)
                    #expect(outcome.fault?.step == step)
                    #expect(outcome.fault?.position == position)
                    #expect(outcome.fault?.operation == operation)
                    #expect(outcome.fault?.stage == task.stage)
                    #expect(game.rounds <= 10)
                    found.insert(operation)
                }
            }
        }
        #expect(found.count == StageOperation.allCases.count)
    }

    private static func places(_ steps: [StageStep]) -> [(StageStep, StageOperation)] {
        steps.flatMap { step -> [(StageStep, StageOperation)] in
            let units: [OperationUnit] =
                switch step {
                case .embedding: [.embedding]
                case .layer: [.cache, .layer]
                case .tail: [.tail]
                }
            return units.flatMap { unit in unit.operations.map { (step, $0) } }
        }
    }

    /// Challengers that choose at random, and tamper with what they open, against an accused that
    /// computed right. EXCHEQUER_BISECTION_GAMES plays more.
    @Test func anHonestStageNeverLoses() throws {
        let games =
            ProcessInfo.processInfo.environment["EXCHEQUER_BISECTION_GAMES"].flatMap { Int($0) }
            ?? 10_000
        let dispute = try Dispute()
        var dice = SplitMix(state: 1)
        let traces = try dispute.tasks().map {
            try StageTrace(model: dispute.model, task: $0, threads: 1)
        }
        let subjects = try traces.map(dispute.subject)
        let executor = SingleOperations(dispute.manifest.architecture)
        var reasons: [BisectionRejection.Code: Int] = [:]
        for _ in 0..<games {
            let place = dice.roll(traces.count)
            var game = BisectionGame(subjects[place])
            let player = BisectionPlayer(traces[place])
            while let party = game.turn.party {
                var message = try #require(try player.answer(game))
                if party == .challenger { message = dice.tampered(message, game) }
                try game.play(message, from: party, executing: executor)
            }
            let outcome = try #require(game.outcome)
            #expect(outcome.loser == .challenger)
            reasons[outcome.reason.code, default: 0] += 1
        }
        for code in [
            BisectionRejection.Code.wrongKind, .choiceOutOfRange, .wrongOpening, .brokenPath,
            .otherWeights, .operationHolds,
        ] { #expect(reasons[code, default: 0] > 0, "\(code)") }
    }

    /// A stage that lies, and then garbles what it publishes, against a challenger that computed
    /// right.
    @Test func anHonestChallengerNeverLoses() throws {
        let dispute = try Dispute()
        var dice = SplitMix(state: 2)
        let executor = SingleOperations(dispute.manifest.architecture)
        let task = try dispute.tasks()[1]
        let honest = try StageTrace(model: dispute.model, task: task, threads: 1)
        var codes: Set<BisectionRejection.Code> = []
        for round in 0..<60 {
            let places = Self.places([.layer(1), .layer(2), .tail])
            let (step, operation) = places[round % places.count]
            let liar = try StageTrace(
                model: dispute.model, task: task,
                fault: PlantedFault(step: step, position: 6, operation: operation), threads: 1)
            for _ in 0..<10 {
                var game = BisectionGame(try dispute.subject(liar))
                while let party = game.turn.party {
                    let trace = party == .accused ? (dice.roll(3) == 0 ? honest : liar) : honest
                    var message = try #require(try BisectionPlayer(trace).answer(game))
                    if party == .accused, dice.roll(4) == 0 { message = dice.garbled(message) }
                    try game.play(message, from: party, executing: executor)
                }
                let outcome = try #require(game.outcome)
                #expect(outcome.loser == .accused)
                codes.insert(outcome.reason.code)
            }
        }
        #expect(codes.isSuperset(of: [.operationDiffers, .brokenFold, .wrongCount]))
    }

    @Test func movesAreSignedAndBoundToTheirTurn() throws {
        let dispute = try Dispute()
        let task = try dispute.tasks()[0]
        let trace = try StageTrace(model: dispute.model, task: task, threads: 1)
        let executor = SingleOperations(dispute.manifest.architecture)
        var table = SignedBisection(try dispute.subject(trace))
        let message = try #require(try BisectionPlayer(trace).answer(table.game))
        let move = table.move(message)
        func refused(_ signed: Signed<BisectionMove>) -> BisectionRejection.Code? {
            var copy = table
            do throws(BisectionRejection) {
                try copy.receive(bytes: signed.canonicalBytes(), executing: executor)
                return nil
            } catch { return error.code }
        }
        var other = move
        other.game = .zero
        #expect(refused(other.signed(by: try Dispute.key(1))) == .otherGame)
        other = move
        other.turn = 1
        #expect(refused(other.signed(by: try Dispute.key(1))) == .wrongTurn)
        #expect(refused(move.signed(by: try Dispute.key(2))) == .badSignature)
        #expect(throws: BisectionRejection.self) {
            try table.receive(bytes: [1, 2, 3], executing: executor)
        }
        #expect(refused(move.signed(by: try Dispute.key(1))) == nil)
        table.timeOut()
        #expect(table.game.outcome?.loser == .accused)
        #expect(table.game.outcome?.reason.code == .timedOut)
        #expect(refused(move.signed(by: try Dispute.key(1))) == .wrongTurn)
    }

    /// A referee that left out penalties would convict an honest provider: it opens no tokens, so
    /// nobody loses. Everything before the choice is found as ever.
    @Test func choicesThatCountTokensAreNotRefereed() throws {
        var dispute = try Dispute()
        dispute.sampling = PenaltyTests.penalised(seed: 1).canonicalBytes()
        let task = try dispute.tasks()[1]
        let honest = try StageTrace(model: dispute.model, task: task, threads: 1)
        func play(_ operation: StageOperation) throws -> BisectionGame {
            let fault = PlantedFault(step: .tail, position: 7, operation: operation)
            let liar = try StageTrace(model: dispute.model, task: task, fault: fault, threads: 1)
            return try dispute.play(accused: liar, challenger: honest)
        }
        #expect(try play(.logits).outcome?.fault?.operation == .logits)
        let error = #expect(throws: BisectionRejection.self) { try play(.sample) }
        #expect(error?.code == .notExecuted)
    }
}

/// Leads a game with honest hashes to every operation behind one leaf.
struct Walk {
    let subject: BisectionSubject
    let step: Int
    let position: Int
    let inCache: Bool

    /// Every operation of the leaf's unit holds; how many there are.
    func provesEveryOperation(
        _ trace: StageTrace, _ executor: SingleOperations
    ) throws -> Int {
        let player = BisectionPlayer(trace)
        var game = BisectionGame(subject)
        var chosen = 0
        var count = 1
        while chosen < count {
            game = BisectionGame(subject)
            while let party = game.turn.party {
                var message = try #require(try player.answer(game))
                switch game.turn {
                case .chooseState: message = .choice(UInt32(step), inCache: false)
                case .chooseTree: message = .choice(UInt32(position), inCache: inCache)
                case .chooseOperation(let unit, _):
                    count = unit.operations.count
                    message = .choice(UInt32(chosen), inCache: false)
                default: break
                }
                try game.play(message, from: party, executing: executor)
            }
            #expect(
                game.outcome?.reason.code == .operationHolds,
                "\(String(describing: game.outcome))")
            chosen += 1
        }
        return count
    }
}

/// Splitmix64, and ways to spoil a message.
struct SplitMix {
    var state: UInt64

    mutating func roll(_ sides: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return Int((mixed ^ mixed >> 31) % UInt64(max(sides, 1)))
    }

    /// A random choice; now and then one out of range, of the wrong kind, or a spoiled proof.
    mutating func tampered(
        _ message: BisectionMessage, _ game: BisectionGame
    ) -> BisectionMessage {
        if roll(100) == 0 { return .claim([.zero], cache: []) }
        if roll(100) == 0 { return .choice(99, inCache: false) }
        switch game.turn {
        case .chooseState(let roots): return .choice(UInt32(roll(roots.count + 1)), inCache: false)
        case .chooseTree(let rows, let cache):
            return .choice(UInt32(roll(rows.count)), inCache: !cache.isEmpty && roll(2) == 0)
        case .chooseOperation(_, let roots):
            return .choice(UInt32(roll(roots.count + 1)), inCache: false)
        case .chooseNode(_, let hashes), .chooseBlock(_, _, let hashes):
            return .choice(UInt32(roll(hashes.count)), inCache: false)
        default: break
        }
        guard case .proof(var proof) = message, roll(2) == 0 else { return message }
        switch roll(5) {
        case 0 where !proof.openings.isEmpty: proof.openings.removeLast()
        case 1 where !(proof.openings.first?.bytes.isEmpty ?? true):
            proof.openings[0].bytes[roll(proof.openings[0].bytes.count)] ^= UInt8(1 << roll(8))
        case 2 where !proof.openings.isEmpty: proof.openings[0].path.append(.zero)
        case 3 where proof.weights != nil:
            let count = proof.weights?.chunks.bytes.count ?? 0
            proof.weights?.chunks.bytes[roll(count)] ^= UInt8(1 << roll(8))
        default: proof.openings.append(Opening(bytes: [1], path: []))
        }
        return .proof(proof)
    }

    /// A claim with a hash missing, exchanged or too many.
    mutating func garbled(_ message: BisectionMessage) -> BisectionMessage {
        guard case .claim(var hashes, let cache) = message, !hashes.isEmpty else { return message }
        switch roll(3) {
        case 0: hashes.removeLast()
        case 1: hashes[roll(hashes.count)] = SHA256.hash([UInt8(roll(256))])
        default: hashes.append(.zero)
        }
        return .claim(hashes, cache: cache)
    }
}
