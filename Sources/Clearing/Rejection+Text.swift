extension Rejection {
    /// The name that programs see, stable like the number: `insufficient_funds`.
    public var name: String {
        var name = ""
        for character in "\(self)".unicodeScalars {
            if character.value >= 0x41, character.value <= 0x5A {
                name += "_"
                name.unicodeScalars.append(Unicode.Scalar(UInt8(character.value + 32)))
            } else {
                name.unicodeScalars.append(character)
            }
        }
        return name
    }

    /// What is wrong and what to do, in one sentence without its full stop.
    public var message: String {
        rawValue < 400 ? registryMessage : rawValue < 600 ? jobMessage : closingMessage
    }

    private var registryMessage: String {
        switch self {
        case .notConfigured: "the house has no parameters yet"
        case .invalidParameters: "the parameters are unsafe"
        case .limitExceeded: "a text, list or number is over its limit"
        case .partyNotFound: "there is no such party: deposit or bond first"
        case .addressTaken: "the address belongs to a party already"
        case .invalidName:
            "a name is 1 to 64 characters of a-z, 0-9 and -, and does not begin with party-"
        case .nameTaken: "the name belongs to another party"
        case .partyTombstoned: "the party was convicted of fraud and never serves again"
        case .nodeNotFound: "there is no such node"
        case .nodeKeyTaken: "the node key is registered already"
        case .tooManyNodes: "the party has as many nodes as it may have"
        case .modelNotFound: "there is no such model"
        case .modelExists: "a model with this root or name is registered already"
        case .invalidModel: "the manifest has no layers, no name or no room for a prompt"
        case .keyExists: "this API key is known already"
        case .keyNotFound: "the party has no such API key"
        case .tooManyKeys: "the party has as many API keys as it may have: revoke one first"
        case .alreadyEnlisted: "the node verifies this model already"
        case .bondTooSmall: "the bond does not cover the offer: add to it on chain"
        case .invalidLayers: "these are not layers of this model"
        case .invalidOffer:
            "capacity, context or price is zero where it must not be, or over its limit"
        case .alreadyExpired: "the expiry is not in the future"
        case .tooManyOffers: "the node has as many offers as it may have"
        case .offerNotFound: "there is no such offer"
        case .notYourOffer: "the offer belongs to someone else"
        case .offerNotLive: "the offer is not live"
        default: name
        }
    }

    private var jobMessage: String {
        switch self {
        case .requestAlreadyUsed:
            "this request id was used before: the first request with it counts"
        case .emptyPrompt: "the prompt is empty"
        case .noOutputWanted: "no output was asked for"
        case .contextExceeded: "prompt and output are together longer than the model's context"
        case .noOffers:
            "no connected provider with enough bond and capacity can serve this now: try "
                + "again later"
        case .priceLimit: "providers are there, but none within the price limits"
        case .insufficientFunds:
            "the balance is smaller than the most this can cost: deposit, or lower max_tokens"
        case .tooManyJobs: "as many requests are running as may run at once"
        case .jobNotFound: "there is no such job"
        case .wrongJobState: "the job is not in a state that allows this"
        case .staleAttempt: "the attempt is not the job's current one"
        case .noSuchStage: "the pipeline has no such stage"
        case .noAlternative: "there is no other node for the doubted stage: the job goes on"
        case .duplicateReceipt: "the stage has another receipt already"
        case .receiptMisaddressed:
            "the receipt names another job, attempt, stage or pipeline length"
        case .wrongSigner: "the receipt is not signed by the node that was assigned this stage"
        case .wrongWork: "the receipt names another model, layer range, weights root or arithmetic"
        case .wrongTokenCount: "the token or position counts are not what was delivered"
        case .brokenChain: "a root in the receipt is not the root of what passed through the house"
        case .outputOverLimit: "there is more output than was asked for"
        default: name
        }
    }

    private var closingMessage: String {
        switch self {
        case .notTheAuditor: "the job is not being audited by this node"
        case .malformedVerdict: "the verdict does not fit the job"
        case .verdictNotFound: "there is no such verdict"
        case .notTheAccused: "only the accused may appeal"
        case .notAppealable: "the appeal window is over, or there is nothing to appeal"
        case .alreadyAppealed: "the verdict is under appeal already"
        case .noOpenAppeal: "there is no open appeal"
        case .beaconReused: "the beacon was drawn before"
        case .chainEventReplayed: "the chain log was processed already"
        case .wrongChain: "the log is of a chain this house does not settle on"
        case .invalidAmount: "the amount is zero or too large"
        case .insufficientBalance: "less than this is available"
        case .nothingToSettle: "nothing is payable, so there is nothing to settle"
        case .batchOpen: "the last batch is not final on chain yet"
        case .wrongBatchState: "there is no such batch, or it is not waiting for this"
        case .rootMismatch: "the root on chain is not the root of the batch"
        case .epochNotOver: "the epoch is not over"
        case .dispersalNotFound: "there is no such dispersal"
        case .wrongPaymentState: "the dispersal or payment is not waiting for this"
        case .costBooked: "what this transaction cost is booked already"
        case .withdrawalKeyUsed: "this key was used for another withdrawal"
        case .tooManyWithdrawals: "as many withdrawals as an hour may have: try again later"
        case .noPayoutRail:
            "the house cannot send so much now: it comes with the next settlement"
        case .channelNotFound: "there is no such payment channel"
        case .channelExists: "the party has such a payment channel already"
        case .wrongChannelState:
            "the payment channel is closing, or something of it is on its way"
        case .channelNotWanted: "the party has not asked for such a payment channel"
        case .notTheLastLog: "only the last log that was booked can be taken back"
        case .recordBehind:
            "the record of what was signed on Solana is behind its pin: put the newest back"
        case .recordNotPinned: "nothing is pinned of such a record of what was signed on Solana"
        case .depositorTaken:
            "the account is registered for deposits: the party that has it must give it up first"
        case .depositorNotFound: "the party has not registered this account for deposits"
        case .depositBooked: "the transfer is booked as a deposit already"
        case .tooManyDeposits: "as many deposits wait to be credited as may: it is tried again"
        case .nothingToSeal: "there are no such dispersals without the books they are made under"
        case .wrongBooks: "these books are a batch's, or older than those of the dispersals before"
        default: name
        }
    }
}
