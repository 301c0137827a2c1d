import Chains
import Foundation
import Primitives
import Testing

/// Payouts on a cluster that forks, over three misbehaving nodes, with crashes: every payee is paid
/// exactly once, to the unit. `EXCHEQUER_CHAOS=N` runs N payouts, `EXCHEQUER_CHAOS_SEED` with a
/// seed of its own.
@Suite struct SolanaChaosTests {
    private static let seeds: [UInt64] = {
        let given = ProcessInfo.processInfo.environment["EXCHEQUER_CHAOS_SEED"]
        return given.flatMap(UInt64.init).map { [$0] } ?? [21, 22]
    }()

    private static let count: Int = {
        let given = ProcessInfo.processInfo.environment["EXCHEQUER_CHAOS"]
        return given.flatMap(Int.init) ?? 2_500
    }()

    @Test(arguments: seeds, [0, 16])
    func everyPayeeIsPaidExactlyOnce(seed: UInt64, nonces: Int) throws {
        var world = try SolanaWorld(payouts: Self.count, nonces: nonces, seed: seed)
        let isDone = world.run(seconds: UInt64(Self.count) * 4 + 20_000)
        let name = "seed \(seed), \(nonces) nonces"
        try #require(world.problems == [], "\(name)")
        try #require(isDone, "\(name): \(world.manager.openPayouts) payouts did not end")
        var due: [SolanaAddress: UInt64] = [:]
        for payout in world.payouts { due[payout.owner, default: 0] += payout.amount }
        for (owner, amount) in due {
            #expect(world.cluster.paid[owner] == amount, "\(name): \(owner)")
        }
        #expect(world.cluster.paid.values.reduce(0, +) == due.values.reduce(0, +), "\(name)")
        #expect(world.crashes > 0 && world.cluster.forks > 0 && world.quarantined > 0)
        #expect(world.cluster.undone > 0)
        print(
            "\(name): \(Self.count) payouts, \(world.cluster.height) slots,",
            "\(world.cluster.forks) forks, \(world.crashes) crashes, \(world.signatures) signatures,",
            "\(world.cluster.undone) undone, \(world.quarantined) put aside")
    }
}
