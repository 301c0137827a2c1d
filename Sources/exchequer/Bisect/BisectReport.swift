import Cryptography
import Foundation
import Primitives
import Verification

/// One move of a game in words.
struct BisectLine: Encodable, CustomStringConvertible {
    let turn: UInt32
    let party: String
    let bytes: Int
    let text: String

    init(_ before: BisectionGame, _ message: BisectionMessage, _ after: BisectionGame) {
        turn = before.turns
        party = before.turn.party.map { "\($0)" } ?? ""
        bytes = message.canonicalBytes().count
        text = Self.text(before, message, after)
    }

    var description: String {
        "\(turn)  \(party)\(party.count < 10 ? "   " : "") \(text), \(bytes) bytes"
    }

    private static func text(
        _ before: BisectionGame, _ message: BisectionMessage, _ after: BisectionGame
    ) -> String {
        switch (before.turn, message) {
        case (.states(let states), .claim):
            "the roots of \(states.count) states between \(before.disputed.count) steps"
        case (.chooseState, .choice):
            "\(name(before.subject.steps[after.disputed.lowerBound])) and "
                + "\(after.disputed.count - 1) steps after it"
        case (.trees, .claim(let rows, let cache)):
            "\(rows.count) hashes of rows after \(name(before.step)), \(cache.count) of its cache"
        case (.chooseTree, .choice(let index, let inCache)):
            "number \(index) of the \(inCache ? "cache" : "rows")"
        case (.nodes, .claim(let hashes, _)): "\(hashes.count) hashes below it"
        case (.chooseNode, .choice(let index, _)): "number \(index)"
        case (.operations(let unit), .claim(let hashes, _)):
            "what \(hashes.count) operations of the \(unit) gave at position \(before.position)"
        case (.chooseOperation(let unit, _), .choice(let index, _)):
            unit.operations.indices.contains(Int(index))
                ? "\(unit.operations[Int(index)])" : "number \(index)"
        case (.blocks(let operation, _), .claim(let hashes, _)):
            "\(hashes.count) hashes of what \(operation) gave"
        case (.chooseBlock, .choice(let index, _)): "number \(index)"
        case (.proof(let operation, let block, _), .proof(let proof)):
            "opens what \(operation) reads for block \(block)"
                + (proof.weights.map { ", with rows of \($0.name)" } ?? "")
        default: "something that was not asked for"
        }
    }

    /// A step in words.
    static func name(_ step: StageStep) -> String {
        switch step {
        case .embedding: "the embedding"
        case .layer(let layer): "layer \(layer)"
        case .tail: "the tail"
        }
    }
}

/// What a game found.
struct BisectReport: Encodable {
    let job: UInt64?
    let attempt: UInt32?
    let stage: UInt16?
    let accused_node: String?
    let loser: String?
    let code: UInt16?
    let finding: String
    let reason: String?
    let step: String?
    let position: Int?
    let operation: String?
    let operation_code: UInt8?
    let block: Int?
    let claimed: String?
    let computed: String?
    let rounds: Int
    let record: String?
    let moves: [BisectLine]

    /// No stage is wrong.
    static var nothing: BisectReport { BisectReport() }

    private init() {
        (job, attempt, stage, accused_node, loser, code) = (nil, nil, nil, nil, nil, nil)
        (finding, reason, step, position, operation) = ("reproduced", nil, nil, nil, nil)
        (operation_code, block, claimed, computed, rounds) = (nil, nil, nil, nil, 0)
        (record, moves) = (nil, [])
    }

    init(_ game: BisectionGame, _ moves: [BisectLine], record: Digest?) {
        let receipt = game.subject.receipt
        job = receipt.body.job.rawValue
        attempt = receipt.body.attempt
        stage = receipt.body.stage
        accused_node = receipt.signer.hex
        let outcome = game.outcome
        loser = outcome.map { "\($0.loser)" }
        code = outcome?.reason.code.rawValue
        finding = outcome.map { "\($0.reason.code)" } ?? "unfinished"
        reason = outcome?.reason.reason
        let fault = outcome?.fault
        step = fault.map { BisectLine.name($0.step) }
        position = fault?.position
        operation = fault.map { "\($0.operation)" }
        operation_code = fault?.operation.rawValue
        block = fault?.block
        claimed = fault?.claimed.hex
        computed = fault?.computed.hex
        rounds = game.rounds
        self.record = record?.hex
        self.moves = moves
    }

    /// Prints it and ends the program with its code.
    func end(json: Bool) throws {
        if json {
            try Console.put(json: self)
        } else {
            for move in moves { Console.say(move.description) }
            Console.put(summary)
        }
        guard let loser else { throw Exit.checkFailed }
        if loser == "\(BisectionParty.accused)" { throw Exit.fault }
    }

    private var summary: String {
        let subject = "job \(job ?? 0), attempt \(attempt ?? 0), stage \(stage ?? 0)"
        guard let loser, let code else { return "\(subject): the game is not over" }
        let end = "\(subject): the \(loser) is at fault, \(finding) (\(code))"
        guard let operation, let step, let position else { return "\(end): \(reason ?? "")" }
        return "\(end): \(operation) of \(step) at position \(position), node "
            + (accused_node ?? "")
    }
}
