import Chains
import Cryptography
import Primitives
import Testing

/// One payment of the simulation and what may happen to it.
struct Payout {
    let intent: EVMIntent
    /// Whether somebody wants to call it off at some time.
    let isCalledOff: Bool

    /// Data that every pool refuses.
    static let poison: [UInt8] = [0xBA, 0xD0]
    /// Data that the signer's policy refuses.
    static let forbidden: [UInt8] = [0xF0, 0x0B]

    var isReverting: Bool { intent.to.bytes[0] == 0xEE }
    var isPoison: Bool { intent.data == Payout.poison }
    var isForbidden: Bool { intent.data == Payout.forbidden }
}

/// Somebody with many payouts to make, who submits some of them twice and calls some off.
struct PayoutPayer: WorldPayer {
    let payouts: [Payout]
    /// What was written down of each payout.
    private(set) var outcomes: [Digest: EVMIntentOutcome] = [:]
    private var submitted = 0
    private var fresh = 0
    private var repeats: [EVMManagerInput] = []
    private var random: SplitMix64

    var vault: SimulatedVault? { nil }

    init(count: Int, from senders: [EVMAddress], random: inout SplitMix64) {
        payouts = (0..<count).map { Self.payout($0, from: senders, random: &random) }
        self.random = SplitMix64(seed: random.next())
    }

    private static func payout(
        _ number: Int, from senders: [EVMAddress], random: inout SplitMix64
    ) -> Payout {
        var payee = [UInt8](repeating: 0x11, count: 20)
        for place in 0..<4 { payee[19 - place] = UInt8(truncatingIfNeeded: number >> (8 * place)) }
        let kind = random.next() % 200
        if kind == 0 { payee[0] = 0xEE }
        let id = Digest(words: (random.next(), random.next(), 0, UInt64(number)))
        let intent = EVMIntent(
            id: id, from: senders[Int(random.next() % UInt64(senders.count))],
            to: EVMAddress(payee) ?? .zero, value: UInt128(random.next() % 1_000_000_000_000) + 1,
            data: kind == 1 ? Payout.poison : kind == 3 ? Payout.forbidden : [],
            gasLimit: kind < 20 ? 0 : 30_000,
            // Some may only pay little, and wait for quiet times.
            feeLimit: kind < 30 ? 600_000_000_000_000 : 3_000_000_000_000_000)
        return Payout(intent: intent, isCalledOff: kind == 2)
    }

    mutating func secondBegins(_ chain: inout SimulatedChain) {
        fresh = 120
        repeats = []
        for _ in 0..<3 where submitted > 0 {
            // The same again changes nothing; the same id with another amount is refused.
            let payout = payouts[Int(random.next() % UInt64(submitted))]
            repeats.append(.submit(payout.intent))
            if payout.isCalledOff { repeats.append(.cancel(payout.intent.id)) }
        }
    }

    mutating func nextInput(_ manager: EVMManager, now: UInt64) -> EVMManagerInput? {
        guard fresh > 0, submitted < payouts.count else { return repeats.popLast() }
        fresh -= 1
        return .submit(payouts[submitted].intent)
    }

    mutating func taken(_ input: EVMManagerInput) {
        guard submitted < payouts.count, case .submit(let intent) = input else { return }
        if intent.id == payouts[submitted].intent.id { submitted += 1 }
    }

    mutating func restarted() {}

    mutating func estimate(_ intent: EVMIntent, _ chain: SimulatedChain) -> EVMManagerInput {
        if intent.to.bytes[0] == 0xEE, random.next() % 2 == 0 {
            return .estimateReverted(intent.id, "no")
        }
        return .estimated(intent.id, gas: 21_000)
    }

    mutating func note(_ id: Digest, _ outcome: EVMIntentOutcome) -> String? {
        guard outcome != .unknown else { return nil }
        let old = outcomes.updateValue(outcome, forKey: id)
        guard let old, old != outcome else { return nil }
        return "\(id) ended twice: \(old), then \(outcome)"
    }

    func isDone(_ manager: EVMManager) -> Bool {
        submitted == payouts.count && manager.openIntents == 0 && outcomes.count == payouts.count
            && manager.laneStatuses.allSatisfy { $0.open == 0 }
    }
}
