import Chains
import Cryptography
import Foundation
import Primitives
import Synchronization
import Testing

/// Parties and channels that tests of channels have in common.
enum ChannelWorld {
    static func key(_ label: String) throws -> Secp256k1.PrivateKey {
        try #require(Secp256k1.PrivateKey(SHA256.hash(Array(label.utf8)).bytes))
    }

    static func seed(_ label: String) -> Digest { SHA256.hash(Array(label.utf8)) }

    /// A channel of `payer <number>` that pays `receiver`, for whom `authorizer` claims.
    static func batch(
        _ number: Int, chainID: UInt64 = 31_337,
        contract: EVMAddress = BatchChannel.standardContract
    ) throws -> BatchChannel {
        try BatchChannel(
            BatchChannel.Config(
                payer: try key("payer \(number)").address,
                receiver: try key("receiver").address,
                receiverAuthorizer: try key("authorizer").address,
                token: try key("token").address, withdrawDelay: 900, salt: seed("salt \(number)")),
            chainID: chainID, contract: contract)
    }

    /// A channel of `payer <number>` that pays `payee`.
    static func payment(
        _ number: Int, program: SolanaAddress = PaymentChannel.standardProgram
    ) throws -> PaymentChannel {
        try PaymentChannel(
            PaymentChannel.Terms(
                payer: try SVMNode.owner("payer \(number)"), payee: try SVMNode.owner("payee"),
                mint: SolanaAddress(seed("mint")), salt: UInt64(number), openSlot: 435_888_000,
                gracePeriod: 900), program: program)
    }

    static func open(
        _ deposit: UInt128, claimed: UInt128 = 0, height: UInt64 = 1
    ) -> ChannelSighting {
        ChannelSighting(deposit: deposit, claimed: claimed, phase: .open, height: height)
    }
}

extension Timestamp {
    static func at(_ second: Int64) -> Timestamp { Timestamp(seconds: UInt64(second)) }
}

/// What a store or manager wrote down, until it is told to fail.
final class ChannelDesk: Sendable {
    struct Full: Error {}
    private struct State {
        var records: [[UInt8]] = []
        var alerts: [ChannelAlert] = []
        var failsAt = Int.max
    }

    private let state = Mutex(State())

    var records: [[UInt8]] { state.withLock { $0.records } }
    var alerts: [ChannelAlert] { state.withLock { $0.alerts } }
    func fail(at count: Int) { state.withLock { $0.failsAt = count } }

    func write(_ records: [[UInt8]]) throws {
        try state.withLock { state throws(Full) in
            if state.records.count >= state.failsAt { throw Full() }
            state.records += records
        }
    }

    var hooks: VoucherStoreHooks {
        VoucherStoreHooks(
            durable: { try self.write($0) },
            alert: { alert in self.state.withLock { $0.alerts.append(alert) } })
    }

    /// A store that goes on from what is written here.
    func store(_ policy: VoucherPolicy = VoucherPolicy()) throws -> VoucherStore {
        try VoucherStore(
            policy: policy, records: records, hooks: hooks,
            clock: { Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1e9)) },
            tick: .milliseconds(50))
    }
}

/// Runs a store while a test works with it.
func running(
    _ store: VoucherStore, _ work: @Sendable () async throws -> Void
) async throws {
    let task = Task { try await store.run() }
    defer { task.cancel() }
    try await work()
}
