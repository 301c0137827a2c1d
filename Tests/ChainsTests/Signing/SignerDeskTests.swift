import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// What the reference signer signs, what it refuses, and what it remembers.
@Suite struct SignerDeskTests {
    private let bench: SignerBench
    private let key: EVMAddress

    init() throws {
        bench = try SignerBench()
        key = bench.key.address
    }

    private func ask(
        _ transaction: EVMTransaction, _ changed: [String: String] = [:]
    ) throws -> SignerReply {
        try bench.desk().ask(transaction, key: key, changed: changed)
    }

    @Test func whatThePolicyHasIsSignedAndTheSignatureIsTheKeys() throws {
        for transaction in [
            bench.transaction(1, SignerBench.root(usd: 1_050)),
            bench.transaction(2, SignerBench.slash(usd: 20, verdict: 3)),
            bench.transaction(3, [], to: key),
        ] {
            let reply = try ask(transaction)
            let bytes = try #require(reply.signature.flatMap { Hex.decode($0) })
            #expect(
                RecoverableSignature(bytes)?.recover(transaction.signingHash) == key)
            #expect(try ask(transaction).signature == reply.signature)
        }
        #expect(bench.decisions.map(\.name).prefix(1) == ["commitRoot"])
        #expect(bench.decisions.allSatisfy { $0.refusal == nil })
    }

    @Test func eachReasonToRefuseHasItsNumber() throws {
        let good = bench.transaction(1, SignerBench.root(usd: 1_050))
        func code(_ transaction: EVMTransaction, _ changed: [String: String] = [:]) throws -> Int {
            let reply = try ask(transaction, changed)
            #expect(reply.signature == nil && reply.id == "a")
            return reply.error?.code ?? 0
        }
        for line in ["", "{}", "[1]", "\0", #"{"v": 1, "id": 7, "method": "keys"}"#] {
            #expect(try bench.desk().reply(line).error?.code == 1)
        }
        for (name, value) in [
            ("nonce", "-1"), ("chain_id", "0x1"), ("max_fee_per_gas", "1e9"), ("to", "0x12"),
            ("value", ""), ("data", "zz"), ("data", Hex.encode(good.data)), ("gas_limit", "1 "),
        ] { #expect(try code(good, [name: value]) == 1, "\(name) \(value)") }
        let sign = #""id": "a", "method": "sign", "key": "\#(key.hex)""#
        #expect(try bench.desk().reply("{\"v\": 1, \(sign)}").error?.code == 1)
        #expect(try bench.desk().reply(#"{"v": 2, "id": "a", "method": "keys"}"#).error?.code == 2)
        #expect(try bench.desk().reply(#"{"v": 1, "id": "a", "method": "mint"}"#).error?.code == 3)
        let stranger = try bench.desk().ask(good, key: try address(9))
        #expect(stranger.error?.code == 4)
        #expect(try code(good, ["value": "1"]) == 5)
        #expect(try code(good, ["digest": "0x" + Digest.zero.hex]) == 5)
        var other = good
        other.chainID = 1
        #expect(try code(other) == 6)
        other = good
        other.to = try address(3)
        #expect(try code(other) == 7)
        other.to = nil
        #expect(try code(other) == 7)
        #expect(try code(bench.transaction(1, [1, 2, 3, 4])) == 8)
        #expect(try code(bench.transaction(1, [])) == 8)
        #expect(try code(bench.transaction(1, good.data, thousandths: 11)) == 9)
        #expect(try code(bench.transaction(1, SignerBench.root(usd: 1_101))) == 9)
        #expect(try code(bench.transaction(1, SignerBench.root(usd: 0, tly: 11))) == 9)
        #expect(try code(bench.transaction(1, SignerBench.slash(usd: 101, verdict: 1))) == 9)
        // To itself, but not nothing.
        other = bench.transaction(1, [], to: key)
        other.value = 1
        #expect(try code(other) == 7)
        bench.fill(true)
        #expect(try code(good) == 11)
        #expect(bench.book == SigningBook())
        #expect(SignerCode.allCases.map(\.rawValue) == Array(1...11))
    }

    @Test func aNumberThatIsTooLargeForUsIsAboveEveryCap() throws {
        var data = SignerBench.root(usd: 1)
        data[4 + 64] = 1
        #expect(try ask(bench.transaction(1, data)).error?.code == 9)
        var huge = bench.transaction(1, SignerBench.root(usd: 1))
        huge.maxFeePerGas = .max
        #expect(try ask(huge).error?.code == 9)
    }

    @Test func aDayHasItsCapAndARestartDoesNotBeginItAnew() throws {
        for nonce: UInt64 in 1...2 {
            let gas = bench.transaction(nonce, SignerBench.root(usd: 1_000), thousandths: 10)
            #expect(try ask(gas).signature != nil)
        }
        // Each `ask` is a new process: the book is all it has. A third is above 0.025 coins.
        let third = bench.transaction(3, SignerBench.root(usd: 1_000), thousandths: 6)
        #expect(try ask(third).error?.code == 10)
        #expect(
            try ask(bench.transaction(3, SignerBench.root(usd: 1_000), thousandths: 5)).signature
                != nil)
        bench.pass(days: -1)
        #expect(try ask(third).error?.code == 10)
        bench.pass(days: 2)
        #expect(try ask(third).signature != nil)
    }

    @Test func theSameNonceCountsOnceAndAsFarAsItCostsMore() throws {
        let first = bench.transaction(1, SignerBench.root(usd: 1_000), thousandths: 8)
        for _ in 0..<9 { #expect(try ask(first).signature != nil) }
        let dearer = bench.transaction(1, SignerBench.root(usd: 1_000), thousandths: 10)
        #expect(try ask(dearer).signature != nil)
        let now = Timestamp(seconds: 20_000 * 86_400 + 100)
        #expect(bench.book.spent(by: key.hex, at: now).coin == 10_000_000_000_000_000)
        #expect(bench.saves == 2)
        #expect(bench.book.spent(by: key.hex, at: now + .seconds(86_400)) == SigningCost())
    }

    @Test func rootsCountAsFarAsTheyGrowAndSlashesOnce() throws {
        var nonce: UInt64 = 0
        func sign(_ data: [UInt8]) throws -> Int? {
            nonce += 1
            return try ask(bench.transaction(nonce, data)).error?.code
        }
        #expect(try sign(SignerBench.root(usd: 1_100, tly: 5)) == nil)
        #expect(try sign(SignerBench.root(usd: 1_100, tly: 15)) == nil)
        #expect(try sign(SignerBench.root(usd: 900)) == nil)
        #expect(try sign(SignerBench.slash(usd: 50, verdict: 1)) == nil)
        #expect(try sign(SignerBench.slash(usd: 50, verdict: 1)) == nil)
        let now = Timestamp(seconds: 20_000 * 86_400 + 100)
        let spent = bench.book.spent(by: key.hex, at: now)
        #expect(spent.usd == 150_000_000 && spent.tly == 15_000_000_000)
        // 1,100 was signed, so what is above it counts, whatever came in between.
        #expect(try sign(SignerBench.root(usd: 1_201)) == 9)
        #expect(try sign(SignerBench.root(usd: 1_200)) == nil)
        #expect(try sign(SignerBench.root(usd: 1_201)) == 10)
        bench.pass(days: 1)
        #expect(try sign(SignerBench.root(usd: 1_201)) == nil)
        #expect(bench.book.spent(by: key.hex, at: now + .seconds(86_400)).usd == 1_000_000)
    }

    /// One verdict is signed for again with more: what is above counts, and the cap of one
    /// transaction is about all of it.
    @Test func aSlashThatGrowsCountsAsFarAsItGrows() throws {
        var nonce: UInt64 = 0
        func sign(_ usd: UInt128, verdict: UInt128 = 1) throws -> Int? {
            nonce += 1
            return try ask(bench.transaction(nonce, SignerBench.slash(usd: usd, verdict: verdict)))
                .error?.code
        }
        let now = Timestamp(seconds: 20_000 * 86_400 + 100)
        #expect(try sign(1) == nil)
        #expect(try sign(5_000) == 9)
        #expect(try sign(90) == nil)
        #expect(try sign(40) == nil)
        #expect(bench.book.spent(by: key.hex, at: now).usd == 90_000_000)
        #expect(try sign(100) == nil)
        #expect(bench.book.spent(by: key.hex, at: now).usd == 100_000_000)
        #expect(try sign(100, verdict: 2) == nil)
        #expect(try sign(50, verdict: 3) == nil)
        #expect(try sign(1, verdict: 4) == 10)
    }

    @Test func whatCannotBeWrittenDownIsNotCounted() throws {
        let desk = try bench.desk()
        let transaction = bench.transaction(1, SignerBench.root(usd: 1_100), thousandths: 10)
        bench.fill(true)
        for _ in 0..<5 {
            #expect(try desk.ask(transaction, key: key).error?.code == 11)
        }
        bench.fill(false)
        #expect(try desk.ask(transaction, key: key).signature != nil)
    }

    @Test func aForgottenCapIsNoCapAndNoPolicy() throws {
        #expect(try bench.desk().reply(#"{"v":1,"id":"x","method":"keys"}"#).keys?.count == 2)
        for part in [
            #""coin_per_transaction": "0.01", "#, #""coin_per_day": "0.025","#,
            #""usd_per_transaction": "100","#, #""tly_per_transaction": "10", "#,
            #""chains": [31337],"#, #""version": 1, "#,
        ] {
            #expect(throws: SigningPolicyError.self, "\(part)") {
                try bench.policies { $0.replacing(part, with: "", maxReplacements: 1) }
            }
        }
        for (part, other) in [
            ("\"0.01\"", "\"0.0000000000000000001\""), ("\"0.01\"", "\"-1\""), ("\"0.01\"", "\"\""),
            ("commitRoot(", "commitRoot ("), ("\"version\": 1", "\"version\": 2"),
            (key.hex, "0x12"), ("slash(address", "0x1234567"),
        ] {
            #expect(throws: SigningPolicyError.self, "\(other)") {
                try bench.policies { $0.replacing(part, with: other) }
            }
        }
    }
}
