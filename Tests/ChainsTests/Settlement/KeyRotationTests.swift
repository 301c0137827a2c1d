import Chains
import Cryptography
import Foundation
import Primitives
import Synchronization
import Testing
import Transport

/// A house changes its settlement key on a real chain (py-evm), with slashes under way: none is
/// lost and none is carried out twice.
@Suite(.serialized, .house, .timeLimit(.minutes(10)))
struct KeyRotationTests {
    private let house: House
    private let node: EVMNode
    private let desk = RotationDesk()
    private let old: Secp256k1.PrivateKey
    private let new: Secp256k1.PrivateKey

    init() async throws {
        house = try #require(House.current)
        node = house.node
        old = try node.freshKey()
        new = try node.freshKey()
        try await node.calm()
        for key in [old, new] { try await set(roles: 3, of: key, "grantRoles") }
    }

    private func set(roles: UInt64, of key: Secp256k1.PrivateKey, _ function: String) async throws {
        try settled(
            await house.vault.contract.send(
                function, [.address(key.address), .uint(UInt128(roles))], from: house.owner))
    }

    private func slashes(of provider: EVMAddress, _ count: Int) -> [SettlementOrder] {
        (0..<count).map { number in
            .slash(
                provider: provider, amount: House.million, burned: 0,
                verdict: Keccak256.hash(provider.bytes + [UInt8(number)]))
        }
    }

    private func bondedProvider() async throws -> EVMAddress {
        let provider = try await house.guest()
        try settled(await house.vault.bond(100 * House.million, from: provider))
        return provider.address
    }

    private func driver(
        _ keys: [any EVMSigner], retiring: [any EVMSigner] = []
    ) throws -> EVMManagerDriver {
        var policy = EVMManagerPolicy(chainID: EVMNode.chainID)
        policy.finalDepth = 3
        policy.inFlight = 4
        policy.pollInterval = .milliseconds(20)
        policy.rebroadcastAfter = .milliseconds(100)
        policy.retryAfter = .milliseconds(200)
        return try EVMManagerDriver(
            nodes: [node.chain()], quorum: Quorum(needed: 1), policy: policy, keys: keys,
            retiring: retiring, records: desk.records.withLock { $0 },
            hooks: EVMManagerHooks(
                durable: { [desk] made in desk.records.withLock { $0 += made } },
                report: { _, _ in true },
                alert: { [desk] alert in desk.alerts.withLock { $0.append(alert) } }),
            clock: { Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1e9)) },
            tick: .milliseconds(40))
    }

    /// Hands orders over as the house does, in the name of one key, until a condition holds;
    /// whether each is done.
    private func run(
        _ driver: EVMManagerDriver, _ orders: [SettlementOrder], as key: Secp256k1.PrivateKey,
        mining: Bool, until isDone: (_ done: Int) async throws -> Bool
    ) async throws {
        var book = SettlementOrders(
            contract: house.vault.address, artifact: house.vault.contract.artifact,
            sender: key.address, feeLimit: 1_000_000_000_000_000_000)
        let running = Task { try await driver.run() }
        defer { running.cancel() }
        var done = 0
        while try await !isDone(done) {
            done = 0
            book.retryNow()
            for order in orders {
                let step = book.step(of: order.key, at: Timestamp(seconds: 1)) {
                    driver.status(of: $0)
                }
                switch step {
                case .submit(let id): try await driver.submit(try book.intent(id, for: order))
                case .done: done += 1
                case .withoutBond: Issue.record("\(order.key.hex) found no bond")
                case .wait, .refused: break
                }
            }
            if mining { try await node.mine() }
            try await Task.sleep(for: .milliseconds(20))
        }
        running.cancel()
        _ = await running.result
    }

    private func sent(by key: Secp256k1.PrivateKey, pending: Bool = false) async throws -> UInt64 {
        try await node.chain().transactionCount(of: key.address, pending: pending)
    }

    private func check(_ orders: [SettlementOrder], of provider: EVMAddress) async throws {
        for order in orders { #expect(try await house.vault.isVerdictUsed(order.key)) }
        #expect(
            try await house.vault.slashable(provider)
                == UInt128(100 - orders.count) * House.million)
    }

    @Test func theOldKeyEndsWhatItBeganAndTheNewOneTakesTheRest() async throws {
        let provider = try await bondedProvider()
        let orders = slashes(of: provider, 10)
        try await node.automine(false)
        try await run(try driver([old]), orders, as: old, mining: false) { _ in
            try await sent(by: old, pending: true) == 4
        }
        try await node.automine(true)
        let second = try driver([new], retiring: [old])
        try await run(second, orders, as: new, mining: true) { $0 == 10 }
        try await check(orders, of: provider)
        #expect(try await sent(by: old) == 4)
        #expect(try await sent(by: new) == 6)
        #expect(second.lanes.map(\.address) == [new.address])
        #expect(desk.alerts.withLock { $0 }.contains(.laneDrained(old.address)))
        // It is no longer needed: the next start does without it, and nothing is sent again.
        try await run(try driver([new]), orders, as: new, mining: true) { $0 == 10 }
        #expect(try await sent(by: new) == 6)
    }

    @Test func aKeyThatIsGoneAndHasNoRolesAnyMoreHoldsNothingBack() async throws {
        let provider = try await bondedProvider()
        let orders = slashes(of: provider, 7)
        try await node.automine(false)
        let first = try driver([old])
        try await run(first, orders, as: old, mining: false) { _ in
            try await sent(by: old, pending: true) == 4
        }
        // Until none is left: one more may have been on its way to the node when the driver ended.
        while try await sent(by: old, pending: true) > 0 {
            for order in orders {
                guard case .inFlight(_, let sent) = first.status(of: order.key) else { continue }
                for hash in sent {
                    let _: String? = try await node.rpc.callOptional(
                        "anvil_dropTransaction", [.data(hash.bytes)])
                }
            }
            try await Task.sleep(for: .milliseconds(200))
        }
        // When it is sent again the contract undoes it, and it is the new key's then.
        try await node.automine(true)
        try await set(roles: 3, of: old, "revokeRoles")
        try await run(try driver([new]), orders, as: new, mining: true) { $0 == 7 }
        try await check(orders, of: provider)
        #expect(try await sent(by: old) == 4)
        #expect(try await sent(by: new) == 7)
    }

    @Test func aSignerThatIsSlowRefusesOrLiesDelaysAndChangesNothing() async throws {
        let provider = try await bondedProvider()
        let orders = slashes(of: provider, 5)
        let signer = MoodySigner(old)
        try await run(try driver([signer]), orders, as: old, mining: true) { $0 == 5 }
        try await check(orders, of: provider)
        #expect(try await sent(by: old) == 5)
        #expect(signer.asked > 5)
        let told = desk.alerts.withLock { $0 }.compactMap { alert -> SigningFailure? in
            if case .notSigned(old.address, _, let failure) = alert { failure } else { nil }
        }
        #expect(told.contains(.badAnswer))
    }

    /// A call that the policy lacks holds up nothing behind it, costs nothing while nothing else
    /// has begun, and is made when the policy has it.
    @Test func whatTheSignersPolicyRefusesHoldsNothingUp() async throws {
        let provider = try await bondedProvider()
        let orders = slashes(of: provider, 4)
        let beats = (1...2).map { SettlementOrder.heartbeat(last: $0) }
        let signer = PickySigner(old)
        let all = beats[..<1] + orders + beats[1...]
        let first = try driver([signer])
        try await run(first, Array(all), as: old, mining: true) { $0 == 4 }
        try await check(orders, of: provider)
        #expect(signer.refusals > 0)
        let told = try await sent(by: old)
        #expect(told >= 4)
        let refusal = EVMIntentFailure.declined("\(PickySigner.refusal)")
        #expect(first.status(of: beats[0].key) == .closed(.failed(refusal)))
        #expect(!first.isUnsigned)
        signer.allow()
        // The log of then is read again, and what was refused is made.
        let second = try driver([signer])
        try await run(second, Array(all), as: old, mining: true) { $0 == 6 }
        let charged = second.charges(after: EVMChargeMark()).found
        #expect(charged.count == Int(try await sent(by: old)))
        #expect(try await sent(by: old) == told + 2)
    }
}

