import Chains
import Testing

/// What of a bond could be taken out and was not.
@Suite struct LeavingBondTests {
    private func left(
        _ withdrawable: UInt128, _ entries: [(UInt128, UInt64)], for seconds: UInt64,
        at now: UInt64
    ) -> [UInt128] {
        let bond = LeavingBond(
            withdrawable: withdrawable,
            entries: entries.map { LeavingBond.Entry($0.0, unlocksAt: $0.1) })
        return bond.left(for: seconds, at: now).map { [$0.units, UInt128($0.since)] } ?? []
    }

    @Test func itIsLeftSinceItCouldBeTaken() {
        let entries: [(UInt128, UInt64)] = [(0, 10), (5, 200), (7, 100), (9, 400)]
        #expect(left(12, entries, for: 0, at: 99) == [])
        #expect(left(12, entries, for: 0, at: 100) == [7, 100])
        #expect(left(12, entries, for: 0, at: 200) == [12, 100])
        #expect(left(21, entries, for: 50, at: 249) == [7, 100])
        #expect(left(21, entries, for: 50, at: 250) == [12, 100])
        #expect(left(21, entries, for: 50, at: 450) == [21, 100])
        // What a slash has frozen cannot be taken.
        #expect(left(3, entries, for: 0, at: 500) == [3, 100])
        #expect(left(0, entries, for: 0, at: 500) == [])
        #expect(left(5, [], for: 0, at: 500) == [])
    }

    @Test func whatANodeMakesUpIsNoReasonToTrap() {
        #expect(left(.max, [(.max, 0), (.max, .max)], for: .max, at: .max) == [.max, 0])
        #expect(left(.max, [(.max, .max)], for: 1, at: 5) == [])
    }
}
