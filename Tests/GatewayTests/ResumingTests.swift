import Clearing
import Foundation
import Primitives
import Service
import Synchronization
import Testing

/// A node dies in the middle of an answer: another takes its stage, the others go on, and the
/// buyer gets the same text.
@Suite(.serialized, .timeLimit(.minutes(10))) struct ResumingTests {
    private static let layers = [LayerRange(0, 10), LayerRange(10, 20), LayerRange(20, 30)]
    private static let tokens = 12

    /// Silence that is doubted, in milliseconds: on a busy machine the others are silent for a
    /// second too. Who is lost with its link is not to be doubted before that.
    private static func silence(_ isSilent: Bool) -> UInt64 { isSilent ? 3_000 : 20_000 }

    private func ask(_ house: RunningHouse, _ key: String) async throws -> Completion {
        try await house.call(
            "POST", "/v1/completions",
            json: """
                {"model":"smol","prompt":"Once upon a time","max_tokens":\(Self.tokens),\
                "temperature":0.7,"seed":3,"repetition_penalty":1.2,"frequency_penalty":0.5,\
                "min_p":0.02,"logprobs":2}
                """, bearer: key
        ).decoded()
    }

    /// Three stages, one of which goes silent with its link up, or dies; then a second node for it.
    @Test(arguments: [0, 1, 2], [true, false])
    func anotherNodeTakesTheStage(lost: Int, isSilent: Bool) async throws {
        try await RunningHouse.with(silence: Self.silence(isSilent)) { house in
            var nodes: [ProtocolNode] = []
            for (place, layers) in Self.layers.enumerated() {
                var misdeeds = ProtocolNode.Misdeeds()
                if place == lost { misdeeds.isGoneAfter = 5 }
                nodes.append(
                    try await ProtocolNode.start(
                        house, UInt8(place + 1), name: "node-\(place)",
                        layers: try #require(layers), misdeeds: misdeeds))
            }
            let spare = try await ProtocolNode.start(
                house, 9, name: "spare", layers: try #require(Self.layers[lost]))
            let key = try await house.buyer()
            let answering = Task { try await ask(house, key) }
            let gone = nodes[lost]
            try await eventually("the node is gone") {
                gone.results.withLock { $0.frames > 5 }
            }
            if !isSilent { gone.vanish() }
            let answer = try await answering.value
            let job = try await house.job(try #require(answer.exchequer).job)
            #expect(job.attempt == 2)
            #expect(answer.exchequer?.providers.contains("spare") == true)
            // Whoever was kept has computed no position twice, but for one that was under way.
            let positions = Int(job.demand.promptTokens) + Self.tokens - 1
            for (place, node) in nodes.enumerated() where place != lost {
                let computed = node.results.withLock { $0.positions }
                let due = place == 2 ? Self.tokens : positions
                #expect((due...due + 1).contains(computed), "stage \(place) of \(positions)")
            }
            // A doubt blames nobody; a link that is lost does.
            let faults = try await house.house.sequencer.read { state in
                state.parties.filter { $0.livenessFaults > 0 }.map(\.name)
            }
            #expect(faults == (isSilent ? [] : ["node-\(lost)"]))
            let again = try await ask(house, key)
            #expect(again.text == answer.text)
            let logprobs = try #require(answer.choices.first?.logprobs)
            #expect(logprobs.token_logprobs == again.choices.first?.logprobs?.token_logprobs)
            #expect(logprobs.tokens?.joined() == answer.text)
            for node in nodes + [spare] { node.vanish() }
        }
    }

    /// A node that computes along takes over and has next to nothing to compute again.
    @Test(arguments: [0, 1, 2], [true, false])
    func aHotSpareTakesTheStage(lost: Int, isSilent: Bool) async throws {
        try await RunningHouse.with(silence: Self.silence(isSilent)) { house in
            var nodes: [ProtocolNode] = []
            for (place, layers) in Self.layers.enumerated() {
                var misdeeds = ProtocolNode.Misdeeds()
                // Slow, so that a stand-in is found before the answer ends.
                misdeeds.delay = .milliseconds(60)
                if place == lost { misdeeds.isGoneAfter = 9 }
                nodes.append(
                    try await ProtocolNode.start(
                        house, UInt8(place + 1), name: "node-\(place)",
                        layers: try #require(layers), misdeeds: misdeeds))
            }
            var willing = ProtocolNode.Misdeeds()
            willing.standsIn = true
            let spare = try await ProtocolNode.start(
                house, 9, name: "spare", layers: try #require(Self.layers[lost]),
                misdeeds: willing)
            let key = try await house.buyer()
            let answering = Task { try await ask(house, key) }
            let gone = nodes[lost]
            try await eventually("the node is gone") {
                gone.results.withLock { $0.frames > 9 }
            }
            // What it had given by then, its stand-in has given too.
            let before = spare.results.withLock { $0.positions }
            #expect(before > 0)
            if !isSilent { gone.vanish() }
            let answer = try await answering.value
            let job = try await house.job(try #require(answer.exchequer).job)
            #expect(job.attempt == 2)
            #expect(answer.exchequer?.providers.contains("spare") == true)
            // Nothing was computed twice by anybody, but for what was under way.
            let positions = Int(job.demand.promptTokens) + Self.tokens - 1
            for (place, node) in nodes.enumerated() where place != lost {
                let computed = node.results.withLock { $0.positions }
                let due = place == 2 ? Self.tokens : positions
                #expect((due...due + 1).contains(computed), "stage \(place) of \(positions)")
            }
            let computed = spare.results.withLock { $0.positions }
            let due = lost == 2 ? Self.tokens : positions
            #expect((due...due + 2).contains(computed))
            let again = try await ask(house, key)
            #expect(again.text == answer.text)
            for node in nodes + [spare] { node.vanish() }
        }
    }

    /// A doubt about the only node for some layers ends no job.
    @Test func whoCannotBeReplacedIsWaitedFor() async throws {
        try await RunningHouse.with(silence: 700) { house in
            var misdeeds = ProtocolNode.Misdeeds()
            misdeeds.isGoneAfter = 3
            let node = try await ProtocolNode.start(
                house, 1, name: "only", layers: try #require(LayerRange(0, 30)),
                misdeeds: misdeeds)
            let key = try await house.buyer()
            let answering = Task { try await ask(house, key) }
            try await eventually("the node is gone") { node.results.withLock { $0.frames > 3 } }
            try await Task.sleep(for: .seconds(2))
            let state = try await house.job(1)
            #expect(state.state == .running)
            #expect(state.attempt == 1)
            node.vanish()
            _ = try? await answering.value
            #expect(try await house.job(1).failure == .noReplacement)
        }
    }
}
