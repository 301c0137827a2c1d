import Chains
import Cryptography
import Primitives
import Synchronization
import Testing

/// Claims that make themselves, on a chain whose node loses answers.
@Suite(.serialized, .house, .timeLimit(.minutes(10))) struct AutoClaimerTests {
    /// The file of the transaction under way.
    private final class Slip: Sendable {
        private let kept = Mutex<SignedTransaction?>(nil)
        private let isBroken: Bool

        init(isBroken: Bool = false) { self.isBroken = isBroken }

        var transaction: SignedTransaction? { kept.withLock { $0 } }

        func keep(_ transaction: SignedTransaction?) throws {
            if isBroken { throw RPCError.malformed("disk full") }
            kept.withLock { $0 = transaction }
        }
    }

    private let house: House
    private let payee: EVMSender
    private let leaves: [ClaimLeaf]

    /// A root that owes the payee 20 dollars.
    init() async throws {
        house = try #require(House.current)
        try await house.node.calm()
        payee = EVMSender(chain: house.node.chain(), key: try house.node.freshKey())
        let amount = 20 * House.million
        let guest = try await house.guest()
        try settled(await house.vault.deposit(amount, from: guest))
        let batch = try await house.vault.batch() + 1
        let before = try await house.vault.committedTotal(token: house.usd.address)
        let claim = Claim(
            chainID: EVMNode.chainID, contract: house.vault.address, token: house.usd.address,
            account: payee.address, cumulative: amount)
        try settled(
            await house.vault.carryOut(
                .commitRoot(
                    batch: batch, root: claim.leaf, totalUSD: before + amount, totalTLY: 0,
                    journalHead: .zero, liabilities: .zero), from: house.owner))
        leaves = [
            ClaimLeaf(
                asset: .usd, token: claim.token, account: payee.address, cumulative: amount,
                proof: [])
        ]
    }

    private func claimer(_ slip: Slip, coin: String = "1") -> AutoClaimer {
        let price = Asset.usd.parse(coin) ?? .zero
        return AutoClaimer(
            settlement: house.vault, sender: payee,
            policy: ClaimPolicy(multiple: 10, coinPrice: price), pending: slip.transaction,
            patience: .milliseconds(300), remember: { try slip.keep($0) })
    }

    private func sent() async throws -> UInt64 {
        try await payee.chain.transactionCount(of: payee.address)
    }

    private var paid: UInt128 {
        get async throws { try await house.usd.balance(of: payee.address) }
    }

    @Test func aClaimIsMadeWhenItIsWorthItAndOnce() async throws {
        let slip = Slip()
        // With a coin at a hundred million dollars the gas is more than a tenth of it.
        guard
            case .notWorth(let value, let cost) = try await claimer(slip, coin: "100000000")
                .step(leaves)
        else {
            Issue.record("gas was paid for nothing")
            return
        }
        #expect(value == Asset.usd.parse("20") && cost > .zero)
        let first = claimer(slip)
        guard case .claimed(_, let sums) = try await first.step(leaves) else {
            Issue.record("nothing was claimed")
            return
        }
        #expect(sums[.usd] == Asset.usd.parse("20") && slip.transaction == nil)
        #expect(try await paid == 20 * House.million)
        #expect(try await first.step(leaves) == .nothing)
        #expect(try await claimer(slip).step([]) == .nothing)
        #expect(try await sent() == 1)
    }

    /// The answer is lost and the process ends: the next one goes on with what was under way.
    @Test(arguments: [true, false]) func anUnknownOutcomeIsWaitedFor(isMined: Bool) async throws {
        let slip = Slip()
        try await house.node.automine(false)
        try await house.node.fault("eth_sendRawTransaction", .lost)
        guard case .unknown(let hash) = try await claimer(slip).step(leaves) else {
            Issue.record("an unknown outcome was called something else")
            return
        }
        #expect(slip.transaction?.hash == hash)
        // Nothing else is sent, however often it is looked, by whichever process.
        for _ in 0..<3 {
            #expect(try await claimer(slip).step(leaves) == .unknown(hash))
        }
        if isMined {
            try await house.node.mine()
        } else {
            try await house.node.automine(true)
            try await house.node.mine()
        }
        guard case .claimed(let receipt, _) = try await claimer(slip).step(leaves) else {
            Issue.record("the claim is not known to be carried out")
            return
        }
        #expect(receipt.transaction == hash && slip.transaction == nil)
        #expect(try await claimer(slip).step(leaves) == .nothing)
        #expect(try await paid == 20 * House.million)
        #expect(try await sent() == 1)
    }

    @Test func whatCannotBeWrittenDownIsNotSent() async throws {
        let step = try await claimer(Slip(isBroken: true)).step(leaves)
        guard case .failed(.notSent) = step else {
            Issue.record("\(step)")
            return
        }
        #expect(try await sent() == 0)
    }
}
