import Chains
import Foundation
import Primitives
import Testing

/// The house's settlement over misbehaving nodes, with reorganisations and crashes: every payee can
/// claim exactly what it is owed, every verdict is executed once. `EXCHEQUER_CHAOS=N` runs N
/// payouts, `EXCHEQUER_CHAOS_SEED` with a seed of its own.
@Suite struct SettlementChaosTests {
    private static let depth = 7

    private static let seeds: [UInt64] = {
        let given = ProcessInfo.processInfo.environment["EXCHEQUER_CHAOS_SEED"]
        return given.flatMap(UInt64.init).map { [$0] } ?? [11, 12]
    }()

    private static let count: Int = {
        let given = ProcessInfo.processInfo.environment["EXCHEQUER_CHAOS"]
        return given.flatMap(Int.init) ?? 10_000
    }()

    private func world(
        payouts: Int, perBatch: Int, seed: UInt64, weather: WorldWeather
    ) throws -> ManagerWorld<HousePayer> {
        let artifact = try Project.artifact("Exchequer")
        return try ManagerWorld(lanes: 1, size: payouts / 10, seed: seed, weather: weather) {
            senders, random in
            try HousePayer(
                payouts: payouts, perBatch: perBatch, from: senders[0], depth: Self.depth,
                artifact: artifact, random: &random)
        }
    }

    /// What must be so at the end, whatever happened.
    private func check(_ world: ManagerWorld<HousePayer>, _ name: String) throws {
        let house = world.payer
        var vault = try #require(world.chain.vault)
        // Each root was committed once, in order.
        #expect(vault.roots == house.batches.map(\.root), "\(name)")
        #expect(vault.root == house.batches.last?.root, "\(name)")
        // Whatever was claimed on the way, in the end everyone has been paid what it is owed.
        let last = try #require(house.batches.last)
        #expect(last.cumulative == house.owed, "\(name)")
        for (payee, amount) in vault.claimed {
            #expect(amount <= house.owed[payee] ?? 0, "\(name)")
        }
        for (payee, amount) in last.cumulative { vault.claim(payee, cumulative: amount) }
        #expect(vault.claimed == house.owed, "\(name)")
        // Each verdict was executed once or written off for want of a bond, never both.
        let settled = house.slashes.filter(\.isSettled)
        #expect(Set(settled.map(\.order.key)) == vault.usedVerdicts, "\(name)")
        #expect(vault.slashed == UInt128(settled.count) * 700, "\(name)")
        for (number, slash) in house.slashes.enumerated() {
            guard case .slash(let provider, _, _, _) = slash.order else { continue }
            let hasBond = SimulatedVault.bond(of: provider) > 0
            #expect(slash.isWrittenOff == !hasBond, "\(name): slash \(number)")
            #expect(slash.isSettled != slash.isWrittenOff, "\(name): slash \(number)")
        }
    }

    @Test(arguments: seeds)
    func everyPayeeGetsItsDueOverMisbehavingNodes(seed: UInt64) throws {
        var world = try world(
            payouts: Self.count, perBatch: 100, seed: seed, weather: .foul(onceIn: 20))
        let isDone = world.run(seconds: UInt64(Self.count) * 4 + 6_000)
        try #require(world.problems == [], "seed \(seed)")
        try #require(isDone, "seed \(seed): it does not end")
        try check(world, "seed \(seed)")
        #expect(world.crashes > 0 && world.chain.reorganisations > 0)
        print(
            "seed \(seed): \(Self.count) payouts in \(world.payer.batches.count) roots,",
            "\(world.payer.slashes.count) slashes, \(world.chain.head) blocks,",
            "\(world.chain.reorganisations) reorganisations, \(world.crashes) crashes,",
            "\(world.payer.retries) orders tried again")
    }

    /// Between deciding, writing down, sending and being told: at every step there is.
    @Test func theProcessMayEndAtEveryStep() throws {
        var step = 0
        var total = Int.max
        while step <= total {
            step += 1
            var world = try world(
                payouts: 40, perBatch: 20, seed: 7, weather: .crash(atStep: step))
            let isDone = world.run(seconds: 600)
            try #require(world.problems == [] && isDone, "step \(step)")
            try check(world, "step \(step)")
            let sent = world.payer.batches.count + world.payer.slashes.count(where: \.isSettled)
            #expect(world.chain.counts == [UInt64(sent)], "step \(step)")
            if world.crashes == 0 { break }
            total = world.steps + 1
        }
        #expect(step > 100)
        print("a crash at each of \(step - 1) steps")
    }
}
