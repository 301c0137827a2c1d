extension LedgerTable {
    /// Posts, voids, timeouts and closings.
    static let resolving: [LedgerTable] = [
        LedgerTable(
            "resolving: each fault hides those below it",
            """
            account 1 -> created
            account 2 -> created
            account 3 -> created
            account 4 -> created
            transfer 1 1>2 10 pending timeout=5 -> created
            transfer 2 1>2 10 -> created
            transfer 3 1>2 10 pending -> created
            transfer 4 _ max post of=3 -> created
            transfer 5 1>2 10 pending -> created
            transfer 6 _ 0 void of=5 -> created
            transfer 7 3>4 10 pending timeout=1 -> created
            transfer 9 0>0 11 post void of=0 timeout=1 -> flagsAreMutuallyExclusive
            transfer 9 0>0 11 post pending of=0 timeout=1 -> flagsAreMutuallyExclusive
            transfer 9 0>0 11 post bal-dr of=0 timeout=1 -> flagsAreMutuallyExclusive
            transfer 9 0>0 11 post bal-cr of=0 timeout=1 -> flagsAreMutuallyExclusive
            transfer 9 0>0 11 void close-dr of=0 timeout=1 -> flagsAreMutuallyExclusive
            transfer 9 0>0 11 void close-cr of=0 timeout=1 -> flagsAreMutuallyExclusive
            transfer 9 9>9 11 post of=0 timeout=1 -> pendingIDMustNotBeZero
            transfer 9 9>9 11 post of=max timeout=1 -> pendingIDMustNotBeIntMax
            transfer 9 9>9 11 post of=9 timeout=1 -> pendingIDMustBeDifferent
            transfer 9 9>9 11 post of=99 timeout=1 -> timeoutReservedForPendingTransfer
            transfer 9 9>9 11 post of=99 -> pendingTransferNotFound
            transfer 10 3>3 11 post of=2 ledger=2 code=2 -> pendingTransferNotPending
            transfer 10 3>3 11 post of=6 ledger=2 code=2 -> pendingTransferNotPending
            transfer 10 3>3 11 post of=4 ledger=2 code=2 -> pendingTransferNotPending
            transfer 10 3>3 11 post of=3 ledger=2 code=2 \
                -> pendingTransferHasDifferentDebitAccountID
            transfer 10 1>3 11 post of=3 ledger=2 code=2 \
                -> pendingTransferHasDifferentCreditAccountID
            transfer 10 1>2 11 post of=3 ledger=2 code=2 -> pendingTransferHasDifferentLedger
            transfer 10 1>2 11 post of=3 ledger=1 code=2 -> pendingTransferHasDifferentCode
            transfer 10 1>2 11 post of=3 ledger=1 code=1 -> exceedsPendingTransferAmount
            transfer 10 1>2 11 void of=3 ledger=1 code=1 -> exceedsPendingTransferAmount
            transfer 10 1>2 max void of=3 -> exceedsPendingTransferAmount
            transfer 10 1>2 9 void of=3 -> pendingTransferHasDifferentAmount
            transfer 10 1>2 9 post of=3 -> pendingTransferAlreadyPosted
            transfer 10 1>2 10 void of=3 -> pendingTransferAlreadyPosted
            transfer 10 1>2 0 void of=5 -> pendingTransferAlreadyVoided
            transfer 10 _ max post of=5 -> pendingTransferAlreadyVoided
            transfer 11 3>4 0 pending close-dr -> created
            clock +1s
            transfer 10 _ max post of=7 -> pendingTransferExpired   # before the closed account
            transfer 10 1>2 9 post of=1 -> created
            balance 1 0 29 0 0
            balance 2 0 0 0 29
            """),
        LedgerTable(
            "resolving: a post takes a part and releases the rest",
            """
            account 1 -> created
            account 2 -> created
            transfer 1 1>2 10 pending u128=1 u64=2 u32=3 code=4 -> created
            transfer 2 _ 4 post of=1 -> created
            stored 1 10 posted
            stored 2 4 none u128=1 u64=2 u32=3 code=4 ledger=1 of=1 timeout=0
            balance 1 0 4 0 0
            balance 2 0 0 0 4
            transfer 3 _ 6 post of=1 -> pendingTransferAlreadyPosted
            transfer 4 1>2 5 pending u128=1 u64=2 u32=3 -> created
            transfer 5 1>2 5 void of=4 u128=7 u64=8 u32=9 -> created
            stored 5 5 none u128=7 u64=8 u32=9
            transfer 6 1>2 7 pending -> created
            transfer 7 _ 0 post of=6 -> created   # posts nothing, releases all
            stored 7 0 none
            transfer 8 1>2 0 pending -> created
            transfer 9 _ 0 void of=8 -> created
            transfer 10 1>2 max-3 pending -> overflowsDebitsPosted
            transfer 10 1>2 max-4 pending -> created
            transfer 11 1>2 1 pending -> overflowsDebits
            """),
        LedgerTable(
            "resolving: repeats inherit what was left out",
            """
            account 1 -> created
            account 2 -> created
            account 3 -> created
            transfer 1 1>2 10 pending u128=1 u64=2 u32=3 code=4 -> created
            transfer 2 1>2 10 pending u128=1 u64=2 u32=3 code=4 -> created
            transfer 3 1>2 10 pending -> created
            transfer 11 _ max post of=1 -> created
            transfer 12 _ 6 post of=2 u128=7 u64=8 u32=9 -> created
            transfer 13 _ 0 void of=3 -> created
            transfer 11 _ max post of=1 -> exists
            transfer 11 1>2 10 post of=1 u128=1 u64=2 u32=3 ledger=1 code=4 -> exists
            transfer 11 _ 0 post of=1 -> existsWithDifferentAmount
            transfer 11 _ 0 void of=1 -> existsWithDifferentFlags
            transfer 11 _ max post of=2 -> existsWithDifferentPendingID
            transfer 11 _ max post of=1 timeout=1 -> existsWithDifferentTimeout
            transfer 11 3>2 9 post of=1 -> existsWithDifferentDebitAccountID
            transfer 11 1>3 9 post of=1 -> existsWithDifferentCreditAccountID
            transfer 11 1>2 9 post of=1 u128=9 -> existsWithDifferentAmount
            transfer 11 1>2 10 post of=1 u128=9 u64=9 -> existsWithDifferentUserData128
            transfer 11 1>2 10 post of=1 u64=9 u32=9 -> existsWithDifferentUserData64
            transfer 11 1>2 10 post of=1 u32=9 ledger=9 -> existsWithDifferentUserData32
            transfer 11 1>2 10 post of=1 ledger=9 code=9 -> existsWithDifferentLedger
            transfer 11 1>2 10 post of=1 code=9 -> existsWithDifferentCode
            # it was partial
            transfer 12 _ max post of=2 u128=7 u64=8 u32=9 -> existsWithDifferentAmount
            # the pending one has others
            transfer 12 _ 6 post of=2 -> existsWithDifferentUserData128
            transfer 12 _ 6 post of=2 u128=7 -> existsWithDifferentUserData64
            transfer 12 _ 6 post of=2 u128=7 u64=8 -> existsWithDifferentUserData32
            transfer 12 _ 6 post of=2 u128=7 u64=8 u32=9 -> exists
            transfer 13 _ 0 void of=3 -> exists
            transfer 13 _ 10 void of=3 -> exists
            transfer 13 _ 9 void of=3 -> existsWithDifferentAmount
            transfer 13 _ max void of=3 -> existsWithDifferentAmount
            balance 1 0 16 0 0
            """),
        LedgerTable(
            "resolving: amounts at the very top",
            """
            account 1 -> created
            account 2 -> created
            transfer 1 1>2 max pending -> created
            transfer 2 1>2 1 -> overflowsDebits
            transfer 2 _ max post of=1 -> created
            balance 1 0 max 0 0
            transfer 3 1>2 1 -> overflowsDebitsPosted
            transfer 3 1>2 0 pending -> created
            transfer 4 _ 0 void of=3 -> created
            transfer 2 _ max post of=1 -> exists
            """),
        LedgerTable(
            "timeouts: over at the very nanosecond, released or not",
            """
            account 1 dr<=cr -> created
            account 2 -> created
            clock 5000000000
            transfer 1 2>1 10 -> created
            transfer 2 1>2 10 pending timeout=2 -> created   # at 5.000000002, until 7.000000002
            expire
            transfer 3 1>2 1 -> exceedsCredits
            clock 7000000000
            transfer 4 1>2 1 -> exceedsCredits   # at 7.000000001
            expire
            transfer 5 _ max post of=2 -> pendingTransferExpired   # at 7.000000002
            stored 2 10 pending
            balance 1 10 0 0 10
            transfer 6 1>2 1 -> exceedsCredits   # still reserved until the release
            expire 2
            stored 2 10 expired
            balance 1 0 0 0 10
            expire
            transfer 7 _ 0 void of=2 -> pendingTransferExpired
            transfer 8 1>2 10 -> created
            transfer 2 1>2 10 pending timeout=2 -> exists
            transfer 9 1>2 11 post of=2 -> exceedsPendingTransferAmount
            """),
        LedgerTable(
            "timeouts: one nanosecond before is in time",
            """
            account 1 -> created
            account 2 -> created
            clock 5000000000
            transfer 1 1>2 10 pending timeout=2 -> created   # until 7.000000001
            transfer 2 1>2 10 pending timeout=2 -> created   # until 7.000000002
            clock 6999999999
            transfer 3 _ max post of=1 -> created   # at 7.000000000
            transfer 4 _ max post of=2 -> created   # at 7.000000001
            clock +9s
            expire
            balance 1 0 20 0 0
            """),
        LedgerTable(
            "timeouts: released by moment, then by age",
            """
            account 1 -> created
            account 2 -> created
            clock 5000000000
            transfer 90 1>2 1 pending timeout=3 -> created
            transfer 50 1>2 2 pending timeout=1 -> created
            transfer 70 1>2 4 pending timeout=2 -> created
            transfer 60 1>2 8 pending timeout=1 -> created
            transfer 80 1>2 16 pending -> created
            transfer 40 1>2 32 pending timeout=1 -> created
            transfer 30 _ max post of=60 -> created
            clock 8000000000
            expire 50 40 70
            balance 1 17 8 0 0
            clock 9000000000
            expire 90
            balance 1 16 8 0 0
            clock 10000000000
            transfer 21 1>2 1 pending timeout=2 -> created
            clock 11000000000
            transfer 20 1>2 1 pending timeout=1 -> created   # until the same nanosecond
            clock 13000000000
            expire 21 20
            """),
        LedgerTable(
            "closing: only a void or the timeout reopens",
            """
            account 1 -> created
            account 2 -> created
            account 3 -> created
            transfer 1 1>3 5 pending -> created
            transfer 2 3>2 6 pending -> created
            transfer 3 1>2 0 pending close-dr -> created
            balance 1 5 0 0 0 closed
            balance 2 0 0 6 0
            transfer 4 1>2 1 -> debitAccountAlreadyClosed
            transfer 5 2>1 1 -> creditAccountAlreadyClosed
            transfer 6 1>2 0 pending close-dr -> debitAccountAlreadyClosed
            transfer 7 _ max post of=1 -> debitAccountAlreadyClosed
            transfer 8 _ max post of=3 -> debitAccountAlreadyClosed
            transfer 9 _ 0 void of=1 -> created   # a void is allowed
            balance 1 0 0 0 0 closed
            transfer 10 _ 0 void of=3 -> created
            balance 1 0 0 0 0
            transfer 11 3>2 0 pending close-cr timeout=1 -> created
            balance 2 0 0 6 0 closed
            transfer 12 _ 1 post of=2 -> creditAccountAlreadyClosed
            clock +1s
            transfer 13 3>2 1 -> creditAccountAlreadyClosed   # until the release
            expire 11
            balance 2 0 0 6 0
            transfer 14 _ 1 post of=2 -> created
            transfer 15 1>2 3 pending close-dr close-cr -> created
            balance 1 3 0 0 0 closed
            balance 2 0 0 3 1 closed
            transfer 16 _ 0 void of=15 -> created
            balance 1 0 0 0 0
            balance 2 0 0 0 1
            """),
    ]
}
