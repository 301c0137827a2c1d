import Clearing
import Cryptography
import Node
import Primitives
import Service
import Testing
import Transport
import Verification

/// A house asks its nodes for their weights: who has them is left alone, who is silent is noted.
@Suite(.serialized, .timeLimit(.minutes(10))) struct WeightCheckTests {
    private func faults(_ house: RunningHouse) async throws -> [String: UInt32] {
        try await house.house.sequencer.read { state in
            Dictionary(uniqueKeysWithValues: state.parties.map { ($0.name, $0.livenessFaults) })
        }
    }

    @Test func nodesShowWhatTheyOffer() async throws {
        try await RunningHouse.with { house in
            try await house.startNode(1, name: "oak", layers: LayerRange(0, 12))
            _ = try await ProtocolNode.start(
                house, 9, name: "thorn", layers: try #require(LayerRange(12, 30)))
            await house.house.weights.ask(beacon: SHA256.hash([1]))
            // Who owes an answer is not asked again; thorn never answers.
            await house.house.weights.ask(beacon: SHA256.hash([2]))
            #expect(house.house.weights.openCount <= 2)
            try await eventually("oak has answered") { house.house.weights.openCount == 1 }
            #expect(try await faults(house)["oak"] == 0)
        }
    }

    @Test func whoIsSilentIsNoted() async throws {
        try await RunningHouse.with(weightPatience: .milliseconds(200)) { house in
            let node = try await ProtocolNode.start(
                house, 9, name: "thorn", layers: try #require(LayerRange(12, 30)))
            await house.house.weights.ask(beacon: SHA256.hash([1]))
            try await eventually("thorn is noted") { try await faults(house)["thorn"] == 1 }
            #expect(house.house.weights.openCount == 0)
            node.vanish()
        }
    }

    @Test func wrongAnswersAreRefusedByNumber() async throws {
        try await RunningHouse.with { house in
            let node = try await ProtocolNode.start(
                house, 9, name: "thorn", layers: try #require(LayerRange(12, 30)))
            func answer(_ json: String) async throws -> (Int, String?) {
                let response = try await house.signed(
                    node.signer, "POST", "/v1/node/weights", json: json)
                return (response.status, response.status == 200 ? nil : try response.failure().code)
            }
            #expect(try await answer("{\"proof\":\"zz\"}").0 == 400)
            #expect(try await answer("{\"proof\":\"0102\"}") == (422, "weights_841"))
            let invented = WeightProof(challenge: .zero, openings: [])
                .signed(by: node.signer.identity)
            let hex = Hex.encode(invented.canonicalBytes())
            #expect(try await answer("{\"proof\":\"\(hex)\"}") == (422, "weights_842"))
            let long = String(repeating: "00", count: 2 << 20)
            #expect(try await answer("{\"proof\":\"\(long)\"}").0 == 413)
        }
    }

    /// A connection that is lost takes the question with it.
    @Test func nobodyIsBlamedForWhatNeverCame() async throws {
        try await RunningHouse.with { house in
            let node = try await ProtocolNode.start(
                house, 9, name: "thorn", layers: try #require(LayerRange(12, 30)))
            await house.house.weights.ask(beacon: SHA256.hash([1]))
            #expect(house.house.weights.openCount == 1)
            node.vanish()
            try await eventually("the question is dropped") {
                house.house.weights.openCount == 0
            }
            #expect(try await faults(house)["thorn"] == 0)
        }
    }
}
