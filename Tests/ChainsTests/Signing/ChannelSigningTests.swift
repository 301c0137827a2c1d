import Chains
import Cryptography
import Foundation
import Glibc
import Primitives
import Testing
import Transport

/// What a signer signs for payment channels: its policy's, and deposits within its caps.
@Suite struct ChannelSigningTests {
    private let bench: SignerBench
    private let collector: EVMAddress
    private static let key = "channel"

    init() throws {
        bench = try SignerBench()
        collector = try #require(EVMAddress([UInt8](repeating: 0xE0, count: 20)))
    }

    private func desk(_ change: (String) -> String = { $0 }) throws -> SignerDesk {
        let channels = #""channels": {"contract": "\#(SignerBench.contract.hex)", "#
        let whole = channels + #""collector": "\#(collector.hex)"}, "tokens""#
        return try bench.desk {
            // The first key's, not Solana's.
            change($0.replacingOccurrences(of: #""tokens""#, with: whole))
        }
    }

    private func channel(
        _ change: (inout BatchChannel.Config) -> Void = { _ in }, chain: UInt64 = 31_337,
        contract: EVMAddress = SignerBench.contract
    ) throws -> BatchChannel {
        let receiver = try #require(EVMAddress([UInt8](repeating: 0xA0, count: 20)))
        var config = BatchChannel.Config(
            payer: bench.key.address, receiver: receiver, receiverAuthorizer: receiver,
            token: SignerBench.usd, withdrawDelay: 900, salt: .zero)
        change(&config)
        return try BatchChannel(config, chainID: chain, contract: contract)
    }

    private func deposit(
        _ dollars: UInt128, salt: UInt64 = 1, collector: EVMAddress? = nil, end: UInt64 = 9
    ) -> ChannelMessage {
        .deposit(
            ChannelDeposit(
                dollars * 1_000_000, validBefore: end, salt: Digest(words: (0, 0, 0, salt)),
                collector: collector ?? self.collector, tokenName: "USD Coin", tokenVersion: "2"))
    }

    private var books: ChannelMessage {
        .books(
            cumulative: 5, sequence: 6,
            PushedBooks(journalHead: Digest(words: (1, 1, 1, 1)), liabilities: .zero))
    }

    /// Asks as the house does, with fields as they should not be.
    private func ask(
        _ message: ChannelMessage, _ channel: BatchChannel, in desk: SignerDesk? = nil,
        changed: [String: Any] = [:]
    ) throws -> SignerReply {
        var fields: [String: Any] = [
            "chain_id": "\(channel.chainID)", "contract": channel.contract.hex,
            "payer": channel.config.payer.hex,
            "payer_authorizer": channel.config.payerAuthorizer.hex,
            "receiver": channel.config.receiver.hex,
            "receiver_authorizer": channel.config.receiverAuthorizer.hex,
            "token": channel.config.token.hex,
            "withdraw_delay": "\(channel.config.withdrawDelay)",
            "salt": "0x" + channel.config.salt.hex,
            "digest": "0x" + message.digest(in: channel).hex,
        ]
        switch message {
        case .voucher(let sum): fields["voucher"] = ["cumulative": "\(sum)"]
        case .books(let sum, let sequence, let books):
            fields["books"] = [
                "cumulative": "\(sum)", "sequence": "\(sequence)",
                "journal_head": "0x" + books.journalHead.hex,
                "liabilities_root": "0x" + books.liabilities.hex,
            ]
        case .deposit(let one):
            fields["deposit"] = [
                "amount": "\(one.amount)", "valid_before": "\(one.validBefore)",
                "salt": "0x" + one.salt.hex, "collector": one.collector.hex,
                "token_name": one.tokenName, "token_version": one.tokenVersion,
            ]
        }
        fields.merge(changed) { $1 }
        let request: [String: Any] = [
            "v": 1, "id": "a", "method": "sign", "key": bench.key.address.hex, Self.key: fields,
        ]
        let line = try JSONSerialization.data(withJSONObject: request)
        let desk = try desk ?? self.desk()
        return try desk.reply(String(decoding: line, as: UTF8.self))
    }

    @Test func whatThePolicyHasIsSigned() throws {
        let channel = try channel()
        for message in [.voucher(cumulative: 7), books, deposit(60)] {
            let reply = try ask(message, channel)
            let bytes = try #require(reply.signature.flatMap { Hex.decode($0) })
            let digest = message.digest(in: channel)
            #expect(RecoverableSignature(bytes)?.recover(digest) == bench.key.address)
            #expect(try ask(message, channel).signature == reply.signature)
        }
        #expect(
            Set(bench.decisions.map(\.name)) == [
                "a voucher", "the books of a voucher", "a channel's deposit",
            ])
    }

    @Test func anythingElseIsRefusedWithItsNumber() throws {
        let good = try channel()
        let stranger = try #require(EVMAddress([UInt8](repeating: 3, count: 20)))
        func code(
            _ message: ChannelMessage, _ channel: BatchChannel, in desk: SignerDesk? = nil,
            changed: [String: Any] = [:]
        ) throws -> Int? {
            let reply = try ask(message, channel, in: desk, changed: changed)
            #expect(reply.signature == nil)
            return reply.error?.code
        }
        for message in [.voucher(cumulative: 7), books, deposit(6)] {
            // A policy of before there were channels signs for none.
            #expect(try code(message, good, in: bench.desk()) == 7)
            #expect(try code(message, channel(chain: 1)) == 6)
            #expect(try code(message, channel(contract: stranger)) == 7)
            #expect(try code(message, channel { $0.payer = stranger }) == 7)
            #expect(try code(message, channel { $0.payerAuthorizer = stranger }) == 7)
            // Somebody else's money, however much it is this key that may sign for it.
            let others = try channel {
                $0.payer = stranger
                $0.payerAuthorizer = bench.key.address
            }
            #expect(try code(message, others) == 7)
            #expect(try code(message, channel { $0.token = SignerBench.tly }) == 7)
            #expect(try code(message, good, changed: ["receiver": stranger.hex]) == 5)
            #expect(try code(message, good, changed: ["digest": "0x12"]) == 5)
            #expect(try code(message, good, changed: ["salt": "0x12"]) == 1)
            #expect(try code(message, good, changed: ["withdraw_delay": "1"]) == 1)
        }
        #expect(try code(deposit(6, collector: stranger), good) == 7)
        let other = ["cumulative": "9"]
        #expect(try code(deposit(6), good, changed: ["voucher": other]) == 1)
        #expect(try code(.voucher(cumulative: 7), good, changed: ["voucher": other]) == 5)
        let nothing = ["cumulative": "-1"]
        #expect(try code(.voucher(cumulative: 7), good, changed: ["voucher": nothing]) == 1)
    }

    @Test func depositsCountOnceAndVouchersNothing() throws {
        let channel = try channel()
        #expect(try ask(deposit(101), channel).error?.code == 9)
        #expect(try ask(deposit(100), channel).signature != nil)
        #expect(bench.decisions.last?.added.usd == 100_000_000)
        // Signed again to end later: it is the same deposit to the token.
        #expect(try ask(deposit(100, end: 99), channel).signature != nil)
        #expect(bench.decisions.last?.added.usd == 0)
        #expect(try ask(.voucher(cumulative: 1 << 100), channel).signature != nil)
        #expect(bench.decisions.last?.added.usd == 0)
        #expect(try ask(deposit(100, salt: 2), channel).signature != nil)
        // The same salt in another channel is another deposit.
        let second = try self.channel { $0.salt = Digest(words: (0, 0, 0, 9)) }
        #expect(try ask(deposit(51), second).error?.code == 10)
        #expect(try ask(deposit(50), second).signature != nil)
        let now = Timestamp(seconds: 20_000 * 86_400 + 200)
        #expect(bench.book.spent(by: bench.key.address.hex, at: now).usd == 250_000_000)
    }

    /// Whoever asks chooses a slash's verdict, and a deposit's name with it if they had one list.
    @Test func aSlashIsNoDepositsNameAndCountsBesideIt() throws {
        let channel = try channel()
        let desk = try desk()
        let salt = Digest(words: (0, 0, 0, 1))
        var data = SignerBench.slash(usd: 100, verdict: 0)
        data.removeLast(32)
        data += Keccak256.hash(channel.id, salt).bytes
        let slash = bench.transaction(1, data)
        #expect(try desk.ask(slash, key: bench.key.address).signature != nil)
        #expect(bench.decisions.last?.added.usd == 100_000_000)
        #expect(try desk.ask(slash, key: bench.key.address).signature != nil)
        #expect(bench.decisions.last?.added.usd == 0)
        #expect(try ask(deposit(100), channel, in: desk).signature != nil)
        #expect(bench.decisions.last?.added.usd == 100_000_000)
        #expect(try ask(deposit(51, salt: 2), channel, in: desk).error?.code == 10)
    }

    /// What neither costs nor moves anything is neither written down nor forgets anything else.
    @Test func vouchersTakeNoPlaceInTheBook() throws {
        let channel = try channel()
        let desk = try desk()
        let root = bench.transaction(1, SignerBench.root(usd: 1_001), thousandths: 9)
        #expect(try desk.ask(root, key: bench.key.address).signature != nil)
        let (saves, book) = (bench.saves, bench.book)
        for sum in 1...UInt128(300) {
            #expect(try ask(.voucher(cumulative: sum), channel, in: desk).signature != nil)
        }
        #expect(try ask(books, channel, in: desk).signature != nil)
        #expect(bench.saves == saves && bench.book == book)
        #expect(try desk.ask(root, key: bench.key.address).signature != nil)
        #expect(bench.decisions.last?.added == SigningCost())
        // The day's cap is lowered below what was spent: what adds nothing is signed all the same.
        let strict = try self.desk {
            $0.replacingOccurrences(of: "250.000000", with: "0")
        }
        #expect(try ask(.voucher(cumulative: 301), channel, in: strict).signature != nil)
        #expect(try ask(deposit(1), channel, in: strict).error?.code == 10)
    }

    @Test func aSignatureComesOverTheSocket() async throws {
        let path = "\(FileManager.default.temporaryDirectory.path())/s-\(UUID().uuidString)"
        let desk = try desk()
        let listener = try UnixListener(path: path, users: [getuid()])
        defer { listener.stop() }
        listener.serve { desk.answer($0) }
        let signer = ExternalEVMSigner(
            address: bench.key.address, socket: SignerSocket(path: path))
        let channel = try channel()
        for message in [.voucher(cumulative: 7), books, deposit(6)] {
            let signature = try await signer.signature(of: message, in: channel)
            #expect(signature.recover(message.digest(in: channel)) == bench.key.address)
            #expect(signature.bytes == bench.key.sign(message.digest(in: channel)).bytes)
        }
        await #expect(throws: SigningFailure.self) {
            try await signer.signature(of: deposit(500), in: channel)
        }
    }
}
