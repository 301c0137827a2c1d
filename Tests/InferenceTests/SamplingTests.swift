import Inference
import Primitives
import Testing

@Suite struct SamplingTests {
    @Test(
        "Philox gives the published known answers",
        arguments: [
            (
                UInt32(0), UInt32(0),
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8] as [UInt32]
            ),
            (.max, .max, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        ])
    func philox(counter: UInt32, key: UInt32, expected: [UInt32]) {
        let block = Philox.block(counter: (counter, counter, counter, counter), key: (key, key))
        #expect([block.0, block.1, block.2, block.3] == expected)
    }

    @Test func philoxOfPi() {
        let block = Philox.block(
            counter: (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
            key: (0xa409_3822, 0x299f_31d0))
        #expect(
            [block.0, block.1, block.2, block.3]
                == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
    }

    @Test func greedyTakesTheLowestOfEquals() throws {
        let sampler = try Sampler(.greedy)
        #expect(sampler.sample(logits: [1, 3, 2, 3], position: 7) == 1)
        #expect(Sampler.largest([-5, -5]) == 0)
    }

    @Test func sampledShareFollowsTheProbabilities() throws {
        // Probabilities 0.5, 0.3, 0.2; 20,000 positions: three standard errors are 0.011.
        let logits: [Float] = [-0.6931472, -1.2039728, -1.6094379]
        let sampler = try Sampler(SamplingParameters(temperature: 1, seed: 42))
        var counts = [0, 0, 0]
        for position in 0..<20_000 {
            counts[Int(sampler.sample(logits: logits, position: position))] += 1
        }
        for (count, share) in zip(counts, [0.5, 0.3, 0.2]) {
            #expect(abs(Double(count) / 20_000 - share) < 0.011)
        }
    }

    @Test func topKAndTopPLimitTheChoice() throws {
        let logits: [Float] = [0, 5, 1, 4.5, 2]
        let two = try Sampler(SamplingParameters(temperature: 5, topK: 2, seed: 1))
        let most = try Sampler(SamplingParameters(temperature: 1, topP: 0.5, seed: 1))
        var seen: Set<Int32> = []
        for position in 0..<500 {
            seen.insert(two.sample(logits: logits, position: position))
            #expect(most.sample(logits: logits, position: position) == 1)
        }
        #expect(seen == [1, 3])
    }

    @Test func choiceDependsOnSeedAndPositionOnly() throws {
        let logits = (0..<1_000).map { Float($0 % 17) * 0.1 }
        let first = try Sampler(SamplingParameters(temperature: 0.8, seed: 9))
        let again = try Sampler(SamplingParameters(temperature: 0.8, seed: 9))
        let other = try Sampler(SamplingParameters(temperature: 0.8, seed: 10))
        let tokens = (0..<64).map { first.sample(logits: logits, position: $0) }
        let reversed = (0..<64).reversed().map { again.sample(logits: logits, position: $0) }
        #expect(Array(reversed.reversed()) == tokens)
        #expect((0..<64).map { other.sample(logits: logits, position: $0) } != tokens)
        #expect(Set(tokens).count > 32)
    }

    @Test(
        "Parameters out of range are refused",
        arguments: [
            (Float(-1), Float(1), "temperature"), (.nan, 1, "temperature"), (101, 1, "temperature"),
            (1, 0, "topP"), (1, 1.5, "topP"), (1, .nan, "topP"),
        ])
    func refused(temperature: Float, topP: Float, field: String) {
        let parameters = SamplingParameters(temperature: temperature, topP: topP)
        #expect(throws: EngineError.invalidParameter(field)) { try Sampler(parameters) }
        #expect(throws: CodecError.invalidValue(field)) {
            try SamplingParameters(canonicalBytes: parameters.canonicalBytes())
        }
    }

    @Test func parametersRoundTrip() throws {
        let parameters = SamplingParameters(temperature: 0.7, topK: 40, topP: 0.9, seed: 1 << 40)
        #expect(
            try SamplingParameters(canonicalBytes: parameters.canonicalBytes()) == parameters)
        #expect(parameters.canonicalBytes().count == 20)
    }

    @Test func logProbabilitiesSumToOne() throws {
        let row = LogProbabilities(logits: [0, 1, 2, 3, 3])
        let top = row.top(10)
        #expect(top.map(\.token) == [3, 4, 2, 1, 0])
        #expect(row.of(3) == top[0].logProbability)
        #expect(row.of(5) == nil)
        #expect(abs(top[0].logProbability - -0.937_269_84) < 1e-6)
    }
}
