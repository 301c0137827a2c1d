import Chains
import Cryptography
public import Primitives

/// An account on Solana that a party wants to be paid to, as people write it, and the proof that it
/// is the party's.
public enum PayoutOwner {
    /// Reads base58 of 32 bytes; `nil` for anything else, and for the system's own address, which
    /// nobody has.
    public static func owner(_ text: String) -> Digest? {
        SolanaAddress(text).flatMap { $0 == .system ? nil : $0.value }
    }

    /// Writes base58.
    public static func text(_ owner: Digest) -> String { SolanaAddress(owner).description }

    /// A Solana transaction as people write it.
    public static func text(_ transaction: Signature) -> String {
        Base58.encode(transaction.bytes)
    }

    /// What the owner's key signs, so that nobody has money sent to an account by mistake of
    /// another's. It names the house and the party, and is good for ever: it moves nothing.
    public static func message(house: PublicKey, party: PartyID, address: String) -> String {
        """
        Exchequer payout address
        house \(house.hex)
        party \(party)
        address \(address)
        """
    }

    /// What the owner's key signs so that transfers from its accounts are the party's deposits: so
    /// nobody has another's credited to itself. It too is good for ever.
    public static func depositMessage(
        house: PublicKey, party: PartyID, address: String
    ) -> String {
        """
        Exchequer deposit account
        house \(house.hex)
        party \(party)
        address \(address)
        """
    }

    /// Whether the owner's key has signed the message about deposits.
    public static func isDepositor(
        _ signature: Signature, house: PublicKey, party: PartyID, owner: Digest
    ) -> Bool {
        let text = depositMessage(house: house, party: party, address: text(owner))
        return isKey(owner) && PublicKey(owner).verifies(signature, of: Array(text.utf8))
    }

    /// Whether an address is that of a key. One that a program derived is not, and nobody can sign
    /// for it.
    public static func isKey(_ owner: Digest) -> Bool { Ed25519.isPoint(owner) }

    /// Whether the owner's key has signed the message.
    public static func isProven(
        _ signature: Signature, house: PublicKey, party: PartyID, owner: Digest
    ) -> Bool {
        PublicKey(owner).verifies(
            signature,
            of: Array(message(house: house, party: party, address: text(owner)).utf8))
    }
}
