import Clearing
import Cryptography
import Foundation
import Inference
import Node
import Primitives
import Service
import Synchronization
import Testing
import Transport

/// Nodes that break the protocol: the answer comes all the same, from someone else, with the same
/// tokens; the buyer pays for it once; nobody honest is blamed.
@Suite(.serialized, .timeLimit(.minutes(10))) struct HostileNodeTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let layers: LayerRange?
        let misdeeds: ProtocolNode.Misdeeds
    }

    private static func altering(
        _ name: String, _ layers: LayerRange?,
        _ alter: @escaping @Sendable (WireFrame) -> [[UInt8]]
    ) -> Case {
        var misdeeds = ProtocolNode.Misdeeds()
        misdeeds.alter = alter
        return Case(testDescription: name, layers: layers, misdeeds: misdeeds)
    }

    private static let head = LayerRange(0, 10)
    private static let all = LayerRange(0, 30)

    private static func frame(_ old: WireFrame, _ payload: [UInt8], count: UInt32) -> [[UInt8]] {
        let changed = try? WireFrame(
            kind: old.kind, stage: old.stage, job: old.job, attempt: old.attempt,
            position: old.position, count: count, payload: payload)
        return changed.map { [$0.encoded()] } ?? []
    }

    static let cases: [Case] = [
        altering("a row too few", head) {
            frame($0, Array($0.payload.dropLast(4 * 576)), count: $0.count - 1)
        },
        altering("rows of the wrong width", head) {
            frame($0, Array($0.payload.dropLast(4 * Int($0.count))), count: $0.count)
        },
        altering("a row too many", head) {
            frame($0, $0.payload + $0.payload.prefix(4 * 576), count: $0.count + 1)
        },
        altering("not a number", head) { old in
            var payload = old.payload
            payload.replaceSubrange(0..<4, with: [0, 0, 0xC0, 0x7F])
            return frame(old, payload, count: old.count)
        },
        altering("garbage instead of a frame", head) { _ in [[1, 2, 3, 4, 5]] },
        altering("a token outside the vocabulary", all) {
            frame($0, [0, 0, 0, 0x7F] + $0.payload.dropFirst(4), count: $0.count)
        },
        altering("more tokens than positions", all) {
            frame($0, $0.payload + [1, 0, 0, 0], count: $0.count + 1)
        },
        altering("another position", all) { old in
            let moved = try? WireFrame(
                kind: old.kind, stage: old.stage, job: old.job, attempt: old.attempt,
                position: old.position + 1, count: old.count, payload: old.payload)
            return moved.map { [$0.encoded()] } ?? []
        },
        altering("nothing at all", all) { _ in [] },
        Case(
            testDescription: "never ready", layers: all,
            misdeeds: {
                var misdeeds = ProtocolNode.Misdeeds()
                misdeeds.isSilent = true
                return misdeeds
            }()),
    ]

    private func ask(_ house: RunningHouse, _ key: String) async throws -> Completion {
        try await house.call(
            "POST", "/v1/completions",
            json: """
                {"model":"smol","prompt":"Once upon a time","max_tokens":6,"temperature":0}
                """, bearer: key
        ).decoded()
    }

    @Test(arguments: cases)
    func theAnswerComesFromSomeoneElse(_ row: Case) async throws {
        // With the usual patience: what is broken is seen at once, and honest nodes share two
        // cores with all other tests.
        try await RunningHouse.with { house in
            // Of two offers at one price the older is matched first.
            let layers = try #require(row.layers)
            let node = try await ProtocolNode.start(
                house, 9, name: "thorn", layers: layers, misdeeds: row.misdeeds)
            let isWhole = row.layers == Self.all
            let honest = isWhole ? ["oak"] : ["alder", "birch", "cedar"]
            for (place, name) in honest.enumerated() {
                let first = UInt16(10 * place)
                try await house.startNode(
                    UInt8(place + 1), name: name,
                    layers: isWhole ? nil : LayerRange(first, first + 10), price: "0.01")
            }
            let key = try await house.buyer()
            let answer = try await ask(house, key)
            let again = try await ask(house, key)
            #expect(answer.text == again.text)
            let job = try await house.job(try #require(answer.exchequer).job)
            #expect(job.attempt == 2)
            #expect(answer.exchequer?.providers == honest)
            let faults = try await house.house.sequencer.read { state in
                state.parties.filter { $0.livenessFaults > 0 }.map(\.name)
            }
            #expect(Set(faults) == ["thorn"])
            try await theBuyerPaidOnce(house, [answer, again])
            node.vanish()
        }
    }

    private func theBuyerPaidOnce(
        _ house: RunningHouse, _ answers: [Completion]
    ) async throws {
        let spent = try await house.house.sequencer.read { state -> Amount in
            state.jobs.reduce(.zero) { $0 + $1.cost }
        }
        let said = answers.compactMap { $0.exchequer.flatMap { Asset.usd.parse($0.cost) } }
        #expect(said.reduce(.zero, +) == spent)
        let escrow = try await house.house.sequencer.read { $0.balance(.escrow, .usd) }
        #expect(escrow == spent)
    }

    struct BadReceipt: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let rejection: Rejection
        let change: @Sendable (inout Receipt) -> Void
    }

    static let badReceipts: [BadReceipt] = [
        .init(testDescription: "another job's stage", rejection: .receiptMisaddressed) {
            $0.stage = 1
        },
        .init(testDescription: "an earlier attempt", rejection: .receiptMisaddressed) {
            $0.attempt += 1
        },
        .init(testDescription: "other weights", rejection: .wrongWork) { $0.weights = .zero },
        .init(testDescription: "other layers", rejection: .wrongWork) {
            $0.layers = LayerRange(0, 29) ?? $0.layers
        },
        .init(testDescription: "more tokens than were delivered", rejection: .wrongTokenCount) {
            $0.outputTokens += 100
        },
        .init(testDescription: "an output that was not delivered", rejection: .brokenChain) {
            $0.outputRoot = .zero
        },
    ]

    /// A receipt that does not commit to what was delivered is refused; without any other the job
    /// costs nothing.
    @Test(arguments: badReceipts)
    func aReceiptForSomethingElseIsNotPaid(_ row: BadReceipt) async throws {
        var misdeeds = ProtocolNode.Misdeeds()
        misdeeds.sign = { receipt, key in
            var body = receipt.body
            row.change(&body)
            return body.signed(by: key)
        }
        try await RunningHouse.with(isImpatient: true) { house in
            let node = try await ProtocolNode.start(
                house, 9, name: "thorn", layers: try #require(Self.all), misdeeds: misdeeds)
            let key = try await house.buyer()
            async let asked = house.call(
                "POST", "/v1/completions",
                json: "{\"model\":\"smol\",\"prompt\":\"One\",\"max_tokens\":2}", bearer: key)
            try await eventually("the receipt is answered") {
                node.receiptAnswers.withLock { !$0.isEmpty }
            }
            let refusal = try node.receiptAnswers.withLock { try $0[0].failure() }
            #expect(refusal.rejection == row.rejection.rawValue)
            let answer = try await asked
            #expect(answer.status == 502)
            #expect(try answer.failure().code == "unsigned")
            let money = try await house.house.sequencer.read { state in
                (state.balance(.available, .usd, of: PartyID(2)), state.balance(.escrow, .usd))
            }
            #expect(money.0 == Asset.usd.amount(chainUnits: 5_000_000))
            #expect(money.1 == .zero)
            node.vanish()
        }
    }

    /// A node that is gone in the middle of an answer is replaced, and the tokens are the same.
    @Test func aNodeThatVanishesIsReplaced() async throws {
        try await RunningHouse.with { house in
            let gate = AsyncStream.makeStream(of: Void.self)
            var misdeeds = ProtocolNode.Misdeeds()
            misdeeds.alter = { frame in
                if frame.position > 12 { gate.continuation.yield() }
                return frame.position > 12 ? [] : [frame.encoded()]
            }
            let node = try await ProtocolNode.start(
                house, 9, name: "willow", layers: try #require(Self.all), misdeeds: misdeeds)
            try await house.startNode(1, name: "oak", price: "0.01")
            let key = try await house.buyer()
            let leaving = Task {
                for await _ in gate.stream { break }
                node.vanish()
            }
            let body = """
                {"model":"smol","prompt":"Once upon a time there was","max_tokens":20,\
                "temperature":0.9,"seed":5,"stream":true}
                """
            let chunks = try Completion.chunks(
                await house.call("POST", "/v1/completions", json: body, bearer: key))
            await leaving.value
            let undisturbed = try Completion.chunks(
                await house.call("POST", "/v1/completions", json: body, bearer: key))
            #expect(chunks.map(\.text).joined() == undisturbed.map(\.text).joined())
            let extra = try #require(chunks.last?.exchequer)
            #expect(extra.attempt == 2)
            #expect(extra.providers == ["oak"])
        }
    }

    /// Nobody is left: the buyer is told, and has all its money.
    @Test func withoutAReplacementNothingIsCharged() async throws {
        try await RunningHouse.with { house in
            var misdeeds = ProtocolNode.Misdeeds()
            misdeeds.alter = { _ in [[0]] }
            let node = try await ProtocolNode.start(
                house, 9, name: "thorn", layers: try #require(Self.all), misdeeds: misdeeds)
            let key = try await house.buyer()
            let answer = try await house.call(
                "POST", "/v1/completions",
                json: "{\"model\":\"smol\",\"prompt\":\"One\",\"max_tokens\":2}", bearer: key)
            #expect(answer.status == 502)
            #expect(try answer.failure().code == "no_replacement")
            let left = try await house.house.sequencer.read {
                $0.balance(.available, .usd, of: PartyID(2))
            }
            #expect(left == Asset.usd.amount(chainUnits: 5_000_000))
            node.vanish()
        }
    }
}
