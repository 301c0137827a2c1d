public import Primitives

/// What happens to a manager. Everything it knows comes in as one of these, with the time.
public enum EVMManagerInput: Hashable, Sendable {
    /// An account may send from now on. Repeating it changes nothing.
    case openLane(EVMAddress)
    /// Somebody wants this carried out.
    case submit(EVMIntent)
    /// Somebody no longer wants this carried out. If it has a nonce, an empty transaction competes
    /// with it from now on, and the chain decides.
    case cancel(Digest)
    /// The gas an intent's transaction would use.
    case estimated(Digest, gas: UInt64)
    /// The contract refuses the intent's call; carries its text.
    case estimateReverted(Digest, String)
    /// A draft was signed.
    case signed(SignedTransaction)
    /// What the nodes answered to a transaction: all of them as one, and their text.
    case answered(transaction: Digest, BroadcastAnswer, String)
    /// What enough endpoints say to a question.
    case observed(EVMObservation)
    /// Too few endpoints answered a question.
    case unanswered
    /// A report is written down where it matters and need not be repeated.
    case acknowledged(Digest, EVMIntentOutcome)
    /// Time passed.
    case tick
    /// The process began anew: whatever was under way may be lost.
    case restarted
    /// A person looked at what had halted the manager and lets it go on.
    case resumed
    /// Other numbers count from now on. What came before happened under those of then, also when
    /// the log is read again.
    case configured(EVMManagerPolicy)
    /// An account only ends what it began. Its intents for which nothing was signed are called off;
    /// when nothing is under way, its lane is gone.
    case retireLane(EVMAddress)
    /// An account's signer refuses a draft by its policy: nothing was signed. `draft` is the hash
    /// that was to be signed; carries the signer's words.
    case declined(draft: Digest, by: EVMAddress, nonce: UInt64, String)
}

/// What a manager wants done. Carry it out only when the input that led to it is durable; each may
/// be carried out any number of times.
public enum EVMManagerAction: Hashable, Sendable {
    /// Find out how much gas an intent's transaction uses.
    case estimate(EVMIntent)
    /// Have a transaction signed by an account's key.
    case sign(EVMTransaction, by: EVMAddress)
    /// Give a signed transaction to every node.
    case broadcast(transaction: Digest, raw: [UInt8])
    /// Ask every node.
    case ask(EVMQuestion)
    /// Tell whoever submitted the intent.
    case report(Digest, EVMIntentOutcome)
    /// Tell a person.
    case alert(EVMManagerAlert)
}

/// What a person should know. Each is raised once when it begins.
public enum EVMManagerAlert: Hashable, Sendable {
    /// New intents wait for this.
    case opened(EVMBreakerCause)
    /// New intents no longer wait for this.
    case closed(EVMBreakerCause)
    /// An intent waits because gas costs more than it may.
    case feeLimit(Digest)
    /// A nonce's transaction should offer more than it may, and waits.
    case stuck(EVMAddress, nonce: UInt64)
    /// A transaction that was in a block is in none.
    case reorganised(Digest)
    /// The nodes refuse a transaction for what it is; carries their words.
    case refused(Digest, String)
    /// A nonce was used, or left open, by another program with the same key.
    case foreignNonce(EVMAddress, nonce: UInt64)
    /// What was reported of an intent is no longer so.
    case reportChanged(Digest)
    /// A signature was not of what was to be signed.
    case wrongSignature(EVMAddress, nonce: UInt64)
    /// There is no signature for a nonce's transaction; it is asked for again. Raised by a driver.
    case notSigned(EVMAddress, nonce: UInt64, SigningFailure)
    /// An account that was retired has nothing under way: its key is no longer needed.
    case laneDrained(EVMAddress)
}

/// Why new intents wait.
public enum EVMBreakerCause: Hashable, Sendable {
    /// Too few endpoints answer.
    case nodesUnreachable
    /// Gas costs more than the manager ever pays.
    case feeSpike
    /// An account holds less than it must, or than its transactions may cost.
    case lowBalance(EVMAddress)
    /// An account's transactions of this day may cost as much as they may; the next day closes it.
    case dayLimit(EVMAddress)
    /// A block that had been final is no longer in the chain; carries its height. Only `resumed`
    /// closes it.
    case deepReorg(UInt64)
    /// A transaction that the manager did not sign took a nonce of its. Only `resumed` closes it.
    case keyUsedElsewhere(EVMAddress)
}
