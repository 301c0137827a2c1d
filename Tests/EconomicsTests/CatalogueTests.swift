import Economics
import Foundation
import Primitives
import Testing

/// Every policy has a name, parameters and bytes, and docs/reference/parameters.md tells all.
@Suite struct CatalogueTests {
    private static let policies: [EmissionPolicy] = [
        .heightHalving(HeightHalving(initial: Amount(5_000_000_000), interval: 210_000)),
        .issuanceHalving(IssuanceHalving(initial: Amount(1_000), cap: Amount(21_000_000))),
        .bondedStep(
            BondedStep(
                genesis: Amount(1_000), inflation: 218_500, change: 500, target: 500_000_000)),
        .bondedProportional(.cosmos(genesis: Amount(1_000_000_000))),
        .baselineMinting(.filecoin),
        .netEmissions(
            NetEmissions(
                schedule: HeightHalving(initial: Amount(342_400), interval: 35_040),
                poolEpochs: 336, cap: Amount(3_424))),
        .burnAndMint(
            BurnAndMint(
                firstYear: Amount(9_126_804), epochsPerYear: 12, launchYears: 5,
                dampingPerMillion: 945_000)),
    ]

    @Test(arguments: policies)
    func aPolicyIsItsNameAndItsNumbers(_ policy: EmissionPolicy) throws {
        #expect(policy.problem == nil)
        #expect(try EmissionPolicy(canonicalBytes: policy.canonicalBytes()) == policy)
        let values = policy.fields.map { (name: $0.key.name, value: $0.value) }
        #expect(try EmissionPolicy(name: policy.name, values: values.reversed()) == policy)
        #expect(throws: EconomicsError.invalid(values[0].name)) {
            try EmissionPolicy(name: policy.name, values: Array(values.dropFirst()))
        }
        #expect(throws: EconomicsError.invalid("other")) {
            try EmissionPolicy(name: policy.name, values: values + [("other", 1)])
        }
        let tag = try #require(EmissionPolicy.catalogue.firstIndex { $0.name == policy.name })
        #expect(policy.canonicalBytes()[0] == UInt8(tag))
        #expect(policy.canonicalBytes().count == 1 + 16 * values.count)
    }

    @Test func everyPolicyIsHere() {
        #expect(CatalogueTests.policies.map(\.name) == EmissionPolicy.catalogue.map(\.name))
        #expect(throws: EconomicsError.invalid("none")) {
            try EmissionPolicy(name: "none", values: [])
        }
        #expect(throws: CodecError.self) { try EmissionPolicy(canonicalBytes: [7]) }
        // An interval of 2^64 has no place in 64 bits.
        let long: [(name: String, value: UInt128)] = [("initial", 1), ("interval", 1 << 64)]
        #expect(throws: EconomicsError.invalid("interval")) {
            try EmissionPolicy(name: "height_halving", values: long)
        }
        let bytes = [UInt8(0), 1] + Array(repeating: 0, count: 15 + 8) + [1]
        #expect(throws: CodecError.invalidValue("emission policy")) {
            try EmissionPolicy(canonicalBytes: bytes + Array(repeating: 0, count: 7))
        }
    }

    /// All are called alike: a thousand epochs of anything, and no trap, no surprise.
    @Test(arguments: policies, [1, 2] as [UInt64])
    func everyPolicyTakesWhateverItIsTold(_ policy: EmissionPolicy, _ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var state = EmissionState.none
        var issued = Amount.zero
        for epoch in UInt64(1)...1_000 {
            var observation = EmissionObservation(epoch: epoch, issued: issued)
            observation.burned = Amount(UInt128(random.next() >> (random.next() % 64)))
            observation.bonded = Amount(UInt128(random.next() >> (random.next() % 64)))
            observation.bondable = observation.bonded + Amount(UInt128(random.next() >> 20))
            observation.work = random.next() >> (random.next() % 64)
            let before = state
            do throws(EconomicsError) {
                issued += try policy.advance(&state, by: observation)
            } catch {
                #expect(error == .overflow)
                #expect(state == before)
            }
            #expect(try EmissionState(canonicalBytes: state.canonicalBytes()) == state)
        }
        #expect(throws: EconomicsError.invalid("epoch")) {
            try policy.advance(&state, by: EmissionObservation(epoch: 0))
        }
    }

    /// Numbers from a stranger's file either are refused or can be used: zeros, ones and the
    /// largest in every place.
    @Test(arguments: policies)
    func soundNumbersNeverTrap(_ policy: EmissionPolicy) {
        let extremes: [UInt128] = [
            0, 1, 2, 1 << 32, 1 << 64, 1 << 100, 1_000_000_000, 1_000_000_000_000_000_000, .max,
        ]
        var tried = 0
        for place in policy.fields.indices {
            for extreme in extremes {
                var values = policy.fields.map { (name: $0.key.name, value: $0.value) }
                values[place].value = extreme
                guard let other = try? EmissionPolicy(name: policy.name, values: values),
                    other.problem == nil
                else { continue }
                tried += 1
                var state = EmissionState.none
                for epoch in [1, 2, 3, 1_000, .max] as [UInt64] {
                    var observation = EmissionObservation(epoch: epoch, issued: Amount(1 << 90))
                    observation.work = .max
                    observation.bonded = Amount(1 << 90)
                    observation.bondable = Amount(1 << 91)
                    observation.burned = Amount(1 << 90)
                    _ = try? other.advance(&state, by: observation)
                }
            }
        }
        #expect(tried > 3)
    }

    private static let root: URL = {
        var folder = URL(fileURLWithPath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let page = folder.appendingPathComponent("docs/reference/parameters.md").path
            if FileManager.default.fileExists(atPath: page) { return folder }
        }
        return folder
    }()

    private func text(_ path: String) throws -> String {
        try String(contentsOf: CatalogueTests.root.appendingPathComponent(path), encoding: .utf8)
    }

    @Test func thePageHasARowForEachParameterOfEachPolicy() throws {
        let page = try text("docs/reference/parameters.md")
        let formulas = try text("docs/reference/economics.md")
        for (name, keys) in EmissionPolicy.catalogue {
            let row = page.components(separatedBy: "\n").first { $0.hasPrefix("| `\(name)` |") }
            let cells = (row ?? "").components(separatedBy: "|")
            #expect(row != nil, "no row for \(name)")
            for key in keys {
                let known = (cells.count > 2 ? cells[2] : "").contains("`\(key.name)`")
                #expect(known, "no \(key.name) in the row of \(name)")
            }
            #expect(formulas.contains("`\(name)`"), "economics.md does not name \(name)")
        }
    }

    @Test func thePageHasARowForEachParameterOfTheFile() throws {
        let page = try text("docs/reference/parameters.md")
        let names = ParameterKey.all.map(\.name)
        #expect(names.count == 17)
        for name in names + [ParameterKey.emission] {
            #expect(page.contains("\n| `\(name)` |"), "no row for \(name)")
        }
    }
}
