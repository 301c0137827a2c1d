import Ledger
import LedgerServer
import Primitives
import Service
import Storage
import Testing

/// The binary protocol over real sockets.
@Suite(.serialized, .timeLimit(.minutes(10))) struct ProtocolTests {
    @Test func everyOperationAnswersWhatTheLedgerDoes() async throws {
        let running = try await RunningLedger()
        let client = try running.client()
        var twin = Twin()
        let accounts = [account(1), account(2, .history), account(0), account(.max), account(1)]
        #expect(
            .accounts(try client.createAccounts(accounts)) == twin.apply(.createAccounts(accounts)))
        let transfers = [
            transfer(1), transfer(2, amount: .max), transfer(0), transfer(.max), transfer(1),
            transfer(3, amount: .max - 1), transfer(4, amount: 0),
        ]
        #expect(
            .transfers(try client.createTransfers(transfers))
                == twin.apply(.createTransfers(transfers)))
        let ledger = twin.machine.ledger
        let ids = [1, 2, 3, 0, .max].map { AccountID($0) }
        #expect(try client.accounts(ids) == ids.compactMap { ledger.account($0) })
        let transferIDs = (0...5).map { TransferID($0) }
        #expect(
            try client.transfers(transferIDs) == transferIDs.compactMap { ledger.transfer($0) })
        let filter = AccountFilter(account: AccountID(2))
        let next: [UInt8] = .init(repeating: 0, count: 8)
        #expect(
            try client.ask(.accountTransfers, filter.canonicalBytes())
                == next + Transfer.wireBytes(try ledger.accountTransfers(filter).records))
        #expect(
            try client.ask(.accountBalances, filter.canonicalBytes())
                == next
                + (try ledger.accountBalances(filter).records).flatMap { $0.canonicalBytes() })
        let query = QueryFilter(flags: .reversed)
        #expect(
            try client.ask(.queryAccounts, query.canonicalBytes())
                == next + Account.wireBytes(try ledger.queryAccounts(query).records))
        #expect(
            try client.ask(.queryTransfers, query.canonicalBytes())
                == next + Transfer.wireBytes(try ledger.queryTransfers(query).records))
        #expect(try client.ask(.head, []).count == 56)
        await running.end()
    }

    /// What the documentation shows.
    @Test func theExampleFrameIsServed() async throws {
        let running = try await RunningLedger()
        let client = try running.client()
        let frame: [UInt8] =
            [0x45, 0x58, 0x51, 0x4C, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]
        try client.send(frame)
        let (header, body) = try client.receive()
        #expect(header.number == 7 && header.operation == 4 && body.count == 56)
        await running.end()
    }

    @Test(arguments: [1, 8_189]) func batchesOfEverySizeAreServed(count: Int) async throws {
        let running = try await RunningLedger()
        let client = try running.client()
        _ = try client.createAccounts([account(1), account(2)])
        let results = try client.createTransfers((1...count).map { transfer(UInt128($0)) })
        #expect(results.count == count && results.allSatisfy { $0.status == .created })
        await running.end()
    }

    @Test func aThousandRequestsAtOnceAreServed() async throws {
        let running = try await RunningLedger()
        let client = try running.client()
        _ = try client.createAccounts([account(1), account(2)])
        for number in 1...1_000 {
            let command = LedgerCommand.createTransfers([transfer(UInt128(number))])
            _ = try client.send(.submit, command.canonicalBytes())
        }
        // Who sends nothing more is still answered.
        client.endSending()
        var numbers: Set<UInt64> = []
        for _ in 1...1_000 { numbers.insert(try client.receive().0.number) }
        #expect(numbers.count == 1_000)
        #expect(client.drain() == 0)
        #expect(try running.client().accounts([AccountID(1)])[0].debitsPosted == Amount(1_000))
        await running.end()
    }

    /// A refusal that ends the connection comes after the replies that were under way.
    @Test func aBadFrameDoesNotLoseTheRepliesBeforeIt() async throws {
        let running = try await RunningLedger()
        let client = try running.client()
        var bytes: [UInt8] = []
        for number in 1...50 { bytes += rawFrame(4, UInt64(number)) }
        try client.send(bytes + [UInt8](repeating: 0x58, count: 100_000))
        var replies = 0
        var refusals: [UInt16] = []
        for _ in 1...51 {
            if let refusal = try client.refusal() { refusals.append(refusal) } else { replies += 1 }
        }
        #expect(replies == 50 && refusals == [1])
        #expect(client.drain() == 0)
        await running.end()
    }

    @Test func randomAndMutatedFramesChangeNothing() async throws {
        let running = try await RunningLedger()
        let client = try running.client()
        _ = try client.createAccounts([account(1), account(2)])
        let before = try client.ask(.head, [])
        var random = SystemRandomNumberGenerator()
        let sound = rawFrame(1, 9, LedgerCommand.createTransfers([transfer(1)]).canonicalBytes())
        for round in 0..<400 {
            let stranger = try running.client()
            var bytes =
                round % 2 == 0
                ? (0..<Int.random(in: 0...300, using: &random)).map { _ in
                    UInt8.random(in: .min ... .max, using: &random)
                } : sound
            // A mutated header: the body alone can still be a legal command.
            if round % 2 == 1 {
                bytes[Int.random(in: 0..<16, using: &random)] ^= 1 << UInt8.random(in: 0...7)
                bytes.removeLast(Int.random(in: 1...152, using: &random))
            }
            try stranger.send(bytes)
            stranger.endSending()
            _ = stranger.drain()
        }
        #expect(try client.ask(.head, []) == before)
        await running.end()
    }
}
