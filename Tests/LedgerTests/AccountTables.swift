extension LedgerTable {
    /// Creating accounts.
    static let accounts: [LedgerTable] = [
        LedgerTable(
            "accounts: each fault hides those below it",
            """
            account 0 ts=1 reserved=1 bit15 dr<=cr cr<=dr dp=1 dpo=1 cp=1 cpo=1 ledger=0 code=0 \
                -> timestampMustBeZero
            account 0 reserved=1 bit15 dr<=cr cr<=dr dp=1 dpo=1 cp=1 cpo=1 ledger=0 code=0 \
                -> reservedField
            account 0 bit15 dr<=cr cr<=dr dp=1 dpo=1 cp=1 cpo=1 ledger=0 code=0 -> reservedFlag
            account 0 imported dr<=cr cr<=dr dp=1 dpo=1 cp=1 cpo=1 ledger=0 code=0 -> reservedFlag
            account 0 dr<=cr cr<=dr dp=1 dpo=1 cp=1 cpo=1 ledger=0 code=0 -> idMustNotBeZero
            account max dr<=cr cr<=dr dp=1 dpo=1 cp=1 cpo=1 ledger=0 code=0 -> idMustNotBeIntMax
            account 1 dr<=cr cr<=dr dp=1 dpo=1 cp=1 cpo=1 ledger=0 code=0 \
                -> flagsAreMutuallyExclusive
            account 1 dr<=cr dp=1 dpo=1 cp=1 cpo=1 ledger=0 code=0 -> debitsPendingMustBeZero
            account 1 dr<=cr dpo=1 cp=1 cpo=1 ledger=0 code=0 -> debitsPostedMustBeZero
            account 1 dr<=cr cp=1 cpo=1 ledger=0 code=0 -> creditsPendingMustBeZero
            account 1 dr<=cr cpo=1 ledger=0 code=0 -> creditsPostedMustBeZero
            account 1 dr<=cr ledger=0 code=0 -> ledgerMustNotBeZero
            account 1 dr<=cr code=0 -> codeMustNotBeZero
            account 1 dr<=cr -> created
            account max-1 cr<=dr history ledger=max code=max u128=max u64=max u32=max -> created
            balance 1 0 0 0 0
            """),
        LedgerTable(
            "accounts: the same again, or not quite",
            """
            account 7 dr<=cr history u128=1 u64=2 u32=3 ledger=4 code=5 -> created
            account 7 cr<=dr dr<=cr u128=9 u64=9 u32=9 ledger=9 code=9 dp=1 \
                -> existsWithDifferentFlags
            account 7 dr<=cr history u128=9 u64=9 u32=9 ledger=9 code=9 \
                -> existsWithDifferentUserData128
            account 7 dr<=cr history u128=1 u64=9 u32=9 ledger=9 code=9 \
                -> existsWithDifferentUserData64
            account 7 dr<=cr history u128=1 u64=2 u32=9 ledger=9 code=9 \
                -> existsWithDifferentUserData32
            account 7 dr<=cr history u128=1 u64=2 u32=3 ledger=0 code=0 -> existsWithDifferentLedger
            account 7 dr<=cr history u128=1 u64=2 u32=3 ledger=4 code=0 -> existsWithDifferentCode
            account 7 dr<=cr history u128=1 u64=2 u32=3 ledger=4 code=5 dp=1 -> exists
            account 7 dr<=cr history u128=1 u64=2 u32=3 ledger=4 code=5 -> exists

            account 7 dr<=cr history u128=1 u64=2 u32=3 ledger=4 code=5 -> exists
            account 7 dr<=cr history u128=1 u64=2 u32=3 ledger=4 code=5 ts=1 -> timestampMustBeZero
            """),
        LedgerTable(
            "accounts: closing one changes its flags",
            """
            account 1 -> created
            account 2 -> created
            account 3 closed -> created
            transfer 1 1>2 0 pending close-dr -> created
            account 1 -> existsWithDifferentFlags
            account 1 closed -> exists
            account 3 closed -> exists
            balance 3 0 0 0 0 closed
            """),
        LedgerTable(
            "accounts: chains succeed or fail as one",
            """
            account 1 linked -> linkedEventFailed
            account 2 linked -> linkedEventFailed
            account 1 linked -> exists
            account 0 linked -> linkedEventFailed
            account 3 -> linkedEventFailed
            account 1 -> created
            account 4 linked -> created
            account 5 linked -> created
            account 6 -> created
            account 2 linked -> linkedEventFailed
            account 8 code=0 -> codeMustNotBeZero
            account 2 linked -> created
            account 8 -> created

            account 1 -> exists
            account 3 -> created
            balance 6 0 0 0 0
            """),
        LedgerTable(
            "accounts: a chain left open fails",
            """
            account 1 -> created
            account 2 linked -> linkedEventFailed
            account 3 linked -> linkedEventChainOpen

            account 4 linked -> linkedEventChainOpen

            account 5 linked ledger=0 -> ledgerMustNotBeZero
            account 6 linked -> linkedEventFailed
            account 0 linked ts=1 -> linkedEventChainOpen

            account 2 -> created
            account 3 -> created
            account 4 -> created
            account 5 -> created
            """),
    ]
}
