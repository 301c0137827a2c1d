extension PayoutRefusal {
    /// What is wrong and what to do: one sentence without its full stop.
    public var words: String {
        switch self {
        case .badInstruction: "no such instruction, or not of its length"
        case .wrongAccountCount: "more or fewer accounts than the instruction has"
        case .duplicateAccount: "one account is in two places"
        case .notWritable: "an account that changes was not given as writable"
        case .missingSignature: "an account that decides did not sign"
        case .notAPool: "the account is no pool of this program"
        case .notARecord: "the payee is not enrolled in this pool, or the record is another's"
        case .wrongRole: "the key does not have this role in the pool"
        case .wrongAddress: "not the address that follows from the seeds"
        case .alreadyThere: "the pool or record exists already"
        case .wrongProgram: "not the system program, or not the pool's token program"
        case .badMint: "no ready mint, or one with extensions, which pools do not take"
        case .badVault: "not the pool's vault, or one that others could empty"
        case .badDestination:
            "no ready token account of the payee's own, without delegate and close authority"
        case .delayTooLong: "the delay is above \(PayoutPool.delayLimit) slots"
        case .epochOrder: "the epoch is not the last one plus one: another root came first"
        case .rootWaiting: "a root waits already: activate or dispute it first"
        case .noRootWaiting: "no root waits, or one of another epoch than named"
        case .tooEarly: "the delay is not over"
        case .tooLate: "the delay is over: the root can only be activated"
        case .emptyRoot: "the root is all zeros"
        case .totalShrinks: "the total is below that of the root which pays: somebody is left out"
        case .underfunded: "the vault does not hold what would be owed: fund it first"
        case .badProof: "the proof does not lead to the root that pays: get a newer one"
        case .nothingToClaim: "the payee had all of it before"
        case .overTotal: "all claims together would be above the committed total"
        case .emptyKey: "a key of zeros, with which nobody could sign"
        case .noRolesWaiting: "no change of roles waits"
        case .clockOverflow: "the slot is beyond 64 bits"
        case .emptyJournal:
            "the journal's head hash is all zeros: a root has to name the books that it is of"
        case .emptyLiabilities:
            "the liabilities root is all zeros: a root has to say what was owed to everybody"
        }
    }
}
