import Chains
import Clearing
import Cryptography
import Foundation
import Primitives

/// Whose tokens the house sends on the EVM chain: the account of its settlement key.
struct DispersalPayer: Sendable {
    let options: HouseConfiguration.Payouts
    let account: EVMAddress
    let token: ContractArtifact
    /// What the names of dispersals are made of.
    let name: Digest

    /// The payer of a house that settles by plan, which `folder` of interfaces is enough for.
    init(
        _ options: HouseConfiguration.Payouts, account: EVMAddress, folder: String, house: [UInt8]
    ) throws(HouseError) {
        self.options = options
        self.account = account
        name = SHA256.hash(Array("exchequer dispersals".utf8) + house)
        do throws(ABIError) {
            token = try ContractArtifact(contentsOf: URL(fileURLWithPath: "\(folder)/Token.json"))
        } catch {
            throw HouseError(
                .configuration, "\(folder) has no interface of the tokens: \(error)")
        }
    }

    /// What of a token the account holds and the contract may take, as enough nodes agree.
    func holdings(
        of asset: Asset, at address: EVMAddress, spender: EVMAddress, _ nodes: EVMNodes
    ) async throws(ChainError) -> TokenHoldings {
        let (account, token) = (account, token)
        let values = try await nodes.agreed { node throws(ChainError) in
            let contract = Contract(chain: node, address: address, artifact: token)
            return try await contract.read("balanceOf", [.address(account)])
                + contract.read("allowance", [.address(account), .address(spender)])
        }
        return TokenHoldings(asset: asset, values: values[...])
    }

    /// How many transactions of the account are in the chain by a block, and what it held then, as
    /// enough nodes agree.
    func account(
        at height: UInt64, usd: EVMAddress, tly: EVMAddress, _ spender: EVMAddress,
        _ nodes: EVMNodes
    ) async throws(ChainError) -> PayerAccount {
        let (account, token) = (account, token)
        return try await nodes.agreed { node throws(ChainError) in
            let before = try await node.block(height)?.hash
            let nonce = try await node.transactionCount(of: account, at: height)
            var values: [ABIValue] = []
            for address in [usd, tly] {
                let contract = Contract(chain: node, address: address, artifact: token)
                values += try await contract.read("balanceOf", [.address(account)], at: height)
                values += try await contract.read(
                    "allowance", [.address(account), .address(spender)], at: height)
            }
            guard let before, values.count == 4, try await node.block(height)?.hash == before
            else {
                throw .inconsistentNode("block \(height) changed while it was looked at")
            }
            return PayerAccount(
                nonce: nonce, usd: TokenHoldings(asset: .usd, values: values[..<2]),
                tly: TokenHoldings(asset: .tly, values: values[2...]))
        }
    }
}

/// The account that pays, at one block.
struct PayerAccount: Hashable, Sendable {
    /// How many of its transactions are in the chain.
    let nonce: UInt64
    let usd: TokenHoldings
    let tly: TokenHoldings
}

/// What an account holds of a token, and lets the contract take.
struct TokenHoldings: Hashable, Sendable {
    let asset: Asset
    let balance: UInt128
    let allowance: UInt128

    fileprivate init(asset: Asset, values: ArraySlice<ABIValue>) {
        self.asset = asset
        func number(_ value: ABIValue?) -> UInt128 {
            guard let value else { return 0 }
            // More than 128 bits are as good as all.
            return (try? value.uint128("amount")) ?? .max
        }
        balance = number(values.first)
        allowance = number(values.dropFirst().first)
    }

    /// What can be sent: chain units.
    var units: UInt128 { min(balance, allowance) }

    /// The same in the ledger's units, with what was taken of it already; at most 2^120.
    func amount(with taken: UInt128) -> Amount {
        let sum = min(units.saturatingSum(taken), 1 << 100)
        return min(asset.amount(chainUnits: sum) ?? .zero, Amount(1 << 120))
    }

    /// Whether there is something worth sending that the contract may not take.
    func wantsLeave(_ minimum: AssetSums) -> Bool {
        let held = asset.amount(chainUnits: min(balance, 1 << 100)) ?? .zero
        return allowance < balance && !isApproved && held >= minimum[asset]
    }

    /// Whether the contract may take as much as there will ever be.
    var isApproved: Bool { allowance >= 1 << 120 }
}
