import Clearing
import ClearingWorld
import Economics
import Primitives
import Testing

/// A house under emission policies other than its own: chosen by parameters, and without a trace
/// where none is chosen.
@Suite struct EmissionPolicyTests {
    /// Lets an epoch with the same work end and gives what it emitted.
    private func epoch(_ world: inout World) -> Amount {
        _ = world.deliver { $0.only = [World.whole] }
        world.seconds += 200
        world.run(.pulse)
        world.run(.closeEpoch)
        return world.house.epochs.last?.emitted ?? .zero
    }

    private static let halving = EmissionPolicy.issuanceHalving(
        IssuanceHalving(initial: Amount(400), cap: Amount(1_000)))

    /// FNV-1a, 64 bits.
    private func checksum(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
    }

    /// The bytes of a house's state and of the command that configures it, as they were before
    /// there were policies: old journals replay to the same state hash.
    @Test func withoutAPolicyTheBytesAreThoseOfBefore() throws {
        var world = World()
        for _ in 0..<3 { _ = epoch(&world) }
        #expect(world.house.emissionState == .none)
        let command = Command.configure(world.parameters, chain: 31_337)
        #expect(command.canonicalBytes().count == 117)
        #expect(checksum(command.canonicalBytes()) == 8_410_297_132_384_900_296)
        #expect(checksum(world.house.canonicalBytes()) == 924_380_275_912_632_052)
    }

    @Test func theSameRuleByNameEmitsTheSame() {
        var plain = World()
        var named = World { $0.otherEmission = $0.emission }
        for _ in 0..<3 { #expect(epoch(&plain) == epoch(&named)) }
        #expect(plain.house.epochs == named.house.epochs)
    }

    @Test func aPolicyIsPartOfTheParameters() throws {
        var parameters = Parameters()
        let plain = parameters.canonicalBytes()
        parameters.otherEmission = EmissionPolicyTests.halving
        let bytes = parameters.canonicalBytes()
        #expect(bytes.count == plain.count + 1 + 2 * 16)
        #expect(bytes[3] == plain[3] | 0x80)
        #expect(try Parameters(canonicalBytes: bytes) == parameters)
        #expect(throws: CodecError.self) { try Parameters(canonicalBytes: bytes.dropLast()) }
        parameters.otherEmission = .heightHalving(HeightHalving(initial: Amount(1), interval: 0))
        #expect(parameters.problem == "the emission must halve some time")
        var world = World()
        #expect(
            world.apply(.configure(parameters, chain: 31_337)) == .failure(.invalidParameters))
    }

    @Test func issuanceIsWhatTheBooksSay() {
        var world = World { $0.otherEmission = EmissionPolicyTests.halving }
        var emitted: [UInt128] = []
        for _ in 0..<14 { emitted.append(epoch(&world).units) }
        // 1,000, 600, 200, 100, 50, 25, 13, 7, 4 and 1 of 1,000 left.
        #expect(emitted == [400, 400, 100, 50, 25, 12, 6, 3, 3, 0, 0, 0, 0, 0])
    }

    /// A third of 1,001 leaves two, which the next epochs must not mint on top of the cap.
    @Test func whatRoundingLeftCountsAsIssued() {
        var world = World {
            $0.otherEmission = .issuanceHalving(
                IssuanceHalving(initial: Amount(1 << 20), cap: Amount(1_001)))
        }
        var emitted: [UInt128] = []
        for _ in 0..<4 {
            _ = world.deliver()
            world.seconds += 200
            world.run(.pulse)
            world.run(.closeEpoch)
            emitted.append(world.house.epochs.last?.emitted.units ?? 0)
        }
        #expect(emitted == [999, 0, 0, 0])
        #expect(world.house.emissionRest == Amount(2))
    }

    @Test func aStateIsKeptAndComesBack() throws {
        let rule = BaselineMinting(
            simpleTotal: Amount(1_000_000), baselineTotal: Amount(2_000_000), halfLife: 10,
            baselineStart: 1_000, baselineGrowth: 1 << 120)
        var world = World { $0.otherEmission = .baselineMinting(rule) }
        var twin = EmissionState.none
        for number in UInt64(1)...5 {
            var observation = EmissionObservation(epoch: number)
            observation.work = 450
            let expected = try EmissionPolicy.baselineMinting(rule).advance(&twin, by: observation)
            #expect(epoch(&world) == expected)
            #expect(world.house.emissionState == twin)
        }
        let copy = try world.house.restored()
        #expect(copy.emissionState == twin)
        #expect(copy.canonicalBytes() == world.house.canonicalBytes())
        // The same numbers again change nothing; other numbers begin anew.
        world.run(.configure(world.parameters, chain: 31_337))
        #expect(world.house.emissionState == twin)
        world.run(.configure(Parameters(), chain: 31_337))
        #expect(world.house.emissionState == .none)
    }

    /// The house's dollars: 100 bonded by each of five, ten deposited by the sixth.
    @Test func theBondedShareIsOfTheDollarsHere() throws {
        let rule = BondedStep(
            genesis: Amount(1_000_000_000), inflation: 1_000_000, change: 1_000,
            target: 500_000_000)
        var world = World { $0.otherEmission = .bondedStep(rule) }
        #expect(epoch(&world) == Amount(999_000))
        #expect(world.house.emissionState == .inflation(999_000))
    }

    @Test func anEmissionThatCannotBeComputedIsNone() {
        let rule = BondedStep(
            genesis: Amount(1 << 100), inflation: 1_000_000_000, change: 0, target: 500_000_000)
        var world = World { $0.otherEmission = .bondedStep(rule) }
        for number in 1...14 { #expect((epoch(&world) == .zero) == (number > 10)) }
    }
}
