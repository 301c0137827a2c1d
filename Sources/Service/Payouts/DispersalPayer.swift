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
        return TokenHoldings(asset: asset, values: values)
    }
}

/// What an account holds of a token, and lets the contract take.
struct TokenHoldings: Sendable {
    let asset: Asset
    let balance: UInt128
    let allowance: UInt128

    fileprivate init(asset: Asset, values: [ABIValue]) {
        self.asset = asset
        func number(_ place: Int) -> UInt128 {
            guard place < values.count else { return 0 }
            // More than 128 bits are as good as all.
            return (try? values[place].uint128("amount")) ?? .max
        }
        balance = number(0)
        allowance = number(1)
    }

    /// What can be sent: chain units.
    var units: UInt128 { min(balance, allowance) }

    /// The same in the ledger's units, at most 2^120.
    var amount: Amount {
        min(asset.amount(chainUnits: min(units, 1 << 100)) ?? .zero, Amount(1 << 120))
    }

    /// Whether the contract may take as much as there will ever be.
    var isApproved: Bool { allowance >= 1 << 120 }
}
