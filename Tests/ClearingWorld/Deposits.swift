public import Clearing
public import Primitives
import Testing

extension World {
    /// A transfer on Solana, named by a number; of party `owner`'s account there, by default.
    public static func transfer(
        _ number: UInt8, from owner: PartyID, _ units: UInt64, instruction: UInt32 = 0
    ) -> TokenTransfer {
        TokenTransfer(
            owner: solanaOwner(owner), units: units, slot: 100 + UInt64(number),
            transaction: signature(number), instruction: instruction)
    }

    /// A party's account on Solana.
    public static func solanaOwner(_ party: PartyID) -> Digest { digest(700 + party.rawValue) }

    /// The payer's address: whose claims are sold to depositors.
    public static var payerAddress: EVMAddress { address(UInt8(payer.rawValue)) }

    /// Gives a party so many chain units that are payable to it, by a deposit of its own.
    public mutating func owe(_ party: PartyID, units: UInt128) {
        observe(.deposited(account: World.address(UInt8(party.rawValue)), chainUnits: units))
        guard let amount = Asset.usd.amount(chainUnits: units) else { return }
        run(.withdraw(party, asset: .usd, amount: amount))
    }

    /// A command about deposits on Solana, sensible or senseless.
    public func depositCommand(_ random: inout SplitMix64) -> Command {
        let party = PartyID(1 + random.below(7))
        switch random.below(8) {
        case 0: return .registerDepositor(party, owner: World.solanaOwner(party))
        case 1:
            let other = PartyID(1 + random.below(4))
            return random.below(3) > 0
                ? .registerDepositor(party, owner: World.solanaOwner(other))
                : .removeDepositor(party, owner: World.solanaOwner(other))
        case 2:
            let payer = random.below(3) > 0 ? World.payer : party
            return .takeDeposits(payer: World.address(UInt8(payer.rawValue)))
        default:
            return .bookDeposit(
                World.transfer(
                    UInt8(random.below(250)), from: party, random.below(400_000),
                    instruction: UInt32(random.below(2))))
        }
    }
}
