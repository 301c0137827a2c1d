/// Why the payout program refuses an instruction: the machine's `Custom` error numbers.
public enum PayoutRefusal: UInt32, CaseIterable, Error, Sendable {
    /// No such kind of instruction, or not of the length of its kind.
    case badInstruction = 100
    /// More or fewer accounts than the instruction has.
    case wrongAccountCount
    /// One account in two places.
    case duplicateAccount
    /// An account that changes was not given as writable.
    case notWritable
    /// An account that decides did not sign.
    case missingSignature
    /// Not a pool of the program.
    case notAPool
    /// Not a record of the program, or one of another pool or payee.
    case notARecord
    /// Signed by another key than the role's.
    case wrongRole
    /// Not the address that follows from the seeds.
    case wrongAddress
    /// The pool or record exists.
    case alreadyThere
    /// Not the system program, or not the pool's token program.
    case wrongProgram
    /// Not a ready mint, or one with extensions.
    case badMint
    /// Not the pool's vault, or a vault that others could empty.
    case badVault
    /// A token account that must not be paid into.
    case badDestination
    /// Above the longest delay.
    case delayTooLong
    /// Not the last epoch plus one.
    case epochOrder
    /// A root waits already.
    case rootWaiting
    /// None waits, or another one than named.
    case noRootWaiting
    /// The delay is not over.
    case tooEarly
    /// The delay is over.
    case tooLate
    /// A root of zeros.
    case emptyRoot
    /// Below the active total.
    case totalShrinks
    /// The vault does not hold what would be owed.
    case underfunded
    /// Does not lead to the active root.
    case badProof
    /// The payee had it all.
    case nothingToClaim
    /// All claims together would be above the total.
    case overTotal
    /// A key of zeros where somebody must be able to sign.
    case emptyKey
    /// No change of roles waits.
    case noRolesWaiting
    /// A slot beyond 64 bits.
    case clockOverflow
    /// A journal head of zeros: a root that names no books.
    case emptyJournal
    /// A liabilities root of zeros.
    case emptyLiabilities
}
