extension LedgerTable {
    /// Linked transfers.
    static let chains: [LedgerTable] = [
        LedgerTable(
            "chains: all or nothing, in order",
            """
            account 1 dr<=cr -> created
            account 2 -> created
            account 3 -> created
            transfer 1 2>1 10 linked -> created   # the next one spends it
            transfer 2 1>3 10 -> created
            transfer 3 2>1 10 linked -> linkedEventFailed
            transfer 4 1>3 11 linked -> exceedsCredits
            transfer 5 2>3 1 linked -> linkedEventFailed
            transfer 0 0>0 0 -> linkedEventFailed
            transfer 6 2>3 1 -> created
            transfer 3 2>1 10 -> created   # undone chain members are free again
            transfer 4 2>3 1 -> idAlreadyFailed   # but not the one that failed for now
            transfer 5 2>3 1 -> created
            balance 1 0 10 0 20
            balance 2 0 22 0 0
            balance 3 0 0 0 12
            missing 0
            burnt 4
            """),
        LedgerTable(
            "chains: one left open fails",
            """
            account 1 -> created
            account 2 -> created
            transfer 1 1>2 1 linked -> linkedEventChainOpen

            transfer 1 1>2 1 -> created
            transfer 2 1>2 1 linked -> linkedEventFailed
            transfer 3 1>2 1 linked -> linkedEventFailed
            transfer 4 1>2 1 linked -> linkedEventChainOpen

            transfer 5 1>2 1 linked -> linkedEventFailed
            transfer 6 1>9 1 linked -> creditAccountNotFound
            transfer 7 1>2 1 linked -> linkedEventFailed
            transfer 8 1>2 1 linked -> linkedEventChainOpen
            balance 1 0 1 0 0
            missing 2
            missing 5
            burnt 6
            missing 8
            """),
        LedgerTable(
            "chains: members see each other",
            """
            account 1 -> created
            account 2 -> created
            transfer 1 1>2 5 linked -> linkedEventFailed
            transfer 1 1>2 5 pending linked -> existsWithDifferentFlags
            transfer 2 1>2 5 -> linkedEventFailed

            transfer 1 1>2 5 linked -> linkedEventFailed
            transfer 1 1>2 5 linked -> exists
            transfer 2 1>2 5 -> linkedEventFailed

            transfer 1 1>2 5 pending linked timeout=1 -> created
            transfer 2 _ 3 post of=1 linked -> created
            transfer 3 1>2 5 pending linked -> created
            transfer 4 _ 0 void of=3 -> created
            balance 1 0 3 0 0
            clock +2s
            expire
            """),
        LedgerTable(
            "chains: undoing resolutions, closings and timeouts",
            """
            account 1 -> created
            account 2 -> created
            transfer 1 1>2 5 pending timeout=2 -> created
            transfer 2 1>2 7 pending -> created
            transfer 3 1>2 0 pending close-dr -> created
            transfer 10 _ max post of=2 linked -> debitAccountAlreadyClosed
            transfer 11 _ 0 void of=1 -> linkedEventFailed
            transfer 12 _ 0 void of=3 linked -> linkedEventFailed   # reopens
            transfer 13 _ max post of=1 linked -> linkedEventFailed
            transfer 14 _ 0 void of=2 linked -> linkedEventFailed
            transfer 15 1>2 9 pending timeout=1 linked -> linkedEventFailed
            transfer 16 1>2 0 pending close-cr linked -> linkedEventFailed
            transfer 17 _ 0 void of=2 -> pendingTransferAlreadyVoided
            balance 1 12 0 0 0 closed
            balance 2 0 0 12 0
            stored 1 5 pending
            stored 2 7 pending
            stored 3 0 pending
            missing 12
            missing 15
            burnt 10
            clock +1s
            expire
            clock +2s
            expire 1
            balance 1 7 0 0 0 closed
            transfer 12 _ 0 void of=3 linked -> created
            transfer 14 _ 0 void of=2 -> created
            balance 1 0 0 0 0
            """),
        LedgerTable(
            "chains: an exchange between two assets is two linked transfers",
            """
            account 1 dr<=cr ledger=1 -> created
            account 2 dr<=cr ledger=2 -> created
            account 11 ledger=1 -> created
            account 12 ledger=2 -> created
            transfer 1 11>1 100 -> created
            transfer 2 1>12 60 -> accountsMustHaveTheSameLedger
            transfer 3 1>11 60 linked -> created
            transfer 4 12>2 55 ledger=2 -> created
            transfer 5 1>11 60 linked -> exceedsCredits
            transfer 6 12>2 55 ledger=2 -> linkedEventFailed
            balance 1 0 60 0 100
            balance 2 0 0 0 55
            """),
    ]
}