/// What the drivers wrote down and told.
private final class RotationDesk: Sendable {
    let records = Mutex<[[UInt8]]>([])
    let alerts = Mutex<[EVMManagerAlert]>([])
}

/// A key that signs the third time it is asked for a transaction: first it says nothing for long,
/// then no, or something else.
private final class MoodySigner: EVMSigner {
    private let key: Secp256k1.PrivateKey
    private let times = Mutex<[Digest: Int]>([:])

    var address: EVMAddress { key.address }
    var asked: Int { times.withLock { $0.values.reduce(0, +) } }

    init(_ key: Secp256k1.PrivateKey) { self.key = key }

    func signature(
        of transaction: EVMTransaction
    ) async throws(SigningFailure) -> RecoverableSignature {
        let hash = transaction.signingHash
        let time = times.withLock { times in
            times[hash, default: 0] += 1
            return times[hash] ?? 0
        }
        switch time {
        case 1:
            // It signs, but the answer comes after it was asked again.
            try? await Task.sleep(for: .milliseconds(700))
            return key.sign(hash)
        case 2 where transaction.nonce.isMultiple(of: 2):
            throw .refused(SignerRefusal(.notDurable, "later"))
        case 2: return key.sign(.zero)
        default: return key.sign(hash)
        }
    }
}

/// A key whose signer does not give signs of life.
private final class PickySigner: EVMSigner {
    static let refusal = SignerRefusal(.function, "heartbeat() is not in the policy")
    private let key: Secp256k1.PrivateKey
    private let state = Mutex((isOpen: false, refusals: 0))

    var address: EVMAddress { key.address }
    var refusals: Int { state.withLock { $0.refusals } }

    init(_ key: Secp256k1.PrivateKey) { self.key = key }

    func allow() { state.withLock { $0.isOpen = true } }

    func signature(
        of transaction: EVMTransaction
    ) async throws(SigningFailure) -> RecoverableSignature {
        let selector = Keccak256.hash(Array("heartbeat()".utf8)).bytes[..<4]
        let isRefused = state.withLock { state in
            guard transaction.data.elementsEqual(selector), !state.isOpen else { return false }
            state.refusals += 1
            return true
        }
        if isRefused { throw .refused(Self.refusal) }
        return key.sign(transaction.signingHash)
    }
}
