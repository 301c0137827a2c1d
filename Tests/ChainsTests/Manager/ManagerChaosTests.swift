import Chains
import Foundation
import Primitives
import Testing

/// Payouts over three misbehaving nodes, with reorganisations and crashes, all from one seed:
/// whatever happens, every payee is paid exactly once, to the unit. `EXCHEQUER_CHAOS=N` runs N
/// payouts instead of the usual few thousand, `EXCHEQUER_CHAOS_SEED` with a seed of its own.
@Suite struct ManagerChaosTests {
    private static let seeds: [UInt64] = {
        let given = ProcessInfo.processInfo.environment["EXCHEQUER_CHAOS_SEED"]
        return given.flatMap(UInt64.init).map { [$0] } ?? [1, 2, 3, 4]
    }()

    private static let count: Int = {
        let given = ProcessInfo.processInfo.environment["EXCHEQUER_CHAOS"]
        return given.flatMap(Int.init) ?? 2_500
    }()

    @Test(arguments: seeds)
    func everyPayeeIsPaidExactlyOnce(seed: UInt64) throws {
        var world = try ManagerWorld(
            lanes: 4, size: Self.count, seed: seed, weather: .foul(onceIn: 700)
        ) { senders, random in
            PayoutPayer(count: Self.count, from: senders, random: &random)
        }
        let isDone = world.run(seconds: UInt64(Self.count) + 6_000)
        try #require(world.problems == [], "seed \(seed)")
        try #require(isDone, "seed \(seed): \(world.manager.openIntents) payouts did not end")
        let chain = world.chain
        var paid: [EVMAddress: Int] = [:]
        for mined in chain.blocks.flatMap(\.mined) where mined.succeeded {
            if let to = mined.transaction.draft.to { paid[to, default: 0] += 1 }
        }
        var total: UInt128 = 0
        for payout in world.payer.payouts {
            let to = payout.intent.to
            let isSettled =
                if case .settled? = world.payer.outcomes[payout.intent.id] { true } else { false }
            if !payout.isCalledOff {
                let isImpossible = payout.isReverting || payout.isPoison || payout.isForbidden
                #expect(isSettled == !isImpossible, "seed \(seed)")
            }
            if payout.isForbidden, !payout.isCalledOff {
                let outcome = world.payer.outcomes[payout.intent.id]
                #expect(outcome == .failed(.declined("forbidden")), "seed \(seed)")
            }
            #expect(paid[to] ?? 0 == (isSettled ? 1 : 0), "seed \(seed): \(to.hex)")
            #expect(chain.balance(to) == (isSettled ? payout.intent.value : 0), "seed \(seed)")
            total += chain.balance(to)
        }
        // Not a unit is lost or made.
        let kept = chain.senders.reduce(UInt128(0)) { $0 + chain.balance($1) }
        #expect(kept + total + chain.feesPaid == chain.funded, "seed \(seed)")
        // And the manager knows whatever the chain charged.
        let charged = world.manager.charges(after: EVMChargeMark()).found.reduce(UInt128(0)) {
            $0 + $1.cost
        }
        #expect(charged == chain.feesPaid, "seed \(seed)")
        #expect(world.fillers > 0 && world.crashes > 0 && chain.reorganisations > 0)
        print(
            "seed \(seed): \(Self.count) payouts, \(chain.head) blocks,",
            "\(chain.reorganisations) reorganisations, \(world.crashes) crashes,",
            "\(world.replacements) signatures, \(world.fillers) empty ones")
    }
}
