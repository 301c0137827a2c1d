extension LedgerTable {
    /// Transfers that are neither a post nor a void.
    static let transfers: [LedgerTable] = [
        LedgerTable(
            "transfers: each fault hides those below it",
            """
            account 1 -> created
            account 2 -> created
            account 3 ledger=2 -> created
            account 6 closed -> created
            account 7 closed -> created
            transfer 0 0>0 0 of=1 timeout=1 close-dr ledger=0 code=0 bit15 ts=1 \
                -> timestampMustBeZero
            transfer 0 0>0 0 of=1 timeout=1 close-dr ledger=0 code=0 bit15 -> reservedFlag
            transfer 0 0>0 0 of=1 timeout=1 close-dr ledger=0 code=0 imported -> reservedFlag
            transfer 0 0>0 0 of=1 timeout=1 close-dr ledger=0 code=0 -> idMustNotBeZero
            transfer max 0>0 0 of=1 timeout=1 close-dr ledger=0 code=0 -> idMustNotBeIntMax
            transfer 10 0>0 0 of=1 timeout=1 close-dr ledger=0 code=0 -> debitAccountIDMustNotBeZero
            transfer 10 max>0 0 of=1 timeout=1 close-dr ledger=0 code=0 \
                -> debitAccountIDMustNotBeIntMax
            transfer 10 8>0 0 of=1 timeout=1 close-dr ledger=0 code=0 \
                -> creditAccountIDMustNotBeZero
            transfer 10 8>max 0 of=1 timeout=1 close-dr ledger=0 code=0 \
                -> creditAccountIDMustNotBeIntMax
            transfer 10 8>8 0 of=1 timeout=1 close-dr ledger=0 code=0 -> accountsMustBeDifferent
            transfer 10 8>9 0 of=1 timeout=1 close-dr ledger=0 code=0 -> pendingIDMustBeZero
            transfer 10 8>9 0 timeout=1 close-dr ledger=0 code=0 \
                -> timeoutReservedForPendingTransfer
            transfer 10 8>9 0 close-dr ledger=0 code=0 -> closingTransferMustBePending
            transfer 10 8>9 0 close-cr ledger=0 code=0 -> closingTransferMustBePending
            transfer 10 8>9 0 ledger=0 code=0 -> ledgerMustNotBeZero
            transfer 10 8>9 0 ledger=9 code=0 -> codeMustNotBeZero
            transfer 10 8>9 0 ledger=9 -> debitAccountNotFound
            transfer 10 0>0 0 of=1 timeout=1 close-dr ledger=0 code=0 -> idAlreadyFailed
            transfer 11 1>9 0 ledger=9 -> creditAccountNotFound
            transfer 12 6>3 0 ledger=9 -> accountsMustHaveTheSameLedger
            transfer 12 6>7 max ledger=9 -> transferMustHaveTheSameLedgerAsAccounts
            transfer 12 6>7 max -> debitAccountAlreadyClosed
            transfer 13 1>7 max -> creditAccountAlreadyClosed
            transfer 14 1>2 max -> created
            balance 1 0 max 0 0
            balance 2 0 0 0 max
            balance 3 0 0 0 0
            stored 14 max none
            """),
        LedgerTable(
            "transfers: overflows come before limits, in a fixed order",
            """
            clock 9223372026854775807   # ten seconds before the end of time
            account 20 -> created   # pending 5 and posted 5 on the debit side
            account 21 -> created   # pending 5 and posted 5 on the credit side
            account 22 -> created   # empty
            account 24 -> created   # posted 5 on the debit side
            account 25 -> created   # posted 5 on the credit side
            account 26 -> created   # empty
            account 27 dr<=cr -> created
            account 28 cr<=dr -> created
            account 30 -> created
            account 31 -> created
            transfer 1 20>30 5 -> created
            transfer 2 20>30 5 pending -> created
            transfer 3 31>21 5 -> created
            transfer 4 31>21 5 pending -> created
            transfer 5 24>25 5 -> created
            transfer 9 20>21 max pending timeout=max -> overflowsDebitsPending
            transfer 9 22>21 max pending timeout=max -> overflowsCreditsPending
            transfer 9 20>21 max -> overflowsDebitsPosted
            transfer 9 24>25 max pending timeout=max -> overflowsDebitsPosted
            transfer 9 22>25 max pending timeout=max -> overflowsCreditsPosted
            transfer 9 22>21 max -> overflowsCreditsPosted
            transfer 9 20>21 max-7 pending timeout=max -> overflowsDebits
            transfer 9 20>21 max-7 -> overflowsDebits
            transfer 9 22>21 max-7 pending timeout=max -> overflowsCredits
            transfer 9 27>28 1 pending timeout=max -> overflowsTimeout
            transfer 9 22>26 0 pending timeout=10 -> overflowsTimeout
            transfer 9 22>26 0 pending timeout=9 -> created
            transfer 10 27>28 1 pending -> exceedsCredits
            transfer 11 22>28 1 pending -> exceedsDebits
            transfer 12 22>26 max -> created
            transfer 13 22>26 1 -> overflowsDebitsPosted
            transfer 13 22>26 0 -> created
            """),
        LedgerTable(
            "transfers: the same again, or not quite",
            """
            account 1 -> created
            account 2 -> created
            account 3 -> created
            account 4 ledger=2 -> created
            transfer 1 1>2 10 pending timeout=9 u128=1 u64=2 u32=3 code=4 -> created
            transfer 1 0>0 11 post of=9 -> existsWithDifferentFlags
            transfer 1 3>3 11 pending timeout=8 of=9 u128=9 u64=9 u32=9 ledger=9 code=9 \
                -> existsWithDifferentPendingID
            transfer 1 3>3 11 pending timeout=8 u128=9 u64=9 u32=9 ledger=9 code=9 \
                -> existsWithDifferentTimeout
            transfer 1 3>3 11 pending timeout=9 u128=9 u64=9 u32=9 ledger=9 code=9 \
                -> existsWithDifferentDebitAccountID
            transfer 1 1>3 11 pending timeout=9 u128=9 u64=9 u32=9 ledger=9 code=9 \
                -> existsWithDifferentCreditAccountID
            transfer 1 1>2 11 pending timeout=9 u128=9 u64=9 u32=9 ledger=9 code=9 \
                -> existsWithDifferentAmount
            transfer 1 1>2 10 pending timeout=9 u128=9 u64=9 u32=9 ledger=9 code=9 \
                -> existsWithDifferentUserData128
            transfer 1 1>2 10 pending timeout=9 u128=1 u64=9 u32=9 ledger=9 code=9 \
                -> existsWithDifferentUserData64
            transfer 1 1>2 10 pending timeout=9 u128=1 u64=2 u32=9 ledger=9 code=9 \
                -> existsWithDifferentUserData32
            transfer 1 1>2 10 pending timeout=9 u128=1 u64=2 u32=3 ledger=9 code=9 \
                -> existsWithDifferentLedger
            transfer 1 1>2 10 pending timeout=9 u128=1 u64=2 u32=3 code=9 -> existsWithDifferentCode
            transfer 1 1>2 10 pending timeout=9 u128=1 u64=2 u32=3 code=4 -> exists
            transfer 1 1>2 10 pending timeout=9 u128=1 u64=2 u32=3 code=4 ts=1 \
                -> timestampMustBeZero
            balance 1 10 0 0 0
            balance 2 0 0 10 0
            """),
        LedgerTable(
            "transfers: a repeat is answered before anything else is checked",
            """
            account 1 dr<=cr -> created
            account 2 -> created
            transfer 1 2>1 10 -> created
            transfer 2 1>2 10 -> created
            transfer 2 1>2 10 -> exists
            transfer 3 1>2 0 pending close-dr close-cr -> created
            transfer 2 1>2 10 -> exists
            transfer 4 1>2 0 -> debitAccountAlreadyClosed
            transfer 3 1>2 0 pending close-dr close-cr -> exists
            balance 1 0 10 0 10 closed
            """),
        LedgerTable(
            "transfers: transient failures use the id up",
            """
            account 1 -> created
            account 3 dr<=cr -> created
            account 4 cr<=dr -> created
            account 5 -> created
            transfer 1 2>1 5 -> debitAccountNotFound
            transfer 2 1>2 5 -> creditAccountNotFound
            transfer 3 _ max post of=77 -> pendingTransferNotFound
            transfer 4 3>1 5 -> exceedsCredits
            transfer 5 1>4 5 -> exceedsDebits
            transfer 6 1>5 0 pending close-dr -> created
            transfer 7 1>5 0 -> debitAccountAlreadyClosed
            transfer 8 5>1 0 -> creditAccountAlreadyClosed
            transfer 9 5>5 0 -> accountsMustBeDifferent
            account 2 -> created
            transfer 10 _ 0 void of=6 -> created
            transfer 77 1>2 5 pending -> created
            transfer 78 2>3 50 -> created
            transfer 79 4>2 50 -> created
            transfer 1 2>1 5 -> idAlreadyFailed
            transfer 2 1>2 5 -> idAlreadyFailed
            transfer 3 _ max post of=77 -> idAlreadyFailed
            transfer 4 3>1 5 -> idAlreadyFailed
            transfer 5 1>4 5 -> idAlreadyFailed
            transfer 7 1>5 0 -> idAlreadyFailed
            transfer 8 5>1 0 -> idAlreadyFailed
            transfer 9 5>1 0 -> created   # a fault of the request itself uses nothing up
            transfer 4 _ 0 void of=4 -> idAlreadyFailed
            transfer 80 _ 0 void of=4 -> pendingTransferNotFound
            burnt 1
            burnt 80
            missing 81
            """),
        LedgerTable(
            "transfers: limits count what is pending on the own side only",
            """
            account 1 dr<=cr -> created
            account 2 cr<=dr -> created
            account 9 -> created
            transfer 1 9>1 10 -> created
            transfer 2 2>9 10 -> created
            transfer 3 9>1 90 pending -> created   # not spendable yet
            transfer 4 2>9 90 pending -> created
            transfer 5 1>9 4 pending -> created
            transfer 6 1>9 7 -> exceedsCredits
            transfer 7 1>9 6 -> created
            transfer 8 1>9 1 pending -> exceedsCredits
            transfer 9 1>9 0 -> created
            transfer 10 9>2 4 pending -> created
            transfer 11 9>2 7 -> exceedsDebits
            transfer 12 9>2 6 -> created
            transfer 13 9>2 1 pending -> exceedsDebits
            balance 1 4 6 90 10
            balance 2 90 10 4 6
            transfer 14 _ 0 void of=5 -> created
            transfer 15 1>9 4 -> created
            """),
        LedgerTable(
            "transfers: balancing takes what there is",
            """
            account 1 dr<=cr -> created
            account 2 cr<=dr -> created
            account 3 -> created
            account 9 -> created
            transfer 1 9>1 10 -> created
            transfer 2 2>9 7 -> created
            transfer 3 1>9 max bal-dr pending -> created   # all ten
            transfer 4 1>9 5 bal-dr -> created   # nothing is left, which is fine
            stored 3 10 pending
            stored 4 0 none
            transfer 5 _ 3 post of=3 -> created
            transfer 6 1>2 max bal-dr bal-cr -> created   # the smaller of 7 and 7
            stored 6 7 none
            transfer 7 9>3 5 bal-cr -> created   # a credit balance has nothing to fill
            stored 7 0 none
            transfer 8 2>9 2 -> created
            transfer 9 9>2 1 bal-cr -> created   # up to its limit
            stored 9 1 none
            transfer 10 9>2 max bal-cr -> created
            stored 10 1 none
            balance 1 0 10 0 10
            balance 2 0 9 0 9
            transfer 9 9>2 1 bal-cr -> exists
            transfer 9 9>2 max bal-cr -> exists   # any limit that allows what moved
            transfer 9 9>2 0 bal-cr -> existsWithDifferentAmount
            transfer 9 9>2 1 -> existsWithDifferentFlags
            """),
        LedgerTable(
            "transfers: balancing both sides takes the smaller",
            """
            account 1 -> created
            account 2 -> created
            account 3 -> created
            transfer 1 3>1 10 -> created
            transfer 2 2>3 4 -> created
            transfer 3 1>2 max bal-dr bal-cr -> created
            stored 3 4 none
            transfer 4 2>3 40 -> created
            transfer 5 1>2 max bal-dr bal-cr -> created
            stored 5 6 none
            balance 1 0 10 0 10
            balance 2 0 44 0 10
            """),
        LedgerTable(
            "transfers: balancing can still break the other account's limit",
            """
            account 1 -> created
            account 2 cr<=dr -> created
            account 3 -> created
            transfer 1 3>1 10 -> created
            transfer 2 1>2 max bal-dr -> exceedsDebits
            transfer 3 2>3 4 -> created
            transfer 4 1>2 max bal-dr -> exceedsDebits
            transfer 5 1>2 4 bal-dr -> created
            transfer 6 1>2 max bal-dr bal-cr -> created
            stored 6 0 none
            """),
    ]
}
