/// Why a command was refused. A refused command changes nothing and is not journaled.
///
/// Numbers are stable for ever and never reused; the same number appears in the HTTP body, the
/// CLI and docs/reference/rejections.md. Within one command the checks run in the order of the
/// numbers, so the lowest number that applies is the one reported.
public enum Rejection: UInt16, CaseIterable, Error, Hashable, Sendable {
    // 1xx: any command.
    /// The house has no parameters yet: the first command must be `configure`.
    case notConfigured = 101
    /// The parameters are unsafe.
    case invalidParameters = 102
    /// A text, list or number in the command is over its limit.
    case limitExceeded = 103

    // 2xx: registry.
    /// No such party.
    case partyNotFound = 201
    /// The address already belongs to a party.
    case addressTaken = 202
    /// The name is empty, too long, not `a-z 0-9 -`, or begins with `party-`.
    case invalidName = 203
    /// The name belongs to another party.
    case nameTaken = 204
    /// The party was tombstoned for fraud.
    case partyTombstoned = 205
    /// No such node.
    case nodeNotFound = 206
    /// The node key is registered already.
    case nodeKeyTaken = 207
    /// The party has as many nodes as it may have.
    case tooManyNodes = 208
    /// No such model.
    case modelNotFound = 209
    /// A model with this root is registered already.
    case modelExists = 210
    /// The manifest has no layers, no name or no room for a prompt.
    case invalidModel = 211
    /// The API key's hash is known already.
    case keyExists = 212
    /// No such API key of this party.
    case keyNotFound = 213
    /// The party has as many API keys as it may have.
    case tooManyKeys = 214
    /// The node verifies this model already.
    case alreadyEnlisted = 215

    // 3xx: bonds and offers.
    /// The party's bond does not cover what it offers.
    case bondTooSmall = 301
    /// The layers are not layers of this model.
    case invalidLayers = 302
    /// Capacity, context or price is zero where it must not be, or over its limit.
    case invalidOffer = 303
    /// The expiry is not in the future.
    case alreadyExpired = 304
    /// The node has as many offers as it may have.
    case tooManyOffers = 305
    /// No such offer.
    case offerNotFound = 306
    /// The offer belongs to someone else.
    case notYourOffer = 307
    /// The offer is not live.
    case offerNotLive = 308

    // 4xx: jobs.
    /// This request id was used by this buyer before.
    case requestAlreadyUsed = 401
    /// The prompt is empty.
    case emptyPrompt = 402
    /// No output was asked for.
    case noOutputWanted = 403
    /// Prompt and output are together longer than the model's context.
    case contextExceeded = 404
    /// No live offers cover all layers of the model for this demand.
    case noOffers = 405
    /// Offers exist, but none within the demand's price limits.
    case priceLimit = 406
    /// The buyer's available balance is smaller than the most the job can cost.
    case insufficientFunds = 407
    /// The buyer has as many running jobs as it may have.
    case tooManyJobs = 408
    /// No such job.
    case jobNotFound = 409
    /// The job is not in a state that allows this.
    case wrongJobState = 410
    /// The attempt is not the job's current one.
    case staleAttempt = 411
    /// The pipeline has no such stage.
    case noSuchStage = 412
    /// The stage is only doubted, and there is no other node for its layers: the job goes on.
    case noAlternative = 413

    // 5xx: receipts.
    /// A stage has more than one receipt, or stages are out of order.
    case duplicateReceipt = 501
    /// The receipt names another job, attempt, stage or pipeline length.
    case receiptMisaddressed = 502
    /// The signer is not the node that was assigned this stage.
    case wrongSigner = 503
    /// The receipt names another model, layer range, weights root or arithmetic profile.
    case wrongWork = 504
    /// The receipt's token or position counts are not what was delivered.
    case wrongTokenCount = 505
    /// A stage's input root is not the output root of the stage before it.
    case brokenChain = 506
    /// More output than was asked for.
    case outputOverLimit = 507

    // 6xx: audits, verdicts, appeals.
    /// The job is not being audited by this node.
    case notTheAuditor = 601
    /// The verdict names another job or attempt, or an accused stage that does not fit its code.
    case malformedVerdict = 602
    /// No such verdict.
    case verdictNotFound = 603
    /// Only the accused may appeal.
    case notTheAccused = 604
    /// The appeal window is over, or the verdict took nothing that could be appealed.
    case notAppealable = 605
    /// The verdict is under appeal already.
    case alreadyAppealed = 606
    /// There is no open appeal.
    case noOpenAppeal = 607
    /// The beacon was drawn before.
    case beaconReused = 608

    // 7xx: chain, settlement, epochs.
    /// The log was processed already, or is older than one that was.
    case chainEventReplayed = 701
    /// The log is of a chain this house does not settle on.
    case wrongChain = 702
    /// The amount is zero or does not fit the ledger.
    case invalidAmount = 703
    /// The party has less than this available.
    case insufficientBalance = 704
    /// Nothing is payable, so there is nothing to settle.
    case nothingToSettle = 705
    /// The last batch is not closed yet.
    case batchOpen = 706
    /// No such batch, or it is not waiting for this.
    case wrongBatchState = 707
    /// The root on chain is not the root of the batch.
    case rootMismatch = 708
    /// The epoch is not over.
    case epochNotOver = 709
    /// No such dispersal.
    case dispersalNotFound = 710
    /// The dispersal or payment is not waiting for this.
    case wrongPaymentState = 711
    /// What this transaction cost is booked already.
    case costBooked = 712
    /// The party used this key for another withdrawal.
    case withdrawalKeyUsed = 713
    /// The party has asked as often as it may in an hour.
    case tooManyWithdrawals = 714
    /// The house cannot send this party so much now.
    case noPayoutRail = 715
    /// No such payment channel.
    case channelNotFound = 716
    /// The party has such a channel, or another has this one's name.
    case channelExists = 717
    /// The channel is closing, or something of it is on its way.
    case wrongChannelState = 718
    /// The party has not asked for such a channel.
    case channelNotWanted = 719
    /// Only the last log that was booked can be taken back.
    case notTheLastLog = 720
    /// The record of what was signed on Solana is behind what is pinned of it, or is another one.
    case recordBehind = 721
    /// Nothing is pinned of such a record.
    case recordNotPinned = 722
    /// The account on Solana is registered for deposits already.
    case depositorTaken = 723
    /// No party, or not this one, has registered the account on Solana.
    case depositorNotFound = 724
    /// The transfer is booked as a deposit already.
    case depositBooked = 725
    /// As many deposits wait to be credited as may.
    case tooManyDeposits = 726
    /// These dispersals are not there, or it is fixed under which books they are made.
    case nothingToSeal = 727
    /// The books are older than those of the dispersals before, or a batch's.
    case wrongBooks = 728

    /// Whether the same command may be accepted later without being changed.
    public var isTransient: Bool {
        switch self {
        case .notConfigured, .partyNotFound, .nodeNotFound, .modelNotFound, .bondTooSmall,
            .tooManyNodes, .tooManyKeys, .tooManyOffers, .noOffers, .priceLimit,
            .insufficientFunds, .tooManyJobs, .noAlternative, .nothingToSettle, .batchOpen,
            .epochNotOver,
            .insufficientBalance, .tooManyWithdrawals, .noPayoutRail, .tooManyDeposits:
            true
        default:
            false
        }
    }
}
