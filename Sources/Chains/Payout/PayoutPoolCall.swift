public import Primitives

/// A call of the payout program that moves a root on, as a message makes it.
public struct PayoutPoolCall: Hashable, Sendable {
    /// What it does.
    public enum Kind: Hashable, Sendable {
        /// Puts a root with the sum of its leaves in waiting, under an epoch.
        case commit(epoch: UInt64, root: Digest, total: UInt64)
        /// Makes the waiting one pay.
        case activate
    }

    /// The program that is called.
    public let program: SolanaAddress
    /// The pool.
    public let pool: SolanaAddress
    /// What it does.
    public let kind: Kind

    /// The bytes of a commit: kind, epoch, total, and three hashes.
    private static let commitBytes = 8 + 8 + 8 + 3 * 32

    /// `nil` unless it is one of the two.
    init?(_ instruction: SolanaMessageReading.Instruction) {
        let kind: UInt64? = instruction.number(at: 0)
        let data = instruction.data
        switch (kind, data.count, instruction.accounts.count) {
        case (1, Self.commitBytes, 3):
            guard let pool = instruction.account(1), let epoch: UInt64 = instruction.number(at: 8),
                let total: UInt64 = instruction.number(at: 16), let root = Digest(data[24..<56])
            else { return nil }
            self.init(
                program: instruction.program, pool: pool,
                .commit(epoch: epoch, root: root, total: total))
        case (2, 8, 1):
            guard let pool = instruction.account(0) else { return nil }
            self.init(program: instruction.program, pool: pool, .activate)
        default: return nil
        }
    }

    /// A call of these parts.
    public init(program: SolanaAddress, pool: SolanaAddress, _ kind: Kind) {
        self.program = program
        self.pool = pool
        self.kind = kind
    }
}

extension SolanaMessage {
    /// The call of a payout program that it makes, if it makes one.
    public var payoutPoolCall: PayoutPoolCall? {
        let instructions = SolanaMessageReading(bytes)?.instructions ?? []
        return instructions.lazy.compactMap { PayoutPoolCall($0) }.first
    }
}
