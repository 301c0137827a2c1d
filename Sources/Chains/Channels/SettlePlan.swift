public import Primitives

/// Why settles do not make a transaction.
public enum SettlePlanError: Error, Hashable, Sendable {
    /// There are none, or there is one that is not of its channel or beyond 64 bits.
    case noSettle
    /// They do not fit one packet; how many bytes they would have, and how many would fit.
    case tooMany(Int, bytes: Int, fit: Int)
    /// The transaction cannot be made otherwise.
    case other(SolanaError)
}

extension SettlePlanError: CustomStringConvertible {
    /// What is wrong and what is allowed.
    public var description: String {
        switch self {
        case .noSettle: "there is nothing to settle"
        case .tooMany(let count, let bytes, let fit):
            "\(count) settles make a transaction of \(bytes) bytes, and a packet takes "
                + "\(SolanaMessage.packetBytes): \(fit) fit"
        case .other(let error): "\(error)"
        }
    }
}

/// Packs vouchers into transactions: for each a check of its signature and the settle that reads it
/// from there. With a lookup table of the channels and the instructions sysvar a transaction has
/// 275 bytes and 173 more for each, so five fit; without one 272 and 204, and four do.
public struct SettlePlan: Sendable {
    /// A voucher and its channel.
    public struct Settle: Hashable, Sendable {
        /// The channel, which is open.
        public let channel: PaymentChannel
        /// Its best voucher.
        public let voucher: Voucher

        /// A settle of these parts.
        public init(_ channel: PaymentChannel, _ voucher: Voucher) {
            self.channel = channel
            self.voucher = voucher
        }
    }

    /// Who pays for transactions.
    public let payer: SolanaAddress
    /// What a compute unit costs, in millionths of a lamport; 0 leaves the instruction out.
    public var computePrice: UInt64 = 0
    /// Lookup tables that hold channels.
    public var tables: [SolanaLookupTable] = []
    /// Compute units for a pair: the program took 574 for a settle (its ADR-004), and the check of
    /// a signature counts towards a block and not here.
    static let unitsPerSettle: UInt32 = 5_000

    /// A plan whose transactions `payer` pays for.
    public init(payer: SolanaAddress) { self.payer = payer }

    /// The transaction of all of these settles. Throws `tooMany` if they do not fit, with how many
    /// would: nothing is left out silently.
    public func message(
        of settles: [Settle], blockhash: Digest
    ) throws(SettlePlanError) -> SolanaMessage {
        let all = try instructions(of: settles)
        do throws(SolanaError) {
            return try compile(all, blockhash)
        } catch {
            guard case .tooLarge(let bytes) = error else { throw .other(error) }
            throw .tooMany(settles.count, bytes: bytes, fit: try fitting(settles, blockhash))
        }
    }

    /// Settles in transactions, as many in each as fit, in the order given.
    public func messages(
        of settles: [Settle], blockhash: Digest
    ) throws(SettlePlanError) -> [(settles: [Settle], message: SolanaMessage)] {
        var rest = settles[...]
        var made: [(settles: [Settle], message: SolanaMessage)] = []
        while !rest.isEmpty {
            // What does not fit alone is refused by `message`.
            let count = max(try fitting(Array(rest.prefix(8)), blockhash), 1)
            let part = Array(rest.prefix(count))
            made.append((part, try message(of: part, blockhash: blockhash)))
            rest = rest.dropFirst(count)
        }
        return made
    }

    private func instructions(of settles: [Settle]) throws(SettlePlanError) -> [SolanaInstruction] {
        guard !settles.isEmpty else { throw .noSettle }
        var pairs: [SolanaInstruction] = []
        for settle in settles {
            guard settle.voucher.channel == settle.channel.address.value,
                let pair = settle.channel.settle(settle.voucher)
            else { throw .noSettle }
            pairs += pair
        }
        return budget(for: settles.count) + pairs
    }

    /// How many compute units so many pairs may take, and what is offered for each.
    func budget(for pairs: Int) -> [SolanaInstruction] {
        let limit = SolanaInstruction.computeLimit(UInt32(pairs) * Self.unitsPerSettle + 300)
        return computePrice > 0 ? [limit, .computePrice(computePrice)] : [limit]
    }

    private func compile(
        _ instructions: [SolanaInstruction], _ blockhash: Digest
    ) throws(SolanaError) -> SolanaMessage {
        try SolanaMessage(instructions, payer: payer, blockhash: blockhash, tables: tables)
    }

    /// How many of the first settles fit one transaction.
    private func fitting(
        _ settles: [Settle], _ blockhash: Digest
    ) throws(SettlePlanError) -> Int {
        var count = settles.count
        while count > 0 {
            let part = try instructions(of: Array(settles.prefix(count)))
            if (try? compile(part, blockhash)) != nil { return count }
            count -= 1
        }
        return 0
    }
}
