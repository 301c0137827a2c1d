import Clearing
import Foundation
import Primitives
import Service
import Testing
import Transport

/// What the house measures while it works: how far nodes are and how fast, booked and routed by.
@Suite(.serialized, .timeLimit(.minutes(10))) struct MeasureTests {
    private func ask(
        _ house: RunningHouse, _ key: String, provider: String
    ) async throws -> HTTPResponse {
        try await house.call(
            "POST", "/v1/completions",
            json: """
                {"model":"smol","prompt":"\(String(repeating: "Once upon a time. ", count: 8))",\
                "max_tokens":12,"temperature":0,"provider":\(provider)}
                """, bearer: key)
    }

    @Test func nodesAreMeasured() async throws {
        try await RunningHouse.with(measureInterval: .milliseconds(200)) { house in
            var nodes: [ProtocolNode] = []
            for (place, layers) in [LayerRange(0, 15), LayerRange(15, 30)].enumerated() {
                nodes.append(
                    try await ProtocolNode.start(
                        house, UInt8(place + 1), name: "node-\(place)",
                        layers: try #require(layers)))
            }
            let key = try await house.buyer()
            let answer: Completion = try await ask(house, key, provider: "{}").decoded()
            #expect(answer.exchequer?.providers == ["node-0", "node-1"])
            try await eventually("paces are booked") {
                let records = try? await house.house.sequencer.read { $0.nodes }
                return records?.count == 2
                    && records?.allSatisfy { node in
                        node.measures.paces.contains { $0.tokenTime > 0 && $0.promptTime > 0 }
                            && node.measures.roundTrip > 0
                    } == true
            }
            let records = try await house.house.sequencer.read { $0.nodes }
            for record in records {
                #expect(record.measures.paces.count == 1)
                for pace in record.measures.paces {
                    #expect(pace.tokenTime == NodeMeasures.rounded(pace.tokenTime))
                    #expect(pace.promptTime == NodeMeasures.rounded(pace.promptTime))
                    #expect(pace.model == ModelID(1))
                }
            }
            for node in nodes { node.vanish() }
        }
    }

    /// Two halves that were measured, and a cheaper whole that nobody has measured.
    @Test func theBuyersSortDecides() async throws {
        try await RunningHouse.with { house in
            var nodes: [ProtocolNode] = []
            for (place, layers) in [LayerRange(0, 15), LayerRange(15, 30)].enumerated() {
                let layers = try #require(layers)
                nodes.append(
                    try await ProtocolNode.start(
                        house, UInt8(place + 1), name: "node-\(place)", layers: layers))
                var measures = NodeMeasures()
                measures.roundTrip = 100
                measures.paces = [
                    StagePace(model: ModelID(1), layers: layers, tokenTime: 900, promptTime: 900)
                ]
                let measurement = NodeMeasurement(
                    node: NodeID(UInt64(place) + 1), measures: measures)
                _ = try await house.house.sequencer.submit(.recordMeasures([measurement])).get()
            }
            nodes.append(
                try await ProtocolNode.start(
                    house, 3, name: "newcomer", layers: try #require(LayerRange(0, 30))))
            let key = try await house.buyer()
            for (sort, providers) in [
                ("price", ["newcomer"]), ("throughput", ["node-0", "node-1"]),
                ("latency", ["node-0", "node-1"]),
            ] {
                let answer: Completion = try await ask(
                    house, key, provider: "{\"sort\":\"\(sort)\"}"
                ).decoded()
                #expect(answer.exchequer?.providers == providers, "\(sort)")
            }
            let refused = try await ask(house, key, provider: "{\"sort\":\"luck\"}")
            #expect(refused.head.status == 400)
            #expect(refused.text.contains("provider.sort"))
            for node in nodes { node.vanish() }
        }
    }
}
