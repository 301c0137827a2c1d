import Chains
import Cryptography
import Foundation
import Primitives
import Synchronization
import Testing

/// The settlement of a house in small: orders, the manager's driver and a log of records that can
/// fail as the process may end. What is in `records` is all that a new process knows.
final class SettlementRun: Sendable {
    /// When the log fails: at the write of this number, with the records lost or kept.
    struct Crash: Sendable, CustomTestStringConvertible {
        let write: Int
        let keepsRecords: Bool
        var testDescription: String { "write \(write), \(keepsRecords ? "kept" : "lost")" }
    }

    private struct State {
        var records: [[UInt8]] = []
        var writes = 0
        var crash: Crash?
        var orders: SettlementOrders
    }
    struct Ended: Error {}

    private let house: House
    private let key: Secp256k1.PrivateKey
    private let nodes: EVMNodes
    private let depth: UInt64
    private let state: Mutex<State>

    /// Settlement over these nodes, in which a transaction of `depth` blocks is final.
    init(_ house: House, nodes: EVMNodes, depth: UInt64) throws {
        self.house = house
        key = try #require(house.node.key(of: house.owner.address))
        self.nodes = nodes
        self.depth = depth
        state = Mutex(State(orders: try Self.orders(house, key)))
    }

    private static func orders(
        _ house: House, _ key: Secp256k1.PrivateKey
    ) throws -> SettlementOrders {
        SettlementOrders(
            contract: house.vault.address, artifact: house.vault.contract.artifact,
            sender: key.address, feeLimit: 1_000_000_000_000_000_000)
    }

    private func write(_ records: [[UInt8]]) throws(Ended) {
        try state.withLock { state throws(Ended) in
            state.writes += 1
            if let crash = state.crash, state.writes == crash.write {
                state.crash = nil
                if crash.keepsRecords { state.records += records }
                throw Ended()
            }
            state.records += records
        }
    }

    private func driver() throws -> EVMManagerDriver {
        var policy = EVMManagerPolicy(chainID: EVMNode.chainID)
        policy.finalDepth = depth
        policy.pollInterval = .milliseconds(20)
        policy.rebroadcastAfter = .milliseconds(100)
        policy.retryAfter = .milliseconds(300)
        return try EVMManagerDriver(
            nodes: nodes.all, quorum: nodes.quorum, policy: policy, keys: [key],
            records: state.withLock { $0.records },
            hooks: EVMManagerHooks(
                durable: { try self.write($0) }, report: { _, _ in true }, alert: { _ in }),
            clock: { Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1e9)) },
            tick: .milliseconds(40))
    }

    /// Carries orders out one after the other, as the house does, with a crash and a new process if
    /// one is asked for. Returns whether the crash came.
    func carryOut(_ list: [SettlementOrder], crash: Crash?) async throws -> Bool {
        state.withLock { state in
            state.writes = 0
            state.crash = crash
        }
        var driver = try driver()
        var running = Task { [driver] in try await driver.run() }
        defer { running.cancel() }
        for order in list {
            while true {
                do throws(EVMManagerDriverError) {
                    if try await step(order, driver) { break }
                } catch {
                    _ = await running.result
                    let orders = try Self.orders(house, key)
                    state.withLock { $0.orders = orders }
                    driver = try self.driver()
                    running = Task { [driver] in try await driver.run() }
                }
                try await house.node.mine()
                try await Task.sleep(for: .milliseconds(5))
            }
        }
        running.cancel()
        _ = await running.result
        return state.withLock { $0.crash == nil }
    }

    /// One look of the house; whether the order is carried out.
    private func step(
        _ order: SettlementOrder, _ driver: EVMManagerDriver
    ) async throws(EVMManagerDriverError) -> Bool {
        let step = state.withLock { state in
            state.orders.step(of: order.key, at: Timestamp(seconds: 1)) { driver.status(of: $0) }
        }
        switch step {
        case .done: return true
        case .submit(let id):
            let intent = state.withLock { try? $0.orders.intent(id, for: order) }
            if let intent { try await driver.submit(intent) }
        case .wait:
            // A driver that has stopped says so to whoever asks it for something.
            _ = try await driver.state()
        case .refused(let failure): Issue.record("\(order) was refused: \(failure)")
        case .withoutBond: Issue.record("\(order) found no bond")
        }
        return false
    }
}
