extension LedgerTable {
    /// Questions about many records, and the history of balances.
    static let queries: [LedgerTable] = [
        LedgerTable(
            "queries: each fault hides those below it",
            """
            account 1 history -> created
            account-transfers 0 bit31 no-side min=max limit=0 -> reservedFlag
            account-transfers 0 no-side min=max limit=0 -> accountIDMustNotBeZero
            account-transfers max no-side min=max limit=0 -> accountIDMustNotBeIntMax
            account-transfers 1 no-side min=max limit=0 -> sideMustBeChosen
            account-transfers 1 min=9223372036854775808 limit=0 -> timestampOutOfRange
            account-transfers 1 min=9 max=9223372036854775808 limit=0 -> timestampOutOfRange
            account-transfers 1 min=9 max=8 limit=0 -> timestampsMustBeOrdered
            account-transfers 1 min=9 max=9223372036854775807 limit=0 -> limitMustNotBeZero
            account-balances 0 bit31 no-side min=max limit=0 -> reservedFlag
            account-balances 0 no-side min=max limit=0 -> accountIDMustNotBeZero
            account-balances max no-side min=max limit=0 -> accountIDMustNotBeIntMax
            account-balances 1 no-side min=max limit=0 -> sideMustBeChosen
            account-balances 1 max=9223372036854775808 limit=0 -> timestampOutOfRange
            account-balances 1 min=9 max=8 limit=0 -> timestampsMustBeOrdered
            account-balances 1 limit=0 -> limitMustNotBeZero
            query-transfers bit31 min=max limit=0 -> reservedFlag
            query-transfers min=max limit=0 -> timestampOutOfRange
            query-transfers min=9 max=8 limit=0 -> timestampsMustBeOrdered
            query-transfers limit=0 -> limitMustNotBeZero
            query-accounts bit31 min=max limit=0 -> reservedFlag
            query-accounts max=max limit=0 -> timestampOutOfRange
            query-accounts min=9 max=8 limit=0 -> timestampsMustBeOrdered
            query-accounts limit=0 -> limitMustNotBeZero
            account-transfers 1 -> # nothing yet
            account-balances 1 ->
            query-transfers ->
            query-accounts -> 1
            """),
        LedgerTable(
            "queries: an account's transfers by side, time and order",
            """
            account 1 -> created
            account 2 -> created
            account 3 -> created
            transfer 10 1>2 1 -> created
            transfer 9 2>1 1 -> created   # order is by time, not by id
            transfer 8 2>3 1 -> created
            transfer 7 1>3 1 pending -> created
            transfer 6 1>2 1 code=0 -> codeMustNotBeZero
            transfer 5 _ 0 void of=7 -> created   # stands on the pending transfer's sides
            account-transfers 1 -> 10 9 7 5
            account-transfers 1 reversed -> 5 7 9 10
            account-transfers 1 debits -> 10 7 5
            account-transfers 1 credits -> 9
            account-transfers 3 credits debits reversed -> 5 7 8
            account-transfers 3 debits ->
            account-transfers 4 -> # no such account
            account-transfers 1 min=t9 -> 9 7 5
            account-transfers 1 min=t9 max=t7 -> 9 7
            account-transfers 1 min=t8 max=t8 ->
            account-transfers 1 max=t7 reversed -> 7 9 10
            account-transfers 1 limit=2 -> 10 9 next t7
            account-transfers 1 limit=2 min=t7 -> 7 5
            account-transfers 1 limit=3 reversed -> 5 7 9 next t10
            account-transfers 1 limit=3 reversed max=t10 -> 10
            account-transfers 1 limit=max -> 10 9 7 5
            account-transfers 1 min=9223372036854775807 ->
            account-balances 1 -> # keeps no history
            """),
        LedgerTable(
            "queries: all given values must match, zero is any",
            """
            account 1 u128=7 u64=8 u32=9 code=3 -> created
            account 2 u128=7 code=4 -> created
            account 3 ledger=2 u64=8 -> created
            transfer 1 1>2 1 u128=5 u64=6 u32=7 code=3 -> created
            transfer 2 1>2 1 u128=5 u64=6 -> created
            transfer 3 2>1 1 u128=5 code=3 -> created
            transfer 4 1>2 1 pending u32=7 -> created
            transfer 5 _ max post of=4 u64=6 -> created   # inherits u32
            account-transfers 1 u128=5 -> 1 2 3
            account-transfers 1 u64=6 -> 1 2 5
            account-transfers 1 u32=7 -> 1 4 5
            account-transfers 1 code=3 -> 1 3
            account-transfers 1 u64=6 u32=7 reversed -> 5 1
            account-transfers 1 u128=5 u64=6 u32=7 code=3 -> 1
            account-transfers 1 u128=5 debits limit=1 -> 1 next t2
            account-transfers 1 u128=6 limit=1 ->
            query-transfers u128=5 -> 1 2 3
            query-transfers u64=6 -> 1 2 5
            query-transfers u32=7 reversed -> 5 4 1
            query-transfers code=3 -> 1 3
            query-transfers ledger=2 ->
            query-transfers ledger=1 limit=2 -> 1 2 next t3
            query-transfers ledger=1 limit=2 reversed max=t3 -> 3 2 next t1
            query-transfers min=t2 max=t4 -> 2 3 4
            query-transfers code=3 u64=6 -> 1
            query-accounts u128=7 -> 1 2
            query-accounts u64=8 -> 1 3
            query-accounts u32=9 -> 1
            query-accounts code=4 -> 2
            query-accounts ledger=2 -> 3
            query-accounts u64=8 ledger=1 -> 1
            query-accounts reversed limit=2 -> 3 2 next a1
            query-accounts min=a2 -> 2 3
            query-accounts max=a2 -> 1 2
            """),
        LedgerTable(
            "history: one row for each transfer that touches the account",
            """
            account 1 history -> created
            account 2 -> created
            account 3 history dr<=cr -> created
            transfer 1 1>2 5 -> created
            transfer 2 2>1 3 pending -> created
            transfer 3 2>3 9 -> created
            transfer 4 1>3 0 -> created   # moves nothing, and has a row
            transfer 5 _ 2 post of=2 -> created
            transfer 6 3>1 4 pending -> created
            transfer 7 _ 0 void of=6 -> created
            transfer 8 3>1 10 -> exceedsCredits   # refused ones have none
            account-balances 1 -> 0/5/0/0 0/5/3/0 0/5/3/0 0/5/0/2 0/5/4/2 0/5/0/2
            account-balances 3 -> 0/0/0/9 0/0/0/9 4/0/0/9 0/0/0/9
            account-balances 2 ->
            account-balances 1 debits -> 0/5/0/0 0/5/3/0
            account-balances 1 credits reversed -> 0/5/0/2 0/5/4/2 0/5/0/2 0/5/3/0
            account-balances 1 min=t4 limit=2 -> 0/5/3/0 0/5/0/2 next t6
            account-balances 3 code=2 ->
            """),
        LedgerTable(
            "history: a release by timeout shows in the next row only",
            """
            account 1 history -> created
            account 2 -> created
            transfer 1 1>2 5 pending timeout=1 -> created
            transfer 2 1>2 7 pending timeout=9 -> created
            clock +2s
            account-balances 1 -> 5/0/0/0 12/0/0/0
            expire 1
            account-balances 1 -> 5/0/0/0 12/0/0/0
            transfer 3 1>2 1 -> created
            account-balances 1 -> 5/0/0/0 12/0/0/0 7/1/0/0
            """),
        LedgerTable(
            "queries and history: broken chains leave nothing",
            """
            account 1 history -> created
            account 2 history -> created
            transfer 1 1>2 1 -> created
            transfer 2 1>2 1 pending -> created
            transfer 3 1>2 1 linked -> linkedEventFailed
            transfer 4 _ max post of=2 linked -> linkedEventFailed
            transfer 5 2>1 1 code=0 -> codeMustNotBeZero
            account-transfers 1 -> 1 2
            account-transfers 2 -> 1 2
            account-balances 1 -> 0/1/0/0 1/1/0/0
            transfer 6 2>1 1 linked -> created
            transfer 7 1>2 2 -> created
            account-transfers 1 -> 1 2 6 7
            account-transfers 2 debits -> 6
            account-balances 2 -> 0/0/0/1 0/0/1/1 0/1/1/1 0/1/1/3
            query-transfers reversed -> 7 6 2 1
            """),
    ]
}
