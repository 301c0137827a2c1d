import Chains
import Testing

/// What the clients say when they do not take a transaction; sources at `BroadcastAnswer`.
@Suite struct BroadcastAnswerTests {
    @Test(
        arguments: [
            // geth, core/txpool/errors.go and core/error.go
            ("already known", .alreadyKnown),
            ("replacement transaction underpriced", .replacementUnderpriced),
            ("transaction underpriced", .underpriced),
            ("transaction underpriced: gas tip cap 1, minimum needed 1000000", .underpriced),
            ("nonce too low: next nonce 5, tx nonce 3", .nonceTooLow),
            ("nonce too high", .nonceTooHigh),
            (
                "insufficient funds for gas * price + value: balance 0, tx cost 21",
                .insufficientFunds
            ),
            ("intrinsic gas too low: gas 20000, minimum needed 21000", .refused),
            ("exceeds block gas limit", .refused),
            ("oversized data: transaction size 131073, limit 131072", .refused),
            ("txpool is full", .busy),
            ("account limit exceeded: pooled 16 txs", .busy),
            ("max priority fee per gas higher than max fee per gas", .refused),
            ("invalid chain id for signer: have 5 want 1", .refused),
            // erigon, txnprovider/txpool/txpoolcfg
            ("ALREADY_EXISTS: already known", .alreadyKnown),
            ("INTERNAL_ERROR: existing txn with same hash", .alreadyKnown),
            ("INTERNAL_ERROR: could not replace existing tx", .replacementUnderpriced),
            ("INTERNAL_ERROR: underpriced", .underpriced),
            ("FEE_TOO_LOW: fee too low", .underpriced),
            ("INTERNAL_ERROR: nonce too low", .nonceTooLow),
            ("INTERNAL_ERROR: insufficient funds", .insufficientFunds),
            ("INTERNAL_ERROR: queued sub-pool is full", .busy),
            ("INTERNAL_ERROR: gas limit is too high", .refused),
            // nethermind, AcceptTxResult before 1.36
            ("AlreadyKnown", .alreadyKnown),
            ("ReplacementNotAllowed", .replacementUnderpriced),
            ("FeeTooLowToCompete", .underpriced),
            ("OldNonce", .nonceTooLow),
            ("NonceGap, Future nonce. Expected nonce: 4", .nonceTooHigh),
            ("InsufficientFunds, Account balance: 0, cumulative cost: 1", .insufficientFunds),
            ("GasLimitExceeded, Gas limit: 30000000", .refused),
            // reth, its pool and its RPC
            ("[0x12]: already imported", .alreadyKnown),
            ("insufficient gas price to replace existing transaction", .replacementUnderpriced),
            ("max fee per gas less than block base fee", .underpriced),
            ("transaction priority fee below minimum required priority fee 1", .underpriced),
            ("transaction overdraws from account", .insufficientFunds),
            ("transaction discarded outright due to pool size constraints", .busy),
            ("transaction's gas limit 9 exceeds block's gas limit 8", .refused),
            // besu, RpcErrorType
            ("Known transaction", .alreadyKnown),
            ("Replacement transaction underpriced", .replacementUnderpriced),
            ("Gas price below configured minimum gas price", .underpriced),
            ("Nonce too low", .nonceTooLow),
            ("Transaction nonce is too distant from current sender nonce", .nonceTooHigh),
            ("An invalid transaction with a lower nonce exists", .nonceTooHigh),
            ("Upfront cost exceeds account balance", .insufficientFunds),
            ("Intrinsic gas exceeds gas limit", .refused),
            ("Initial sync is still in progress", .busy),
            // what nobody understands decides nothing
            ("injected fault", .unknown),
            ("execution reverted", .unknown),
            ("429 Too Many Requests", .unknown),
            ("", .unknown),
        ] as [(String, BroadcastAnswer)])
    func everyClientIsUnderstood(message: String, meaning: BroadcastAnswer) {
        #expect(BroadcastAnswer(errorMessage: message) == meaning)
    }

    @Test func onePoolThatHasItIsEnough() {
        let merge = { (answers: [BroadcastAnswer]) in
            BroadcastAnswer.merge(answers, needed: 2)
        }
        #expect(merge([.refused, .refused, .accepted]) == .accepted)
        #expect(merge([.unknown, .alreadyKnown, .nonceTooLow]) == .alreadyKnown)
        #expect(merge([.nonceTooLow, .replacementUnderpriced]) == .replacementUnderpriced)
        #expect(merge([.refused, .unknown, .unknown]) == .unknown)
        #expect(merge([.refused, .unknown, .refused]) == .refused)
        #expect(merge([]) == .unknown)
    }
}
