public import Primitives

/// What the settlement contract logs of its roles, its owner and its pauses. Nothing of it is in
/// the books; a person should know of it, since who has stolen a key begins with these. Roles are
/// the bits of `SettlementContract.roles`.
public enum AdministrationEvent: Hashable, Sendable {
    /// An account's roles change at a moment in Unix seconds, unless that is cancelled.
    case rolesScheduled(
        account: EVMAddress, granted: UInt64, revoked: UInt64, effectiveFrom: UInt64)
    /// An account has these roles now.
    case rolesChanged(account: EVMAddress, roles: UInt64)
    /// The contract is offered to another owner, who has to take it.
    case ownershipOffered(owner: EVMAddress, candidate: EVMAddress)
    /// The contract has another owner.
    case ownershipTransferred(from: EVMAddress, to: EVMAddress)
    /// The entries were closed.
    case paused(by: EVMAddress)
    /// The owner opened the entries again.
    case unpaused(by: EVMAddress)

    /// Their names in the contract.
    static let names = [
        "RolesScheduled", "RolesChanged", "OwnershipOffered", "OwnershipTransferred", "Paused",
        "Unpaused",
    ]

    /// The event of a contract's log; `nil` for another name.
    init?(name: String, values: [ABIValue]) throws(ABIError) {
        func account(_ place: Int) throws(ABIError) -> EVMAddress {
            try values[place].address(name)
        }
        func number(_ place: Int) throws(ABIError) -> UInt64 { try values[place].uint64(name) }
        switch (name, values.count) {
        case ("RolesScheduled", 4):
            self = .rolesScheduled(
                account: try account(0), granted: try number(1), revoked: try number(2),
                effectiveFrom: try number(3))
        case ("RolesChanged", 2):
            self = .rolesChanged(account: try account(0), roles: try number(1))
        case ("OwnershipOffered", 2):
            self = .ownershipOffered(owner: try account(0), candidate: try account(1))
        case ("OwnershipTransferred", 2):
            self = .ownershipTransferred(from: try account(0), to: try account(1))
        case ("Paused", 1): self = .paused(by: try account(0))
        case ("Unpaused", 1): self = .unpaused(by: try account(0))
        default: return nil
        }
    }
}
