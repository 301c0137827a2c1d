import Chains
import Cryptography
import Primitives
import Testing

/// A chain of its own with both tokens and the settlement contract on it.
struct House: Sendable {
    /// The house of the running suite; see the trait `.house`.
    @TaskLocal static var current: House?

    let node: EVMNode
    let usd: TokenContract
    let tly: TokenContract
    let vault: SettlementContract
    /// Where deposits, bonds and the reserve lie.
    let safe: EVMAddress
    /// Owner of the contract with every role, holder of both tokens.
    let owner: EVMSender

    static let unbondingDelay: UInt64 = 7 * 86_400
    static let million: UInt128 = 1_000_000

    static func build(
        on node: EVMNode, delays: SettlementDelays = SettlementDelays(unbonding: unbondingDelay)
    ) async throws -> House {
        let owner = EVMSender(chain: node.chain(), key: try node.freshKey())
        let token = try Project.artifact("Token")
        let usd = try await TokenContract.deploy(
            token, name: "USD Coin", symbol: "USDC", version: "2", decimals: 6,
            supply: million * million, from: owner)
        let tly = try await TokenContract.deploy(
            token, name: "Tally", symbol: "TLY", version: "1", decimals: 9,
            supply: million * million, from: owner)
        let vault = try await SettlementContract.deploy(
            try Project.artifact("Exchequer"), vault: try Project.artifact("Vault"),
            usd: usd.address, tly: tly.address, delays: delays, from: owner)
        return House(
            node: node, usd: usd, tly: tly, vault: vault, safe: try await vault.vault(),
            owner: owner)
    }

    /// Somebody with dollars on hand who lets the contract take them.
    func guest(dollars: UInt128 = 1_000) async throws -> EVMSender {
        let guest = EVMSender(chain: node.chain(), key: try node.freshKey())
        let amount = dollars * Self.million
        try settled(await usd.transfer(amount, to: guest.address, from: owner))
        try settled(await usd.approve(amount, for: vault.address, from: guest))
        return guest
    }
}

extension SettlementContract {
    /// Sends what an order says.
    func carryOut(_ order: SettlementOrder, from sender: EVMSender) async -> TransactionOutcome {
        do throws(ABIError) {
            let data = try order.callData(contract.artifact)
            return await sender.send(to: address, data: data)
        } catch {
            return .failed(.notSent(.abi(error)))
        }
    }
}

/// The receipt of a transaction that must be settled.
@discardableResult
func settled(_ outcome: TransactionOutcome) throws -> EVMReceipt {
    guard case .settled(let receipt) = outcome else { throw TransactionError(outcome) }
    return receipt
}

/// Starts a house for a suite and ends its node after the suite, whatever happened.
struct HouseTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?,
        performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let node = try await EVMNode.start()
        defer { node.stop() }
        let house = try await House.build(on: node)
        try await House.$current.withValue(house) { try await function() }
    }
}

extension Trait where Self == HouseTrait {
    /// The suite has a house of its own in `House.current`.
    static var house: HouseTrait { HouseTrait() }
}
