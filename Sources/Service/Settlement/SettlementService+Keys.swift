import Chains
import Cryptography
import Logging
public import Primitives

/// The account that settles: what it may do on the contract, and those that did it before.
extension SettlementService {
    /// An account of before that still has transactions under way.
    public struct Retiring: Hashable, Sendable {
        /// The account.
        public let address: EVMAddress
        /// Its transactions that are not final.
        public let open: Int
    }

    /// The accounts of before that still have something under way.
    public var retiring: [Retiring] {
        driver.lanes.filter { $0.address != key }.map {
            Retiring(address: $0.address, open: $0.open)
        }
    }

    /// Throws if the account may do more on the contract than settle and slash, unless that is
    /// allowed: who steals it from a machine that is online then has the rest too. Says so if it
    /// may do less, or if an account of before has transactions that nobody here can sign anew.
    func checkKeys(allowsAnyRoles: Bool) async throws(HouseError) {
        let account = key
        let roles: UInt64
        let isOwner: Bool
        do throws(ChainError) {
            roles = try await nodes.agreed { [contract, artifact] node throws(ChainError) in
                try await SettlementContract(chain: node, address: contract, artifact: artifact)
                    .roles(of: account)
            }
            isOwner =
                try await nodes.agreed { [contract, artifact] node throws(ChainError) in
                    try await SettlementContract(chain: node, address: contract, artifact: artifact)
                        .owner()
                } == account
        } catch {
            throw HouseError(.network, "the contract does not say who has which roles: \(error)")
        }
        // Settler and slasher are the two lowest bits.
        let powers = (isOwner ? ["owner"] : []) + SettlementContract.roleNames(roles & ~3)
        if !powers.isEmpty {
            let text =
                "the key of \(account.checksummed) is also \(powers.joined(separator: ", ")) on the "
                + "contract, and a house needs settler and slasher only"
            guard allowsAnyRoles else {
                throw HouseError(
                    .configuration,
                    text + ": give it a key of its own (docs/operating/keys.md), or --any-roles")
            }
            log.warning("\(text)")
        }
        let missing = SettlementContract.roleNames(~roles & 3)
        if !missing.isEmpty {
            let list = missing.joined(separator: " and ")
            log.error(
                "the key lacks roles on the contract: what it sends is refused until it has them",
                metadata: ["key": "\(account.checksummed)", "lacks": "\(list)"])
        }
        for old in retiring where old.open > 0 {
            let note: Logger.Message =
                driver.hasSigner(of: old.address)
                ? "a key of before ends what it began"
                : "a key of before has transactions under way and is not here to replace them"
            log.notice(
                note, metadata: ["key": "\(old.address.checksummed)", "open": "\(old.open)"])
        }
    }
}
