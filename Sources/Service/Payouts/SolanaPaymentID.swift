import Chains
import Clearing
import Cryptography
import Primitives

extension SolanaManagerDriver {
    /// The manager's name of a payment of the books.
    ///
    /// It follows from who is paid what, as well as from the dispersal's name and the payment's
    /// place: books that lost their end give numbers twice, and what was paid to one must not count
    /// for another. What was handed over before that was so keeps the name of then.
    func id(of dispersal: Dispersal, payment place: Int) -> Digest {
        var writer = ByteWriter()
        writer.write(dispersal.name)
        writer.write(UInt32(place))
        let plain = SHA256.hash(Array("exchequer solana payment".utf8) + writer.bytes)
        let payment = dispersal.payments[place]
        guard case .solana(let owner) = payment.receiver else { return plain }
        if let known = submitted(plain), known.owner.value == owner,
            UInt128(known.amount) == payment.units
        {
            return plain
        }
        writer.write(owner)
        writer.write(payment.units)
        return SHA256.hash(Array("exchequer solana payment to".utf8) + writer.bytes)
    }
}
