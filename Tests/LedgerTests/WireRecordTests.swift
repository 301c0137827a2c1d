import Ledger
import NaiveLedger
import Primitives
import Testing

@Suite("Wire records")
struct WireRecordTests {
    private var random = SplitMix64(seed: 128)

    private mutating func some<Value: FixedWidthInteger>(_ type: Value.Type) -> Value {
        Value.random(in: .min ... .max, using: &random)
    }

    private mutating func transfer() -> Transfer {
        var transfer = Transfer(
            id: TransferID(some(UInt128.self)), debitAccount: AccountID(some(UInt128.self)),
            creditAccount: AccountID(some(UInt128.self)), amount: Amount(some(UInt128.self)),
            ledger: some(UInt32.self), code: some(UInt16.self),
            flags: TransferFlags(rawValue: some(UInt16.self)),
            pendingID: TransferID(some(UInt128.self)), timeout: some(UInt32.self),
            userData128: some(UInt128.self), userData64: some(UInt64.self),
            userData32: some(UInt32.self))
        transfer.timestamp = Timestamp(nanoseconds: some(UInt64.self))
        return transfer
    }

    private mutating func account() -> Account {
        var account = Account(
            id: AccountID(some(UInt128.self)), ledger: some(UInt32.self), code: some(UInt16.self),
            flags: AccountFlags(rawValue: some(UInt16.self)), userData128: some(UInt128.self),
            userData64: some(UInt64.self), userData32: some(UInt32.self))
        account.debitsPending = Amount(some(UInt128.self))
        account.debitsPosted = Amount(some(UInt128.self))
        account.creditsPending = Amount(some(UInt128.self))
        account.creditsPosted = Amount(some(UInt128.self))
        account.reserved = some(UInt32.self)
        account.timestamp = Timestamp(nanoseconds: some(UInt64.self))
        return account
    }

    /// The documented form, field by field.
    private func written(_ transfer: Transfer) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(transfer.id.value)
        writer.write(transfer.debitAccount.value)
        writer.write(transfer.creditAccount.value)
        writer.write(transfer.amount.units)
        writer.write(transfer.pendingID.value)
        writer.write(transfer.userData128)
        writer.write(transfer.userData64)
        writer.write(transfer.userData32)
        writer.write(transfer.timeout)
        writer.write(transfer.ledger)
        writer.write(transfer.code)
        writer.write(transfer.flags.rawValue)
        writer.write(transfer.timestamp.nanoseconds)
        return writer.bytes
    }

    /// The documented form, field by field.
    private func written(_ account: Account) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(account.id.value)
        writer.write(account.debitsPending.units)
        writer.write(account.debitsPosted.units)
        writer.write(account.creditsPending.units)
        writer.write(account.creditsPosted.units)
        writer.write(account.userData128)
        writer.write(account.userData64)
        writer.write(account.userData32)
        writer.write(account.reserved)
        writer.write(account.ledger)
        writer.write(account.code)
        writer.write(account.flags.rawValue)
        writer.write(account.timestamp.nanoseconds)
        return writer.bytes
    }

    @Test mutating func memoryIsTheDocumentedForm() throws {
        let transfers = (0..<40).map { _ in transfer() }
        let bytes = transfers.flatMap { written($0) }
        #expect(bytes.count == 40 * Transfer.wireSize)
        #expect(Transfer.wireBytes(transfers) == bytes)
        #expect(transfers.flatMap { $0.canonicalBytes() } == bytes)
        #expect(Transfer.records(bytes) == transfers)
        #expect(try Transfer(canonicalBytes: Array(bytes[0..<128])) == transfers[0])
        let accounts = (0..<40).map { _ in account() }
        let accountBytes = accounts.flatMap { written($0) }
        #expect(Account.wireBytes(accounts) == accountBytes)
        #expect(accounts.flatMap { $0.canonicalBytes() } == accountBytes)
        #expect(Account.records(accountBytes) == accounts)
        #expect(try Account(canonicalBytes: Array(accountBytes[128..<256])) == accounts[1])
    }

    @Test mutating func recordsMayStartAnywhere() {
        let transfers = (0..<3).map { _ in transfer() }
        for skipped in 0..<16 {
            let bytes = Array(repeating: 7, count: skipped) + Transfer.wireBytes(transfers)
            let span = bytes.span.extracting(droppingFirst: skipped)
            let records = unsafe Transfer.records(span.bytes)
            #expect(records == transfers)
        }
    }

    @Test mutating func cutRecordsAreRefused() {
        let bytes = Transfer.wireBytes([transfer(), transfer()])
        for length in 0...bytes.count {
            let records = Transfer.records(Array(bytes[0..<length]))
            #expect(records?.count == (length % 128 == 0 ? length / 128 : nil))
        }
    }

    @Test func reservedBytesAreAnswered() {
        var account = Account(id: AccountID(1), ledger: 1, code: 1)
        account.reserved = 1
        var ledger = LedgerState()
        #expect(ledger.createAccount(account, at: Timestamp(nanoseconds: 1)) == .reservedField)
        #expect(ledger.account(AccountID(1)) == nil)
    }
}
